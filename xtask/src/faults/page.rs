//! The table, and the page that it is on.

use std::fs;

use super::outcome::Tally;
use crate::{Failure, Outcome, cargo::root};

/// The page's path in the repository.
pub(super) const PATH: &str = "docs/reliability.md";

/// The line before the table of runs that one process trains.
pub(super) const OF_RUNS: &str = "<!-- written by cargo xtask faults -->\n";

/// The line before the table of a server.
pub(super) const OF_SERVER: &str = "<!-- written by cargo xtask faults --server -->\n";

/// The line before the table of runs that several processes train.
pub(super) const OF_PROCESSES: &str = "<!-- written by cargo xtask mpi -->\n";

const HEADER: [&str; 5] =
    ["fault", "times injected", "lost work (steps)", "final state equal", "what the command does"];

/// The table in Markdown, its columns aligned.
pub(super) fn table(tallies: &[Tally]) -> String {
    let mut rows = vec![HEADER.map(str::to_owned)];
    rows.extend(tallies.iter().map(Tally::cells));
    let widths: Vec<usize> =
        (0..HEADER.len()).map(|column| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0)).collect();
    let line = |row: &[String; 5]| {
        let cells = row.iter().zip(&widths).map(|(cell, &width)| format!(" {cell:width$} |"));
        format!("|{}\n", cells.collect::<String>())
    };
    let rule: String = widths.iter().map(|width| format!("{}|", "-".repeat(width + 2))).collect();
    format!("{}|{rule}\n{}", line(&rows[0]), rows[1..].iter().map(line).collect::<String>())
}

/// Replaces the table after a line of the page.
pub(super) fn write(mark: &str, tallies: &[Tally]) -> Outcome {
    let path = root().join(PATH);
    let failed = |e: std::io::Error| Failure::Message(format!("{}: {e}", path.display()));
    let page = fs::read_to_string(&path).map_err(failed)?;
    let (before, after) = page
        .split_once(mark)
        .ok_or_else(|| Failure::Message(format!("{} has no line {}", path.display(), mark.trim())))?;
    // The table ends at the first empty line.
    let after = after.split_once("\n\n").map_or("", |(_, after)| after);
    fs::write(&path, format!("{before}{mark}{}\n{after}", table(tallies))).map_err(failed)
}
