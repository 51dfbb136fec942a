//! What stands around the texts of an encoder–decoder, and the languages that they are in.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::added::AddedToken;
use crate::error::{Problem, UnknownId};
use crate::file::Model;
use crate::place::Place;
use crate::sampling::SampleStrength;
use crate::specials::Specials;
use crate::tokenizer::{Token, TokenId, Tokenizer};

/// The ids that stand around texts when a model takes them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Frame {
    /// Before the text.
    pub before: Vec<TokenId>,
    /// After the text.
    pub after: Vec<TokenId>,
    /// Between two texts, if the files say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub between: Option<Vec<TokenId>>,
}

/// The ids that stand around a source and before a target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PairFrame {
    /// Around a source.
    pub source: Frame,
    /// What the decoder reads first.
    pub begin: TokenId,
    /// The id that every target begins with, as a token of its own.
    pub first: Option<TokenId>,
    /// The ids of languages of targets, if sources are told these: one that a source begins with by itself takes the place of the
    /// frame's.
    pub languages: Vec<TokenId>,
}

impl PairFrame {
    /// What stands before a source of these ids: without the language, if they begin with one.
    pub fn before(&self, ids: &[TokenId]) -> &[TokenId] {
        let is_language = |id: Option<&TokenId>| id.is_some_and(|id| self.languages.contains(id));
        let before = &self.source.before[..];
        if is_language(before.first()) && is_language(ids.first()) { &before[1..] } else { before }
    }

    /// A source of these ids in its frame.
    pub fn around(&self, ids: &[TokenId]) -> Vec<TokenId> {
        [self.before(ids), ids, &self.source.after].concat()
    }
}

/// How an encoder–decoder has its texts framed, where it is not by the end after a source and the beginning before a target.
///
/// | model | source | decoder reads first | target begins with |
/// |---|---|---|---|
/// | BART | `<s>` text `</s>` | `</s>` | `<s>` |
/// | mBART | text `</s>` language | language | |
/// | mBART-50, M2M100, NLLB | language text `</s>` | `</s>` | language |
/// | trained here | language of the target, text `</s>` | `<s>` | |
/// | OPUS-MT of several targets | language of the target if one is said, text `</s>` | `<pad>` | |
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Framing {
    /// Around a source, its language left out.
    pub source: Frame,
    /// What the decoder reads first; without it, the target's language.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub begin: Option<TokenId>,
    /// The id that every target begins with; without it, the target's language, unless that is what the decoder reads first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first: Option<TokenId>,
    /// The languages, if the model is told them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub languages: Option<Languages>,
}

/// The languages that a model is told.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Languages {
    /// The id of each language, by its name: `en_XX`, `en`, `eng_Latn`.
    pub ids: BTreeMap<String, TokenId>,
    /// Whether a source's language ends it; else it begins it.
    pub after_source: bool,
    /// The languages of sources, where a source has the token of the language that it is to be translated into in the place of
    /// its own (Johnson et al. 2017, §3), and the target has none. Without it, each side has its own language's. An empty set is
    /// that of OPUS-MT, see [`are_open`](Self::are_open).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sources: Option<BTreeSet<String>>,
    /// The language of sources where none is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// The language of targets where none is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
}

/// Why texts can't be framed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum FrameError {
    /// The tokenizer has no id for a part of a frame.
    #[error("the tokenizer has no {role} token, which translation needs")]
    NoSpecial {
        /// `begin-of-sentence` or `end-of-sentence`.
        role: &'static str,
    },
    /// No language is said, and the model has no usual one.
    #[error(
        "the model is told the language of each {side}, and none is said: give --{side}-language; there are {known}"
    )]
    NoLanguage {
        /// `source` or `target`.
        side: &'static str,
        /// Names of languages, or some of them.
        known: String,
    },
    /// The model does not have a language.
    #[error("the model has no language {name:?}; near it are {near}")]
    UnknownLanguage {
        /// The name.
        name: String,
        /// Names that are like it.
        near: String,
    },
    /// A language is said to a model that is not told any.
    #[error("the model is not told languages: leave out {name:?}")]
    NoLanguages {
        /// The name.
        name: String,
    },
}

impl Framing {
    /// The frame of a pair: `source` and `target` are names of languages, in place of the usual ones.
    ///
    /// # Errors
    /// [`FrameError`]: a language is missing or unknown, or the model is not told any.
    pub fn between(&self, source: Option<&str>, target: Option<&str>) -> Result<PairFrame, FrameError> {
        let told = match &self.languages {
            Some(languages) if languages.sources.is_some() => {
                source.map_or(Ok(()), |name| languages.check_source(name))?;
                target
            }
            _ => source,
        };
        let source = self.of_source(told)?;
        let (begin, first) = self.of_target(target)?;
        Ok(PairFrame { source, begin, first, languages: self.told().collect() })
    }

