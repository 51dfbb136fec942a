//! Arrays in NumPy's format, written a row at a time.

use std::{
    ffi::OsString,
    fs::{self, File},
    io::{self, BufWriter, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

use crate::replace_file;

/// Bytes of the header, whatever the shape; a multiple of 64.
const HEADER: usize = 128;

/// An array of 32-bit floats in a file of NumPy's format, version 1.0, that grows by rows; a missing row is NaN. It has
/// another name until it is whole.
///
/// ```
/// use attentive_weights::Npy;
///
/// let folder = tempfile::tempdir()?;
/// let path = folder.path().join("vectors.npy");
/// let mut array = Npy::create(&path)?;
/// array.push(Some(&[1.0, 2.0]))?;
/// array.push(None)?;
/// array.finish()?;
/// assert_eq!(std::fs::read(&path)?.len(), 128 + 2 * 2 * 4);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct Npy {
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
    /// An array without rows.
    ///
    /// # Errors
    /// Those of the system.
    pub fn create(path: &Path) -> io::Result<Self> {
        let mut unfinished = OsString::from(path);
        // A pipe or a device is written as it is.
        unfinished.push(if path.exists() && !path.is_file() { "" } else { ".tmp" });
        let file = BufWriter::new(File::create(&unfinished)?);
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

    /// Adds a row, as long as those before it, or a missing one.
    ///
    /// # Errors
    /// Those of the system.
    pub fn push(&mut self, row: Option<&[f32]>) -> io::Result<()> {
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
    ///
    /// # Errors
    /// Those of the system.
    pub fn finish(mut self) -> io::Result<()> {
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
        finished?;
        replace_file(&self.unfinished, &self.path)
    }

    fn write(&mut self, write: impl Fn(&mut BufWriter<File>, usize) -> io::Result<()>) -> io::Result<()> {
        let written = write(&mut self.file, self.n_cols.unwrap_or(0));
        self.has_failed |= written.is_err();
        written
    }
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
