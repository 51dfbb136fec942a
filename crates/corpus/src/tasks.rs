//! More uses of the built-in English: sentences labelled by meaning, and documents.

use std::collections::{HashMap, HashSet};

use super::patterns::Pattern;
use super::random::SplitMix64;
use super::speaker::Speaker;

/// Largest number of sentences of a document.
const DOCUMENT_LEN: usize = 8;
/// Words of fewer letters say little about the topic of a sentence.
const CONTENT_LETTERS: usize = 4;
/// A word in more than one of so many sentences says little about it either.
const CONTENT_RATE: usize = 40;
/// After so many draws without a new sentence, the grammar counts as exhausted.
const PATIENCE: usize = 20_000;

/// A sentence and the class that it belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LabeledSentence {
    /// English.
    pub text: String,
    /// The noun that *it* refers to: `subject` or `object`.
    pub label: &'static str,
}

/// Up to `n` different sentences with an *it*, each with the noun that it refers to: `subject` or `object`.
///
/// *The animal did not cross the street because it was too tired* is of the first class, *… too wide* of the second;
/// *small* is a hindrance for a container and a help for its content.
///
/// ```
/// # use attentive_corpus::reference_sentences;
/// let sentences = reference_sentences(100, 1);
/// assert_eq!(sentences.len(), 100);
/// assert!(sentences.iter().all(|sentence| sentence.text.contains(" it ")));
/// assert!((30..70).contains(&sentences.iter().filter(|sentence| sentence.label == "subject").count()));
/// ```
pub fn reference_sentences(n: usize, seed: u64) -> Vec<LabeledSentence> {
    let mut speaker = Speaker { rng: SplitMix64::new(seed) };
    let (mut told, mut sentences, mut idle) = (HashSet::new(), Vec::new(), 0);
    while sentences.len() < n && idle < PATIENCE {
        let draft = Pattern::Reference.draw(&mut speaker);
        idle += 1;
        if let Some(reference) = draft.reference
            && told.insert(draft.source.clone())
        {
            let label = if reference.is_subject { "subject" } else { "object" };
            sentences.push(LabeledSentence { text: draft.source, label });
            idle = 0;
        }
    }
    sentences
}

/// Each of `sentences` once, in documents. Each sentence of a document has a word in common with the one before it, as
/// long as such a sentence is left.
///
/// ```
/// # use attentive_corpus::documents;
/// let sentences = ["The horse is old.", "Anna sees a garden.", "The old horse sleeps.", "The garden is green."];
/// let sentences = sentences.map(String::from);
/// assert_eq!(documents(&sentences), [[0, 2], [1, 3]].map(|document| document.map(|idx| &*sentences[idx]).to_vec()));
/// ```
pub fn documents(sentences: &[String]) -> Vec<Vec<&str>> {
    let words: Vec<HashSet<String>> = sentences.iter().map(|sentence| content_words(sentence)).collect();
    let mut holders: HashMap<&str, Vec<usize>> = HashMap::new();
    for (idx, words) in words.iter().enumerate().rev() {
        words.iter().for_each(|word| holders.entry(word).or_default().push(idx));
    }
    let most = (sentences.len() / CONTENT_RATE).max(2);
    holders.retain(|_, holders| (2..=most).contains(&holders.len()));
    let mut is_told = vec![false; sentences.len()];
    let mut documents = Vec::new();
    for first in 0..sentences.len() {
        let mut document = Vec::new();
        let mut next = (!is_told[first]).then_some(first);
        while let Some(idx) = next {
            is_told[idx] = true;
            document.push(sentences[idx].as_str());
            next = None;
            if document.len() < DOCUMENT_LEN {
                // The rarest word with a sentence left; of several, the first by the alphabet.
                let mut candidates = Vec::new();
                for word in &words[idx] {
                    let Some(holders) = holders.get_mut(word.as_str()) else { continue };
                    while holders.last().is_some_and(|&holder| is_told[holder]) {
                        holders.pop();
                    }
                    candidates.extend(holders.last().map(|&holder| (holders.len(), word, holder)));
                }
                next = candidates.into_iter().min().map(|(_, _, holder)| holder);
            }
        }
        if !document.is_empty() {
            documents.push(document);
        }
    }
    documents
}

fn content_words(sentence: &str) -> HashSet<String> {
    let words = sentence.split(|c: char| !c.is_alphabetic()).filter(|word| word.chars().count() >= CONTENT_LETTERS);
    words.map(str::to_lowercase).collect()
}