    /// What stands around a source in a language, or, where that is what sources are told, one that is translated into it.
    ///
    /// # Errors
    /// As [`between`](Self::between).
    pub fn of_source(&self, language: Option<&str>) -> Result<Frame, FrameError> {
        let mut frame = self.source.clone();
        match &self.languages {
            None => refuse_languages(language)?,
            Some(languages) => {
                let (side, usual) = match languages.sources {
                    Some(_) => ("target", &languages.target),
                    None => ("source", &languages.source),
                };
                let name = language.or(usual.as_deref());
                if name.is_none() && languages.are_open() {
                    return Ok(frame);
                }
                let id = languages.id(side, name)?;
                if languages.after_source {
                    frame.after.push(id);
                } else {
                    frame.before.insert(0, id);
                }
            }
        }
        Ok(frame)
    }

    /// What the decoder reads first of a target in a language, and what the target begins with.
    ///
    /// # Errors
    /// As [`between`](Self::between).
    pub fn of_target(&self, language: Option<&str>) -> Result<(TokenId, Option<TokenId>), FrameError> {
        let Some(languages) = &self.languages else {
            refuse_languages(language)?;
            let begin = self.begin.ok_or(FrameError::NoSpecial { role: "begin-of-sentence" })?;
            return Ok((begin, self.first));
        };
        let name = language.or(languages.target.as_deref());
        if let Some(begin) = self.begin.filter(|_| name.is_none() && languages.are_open()) {
            return Ok((begin, self.first));
        }
        let id = languages.id("target", name)?;
        Ok(match self.begin {
            Some(begin) if languages.sources.is_some() => (begin, self.first),
            Some(begin) => (begin, self.first.or(Some(id))),
            None => (id, self.first),
        })
    }

    /// The same with other usual languages, where names are given.
    ///
    /// # Errors
    /// [`FrameError`]: a language is unknown, or the model is not told any.
    pub fn with_usual(mut self, source: Option<&str>, target: Option<&str>) -> Result<Self, FrameError> {
        match &mut self.languages {
            None => refuse_languages(source.or(target))?,
            Some(languages) => {
                source.map_or(Ok(()), |name| languages.check_source(name))?;
                target.map_or(Ok(()), |name| languages.id("target", Some(name)).map(drop))?;
                languages.source = source.map(str::to_owned).or(languages.source.take());
                languages.target = target.map(str::to_owned).or(languages.target.take());
            }
        }
        Ok(self)
    }

    /// The ids of the languages of targets that sources are told.
    fn told(&self) -> impl Iterator<Item = TokenId> + '_ {
        let languages = self.languages.iter().filter(|languages| languages.sources.is_some());
        languages.flat_map(|languages| languages.ids.values().copied())
    }

    /// The ids of languages that are before sources alone: no translation has them. Those of OPUS-MT are entries like others,
    /// which transformers writes too.
    pub fn of_sources_alone(&self) -> impl Iterator<Item = TokenId> + '_ {
        let are_alone = self.languages.as_ref().is_some_and(|languages| !languages.are_open());
        self.told().filter(move |_| are_alone)
    }

    /// Holds the ids against the numbers of entries that sources and targets have.
    fn check(&self, n_of_sources: usize, n_of_targets: usize) -> Result<(), String> {
        let Self { source: Frame { before, after, between: _ }, begin, first, languages } = self;
        let of_sources = before.iter().chain(after).copied().chain(self.told()).map(|id| (id, n_of_sources));
        let of_both = languages.iter().filter(|languages| languages.sources.is_none());
        let of_both = of_both.flat_map(|languages| languages.ids.values());
        let of_targets = begin.iter().chain(first).chain(of_both).map(|&id| (id, n_of_targets));
        if let Some((id, n)) = of_sources.chain(of_targets).find(|&(id, n)| id as usize >= n) {
            return Err(format!("framing has the id {id}, and the vocabulary {n} entries"));
        }
        let Some(languages) = languages else { return Ok(()) };
        if languages.sources.is_some() && begin.is_none() {
            return Err("framing.begin is missing, and targets have no language".to_owned());
        }
        let is_read = |name: &&String| languages.check_source(name).is_ok();
        let unknown = languages.source.as_ref().filter(|name| !is_read(name));
        match unknown.or(languages.target.as_ref().filter(|&name| !languages.ids.contains_key(name))) {
            Some(name) => Err(format!("framing.languages has no {name:?}")),
            None => Ok(()),
        }
    }
}

