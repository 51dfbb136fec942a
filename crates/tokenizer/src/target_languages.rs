//! Tokens of languages, added to a vocabulary that was made without them.

use std::collections::{BTreeMap, BTreeSet};

use crate::added::{AddedToken, WithAddedTokens};
use crate::error::{Problem, TokenizerError};
use crate::file::Model;
use crate::framing::{Framed, Framing, Languages, PairFrame, plain};
use crate::tokenizer::{TokenId, Tokenizer};

/// The longest name of a language, in bytes.
const MAX_NAME_LEN: usize = 32;

/// A tokenizer for translation in several directions, each of them a source's and a target's language: a source begins with
/// the token of the language that it is to be translated into. Where none is said, it is the first direction's.
///
/// The tokens are special ones after the vocabulary, `>>de<<`, as OPUS-MT has them; those that it has already stay where they
/// are. A tokenizer whose model is told languages in some way keeps that way, and has to know these; one of OPUS-MT gets those
/// that it lacks.
///
/// Source: Johnson et al. 2017, "Google's Multilingual Neural Machine Translation System", §3.
///
/// # Errors
/// [`TokenizerError::Languages`]: a name is not one, a language is unknown, or the tokenizer can't be extended.
///
/// ```
/// use attentive_tokenizer::{BpeTrainer, Tokenizer, with_languages};
///
/// let tokenizer = BpeTrainer::with_merges(10).train(["too tired", "zu müde"])?;
/// let n = tokenizer.vocab_size() as u32;
/// let tokenizer = with_languages(Box::new(tokenizer), &[["en", "de"], ["de", "en"]])?;
/// assert_eq!(tokenizer.token(n).as_deref(), Some(">>de<<"));
/// assert_eq!(tokenizer.pair_frame(None, None)?.source.before, [n]);
/// assert_eq!(tokenizer.pair_frame(Some("de"), Some("en"))?.source.before, [n + 1]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn with_languages(
    tokenizer: Box<dyn Tokenizer>,
    directions: &[[&str; 2]],
) -> Result<Box<dyn Tokenizer>, TokenizerError> {
    let Some(&[source, target]) = directions.first() else { return Ok(tokenizer) };
    extend(&*tokenizer, directions, [source, target]).map_err(|problem| TokenizerError::Languages { problem })
}

fn extend(
    tokenizer: &dyn Tokenizer,
    directions: &[[&str; 2]],
    [source, target]: [&str; 2],
) -> Result<Box<dyn Tokenizer>, String> {
    let model = tokenizer.to_model().ok_or("it has no file to be kept in")?;
    let has = |languages: &Languages| directions.iter().all(|[_, target]| languages.ids.contains_key(*target));
    let is_kept = |languages: &Languages| !languages.are_open() || has(languages);
    let known = tokenizer.framing().filter(|framing| framing.languages.as_ref().is_some_and(is_kept));
    let (inner, framing) = match known {
        Some(framing) => {
            for [source, target] in directions {
                framing.between(Some(source), Some(target)).map_err(|error| error.to_string())?;
            }
            (made(model.unframed())?, framing.clone())
        }
        None => {
            let sources = directions.iter().map(|[source, _]| *source).collect();
            let targets = directions.iter().map(|[_, target]| *target).collect();
            check_names(&sources)?;
            check_names(&targets)?;
            told_targets(tokenizer, made(model.unframed())?, &sources, &targets)?
        }
    };
    let framing = framing.with_usual(Some(source), Some(target)).map_err(|error| error.to_string())?;
    Ok(Box::new(Framed::new(inner, framing)?))
}

/// The tokenizer with a token for each target, and how it frames its texts.
fn told_targets(
    tokenizer: &dyn Tokenizer,
    inner: Box<dyn Tokenizer>,
    sources: &BTreeSet<&str>,
    targets: &BTreeSet<&str>,
) -> Result<(Box<dyn Tokenizer>, Framing), String> {
    let mut framing = match tokenizer.framing() {
        Some(framing) => framing.clone(),
        None => {
            let PairFrame { source, begin, first, .. } = plain(inner.specials()).map_err(|error| error.to_string())?;
            Framing { source, begin: Some(begin), first, languages: None }
        }
    };
    let mut named: BTreeMap<String, Option<TokenId>> = targets.iter().map(|name| (token_of(name), None)).collect();
    let n = inner.vocab_size() as TokenId;
    for id in 0..n {
        if let Some(found) = inner.source_token(id).and_then(|token| named.get_mut(&*token)) {
            *found = Some(id);
        }
    }
    let mut new = n..;
    let mut added = inner.added_tokens();
    let mut ids = framing.languages.take().map(|known| known.ids).unwrap_or_default();
    for name in targets {
        let token = token_of(name);
        let Some(id) = named.remove(&token).flatten().or_else(|| new.next()) else { continue };
        added.retain(|known| known.id != id);
        added.push(AddedToken::special(id, token));
        ids.insert((*name).to_owned(), id);
    }
    // No target is given the id of a language, so it must not be that of a word there.
    let is_of_both = |&id: &TokenId| inner.source_token(id) == inner.token(id);
    if inner.source_vocab_size() > inner.vocab_size() || !ids.values().all(is_of_both) {
        return Err("sources have a vocabulary of their own".to_owned());
    }
    let sources = sources.iter().map(|&name| name.to_owned()).collect();
    let languages = Languages { ids, sources: Some(sources), ..Languages::default() };
    let specials = inner.specials().clone();
    let inner = WithAddedTokens::new(inner, added, specials).map_err(Problem::reason)?;
    Ok((Box::new(inner), Framing { languages: Some(languages), ..framing }))
}

