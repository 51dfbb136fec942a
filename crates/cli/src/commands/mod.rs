//! The commands and their arguments.

mod answer;
mod attention;
mod chat;
mod classify;
mod compare;
mod constraints;
mod doctor;
mod embed;
mod encoder;
mod eval;
mod export;
mod fill;
mod filter;
mod generate;
mod import;
mod inside;
mod inspect;
mod interface;
mod long_lines;
mod new_model;
mod numbers;
mod paper;
mod pictures;
mod play;
mod plot;
mod processes;
mod recipes;
mod reproduce;
mod rerank;
mod run;
mod score;
mod selftest;
#[cfg(feature = "serve")]
mod serve;
#[cfg(not(feature = "serve"))]
#[path = "no_serve.rs"]
mod serve;
mod similar;
mod summarize;
mod synthesize;
mod tag;
mod tokenize;
mod train;
mod transcribe;
mod translate;

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    process::{ExitCode, Termination},
};

use anyhow::{Result, bail, ensure};
use attentive_backend::{BackendKind, Device};
use attentive_bundle::{BeamRules, Bundle, DecodingConfig, WeightFormat};
use attentive_decode::SamplingConfig;
use attentive_paper::ModelOfTexts;
use attentive_task::{on_one_line, open_model, refuse_one_file_twice, refuse_overwriting};
use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand};

use encoder::EncoderArgs;
use long_lines::LongLines;
use numbers::{LONG, MANY_TOKENS, MAX_BEAM, above_0, below_1, probability, share};

pub(crate) use numbers::{at_least_0, integer};

/// The Transformer of "Attention Is All You Need", from raw text to a model that translates.
#[derive(Debug, Parser)]
#[command(name = "attentive", version, max_term_width = 100)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Command,
}

/// The commands by the names that they are called by, in the order of the help.
macro_rules! commands {
    ($($name:ident: $arguments:path,)+) => {
        /// Each is described by its arguments.
        #[derive(Debug, Subcommand)]
        enum Command {
            $($name($arguments),)+
        }

        impl Command {
            fn run(self) -> Result<ExitCode> {
                match self {
                    $(Self::$name(command) => command.run().map(Termination::report),)+
                }
            }
        }
    };
}

commands! {
    Train: train::Train,
    Translate: translate::Translate,
    Transcribe: transcribe::Transcribe,
    Summarize: summarize::Summarize,
    Distill: synthesize::Distill,
    Backtranslate: synthesize::Backtranslate,
    Filter: filter::Filter,
    Generate: generate::Generate,
    Chat: chat::Chat,
    Score: score::Score,
    Fill: fill::Fill,
    Embed: embed::Embed,
    Similar: similar::Similar,
    Classify: classify::Classify,
    Tag: tag::Tag,
    Answer: answer::Answer,
    Rerank: rerank::Rerank,
    Run: run::Run,
    Eval: eval::Eval,
    Compare: compare::Compare,
    Play: play::Play,
    Inspect: inspect::Inspect,
    Attention: attention::Attention,
    Heads: inside::Heads,
    PruneHeads: inside::PruneHeads,
    Probe: inside::Probe,
    Lens: inside::Lens,
    Saliency: inside::Saliency,
    Paper: paper::Paper,
    Reproduce: reproduce::Reproduce,
    Doctor: doctor::Doctor,
    Selftest: selftest::Selftest,
    Serve: serve::Serve,
    Plot: plot::Plot,
    Recipes: recipes::Recipes,
    Schema: interface::Schema,
    Tokenize: tokenize::Tokenize,
    Quantize: new_model::Quantize,
    Shortlist: new_model::Shortlist,
    Average: new_model::Average,
    Merge: new_model::Merge,
    Extend: new_model::Extend,
    Import: import::Import,
    Export: export::Export,
    Completions: interface::Completions,
    Man: interface::Man,
}

impl Cli {
    /// The arguments of the process.
    pub(crate) fn of_process() -> Result<Self, clap::Error> {
        Self::of(std::env::args_os())
    }

    /// Whether the command runs models on threads of its own, all the time.
    pub(crate) fn is_server(&self) -> bool {
        matches!(self.command, Command::Serve(_))
    }

