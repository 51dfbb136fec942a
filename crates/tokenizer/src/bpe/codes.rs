//! The codes files of subword-nmt and fastBPE.

use std::collections::BTreeSet;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::piece::Piece;
use super::pre_tokenization::PreTokenization;
use super::{Bpe, BpeFile};
use crate::error::{Problem, TokenizerError};
use crate::{files, formats};

const VERSION_LINE: &str = "#version: 0.2";

/// How a codes file writes merges.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Format {
    /// subword-nmt's without a first line: the mark `</w>` is a symbol of its own, which merges join to the last
    /// character.
    Version1,
    /// subword-nmt's of today: the last character carries the mark from the start.
    Version2,
    /// fastBPE's, which are those of version 2 with a count after each.
    FastBpe,
}

impl Format {
    /// What the first line shows; `None` if it is not of a codes file.
    fn of(first: &str) -> Option<Self> {
        let first = first.trim_end();
        if first == VERSION_LINE {
            return Some(Self::Version2);
        }
        let mut parts = first.split(' ');
        let (left, right) = (parts.next()?, parts.next()?);
        let is_codes = !left.is_empty() && !right.is_empty() && !left.starts_with("#version");
        match (parts.next(), parts.next()) {
            (None, None) if is_codes => Some(Self::Version1),
            (Some(count), None) if is_codes && count.parse::<u64>().is_ok() => Some(Self::FastBpe),
            _ => None,
        }
    }
}

/// The merges of a codes file, first learned first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct MergeList {
    /// Whether the last character of a word has the mark `</w>` from the start; else the mark is a symbol of its own.
    pub(crate) is_marked: bool,
    pub(crate) merges: Vec<(String, String)>,
}

impl MergeList {
    /// Reads a codes file.
    ///
    /// # Errors
    /// As [`Bpe::from_codes`].
    pub(crate) fn read(path: &Path) -> Result<Self, TokenizerError> {
        let codes = files::read_text(path)?;
        formats::refuse_other_tools(path, codes.as_bytes())?;
        Self::parse(&codes).map_err(TokenizerError::invalid(path))
    }

    fn parse(codes: &str) -> Result<Self, Problem> {
        let mut lines = codes.trim_end_matches('\n').split('\n').zip(1..).peekable();
        let first = lines.peek().map_or("", |&(line, _)| line);
        let Some(format) = Format::of(first) else {
            return Err(format!("line 1 is {first:?}, neither {VERSION_LINE:?} nor a merge").into());
        };
        if format == Format::Version2 {
            lines.next();
        }
        let merges = lines.map(|(line, number)| parse_merge(line, number, format)).collect::<Result<Vec<_>, _>>()?;
        Ok(Self { is_marked: format != Format::Version1, merges })
    }
}

impl Bpe {
    /// Reads the merges of a codes file that subword-nmt (both versions of its format) or fastBPE learned.
    ///
    /// A codes file has no vocabulary: the characters are those of the merges and of `text`, any others become bytes.
    /// Text is split at spaces, as subword-nmt does.
    ///
    /// # Errors
    /// [`Io`](TokenizerError::Io) if the file cannot be read, [`Format`](TokenizerError::Format) if it is of another
    /// tool, [`Invalid`](TokenizerError::Invalid) if a line is not a merge,
    /// [`Unsupported`](TokenizerError::Unsupported) if one makes what looks like a special token here.
    pub fn from_codes<L: AsRef<str>>(path: &Path, text: impl IntoIterator<Item = L>) -> Result<Self, TokenizerError> {
        let MergeList { is_marked, merges } = MergeList::read(path)?;
        Self::of_merges(is_marked, merges, text).map_err(TokenizerError::invalid(path))
    }

    /// Whether `text` begins as a codes file that can be read does.
    pub(crate) fn is_codes(text: &str) -> bool {
        let mut lines = text.lines();
        match lines.next().and_then(Format::of) {
            Some(Format::Version2) => true,
            // Other lists have two columns too: only merges end words with the mark.
            Some(format) => lines.all(|line| Format::of(line) == Some(format)) && text.contains("</w>"),
            None => false,
        }
    }

    fn of_merges<L: AsRef<str>>(
        is_marked: bool,
        merges: Vec<(String, String)>,
        text: impl IntoIterator<Item = L>,
    ) -> Result<Self, String> {
        let mut characters = BTreeSet::new();
        let forms: &[bool] = if is_marked { &[false, true] } else { &[false] };
        let mut add = |text: &str| {
            for c in text.chars() {
                for &ends_word in forms {
                    let piece = Piece::new(false, c, ends_word);
                    if piece.is_spellable() {
                        characters.insert(piece.to_string());
                    }
                }
            }
        };
        for (left, right) in &merges {
            add(&Piece::parse(left).text);
            add(&Piece::parse(right).text);
        }
        for line in text {
            line.as_ref().split(' ').for_each(&mut add);
        }
        let mut vocab: Vec<_> = BpeFile::base_vocab().collect();
        let mut known: BTreeSet<_> = vocab.iter().cloned().chain(characters.iter().cloned()).collect();
        vocab.extend(characters);
        for (left, right) in &merges {
            let merged = Piece::join(&Piece::parse(left), &Piece::parse(right)).to_string();
            if known.insert(merged.clone()) {
                vocab.push(merged);
            }
        }
        Self::new(BpeFile { pre_tokenization: PreTokenization::Spaces, vocab, merges })
    }

    /// The merges as the text of a codes file, which subword-nmt reads.
    ///
    /// subword-nmt splits at spaces only, and so must the tokenizer for both to segment alike; merges inside white
    /// space, which it cannot express, are left out.
    pub fn to_codes(&self) -> String {
        self.file.to_codes()
    }
}

fn parse_merge(line: &str, number: usize, format: Format) -> Result<(String, String), Problem> {
    let mut parts = line.trim_matches(['\r', ' ']).split(' ');
    let (left, right) = (parts.next(), parts.next());
    let count = if format == Format::FastBpe { parts.next() } else { None };
    let (Some(left), Some(right), None) = (left, right, parts.next()) else {
        return Err(format!("line {number} is {line:?}, expected two pieces with a space between").into());
    };
    if count.is_some_and(|count| count.parse::<u64>().is_err()) {
        return Err(format!("line {number} is {line:?}, expected a count at its end").into());
    }
    let (left, right) = (Piece::parse(left), Piece::parse(right));
    if ![&left, &right, &Piece::join(&left, &right)].into_iter().all(Piece::is_spellable) {
        let problem = format!("line {number} is {line:?}, which makes what looks like a special token here");
        return Err(Problem::Unsupported(problem));
    }
    Ok((left.to_string(), right.to_string()))
}

impl BpeFile {
    pub(crate) fn to_codes(&self) -> String {
        let merges = self.merges.iter().filter(|(left, right)| !left.contains(' ') && !right.contains(' '));
        let lines = merges.map(|(left, right)| format!("{left} {right}\n"));
        format!("{VERSION_LINE}\n{}", lines.collect::<String>())
    }
}
