//! Lines that a model does not read as they are: blank ones, and those that it has no positions for.

use std::{borrow::Cow, fmt::Display, str::FromStr};

use attentive_bundle::{
    DecodingConfig, EncodeError, Input, Search, TooLong, TranslateError, Translation, TranslationModel, Translator,
    is_blank,
};
use attentive_collective::Collective;
use attentive_tokenizer::Tokenizer;
use serde::{Serialize, de::DeserializeOwned};

use crate::{Blocks, Context, Error, Line, Result, share_blocks};

/// What becomes of a line that is longer than the model has positions for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum OnLong {
    /// It is an error, and ends what is done; the lines before it are answered.
    #[default]
    Error,
    /// Its beginning is read.
    Crop,
    /// It is answered as a blank line.
    Skip,
}

impl FromStr for OnLong {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        match name {
            "error" => Ok(Self::Error),
            "crop" => Ok(Self::Crop),
            "skip" => Ok(Self::Skip),
            _ => Err("must be error, crop or skip".to_owned()),
        }
    }
}

/// Reads lines by a model, of which some are blank, and some too long.
#[derive(Debug, Clone, Copy)]
pub struct LongLines {
    /// What becomes of those that are too long.
    pub on_long: OnLong,
    /// Hears which lines are cropped or skipped.
    pub warn: fn(&str),
}

/// The translations of lines, and the error that ended them early.
pub type Translated = (Vec<Vec<Translation>>, Option<Error>);

impl LongLines {
    /// What `read` says of a line; nothing of one without tokens, or that is skipped.
    ///
    /// # Errors
    /// The line is refused, or `read` fails.
    pub fn read<T>(
        &self,
        tokenizer: &dyn Tokenizer,
        line: &Line,
        read: impl Fn(Input<'_>) -> Result<T, EncodeError>,
    ) -> Result<Option<T>> {
        let each = |inputs: &[Input<'_>]| {
            let one = |&input: &Input<'_>| match read(input) {
                Err(EncodeError::TooLong(too_long)) => Ok(Err(too_long)),
                found => found.map(Ok),
            };
            inputs.iter().map(one).collect()
        };
        let (mut found, refused) = self.read_all(tokenizer, std::slice::from_ref(line), each)?;
        refused.map_or(Ok(found.pop().flatten()), Err)
    }

