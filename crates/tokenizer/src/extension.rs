//! Tokens that are added to a vocabulary.

use std::collections::HashMap;

use thiserror::Error;

use crate::{
    added::{AddedToken, WithAddedTokensFile, of_specials},
    file::Model,
    framing::FramedFile,
    tokenizer::{TokenId, Tokenizer},
};

/// A token that can't be added.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ExtensionError {
    /// It is there already.
    #[error("{content:?} is a token of the vocabulary already, {id}: leave it out")]
    Known {
        /// The token.
        content: String,
        /// Its id.
        id: TokenId,
    },
    /// The tokenizer can't be extended, or not by it.
    #[error("the vocabulary can't be extended: {problem}")]
    Refused {
        /// What is in the way.
        problem: String,
    },
}

/// A tokenizer with more tokens, whose ids follow those that there are. They are found in a text before anything else; with
/// `special`, only where special tokens are read, and they are not part of what is decoded.
///
/// # Errors
/// [`ExtensionError`]: a token is empty, white space alone or there already, or the tokenizer is of a kind that has no file.
///
/// ```
/// use attentive_tokenizer::{BpeTrainer, Tokenizer, with_tokens};
///
/// let tokenizer = BpeTrainer::with_merges(5).train(["the animal was tired"])?;
/// let n = tokenizer.vocab_size() as u32;
/// let extended = with_tokens(&tokenizer, &["Giraffe"], false)?;
/// assert!(extended.encode("the Giraffe was tired").contains(&n));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn with_tokens(
    tokenizer: &dyn Tokenizer,
    contents: &[impl AsRef<str>],
    special: bool,
) -> Result<Box<dyn Tokenizer>, ExtensionError> {
    let refused = |problem: String| ExtensionError::Refused { problem };
    let n = tokenizer.vocab_size();
    if tokenizer.source_vocab_size() > n {
        return Err(refused("sources have a vocabulary of their own, with more tokens".to_owned()));
    }
    let tokens = (0..n as TokenId).filter_map(|id| Some((tokenizer.token(id)?, id)));
    let mut known: HashMap<String, TokenId> = tokens.map(|(token, id)| (token.into(), id)).collect();
    let mut added = Vec::new();
    for (content, id) in contents.iter().map(AsRef::as_ref).zip(n as TokenId..) {
        // It would be found in a text before the tokenizer sees the white space that its words begin after.
        if content.trim().is_empty() {
            return Err(refused(format!("{content:?} is white space alone: leave it out")));
        }
        if let Some(id) = known.insert(content.to_owned(), id) {
            if id as usize >= n {
                return Err(refused(format!("{content:?} is given twice: leave one out")));
            }
            return Err(ExtensionError::Known { content: content.to_owned(), id });
        }
        added.push(AddedToken { special, ..AddedToken::special(id, content) });
    }
    let model = tokenizer.to_model().ok_or_else(|| refused("this kind of tokenizer has no file".to_owned()))?;
    extended(model, tokenizer, added).into_tokenizer().map_err(|problem| refused(problem.reason()))
}