/// The token of a language.
fn token_of(name: &str) -> String {
    format!(">>{name}<<")
}

fn check_names(names: &BTreeSet<&str>) -> Result<(), String> {
    let is_one = |name: &str| {
        let is_part = |c: char| c.is_alphanumeric() || c == '-' || c == '_';
        !name.is_empty() && name.len() <= MAX_NAME_LEN && name.chars().all(is_part)
    };
    match names.iter().find(|name| !is_one(name)) {
        Some(name) => Err(format!(
            "{name:?} is not the name of a language: it has letters, digits, - and _, and {MAX_NAME_LEN} bytes at most"
        )),
        None => Ok(()),
    }
}

fn made(model: Model) -> Result<Box<dyn Tokenizer>, String> {
    model.into_tokenizer().map_err(Problem::reason)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        BpeTrainer, ByteLevelBpeTrainer, Bytes, Characters, CodePoints, UnigramTrainer, WordPieceTrainer, load, save,
    };

    const BOTH: [[&str; 2]; 2] = [["en", "de"], ["de", "en"]];

    fn kinds() -> Vec<Box<dyn Tokenizer>> {
        let lines = ["the animal was tired", "das tier war müde", "<s> >>de<<"];
        vec![
            Box::new(BpeTrainer::with_merges(20).train(lines).unwrap()),
            Box::new(ByteLevelBpeTrainer::with_vocab_size(280).train(lines).unwrap()),
            Box::new(UnigramTrainer::with_vocab_size(320).train(lines).unwrap()),
            Box::new(WordPieceTrainer::with_vocab_size(60).train(lines).unwrap()),
            Box::new(Characters::train_covering(lines.map(str::to_owned), 1.0).0.framed()),
            Box::new(Bytes::default()),
            Box::new(CodePoints::default()),
        ]
    }

    #[test]
    fn every_kind_takes_languages_and_keeps_its_texts() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokenizer.json");
        for (before, again) in kinds().into_iter().zip(kinds()) {
            let n = before.vocab_size() as TokenId;
            let tokenizer = with_languages(again, &BOTH).unwrap();
            assert_eq!(tokenizer.vocab_size(), n as usize + 2);
            let plain = before.pair_frame(None, None).unwrap();
            for (source, target, id) in [("en", "de", n), ("de", "en", n + 1)] {
                let mut expected = plain.clone();
                expected.source.before.insert(0, id);
                expected.languages = vec![n, n + 1];
                assert_eq!(tokenizer.pair_frame(Some(source), Some(target)), Ok(expected));
            }
            // Text that looks like a language stays text, in both directions.
            for text in ["the tier", ">>de<< das", " müde  t"] {
                let ids = tokenizer.encode(text);
                assert_eq!((&ids, tokenizer.decode(&ids)), (&before.encode(text), before.decode(&ids)));
                let told = tokenizer.decode(&[&[n], &ids[..], &[n + 1]].concat());
                assert_eq!(told, before.decode(&ids));
            }
            save(&*tokenizer, &path).unwrap();
            let saved = load(&path).unwrap();
            assert_eq!((saved.framing(), saved.token(n + 1)), (tokenizer.framing(), tokenizer.token(n + 1)));
            // A run on such a tokenizer begins with the other direction, and no token more.
            let turned = with_languages(saved, &[["de", "en"]]).unwrap();
            assert_eq!(turned.vocab_size(), n as usize + 2);
            assert_eq!(turned.pair_frame(None, None).unwrap().source.before, [n + 1]);
        }
    }

    #[test]
    fn what_can_not_be_is_refused_by_name() {
        let problem = |tokenizer, directions: &[[&str; 2]]| {
            with_languages(tokenizer, directions).err().map(|error| error.to_string()).unwrap_or_default()
        };
        let bytes = || Box::new(Bytes::default());
        for name in ["", "d e", "de<<", &"d".repeat(33)] {
            let message = problem(bytes(), &[["en", name]]);
            assert!(message.contains(&format!("{name:?} is not the name of a language")), "{message}");
        }
        let told = with_languages(bytes(), &BOTH).unwrap();
        let message = problem(told, &[["en", "fr"]]);
        assert!(message.contains("no language \"fr\"; near it are de, en"), "{message}");
    }
}