    /// These arguments, the first of which is the program's name.
    fn of(arguments: impl IntoIterator<Item = OsString>) -> Result<Self, clap::Error> {
        let command = numbers::admit_negative(Self::command());
        Self::from_arg_matches(&command.try_get_matches_from(arguments)?)
    }

    pub(crate) fn run(self) -> Result<ExitCode> {
        use Command::{
            Answer, Backtranslate, Classify, Completions, Distill, Doctor, Embed, Eval, Inspect, Man, Recipes,
            Reproduce, Run, Schema, Score, Summarize, Tag, Train, Translate,
        };

        match &self.command {
            // They share their work, as may the command of `run`, or only tell.
            Train(_) | Translate(_) | Eval(_) | Score(_) | Summarize(_) | Run(_) => {}
            Embed(_) | Classify(_) | Tag(_) | Answer(_) | Distill(_) | Backtranslate(_) | Reproduce(_) => {}
            Completions(_) | Doctor(_) | Inspect(_) | Man(_) | Recipes(_) | Schema(_) => {}
            _ => processes::alone()?,
        }
        self.command.run()
    }
}

/// What a user calls this command by: `cargo xtask` says so if it starts it.
fn command_name() -> String {
    std::env::var("ATTENTIVE_COMMAND").unwrap_or_else(|_| "attentive".to_owned())
}

/// Where tensors live.
#[derive(Debug, Args)]
struct BackendArgs {
    /// Backend: flex, ndarray, wgpu or cuda, as far as compiled in.
    #[arg(long, value_name = "NAME", default_value = "flex", env = "ATTENTIVE_BACKEND")]
    backend: BackendKind,
}

impl BackendArgs {
    fn device(&self) -> Result<Device> {
        Ok(self.backend.device()?)
    }
}

/// How to search; what is not given is the model's own setting.
#[derive(Debug, Args)]
struct DecodingArgs {
    /// Hypotheses kept for each sentence; 1 is greedy search.
    #[arg(long, value_name = "N", value_parser = integer(1..=MAX_BEAM))]
    beam: Option<usize>,
    /// α of the length penalty.
    #[arg(long, value_name = "ALPHA", value_parser = at_least_0())]
    length_penalty: Option<f64>,
    /// How lengths are compared, and when a search is over: gnmt divides by ((5 + length) / 6)^α; early, present and never by
    /// length^α, the mean if α is 1, as transformers do with early_stopping true, false and "never".
    #[arg(long, value_name = "RULES", value_parser = beam_rules)]
    beam_rules: Option<BeamRules>,
    /// Tokens that a translation must have before it may end.
    #[arg(long, value_name = "N", value_parser = integer(0..=LONG))]
    min_length: Option<usize>,
    /// Tokens that a translation may have at most, its end included, however long the source is.
    #[arg(long, value_name = "N", value_parser = integer(1..=LONG))]
    max_length: Option<usize>,
    /// Length of the n-grams of tokens that a translation has once at most; 0 for no limit.
    #[arg(long, value_name = "N", value_parser = integer(0..=LONG))]
    no_repeat_ngram: Option<usize>,
    /// Multiply log-probabilities of tokens that the translation already has; more than 1 for less repetition.
    #[arg(long, value_name = "THETA", value_parser = above_0())]
    repetition_penalty: Option<f64>,
    /// Source tokens, padding included, that are decoded together.
    #[arg(long, value_name = "N", value_parser = integer(1..=MANY_TOKENS))]
    batch_tokens: Option<usize>,
    /// Search among all tokens, not among those of the model's shortlist alone.
    #[arg(long)]
    no_shortlist: bool,
    #[command(flatten)]
    weights: PrecisionArgs,
}

/// Lines that are read together.
const LINES_AT_ONCE: usize = 512;

/// The precision of weights in use.
#[derive(Debug, Clone, Copy, Args)]
struct PrecisionArgs {
    /// What weights are packed in: f32; int8 or q8_0 for a quarter of the memory, q4_0 for an eighth, blocks for a GGUF file's own (backend flex);
    /// without it, as the model's folder says.
    #[arg(long, value_name = "NAME")]
    precision: Option<WeightFormat>,
}

impl DecodingArgs {
    /// Whether a setting of beam search is given.
    fn is_of_beam(&self) -> bool {
        self.beam.is_some() || self.length_penalty.is_some() || self.beam_rules.is_some()
    }

