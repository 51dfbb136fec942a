//! Lines that a model should not learn from, left out of a corpus.

mod config;
mod report;
mod rows;
mod rules;
mod seen;

use rayon::prelude::*;

use crate::encode::chunk;
use crate::{DataError, Language};

pub use config::{Duplicates, FilterConfig, LengthUnit};
pub use report::{FilterExample, FilterReport, LeftOut};
pub use rows::{CorpusRow, CorpusRows};
pub use rules::{FilterRule, Rejection};

use rules::{LanguageCheck, broken};
use seen::{Seen, hash};

/// Lines that are judged together, in parallel; fewer of long ones.
const ROWS_AT_ONCE: usize = 4096;
const BYTES_AT_ONCE: usize = 1 << 23;

/// Leaves lines out of a corpus by [`FilterConfig`], and tells in a [`FilterReport`] how many each rule left out, and the
/// first of them.
///
/// What is kept is a function of the lines alone, in their order. Memory is bounded by a block of lines, but for the hashes
/// by which duplicates are found.
///
/// ```
/// use attentive_data::{CorpusFilter, CorpusRows, FilterConfig, FilterRule, ParallelFiles};
///
/// # let dir = tempfile::tempdir()?;
/// # let path = |name| dir.path().join(name);
/// std::fs::write(path("a.en"), "a dog\n\na dog\nhttp://b.c\n")?;
/// std::fs::write(path("a.de"), "ein Hund\nwas\nein Hund\nhttp://b.c\n")?;
/// let mut filter = CorpusFilter::new(FilterConfig::default())?;
/// let files = ParallelFiles::sides([path("a.en")], [path("a.de")]);
/// let mut rows = CorpusRows::of_pairs(&files, 1000)?;
///
/// let block = filter.next_block(&mut rows)?.unwrap();
/// let kept = filter.keep(block);
/// assert_eq!((kept.len(), &kept[0].texts[1][..]), (1, "ein Hund"));
/// let report = filter.report(&rows);
/// assert_eq!((report.n_read, report.n_kept, report.left_out[&FilterRule::Identical].count), (4, 1, 1));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct CorpusFilter {
    config: FilterConfig,
    checks: [Option<LanguageCheck>; 2],
    seen: Seen,
    report: FilterReport,
}

/// Lines that follow one another, and what is wrong with each.
#[derive(Debug)]
pub struct JudgedBlock {
    rows: Vec<CorpusRow>,
    verdicts: Vec<Option<Rejection>>,
}

impl JudgedBlock {
    /// Number of lines.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there is no line.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The lines with which nothing is wrong so far, and where to say what is.
    pub fn right(&mut self) -> impl Iterator<Item = (&mut CorpusRow, &mut Option<Rejection>)> {
        self.rows.iter_mut().zip(&mut self.verdicts).filter(|(_, verdict)| verdict.is_none())
    }
}

impl CorpusFilter {
    /// A filter by these rules.
    ///
    /// # Errors
    /// Those of [`FilterConfig::validate`]; [`DataError::Setting`] if there is no memory for a Bloom filter.
    pub fn new(config: FilterConfig) -> Result<Self, DataError> {
        config.validate()?;
        let [source, target] = config.languages()?;
        let check = |own: Option<Language>, other| own.map(|own| LanguageCheck::new(own, other));
        let checks = [check(source, target), check(target, source)];
        Ok(Self { checks, seen: Seen::new(config.bloom_mib)?, report: FilterReport::default(), config })
    }

    /// The next lines of `rows`, judged by their text alone; `None` after the last.
    ///
    /// # Errors
    /// Those of reading; [`DataError::Unpaired`] if one side has more lines than the other.
    pub fn next_block(&self, rows: &mut CorpusRows) -> Result<Option<JudgedBlock>, DataError> {
        let size = |row: &CorpusRow| row.texts.iter().map(String::len).sum();
        let rows = chunk(rows, (ROWS_AT_ONCE, BYTES_AT_ONCE), size)?;
        let judge = |row: &CorpusRow| {
            let texts: Vec<&str> = row.texts.iter().map(String::as_str).collect();
            let problem = row.problem.map(Rejection::of);
            let broken = problem.or_else(|| broken(&texts, &self.config, &self.checks));
            broken.or_else(|| self.repeated(&texts))
        };
        let verdicts = rows.par_iter().map(judge).collect();
        Ok((!rows.is_empty()).then_some(JudgedBlock { rows, verdicts }))
    }

    /// Leaves out the lines with which something is wrong, and those that are there again; gives the others.
    pub fn keep(&mut self, block: JudgedBlock) -> Vec<CorpusRow> {
        let mut kept = Vec::new();
        for (row, verdict) in block.rows.into_iter().zip(block.verdicts) {
            let texts: Vec<&str> = row.texts.iter().map(String::as_str).collect();
            self.report.n_read += 1;
            // Again: the first may be in the same block.
            match verdict.or_else(|| self.repeated(&texts)) {
                Some(rejection) => self.report.leave_out(&row, rejection),
                None => {
                    self.hashes(&texts).into_iter().for_each(|hash| self.seen.remember(hash));
                    self.report.n_kept += 1;
                    kept.push(row);
                }
            }
        }
        kept
    }

    /// What was read of `rows`, kept and left out so far.
    pub fn report(&self, rows: &CorpusRows) -> FilterReport {
        FilterReport { bloom_error: self.seen.error(), files: rows.files(), ..self.report.clone() }
    }

    fn repeated(&self, texts: &[&str]) -> Option<Rejection> {
        let is_known = self.hashes(texts).into_iter().any(|hash| self.seen.has(hash));
        is_known.then(|| Rejection::of(FilterRule::Duplicate))
    }

    /// The hashes of what no other line may have.
    fn hashes(&self, texts: &[&str]) -> Vec<u128> {
        let of_side = |(idx, text): (usize, &&str)| hash(idx as u8, &[text]);
        let sides = texts.iter().enumerate().map(of_side);
        match self.config.duplicates {
            Duplicates::Keep => Vec::new(),
            Duplicates::Pair => vec![hash(2, texts)],
            Duplicates::Source => sides.take(1).collect(),
            Duplicates::Target => sides.rev().take(1).collect(),
            Duplicates::Either => sides.collect(),
        }
    }
}
