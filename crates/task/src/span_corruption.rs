//! Span corruption with T5 and ByT5.

use std::sync::Arc;

use attentive_backend::{Device, ops};
use attentive_bundle::{DataRecord, EncodeError, Processor, ScoreRecord, SpanFiller, TranslationModel};
use attentive_collective::Collective;
use attentive_core::{BatchStream, Endless, TranslationBatch};
use attentive_data::{ContextBatcher, ContextOrder, Epochs, SpanBatcher, SpanCorruption, TokenStream};
use attentive_model::{EncoderDecoderSpec, ModelConfig, TeacherForced, TranslationObjective};
use attentive_tokenizer::Tokenizer;
use attentive_trainer::{Evaluate, Validation};
use attentive_weights::Tensors;
use burn::tensor::activation::log_softmax;

use crate::{
    Error, Log, Resizable, Result, Start, Task, Texts,
    config::{ContextSource, Problem, RunRecipe, SpanCorruptionRecipe},
    example, initial,
    masked_lm::{print_guesses, share, values},
    shared::sums,
    special_ids, thousands, tokens,
};

/// Sentinels that a vocabulary gets that has none: T5's number.
const N_SENTINELS: usize = 100;

/// Validation texts that a span is hidden in at the end, their words at least, and guesses for each.
const N_SAMPLES: usize = 4;
const MIN_WORDS: usize = 6;
const N_CANDIDATES: usize = 3;

/// Tokens of the validation text that are searched for such texts.
const SEARCHED: u64 = 1 << 14;

/// A text, and an encoder–decoder that learns to write what is hidden in it.
pub struct Infilling<F> {
    config: F,
    objective: TranslationObjective,
    tokenizer: Arc<dyn Tokenizer>,
    pretrained: Option<Tensors>,
    train: SpanBatcher,
    validation: Option<SpanBatcher>,
    texts: Texts,
}

debug_by_config!(Infilling);

/// How well hidden tokens are written, each after the right ones.
#[derive(Default)]
struct Guesses {
    nll_sum: f64,
    n_tokens: usize,
    n_right: usize,
}

impl<F: EncoderDecoderSpec + Into<ModelConfig>> Infilling<F> {
    /// Reads the text of a recipe, whose vocabulary sizes it fills in; from nothing, a tokenizer is read or
    /// learnt as the recipe says.
    ///
    /// # Errors
    /// Text or tokenizer can't be read, learned from or made batches of, or the model can't take the vocabulary.
    pub fn prepare(
        run: &RunRecipe,
        recipe: &mut SpanCorruptionRecipe,
        mut config: F,
        start: Start<'_>,
        log: &dyn Log,
    ) -> Result<Self> {
        let texts = Texts::open(&recipe.data)?;
        let tokenizer = start.tokenizer(&mut config, || {
            let tokenizer = recipe.tokenizer.read_or_train(true, texts.train.texts(), log)?;
            Ok(attentive_tokenizer::with_sentinels(tokenizer, N_SENTINELS, 0)?)
        })?;
        recipe.model = config.clone().into();
        tokens::warn_of_unknown_in(log, &*tokenizer, texts.train.texts());

        let cache = start.cache.filter(|_| recipe.data.cache);
        let (text, held_out) =
            texts.read(|source| source.encode_lines(&*tokenizer, cache, log), |text, at| text.split(at), log)?;
        say!(log, "data      {} training tokens", thousands(text.len()));
        say!(log, "tokens    {} entries in the vocabulary", thousands(tokenizer.vocab_size() as u64));
        let (batch, specials) = (recipe.batch, special_ids(&*tokenizer)?);
        let sentinels: Vec<u32> = (0..).map_while(|index| tokenizer.sentinel(index)).collect();
        let n_rows = batch.rows.or(1);
        let batcher = |stream: TokenStream, (order, seed), part| -> Result<SpanBatcher> {
            let contexts = ContextBatcher::new(stream, batch.context, n_rows, order);
            let contexts = contexts.map_err(|error| Error::from(error).of_part(part))?;
            let corruption = SpanCorruption::new(recipe.corruption, sentinels.clone(), specials.eos, seed)?;
            Ok(SpanBatcher::new(contexts, corruption, specials))
        };
        let seed = run.training.seed;
        let order = match batch.contexts {
            ContextSource::Packed => ContextOrder::Shuffled { seed },
            ContextSource::Random => ContextOrder::RandomOffsets { seed },
        };
        let train_batches = batcher(text, (order, seed), "train")?;
        // The decoder reads a target after its first token, and not its end.
        let n_target = train_batches.corruption().target_len(batch.context);
        if let Some(max_len) = config.max_len().filter(|&max_len| max_len < n_target) {
            let limit = "model.positions.learned.max_len";
            let text = format!(
                "corruption.rate and corruption.mean_span make a target of {n_target} tokens of batch.context = {}, more \
                 than {limit} = {max_len}",
                batch.context
            );
            let keys = ["corruption.rate", "corruption.mean_span", "batch.context", limit];
            return Err(Problem::among(keys, text).into());
        }
        say!(
            log,
            "batches   {} of {} × {} tokens in an epoch, {} hidden in spans of {}",
            thousands(train_batches.contexts().n_batches() as u64),
            n_rows,
            batch.context,
            format_args!("{:.0} %", 100.0 * recipe.corruption.rate),
            recipe.corruption.mean_span
        );
        if let Some(mean) = train_batches.corruption().stretched_span(batch.context) {
            log.warning(&format!(
                "the vocabulary has {} sentinels, one for each span and one more: spans have {mean:.1} tokens in the mean; \
                 lower batch.context or corruption.rate, or raise corruption.mean_span",
                sentinels.len()
            ));
        }
        Ok(Self {
            config,
            objective: recipe.objective,
            tokenizer,
            pretrained: start.pretrained.map(|bundle| bundle.params),
            train: train_batches,
            // The same spans whatever the run, so that runs can be compared.
            validation: held_out
                .map(|stream| batcher(stream, (ContextOrder::Sequential, 0), texts.validation_key()))
                .transpose()?,
            texts,
        })
    }

