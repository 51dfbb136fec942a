//! Speech recognition: recordings, and a model that writes what is said in them.

mod batches;
mod recordings;

use std::{path::Path, sync::Arc};

use attentive_backend::Device;
use attentive_bundle::{
    DataRecord, Processor, RecognizerModel, ScoreRecord, SpeechProcessor, SpeechTask, SpeechTokens, Transcriber,
};
use attentive_collective::Collective;
use attentive_core::{BatchStream, Endless, Epochs, Spectrograms, SpeechBatch, TokenMatrix};
use attentive_metrics::{ErrorRate, ErrorRateScore, Scorer};
use attentive_model::{LayeredEncoder, ModelConfig, SpeechModel, SpeechObjective, SpeechSpec};
use attentive_speech::LogMel;
use attentive_tokenizer::Tokenizer;
use attentive_trainer::{Evaluate, Validation};
use attentive_weights::Tensors;

use self::batches::{Batches, Frame};
pub use self::recordings::{RecordingPart, Recordings, Window};
use crate::{
    Context, Error, Log, Resizable, Result, Start, Task,
    config::{Problem, RunRecipe, SpeechRecipe},
    data2vec::Unlabelled,
    example, initial,
    score::{mean_nats, nll},
    shared::shared,
    shell_path, thousands,
    tokens::warn_of_unknown_in,
};

/// Transcriptions shown at the end.
const N_SAMPLES: usize = 5;

/// Recordings, and a model of the family `F` that learns to write what is said in them.
pub struct SpeechRecognition<F> {
    config: F,
    objective: SpeechObjective,
    processor: SpeechProcessor,
    tokenizer: Arc<dyn Tokenizer>,
    pretrained: Option<Tensors>,
    train: Batches,
    validation: Option<Batches>,
    test: Option<Batches>,
    /// Recordings that are transcribed at each validation.
    transcribed: usize,
    records: Vec<DataRecord>,
}

debug_by_config!(SpeechRecognition);

impl<F: SpeechSpec + Into<ModelConfig>> SpeechRecognition<F> {
    /// Reads the recordings of a recipe, whose model's sizes of vocabulary and spectrograms it fills in; from nothing, a
    /// tokenizer is read or learnt as the recipe says.
    ///
    /// # Errors
    /// A recording can't be read, tokenizer or text can't be read or learned from, or the model can't take the vocabulary.
    pub fn prepare(
        run: &RunRecipe,
        recipe: &mut SpeechRecipe,
        mut config: F,
        start: Start<'_>,
        log: &dyn Log,
    ) -> Result<Self> {
        let known = known_processor(&start)?;
        if let Some(processor) = &known {
            recipe.features = processor.features.clone();
        }
        recipe.check_sound()?;
        let log_mel = LogMel::new(&recipe.features)?;
        let recordings = Recordings::open(&recipe.data, &log_mel, run.training.seed, log)?;
        let texts = || recordings.tokenizer_texts().into_iter().map(Ok::<_, Error>);
        let tokenizer = start.tokenizer(&mut config, || recipe.tokenizer.read_or_train(true, texts(), log))?;
        warn_of_unknown_in(log, &*tokenizer, texts());
        if !start.fine_tunes {
            config.set_frames([recipe.features.n_frames(), recipe.features.n_mels]);
        }
        recipe.model = config.clone().into();
        say!(log, "tokens    {} entries in the vocabulary", thousands(tokenizer.vocab_size() as u64));

        let lacks = "the tokenizer has no tokens for the begin and the end of a text: choose another kind";
        let mut tokens = match known {
            Some(processor) => processor.tokens,
            None => SpeechTokens::of(&*tokenizer).context(lacks)?,
        };
        tokens.usual_language = recipe.language.clone().or(tokens.usual_language);
        if start.tokenizer.is_none() && tokens.usual_language.is_none() && !tokens.languages.is_empty() {
            // In use it is told, or hears, a language before it writes, which training would not have shown it.
            let known: Vec<&str> = tokens.languages.keys().map(String::as_str).collect();
            let text = format!(
                "the model is told which language is spoken, and recordings of several are not told apart: name that of \
                 all, one of {}",
                known.join(", ")
            );
            return Err(Problem::at("language", text).into());
        }
        let prompt = tokens.prompt(None, SpeechTask::Transcribe, false)?;
        let pad = tokenizer.specials().pad.unwrap_or(tokens.end);
        let max_len = config.max_len().unwrap_or(usize::MAX - 1);
        let records = recordings.records();
        let Recordings { train, validation, test } = recordings;
        let batches = |part: RecordingPart, augment| Batches {
            part: Arc::new(part),
            log_mel: log_mel.clone(),
            tokenizer: tokenizer.clone(),
            frame: Frame { prompt: prompt.clone(), end: tokens.end, pad },
            rows: recipe.batch.rows.or(1),
            seed: run.training.seed,
            augment,
            max_len,
        };
        let train = batches(train, recipe.augment);
        let held_out = |name, part: Option<RecordingPart>| {
            if part.is_none() {
                say!(log, "no [data.{name}]");
            }
            part.map(|part| batches(part, Default::default()))
        };
        let (validation, test) = (held_out("validation", validation), held_out("test", test));
        [Some(&train), validation.as_ref(), test.as_ref()].into_iter().flatten().try_for_each(Batches::check)?;
        Ok(Self {
            config,
            objective: recipe.objective.own(),
            processor: SpeechProcessor { features: recipe.features.clone(), tokens },
            tokenizer: tokenizer.clone(),
            pretrained: start.pretrained.map(|bundle| bundle.params),
            train,
            validation,
            test,
            transcribed: recipe.evaluation.transcribed,
            records,
        })
    }

