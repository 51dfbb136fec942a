//! `attentive embed`.

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use attentive_bundle::{Bundle, Pooling, TextEncoder};
use clap::{Args, ValueEnum};

use super::{BackendArgs, read_lines};
use crate::output;
use attentive_run::resolve;

/// Turn lines of text into vectors.
///
/// Each line becomes a line of JSON with its text and its vector, or a row of an array for NumPy.
#[derive(Debug, Args)]
pub(crate) struct Embed {
    /// The model's folder.
    #[arg(long, value_name = "DIR", default_value = "runs/latest")]
    model: PathBuf,
    /// What to embed; without it, the lines of standard input.
    text: Vec<String>,
    /// How the vectors of tokens become one.
    #[arg(long, value_name = "HOW", value_enum, default_value_t = PoolingArg::Mean)]
    pooling: PoolingArg,
    /// Write an array of 32-bit floats, a row a line, to this .npy file instead.
    #[arg(long, value_name = "FILE", conflicts_with = "compare")]
    npy: Option<PathBuf>,
    /// Compare the vectors that this word has in the lines: the cosine of each pair.
    #[arg(long, value_name = "WORD", conflicts_with = "pooling")]
    compare: Option<String>,
    #[command(flatten)]
    backend: BackendArgs,
}

/// How the vectors of tokens become one.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum PoolingArg {
    /// The mean over the text's tokens.
    Mean,
    /// The vector of the token that begins every text.
    Cls,
}

impl Embed {
    pub(super) fn run(self) -> Result<()> {
        let bundle = Bundle::read(&resolve(&self.model))?;
        let encoder = TextEncoder::from_bundle(&bundle, &self.backend.device()?)?;
        let lines = read_lines(self.text).collect::<Result<Vec<String>>>()?;
        if let Some(word) = &self.compare {
            return compare(&encoder, &lines, word);
        }
        let pooling = match self.pooling {
            PoolingArg::Mean => Pooling::Mean,
            PoolingArg::Cls => Pooling::Cls,
        };
        let mut out = output::stdout();
        let mut rows = Vec::new();
        for (number, line) in (1_usize..).zip(lines) {
            let vector = encoder.embed(&line, pooling).with_context(|| format!("line {number}"))?;
            match &self.npy {
                Some(_) => rows.push(vector),
                None => writeln!(out, "{}", serde_json::json!({ "text": line, "vector": vector }))?,
            }
        }
        match &self.npy {
            Some(path) => write_npy(path, &rows),
            None => Ok(out.flush()?),
        }
    }
}

/// Prints where `word` stands, then the cosine of each of its vectors with each of those before it.
fn compare(encoder: &TextEncoder, lines: &[String], word: &str) -> Result<()> {
    let mut vectors = Vec::new();
    let mut out = output::stdout();
    for line in lines {
        for vector in encoder.embed_word(line, word)? {
            vectors.push(vector);
            writeln!(out, "{:>3}  {line}", vectors.len())?;
        }
    }
    if vectors.len() < 2 {
        bail!("{word:?} stands {} times in the lines; two vectors at least can be compared", vectors.len());
    }
    for (idx, vector) in vectors.iter().enumerate().skip(1) {
        let cosines: Vec<String> =
            vectors[..idx].iter().map(|other| format!("{:6.3}", cosine(vector, other))).collect();
        writeln!(out, "{:>3}  {}", idx + 1, cosines.join(" "))?;
    }
    Ok(out.flush()?)
}

fn cosine(a: &[f32], b: &[f32]) -> f64 {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>();
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}

/// NumPy's format, version 1.0: a magic number, a header of a multiple of 64 bytes, then the values.
fn write_npy(path: &Path, rows: &[Vec<f32>]) -> Result<()> {
    let n_cols = rows.first().map_or(0, Vec::len);
    let shape = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({}, {n_cols}), }}", rows.len());
    // Magic, version and length take 10 bytes; a line break ends the header.
    let len = (10 + shape.len() + 1).next_multiple_of(64) - 10;
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((len as u16).to_le_bytes());
    bytes.extend(format!("{shape:<width$}\n", width = len - 1).into_bytes());
    rows.iter().flatten().for_each(|value| bytes.extend(value.to_le_bytes()));
    fs::write(path, bytes).with_context(|| format!("can't write {}", path.display()))
}
