//! The tables of faults, and the page that they are on.

use super::outcome::Tally;
use crate::{Outcome, table};

/// The page's path in the repository.
pub(super) const PATH: &str = table::RELIABILITY;

/// The line before the table of runs that one process trains.
pub(super) const OF_RUNS: &str = "<!-- written by cargo xtask faults -->\n";

/// The line before the table of a server.
pub(super) const OF_SERVER: &str = "<!-- written by cargo xtask faults --server -->\n";

/// The line before the table of runs that several processes train.
pub(super) const OF_PROCESSES: &str = "<!-- written by cargo xtask mpi -->\n";

const HEADER: [&str; 5] =
    ["fault", "times injected", "lost work (steps)", "final state equal", "what the command does"];

/// The table in Markdown.
pub(super) fn table(tallies: &[Tally]) -> String {
    let rows: Vec<[String; 5]> =
        [HEADER.map(str::to_owned)].into_iter().chain(tallies.iter().map(Tally::cells)).collect();
    table::aligned(&rows)
}

/// Replaces the table after a line of the page.
pub(super) fn write(mark: &str, tallies: &[Tally]) -> Outcome {
    table::write(PATH, mark, &table(tallies))
}
