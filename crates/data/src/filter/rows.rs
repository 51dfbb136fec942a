//! The lines of a corpus that is filtered.

use std::path::{Path, PathBuf};

use super::FilterRule;
use crate::lines::{Line, LineReader};
use crate::pairs::{Input, InputRow};
use crate::{DataError, FileReport, ParallelFiles, Place, Problem};

/// A line of a text, or a pair of lines.
#[derive(Debug, Clone, PartialEq)]
pub struct CorpusRow {
    /// Where it is: of a pair in two files, both places.
    pub places: Vec<Place>,
    /// The text, or source and target.
    pub texts: Vec<String>,
    /// What a model gives it, if one is asked.
    pub score: Option<f64>,
    /// Why it can't be read.
    pub(super) problem: Option<FilterRule>,
}

/// The lines of a text, or the pairs of a parallel corpus, in turn; memory is bounded by a line's length.
#[derive(Debug)]
pub struct CorpusRows {
    source: Source,
    max_bytes: usize,
}

#[derive(Debug)]
enum Source {
    Text(LineReader),
    Pairs(Box<Input>),
}

impl CorpusRows {
    /// The lines of text files; of longer ones than `max_bytes`, that they are.
    ///
    /// # Errors
    /// [`DataError::NoFiles`]. Files are opened as they are reached.
    pub fn of_text<P: AsRef<Path>>(files: impl IntoIterator<Item = P>, max_bytes: usize) -> Result<Self, DataError> {
        let files: Vec<PathBuf> = files.into_iter().map(|file| file.as_ref().to_owned()).collect();
        match files.is_empty() {
            true => Err(DataError::NoFiles { kind: "text" }),
            false => Ok(Self { source: Source::Text(LineReader::new(files, max_bytes)), max_bytes }),
        }
    }

    /// The pairs of a parallel corpus, likewise.
    ///
    /// # Errors
    /// [`DataError::NoFiles`].
    pub fn of_pairs(files: &ParallelFiles, max_bytes: usize) -> Result<Self, DataError> {
        Ok(Self { source: Source::Pairs(Box::new(files.open(max_bytes)?)), max_bytes })
    }

    /// The files that were read to their ends so far: those of sources, then those of targets.
    pub fn files(&self) -> Vec<FileReport> {
        match &self.source {
            Source::Text(reader) => reader.files().to_vec(),
            Source::Pairs(input) => input.files().concat(),
        }
    }

    fn next_row(&mut self) -> Result<Option<CorpusRow>, DataError> {
        let input = match &mut self.source {
            Source::Text(reader) => return Ok(reader.next_line()?.map(|line| row(vec![line], None, self.max_bytes))),
            Source::Pairs(input) => input,
        };
        loop {
            return Ok(match input.next_row()? {
                None => None,
                Some(InputRow::Header) => continue,
                Some(InputRow::Pair([source, target])) => {
                    // Of one line that both are columns of, the place is one.
                    let mut row = row(vec![source, target], None, self.max_bytes);
                    row.places.dedup();
                    Some(row)
                }
                Some(InputRow::Unusable(problem, line)) => Some(row(vec![line], Some(problem), self.max_bytes)),
                Some(InputRow::Unpaired(line)) => return Err(DataError::Unpaired { place: line.place }),
            });
        }
    }
}

impl Iterator for CorpusRows {
    type Item = Result<CorpusRow, DataError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_row().transpose()
    }
}

fn row(lines: Vec<Line>, problem: Option<Problem>, max_bytes: usize) -> CorpusRow {
    let mut problem = problem.map(|problem| match problem {
        Problem::TooManyBytes => FilterRule::TooManyBytes,
        Problem::Empty => FilterRule::Empty,
        _ => FilterRule::Columns,
    });
    let mut row = CorpusRow { places: Vec::new(), texts: Vec::new(), score: None, problem: None };
    for Line { place, bytes, is_over_long } in lines {
        // A column may be longer than its share of the line.
        if is_over_long || bytes.len() > max_bytes {
            problem = problem.or(Some(FilterRule::TooManyBytes));
        }
        row.places.push(place);
        row.texts.push(String::from_utf8(bytes).unwrap_or_else(|error| {
            problem = problem.or(Some(FilterRule::InvalidUtf8));
            String::from_utf8_lossy(error.as_bytes()).into_owned()
        }));
    }
    CorpusRow { problem, ..row }
}
