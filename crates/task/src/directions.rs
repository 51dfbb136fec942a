//! The directions that a translation model learns, and how it is told them.

use std::sync::Arc;

use attentive_bundle::{Processor, TranslateError, TranslationModel, Translator};
use attentive_tokenizer::{Tokenizer, with_languages};

use crate::{Directed, Log, Result, config::Direction, score::Around};

/// What a model learns to translate into what.
#[derive(Debug)]
pub(crate) struct Directions {
    learnt: Vec<Direction>,
    /// Whether the model is told languages.
    are_told: bool,
}

impl Directions {
    /// A tokenizer that has been read or learnt, with the languages of several directions.
    ///
    /// # Errors
    /// It can't be extended by them.
    pub(crate) fn extend(learnt: &[Direction], tokenizer: Box<dyn Tokenizer>) -> Result<Box<dyn Tokenizer>> {
        let names: Vec<[&str; 2]> = learnt.iter().filter_map(Direction::names).collect();
        if learnt.len() > 1 { Ok(with_languages(tokenizer, &names)?) } else { Ok(tokenizer) }
    }

    /// The directions of the model of a tokenizer; the first one is the usual one from now on, where it has names. In a run that
    /// goes on, it is so already: one that began before the codes of OPUS-MT were languages has told none, and goes on without.
    ///
    /// # Errors
    /// The model is not told languages, and they are several; it does not have one of them.
    pub(crate) fn of(
        learnt: Vec<Direction>,
        tokenizer: Arc<dyn Tokenizer>,
        goes_on: bool,
        log: &dyn Log,
    ) -> Result<(Self, Arc<dyn Tokenizer>)> {
        let languages = tokenizer.framing().and_then(|framing| framing.languages.as_ref());
        let are_told = languages.is_some_and(|known| !(goes_on && known.are_open() && known.target.is_none()));
        let directions = Self { learnt, are_told };
        if !are_told && directions.learnt.len() > 1 {
            refuse!(
                "[data.train] has the directions {}, and the model that pretrained names is not told languages: give one \
                 direction, or train from nothing",
                directions.names()
            );
        }
        for direction in directions.learnt.iter().filter(|_| are_told) {
            directions.around(&*tokenizer, direction)?;
        }
        let usual = directions.learnt.first().and_then(Direction::names).filter(|_| are_told);
        let Some([source, target]) = usual else { return Ok((directions, tokenizer)) };
        say!(log, "languages {}; {source}-{target} where a user says nothing", directions.names());
        let processor = Processor::from(tokenizer.clone()).between(Some(source), Some(target));
        let processor = processor.map_err(TranslateError::from)?;
        Ok((directions, processor.tokenizer().cloned().unwrap_or(tokenizer)))
    }

    fn names(&self) -> String {
        self.learnt.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
    }

    /// The names of a direction, as far as the model is told them.
    fn told<'a>(&self, direction: &'a Direction) -> [Option<&'a str>; 2] {
        match direction.names().filter(|_| self.are_told) {
            Some(names) => names.map(Some),
            None => [None; 2],
        }
    }

    /// What stands around sentences of a direction.
    ///
    /// # Errors
    /// The tokenizer lacks a special token, or a language.
    pub(crate) fn around(&self, tokenizer: &dyn Tokenizer, direction: &Direction) -> Result<Around> {
        Around::new(tokenizer, self.told(direction))
    }

    /// What tells the tokens of a direction from those of others.
    pub(crate) fn key(&self, direction: &Direction) -> String {
        if self.are_told { direction.to_string() } else { String::new() }
    }

    /// The translator, in a direction.
    ///
    /// # Errors
    /// The model lacks a language.
    pub(crate) fn translating(
        &self,
        translator: Translator<TranslationModel>,
        direction: &Direction,
    ) -> Result<Translator<TranslationModel>> {
        let [source, target] = self.told(direction);
        match source.or(target) {
            Some(_) => Ok(translator.between(source, target).map_err(TranslateError::from)?),
            None => Ok(translator),
        }
    }

    /// The option of commands that asks for a direction, and a space; nothing where the model is told none.
    pub(crate) fn option(&self, direction: &Direction) -> Option<String> {
        let [_, target] = self.told(direction);
        Some(format!("--target-language {} ", target?))
    }
}

/// Corpora by their directions, in the order that these come in.
pub(crate) fn by_direction(corpora: &[Directed]) -> Vec<(&Direction, Vec<&Directed>)> {
    let mut parts: Vec<(&Direction, Vec<&Directed>)> = Vec::new();
    for corpus in corpora {
        match parts.iter_mut().find(|(direction, _)| *direction == &corpus.direction) {
            Some((_, of_direction)) => of_direction.push(corpus),
            None => parts.push((&corpus.direction, vec![corpus])),
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use attentive_data::Side;

    use super::*;

    /// As OPUS-MT has languages: `>>de<<` is in the vocabulary.
    #[test]
    fn a_run_goes_on_with_the_languages_that_it_began_with() {
        let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../interchange/tests/golden/marian");
        let tokenizer = || -> Arc<dyn Tokenizer> { attentive_tokenizer::open(&golden).unwrap().into() };
        let german = Direction { source: Some("en".to_owned()), target: Some("de".to_owned()) };
        let of = |tokenizer, goes_on| Directions::of(vec![german.clone()], tokenizer, goes_on, &()).unwrap();
        let n_of_source = |(directions, tokenizer): &(Directions, Arc<dyn Tokenizer>)| {
            directions.around(&**tokenizer, &german).unwrap().put(Side::Source, vec![7]).len()
        };
        let begun = of(tokenizer(), false);
        assert_eq!((n_of_source(&begun), begun.0.key(&german)), (2, "en-de".to_owned()));
        // The run's own tokenizer says the usual language.
        let file = tempfile::NamedTempFile::new().unwrap();
        attentive_tokenizer::save(&*begun.1, file.path()).unwrap();
        assert_eq!(n_of_source(&of(attentive_tokenizer::load(file.path()).unwrap().into(), true)), 2);
        // That of a run of before does not.
        let older = of(tokenizer(), true);
        assert_eq!((n_of_source(&older), older.0.key(&german)), (1, String::new()));
    }
}
