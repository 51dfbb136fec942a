//! Tables in Markdown that commands write into pages, after a line that names the command.

use std::fs;

use crate::{Failure, Outcome, cannot, cargo::root};

/// Page of the tables on what runs survive.
pub(crate) const RELIABILITY: &str = "docs/reliability.md";

/// A table, its columns aligned; the first row is its head.
pub(crate) fn aligned<const N: usize>(rows: &[[String; N]]) -> String {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: [usize; N] = std::array::from_fn(width);
    let line = |row: &[String; N]| {
        let cells = row.iter().zip(widths).map(|(cell, width)| format!(" {cell:width$} |"));
        format!("|{}\n", cells.collect::<String>())
    };
    let rule: String = widths.iter().map(|width| format!("{}|", "-".repeat(width + 2))).collect();
    let Some((head, rows)) = rows.split_first() else { return String::new() };
    format!("{}|{rule}\n{}", line(head), rows.iter().map(line).collect::<String>())
}

/// The rows of the table after the line `mark` of a page, without its head.
pub(crate) fn rows<const N: usize>(path: &str, mark: &str) -> Outcome<Vec<[String; N]>> {
    let page = read(path)?;
    let (_, after) = around(path, &page, mark)?;
    let table = after.split("\n\n").next().unwrap_or_default();
    let cells = |line: &str| -> Option<[String; N]> {
        let cells = line.trim().trim_matches('|').split('|').map(|cell| cell.trim().to_owned());
        cells.collect::<Vec<_>>().try_into().ok()
    };
    Ok(table.lines().skip(2).filter_map(cells).collect())
}

/// Replaces the table after the line `mark` of a page.
pub(crate) fn write(path: &str, mark: &str, table: &str) -> Outcome {
    let page = read(path)?;
    let (before, after) = around(path, &page, mark)?;
    // The table ends at the first empty line.
    let after = after.split_once("\n\n").map_or("", |(_, after)| after);
    fs::write(root().join(path), format!("{before}{mark}{table}\n{after}"))
        .map_err(|e| cannot("write", path.as_ref(), &e))
}

fn read(path: &str) -> Outcome<String> {
    fs::read_to_string(root().join(path)).map_err(|e| cannot("read", path.as_ref(), &e))
}

/// What is before and after a line.
fn around<'a>(path: &str, page: &'a str, mark: &str) -> Outcome<(&'a str, &'a str)> {
    page.split_once(mark).ok_or_else(|| Failure::Message(format!("{path} has no line {}", mark.trim())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned() {
        let rows = [["a", "bc"], ["défg", "h"]].map(|row| row.map(str::to_owned));
        assert_eq!(aligned(&rows), "| a    | bc |\n|------|----|\n| défg | h  |\n");
    }

    #[test]
    fn the_rows_of_every_written_table_are_found() {
        let faults = rows::<5>(RELIABILITY, "<!-- written by cargo xtask faults -->\n").unwrap();
        assert!(faults.iter().any(|row| row[0] == "Full disk"), "{faults:?}");
        let fuzz = rows::<5>(RELIABILITY, crate::fuzz::MARK).unwrap();
        assert_eq!(rows::<5>(RELIABILITY, crate::soak::MARK).unwrap().len(), 3);
        assert!(fuzz.iter().any(|row| row[0] == "`recipe`" && row[2].parse::<u64>().is_ok()), "{fuzz:?}");
    }
}
