//! Classes of texts, told by an encoder that may have been trained before.

use std::{path::Path, sync::Arc};

use attentive_backend::{Device, Objective};
use attentive_bundle::{Bundle, DataRecord, Processor, ScoreRecord, frame_ids};
use attentive_core::{BatchStream, Endless, LabeledBatch, TokenMatrix};
use attentive_data::{Epochs, ExampleBatcher, LabeledRows, LabeledText};
use attentive_model::{
    ClassificationObjective, EncoderModel, EncoderSpec, FamilyVisitor, ModelConfig, ModelSpec, Role,
};
use attentive_tokenizer::Tokenizer;
use attentive_trainer::{Evaluate, Validation};
use attentive_weights::Tensors;

use crate::{
    Context, LabeledPart, LabeledTexts, Log, Resizable, Result, Task,
    config::{ClassificationRecipe, RunRecipe},
    example,
    log::warn_of,
    masked_lm::{share, values},
    resolve, thousands,
};

/// Labelled texts, and an encoder that learns their classes.
pub struct Classification<F> {
    config: F,
    tokenizer: Arc<dyn Tokenizer>,
    pretrained: Option<Tensors>,
    train: ExampleBatcher<LabeledRows>,
    /// Validation and test.
    held_out: [Option<ExampleBatcher<LabeledRows>>; 2],
    records: Vec<DataRecord>,
    sample: String,
}

debug_by_config!(Classification);

impl<F: EncoderSpec + Into<ModelConfig>> Classification<F> {
    /// Reads the texts of a recipe, whose vocabulary size and labels it fills in; `pretrained` is the model that was trained
    /// before, if there is one, and `config` its sizes. Tokens are kept in the folder `cache`, if there is one, for other runs.
    ///
    /// # Errors
    /// A text or its label can't be read, the tokenizer can't be read or learned, or the model can't take the vocabulary.
    pub fn prepare(
        run: &RunRecipe,
        recipe: &mut ClassificationRecipe,
        mut config: F,
        pretrained: Option<Bundle>,
        tokenizer: Option<&Path>,
        cache: Option<&Path>,
        log: &dyn Log,
    ) -> Result<Self> {
        let cache = cache.filter(|_| recipe.data.cache);
        let parts = LabeledTexts::open(&recipe.data)?;
        let labels = parts.labels()?;
        let (tokenizer, pretrained): (Arc<dyn Tokenizer>, _) = match (tokenizer, pretrained) {
            (Some(path), bundle) => (attentive_tokenizer::load(path)?.into(), bundle.map(|bundle| bundle.params)),
            (None, Some(bundle)) => (bundle.tokenizer()?.clone(), Some(bundle.params)),
            (None, None) => {
                let texts = parts.train.texts.iter().map(|text| Ok::<_, crate::Error>(text.text.clone()));
                (recipe.tokenizer.read_or_train(false, texts, log)?.into(), None)
            }
        };
        config.set_vocab_size(tokenizer.vocab_size())?;
        config.set_labels(labels.clone());
        recipe.model = config.clone().into();

        let ids = frame_ids(&*tokenizer)?;
        let context = recipe.batch.context.min(config.max_len().unwrap_or(usize::MAX));
        let n_rows = recipe.batch.rows.or(1);
        let batcher = |part: &LabeledPart| -> Result<ExampleBatcher<LabeledRows>> {
            say!(log, "data      {} {} texts", thousands(part.texts.len() as u64), part.name);
            warn_of(log, &part.files);
            let label = |text: &LabeledText| match labels.binary_search(&text.label) {
                Ok(label) => Ok(label as u32),
                Err(_) => refuse!("data.{} has the label {:?}, which data.train has not", part.name, text.label),
            };
            let encoded = part.encode(&*tokenizer, cache, log)?;
            let row = |(idx, text)| Ok((encoded.pair(idx)?.source().to_vec(), label(text)?));
            let rows = part.texts.iter().enumerate().map(row).collect::<Result<Vec<_>>>()?;
            Ok(ExampleBatcher::new(LabeledRows::new(rows, context, ids), n_rows, run.training.seed)?)
        };
        let train = batcher(&parts.train)?;
        let held_out = |part: &Option<LabeledPart>, name| match part {
            Some(part) => batcher(part).map(Some),
            None => {
                say!(log, "no [data.{name}]");
                Ok(None)
            }
        };
        let held_out = [held_out(&parts.validation, "validation")?, held_out(&parts.test, "test")?];
        say!(log, "labels    {}", labels.join(", "));
        Ok(Self {
            config,
            tokenizer,
            pretrained,
            train,
            held_out,
            sample: parts.train.texts.first().map(|text| text.text.clone()).unwrap_or_default(),
            records: parts.into_records(),
        })
    }

    /// Cross-entropy in nats a text, and the share of classes told right.
    fn judge(model: &F::Model, batches: &ExampleBatcher<LabeledRows>) -> Result<[f64; 2]> {
        let (mut nll_sum, mut n_right) = (0.0, 0);
        for batch in batches.epoch(0) {
            let batch = batch?;
            nll_sum += f64::from(ClassificationObjective {}.loss(model, &batch, None).nll_sum.into_scalar::<f32>());
            let encoding = model.encode(&batch.ids, &vec![0; batch.ids.ids().len()], None);
            let Some(logits) = model.label_scores(&encoding, None) else { continue };
            let [_, n_labels] = logits.dims();
            let logits = values(logits);
            let is_right =
                |(&label, logits): (&u32, &[f32])| logits.iter().all(|&other| other <= logits[label as usize]);
            n_right += batch.labels.iter().zip(logits.chunks(n_labels)).filter(|&row| is_right(row)).count();
        }
        let n = batches.set().len();
        Ok([nll_sum / n.max(1) as f64, share(n_right, n)])
    }
}

