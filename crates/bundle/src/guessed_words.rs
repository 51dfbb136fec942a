//! Words that are put together from guesses of their characters or subwords.

use std::collections::HashSet;

use crate::{Candidate, text_encoder::softmax};

/// The `k` most probable words of subwords, each guessed by itself at its first place, where subwords have the scores
/// `logits`; best first.
pub(crate) fn words_of<'a>(subwords: &[String], logits: impl Iterator<Item = &'a [f32]>, k: usize) -> Vec<Candidate> {
    let probabilities: Vec<Vec<f64>> = logits.map(softmax).collect();
    let best = |mut words: Vec<Candidate>| {
        words.sort_by(|a, b| b.probability.total_cmp(&a.probability));
        let mut seen = HashSet::new();
        // A word may be cut in several ways: the most probable one counts.
        words.retain(|word| seen.len() < k && seen.insert(word.text.clone()));
        words
    };
    // Beginnings of a word, by their length.
    let mut begun = vec![Vec::new(); probabilities.len() + 1];
    begun[0].push(Candidate { text: String::new(), probability: 1.0 });
    for (at, probabilities) in probabilities.iter().enumerate() {
        let words = best(std::mem::take(&mut begun[at]));
        for (subword, p) in subwords.iter().zip(probabilities) {
            let Some(longer) = begun[at..].get_mut(subword.chars().count()) else { continue };
            let with = |word: &Candidate| Candidate {
                text: format!("{}{subword}", word.text),
                probability: word.probability * p,
            };
            longer.extend(words.iter().map(with));
        }
    }
    best(begun.pop().unwrap_or_default())
}

/// The `k` most probable words of characters that are guessed each by itself, best first.
pub(crate) fn likeliest_words(characters: impl Iterator<Item = Vec<Candidate>>, k: usize) -> Vec<Candidate> {
    let empty = vec![Candidate { text: String::new(), probability: 1.0 }];
    characters.fold(empty, |words, characters| {
        let longer = |word: &Candidate| {
            let (text, probability) = (word.text.clone(), word.probability);
            characters.clone().into_iter().map(move |character| Candidate {
                text: format!("{text}{}", character.text),
                probability: probability * character.probability,
            })
        };
        let mut longer: Vec<Candidate> = words.iter().flat_map(longer).collect();
        longer.sort_by(|a, b| b.probability.total_cmp(&a.probability));
        longer.truncate(k);
        longer
    })
}
