//! `attentive train`.

use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use anyhow::{Context, Result, bail};
use attentive_backend::Device;
use attentive_bundle::{Bundle, DataRecord, DecodingConfig, ModelConfig, ScoreRecord, TrainingRecord, Translator};
use attentive_core::{Objective, Position, TranslationBatch};
use attentive_data::{Batcher, Batches, CorpusRules, EncodedCorpus, Order, SpecialIds, Storage};
use attentive_metrics::{Bleu, Scorer};
use attentive_model::{Transformer, TranslationObjective};
use attentive_tokenizer::{BpeTrainer, Tokenizer};
use attentive_trainer::{BatchStream, CheckpointDir, Evaluate, Outcome, Trainer, Validation};
use burn::module::Module;
use clap::Args;

use super::BackendArgs;
use crate::{
    corpus::Corpus,
    progress::{MetricsLog, Progress, StopFlag, clock},
    recipe::{Recipe, TokenizerKind, TokenizerRecipe},
    run_dir,
    score::{bleu_of, pronoun_accuracy, translate_all},
};

/// Exit code of a run that was interrupted and can be resumed.
const INTERRUPTED: u8 = 130;

/// Sample translations shown at the end.
const N_SAMPLES: usize = 5;

/// Train a model by a recipe; without one, on the built-in English–German corpus.
#[derive(Debug, Args)]
pub(crate) struct Train {
    /// A recipe, TOML.
    recipe: Option<PathBuf>,
    /// Change a setting of the recipe; may be given several times.
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Folder that runs are kept in.
    #[arg(long, value_name = "DIR", default_value = "runs")]
    runs: PathBuf,
    /// Go on with an interrupted run: its folder.
    #[arg(long, value_name = "DIR", conflicts_with_all = ["recipe", "set"])]
    resume: Option<PathBuf>,
    #[command(flatten)]
    backend: BackendArgs,
}

impl Train {
    pub(super) fn run(self) -> Result<ExitCode> {
        let device = self.backend.device()?;
        let (recipe, run) = match &self.resume {
            Some(run) => {
                let run = run_dir::resolve(run);
                (Recipe::load(Some(&run.join("config.toml")), &[])?, run)
            }
            None => {
                let recipe = Recipe::load(self.recipe.as_deref(), &self.set)?;
                let run = run_dir::create(&self.runs, &recipe.name)?;
                (recipe, run)
            }
        };
        println!("run {} on backend {}", run.display(), self.backend.backend);
        Session { recipe, run, device, backend: self.backend.backend.name(), resumed: self.resume.is_some() }.run()
    }
}

/// One run, from text to bundle.
struct Session {
    recipe: Recipe,
    run: PathBuf,
    device: Device,
    backend: &'static str,
    resumed: bool,
}

impl Session {
    fn run(mut self) -> Result<ExitCode> {
        // A sentence that outruns learned positions is treated as any over-long one; `</s>` takes a position too.
        if let Some(max_len) = self.recipe.transformer().positions.max_len() {
            self.recipe.rules.max_tokens = self.recipe.rules.max_tokens.min(max_len.saturating_sub(1));
        }
        let corpus = Corpus::open(&self.recipe.data);
        let tokenizer: Arc<dyn Tokenizer> = self.tokenizer(&corpus)?.into();
        let data = self.encode(&corpus, &*tokenizer)?;
        self.resolve_vocabulary(&*tokenizer);
        let config = self.recipe.transformer().clone();
        let model = config.init(&self.device.clone().autodiff(), self.recipe.training.seed)?;
        println!(
            "model     {} parameters: d_model {}, d_ff {}, {} heads, {}+{} layers",
            thousands(model.num_params() as u64),
            config.d_model,
            config.d_ff,
            config.n_heads,
            config.n_encoder_layers,
            config.n_decoder_layers,
        );
        if !self.resumed {
            self.write_start(&*tokenizer)?;
        }
        let Some(outcome) = self.train(model, &corpus, &data, &tokenizer)? else {
            return Ok(ExitCode::from(INTERRUPTED));
        };
        self.finish(&outcome, &corpus, &data, tokenizer)?;
        Ok(ExitCode::SUCCESS)
    }

