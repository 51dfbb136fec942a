//! Tab-separated files of two columns or more.

/// Where a tab-separated file has its two columns: source and target, or text and label.
///
/// Columns are divided by tabs alone: a quotation mark is text, as it is in a plain file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct TsvLayout {
    /// The two columns, counted from 1; a line may have others. Without it, a line has two columns and no more.
    pub columns: Option<[usize; 2]>,
    /// Whether the first line of each file names the columns, and is passed over.
    pub header: bool,
    /// Whether the second one comes first: a pair is read from the target to the source.
    pub turned: bool,
}

/// What a line lacks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NoSuchColumns;

/// The two columns of a line, and which of them reach to its end.
pub(crate) type TwoColumns<'a> = [(&'a [u8], bool); 2];

impl TsvLayout {
    /// These columns, counted from 1, of files without a header.
    pub fn of_columns(first: usize, second: usize) -> Self {
        Self { columns: Some([first, second]), ..Self::default() }
    }

    /// Whether the line with this number, from 1, is text.
    pub(crate) fn has_text(self, line: u64) -> bool {
        !(self.header && line == 1)
    }

    /// The two columns of a line, if it has them.
    pub(crate) fn split(self, line: &[u8]) -> Result<TwoColumns<'_>, NoSuchColumns> {
        let n_columns = 1 + line.iter().filter(|&&byte| byte == b'\t').count();
        if self.columns.is_none() && n_columns != 2 {
            return Err(NoSuchColumns);
        }
        let column = |number: usize| {
            let text = line.split(|&byte| byte == b'\t').nth(number.checked_sub(1)?)?;
            Some((text, number == n_columns))
        };
        let [first, second] = self.columns.unwrap_or([1, 2]).map(column);
        let [first, second] = if self.turned { [second, first] } else { [first, second] };
        first.zip(second).map(Into::into).ok_or(NoSuchColumns)
    }

    /// The longest line, in bytes, whose columns have at most `max_bytes`.
    ///
    /// What comes after the last of the two is not kept.
    pub(crate) fn max_line_bytes(self, max_bytes: usize) -> usize {
        let n_columns = self.columns.map_or(2, |[first, second]| first.max(second));
        max_bytes.saturating_add(1).saturating_mul(n_columns)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_counted_from_one() {
        let line = b"gj04\t1\t*\tHe left.";
        let split = |first, second| TsvLayout::of_columns(first, second).split(line);
        assert_eq!(split(4, 2), Ok([(&b"He left."[..], true), (b"1", false)]));
        assert_eq!(split(1, 3), Ok([(&b"gj04"[..], false), (b"*", false)]));
        assert_eq!((split(1, 5), split(0, 1)), (Err(NoSuchColumns), Err(NoSuchColumns)));
        assert_eq!(TsvLayout::default().split(line), Err(NoSuchColumns));
        assert_eq!(TsvLayout::default().split(b"\t"), Ok([(&b""[..], false), (b"", true)]));
        let turned = TsvLayout { turned: true, ..TsvLayout::default() };
        assert_eq!(turned.split(b"a\tb"), Ok([(&b"b"[..], true), (b"a", false)]));
        assert_eq!(turned.split(b"a\tb\tc"), Err(NoSuchColumns));
    }
}