    /// What a model writes of the first `n` recordings, and what is said in them, shared by processes.
    fn transcribe(
        &self,
        model: F::Model,
        peers: &dyn Collective,
        (batches, n): (&Batches, usize),
        what: &str,
        log: &dyn Log,
    ) -> Result<(Vec<String>, Vec<String>)> {
        let transcriber = Transcriber::new(
            RecognizerModel::new(model, &self.config)?,
            self.tokenizer.clone(),
            self.processor.clone(),
        )?;
        let config = self.train.log_mel.config();
        let n = n.min(batches.part.len());
        let found = shared(peers, n, |ours| {
            let mut found = Vec::with_capacity(ours.len());
            for together in ours.chunks(batches.rows.max(1)) {
                let (mut frames, mut references) = (Vec::new(), Vec::new());
                for &idx in together {
                    let (window, text) = batches.part.example(0, idx, 100, &batches.log_mel)?;
                    frames.extend_from_slice(&window.frames);
                    references.push(text);
                }
                let sound = Spectrograms::new(frames, [config.n_frames(), config.n_mels]);
                found.extend(transcriber.write_all(&sound)?.into_iter().zip(references));
                log.progress(what, if found.len() == ours.len() { n } else { found.len() * peers.size() }, n);
            }
            Ok(found)
        })?;
        Ok(found.into_iter().unzip())
    }

    fn validate(
        &self,
        model: &F::Model,
        peers: &dyn Collective,
        validation: &Batches,
        log: &dyn Log,
    ) -> Result<Validation> {
        let nll_nats = Self::mean_nll(model, peers, validation)?;
        if self.transcribed == 0 {
            return Ok(Validation { nll_nats, scores: Vec::new(), quality: None });
        }
        let (found, references) =
            self.transcribe(model.clone(), peers, (validation, self.transcribed), "validating", log)?;
        let [words, characters] = error_rates(&found, &references)?;
        let scores = vec![("wer".into(), words.score), ("cer".into(), characters.score)];
        Ok(Validation { nll_nats, scores, quality: Some(100.0 - characters.score) })
    }

    /// Cross-entropy of a set, in nats per target.
    fn mean_nll(model: &F::Model, peers: &dyn Collective, batches: &Batches) -> Result<f64> {
        nll(peers, &SpeechObjective { label_smoothing: 0.0 }, model, batches).map(mean_nats)
    }
}

/// What makes spectrograms, and the tokens that steer, of a run that has begun, or of the model that is fine-tuned.
fn known_processor(start: &Start<'_>) -> Result<Option<SpeechProcessor>> {
    let processor = match (start.tokenizer.and_then(Path::parent), &start.pretrained) {
        (Some(run), _) => Processor::of_file(run)?,
        (None, bundle) => bundle.as_ref().map(|bundle| bundle.processor.clone()),
    };
    let found = processor.and_then(|processor| processor.speech().cloned());
    match (&found, &start.pretrained) {
        (None, Some(bundle)) => {
            refuse!("pretrained = {}: nothing says how sound becomes what it reads", bundle.path.display())
        }
        _ => Ok(found),
    }
}

/// The error rates of words and of characters.
fn error_rates(found: &[String], references: &[String]) -> Result<[ErrorRateScore; 2]> {
    Ok([ErrorRate::words().corpus(found, &[references])?, ErrorRate::characters().corpus(found, &[references])?])
}