    /// The tokenizer of the run, of a file, or learnt from both sides of the training text.
    fn tokenizer(&self, corpus: &Corpus) -> Result<Box<dyn Tokenizer>> {
        let TokenizerRecipe { path, kind: TokenizerKind::Bpe, merges, vocab_size, pre_tokenization } =
            &self.recipe.tokenizer;
        if self.resumed {
            return Ok(attentive_tokenizer::load(&self.run.join("tokenizer.json"))?);
        }
        if let Some(path) = path {
            return Ok(attentive_tokenizer::load(path)?);
        }
        let trainer = match (merges, vocab_size) {
            (Some(n), _) => BpeTrainer::with_merges(*n),
            (None, Some(n)) => BpeTrainer::with_vocab_size(*n),
            (None, None) => unreachable!("a recipe is validated"),
        };
        let trainer = trainer.pre_tokenization(*pre_tokenization);
        Ok(Box::new(corpus.train.learn_bpe(&trainer, &self.recipe.rules)?))
    }

    fn encode(&self, corpus: &Corpus, tokenizer: &dyn Tokenizer) -> Result<Data> {
        let rules = &self.recipe.rules;
        let (train, report) = corpus.train.encode(tokenizer, rules, &Storage::default())?;
        if let Some(report) = report {
            println!("{report}");
        }
        let [n_source, n_target] = train.n_tokens();
        println!(
            "data      {} training pairs, {} source and {} target tokens",
            thousands(train.len() as u64),
            thousands(n_source),
            thousands(n_target)
        );
        println!("tokens    {} entries in the joint vocabulary", thousands(tokenizer.vocab_size() as u64));
        let specials = tokenizer.specials();
        let need = |id: Option<u32>, role| id.with_context(|| format!("the tokenizer has no {role} token"));
        let specials = SpecialIds {
            pad: need(specials.pad, "padding")?,
            bos: need(specials.bos, "begin-of-sentence")?,
            eos: need(specials.eos, "end-of-sentence")?,
        };
        let order = Order::Shuffled { seed: self.recipe.training.seed };
        let train = Batcher::new(Arc::new(train), &self.recipe.batch, specials, order)?;
        println!("batches   {}", train.plan());
        let validation = match &corpus.validation {
            Some(split) => {
                let (encoded, _): (EncodedCorpus, _) = split.encode(tokenizer, rules, &Storage::default())?;
                Some(Batcher::new(Arc::new(encoded), &self.recipe.batch, specials, Order::Sorted)?)
            }
            None => {
                println!("no [data.validation]: training runs without validation");
                None
            }
        };
        Ok(Data { train, validation })
    }

    fn resolve_vocabulary(&mut self, tokenizer: &dyn Tokenizer) {
        let ModelConfig::Transformer(config) = &mut self.recipe.model;
        config.source_vocab_size = tokenizer.vocab_size();
        config.target_vocab_size = tokenizer.vocab_size();
    }

    /// What resuming needs beside checkpoints.
    fn write_start(&self, tokenizer: &dyn Tokenizer) -> Result<()> {
        let path = self.run.join("config.toml");
        fs::write(&path, self.recipe.to_toml()).with_context(|| format!("can't write {}", path.display()))?;
        attentive_tokenizer::save(tokenizer, &self.run.join("tokenizer.json"))?;
        run_dir::point_latest(&self.run)
    }

    fn checkpoints(&self) -> CheckpointDir {
        CheckpointDir::new(self.run.join("checkpoints"), self.recipe.evaluation.average_last)
    }

    /// Trains to the end; none if it was interrupted.
    fn train(
        &self,
        model: Transformer,
        corpus: &Corpus,
        data: &Data,
        tokenizer: &Arc<dyn Tokenizer>,
    ) -> Result<Option<Outcome<Transformer>>> {
        let recipe = &self.recipe;
        let schedule = recipe.schedule.build(recipe.transformer().d_model);
        let mut trainer = Trainer::new(
            model,
            recipe.objective,
            recipe.optimizer,
            &schedule,
            recipe.training.clone(),
            self.checkpoints(),
        )?;
        if self.resumed {
            let checkpoints = self.checkpoints().list()?;
            let Some(last) = checkpoints.last() else { bail!("{} has no checkpoint to resume", self.run.display()) };
            println!("resuming  {}", last.display());
            trainer = trainer.resume(CheckpointDir::read(last, &self.device)?)?;
        }
        let mut evaluate = Validate::new(recipe, corpus, data, tokenizer)?;
        let mut stream = Stream { batches: data.train.batches(Position::default()), batcher: &data.train };
        let mut progress = Progress::new(recipe.training.steps);
        let metrics_path = self.run.join("metrics.jsonl");
        let mut metrics =
            MetricsLog::open(&metrics_path).with_context(|| format!("can't write {}", metrics_path.display()))?;
        let mut stop = StopFlag(on_interrupt()?);
        let outcome = trainer.run(&mut stream, &mut evaluate, &mut [&mut progress, &mut metrics, &mut stop])?;
        if outcome.stopped {
            println!(
                "interrupted after step {}; go on with: attentive train --resume {}",
                outcome.state.step,
                self.run.display()
            );
            return Ok(None);
        }
        Ok(Some(outcome))
    }

