//! Text to be scored.

use std::path::Path;

use anyhow::{Result, bail};

use crate::input;

/// The most lines that are scored together, and the most bytes of them: memory is bounded by these, however much a
/// compressed file holds.
const MAX_LINES: usize = 1 << 22;
const MAX_BYTES: usize = 1 << 28;

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
        let lines = bounded(path, lines(path).verbatim())?;
        Ok(Self { name: path.display().to_string(), lines: lines.into_iter().map(line).collect() })
    }
}

/// The lines of each file.
pub(crate) fn streams(references: &[Segments]) -> Vec<&[String]> {
    references.iter().map(|reference| &reference.lines[..]).collect()
}

/// The lines of a file, which may be compressed; `-` is standard input.
pub(crate) fn read_lines(path: &Path) -> Result<Vec<String>> {
    bounded(path, lines(path))
}

/// All lines, if they are not more than a test set has.
fn bounded(path: &Path, lines: input::Lines) -> Result<Vec<String>> {
    let (mut all, mut n_bytes) = (Vec::new(), 0);
    for line in lines {
        let text = line?.text;
        n_bytes += text.len();
        if all.len() == MAX_LINES || n_bytes > MAX_BYTES {
            bail!("{} has more than {MAX_LINES} lines or {MAX_BYTES} bytes: score it in parts", path.display());
        }
        all.push(text);
    }
    Ok(all)
}

fn lines(path: &Path) -> input::Lines {
    input::open(&[path.to_owned()], "text")
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
