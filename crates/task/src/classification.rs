//! Classes of texts, told by an encoder that may have been trained before.

use std::sync::Arc;

use attentive_backend::Device;
use attentive_bundle::{DataRecord, Processor, ScoreRecord, frame_ids};
use attentive_collective::Collective;
use attentive_core::{BatchStream, Endless, LabeledBatch, TokenMatrix};
use attentive_data::{ExampleBatcher, LabeledRows, LabeledText};
use attentive_model::{ClassificationObjective, EncoderModel, EncoderSpec, ModelConfig};
use attentive_tokenizer::Tokenizer;
use attentive_trainer::Evaluate;
use attentive_weights::Tensors;

use crate::{
    LabeledPart, LabeledTexts, Log, Resizable, Result, Start, Task,
    config::{ClassificationRecipe, RunRecipe},
    example, initial,
    log::{shortened, warn_of},
    masked_lm::values,
    score::{Guess, Judged, score_classes},
    start::relabelled,
    thousands, tokens,
};

/// Labelled texts, and an encoder that learns their classes.
pub struct Classification<F> {
    config: F,
    n_labels: usize,
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
    /// Reads the texts of a recipe, whose vocabulary size and labels it fills in; `config` is the model's, also of one
    /// that was trained before.
    ///
    /// # Errors
    /// A text or its label can't be read, the tokenizer can't be read or learned, or the model can't take the vocabulary.
    pub fn prepare(
        run: &RunRecipe,
        recipe: &mut ClassificationRecipe,
        mut config: F,
        start: Start<'_>,
        log: &dyn Log,
    ) -> Result<Self> {
        // Few texts of a file are not what others have encoded of it.
        let cache = start.cache.filter(|_| recipe.data.cache && recipe.data.examples.is_none());
        let mut parts = LabeledTexts::open(&recipe.data)?;
        parts.oddity().iter().for_each(|oddity| log.warning(oddity));
        if let Some(n) = recipe.data.examples {
            parts.leave_few(n, run.training.seed);
        }
        let labels = parts.labels()?;
        let texts = || parts.train.texts.iter().map(|text| Ok::<_, crate::Error>(text.text.clone()));
        let tokenizer = start.tokenizer(&mut config, || recipe.tokenizer.read_or_train(false, texts(), log))?;
        tokens::warn_of_unknown_in(log, &*tokenizer, texts());
        let before = config.labels().to_vec();
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
                Err(_) => refuse!("data.{} has the label {:?}, which data.train does not have", part.name, text.label),
            };
            let encoded = part.encode(&*tokenizer, cache, log)?;
            let row = |(idx, text)| Ok((encoded.pair(idx)?.source().to_vec(), label(text)?));
            let rows = part.texts.iter().enumerate().map(row).collect::<Result<Vec<_>>>()?;
            part.warn_of_cut(rows.iter().map(|(ids, _)| ids.len()), context.saturating_sub(2), log);
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
        say!(log, "labels    {}", shortened(&labels));
        Ok(Self {
            config,
            n_labels: labels.len(),
            tokenizer,
            pretrained: start.pretrained.map(|bundle| relabelled(bundle.params, &before, &labels)),
            train,
            held_out,
            sample: parts.train.texts.first().map(|text| text.text.clone()).unwrap_or_default(),
            records: parts.into_records(),
        })
    }

    fn judge(&self, model: &F::Model, peers: &dyn Collective, batches: &ExampleBatcher<LabeledRows>) -> Result<Judged> {
        Judged::of(peers, self.n_labels, batches, |batch| {
            let encoding = model.encode(&batch.ids, &vec![0; batch.ids.ids().len()], None);
            let Some(logits) = model.label_scores(&encoding, None) else { return Ok(Vec::new()) };
            let logits = values(logits);
            let rows = batch.labels.iter().zip(logits.chunks(self.n_labels));
            Ok(rows.map(|(&label, row)| Guess::of(label, row)).collect())
        })
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

    fn pretrained(&self) -> Option<&Tensors> {
        self.pretrained.as_ref()
    }

    fn processor(&self) -> Processor {
        self.tokenizer.clone().into()
    }

    fn init(&self, device: &Device, seed: u64, log: &dyn Log) -> Result<F::Model> {
        initial(self, device, seed, log)
    }

    fn objective(&self) -> ClassificationObjective {
        ClassificationObjective {}
    }

    fn batches(&self) -> Box<dyn BatchStream<Batch = LabeledBatch> + '_> {
        Box::new(Endless::new(&self.train))
    }

    fn evaluator<'a>(
        &'a self,
        peers: &'a dyn Collective,
        _log: &'a dyn Log,
    ) -> Option<Box<dyn Evaluate<F::Model> + 'a>> {
        let validation = self.held_out[0].as_ref()?;
        Some(Box::new(move |model: &F::Model| Ok(self.judge(model, peers, validation)?.validation())))
    }

    fn score(&self, model: F::Model, peers: &dyn Collective, log: &dyn Log) -> Result<Vec<ScoreRecord>> {
        score_classes(&self.held_out, "classes", 1, |batches| self.judge(&model, peers, batches), log)
    }

    fn data_records(&self, _log: &dyn Log) -> Result<Vec<DataRecord>> {
        Ok(self.records.clone())
    }

    fn example(&self, model: &str) -> String {
        let sentence = example::sentence(&*self.tokenizer, &self.sample, self.config.max_len());
        format!("classify --model {model} {}", example::argument(sentence))
    }
}
