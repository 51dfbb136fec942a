//! Classes of pictures, told by an encoder that may have been trained before.

use std::sync::Arc;

use attentive_backend::Device;
use attentive_bundle::{DataRecord, Processor, ScoreRecord};
use attentive_collective::Collective;
use attentive_core::{BatchStream, Epochs, ImageBatch};
use attentive_model::{ImageClassificationObjective, ImageEncoderSpec, ImageModel, LayeredEncoder, ModelConfig};
use attentive_trainer::Evaluate;
use attentive_vision::{ClassFolder, ImageProcessor, PictureBatcher, Pictures, Prefetch, Shapes};
use attentive_weights::Tensors;

use crate::{
    Error, Log, Resizable, Result, Start, Task,
    config::{ImageClassificationRecipe, PictureFiles, RunRecipe},
    data2vec::Unlabelled,
    example, initial,
    labeled::few,
    log::shortened,
    masked_lm::values,
    score::{Guess, Judged, score_classes},
    start::relabelled,
    thousands,
};

/// Built-in pictures for training, validation and the test, and the seed that the first are drawn from.
const BUILTIN_SIZES: [usize; 3] = [20_000, 1_000, 2_000];
const BUILTIN_SEED: u64 = 4;

/// Names of broken pictures that are said one by one.
const MAX_NAMED: usize = 10;

/// Pictures with classes, and an encoder that learns to tell them.
pub struct ImageClassification<F> {
    config: F,
    processor: ImageProcessor,
    objective: ImageClassificationObjective,
    pretrained: Option<Tensors>,
    train: PictureBatcher,
    /// Validation and test.
    held_out: [Option<PictureBatcher>; 2],
    records: Vec<DataRecord>,
}

debug_by_config!(ImageClassification);

/// One part of the pictures.
struct Part {
    name: &'static str,
    /// Where it comes from, for the run's record.
    from: String,
    pictures: Arc<Pictures>,
    /// The pictures of the part.
    members: Vec<u32>,
}

impl<F: ImageEncoderSpec + Into<ModelConfig>> ImageClassification<F> {
    /// Reads the pictures of a recipe, whose labels it fills in; `config` is the model's, also of one that was trained
    /// before.
    ///
    /// # Errors
    /// Pictures can't be read, or there are fewer than two classes.
    pub fn prepare(
        run: &RunRecipe,
        recipe: &mut ImageClassificationRecipe,
        mut config: F,
        start: Start<'_>,
        log: &dyn Log,
    ) -> Result<Self> {
        let mut parts = parts(recipe, run.training.seed, log)?;
        if let Some(n) = recipe.data.examples {
            parts[0].members = few(std::mem::take(&mut parts[0].members), n, run.training.seed);
            say!(
                log,
                "data      {} of the training pictures are learnt from",
                thousands(parts[0].members.len() as u64)
            );
        }
        let labels = parts[0].pictures.labels().to_vec();
        let is_labelled = recipe.objective.data2vec().is_none();
        if is_labelled && labels.len() < 2 {
            refuse!("data.train has the classes {labels:?}: there must be two at least");
        }
        let before = config.labels().to_vec();
        config.set_labels(if is_labelled { labels.clone() } else { Vec::new() });
        recipe.model = config.clone().into();
        let processor = match start.processor()? {
            Some(processor) => processor.image().cloned(),
            None => Some(recipe.image.processor(&config)),
        };
        let Some(processor) = processor else {
            refuse!("the model that was trained before has no processor of pictures")
        };

        let rows = recipe.batch.rows.or(1);
        let batcher = |part: &Part| {
            let (pictures, members) = (part.pictures.clone(), part.members.clone());
            PictureBatcher::new(pictures, members, processor.clone(), config.patch_size(), rows, run.training.seed)
        };
        let train = batcher(&parts[0])?.augmented(recipe.augment.clone());
        let held_out = ["validation", "test"].map(|name| parts.iter().find(|part| part.name == name));
        for (name, _) in ["validation", "test"].into_iter().zip(held_out).filter(|(_, part)| part.is_none()) {
            say!(log, "no [data.{name}]");
        }
        let held_out = [held_out[0].map(batcher).transpose()?, held_out[1].map(batcher).transpose()?];
        if is_labelled {
            say!(log, "labels    {}", shortened(&labels));
        }
        let pretrained = start.pretrained.map(|bundle| relabelled(bundle.params, &before, config.labels()));
        Ok(Self {
            config,
            processor,
            objective: recipe.objective.own(),
            pretrained,
            train,
            held_out,
            records: parts.iter().map(Part::record).collect(),
        })
    }

