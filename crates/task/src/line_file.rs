//! A file that texts are written to as they come.

use std::{
    fs::File,
    io::{BufWriter, Write},
    path::Path,
};

use crate::{Context, Result, on_one_line};

/// A file of texts, a line each: those before a failure are kept.
#[derive(Debug)]
pub struct LineFile<'a> {
    path: &'a Path,
    file: BufWriter<File>,
}

impl<'a> LineFile<'a> {
    /// A new file, or an empty one in the place of one that is there.
    ///
    /// # Errors
    /// It can't be written.
    pub fn create(path: &'a Path) -> Result<Self> {
        let file = File::create(path).with_context(|| format!("can't write {}", path.display()))?;
        Ok(Self { path, file: BufWriter::new(file) })
    }

    /// Writes some texts more.
    ///
    /// # Errors
    /// They can't be written.
    pub fn write(&mut self, texts: &[String]) -> Result<()> {
        let mut write = || {
            texts.iter().try_for_each(|text| writeln!(self.file, "{}", on_one_line(text)))?;
            self.file.flush()
        };
        write().with_context(|| format!("can't write {}", self.path.display()))
    }
}
