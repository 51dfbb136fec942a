//! Texts and their classes.

use std::path::Path;

use attentive_core::{FrameIds, LabeledBatch, TokenId, TokenMatrix};

use crate::{DataError, ExampleSet, FileReport, LineReader, Rows, TsvLayout};

/// The longest line that is read.
const MAX_LINE_BYTES: usize = 1 << 20;

/// A text and the name of its class.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct LabeledText {
    /// The text.
    pub text: String,
    /// The class.
    pub label: String,
    /// Its line, from 1; lines are counted through all files.
    pub line: u64,
}

impl LabeledText {
    /// Reads files of a text, a tab and a label a line, or of lines with these in other columns; blank lines are passed
    /// over. Without columns in the layout, the label comes after the last tab.
    ///
    /// # Errors
    /// Those of reading, [`DataError::NoLabel`] for a line without a tab or with nothing after it, and
    /// [`DataError::Columns`] for one without the layout's columns.
    pub fn read<P: AsRef<Path>>(paths: &[P], layout: TsvLayout) -> Result<(Vec<Self>, Vec<FileReport>), DataError> {
        let mut reader = LineReader::new(paths, MAX_LINE_BYTES);
        let mut texts = Vec::new();
        let mut n_lines = 0;
        while let Some(line) = reader.next_line()? {
            n_lines += 1;
            let place = || (line.place.path.to_path_buf(), line.place.line);
            if line.is_over_long {
                let (path, line) = place();
                return Err(DataError::LongLine { path, line, max_bytes: MAX_LINE_BYTES });
            }
            let Ok(text) = std::str::from_utf8(&line.bytes) else {
                let (path, line) = place();
                return Err(DataError::InvalidUtf8 { path, line });
            };
            if text.trim().is_empty() || !layout.has_text(line.place.line) {
                continue;
            }
            let columns = match layout.columns {
                None => text.rsplit_once('\t'),
                Some(columns) => Some(in_columns(text, layout).ok_or_else(|| {
                    let (path, line) = place();
                    DataError::Columns { path, line, n: text.split('\t').count(), columns }
                })?),
            };
            match columns.map(|(text, label)| (text.trim(), label.trim())) {
                Some((text, label)) if !label.is_empty() => {
                    texts.push(Self { text: text.to_owned(), label: label.to_owned(), line: n_lines });
                }
                _ => {
                    let (path, line) = place();
                    return Err(DataError::NoLabel { path, line });
                }
            }
        }
        Ok((texts, reader.finish()?))
    }
}

/// The text and the label of a line, if it has their columns.
fn in_columns(line: &str, layout: TsvLayout) -> Option<(&str, &str)> {
    let [text, label] = layout.split(line.as_bytes()).ok()?.map(|(column, _)| std::str::from_utf8(column).ok());
    text.zip(label)
}

/// Rows of tokens with the class of each.
///
/// ```
/// use attentive_core::FrameIds;
/// use attentive_data::{Epochs, ExampleBatcher, LabeledRows};
///
/// let ids = FrameIds { pad: 0, begin: 1, end: 2, mask: 3 };
/// let rows = LabeledRows::new([(vec![7, 8], 1), (vec![9], 0)], 4, ids);
/// let batch = ExampleBatcher::new(rows, 8, 1)?.epoch(0).next().unwrap()?;
/// let idx = batch.labels.iter().position(|&label| label == 0).unwrap();
/// assert_eq!(batch.ids.row(idx), [1, 9, 2]);
/// # Ok::<(), attentive_data::DataError>(())
/// ```
pub type LabeledRows = Rows<u32>;

impl LabeledRows {
    /// Frames texts as `begin … end`, cut off at `context` tokens.
    pub fn new(texts: impl IntoIterator<Item = (Vec<TokenId>, u32)>, context: usize, ids: FrameIds) -> Self {
        let frame = |(mut text, label): (Vec<TokenId>, u32)| {
            text.truncate(context.saturating_sub(2));
            text.insert(0, ids.begin);
            text.push(ids.end);
            (text, label)
        };
        Self { rows: texts.into_iter().map(frame).collect(), pad: ids.pad }
    }
}

impl ExampleSet for LabeledRows {
    type Example = ();
    type Batch = LabeledBatch;

    fn epoch(&self, _epoch: u64) -> Vec<()> {
        vec![(); self.rows.len()]
    }

    fn batch(&self, _epoch: u64, examples: &[(u64, ())]) -> LabeledBatch {
        let rows = examples.iter().map(|&(idx, ())| &self.rows[idx as usize]);
        let (ids, labels): (Vec<&[TokenId]>, Vec<u32>) = rows.map(|(ids, label)| (ids.as_slice(), *label)).unzip();
        let indices = examples.iter().map(|&(idx, ())| idx).collect();
        LabeledBatch { ids: TokenMatrix::from_rows(&ids, self.pad, 0), labels, indices }
    }
}