    fn judge(model: &F::Model, peers: &dyn Collective, batches: &SpanBatcher) -> Result<Guesses> {
        let [nll_sum, n_tokens, n_right] = sums(peers, batches, |batch| {
            let Guesses { nll_sum, n_tokens, n_right } = Guesses::of_batch(model, &batch);
            Ok([nll_sum, n_tokens as f64, n_right as f64])
        })?;
        Ok(Guesses { nll_sum, n_tokens: n_tokens as usize, n_right: n_right as usize })
    }

    /// Loss and accuracy on the whole validation text.
    fn validate(model: &F::Model, peers: &dyn Collective, validation: &SpanBatcher) -> Result<Validation> {
        let guesses = Self::judge(model, peers, validation)?;
        let scores = vec![("token-accuracy".to_owned(), guesses.accuracy())];
        Ok(Validation { nll_nats: guesses.nll_nats(), scores, quality: None })
    }

    /// Lines of the validation text, from its beginning to its end.
    fn sample_lines(&self, validation: &SpanBatcher) -> Result<Vec<String>> {
        let stream = validation.contexts().stream();
        let text = self.tokenizer.decode(&stream.read(0..stream.len().min(SEARCHED))?)?;
        // The first and the last may be cut; a vocabulary without line breaks has one line, of which some words will do.
        let lines: Vec<&str> = text.lines().filter(|line| line.split(' ').count() >= MIN_WORDS).collect();
        let lines = if lines.len() > 2 { &lines[1..lines.len() - 1] } else { &lines[..] };
        let chosen = lines.iter().step_by((lines.len() / N_SAMPLES).max(1)).take(N_SAMPLES);
        // What is longer was never met in training.
        let n_tokens = validation.contexts().context();
        Ok(chosen.map(|line| example::first_words(&*self.tokenizer, line, n_tokens).to_owned()).collect())
    }

    /// A text with a mask in the place of one of the spans that `corruption` hides, and the span; nothing where there is
    /// none, or it begins or ends within a character.
    fn hide(&self, text: &str, corruption: &SpanCorruption, example: u64) -> Option<(String, String)> {
        let tokens = self.tokenizer.encode(text);
        let text = self.tokenizer.decode(&tokens).ok()?;
        let spans = corruption.spans(tokens.len(), 0, example);
        let span = spans.get(spans.len() / 2)?;
        // A token's text may depend on what is before it, so a span begins where all before it end.
        let end_of = |n_tokens: usize| {
            let before = self.tokenizer.decode(&tokens[..n_tokens]).ok()?;
            text.starts_with(&before).then_some(before.len())
        };
        let [start, end] = [end_of(span.start)?, end_of(span.end)?];
        let masked = format!("{}[MASK]{}", text.get(..start)?, text.get(end..)?);
        Some((masked, text.get(start..end)?.to_owned()))
    }

    /// Some validation lines with a span hidden as in training, and the best guesses for it.
    fn show_samples(&self, model: F::Model, log: &dyn Log) -> Result<()> {
        let Some(validation) = &self.validation else { return Ok(()) };
        let lines = self.sample_lines(validation)?;
        let model = TranslationModel::new(model, &self.config)?;
        let filler = SpanFiller::new(model, self.tokenizer.clone())?;
        say!(log, "");
        for (example, line) in (0..).zip(lines) {
            let Some((masked, hidden)) = self.hide(&line, validation.corruption(), example) else { continue };
            let filled = match filler.fill(&masked, N_CANDIDATES) {
                Err(EncodeError::TooLong(_)) => continue,
                filled => filled?,
            };
            print_guesses(log, &masked, &hidden, &filled);
        }
        say!(log, "");
        Ok(())
    }
}

