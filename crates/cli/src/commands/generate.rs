//! `attentive generate`.

use std::{
    io::{self, Write},
    ops::ControlFlow,
    path::PathBuf,
};

use anyhow::{Result, bail};
use attentive_bundle::{FormSpec, GenerationConfig, Generator, Strategy, TextModel};
use attentive_decode::{Acceptance, ContrastiveConfig, DraftSource, Drafts, Ended, SamplingConfig};
use clap::Args;
use serde_json::json;

use super::{
    BackendArgs, PrecisionArgs, SamplingArgs, SpecialsArgs, in_order,
    numbers::{LONG, MANY_TOKENS, above_0, integer, probability},
    open_model,
    translate::{EnsembleArgs, Format},
};
use crate::output::{self, Output};

/// The longest text to continue.
const MAX_PROMPT_BYTES: u64 = 1 << 24;

/// Continue a text, token by token as they come.
#[derive(Debug, Args)]
pub(crate) struct Generate {
    /// The model's folder; DIR+ADAPTER for one with an adapter over it.
    #[arg(long, value_name = "DIR", default_value = "runs/latest")]
    model: PathBuf,
    #[command(flatten)]
    ensemble: EnsembleArgs,
    /// The texts to continue, mostly one; `-` reads it from standard input; without it, the model begins by itself.
    #[arg(default_value = "", hide_default_value = true)]
    prompt: Vec<String>,
    /// Print the continuation alone, without the prompt before it.
    #[arg(long)]
    no_prompt: bool,
    /// Texts to write, each from a seed of its own.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = integer(1..=u64::MAX))]
    samples: u64,
    /// Put the end-of-text token before the prompt, or, with `--begin=false`, nothing, as transformers and nanoGPT do.
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    begin: Option<bool>,
    /// What is printed of each text: `text`; `jsonl`, an object with its tokens, their log-probabilities in nats, and its end.
    #[arg(long, value_name = "FORMAT", value_enum, hide_possible_values = true, default_value_t = Format::Text)]
    format: Format,
    /// The folder of a smaller model of the same vocabulary, which drafts tokens that the model accepts or replaces, several in
    /// one pass: texts of the same distribution, sooner. How many were accepted is told at the end.
    #[arg(long, value_name = "DIR", group = "drafts", conflicts_with_all = ["contrastive", "EnsembleArgs", "FormArgs"])]
    draft: Option<PathBuf>,
    /// Draft what followed the last N tokens, or fewer, where the text has them before.
    #[arg(long, value_name = "N", value_parser = integer(1..=LONG), group = "drafts", conflicts_with_all = ["contrastive", "EnsembleArgs", "FormArgs"])]
    draft_ngrams: Option<usize>,
    /// Tokens that are drafted at a time.
    #[arg(long, value_name = "K", default_value_t = 4, value_parser = integer::<usize>(1..=256), requires = "drafts", conflicts_with_all = ["contrastive", "EnsembleArgs", "FormArgs"])]
    draft_tokens: usize,
    /// Contrastive search among the K tokens of --top-k, or 4: (1 - ALPHA) times p less ALPHA times the likeness to the text.
    #[arg(long, value_name = "ALPHA", value_parser = probability(), conflicts_with_all =
        ["EnsembleArgs", "FormArgs", "temperature", "top_p", "min_p", "typical_p", "epsilon_cutoff", "eta_cutoff", "seed", "samples"])]
    contrastive: Option<f64>,
    #[command(flatten)]
    generation: GenerationArgs,
    #[command(flatten)]
    specials: SpecialsArgs,
    #[command(flatten)]
    precision: PrecisionArgs,
    #[command(flatten)]
    backend: BackendArgs,
}

/// How to write; what is not given is the model's own setting.
#[derive(Debug, Args)]
pub(super) struct GenerationArgs {
    /// Tokens that may follow the prompt.
    #[arg(long, value_name = "N", value_parser = integer(1..=MANY_TOKENS))]
    max_tokens: Option<usize>,
    /// Tokens that must follow the prompt before the text may end.
    #[arg(long, value_name = "N", value_parser = integer(0..=MANY_TOKENS))]
    min_tokens: Option<usize>,
    #[command(flatten)]
    sampling: SamplingArgs,
    /// Length of the n-grams of tokens that the text has once at most; 0 for no limit.
    #[arg(long, value_name = "N", value_parser = integer(0..=LONG))]
    no_repeat_ngram: Option<usize>,
    /// Multiply log-probabilities of tokens that the text already has; more than 1 for less repetition.
    #[arg(long, value_name = "THETA", value_parser = above_0())]
    repetition_penalty: Option<f64>,
    /// End at this string; may be given several times.
    #[arg(long, value_name = "TEXT", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    stop: Vec<String>,
    #[command(flatten)]
    form: FormArgs,
}

/// What the text is held to.
#[derive(Debug, Args)]
#[group(multiple = false)]
struct FormArgs {
    /// Hold the text to the JSON Schema of this file.
    #[arg(long, value_name = "FILE", value_parser = FormSpec::read_json_schema)]
    json_schema: Option<FormSpec>,
    /// Hold the text to this regular expression, from its beginning to its end.
    #[arg(long, value_name = "REGEX", value_parser = FormSpec::regex)]
    regex: Option<FormSpec>,
    /// Hold the text to the grammar of this file, in the notation of llama.cpp (GBNF).
    #[arg(long, value_name = "FILE", value_parser = FormSpec::read_grammar)]
    grammar: Option<FormSpec>,
}