impl Languages {
    /// Whether sources may be in any language, and may begin with the token of a target's by themselves, so that none has to be
    /// said: OPUS-MT's, whose vocabulary names targets alone.
    pub fn are_open(&self) -> bool {
        self.sources.as_ref().is_some_and(BTreeSet::is_empty)
    }

    /// The names of the languages that a source may be in; of those that may be in any, the usual one.
    pub fn of_sources(&self) -> Vec<&str> {
        match &self.sources {
            Some(_) if self.are_open() => self.source.as_deref().into_iter().collect(),
            Some(names) => names.iter().map(String::as_str).collect(),
            None => self.ids.keys().map(String::as_str).collect(),
        }
    }

    /// Refuses the name of a language that no source is in.
    fn check_source(&self, name: &str) -> Result<(), FrameError> {
        match &self.sources {
            Some(names) if self.are_open() || names.contains(name) => Ok(()),
            Some(names) => {
                Err(FrameError::UnknownLanguage { name: name.to_owned(), near: nearest(name, names.iter()) })
            }
            None => self.id("source", Some(name)).map(drop),
        }
    }

    /// Names of all, or of the first of many.
    pub fn names(&self) -> String {
        const SHOWN: usize = 12;
        let shown: Vec<&str> = self.ids.keys().take(SHOWN).map(String::as_str).collect();
        let more = self.ids.len() - shown.len();
        let names = shown.join(", ");
        if more > 0 { format!("{names} and {more} more") } else { names }
    }

    fn id(&self, side: &'static str, name: Option<&str>) -> Result<TokenId, FrameError> {
        let name = name.ok_or_else(|| FrameError::NoLanguage { side, known: self.names() })?;
        let unknown = || FrameError::UnknownLanguage { name: name.to_owned(), near: nearest(name, self.ids.keys()) };
        self.ids.get(name).copied().ok_or_else(unknown)
    }
}

/// The names that are most like `name`: those that begin as it does, then those with the fewest other letters.
fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a String>) -> String {
    const SHOWN: usize = 5;
    let wanted = name.to_lowercase();
    let rank = |known: &&String| {
        let known = known.to_lowercase();
        let alike = known.chars().zip(wanted.chars()).take_while(|(a, b)| a == b).count();
        (std::cmp::Reverse(alike.min(3)), edit_distance(&known, &wanted))
    };
    let mut names: Vec<&String> = known.collect();
    names.sort_by_cached_key(rank);
    names.truncate(SHOWN);
    names.into_iter().map(String::as_str).collect::<Vec<_>>().join(", ")
}

/// Insertions, removals and exchanges of characters between two words (Levenshtein 1966).
fn edit_distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, &to) in b.iter().enumerate() {
            let exchanged = diagonal + usize::from(from != to);
            diagonal = row[j + 1];
            row[j + 1] = exchanged.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

pub(crate) fn refuse_languages(language: Option<&str>) -> Result<(), FrameError> {
    language.map_or(Ok(()), |name| Err(FrameError::NoLanguages { name: name.to_owned() }))
}

/// The frame of tokenizers that say nothing else: the end after a source, the beginning before a target.
pub(crate) fn plain(specials: &Specials) -> Result<PairFrame, FrameError> {
    let need = |id: Option<TokenId>, role| id.ok_or(FrameError::NoSpecial { role });
    let after = vec![need(specials.end(), "end-of-sentence")?];
    let begin = need(specials.begin(), "begin-of-sentence")?;
    Ok(PairFrame { source: Frame { after, ..Frame::default() }, begin, first: None, languages: Vec::new() })
}

/// A tokenizer whose texts are framed as a model expects it.
///
/// Ids of texts are those of the tokenizer in it; [`pair_frame`](Tokenizer::pair_frame) says what stands around them.
pub struct Framed {
    inner: Box<dyn Tokenizer>,
    framing: Framing,
}

/// The parameters of [`Framed`] as they stand in `tokenizer.json`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FramedFile {
    pub(crate) framing: Framing,
    pub(crate) tokenizer: Box<Model>,
}

