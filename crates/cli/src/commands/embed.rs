//! `attentive embed`.

use std::{
    io::Write,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use attentive_bundle::{EmbeddingConfig, ImageEncoder, Input, Pooling, TextEncoder, cosine};
use attentive_collective::Collective;
use attentive_task::share_pictures;
use attentive_tokenizer::Tokenizer;
use attentive_weights::Npy;
use clap::Args;

use super::{
    BackendArgs, LINES_AT_ONCE, LongLines, PrecisionArgs, SpecialsArgs, on_one_line, open_model, pictures, processes,
};
use crate::{
    input::{self, Line, Lines},
    output,
};

/// Turn lines of text into vectors; of a model that reads pictures, lines are their paths.
///
/// Each line becomes a line of JSON with its text and its vector, or a row of an array for NumPy. The vector of a text
/// without tokens is `null`, and its row NaN.
#[derive(Debug, Args)]
pub(crate) struct Embed {
    /// The model's folder; DIR+ADAPTER for one with an adapter over it.
    #[arg(long, value_name = "DIR", default_value = "runs/latest")]
    model: PathBuf,
    /// What to embed; without it, the lines of standard input.
    text: Vec<String>,
    #[command(flatten)]
    embedding: EmbeddingArgs,
    /// Write an array of 32-bit floats, a row a line, to this .npy file instead.
    #[arg(long, value_name = "FILE", conflicts_with = "compare")]
    npy: Option<PathBuf>,
    /// Write over a file that is there.
    #[arg(long, requires = "npy", conflicts_with = "compare")]
    force: bool,
    /// Compare the vectors that this word has in the lines: the cosine of each pair.
    #[arg(long, value_name = "WORD", conflicts_with_all = ["pooling", "normalize", "frame", "prompt", "specials"])]
    compare: Option<String>,
    #[command(flatten)]
    long: LongLines,
    #[command(flatten)]
    specials: SpecialsArgs,
    #[command(flatten)]
    precision: PrecisionArgs,
    #[command(flatten)]
    backend: BackendArgs,
}

/// How vectors are made; what is not given is the model's own setting, else the mean over the text's tokens.
#[derive(Debug, Args)]
struct EmbeddingArgs {
    /// How the vectors of tokens become one: their mean, that of the token that begins every text (cls), the max of each
    /// component, mean-sqrt-len (the sum over the square root of their number), weighted-mean (the first counted once, the
    /// second twice, …), last-token; several, with commas between them, are put side by side.
    #[arg(long, value_name = "HOW", value_parser = pooling, value_delimiter = ',')]
    pooling: Vec<Pooling>,
    /// Divide each vector by its length; `--normalize=false` does not, whatever the model's setting is.
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    normalize: Option<bool>,
    /// Pool the tokens that frame a text, [CLS] and [SEP], too; `--frame=false` does not.
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    frame: Option<bool>,
    /// Put this prompt of the model before each text; "" for none.
    #[arg(long, value_name = "NAME")]
    prompt: Option<String>,
}

fn pooling(name: &str) -> Result<Pooling, String> {
    serde_json::from_value(name.into())
        .map_err(|_| "must be mean, cls, max, mean-sqrt-len, weighted-mean or last-token".to_owned())
}

impl EmbeddingArgs {
    fn over(&self, model: &EmbeddingConfig) -> Result<EmbeddingConfig> {
        let mut config = EmbeddingConfig {
            normalize: self.normalize.unwrap_or(model.normalize),
            frame: self.frame.unwrap_or(model.frame),
            ..model.clone()
        };
        if !self.pooling.is_empty() {
            config.pooling.clone_from(&self.pooling);
        }
        if let Some(name) = &self.prompt {
            config.prompt = Some(name.clone()).filter(|name| !name.is_empty());
        }
        match config.problem() {
            Some(problem) => bail!("{problem}"),
            None => Ok(config),
        }
    }
}

/// What a process tells of a line: its text, and the bits of its vector.
type Row = (String, Option<Vec<u32>>);

fn row(line: &Line, vector: Option<Vec<f32>>) -> Row {
    (line.text.clone(), vector.map(|vector| vector.into_iter().map(f32::to_bits).collect()))
}

impl Embed {
    pub(super) fn run(self) -> Result<()> {
        processes::together(|peers| match &self.compare {
            Some(_) if peers.rank() > 0 => Ok(()),
            _ => self.embed(peers),
        })
    }

    /// Embeds lines together with other processes, of which the first one writes.
    fn embed(&self, peers: &dyn Collective) -> Result<()> {
        self.npy.iter().try_for_each(|npy| super::check_new_file(npy, ("--force", self.force)))?;
        let (bundle, lines) = (open_model(&self.model)?, Lines::of_command(self.text.clone(), input::warn));
        let (device, precision) = (self.backend.device()?, self.precision.precision);
        let how = self.embedding.over(&bundle.embedding)?;
        let is_changed = ("--pooling, --normalize, --frame or --prompt", how != bundle.embedding);
        let of_texts = [("--compare", self.compare.is_some()), ("--specials", self.specials.specials), is_changed];
        if pictures::are_read_by(&bundle, &of_texts)? {
            let encoder = ImageEncoder::from_bundle(&bundle, &device, precision)?;
            let read = |pictures: &_| encoder.embed_all(pictures);
            let show = |line: &Line, vector| row(line, Some(vector));
            return self.write(peers, |write| share_pictures(peers, lines, read, show, write));
        }
        let bundle = self.specials.over(bundle);
        let encoder = TextEncoder::from_bundle(&bundle, &device, precision)?;
        let tokenizer = &**bundle.tokenizer()?;
        if let Some(word) = &self.compare {
            return compare(&encoder, tokenizer, &self.long, lines, word);
        }
        let lines = (lines.blocks(LINES_AT_ONCE), tokenizer);
        let read = |texts: &[Input<'_>]| encoder.embed_all(texts, &how);
        self.write(peers, |write| self.long.share(peers, lines, |_| Ok(()), read, row, write))
    }

    /// Writes the rows that `share` hands over in the first process; those before a line that ends the command, too.
    fn write(
        &self,
        peers: &dyn Collective,
        share: impl FnOnce(&mut dyn FnMut(Row) -> Result<()>) -> Result<()>,
    ) -> Result<()> {
        if peers.rank() > 0 {
            return share(&mut |_| Ok(()));
        }
        let mut out = Out::open(self.npy.as_deref())?;
        let ended = share(&mut |(text, bits)| {
            let vector: Option<Vec<f32>> = bits.map(|bits| bits.into_iter().map(f32::from_bits).collect());
            out.push(&text, vector.as_deref())
        });
        out.finish().and(ended)
    }
}

/// Where vectors go.
enum Out<'a> {
    Array(Npy, &'a Path),
    Lines(output::Output),
}

impl<'a> Out<'a> {
    fn open(npy: Option<&'a Path>) -> Result<Self> {
        Ok(match npy {
            Some(path) => Self::Array(Npy::create(path).with_context(|| unwritable(path))?, path),
            None => Self::Lines(output::stdout()),
        })
    }

    fn push(&mut self, text: &str, vector: Option<&[f32]>) -> Result<()> {
        match self {
            Self::Array(npy, path) => npy.push(vector).with_context(|| unwritable(path)),
            Self::Lines(out) => Ok(writeln!(out, "{}", serde_json::json!({ "text": text, "vector": vector }))?),
        }
    }

    fn finish(self) -> Result<()> {
        match self {
            Self::Array(npy, path) => npy.finish().with_context(|| unwritable(path)),
            Self::Lines(mut out) => Ok(out.flush()?),
        }
    }
}

fn unwritable(path: &Path) -> String {
    format!("can't write {}", path.display())
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
