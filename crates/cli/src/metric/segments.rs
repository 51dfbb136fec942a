//! Text to be scored.

use std::path::Path;

use anyhow::{Context, Result, bail};
use attentive_data::LineReader;

/// The lines of a file, as sacreBLEU reads them: without white space at their ends, empty lines among them.
#[derive(Debug)]
pub(crate) struct Segments {
    /// The file, as it was named.
    pub name: String,
    /// Its lines.
    pub lines: Vec<String>,
}

impl Segments {
    /// Reads a file, which may be `.gz` or `.zst`; `-` is standard input.
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let mut lines = lines_of(LineReader::new([path], usize::MAX).verbatim())?;
        for line in &mut lines {
            line.truncate(line.trim_end_matches(is_python_space).len());
        }
        Ok(Self { name: path.display().to_string(), lines })
    }
}

/// The lines of a file, which may be `.gz` or `.zst`; `-` is standard input.
pub(crate) fn read_lines(path: &Path) -> Result<Vec<String>> {
    lines_of(LineReader::new([path], usize::MAX))
}

fn lines_of(mut reader: LineReader) -> Result<Vec<String>> {
    let mut lines = Vec::new();
    while let Some(line) = reader.next_line()? {
        let text = String::from_utf8(line.bytes).ok();
        lines.push(text.with_context(|| format!("{} is not UTF-8", line.place))?);
    }
    Ok(lines)
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
