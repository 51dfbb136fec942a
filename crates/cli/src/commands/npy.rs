//! Arrays in NumPy's format, written a row at a time.

use std::{
    fs::File,
    io::{BufWriter, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};

/// Bytes of the header, whatever the shape; a multiple of 64.
const HEADER: usize = 128;

/// An array of 32-bit floats that grows by rows; a missing row is NaN.
pub(super) struct Npy {
    path: PathBuf,
    file: BufWriter<File>,
    n_rows: usize,
    /// Known with the first row that is not missing.
    n_cols: Option<usize>,
}

impl Npy {
    pub(super) fn create(path: &Path) -> Result<Self> {
        let file = File::create(path).with_context(|| format!("can't write {}", path.display()))?;
        let mut npy = Self { path: path.to_owned(), file: BufWriter::new(file), n_rows: 0, n_cols: None };
        npy.write(|file, _| file.write_all(&[b' '; HEADER]))?;
        Ok(npy)
    }

    /// Adds a row, or a missing one.
    pub(super) fn push(&mut self, row: Option<&[f32]>) -> Result<()> {
        if let (Some(row), None) = (row, self.n_cols) {
            self.n_cols = Some(row.len());
            for _ in 0..self.n_rows {
                self.write(missing)?;
            }
        }
        self.n_rows += 1;
        match row {
            Some(row) => self.write(|file, _| row.iter().try_for_each(|value| file.write_all(&value.to_le_bytes()))),
            None => self.write(missing),
        }
    }

    /// Writes the header, which tells how many rows there are.
    pub(super) fn finish(mut self) -> Result<()> {
        let shape = (self.n_rows, self.n_cols.unwrap_or(0));
        self.write(|file, _| {
            file.seek(SeekFrom::Start(0))?;
            file.write_all(&header(shape))?;
            file.flush()
        })
    }

    fn write(&mut self, write: impl Fn(&mut BufWriter<File>, usize) -> std::io::Result<()>) -> Result<()> {
        let n_cols = self.n_cols.unwrap_or(0);
        write(&mut self.file, n_cols).with_context(|| format!("can't write {}", self.path.display()))
    }
}

fn missing(file: &mut BufWriter<File>, n_cols: usize) -> std::io::Result<()> {
    (0..n_cols).try_for_each(|_| file.write_all(&f32::NAN.to_le_bytes()))
}

/// Version 1.0: a magic number, the length of the rest, and a dictionary of Python that a line break ends.
fn header((n_rows, n_cols): (usize, usize)) -> Vec<u8> {
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    let len = HEADER - bytes.len() - 2;
    bytes.extend((len as u16).to_le_bytes());
    let shape = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({n_rows}, {n_cols}), }}");
    bytes.extend(format!("{shape:<width$}\n", width = len - 1).into_bytes());
    bytes
}