    fn judge(model: &F::Model, peers: &dyn Collective, batches: &PictureBatcher) -> Result<Judged> {
        Judged::of(peers, batches.pictures().labels().len(), batches, |batch| {
            let scores = model.mean_label_scores(&model.encode(&batch.patches, None));
            let Some(scores) = scores else { return Ok(Vec::new()) };
            let [_, n_labels] = scores.dims();
            let scores = values(scores);
            let rows = batch.classes.iter().zip(scores.chunks(n_labels));
            Ok(rows.map(|(of, scores)| Guess::of(of.class, scores)).collect())
        })
    }
}

/// The parts that a recipe names, that of training first, or the built-in ones.
fn parts(recipe: &ImageClassificationRecipe, seed: u64, log: &dyn Log) -> Result<Vec<Part>> {
    let data = &recipe.data;
    let Some(train) = &data.train else {
        let part = |(at, name): (usize, &'static str)| {
            let shapes = Shapes { seed: BUILTIN_SEED + at as u64, n: BUILTIN_SIZES[at] };
            Part::whole(name, "built-in", Pictures::of_shapes(shapes), log)
        };
        return Ok(["train", "validation", "test"].into_iter().enumerate().map(part).collect());
    };
    let mut parts = vec![Part::read("train", train, None, log)?];
    if let Some(fraction) = data.validation_fraction {
        let [kept, held_out] = parts[0].pictures.split(fraction, seed);
        if kept.is_empty() || held_out.is_empty() {
            refuse!("data.validation_fraction = {fraction} leaves a part without pictures: choose another");
        }
        say!(log, "data      {} of them are held out for validation", thousands(held_out.len() as u64));
        let (from, pictures) = (parts[0].from.clone(), parts[0].pictures.clone());
        parts.push(Part { name: "validation", from, pictures, members: held_out });
        parts[0].members = kept;
    }
    let labels = parts[0].pictures.labels().to_vec();
    for (name, files) in [("validation", &data.validation), ("test", &data.test)] {
        if let Some(files) = files {
            parts.push(Part::read(name, files, Some(&labels), log)?);
        }
    }
    Ok(parts)
}

impl Part {
    /// The pictures of files, with classes as they are numbered in `labels`; what is broken is said.
    fn read(name: &'static str, files: &PictureFiles, labels: Option<&[String]>, log: &dyn Log) -> Result<Self> {
        let (from, pictures) = match files {
            PictureFiles::Folder { folder, headers_only } => {
                let found = ClassFolder::read(folder, *headers_only)?;
                warn_of(log, name, "broken pictures are left out", &found.report.broken);
                let others: Vec<String> = found.report.others.iter().map(|path| path.display().to_string()).collect();
                warn_of(log, name, "files that are not pictures by their names are left out", &others);
                (folder.clone(), Pictures::of_folder(found))
            }
            PictureFiles::Idx { images, labels } => (images.clone(), Pictures::of_idx(images, labels)?),
            PictureFiles::Cifar { cifar, kind } => {
                (cifar.paths().first().cloned().unwrap_or_default(), Pictures::of_cifar(cifar.paths(), *kind)?)
            }
        };
        let pictures = match labels {
            None => pictures,
            Some(labels) => match pictures.with_labels(labels) {
                Ok(pictures) => pictures,
                Err(unknown) => {
                    refuse!("data.{name} has classes that data.train does not have: {}", shortened(&unknown))
                }
            },
        };
        Ok(Self::whole(name, from.display().to_string(), pictures, log))
    }