    /// Averages, scores, shows and writes the finished model.
    fn finish(
        &self,
        outcome: &Outcome<Transformer>,
        corpus: &Corpus,
        data: &Data,
        tokenizer: Arc<dyn Tokenizer>,
    ) -> Result<()> {
        let averaged = self.checkpoints().list()?;
        let files: Vec<PathBuf> = averaged.iter().map(|path| CheckpointDir::model_file(path)).collect();
        let params = attentive_weights::average(&files)?;
        let model = attentive_weights::load(outcome.model.valid(), params.clone())?;
        println!(
            "trained {} steps in {}; the model is the mean of the last {} checkpoints",
            outcome.state.step,
            clock(Duration::from_secs_f64(outcome.state.elapsed_seconds)),
            files.len()
        );

        let mut record = TrainingRecord {
            version: env!("CARGO_PKG_VERSION").into(),
            seed: self.recipe.training.seed,
            steps: outcome.state.step,
            n_targets: outcome.state.n_targets,
            seconds: outcome.state.elapsed_seconds,
            backend: self.backend.into(),
            averaged_steps: averaged.iter().filter_map(|path| CheckpointDir::step_of(path)).collect(),
            data: self.data_records(corpus)?,
            scores: Vec::new(),
        };
        // The model is safe before it is scored.
        Bundle::write(&self.run, &self.recipe.to_toml(), &*tokenizer, &params, &record)?;
        if let Some(validation) = &data.validation {
            let nll = mean_nll(&model, validation)?;
            record.scores.push(score("validation", "perplexity", nll.exp(), ""));
        }
        let translator = Translator::new(model, tokenizer)?;
        self.score_test(&translator, corpus, &mut record)?;
        Bundle::write_record(&self.run, &record)?;
        println!("\nmodel in {}; use it with:", self.run.display());
        let runs = self.run.parent().unwrap_or(Path::new(""));
        println!(
            "  cargo xtask translate --model {} \"The animal did not cross the street because it was too tired.\"",
            runs.join("latest").display()
        );
        Ok(())
    }

    fn data_records(&self, corpus: &Corpus) -> Result<Vec<DataRecord>> {
        let mut records = corpus.train.records("train")?;
        for (name, split) in [("validation", &corpus.validation), ("test", &corpus.test)] {
            if let Some(split) = split {
                records.extend(split.records(name)?);
            }
        }
        Ok(records)
    }

    fn score_test(
        &self,
        translator: &Translator<Transformer>,
        corpus: &Corpus,
        record: &mut TrainingRecord,
    ) -> Result<()> {
        let Some(test) = &corpus.test else {
            println!("no [data.test]: the model is not scored");
            return Ok(());
        };
        let pairs = test.pairs(&CorpusRules::strict(), usize::MAX)?;
        let (sources, references): (Vec<String>, Vec<String>) =
            pairs.into_iter().map(|pair| (pair.source, pair.target)).unzip();
        let hypotheses = translate_all(translator, &sources, &self.recipe.decoding, "scoring the test set")?;
        let bleu = bleu_of(&self.recipe.evaluation.bleu_tokenizer, false)?;
        let result = bleu.corpus(&hypotheses, &[&references[..]])?;
        let signature = bleu.signature(1).to_string();
        println!("test      {result}");
        println!("          {signature}");
        record.scores.push(score("test", "bleu", result.score, &signature));

        if !corpus.pronouns.is_empty() {
            let sources: Vec<&str> = corpus.pronouns.iter().map(|sentence| sentence.source.as_str()).collect();
            let translations = translate_all(translator, &sources, &self.recipe.decoding, "scoring pronouns")?;
            let accuracy = pronoun_accuracy(&corpus.pronouns, &translations);
            println!("pronouns  {:.1} % right of {} held-out sentences", 100.0 * accuracy, sources.len());
            record.scores.push(score("pronouns", "accuracy", accuracy, ""));
        }
        println!();
        let stride = (sources.len() / N_SAMPLES).max(1);
        for idx in (0..sources.len()).step_by(stride).take(N_SAMPLES) {
            println!("source      {}", sources[idx]);
            println!("reference   {}", references[idx]);
            println!("translation {}\n", hypotheses[idx]);
        }
        Ok(())
    }
}