    /// The model's settings, and these over them.
    fn over(&self, model: &DecodingConfig) -> Result<DecodingConfig> {
        let config = DecodingConfig {
            beam: self.beam.unwrap_or(model.beam),
            length_penalty: self.length_penalty.unwrap_or(model.length_penalty),
            beam_rules: self.beam_rules.unwrap_or(model.beam_rules),
            min_len: self.min_length.unwrap_or(model.min_len),
            no_repeat_ngram: self.no_repeat_ngram.unwrap_or(model.no_repeat_ngram),
            repetition_penalty: self.repetition_penalty.unwrap_or(model.repetition_penalty),
            batch_tokens: self.batch_tokens.unwrap_or(model.batch_tokens),
            shortlist: model.shortlist && !self.no_shortlist,
            ..model.clone().bounded(self.max_length)
        };
        if let Some(max) = config.max_len {
            in_order(("--min-length", config.min_len), ("--max-length", max), self.max_length.is_none())?;
        }
        Ok(config)
    }
}

fn beam_rules(name: &str) -> Result<BeamRules, String> {
    serde_json::from_value(name.into()).map_err(|_| "must be gnmt, early, present or never".to_owned())
}

/// Refuses a lower bound that is above an upper one, which may be the model's own.
fn in_order((min_flag, min): (&str, usize), (max_flag, max): (&str, usize), is_of_model: bool) -> Result<()> {
    match is_of_model {
        _ if min <= max => Ok(()),
        true => bail!("{min_flag} {min} is more than the {max} that the model's settings allow: give {max_flag}"),
        false => bail!("{min_flag} {min} is more than {max_flag} {max}: lower it, or raise {max_flag}"),
    }
}

/// How to draw at random; what is not given is the model's own setting.
#[derive(Debug, Args)]
struct SamplingArgs {
    /// Below 1 for less surprise, 0 for the most probable token always.
    #[arg(long, value_name = "T", value_parser = at_least_0())]
    temperature: Option<f64>,
    /// Draw among this many of the most probable tokens; 0 for no limit.
    #[arg(long, value_name = "K", value_parser = integer(0..=MANY_TOKENS))]
    top_k: Option<usize>,
    /// Draw among the fewest most probable tokens that are this probable together.
    #[arg(long, value_name = "P", value_parser = share())]
    top_p: Option<f64>,
    /// Draw among tokens at least this probable compared with the most probable one.
    #[arg(long, value_name = "P", value_parser = probability())]
    min_p: Option<f64>,
    /// Draw among the fewest tokens whose surprise is nearest to the mean one and which are this probable together.
    #[arg(long, value_name = "P", value_parser = share())]
    typical_p: Option<f64>,
    /// Draw among tokens at least this probable.
    #[arg(long, value_name = "P", value_parser = below_1())]
    epsilon_cutoff: Option<f64>,
    /// Draw among tokens at least min(ε, √ε · exp(-entropy)) probable.
    #[arg(long, value_name = "EPSILON", value_parser = below_1())]
    eta_cutoff: Option<f64>,
    /// The same text follows from the same seed.
    #[arg(long, value_name = "N", value_parser = integer(0..=u64::MAX))]
    seed: Option<u64>,
}

impl SamplingArgs {
    fn is_given(&self) -> bool {
        let Self { temperature, top_k, top_p, min_p, typical_p, epsilon_cutoff, eta_cutoff, seed } = self;
        let numbers = [temperature, top_p, min_p, typical_p, epsilon_cutoff, eta_cutoff];
        numbers.iter().any(|value| value.is_some()) || top_k.is_some() || seed.is_some()
    }

    /// The model's settings, and these over them, of which none may limit what is drawn where nothing is.
    fn over(&self, model: &SamplingConfig) -> Result<SamplingConfig> {
        let (config, own) = (self.on(model), self.on(&SamplingConfig::default()));
        match own.limit().filter(|_| config.temperature == 0.0).map(|key| key.replace('_', "-")) {
            Some(flag) => bail!("--{flag} limits what is drawn, and at temperature 0 nothing is: raise --temperature"),
            None => Ok(config),
        }
    }

