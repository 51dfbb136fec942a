//! `attentive reproduce`: the paper's experiments, made again.

use std::{fs, num::NonZeroU64, path::PathBuf, process::ExitCode, time::Duration};

use anyhow::{Context, Result};
use attentive_paper::{self as paper, Length, Reproduction};
use attentive_run::{Run, TrainOptions, language_pair, parallel_folder, parse_time};
use attentive_task::WarningsOnly;
use clap::{Args, Subcommand};

use super::{
    BackendArgs, check_writable,
    numbers::{MANY_UPDATES, integer},
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
    /// Train every row of Table 3, and hold the paper's conclusions against what comes out.
    Table3(Box<Table3>),
    /// Draw every figure that needs no trained model: positions, schedules, CANINE's pre-training.
    Figures(Figures),
}

impl Reproduce {
    pub(super) fn run(self) -> Result<ExitCode> {
        match self.what {
            What::Table3(command) => command.run(),
            What::Figures(command) => command.run().map(|()| ExitCode::SUCCESS),
        }
    }
}

/// Train every row of Table 3 at a size and on data of yours, and hold the paper's conclusions against what comes out.
///
/// Each row and seed is a run of its own. Interrupted, the same command goes on.
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
    fn run(self) -> Result<ExitCode> {
        let Self { recipe, mut set, data, languages, rows, seeds, budget, updates, runs, out, backend } = self;
        out.iter().try_for_each(|path| check_writable(path))?;
        if let Some(folder) = data {
            let mut settings = parallel_folder(&folder, &languages)?;
            settings.append(&mut set);
            set = settings;
        }
        let length = updates.map_or(Length::Budget(budget), Length::Updates);
        let reproduction = Reproduction { recipe: Some(recipe), settings: set, rows, seeds, length, runs };
        let device = backend.device()?;
        let terminal = Terminal::default();
        let warnings = WarningsOnly(&terminal);
        let mut stop = StopFlag(flag(true)?);
        let mut say = |line: &str| {
            report!("{line}");
            Ok(())
        };
        let mut train = |run: Run| {
            report!("run {}", run.folder().display());
            let mut progress = Progress::new(run.recipe().run.training.steps);
            let callbacks: Vec<&mut dyn attentive_trainer::Callback> = vec![&mut progress, &mut stop];
            run.train(&device, TrainOptions { log: &warnings, callbacks, ..TrainOptions::default() })
        };
        let Some(exhibit) = reproduction.make(&device, &(), &mut say, &mut train)? else {
            report!("the same command goes on");
            return Ok(ExitCode::from(INTERRUPTED));
        };
        if let Some(path) = &out {
            write_file(path, exhibit.to_string().as_bytes())
                .with_context(|| format!("can't write {}", path.display()))?;
        }
        report!("\n{exhibit}");
        out.iter().for_each(|path| report!("table in {}", path.display()));
        Ok(ExitCode::SUCCESS)
    }
}

/// Draw every figure that needs no trained model: positions, schedules, CANINE's pre-training.
#[derive(Debug, Args)]
struct Figures {
    /// Folder of the drawings, SVG, and their tables, Markdown.
    #[arg(long, value_name = "DIR", default_value = "figures")]
    out: PathBuf,
    #[command(flatten)]
    backend: BackendArgs,
}

impl Figures {
    fn run(self) -> Result<()> {
        let device = self.backend.device()?;
        fs::create_dir_all(&self.out).with_context(|| format!("can't make {}", self.out.display()))?;
        let exhibits = [
            ("positions", paper::Positions::default().make(&device)?),
            ("schedules", paper::Schedules::default().make()),
            ("canine", paper::Canine::default().make()?),
        ];
        for (name, exhibit) in exhibits {
            let drawings = exhibit.figures.iter().map(|figure| (format!("{}.svg", figure.name), figure.svg.clone()));
            for (file, text) in drawings.chain([(format!("{name}.md"), exhibit.to_string())]) {
                let path = self.out.join(file);
                write_file(&path, text.as_bytes()).with_context(|| format!("can't write {}", path.display()))?;
                report!("{}", path.display());
            }
        }
        Ok(())
    }
}
