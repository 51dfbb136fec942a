//! `attentive paper`: the paper's tables and figures, computed again.

use std::{num::NonZeroU64, path::PathBuf};

use anyhow::Result;
use attentive_backend::BackendKind;
use attentive_model::table1::LayerSizes;
use attentive_paper::{self as paper, Exhibit};
use clap::{Args, Subcommand};

use super::{
    BackendArgs,
    attention::Attention,
    numbers::{LONG, MANY_TOKENS, MANY_UPDATES, MANY_VALUES, above_0, integer, probability},
    refuse_one_file_twice, refuse_overwriting,
};
use crate::{drawing::DrawingFile, terminal::Terminal};

/// The paper's tables and figures, computed again: as tables on the terminal, as drawings in files.
#[derive(Debug, Args)]
pub(crate) struct Paper {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Table 1: complexity, sequential operations and path lengths of layers, beside the time that ours take.
    Table1(Table1),
    /// Table 2: BLEU and training cost as published, how the cost is counted, and a run of yours.
    Table2(Table2),
    /// Table 3: every variation of the model, its parameters counted, beside the paper's.
    Table3(Table3),
    /// §3.5: the sinusoids, and how their products fall with distance; learned positions of a model beside them.
    Positions(Positions),
    /// §5.3: the learning rate of each update, by the paper's schedule and others.
    Schedule(Schedule),
    /// The optimizers compared, on one small training.
    Optimizers(Optimizers),
    /// Figures 3 to 5: what a trained model attends to; `attentive attention` is the same.
    Attention(Attention),
    /// Figure 2 of CANINE: what its pre-training hides of a text, and in which order it is guessed.
    Canine(Canine),
    /// Families of tokenizers on one text, by bits per byte of one small GPT.
    Tokenizers(Tokenizers),
    /// The Transformer against the RNN that it replaced, or any other runs: at their ends, and after equal time.
    Rnn(Runs),
}

impl Paper {
    pub(super) fn run(self) -> Result<()> {
        match self.what {
            What::Table1(command) => command.run(),
            What::Table2(command) => command.run(),
            What::Table3(Table3 { vocab_size }) => show(&paper::Table3 { vocab_size }.make(), &[]),
            What::Positions(command) => command.run(),
            What::Schedule(Schedule { steps, out }) => show(&paper::Schedules { n_steps: steps }.make(), &[&out]),
            What::Optimizers(command) => command.run(),
            What::Attention(command) => command.run(),
            What::Canine(command) => command.run(),
            What::Tokenizers(command) => command.run(),
            What::Rnn(command) => command.run(),
        }
    }
}

/// Shows an exhibit, and writes its drawings to files.
fn show(exhibit: &Exhibit, files: &[&DrawingFile]) -> Result<()> {
    report!("{exhibit}");
    for (figure, file) in exhibit.figures.iter().zip(files) {
        file.write(&figure.drawing)?;
        report!("drawing in {}", file.path.display());
    }
    Ok(())
}

/// What layers cost: the paper's formulas, their values, and the time that our own layers take.
#[derive(Debug, Args)]
struct Table1 {
    /// Positions of a sequence.
    #[arg(long, default_value_t = paper::Table1::default().sizes.n, value_parser = integer(1..=MANY_VALUES))]
    n: u64,
    /// Values of a vector.
    #[arg(long, default_value_t = paper::Table1::default().sizes.d, value_parser = integer(1..=MANY_VALUES))]
    d: u64,
    /// Width of a convolution's kernel.
    #[arg(long, default_value_t = paper::Table1::default().sizes.k, value_parser = integer(2..=MANY_VALUES))]
    k: u64,
    /// Positions of the neighbourhood of restricted self-attention.
    #[arg(long, default_value_t = paper::Table1::default().sizes.r, value_parser = integer(1..=MANY_VALUES))]
    r: u64,
    /// Leave out the measurements.
    #[arg(long)]
    no_time: bool,
    #[command(flatten)]
    backend: BackendArgs,
}