/// The model that a recipe fine-tunes, if it names one; its sizes become the recipe's, but for dropout.
pub(crate) fn pretrained(recipe: &mut ClassificationRecipe) -> Result<Option<Bundle>> {
    let Some(path) = &recipe.pretrained else { return Ok(None) };
    // `runs/latest`, and any other link, may lead elsewhere later.
    let path = resolve(path);
    let path = path.canonicalize().unwrap_or(path);
    let bundle = Bundle::read(&path).with_context(|| format!("pretrained = {}", path.display()))?;
    let rates = recipe.model.visit(DropoutOf);
    let Some(model) = rates.and_then(|rates| bundle.model.visit(WithDropout(rates))) else {
        refuse!("pretrained = {}: a model of the family {}, not an encoder", path.display(), bundle.model.family());
    };
    (recipe.model, recipe.pretrained) = (model, Some(path));
    Ok(Some(bundle))
}

/// The rates of dropout of an encoder.
struct DropoutOf;

impl FamilyVisitor for DropoutOf {
    type Output = Option<[f64; 2]>;

    fn any<C: ModelSpec>(self, _spec: &C, _role: Role) -> Self::Output {
        None
    }

    fn encoder<C: EncoderSpec>(self, spec: &C) -> Self::Output {
        Some(spec.clone().dropout_mut().map(|rate| *rate))
    }
}

/// An encoder with other rates of dropout.
struct WithDropout([f64; 2]);

impl FamilyVisitor for WithDropout {
    type Output = Option<ModelConfig>;

    fn any<C: ModelSpec>(self, _spec: &C, _role: Role) -> Self::Output {
        None
    }

    fn encoder<C: EncoderSpec + Into<ModelConfig>>(self, spec: &C) -> Self::Output {
        let mut spec = spec.clone();
        spec.dropout_mut().into_iter().zip(self.0).for_each(|(rate, new)| *rate = new);
        Some(spec.into())
    }
}

impl<F: EncoderSpec + Into<ModelConfig>> Resizable for Classification<F> {
    const FIRST: usize = 1;

    fn with_batch_size(&mut self, rows: usize) -> Result<()> {
        self.train = self.train.with_rows(rows);
        for part in self.held_out.iter_mut().flatten() {
            *part = part.with_rows(rows);
        }
        Ok(())
    }

    fn largest_batches(&self) -> Vec<LabeledBatch> {
        let set = self.train.set();
        let rows = self.train.rows().min(set.len());
        let ids = TokenMatrix::from_rows(&vec![vec![0; set.longest()]; rows], 0, 0);
        vec![LabeledBatch { ids, labels: vec![0; rows], indices: vec![0; rows] }]
    }
}

impl<F: EncoderSpec + Into<ModelConfig>> Task for Classification<F> {
    type Model = F::Model;
    type Spec = F;
    type Batch = LabeledBatch;
    type Objective = ClassificationObjective;

    fn spec(&self) -> &F {
        &self.config
    }

    fn processor(&self) -> Processor {
        self.tokenizer.clone().into()
    }

    /// Parameters of the model that was trained before, those that it has not drawn.
    fn init(&self, device: &Device, seed: u64, log: &dyn Log) -> Result<F::Model> {
        let model = self.config.init(device, seed)?;
        let Some(pretrained) = &self.pretrained else { return Ok(model) };
        let mut params = attentive_weights::params(&model);
        let mut n_taken = 0;
        for (name, param) in &mut params {
            if let Some(before) = pretrained.get(name).filter(|before| before.shape == param.shape) {
                param.clone_from(before);
                n_taken += param.values.len();
            }
        }
        say!(
            log,
            "trained   {} parameters are taken from the model that was trained before",
            thousands(n_taken as u64)
        );
        Ok(attentive_weights::load(model, params)?)
    }

    fn objective(&self) -> ClassificationObjective {
        ClassificationObjective {}
    }

    fn batches(&self) -> Box<dyn BatchStream<Batch = LabeledBatch> + '_> {
        Box::new(Endless::new(&self.train))
    }

    fn evaluator<'a>(&'a self, _log: &'a dyn Log) -> Option<Box<dyn Evaluate<F::Model> + 'a>> {
        let validation = self.held_out[0].as_ref()?;
        Some(Box::new(move |model: &F::Model| {
            let [nll_nats, accuracy] = Self::judge(model, validation)?;
            Ok(Validation { nll_nats, scores: vec![("accuracy".into(), accuracy)], quality: Some(accuracy) })
        }))
    }

    fn score(&self, model: F::Model, log: &dyn Log) -> Result<Vec<ScoreRecord>> {
        let mut scores = Vec::new();
        for (name, batches) in ["validation", "test"].into_iter().zip(&self.held_out) {
            let Some(batches) = batches else { continue };
            let [nll_nats, accuracy] = Self::judge(&model, batches)?;
            say!(
                log,
                "{name:<10} {:.1} % of {} classes told right, {nll_nats:.4} nats each",
                100.0 * accuracy,
                thousands(batches.set().len() as u64)
            );
            scores.push(ScoreRecord::new(name, "accuracy", accuracy, ""));
        }
        Ok(scores)
    }

    fn data_records(&self, _log: &dyn Log) -> Result<Vec<DataRecord>> {
        Ok(self.records.clone())
    }

    fn example(&self, model: &str) -> String {
        let sentence = example::sentence(&*self.tokenizer, &self.sample, self.config.max_len());
        format!("classify --model {model} {}", example::argument(sentence))
    }
}
