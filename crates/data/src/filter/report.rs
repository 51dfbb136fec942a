//! What a filter left out, and why.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::{CorpusRow, FilterRule, Rejection};
use crate::report::grouped;
use crate::{FileReport, Place};

/// Characters that are shown of a text.
const SHOWN: usize = 60;

/// A line that was left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FilterExample {
    /// Where it is: of a pair in two files, both places.
    pub places: Vec<Place>,
    /// The beginning of its text, or of both sides.
    pub texts: Vec<String>,
    /// What was measured of it; may be empty.
    pub measured: String,
}

/// The lines that a rule left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftOut {
    /// How many.
    pub count: u64,
    /// The first of them.
    pub first: FilterExample,
}

/// What a filter read, kept and left out.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct FilterReport {
    /// Lines, or pairs of them, that were read.
    pub n_read: u64,
    /// Those that stay.
    pub n_kept: u64,
    /// The others, each by the first rule that it broke.
    pub left_out: BTreeMap<FilterRule, LeftOut>,
    /// With a Bloom filter, the probability that a new line was taken at the end for one that was there before.
    pub bloom_error: f64,
    /// The files of sources, or of both sides, and then of targets.
    pub files: Vec<FileReport>,
}

impl FilterReport {
    pub(super) fn leave_out(&mut self, row: &CorpusRow, rejection: Rejection) {
        let Rejection { rule, measured } = rejection;
        let example = || FilterExample {
            places: row.places.clone(),
            texts: row.texts.iter().map(|text| cut(text)).collect(),
            measured,
        };
        self.left_out.entry(rule).or_insert_with(|| LeftOut { count: 0, first: example() }).count += 1;
    }
}

/// The beginning of a text, on one line and without what a terminal would obey.
fn cut(text: &str) -> String {
    let mut shown: String = text.chars().take(SHOWN).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if text.chars().nth(SHOWN).is_some() {
        shown.push('…');
    }
    shown
}

impl fmt::Display for FilterReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let share = 100.0 * self.n_kept as f64 / self.n_read.max(1) as f64;
        write!(f, "{} of {} lines kept ({share:.1} %)", grouped(self.n_kept), grouped(self.n_read))?;
        let counts: Vec<String> = self.left_out.values().map(|left_out| grouped(left_out.count)).collect();
        let width = counts.iter().map(String::len).max().unwrap_or(0);
        for ((rule, LeftOut { first, .. }), count) in self.left_out.iter().zip(&counts) {
            let places: Vec<String> = first.places.iter().map(Place::to_string).collect();
            write!(f, "\n  {count:>width$} {}, first {}: ", rule.describe(), places.join(", "))?;
            if !first.measured.is_empty() {
                write!(f, "{}: ", first.measured)?;
            }
            f.write_str(&first.texts.join(" | "))?;
        }
        if self.bloom_error > 0.0 {
            write!(f, "\n  at the end, {:.2e} of new lines are taken for known ones", self.bloom_error)?;
        }
        Ok(())
    }
}