impl Framed {
    /// `inner` with a framing.
    ///
    /// # Errors
    /// An id that the vocabulary does not have, or a usual language that is not one of the languages.
    pub fn new(inner: Box<dyn Tokenizer>, framing: Framing) -> Result<Self, String> {
        framing.check(inner.source_vocab_size(), inner.vocab_size())?;
        Ok(Self { inner, framing })
    }

    pub(crate) fn of_file(file: FramedFile) -> Result<Self, Problem> {
        Ok(Self::new(file.tokenizer.into_tokenizer()?, file.framing)?)
    }
}

impl std::fmt::Debug for Framed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { inner, framing } = self;
        f.debug_struct("Framed").field("vocab_size", &inner.vocab_size()).field("framing", framing).finish()
    }
}

impl Tokenizer for Framed {
    fn encode(&self, text: &str) -> Vec<TokenId> {
        self.inner.encode(text)
    }

    fn encode_with_specials(&self, text: &str) -> Vec<TokenId> {
        self.inner.encode_with_specials(text)
    }

    fn encode_target(&self, text: &str) -> Vec<TokenId> {
        self.inner.encode_target(text)
    }

    fn encode_with_offsets(&self, text: &str) -> Vec<(TokenId, Range<usize>)> {
        self.inner.encode_with_offsets(text)
    }

    fn encode_target_with_offsets(&self, text: &str) -> Vec<(TokenId, Range<usize>)> {
        self.inner.encode_target_with_offsets(text)
    }

    fn encode_with_words(&self, text: &str) -> Vec<Token> {
        self.inner.encode_with_words(text)
    }

    fn continuation(&self) -> Option<&str> {
        self.inner.continuation()
    }

    fn sample(&self, text: &str, strength: f64, seed: u64) -> Vec<TokenId> {
        self.inner.sample(text, strength, seed)
    }

    fn sample_target(&self, text: &str, strength: f64, seed: u64) -> Vec<TokenId> {
        self.inner.sample_target(text, strength, seed)
    }

    fn sample_strength(&self) -> Option<SampleStrength> {
        self.inner.sample_strength()
    }

    fn decode_bytes(&self, ids: &[TokenId]) -> Result<Vec<u8>, UnknownId> {
        self.inner.decode_bytes(ids)
    }

    fn decode(&self, ids: &[TokenId]) -> Result<String, UnknownId> {
        self.inner.decode(ids)
    }

    fn written(&self, place: Place, id: TokenId) -> Option<(Vec<u8>, Place)> {
        self.inner.written(place, id)
    }

    fn vocab_size(&self) -> usize {
        self.inner.vocab_size()
    }

    fn source_vocab_size(&self) -> usize {
        self.inner.source_vocab_size()
    }

    fn specials(&self) -> &Specials {
        self.inner.specials()
    }

    fn framing(&self) -> Option<&Framing> {
        Some(&self.framing)
    }

    fn sentinel(&self, index: usize) -> Option<TokenId> {
        self.inner.sentinel(index)
    }