fn score(split: &str, metric: &str, value: f64, signature: &str) -> ScoreRecord {
    ScoreRecord { split: split.into(), metric: metric.into(), value, signature: signature.into() }
}

/// Encoded parts of the corpus, in batches.
struct Data {
    train: Batcher,
    validation: Option<Batcher>,
}

/// The training batches as the trainer takes them.
struct Stream<'a> {
    batcher: &'a Batcher,
    batches: Batches,
}

impl BatchStream for Stream<'_> {
    type Batch = TranslationBatch;

    fn next_batch(&mut self) -> Result<TranslationBatch, Box<dyn std::error::Error + Send + Sync>> {
        Ok(self.batches.next().expect("an endless stream")?)
    }

    fn position(&self) -> Position {
        self.batches.position()
    }

    fn seek(&mut self, position: Position) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        self.batches = self.batcher.batches(position);
        Ok(())
    }
}

/// Loss on the validation set, and BLEU of its first sentences.
struct Validate<'a> {
    batches: Option<&'a Batcher>,
    sources: Vec<String>,
    references: Vec<String>,
    bleu: Bleu,
    tokenizer: Arc<dyn Tokenizer>,
    decoding: DecodingConfig,
}

impl<'a> Validate<'a> {
    fn new(recipe: &Recipe, corpus: &Corpus, data: &'a Data, tokenizer: &Arc<dyn Tokenizer>) -> Result<Self> {
        let pairs = match &corpus.validation {
            Some(split) => split.pairs(&recipe.rules, recipe.evaluation.bleu_sentences)?,
            None => Vec::new(),
        };
        let (sources, references) = pairs.into_iter().map(|pair| (pair.source, pair.target)).unzip();
        Ok(Self {
            batches: data.validation.as_ref(),
            sources,
            references,
            bleu: bleu_of(&recipe.evaluation.bleu_tokenizer, false)?,
            tokenizer: tokenizer.clone(),
            decoding: DecodingConfig { beam: 1, ..recipe.decoding.clone() },
        })
    }
}

impl Evaluate<Transformer> for Validate<'_> {
    fn evaluate(&mut self, model: &Transformer) -> Result<Validation, Box<dyn std::error::Error + Send + Sync>> {
        let Some(batches) = self.batches else {
            return Ok(Validation { nll_nats: f64::NAN, scores: Vec::new(), quality: 0.0 });
        };
        let nll_nats = mean_nll(model, batches)?;
        if self.sources.is_empty() {
            return Ok(Validation { nll_nats, scores: Vec::new(), quality: -nll_nats });
        }
        let translator = Translator::new(model.clone(), self.tokenizer.clone())?;
        let hypotheses = translate_all(&translator, &self.sources, &self.decoding, "validating")?;
        let bleu = self.bleu.corpus(&hypotheses, &[&self.references[..]])?.score;
        Ok(Validation { nll_nats, scores: vec![("bleu".into(), bleu)], quality: bleu })
    }
}

/// Cross-entropy of a set, in nats per target.
fn mean_nll(model: &Transformer, batches: &Batcher) -> Result<f64> {
    let objective = TranslationObjective { label_smoothing: 0.0 };
    let (mut sum, mut n_targets) = (0.0, 0);
    for batch in batches.epoch(0) {
        let loss = objective.loss(model, &batch?, None);
        sum += f64::from(loss.nll_sum.into_scalar::<f32>());
        n_targets += loss.n_targets;
    }
    Ok(sum / n_targets.max(1) as f64)
}

/// A flag that the first Ctrl-C or SIGTERM raises; the second one ends the process at once.
fn on_interrupt() -> Result<Arc<AtomicBool>> {
    let flag = Arc::new(AtomicBool::new(false));
    let raised = flag.clone();
    ctrlc::set_handler(move || {
        if raised.swap(true, Ordering::Relaxed) {
            std::process::exit(i32::from(INTERRUPTED));
        }
        eprintln!("\nfinishing this step and saving; press Ctrl-C again to leave at once");
    })
    .context("can't watch for Ctrl-C")?;
    Ok(flag)
}

/// `1234567` as `1,234,567`.
pub(super) fn thousands(n: u64) -> String {
    let digits = n.to_string();
    let groups: Vec<&str> =
        digits.as_bytes().rchunks(3).rev().map(|g| std::str::from_utf8(g).expect("digits")).collect();
    groups.join(",")
}
