//! Arrays in NumPy's format, written a row at a time.

use std::{
    ffi::OsString,
    fs::{self, File},
    io::{self, BufWriter, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use attentive_weights::replace_file;

/// Bytes of the header, whatever the shape; a multiple of 64.
const HEADER: usize = 128;

/// An array of 32-bit floats that grows by rows; a missing row is NaN. It has another name until it is whole.
pub(super) struct Npy {
    path: PathBuf,
    unfinished: PathBuf,
    file: BufWriter<File>,
    /// Whether some of it could not be written.
    has_failed: bool,
    n_rows: usize,
    /// Known with the first row that is not missing.
    n_cols: Option<usize>,
}

impl Npy {
    pub(super) fn create(path: &Path) -> Result<Self> {
        let mut unfinished = OsString::from(path);
        // A pipe or a device is written as it is.
        unfinished.push(if path.exists() && !path.is_file() { "" } else { ".tmp" });
        let file = File::create(&unfinished).with_context(|| unwritable(path))?;
        let file = BufWriter::new(file);
        let mut npy = Self {
            path: path.to_owned(),
            unfinished: unfinished.into(),
            file,
            has_failed: false,
            n_rows: 0,
            n_cols: None,
        };
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

    /// Writes the header, which tells how many rows there are, and gives the file its name.
    ///
    /// A file that could not be written is removed; that was told before.
    pub(super) fn finish(mut self) -> Result<()> {
        let shape = (self.n_rows, self.n_cols.unwrap_or(0));
        let finished = match self.has_failed {
            true => Ok(()),
            false => self.write(|file, _| {
                file.seek(SeekFrom::Start(0))?;
                file.write_all(&header(shape))?;
                file.flush()
            }),
        };
        if self.unfinished == self.path {
            return finished;
        }
        if self.has_failed {
            // The failure is reported; what is left only takes room.
            let _ = fs::remove_file(&self.unfinished);
            return finished;
        }
        replace_file(&self.unfinished, &self.path).with_context(|| unwritable(&self.path))
    }

    fn write(&mut self, write: impl Fn(&mut BufWriter<File>, usize) -> io::Result<()>) -> Result<()> {
        let written = write(&mut self.file, self.n_cols.unwrap_or(0));
        self.has_failed |= written.is_err();
        written.with_context(|| unwritable(&self.path))
    }
}

fn unwritable(path: &Path) -> String {
    format!("can't write {}", path.display())
}

fn missing(file: &mut BufWriter<File>, n_cols: usize) -> io::Result<()> {
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
