//! `attentive reproduce`: the paper's experiments, made again.

use std::{
    env, fs,
    num::NonZeroU64,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
    time::Duration,
};

use anyhow::{Context, Result, bail};
use attentive_collective::Collective;
use attentive_model::table1::LayerSizes;
use attentive_paper::{self as paper, Exhibit, Growth, Length, Reproduction};
use attentive_run::{Run, TrainOptions, language_pair, parallel_folder, parse_time};
use attentive_task::{Log, WarningsOnly};
use clap::{ArgGroup, Args, Subcommand};

use super::{
    BackendArgs, check_writable,
    numbers::{MANY_UPDATES, MANY_VALUES, integer},
    paper::Table2,
    processes, refuse_overwriting,
    train::{INTERRUPTED, flag},
};
use crate::{
    output::write_file,
    progress::{Progress, StopFlag},
    terminal::Terminal,
};

/// The paper's experiments, made again on a machine and on data of yours.
#[derive(Debug, Args)]
pub(crate) struct Reproduce {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Measure how the time and the memory of Table 1's layers grow with their sizes, beside the paper's exponents.
    Table1(Table1),
    /// Table 2: BLEU and training cost as published, how the cost is counted, and a run of yours.
    Table2(Table2),
    /// Train every row of Table 3, and hold the paper's conclusions against what comes out.
    Table3(Box<Table3>),
    /// Draw the figures, those of a trained model too.
    Figures(Figures),
}

impl Reproduce {
    pub(super) fn run(self) -> Result<ExitCode> {
        if !matches!(self.what, What::Table3(_)) {
            processes::alone()?;
        }
        match self.what {
            What::Table1(command) => command.run().map(|()| ExitCode::SUCCESS),
            What::Table2(command) => command.run().map(|()| ExitCode::SUCCESS),
            What::Table3(command) => processes::together(|peers| command.run(peers)),
            What::Figures(command) => command.run().map(|()| ExitCode::SUCCESS),
        }
    }
}

/// Measure how the time and the memory of Table 1's layers grow with their sizes, beside the paper's exponents.
///
/// One size is doubled a few times while the others stay; each measurement is a process of its own.
#[derive(Debug, Args)]
struct Table1 {
    /// The fewest positions.
    #[arg(long, default_value_t = Growth::default().from.n, value_parser = integer(1..=MANY_VALUES))]
    n: u64,
    /// The fewest values of a vector.
    #[arg(long, default_value_t = Growth::default().from.d, value_parser = integer(1..=MANY_VALUES))]
    d: u64,
    /// The least width of a convolution's kernel.
    #[arg(long, default_value_t = Growth::default().from.k, value_parser = integer(2..=MANY_VALUES))]
    k: u64,
    /// The smallest neighbourhood of restricted self-attention.
    #[arg(long, default_value_t = Growth::default().from.r, value_parser = integer(1..=MANY_VALUES))]
    r: u64,
    /// How many times each is doubled.
    #[arg(long, value_name = "N", default_value_t = Growth::default().doublings, value_parser = integer::<u32>(1..=20))]
    doublings: u32,
    /// Folder of the table, Markdown, and its drawings, SVG.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Make this measurement alone, and print it as JSON.
    #[arg(long, hide = true)]
    point: Option<usize>,
    #[command(flatten)]
    backend: BackendArgs,
}

impl Table1 {
    fn run(self) -> Result<()> {
        let Self { n, d, k, r, doublings, out, point, backend } = self;
        let growth = Growth { from: LayerSizes { n, d, k, r }, doublings };
        if let Some(point) = point {
            return Ok(say!("{}", serde_json::to_string(&growth.measure(point, &backend.device()?)?)?)?);
        }
        out.iter().try_for_each(|folder| make_folder(folder))?;
        let (terminal, mut costs) = (Terminal::default(), Vec::new());
        for point in 0..growth.n_points() {
            let mut measuring = Command::new(env::current_exe().context("finding this program")?);
            let measured = measuring.args(env::args_os().skip(1)).arg(format!("--point={point}")).output()?;
            if !measured.status.success() {
                bail!("{}", String::from_utf8_lossy(&measured.stderr).trim().trim_start_matches("error: "));
            }
            costs.push(serde_json::from_slice(&measured.stdout).context("reading a measurement")?);
            terminal.progress("measuring", point + 1, growth.n_points());
        }
        let exhibit = growth.exhibit(&costs)?;
        if let Some(folder) = &out {
            write_exhibits(folder, &[("table1", exhibit.clone())])?;
        }
        report!("{exhibit}");
        Ok(())
    }
}

/// Train every row of Table 3 at a size and on data of yours, and hold the paper's conclusions against what comes out.
///
/// Each row and seed is a run of its own. Interrupted, the same command goes on. Processes of mpirun share the runs.
#[derive(Debug, Args)]
struct Table3 {
    /// The recipe of the base row: a TOML file, or the name of one that is built in.
    #[arg(default_value = "table3")]
    recipe: PathBuf,
    /// Change a setting of the recipe; may be given several times.
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// A folder of parallel text: train, val and test of each language, as train.en and train.de, or train.en.gz.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// The endings of the files of sources and of targets.
    #[arg(long, value_name = "FROM-TO", default_value = "en-de", value_parser = language_pair, requires = "data")]
    languages: (String, String),
    /// Rows by name, or groups of them by letter, separated by commas: A,base,"C N=2".
    #[arg(long, value_name = "ROW,…", value_delimiter = ',')]
    rows: Vec<String>,
    /// Seeds, separated by commas; two tell chance from a difference.
    #[arg(long, value_name = "N,…", value_delimiter = ',', default_value = "1")]
    seeds: Vec<u64>,
    /// Time for all of it: 90s, 60m, 6h. Every row has as many updates as fit.
    #[arg(long, value_name = "TIME", default_value = "60m", value_parser = parse_time)]
    budget: Duration,
    /// Updates of each row, in place of a budget.
    #[arg(long, value_name = "N", value_parser = integer(NonZeroU64::MIN..=MANY_UPDATES), conflicts_with = "budget")]
    updates: Option<NonZeroU64>,
    /// Folder that the runs are kept in.
    #[arg(long, value_name = "DIR", default_value = "runs/table3")]
    runs: PathBuf,
    /// The table, as Markdown.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    #[command(flatten)]
    backend: BackendArgs,
}