impl Guesses {
    fn of_batch(model: &impl TeacherForced, batch: &TranslationBatch) -> Self {
        let mut guesses = Self::default();
        let hidden = model.teacher_forced(batch, None);
        let (projection, bias) = model.output_projection();
        let [.., tgt, _] = hidden.dims();
        let log_p = log_softmax(ops::linear(hidden, projection.transpose(), bias), 2);
        let [.., vocab] = log_p.dims();
        let log_p = values(log_p);
        for (row, log_p) in log_p.chunks(tgt * vocab).enumerate() {
            for (&target, log_p) in batch.target.row(row)[1..].iter().zip(log_p.chunks(vocab)) {
                let target_log_p = log_p[target as usize];
                guesses.nll_sum -= f64::from(target_log_p);
                guesses.n_tokens += 1;
                guesses.n_right += usize::from(log_p.iter().all(|&other| other <= target_log_p));
            }
        }
        guesses
    }

    fn nll_nats(&self) -> f64 {
        self.nll_sum / self.n_tokens.max(1) as f64
    }

    fn accuracy(&self) -> f64 {
        share(self.n_right, self.n_tokens)
    }
}

impl<F: EncoderDecoderSpec + Into<ModelConfig>> Resizable for Infilling<F> {
    const FIRST: usize = 1;

    fn with_batch_size(&mut self, rows: usize) -> Result<()> {
        self.train = self.train.with_rows(rows);
        self.validation = self.validation.as_ref().map(|validation| validation.with_rows(rows));
        Ok(())
    }

    fn largest_batches(&self) -> Vec<TranslationBatch> {
        // All batches but the last of an epoch are of one shape.
        self.train.epoch(0).next().and_then(Result::ok).into_iter().collect()
    }
}

impl<F: EncoderDecoderSpec + Into<ModelConfig>> Task for Infilling<F> {
    type Model = F::Model;
    type Spec = F;
    type Batch = TranslationBatch;
    type Objective = TranslationObjective;

    fn spec(&self) -> &F {
        &self.config
    }

    fn pretrained(&self) -> Option<&Tensors> {
        self.pretrained.as_ref()
    }

    fn processor(&self) -> Processor {
        self.tokenizer.clone().into()
    }

    fn init(&self, device: &Device, seed: u64, log: &dyn Log) -> Result<F::Model> {
        initial(self, device, seed, log)
    }

    fn objective(&self) -> TranslationObjective {
        self.objective
    }

    fn batches(&self) -> Box<dyn BatchStream<Batch = TranslationBatch> + '_> {
        Box::new(Endless::new(&self.train))
    }

    fn evaluator<'a>(
        &'a self,
        peers: &'a dyn Collective,
        _log: &'a dyn Log,
    ) -> Option<Box<dyn Evaluate<F::Model> + 'a>> {
        let validation = self.validation.as_ref()?;
        Some(Box::new(move |model: &F::Model| Self::validate(model, peers, validation).map_err(Into::into)))
    }

    fn score(&self, model: F::Model, peers: &dyn Collective, log: &dyn Log) -> Result<Vec<ScoreRecord>> {
        let mut scores = Vec::new();
        if let Some(validation) = &self.validation {
            let guesses = Self::judge(&model, peers, validation)?;
            say!(
                log,
                "validation {:.1} % of {} target tokens right, each after the right ones; {:.4} nats each, perplexity {:.3}",
                100.0 * guesses.accuracy(),
                thousands(guesses.n_tokens as u64),
                guesses.nll_nats(),
                guesses.nll_nats().exp()
            );
            let all = [
                ("nats", guesses.nll_nats()),
                ("perplexity", guesses.nll_nats().exp()),
                ("token-accuracy", guesses.accuracy()),
            ];
            scores.extend(all.map(|(metric, value)| ScoreRecord::new("validation", metric, value, "")));
        }
        if peers.rank() == 0 {
            self.show_samples(model, log)?;
        }
        Ok(scores)
    }

    fn data_records(&self, log: &dyn Log) -> Result<Vec<DataRecord>> {
        self.texts.records(log)
    }

    fn example(&self, model: &str) -> String {
        let line = example::first_line(self.texts.train.texts());
        let sentence = example::sentence(&*self.tokenizer, &line, Some(self.train.contexts().context()));
        let (masked, _) = example::masked(sentence, |_| "[MASK]".to_owned());
        format!("fill --model {model} {}", example::argument(&masked))
    }
}
