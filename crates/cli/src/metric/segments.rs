//! Text to be scored.

use std::path::Path;

use anyhow::{Result, bail};

use crate::input::Lines;

/// The lines of a file, as sacreBLEU reads them: without white space at their ends, empty lines among them.
#[derive(Debug)]
pub(crate) struct Segments {
    /// The file, as it was named.
    pub name: String,
    /// Its lines.
    pub lines: Vec<String>,
}

impl Segments {
    /// Reads a file, which may be compressed; `-` is standard input.
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let line = |text: String| text.trim_end_matches(is_python_space).to_owned();
        let lines = lines(path).verbatim().map(|read| Ok(line(read?.text))).collect::<Result<_>>()?;
        Ok(Self { name: path.display().to_string(), lines })
    }
}

/// The lines of a file, which may be compressed; `-` is standard input.
pub(crate) fn read_lines(path: &Path) -> Result<Vec<String>> {
    lines(path).map(|line| Ok(line?.text)).collect()
}

fn lines(path: &Path) -> Lines {
    Lines::open(&[path.to_owned()], "text")
}

/// What Python's `str.rstrip` takes away.
fn is_python_space(c: char) -> bool {
    c.is_whitespace() || matches!(c, '\u{1c}'..='\u{1f}')
}

/// Refuses references that have not a line for each of `hypotheses`, which are called `name`.
pub(crate) fn check_aligned(name: &str, hypotheses: &[String], references: &[Segments]) -> Result<()> {
    if hypotheses.is_empty() {
        bail!("{name} has no lines to score");
    }
    for reference in references {
        let (n_hyp, n_ref) = (hypotheses.len(), reference.lines.len());
        if n_hyp != n_ref {
            bail!(
                "{name} has {n_hyp} lines and the reference {} has {n_ref}: line n of one must translate the same \
                 sentence as line n of the other",
                reference.name
            );
        }
    }
    Ok(())
}
