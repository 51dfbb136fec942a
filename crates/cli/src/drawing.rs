//! Files that drawings are written to.

use std::path::PathBuf;

use anyhow::{Context, Result};
use attentive_plot::{Drawing, Format};
use clap::builder::{PathBufValueParser, TypedValueParser, ValueParser, ValueParserFactory};

use crate::{commands::check_writable, output};

/// A file for a drawing, whose name says its form; a pipe or a device takes SVG.
#[derive(Debug, Clone)]
pub(crate) struct DrawingFile {
    pub(crate) path: PathBuf,
    pub(crate) format: Format,
}

impl ValueParserFactory for DrawingFile {
    type Parser = ValueParser;

    fn value_parser() -> ValueParser {
        let of_path = |path: PathBuf| {
            check_writable(&path)?;
            let format = if output::is_special(&path) { Format::Svg } else { Format::of(&path)? };
            anyhow::Ok(Self { path, format })
        };
        PathBufValueParser::new().try_map(of_path).into()
    }
}

impl DrawingFile {
    /// Writes a drawing.
    pub(crate) fn write(&self, drawing: &Drawing) -> Result<()> {
        let path = self.path.display();
        let bytes = drawing.to_bytes(self.format).with_context(|| format!("can't draw {path}"))?;
        if let Some(letter) = drawing.lacking().filter(|_| self.format == Format::Png) {
            warning!("warning: {path}: the font of images has no {letter:?}, which is drawn as ?; an .svg has it");
        }
        output::write_file(&self.path, &bytes)
    }
}
