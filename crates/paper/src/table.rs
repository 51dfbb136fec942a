//! Tables that read well in a terminal and in Markdown.

use std::fmt;

/// A table of texts.
///
/// It displays as Markdown: its caption, if it has one, and columns as wide as their widest cell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    caption: String,
    /// The head, then the rows; all of one length.
    lines: Vec<Vec<String>>,
}

impl Table {
    /// A table without rows.
    pub(crate) fn new<T: Into<String>>(head: impl IntoIterator<Item = T>) -> Self {
        Self { caption: String::new(), lines: vec![head.into_iter().map(Into::into).collect()] }
    }

    /// The same table with a caption.
    pub(crate) fn under(self, caption: impl Into<String>) -> Self {
        Self { caption: caption.into(), ..self }
    }

    /// Adds a row; cells that it lacks are empty.
    pub(crate) fn row<T: Into<String>>(&mut self, cells: impl IntoIterator<Item = T>) {
        let mut cells: Vec<String> = cells.into_iter().map(Into::into).collect();
        cells.resize(self.lines[0].len(), String::new());
        self.lines.push(cells);
    }

    /// What the table shows; empty where the exhibit says it.
    pub fn caption(&self) -> &str {
        &self.caption
    }

    /// The names of its columns.
    pub fn head(&self) -> &[String] {
        &self.lines[0]
    }

    /// Its rows, each as long as the head.
    pub fn rows(&self) -> &[Vec<String>] {
        &self.lines[1..]
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.caption.is_empty() {
            writeln!(f, "{}\n", self.caption)?;
        }
        let width = |column: usize| self.lines.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
        let widths: Vec<usize> = (0..self.head().len()).map(width).collect();
        for (idx, row) in self.lines.iter().enumerate() {
            for (cell, width) in row.iter().zip(&widths) {
                write!(f, "| {cell:<width$} ")?;
            }
            writeln!(f, "|")?;
            if idx == 0 {
                widths.iter().try_for_each(|width| write!(f, "|{}", "-".repeat(width + 2)))?;
                writeln!(f, "|")?;
            }
        }
        Ok(())
    }
}

/// A number, or the dash that the paper prints for none.
pub(crate) fn or_dash<T>(value: Option<T>, format: impl FnOnce(T) -> String) -> String {
    value.map_or_else(|| "—".into(), format)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let mut table = Table::new(["layer", "n"]);
        table.row(["é", "100"]);
        table.row(["b"]);
        assert_eq!(table.to_string(), "| layer | n   |\n|-------|-----|\n| é     | 100 |\n| b     |     |\n");
    }
}
