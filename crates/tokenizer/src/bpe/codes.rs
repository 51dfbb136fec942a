//! The codes files of subword-nmt.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use super::piece::Piece;
use super::pre_tokenization::PreTokenization;
use super::{Bpe, BpeFile};
use crate::error::TokenizerError;

const VERSION_LINE: &str = "#version: 0.2";

impl Bpe {
    /// Reads the merges of a codes file that subword-nmt learned (version 0.2 of its format).
    ///
    /// A codes file has no vocabulary: the characters are those of the merges and of `text`, any others become bytes.
    /// Text is split at spaces, as subword-nmt does.
    ///
    /// # Errors
    /// [`Io`](TokenizerError::Io) if the file cannot be read, [`Invalid`](TokenizerError::Invalid) if a line is no
    /// merge.
    pub fn from_codes<L: AsRef<str>>(path: &Path, text: impl IntoIterator<Item = L>) -> Result<Self, TokenizerError> {
        let codes = fs::read_to_string(path).map_err(TokenizerError::io(path))?;
        Self::parse_codes(&codes, text).map_err(TokenizerError::invalid(path))
    }

    fn parse_codes<L: AsRef<str>>(codes: &str, text: impl IntoIterator<Item = L>) -> Result<Self, String> {
        let mut lines = codes.trim_end_matches('\n').split('\n').zip(1..);
        if lines.next().is_none_or(|(line, _)| line.trim_end() != VERSION_LINE) {
            return Err(format!("line 1 is not {VERSION_LINE:?}; learn the codes anew with subword-nmt 0.2 or later"));
        }
        let mut merges = Vec::new();
        for (line, number) in lines {
            let mut parts = line.trim_matches(['\r', ' ']).split(' ');
            let (Some(left), Some(right), None) = (parts.next(), parts.next(), parts.next()) else {
                return Err(format!("line {number} is {line:?}, expected two pieces with a space between"));
            };
            let merged = Piece::join(&Piece::parse(left), &Piece::parse(right));
            if ![Piece::parse(left), Piece::parse(right), merged].iter().all(Piece::is_spellable) {
                return Err(format!("line {number} is {line:?}, which makes what looks like a special token here"));
            }
            merges.push((left.to_owned(), right.to_owned()));
        }

        let mut characters = BTreeSet::new();
        let mut add = |text: &str| {
            for c in text.chars() {
                for ends_word in [false, true] {
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
        let mut known: BTreeSet<_> = characters.clone();
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

impl BpeFile {
    pub(crate) fn to_codes(&self) -> String {
        let merges = self.merges.iter().filter(|(left, right)| !left.contains(' ') && !right.contains(' '));
        let lines = merges.map(|(left, right)| format!("{left} {right}\n"));
        format!("{VERSION_LINE}\n{}", lines.collect::<String>())
    }
}