    fn on(&self, model: &SamplingConfig) -> SamplingConfig {
        SamplingConfig {
            temperature: self.temperature.unwrap_or(model.temperature),
            top_k: self.top_k.unwrap_or(model.top_k),
            top_p: self.top_p.unwrap_or(model.top_p),
            min_p: self.min_p.unwrap_or(model.min_p),
            typical_p: self.typical_p.unwrap_or(model.typical_p),
            epsilon_cutoff: self.epsilon_cutoff.unwrap_or(model.epsilon_cutoff),
            eta_cutoff: self.eta_cutoff.unwrap_or(model.eta_cutoff),
            seed: self.seed.unwrap_or(model.seed),
            ..model.clone()
        }
    }
}

/// The case of a WordPiece vocabulary.
#[derive(Debug, Args)]
struct CaseArgs {
    /// Read a WordPiece vocabulary as a cased one, whatever the folder says.
    #[arg(long, conflicts_with = "uncased")]
    cased: bool,
    /// Read a WordPiece vocabulary as an uncased one, whatever the folder says.
    #[arg(long)]
    uncased: bool,
}

impl CaseArgs {
    /// Whether the vocabulary is of lower case; nothing where the folder is to say it.
    fn lowercase(&self) -> Option<bool> {
        (self.cased || self.uncased).then_some(self.uncased)
    }
}

/// What the names of special tokens in a text are.
#[derive(Debug, Args)]
struct SpecialsArgs {
    /// Take the names of special tokens in a text, as [SEP] or <|endoftext|>, for these tokens, as transformers does; without
    /// it, they are text.
    #[arg(long)]
    specials: bool,
}

impl SpecialsArgs {
    /// The bundle, whose texts are read so.
    fn over<P>(&self, mut bundle: Bundle<P>) -> Bundle<P> {
        if self.specials {
            bundle.processor = bundle.processor.reading_specials();
        }
        bundle
    }
}

/// The languages of texts.
#[derive(Debug, Args)]
struct LanguageArgs {
    /// The language of sources, for models that are told languages (mBART, NLLB, several directions): en_XX, en; or the model's.
    #[arg(long, value_name = "NAME")]
    source_language: Option<String>,
    /// The language of translations, for the same models.
    #[arg(long, value_name = "NAME")]
    target_language: Option<String>,
}

/// A model of texts.
#[derive(Debug, Args)]
struct ModelArgs {
    /// The model's folder; DIR+ADAPTER for one with an adapter over it.
    #[arg(long, value_name = "DIR", default_value = "runs/latest")]
    model: PathBuf,
    #[command(flatten)]
    languages: LanguageArgs,
    #[command(flatten)]
    backend: BackendArgs,
}

impl ModelArgs {
    fn model(self) -> Result<(Device, ModelOfTexts)> {
        let LanguageArgs { source_language, target_language } = self.languages;
        Ok((self.backend.device()?, ModelOfTexts { model: self.model, source_language, target_language }))
    }
}

impl LanguageArgs {
    /// The bundle, whose texts are in these languages.
    fn over<P>(&self, mut bundle: Bundle<P>) -> Result<Bundle<P>> {
        bundle.processor =
            bundle.processor.between(self.source_language.as_deref(), self.target_language.as_deref())?;
        Ok(bundle)
    }
}

/// Refuses a file that can't be written, before what is to be in it is made.
pub(crate) fn check_writable(out: &Path) -> Result<()> {
    let folder = out.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    ensure!(!out.is_dir(), "can't write {}: it is a folder; name a file", out.display());
    ensure!(folder.is_dir(), "can't write {}: there is no folder {}", out.display(), folder.display());
    Ok(())
}

/// Refuses to write over a file, before what is to be in it is made, unless the user wants to.
fn check_new_file(out: &Path, (flag, is_given): (&str, bool)) -> Result<()> {
    check_writable(out)?;
    ensure!(is_given || !out.is_file(), "{} is there already: name another file, or give {flag}", out.display());
    Ok(())
}

/// Refuses to write into a folder that is not empty, before what is to be in it is made, unless the user wants to.
fn check_new(folder: &Path, force: bool) -> Result<()> {
    let is_new = folder.read_dir().map_or(!folder.exists(), |mut files| files.next().is_none());
    ensure!(force || is_new, "{} is there already, and not empty; name a new one, or give --force", folder.display());
    Ok(())
}

/// Writes a new model's folder; a model that is there gives way if the user wants it to.
fn save(bundle: &Bundle, path: &Path, force: bool) -> Result<()> {
    Ok(if force { bundle.replace(path) } else { bundle.save(path) }?)
}