    /// What `read` says of lines, nothing of those without tokens or that are skipped; up to one that is refused, and
    /// its error.
    ///
    /// # Errors
    /// `read` fails.
    pub fn read_all<T>(
        &self,
        tokenizer: &dyn Tokenizer,
        lines: &[Line],
        read: impl Fn(&[Input<'_>]) -> Result<Vec<Result<T, TooLong>>, EncodeError>,
    ) -> Result<(Vec<Option<T>>, Option<Error>)> {
        let mut found: Vec<Option<T>> = lines.iter().map(|_| None).collect();
        let mut wanted: Vec<(usize, Input<'_>)> =
            lines.iter().map(Input::from).enumerate().filter(|(_, input)| !is_blank(tokenizer, input.text)).collect();
        let mut refused = None;
        // Those that are cropped are read once more.
        while let Some(&(first, _)) = wanted.first() {
            let inputs: Vec<Input<'_>> = wanted.iter().map(|&(_, input)| input).collect();
            let answers = read(&inputs).with_context(|| lines[first].at.to_string())?;
            let mut cropped = Vec::new();
            for ((number, input), answer) in wanted.into_iter().zip(answers) {
                match answer {
                    Ok(answer) => found[number] = Some(answer),
                    Err(too_long) => match self.is_cropped(&lines[number].at, too_long) {
                        Ok(true) => cropped.push((number, Input { crop: true, ..input })),
                        Ok(false) => {}
                        Err(error) => {
                            found.truncate(number);
                            refused = Some(error);
                            break;
                        }
                    },
                }
            }
            wanted = cropped;
        }
        Ok((found, refused))
    }

    /// What `read` says of blocks of lines, shared by processes, each of which calls it: `write` gets in the first one, in the order
    /// of lines, what `show` makes of each and its answer, nothing of one without tokens or that is skipped; up to a line that is
    /// refused, also by `check`.
    ///
    /// # Errors
    /// The line is refused; those of the blocks, of `read` in any process and of `write`; a process has ended.
    pub fn share<T, S, E>(
        &self,
        peers: &dyn Collective,
        (blocks, tokenizer): (Blocks, &dyn Tokenizer),
        check: impl Fn(&Line) -> Result<()>,
        read: impl Fn(&[Input<'_>]) -> Result<Vec<Result<T, TooLong>>, EncodeError>,
        show: impl Fn(&Line, Option<T>) -> S,
        mut write: impl FnMut(S) -> Result<(), E>,
    ) -> Result<(), E>
    where
        S: Serialize + DeserializeOwned,
        E: From<Error>,
    {
        let shown = |block: &Vec<Line>| {
            let bad = block.iter().enumerate().find_map(|(idx, line)| Some((idx, check(line).err()?)));
            let (n, bad) = bad.map_or((block.len(), None), |(idx, error)| (idx, Some(error)));
            let (found, refused) = self.read_all(tokenizer, &block[..n], &read)?;
            let shown: Vec<S> = block.iter().zip(found).map(|(line, answer)| show(line, answer)).collect();
            Ok((shown, refused.or(bad)))
        };
        share_blocks(peers, blocks, shown, |shown: Vec<S>| shown.into_iter().try_for_each(&mut write))
    }

    /// The translations that a search finds of texts, `place` of which says where they are, up to one that is refused.
    ///
    /// # Errors
    /// The search fails.
    pub fn translate<P: Display>(
        &self,
        translator: &Translator<TranslationModel>,
        texts: &[impl AsRef<str>],
        prefix: &str,
        (config, search): (&DecodingConfig, Search<'_>),
        place: impl Fn(usize) -> P,
    ) -> Result<Translated> {
        let mut inputs: Vec<Input<'_>> = texts.iter().map(Input::from).collect();
        // A text without tokens has no translation that a prefix could begin.
        let prefixes_of = |inputs: &[Input<'_>]| -> Vec<&str> {
            let of_input = |input: &Input<'_>| if is_blank(translator.tokenizer(), input.text) { "" } else { prefix };
            if prefix.is_empty() { Vec::new() } else { inputs.iter().map(of_input).collect() }
        };
        let find = |inputs: &[Input<'_>]| translator.find(inputs, &prefixes_of(inputs), config, search);
        let (mut found, mut refused) = (find(&inputs), None);
        if let Err(TranslateError::TooLong { texts }) = found {
            for (idx, too_long) in texts {
                match self.is_cropped(&place(idx), too_long) {
                    Ok(true) => inputs[idx].crop = true,
                    Ok(false) => inputs[idx].text = "",
                    Err(error) => {
                        inputs.truncate(idx);
                        refused = Some(error);
                        break;
                    }
                }
            }
            found = find(&inputs);
        }
        if let Err(TranslateError::NothingFollows { texts }) = found {
            refused = Some(nothing_follows(&place(texts[0])));
            inputs.truncate(texts[0]);
            found = find(&inputs);
        }
        Ok((found?, refused))
    }

    /// Whether a line that is too long is to be cropped; if not, it is skipped.
    fn is_cropped(&self, place: &impl Display, too_long: TooLong) -> Result<bool> {
        match self.on_long {
            OnLong::Error => {
                refuse!("{place} has {too_long}; split it into sentences, or give --on-long crop or --on-long skip")
            }
            OnLong::Crop => {
                (self.warn)(&format!("warning: {place} has {too_long}; its first {} are read", too_long.max_len));
            }
            OnLong::Skip => (self.warn)(&format!("warning: {place} has {too_long}; it is skipped")),
        }
        Ok(self.on_long == OnLong::Crop)
    }
}

/// The error of a line whose translation no token can begin.
pub(crate) fn nothing_follows(place: &impl Display) -> Error {
    Error::Refused(format!("{place}: {}", TranslateError::NOTHING_FOLLOWS))
}

/// A text on one line: an answer has the line of what it answers.
pub fn on_one_line(text: &str) -> Cow<'_, str> {
    if text.contains(['\n', '\r']) { text.replace(['\n', '\r'], " ").into() } else { text.into() }
}
