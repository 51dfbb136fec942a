//! `attentive embed`.

use std::{io::Write, path::PathBuf};

use anyhow::{Result, bail};
use attentive_bundle::{Bundle, Pooling, TextEncoder};
use attentive_tokenizer::Tokenizer;
use clap::{Args, ValueEnum};

use super::{BackendArgs, LongLines, npy::Npy, on_one_line};
use crate::{
    input::{Line, Lines},
    output,
};
use attentive_run::resolve;

/// Turn lines of text into vectors.
///
/// Each line becomes a line of JSON with its text and its vector, or a row of an array for NumPy. The vector of a text
/// without tokens is `null`, and its row NaN.
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
    long: LongLines,
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
        let tokenizer = &**bundle.tokenizer()?;
        let mut lines = Lines::of_command(self.text);
        if let Some(word) = &self.compare {
            return compare(&encoder, tokenizer, &self.long, lines, word);
        }
        let pooling = match self.pooling {
            PoolingArg::Mean => Pooling::Mean,
            PoolingArg::Cls => Pooling::Cls,
        };
        let vector = |line: &Line| self.long.read(tokenizer, line, |text| encoder.embed(text, pooling));
        if let Some(path) = &self.npy {
            let mut npy = Npy::create(path)?;
            let ended = lines.try_for_each(|line| npy.push(vector(&line?)?.as_deref()));
            // The rows before a line that ends the command are an array too.
            return npy.finish().and(ended);
        }
        let mut out = output::stdout();
        for line in lines {
            let line = line?;
            let vector = vector(&line)?;
            writeln!(out, "{}", serde_json::json!({ "text": line.text, "vector": vector }))?;
        }
        Ok(out.flush()?)
    }
}

/// Prints where `word` stands, then the cosine of each of its vectors with each of those before it.
fn compare(encoder: &TextEncoder, tokenizer: &dyn Tokenizer, long: &LongLines, lines: Lines, word: &str) -> Result<()> {
    let mut vectors = Vec::new();
    let mut out = output::stdout();
    for line in lines {
        let line = line?;
        let found = long.read(tokenizer, &line, |text| encoder.embed_word(text, word))?;
        for vector in found.into_iter().flatten() {
            vectors.push(vector);
            writeln!(out, "{:>3}  {}", vectors.len(), on_one_line(&line.text))?;
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