fn extended(model: Model, tokenizer: &dyn Tokenizer, added: Vec<AddedToken>) -> Model {
    match model {
        Model::Framed(FramedFile { framing, tokenizer: inner }) => {
            Model::Framed(FramedFile { framing, tokenizer: Box::new(extended(*inner, tokenizer, added)) })
        }
        Model::WithAddedTokens(mut file) => {
            file.added_tokens.extend(added);
            Model::WithAddedTokens(file)
        }
        other => Model::WithAddedTokens(WithAddedTokensFile {
            specials: tokenizer.specials().clone(),
            // Those that the inner tokenizer finds by itself are found around it now.
            added_tokens: of_specials(tokenizer).into_iter().chain(added).collect(),
            tokenizer: Box::new(other),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{BpeTrainer, ByteLevelBpeTrainer, Characters, Place, UnigramTrainer, WordPieceTrainer};

    const TEXT: &str = "the animal did not cross the street because it was too tired";

    #[test]
    fn other_text_keeps_its_ids_and_files_hold_the_new_tokens() {
        let kinds: [Box<dyn Tokenizer>; 4] = [
            Box::new(BpeTrainer::with_merges(20).train([TEXT]).unwrap()),
            Box::new(ByteLevelBpeTrainer::with_vocab_size(280).train([TEXT]).unwrap()),
            Box::new(WordPieceTrainer::with_vocab_size(60).train([TEXT]).unwrap()),
            Box::new(UnigramTrainer::with_vocab_size(290).train([TEXT]).unwrap()),
        ];
        for tokenizer in kinds {
            let n = tokenizer.vocab_size() as TokenId;
            let once = with_tokens(&*tokenizer, &["Okapi", "⟨x⟩"], false).unwrap();
            let twice = with_tokens(&*once, &["Giraffe"], false).unwrap();
            assert_eq!((twice.vocab_size() as TokenId, twice.encode(TEXT)), (n + 3, tokenizer.encode(TEXT)));
            assert_eq!(twice.encode("GiraffeOkapi"), [n + 2, n]);
            let between = if matches!(tokenizer.to_model(), Some(Model::WordPiece(_))) { " " } else { "" };
            assert_eq!(twice.decode(&[n, n + 2]).unwrap(), format!("Okapi{between}Giraffe"));
            assert_eq!(twice.decode(&twice.encode("the Giraffe was")).unwrap(), "the Giraffe was");
            let folder = tempfile::tempdir().unwrap();
            let file = folder.path().join("tokenizer.json");
            crate::save(&*twice, &file).unwrap();
            let text = format!("{TEXT} Giraffe ⟨x⟩ {TEXT}");
            assert_eq!(crate::load(&file).unwrap().encode(&text), twice.encode(&text));
            assert!(matches!(
                with_tokens(&*twice, &["Okapi"], false),
                Err(ExtensionError::Known { id, .. }) if id == n
            ));
            let error = with_tokens(&*twice, &["Ibis", "Ibis"], false).err().unwrap();
            assert!(error.to_string().contains("\"Ibis\" is given twice"), "{error}");
        }
    }

    #[test]
    fn what_is_unknown_is_written_as_before() {
        let kinds: [Box<dyn Tokenizer>; 5] = [
            Box::new(Characters::train([TEXT])),
            Box::new(UnigramTrainer::with_vocab_size(290).train([TEXT]).unwrap()),
            Box::new(BpeTrainer::with_merges(20).train([TEXT]).unwrap()),
            Box::new(WordPieceTrainer::with_vocab_size(60).train([TEXT]).unwrap()),
            Box::new(ByteLevelBpeTrainer::with_vocab_size(280).train([TEXT]).unwrap()),
        ];
        for tokenizer in kinds {
            let unknown = tokenizer.specials().unk.unwrap();
            let ids = [&tokenizer.encode("the street")[..], &[unknown], &tokenizer.encode("was")[..]].concat();
            let extended = with_tokens(&*tokenizer, &["Okapi"], false).unwrap();
            assert_eq!(extended.decode(&ids).unwrap(), tokenizer.decode(&ids).unwrap());
            for place in [Place::Start, Place::Inside] {
                assert_eq!(extended.written(place, unknown), tokenizer.written(place, unknown));
            }
            let new = tokenizer.vocab_size() as TokenId;
            let beside = extended.decode(&[unknown, new, unknown]).unwrap();
            let alone = tokenizer.decode(&[unknown]).unwrap();
            assert_eq!(beside, format!("{alone}Okapi{alone}"));
        }
        let characters = Characters::train(["ab"]);
        assert_eq!(with_tokens(&characters, &["Okapi"], false).unwrap().decode(&[0, 2, 1]).unwrap(), "a\u{fffd}b");
    }

    #[test]
    fn a_special_token_is_text_unless_specials_are_read() {
        let tokenizer = ByteLevelBpeTrainer::with_vocab_size(280).train([TEXT]).unwrap();
        let n = tokenizer.vocab_size() as TokenId;
        let extended = with_tokens(&tokenizer, &["<x>"], true).unwrap();
        assert_eq!(extended.encode("a <x>"), tokenizer.encode("a <x>"));
        assert!(extended.encode_with_specials("a <x>").contains(&n));
        assert_eq!(extended.decode(&[n]).unwrap(), "");
        assert!(with_tokens(&tokenizer, &["", "b"], false).is_err());
        let blank = with_tokens(&tokenizer, &["Okapi", " \t"], false).err().expect("white space alone").to_string();
        assert!(blank.contains(r#"" \t" is white space alone"#), "{blank}");
        assert!(with_tokens(&tokenizer, &["c", "c"], false).is_err());
    }
}
