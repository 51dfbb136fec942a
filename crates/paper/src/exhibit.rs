//! What is shown of a table or figure of the paper.

use std::fmt;

use attentive_plot::Drawing;

use crate::Table;

/// A table or figure of the paper, made again.
///
/// It displays as Markdown: its parts in order, an empty line after each table.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Exhibit {
    /// Tables and text, in the order in which they are read.
    pub parts: Vec<Part>,
    /// Drawings.
    pub figures: Vec<Figure>,
}

/// A piece of an [`Exhibit`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// A table with its caption.
    Table(Table),
    /// A paragraph: where numbers come from, how they are to be read.
    Text(String),
}

/// A drawing of an [`Exhibit`].
#[derive(Debug, Clone, PartialEq)]
pub struct Figure {
    /// The name that its file should have, without an extension: `position-products`.
    pub name: &'static str,
    /// The drawing.
    pub drawing: Drawing,
}

impl Exhibit {
    /// The tables among the parts.
    pub fn tables(&self) -> impl Iterator<Item = &Table> {
        self.parts.iter().filter_map(|part| match part {
            Part::Table(table) => Some(table),
            Part::Text(_) => None,
        })
    }

    /// The exhibit with one drawing more.
    pub(crate) fn with_figure(mut self, name: &'static str, drawing: impl Into<Drawing>) -> Self {
        self.figures.push(Figure { name, drawing: drawing.into() });
        self
    }
}

impl<P: Into<Part>, const N: usize> From<[P; N]> for Exhibit {
    fn from(parts: [P; N]) -> Self {
        Self { parts: parts.into_iter().map(Into::into).collect(), figures: Vec::new() }
    }
}

impl From<Table> for Part {
    fn from(table: Table) -> Self {
        Self::Table(table)
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Table(table) => table.fmt(f),
            Self::Text(text) => f.write_str(text),
        }
    }
}

impl fmt::Display for Exhibit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (idx, part) in self.parts.iter().enumerate() {
            let gap = if idx == 0 { "" } else { "\n" };
            write!(f, "{gap}{part}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exhibit_is_markdown() {
        let mut table = Table::new(["n"]).under("Sizes");
        table.row(["1"]);
        let exhibit = Exhibit::from([table.into(), Part::Text("Counted.".into()), Part::Text("Twice.".into())]);
        assert_eq!(exhibit.to_string(), "Sizes\n\n| n |\n|---|\n| 1 |\n\nCounted.\nTwice.");
        assert_eq!(exhibit.tables().count(), 1);
    }
}