    fn whole(name: &'static str, from: impl Into<String>, pictures: Pictures, log: &dyn Log) -> Self {
        say!(log, "data      {} {name} pictures", thousands(pictures.len() as u64));
        let members = (0..pictures.len() as u32).collect();
        Self { name, from: from.into(), pictures: Arc::new(pictures), members }
    }

    fn record(&self) -> DataRecord {
        DataRecord {
            split: self.name.to_owned(),
            name: self.from.clone(),
            n_lines: self.members.len() as u64,
            sha256: self.pictures.sha256().to_owned(),
        }
    }
}

/// Counts what was left out, and names some of it.
fn warn_of(log: &dyn Log, part: &str, what: &str, names: &[String]) {
    if names.is_empty() {
        return;
    }
    let more = names.len().saturating_sub(MAX_NAMED);
    let more = if more > 0 { format!("\n  and {} more", thousands(more as u64)) } else { String::new() };
    let named: String = names.iter().take(MAX_NAMED).map(|name| format!("\n  {name}")).collect();
    log.warning(&format!("data.{part}: {} {what}:{named}{more}", thousands(names.len() as u64)));
}

impl<F: ImageEncoderSpec + Into<ModelConfig>> Resizable for ImageClassification<F> {
    const FIRST: usize = 1;

    fn with_batch_size(&mut self, rows: usize) -> Result<()> {
        self.train = self.train.with_rows(rows);
        for part in self.held_out.iter_mut().flatten() {
            *part = part.with_rows(rows);
        }
        Ok(())
    }

    fn largest_batches(&self) -> Vec<ImageBatch> {
        vec![self.train.largest()]
    }
}

impl<F: ImageEncoderSpec + Into<ModelConfig>> Unlabelled for ImageClassification<F> {
    fn view(model: &F::Model) -> Option<&dyn LayeredEncoder<ImageBatch>> {
        model.layered()
    }

    fn held_out(&self) -> Option<impl Epochs<Batch = ImageBatch, Error: Into<Error>>> {
        self.held_out[0].as_ref()
    }
}

impl<F: ImageEncoderSpec + Into<ModelConfig>> Task for ImageClassification<F> {
    type Model = F::Model;
    type Spec = F;
    type Batch = ImageBatch;
    type Objective = ImageClassificationObjective;

    fn spec(&self) -> &F {
        &self.config
    }

    fn processor(&self) -> Processor {
        self.processor.clone().into()
    }

    fn pretrained(&self) -> Option<&Tensors> {
        self.pretrained.as_ref()
    }

    fn init(&self, device: &Device, seed: u64, log: &dyn Log) -> Result<F::Model> {
        initial(self, device, seed, log)
    }

    fn objective(&self) -> ImageClassificationObjective {
        self.objective
    }

    fn batches(&self) -> Box<dyn BatchStream<Batch = ImageBatch> + '_> {
        Box::new(Prefetch::new(self.train.clone()))
    }

    fn evaluator<'a>(
        &'a self,
        peers: &'a dyn Collective,
        _log: &'a dyn Log,
    ) -> Option<Box<dyn Evaluate<F::Model> + 'a>> {
        let validation = self.held_out[0].as_ref()?;
        Some(Box::new(move |model: &F::Model| Ok(Self::judge(model, peers, validation)?.validation())))
    }

    fn score(&self, model: F::Model, peers: &dyn Collective, log: &dyn Log) -> Result<Vec<ScoreRecord>> {
        score_classes(&self.held_out, "pictures", 2, |batches| Self::judge(&model, peers, batches), log)
    }

    fn data_records(&self, _log: &dyn Log) -> Result<Vec<DataRecord>> {
        Ok(self.records.clone())
    }

    fn example(&self, model: &str) -> String {
        let path = self.train.pictures().path(0).map_or("picture.png".into(), example::shell_path);
        format!("classify --model {model} {path}")
    }
}