impl Table1 {
    fn run(self) -> Result<()> {
        let Self { n, d, k, r, no_time, backend } = self;
        let device = backend.device()?;
        let table = paper::Table1 { sizes: LayerSizes { n, d, k, r } };
        show(&table.make((!no_time).then_some(&device))?, &[])
    }
}

/// BLEU and training cost, as published; how the cost is counted; and a run of yours in the same terms.
#[derive(Debug, Args)]
pub(super) struct Table2 {
    /// A run of yours: its folder; may be given several times.
    #[arg(long = "run", value_name = "DIR")]
    runs: Vec<PathBuf>,
    /// Operations a second that the machine of the runs sustains; measured on this one unless given.
    #[arg(long, value_name = "FLOPS", value_parser = above_0(), requires = "runs")]
    sustained: Option<f64>,
    #[command(flatten)]
    backend: BackendArgs,
}

impl Table2 {
    pub(super) fn run(self) -> Result<()> {
        let sustained_flops = match self.sustained {
            _ if self.runs.is_empty() => None,
            Some(flops) => Some(flops),
            None => Some(paper::sustained_flops(&self.backend.device()?)),
        };
        let own = sustained_flops.map(|sustained_flops| paper::OwnRuns { folders: self.runs, sustained_flops });
        show(&paper::Table2 { own }.make()?, &[])
    }
}

/// Every variation of the model: hyper-parameters, our count of parameters beside the paper's, and the paper's scores.
#[derive(Debug, Args)]
struct Table3 {
    /// Entries of the joint vocabulary: the paper says "about 37,000" (§5.1).
    #[arg(long, default_value_t = paper::Table3::default().vocab_size, value_parser = integer(1..=MANY_TOKENS))]
    vocab_size: usize,
}

/// The sinusoids as a map, and their products by distance; learned positions of a model beside them.
#[derive(Debug, Args)]
struct Positions {
    /// Positions.
    #[arg(long, default_value_t = paper::Positions::default().n, value_parser = integer(2..=LONG))]
    n: usize,
    /// Width of embeddings.
    #[arg(long, default_value_t = paper::Positions::default().d_model, value_parser = integer(2..=LONG))]
    d_model: usize,
    /// A model with learned positions.
    #[arg(long, value_name = "DIR")]
    model: Option<PathBuf>,
    /// The maps, `.svg` or `.png`.
    #[arg(long, value_name = "FILE", default_value = "positions.svg")]
    out: DrawingFile,
    /// The products by distance, `.svg` or `.png`.
    #[arg(long, value_name = "FILE", default_value = "position-products.svg")]
    products: DrawingFile,
}

impl Positions {
    fn run(self) -> Result<()> {
        let Self { n, d_model, model, out, products } = self;
        refuse_one_file_twice([&out.path, &products.path])?;
        let positions = paper::Positions { n, d_model, learned: model };
        show(&positions.make(&BackendKind::Flex.device()?)?, &[&out, &products])
    }
}

/// The learning rate of each update: the paper's for widths and warm-ups, and other schedules with its peak.
#[derive(Debug, Args)]
struct Schedule {
    /// Updates.
    #[arg(long, default_value_t = paper::Schedules::default().n_steps)]
    #[arg(value_parser = integer(NonZeroU64::MIN..=MANY_UPDATES))]
    steps: NonZeroU64,
    /// The drawing, `.svg` or `.png`.
    #[arg(long, value_name = "FILE", default_value = "schedule.svg")]
    out: DrawingFile,
}