impl GenerationArgs {
    /// The model's settings, and these over them.
    pub(super) fn over(&self, model: &GenerationConfig) -> Result<GenerationConfig> {
        let config = GenerationConfig {
            max_tokens: self.max_tokens.unwrap_or(model.max_tokens),
            min_tokens: self.min_tokens.unwrap_or(model.min_tokens),
            no_repeat_ngram: self.no_repeat_ngram.unwrap_or(model.no_repeat_ngram),
            stop: if self.stop.is_empty() { model.stop.clone() } else { self.stop.clone() },
            sampling: SamplingConfig {
                repetition_penalty: self.repetition_penalty.unwrap_or(model.sampling.repetition_penalty),
                ..self.sampling.over(&model.sampling)?
            },
            form: self.form.json_schema.as_ref().or(self.form.regex.as_ref()).or(self.form.grammar.as_ref()).cloned(),
            ..model.clone()
        };
        in_order(("--min-tokens", config.min_tokens), ("--max-tokens", config.max_tokens), self.max_tokens.is_none())?;
        Ok(config)
    }
}

impl Generate {
    pub(super) fn run(mut self) -> Result<()> {
        // Contrastive search's own; the model's is a limit of sampling.
        let n_candidates = self.contrastive.and_then(|_| self.generation.sampling.top_k.take()).unwrap_or_default();
        let open = |folder: &PathBuf| Ok(self.specials.over(open_model(folder)?));
        let bundles = [&self.model].into_iter().chain(&self.ensemble.with).map(open).collect::<Result<Vec<_>>>()?;
        let mut config = self.generation.over(&bundles[0].generation)?;
        config.begin = self.begin.unwrap_or(config.begin);
        let (device, precision) = (self.backend.device()?, self.precision.precision);
        let generator = Generator::from_ensemble(&bundles, &device, precision, self.ensemble.together())?;
        let drafting = |path| anyhow::Ok(bundles[0].draft_model(&open_model(path)?, &device, precision)?);
        let draft = self.draft.as_deref().map(drafting).transpose()?;
        let drafted = |source| Strategy::Drafted(Drafts { source, n_tokens: self.draft_tokens });
        let strategy = match (&draft, self.draft_ngrams, self.contrastive) {
            (Some(draft), ..) => drafted(DraftSource::Model(draft)),
            (None, Some(longest), _) => drafted(DraftSource::Ngrams(longest)),
            (None, None, Some(alpha)) => Strategy::Contrastive(ContrastiveConfig::new(alpha, n_candidates)),
            (None, None, None) => Strategy::Sampling,
        };
        if self.prompt.iter().filter(|prompt| *prompt == "-").count() > 1 {
            bail!("standard input is read once: give - once");
        }
        let prompts = self.prompt.iter().map(|prompt| read(prompt)).collect::<Result<Vec<_>>>()?;
        let mut accepted = Acceptance::default();
        for sample in 1..=self.samples {
            accepted += self.write(&generator, &prompts, (&config, &strategy), sample)?;
            config.sampling.seed = config.sampling.seed.wrapping_add(1);
        }
        if accepted != Acceptance::default() {
            warning!("{accepted}");
        }
        Ok(())
    }

    /// Writes a text after each prompt.
    fn write(
        &self,
        generator: &Generator<TextModel>,
        prompts: &[String],
        (config, strategy): (&GenerationConfig, &Strategy<'_, TextModel>),
        sample: u64,
    ) -> Result<Acceptance> {
        if self.format == Format::Jsonl {
            let (texts, accepted) = generator.generate_all_by(prompts, 1, config, strategy)?;
            for (id, (prompt, text)) in (1..).zip(prompts.iter().zip(texts.iter().flatten())) {
                let mut object = text.to_json(generator.tokenizer());
                (object["id"], object["sample"], object["prompt"]) = (json!(id), json!(sample), json!(prompt));
                say!("{object}")?;
            }
            return Ok(accepted);
        }
        let mut accepted = Acceptance::default();
        for prompt in prompts {
            let mut out = output::stdout();
            if !self.no_prompt {
                write!(out, "{prompt}").and_then(|()| out.flush())?;
            }
            let (ended, of_text) =
                stream(out, |on_text| Ok(generator.generate_by(prompt, config, strategy, on_text)?))?;
            say_if_cut(ended, config);
            accepted += of_text;
        }
        Ok(accepted)
    }
}

/// Says so if a text was cut that is held to a form.
pub(super) fn say_if_cut(ended: Ended, config: &GenerationConfig) {
    if ended == Ended::ByLength && config.form.is_some() {
        warning!("note: the text was cut by --max-tokens, and may not be of its form");
    }
}

/// A prompt that is given; `-` is standard input.
fn read(prompt: &str) -> Result<String> {
    if prompt != "-" {
        return Ok(prompt.to_owned());
    }
    Ok(attentive_task::read_text("standard input", io::stdin().lock(), MAX_PROMPT_BYTES)?)
}

/// Prints the pieces of a text as `write` hands them over, and the end of the line.
pub(super) fn stream<T>(
    mut out: Output,
    write: impl FnOnce(&mut dyn FnMut(&str) -> ControlFlow<()>) -> Result<T>,
) -> Result<T> {
    let mut failure = None;
    let written = write(&mut |piece| match write!(out, "{piece}").and_then(|()| out.flush()) {
        Ok(()) => ControlFlow::Continue(()),
        Err(cause) => {
            failure = Some(cause);
            ControlFlow::Break(())
        }
    })?;
    failure.map_or_else(|| writeln!(out), Err)?;
    Ok(written)
}