impl Table3 {
    fn run(self, peers: &dyn Collective) -> Result<ExitCode> {
        let Self { recipe, mut set, data, languages, rows, seeds, budget, updates, runs, out, backend } = self;
        out.iter().try_for_each(|path| check_writable(path))?;
        out.iter().try_for_each(|path| refuse_overwriting(path, [&recipe]))?;
        if let Some(folder) = data {
            set.splice(..0, parallel_folder(&folder, &languages)?);
        }
        let length = updates.map_or(Length::Budget(budget), Length::Updates);
        let reproduction = Reproduction { recipe: Some(recipe), settings: set, rows, seeds, length, runs };
        let device = backend.device()?;
        let terminal = Terminal::default();
        let warnings = WarningsOnly(&terminal);
        let (is_first, mut stop) = (peers.rank() == 0, StopFlag(flag(peers.size() == 1)?));
        let mut say = |line: &str| {
            report!("{line}");
            Ok(())
        };
        let mut train = |run: Run| {
            report!("run {}", run.folder().display());
            let mut progress = is_first.then(|| Progress::new(run.recipe().run.training.steps));
            let mut callbacks: Vec<&mut dyn attentive_trainer::Callback> = vec![&mut stop];
            callbacks.extend(progress.iter_mut().map(|progress| progress as _));
            run.train(&device, TrainOptions { log: &warnings, callbacks, ..TrainOptions::default() })
        };
        let Some(exhibit) = reproduction.make(peers, &device, &(), &mut say, &mut train)? else {
            report!("the same command goes on");
            return Ok(ExitCode::from(INTERRUPTED));
        };
        if !is_first {
            return Ok(ExitCode::SUCCESS);
        }
        out.iter().try_for_each(|path| write_file(path, exhibit.to_string().as_bytes()))?;
        report!("\n{exhibit}");
        out.iter().for_each(|path| report!("table in {}", path.display()));
        Ok(ExitCode::SUCCESS)
    }
}

/// Draw the figures: positions, schedules, paths of optimizers, label smoothing, BPE's merges, CANINE's pre-training; of a
/// trained model also what "it" attends to, and of an encoder the vectors of a word in several sentences.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("of").args(["model", "encoder"]).multiple(true))]
struct Figures {
    /// Folder of the drawings, SVG, and their tables, Markdown.
    #[arg(long, value_name = "DIR", default_value = "figures")]
    out: PathBuf,
    /// A trained model: what a word of its sentence attends to, by each head and by all of them.
    #[arg(long, value_name = "DIR")]
    model: Option<PathBuf>,
    /// An encoder: the vectors of a word in the sentences.
    #[arg(long, value_name = "DIR")]
    encoder: Option<PathBuf>,
    /// The word that is followed.
    #[arg(long, value_name = "WORD", default_value = paper::WORD, requires = "of")]
    word: String,
    /// Sentences of it: the first for the model, all for the encoder.
    #[arg(default_values = paper::SENTENCES, requires = "of")]
    sentences: Vec<String>,
    #[command(flatten)]
    backend: BackendArgs,
}

impl Figures {
    fn run(self) -> Result<()> {
        let Self { out, model, encoder, word, sentences, backend } = self;
        let device = backend.device()?;
        make_folder(&out)?;
        let mut exhibits = vec![
            ("positions", paper::Positions::default().make(&device)?),
            ("schedules", paper::Schedules::default().make()),
            ("optimizer-paths", paper::OptimizerPaths.make(&device)?),
            ("label-smoothing", paper::LabelSmoothing::default().make()?),
            ("merges", paper::Merges::default().make()?),
            ("canine", paper::Canine::default().make()?),
        ];
        if let Some(model) = model {
            exhibits
                .push(("attention", paper::Attention::of(model, sentences[0].clone(), word.clone()).make(&device)?));
        }
        if let Some(model) = encoder {
            exhibits.push(("contextual-vectors", paper::ContextualVectors { model, word, sentences }.make(&device)?));
        }
        write_exhibits(&out, &exhibits)
    }
}

/// Makes the folder of exhibits, before what is to be in it.
fn make_folder(folder: &Path) -> Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("can't make the folder {}", folder.display()))
}

/// Writes the drawings of exhibits, and the exhibits under their names.
fn write_exhibits(folder: &Path, exhibits: &[(&str, Exhibit)]) -> Result<()> {
    for (name, exhibit) in exhibits {
        let drawings = exhibit.figures.iter().map(|figure| (format!("{}.svg", figure.name), figure.drawing.to_svg()));
        for (file, text) in drawings.chain([(format!("{name}.md"), exhibit.to_string())]) {
            let path = folder.join(file);
            write_file(&path, text.as_bytes())?;
            report!("{}", path.display());
        }
    }
    Ok(())
}