/// Train one model by each optimizer, from the same parameters on the same batches, and compare losses.
///
/// Every optimizer has the best of a few learning rates, found in the first quarter of the updates.
#[derive(Debug, Args)]
struct Optimizers {
    /// A recipe of any task; without one, a small Transformer on the built-in corpus.
    recipe: Option<PathBuf>,
    /// Change a setting of the recipe; may be given several times.
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Updates by each optimizer.
    #[arg(long, default_value_t = paper::Optimizers::default().n_steps)]
    #[arg(value_parser = integer(NonZeroU64::MIN..=MANY_UPDATES))]
    steps: NonZeroU64,
    /// The drawing, `.svg` or `.png`.
    #[arg(long, value_name = "FILE", default_value = "optimizers.svg")]
    out: DrawingFile,
    #[command(flatten)]
    backend: BackendArgs,
}

impl Optimizers {
    fn run(self) -> Result<()> {
        let Self { recipe, set, steps, out, backend } = self;
        refuse_overwriting(&out.path, &recipe)?;
        let optimizers = paper::Optimizers { recipe, settings: set, n_steps: steps };
        let mut say = |line: &str| {
            warning!("{line}");
            Ok(())
        };
        let exhibit = optimizers.make(&backend.device()?, &Terminal::default(), &mut say)?;
        report!("");
        show(&exhibit, &[&out])
    }
}

/// What CANINE-C's pre-training hides of a text, and in which order it is guessed.
#[derive(Debug, Args)]
struct Canine {
    /// The text, of at most 100 characters.
    #[arg(default_value_t = paper::Canine::default().text)]
    text: String,
    /// The part of its characters that is hidden.
    #[arg(long, default_value_t = paper::Canine::default().rate, value_parser = probability())]
    rate: f64,
    /// The seed of spans and order.
    #[arg(long, default_value_t = paper::Canine::default().seed, value_parser = integer(0..=u64::MAX))]
    seed: u64,
    /// The drawing, SVG.
    #[arg(long, value_name = "FILE", default_value = "canine.svg")]
    out: DrawingFile,
}

impl Canine {
    fn run(self) -> Result<()> {
        let Self { text, rate, seed, out } = self;
        show(&paper::Canine { text, rate, seed }.make()?, &[&out])
    }
}

/// Train one small GPT on a text cut by each family of tokenizers, at equal training compute, and compare bits per byte.
#[derive(Debug, Args)]
struct Tokenizers {
    /// The text, of which a tenth is held out; without it, the English of the built-in corpus.
    #[arg(long, value_name = "FILE")]
    text: Option<PathBuf>,
    /// Size of the vocabularies that are learnt.
    #[arg(long, value_name = "N", default_value_t = paper::Tokenizers::default().vocab_size)]
    #[arg(value_parser = integer(2..=MANY_TOKENS))]
    vocab_size: usize,
    /// Training compute of each model, in 10^9 floating-point operations: products forward, and twice that backward.
    #[arg(long, value_name = "GFLOPS", default_value_t = paper::Tokenizers::default().gflops)]
    #[arg(value_parser = integer(NonZeroU64::MIN..=NonZeroU64::MAX))]
    gflops: NonZeroU64,
    #[command(flatten)]
    backend: BackendArgs,
}

impl Tokenizers {
    fn run(self) -> Result<()> {
        let Self { text, vocab_size, gflops, backend } = self;
        let tokenizers = paper::Tokenizers { text, vocab_size, gflops };
        show(&tokenizers.make(&backend.device()?, &Terminal::default(), &mut |line| say!("{line}"))?, &[])
    }
}

/// Runs beside one another: sizes, speed, scores at the end, and at each validation until the shortest has ended.
#[derive(Debug, Args)]
struct Runs {
    /// The runs' folders: the Transformer's, the RNN's, any others.
    #[arg(required = true, num_args = 2..)]
    runs: Vec<PathBuf>,
}

impl Runs {
    fn run(self) -> Result<()> {
        let runs = paper::Runs::read(&self.runs)?;
        show(&runs.at_the_end(), &[])?;
        show(&runs.after_equal_time()?, &[])
    }
}
