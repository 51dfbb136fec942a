//! Text to be scored.

use std::path::Path;

use crate::{Lines, Result};

/// The most lines that are scored together, and the most bytes of them: memory is bounded by these, however much a
/// compressed file holds.
const MAX_LINES: usize = 1 << 22;
const MAX_BYTES: usize = 1 << 28;

/// The lines of a file, empty lines among them.
#[derive(Debug)]
pub struct Segments {
    /// The file, as it was named.
    pub name: String,
    /// Its lines.
    pub lines: Vec<String>,
}

impl Segments {
    /// Reads a file as sacreBLEU does, without white space at the ends of lines; it may be compressed, and `-` is standard input.
    /// `warn` hears what is odd about it.
    ///
    /// # Errors
    /// The file can't be read, or is larger than what is scored at once.
    pub fn read(path: &Path, warn: fn(&str)) -> Result<Self> {
        let line = |text: String| text.trim_end_matches(is_python_space).to_owned();
        let lines = bounded(path, Lines::open(&[path.to_owned()], "text", warn).verbatim())?;
        Ok(Self { name: path.display().to_string(), lines: lines.into_iter().map(line).collect() })
    }

    /// Reads a file, with its lines as they are.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn read_whole(path: &Path, warn: fn(&str)) -> Result<Self> {
        let lines = bounded(path, Lines::open(&[path.to_owned()], "text", warn))?;
        Ok(Self { name: path.display().to_string(), lines })
    }
}

/// All lines, if they are not more than a test set has.
fn bounded(path: &Path, lines: Lines) -> Result<Vec<String>> {
    let (mut all, mut n_bytes) = (Vec::new(), 0);
    for line in lines {
        let text = line?.text;
        n_bytes += text.len();
        if all.len() == MAX_LINES || n_bytes > MAX_BYTES {
            refuse!("{} has more than {MAX_LINES} lines or {MAX_BYTES} bytes: score it in parts", path.display());
        }
        all.push(text);
    }
    Ok(all)
}

/// What Python's `str.rstrip` takes away.
fn is_python_space(c: char) -> bool {
    c.is_whitespace() || matches!(c, '\u{1c}'..='\u{1f}')
}

/// Refuses references that do not have a line for each of `hypotheses`, which are called `name`.
///
/// # Errors
/// The numbers of lines differ, or there are none.
pub fn check_aligned(name: &str, hypotheses: &[String], references: &[Segments]) -> Result<()> {
    if hypotheses.is_empty() {
        refuse!("{name} has no lines to score");
    }
    for reference in references {
        let (n_hyp, n_ref) = (hypotheses.len(), reference.lines.len());
        if n_hyp != n_ref {
            refuse!(
                "{name} has {n_hyp} lines and the reference {} has {n_ref}: line n of one must translate the same \
                 sentence as line n of the other",
                reference.name
            );
        }
    }
    Ok(())
}