    fn token(&self, id: TokenId) -> Option<Cow<'_, str>> {
        self.inner.token(id)
    }

    fn source_token(&self, id: TokenId) -> Option<Cow<'_, str>> {
        self.inner.source_token(id)
    }

    fn added_tokens(&self) -> Vec<AddedToken> {
        self.inner.added_tokens()
    }

    fn to_model(&self) -> Option<Model> {
        let tokenizer = Box::new(self.inner.to_model()?);
        Some(Model::Framed(FramedFile { framing: self.framing.clone(), tokenizer }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bytes::Bytes;

    fn languages(after_source: bool) -> Languages {
        let ids = ["de_DE", "en_XX", "et_EE", "fr_XX"].into_iter().map(str::to_owned).zip(10..).collect();
        Languages { ids, after_source, source: Some("en_XX".into()), ..Languages::default() }
    }

    #[test]
    fn each_language_has_its_place() {
        let end = Frame { before: vec![], after: vec![2], between: None };
        let mbart = Framing { source: end.clone(), languages: Some(languages(true)), ..Framing::default() };
        let pair = |before, after, begin, first| PairFrame {
            source: Frame { before, after, between: None },
            begin,
            first,
            languages: vec![],
        };
        assert_eq!(mbart.between(None, Some("de_DE")), Ok(pair(vec![], vec![2, 11], 10, None)));
        let m2m = Framing { begin: Some(2), languages: Some(languages(false)), ..mbart };
        assert_eq!(m2m.between(Some("fr_XX"), Some("de_DE")), Ok(pair(vec![13], vec![2], 2, Some(10))));
        let bart = Framing { begin: Some(2), first: Some(0), source: end, languages: None };
        assert_eq!(bart.between(None, None), Ok(pair(vec![], vec![2], 2, Some(0))));
    }

    #[test]
    fn a_source_may_be_told_the_language_of_its_target() {
        let sources = Some(["en_XX", "pl_PL"].map(str::to_owned).into());
        let languages = Languages { sources, target: Some("de_DE".into()), ..languages(false) };
        let source = Frame { before: vec![], after: vec![2], between: None };
        let framing = Framing { source, begin: Some(1), languages: Some(languages), ..Framing::default() };
        let into = |language| PairFrame {
            source: Frame { before: vec![language], after: vec![2], between: None },
            begin: 1,
            first: None,
            languages: vec![10, 11, 12, 13],
        };
        assert_eq!(framing.between(None, None), Ok(into(10)));
        assert_eq!(framing.between(Some("pl_PL"), Some("fr_XX")), Ok(into(13)));
        let usual = framing.clone().with_usual(Some("pl_PL"), Some("et_EE")).unwrap();
        assert_eq!(usual.between(None, None), Ok(into(12)));
        // A language that is read alone can't be written, and the other way round.
        for (source, target, near) in [(None, Some("pl_PL"), "de_DE"), (Some("fr_XX"), None, "en_XX")] {
            let message = framing.between(source, target).unwrap_err().to_string();
            assert!(message.contains("near it are") && message.contains(near), "{message}");
            assert_eq!(framing.clone().with_usual(source, target), Err(framing.between(source, target).unwrap_err()));
        }
        let framed = |framing| Framed::new(Box::new(Bytes::default()), framing);
        assert!(framed(framing.clone()).is_ok());
        assert!(framed(Framing { begin: None, ..framing }).unwrap_err().contains("framing.begin is missing"));
    }

    #[test]
    fn a_source_may_say_the_language_of_its_target_by_itself() {
        let languages = Languages { sources: Some(BTreeSet::new()), source: None, ..languages(false) };
        let source = Frame { before: vec![], after: vec![2], between: None };
        let framing = Framing { source, begin: Some(1), languages: Some(languages), ..Framing::default() };
        let untold = framing.between(None, None).unwrap();
        assert_eq!((untold.around(&[5]), untold.around(&[12, 5])), (vec![5, 2], vec![12, 5, 2]));
        // Sources are in any language, and what they say counts.
        let french = framing.between(Some("tlh"), Some("fr_XX")).unwrap();
        assert_eq!((french.around(&[5]), french.around(&[12, 5])), (vec![13, 5, 2], vec![12, 5, 2]));
        assert_eq!((french.around(&[5, 12]), french.around(&[])), (vec![13, 5, 12, 2], vec![13, 2]));
        let message = framing.between(None, Some("fr")).unwrap_err().to_string();
        assert!(message.contains("no language \"fr\"; near it are fr_XX"), "{message}");
        let usual = framing.clone().with_usual(Some("tlh"), Some("fr_XX")).unwrap();
        assert_eq!(usual.between(None, None), Ok(french));
        // Entries of texts are written too, as those of sources alone are not.
        assert_eq!((framing.of_sources_alone().count(), framing.told().count()), (0, 4));
        let known = |framing: &Framing| framing.languages.as_ref().map(|languages| languages.of_sources().concat());
        assert_eq!((known(&framing), known(&usual)), (Some(String::new()), Some("tlh".to_owned())));
    }

    #[test]
    fn what_is_missing_or_unknown_is_said() {
        let framing = Framing { begin: Some(2), languages: Some(languages(false)), ..Framing::default() };
        let message = framing.between(None, None).unwrap_err().to_string();
        assert!(message.contains("each target") && message.contains("de_DE, en_XX"), "{message}");
        let message = framing.between(Some("en"), Some("de_DE")).unwrap_err().to_string();
        assert!(message.contains("\"en\"; near it are en_XX"), "{message}");
        let plain = Bytes::default();
        let message = plain.pair_frame(Some("en"), None).unwrap_err().to_string();
        assert!(message.contains("leave out \"en\""), "{message}");
        assert!(Framed::new(Box::new(plain), Framing { first: Some(1000), ..Framing::default() }).is_err());
    }

    #[test]
    fn distances_are_those_of_the_definition() {
        for (a, b, expected) in [("", "abc", 3), ("kitten", "sitting", 3), ("en", "en_XX", 3), ("de", "de", 0)] {
            assert_eq!((edit_distance(a, b), edit_distance(b, a)), (expected, expected));
        }
    }
}