impl<F: SpeechSpec + Into<ModelConfig>> Unlabelled for SpeechRecognition<F> {
    fn view(model: &F::Model) -> Option<&dyn LayeredEncoder<SpeechBatch>> {
        model.layered()
    }

    fn held_out(&self) -> Option<impl Epochs<Batch = SpeechBatch, Error: Into<Error>>> {
        self.validation.as_ref()
    }
}

impl<F: SpeechSpec + Into<ModelConfig>> Task for SpeechRecognition<F> {
    type Model = F::Model;
    type Spec = F;
    type Batch = SpeechBatch;
    type Objective = SpeechObjective;

    fn spec(&self) -> &F {
        &self.config
    }

    fn processor(&self) -> Processor {
        Processor::Speech(Box::new(self.processor.clone()), self.tokenizer.clone())
    }

    fn pretrained(&self) -> Option<&Tensors> {
        self.pretrained.as_ref()
    }

    fn init(&self, device: &Device, seed: u64, log: &dyn Log) -> Result<F::Model> {
        initial(self, device, seed, log)
    }

    fn objective(&self) -> SpeechObjective {
        self.objective
    }

    fn batches(&self) -> Box<dyn BatchStream<Batch = SpeechBatch> + '_> {
        Box::new(Endless::new(&self.train))
    }

    fn evaluator<'a>(
        &'a self,
        peers: &'a dyn Collective,
        log: &'a dyn Log,
    ) -> Option<Box<dyn Evaluate<F::Model> + 'a>> {
        let validation = self.validation.as_ref()?;
        Some(Box::new(move |model: &F::Model| self.validate(model, peers, validation, log).map_err(Into::into)))
    }

    fn measure(&self) -> Option<String> {
        Some(match self.transcribed {
            0 => "loss".to_owned(),
            n => format!("character error rate of {n} recordings"),
        })
    }

    fn score(&self, model: F::Model, peers: &dyn Collective, log: &dyn Log) -> Result<Vec<ScoreRecord>> {
        let mut scores = Vec::new();
        if let Some(validation) = &self.validation {
            let nll_nats = Self::mean_nll(&model, peers, validation)?;
            scores.push(ScoreRecord::new("validation", "nats", nll_nats, ""));
        }
        let Some(test) = &self.test else { return Ok(scores) };
        let (found, references) = self.transcribe(model, peers, (test, usize::MAX), "scoring the test set", log)?;
        let [words, characters] = error_rates(&found, &references)?;
        say!(log, "test      {words}, {characters} of {} recordings", thousands(found.len() as u64));
        for (name, score, scorer) in [("wer", words, ErrorRate::words()), ("cer", characters, ErrorRate::characters())]
        {
            scores.push(ScoreRecord::new("test", name, score.score, scorer.signature(1).to_string()));
        }
        say!(log, "");
        let stride = (found.len() / N_SAMPLES).max(1);
        for (found, reference) in found.iter().zip(&references).step_by(stride).take(N_SAMPLES) {
            say!(log, "reference     {reference}");
            say!(log, "transcription {found}\n");
        }
        Ok(scores)
    }

    fn data_records(&self, _log: &dyn Log) -> Result<Vec<DataRecord>> {
        Ok(self.records.clone())
    }

    fn example(&self, model: &str) -> String {
        let of_part = |batches: &Batches| batches.part.first_path().map(|path| shell_path(path));
        let file = self.test.as_ref().and_then(of_part).or_else(|| of_part(&self.train));
        let file = file.unwrap_or_else(|| example::argument("recording.wav"));
        format!("transcribe --model {model} {file}")
    }
}

impl<F: SpeechSpec + Into<ModelConfig>> Resizable for SpeechRecognition<F> {
    const FIRST: usize = 1;

    fn with_batch_size(&mut self, rows: usize) -> Result<()> {
        let parts = [Some(&mut self.train), self.validation.as_mut(), self.test.as_mut()];
        parts.into_iter().flatten().for_each(|batches| batches.rows = rows.max(1));
        Ok(())
    }

    fn largest_batches(&self) -> Vec<SpeechBatch> {
        let rows = self.train.rows.min(self.train.part.len());
        let config = self.train.log_mel.config();
        let frames = [config.n_frames(), config.n_mels];
        vec![SpeechBatch {
            sound: Spectrograms::new(vec![0.0; rows * frames[0] * frames[1]], frames),
            target: TokenMatrix::from_rows(&vec![vec![0; self.train.longest()]; rows], 0, 0),
            n_prompt: self.train.frame.prompt.len(),
            indices: vec![0; rows],
        }]
    }
}
