//! The heads that resolve "it".

use std::ops::Range;

use attentive_corpus::PronounSentence;

use crate::{AttentionKind, HeadScores, InspectError, TranslationViewer, View, WordPair, find_word};

/// How the heads of one kind of attention do with pronouns.
#[derive(Debug, Clone)]
pub struct PronounHeads {
    /// Which attention.
    pub kind: AttentionKind,
    /// For each head, how often it looks at the right noun, with its article, more than at the other.
    pub scores: HeadScores,
}

/// How often every head of a translation model resolves a pronoun: in the encoder, where *it* looks; in the decoder, where the
/// model looks when it writes the pronoun, among the words that it has written and in the source. A head is right if it looks at
/// the noun that the pronoun refers to more than at the other noun, articles included: German ones tell the gender.
///
/// # Errors
/// [`InspectError`] if the model attends to nothing, or a sentence is too long for it.
pub fn pronoun_heads(
    viewer: &TranslationViewer,
    sentences: &[PronounSentence],
) -> Result<Vec<PronounHeads>, InspectError> {
    let mut found: Vec<PronounHeads> = Vec::new();
    for sentence in sentences {
        for view in viewer.look(&sentence.source, &sentence.target)? {
            let Some(pair) = pair(viewer, sentence, view.kind) else { continue };
            let View { kind, weights, .. } = view;
            let at = found.iter().position(|heads| heads.kind == kind).unwrap_or_else(|| {
                found.push(PronounHeads { kind, scores: HeadScores::default() });
                found.len() - 1
            });
            found[at].scores.add_pair(&weights, &pair);
        }
    }
    Ok(found)
}

/// The pronoun and both nouns, as the attention numbers them; `None` where a noun is inflected.
fn pair(viewer: &TranslationViewer, sentence: &PronounSentence, kind: AttentionKind) -> Option<WordPair> {
    let PronounSentence { source, target, pronoun, antecedent, other, antecedent_english, other_english, .. } =
        sentence;
    let noun_of_source =
        |noun: &str| Some(viewer.source_tokens(source, with_article(source, find_word(source, noun)?)));
    let noun_of_target = |noun: &str| {
        let tokens = viewer.target_tokens(target, with_article(target, find_word(target, noun)?));
        Some(tokens.start + 1..tokens.end + 1) // after the token that begins
    };
    let written = || Some(viewer.target_tokens(target, place_of_pronoun(target, pronoun)?));
    let (from, to, other) = match kind {
        AttentionKind::Encoder => {
            let it = viewer.source_tokens(source, find_word(source, "it")?);
            (it, noun_of_source(antecedent_english)?, noun_of_source(other_english)?)
        }
        AttentionKind::Cross => (written()?, noun_of_source(antecedent_english)?, noun_of_source(other_english)?),
        AttentionKind::Decoder => (written()?, noun_of_target(antecedent)?, noun_of_target(other)?),
    };
    Some(WordPair { from, to: to.clone(), among: vec![to, other] })
}

/// A noun's place with that of the word before it.
fn with_article(text: &str, noun: Range<usize>) -> Range<usize> {
    let before = text[..noun.start].trim_end();
    before.rfind(char::is_whitespace).map_or(0, |at| at + 1)..noun.end
}

/// Where the pronoun stands after *weil* or *obwohl*.
fn place_of_pronoun(target: &str, pronoun: &str) -> Option<Range<usize>> {
    let after = ["weil", "obwohl"].iter().find_map(|word| Some(find_word(target, word)?.end))?;
    let place = find_word(&target[after..], pronoun)?;
    Some(after + place.start..after + place.end)
}
