//! Students that learn from a teacher beside their data, of the tasks whose models can.

use std::{
    cell::{OnceCell, RefCell},
    path::Path,
    rc::Rc,
};

use attentive_backend::Device;
use attentive_bundle::{Bundle, ChatTemplate, DataRecord, Processor, ScoreRecord};
use attentive_collective::Collective;
use attentive_core::{Batch, BatchStream, SequenceBatch, TranslationBatch, mix64};
use attentive_data::sha256_of;
use attentive_model::{
    CausalLmObjective, DistillationObjective, Distilling, EncoderDecoderSpec, FamilyVisitor, LanguageModelSpec,
    ModelConfig, ModelSpec, Role, ScoresTargets, TranslationObjective,
};
use attentive_tokenizer::Tokenizer;
use attentive_trainer::Evaluate;
use attentive_weights::{HostTensor, Tensors};

use crate::{
    Context, Log, Resizable, Result, Task,
    config::{DistillationRecipe, Problem},
    resolve, thousands,
};

/// The setting that names the teacher.
const TEACHER: &str = "distillation.teacher";

/// The model that a student learns from.
pub(crate) struct Teacher {
    bundle: Bundle,
    settings: DistillationRecipe,
}

impl Teacher {
    /// The teacher that a recipe names, if it does; the recipe gets the folder that a link leads to.
    ///
    /// # Errors
    /// The teacher can't be read.
    pub(crate) fn of(recipe: &mut Option<DistillationRecipe>, log: &dyn Log) -> Result<Option<Self>> {
        let Some(recipe) = recipe else { return Ok(None) };
        // `runs/latest`, and any other link, may lead elsewhere later.
        let path = resolve(&recipe.teacher);
        recipe.teacher = path.canonicalize().unwrap_or(path);
        let moved =
            if recipe.teacher.exists() { "" } else { " (has it moved? --set distillation.teacher=DIR says where to)" };
        let doing = || format!("{TEACHER} = {}{moved}", recipe.teacher.display());
        let mut bundle = Bundle::read(&recipe.teacher).with_context(doing)?;
        bundle.unpack();
        let n_params = thousands(bundle.model.n_params() as u64);
        say!(log, "teacher   {n_params} parameters: {}", bundle.model.describe());
        Ok(Some(Self { bundle, settings: recipe.clone() }))
    }

    /// The longest text that it reads, if there is a limit.
    pub(crate) fn max_len(&self) -> Option<usize> {
        self.bundle.model.max_len()
    }

    /// Refuses texts of more tokens than it reads.
    ///
    /// # Errors
    /// [`Problem`].
    pub(crate) fn check_context(&self, context: usize) -> Result<()> {
        match self.max_len().filter(|&max_len| max_len < context) {
            Some(max_len) => {
                let text =
                    format!("batch.context = {context} is longer than the {max_len} tokens that the teacher reads");
                Err(Problem::among(["batch.context", TEACHER], text).into())
            }
            None => Ok(()),
        }
    }

    /// Refuses a student with another vocabulary.
    fn check_vocabulary(&self, processor: &Processor, student: &impl ModelSpec) -> Result<()> {
        let Some(student_s) = processor.tokenizer() else { refuse!("{TEACHER}: the student has no tokenizer") };
        let teacher_s = self.bundle.tokenizer()?;
        let advice = "give the student the teacher's tokenizer: set tokenizer.path to the tokenizer.json of its folder";
        if let Some(problem) = difference(&**student_s, &**teacher_s) {
            return Err(Problem::at(TEACHER, format!("{problem}; {advice}")).into());
        }
        let model = &self.bundle.model;
        let (own, sizes) =
            ([student.vocab_size(), student.source_vocab_size()], [model.vocab_size(), model.source_vocab_size()]);
        if own.iter().zip(&sizes).any(|(own, size)| own > size) {
            let text = format!("its model has rows for {} tokens, and the student's for {}", sizes[0], own[0]);
            return Err(Problem::at(TEACHER, text).into());
        }
        Ok(())
    }
}

/// How two vocabularies differ, if they do.
fn difference(student: &dyn Tokenizer, teacher: &dyn Tokenizer) -> Option<String> {
    let (own, theirs) = (student.vocab_size(), teacher.vocab_size());
    if own != theirs {
        return Some(format!("its vocabulary has {theirs} tokens, and the student's has {own}"));
    }
    let show =
        |tokenizer: &dyn Tokenizer, id| tokenizer.token(id).map_or("nothing".into(), |token| format!("{token:?}"));
    let id = (0..u32::try_from(own).unwrap_or(u32::MAX)).find(|&id| student.token(id) != teacher.token(id))?;
    Some(format!("its token {id} is {}, and the student's is {}", show(teacher, id), show(student, id)))
}

/// A batch that teachers of one role are asked about.
pub trait TaughtBatch: Batch + Sized {
    /// A model with its parameters, on a device.
    ///
    /// # Errors
    /// The model is of another role, or its parameters are of another model.
    fn teacher(model: &ModelConfig, params: Tensors, device: &Device) -> Result<Rc<dyn ScoresTargets<Self>>>;
}

/// A model on its way to a device.
struct Loading<'a> {
    params: Tensors,
    device: &'a Device,
}

impl Loading<'_> {
    fn load<C: ModelSpec>(self, spec: &C) -> Result<Rc<C::Model>> {
        Ok(Rc::new(attentive_weights::load(spec.blank(self.device)?, self.params)?))
    }
}

/// The error of a teacher of another role.
fn other_role<C: ModelSpec, T>(role: Role, wanted: Role) -> Result<T> {
    let text = format!("a {} is {role}, and the student is {wanted}", C::FAMILY);
    Err(Problem::at(TEACHER, text).into())
}

impl TaughtBatch for SequenceBatch {
    fn teacher(model: &ModelConfig, params: Tensors, device: &Device) -> Result<Rc<dyn ScoresTargets<Self>>> {
        struct Load<'a>(Loading<'a>);
        impl FamilyVisitor for Load<'_> {
            type Output = Result<Rc<dyn ScoresTargets<SequenceBatch>>>;

            fn any<C: ModelSpec>(self, _spec: &C, role: Role) -> Self::Output {
                other_role::<C, _>(role, Role::LanguageModel)
            }

            fn language_model<C: LanguageModelSpec + Into<ModelConfig>>(self, spec: &C) -> Self::Output {
                Ok(self.0.load(spec)?)
            }
        }
        model.visit(Load(Loading { params, device }))
    }
}

impl TaughtBatch for TranslationBatch {
    fn teacher(model: &ModelConfig, params: Tensors, device: &Device) -> Result<Rc<dyn ScoresTargets<Self>>> {
        struct Load<'a>(Loading<'a>);
        impl FamilyVisitor for Load<'_> {
            type Output = Result<Rc<dyn ScoresTargets<TranslationBatch>>>;

            fn any<C: ModelSpec>(self, _spec: &C, role: Role) -> Self::Output {
                other_role::<C, _>(role, Role::EncoderDecoder)
            }

            fn encoder_decoder<C: EncoderDecoderSpec + Into<ModelConfig>>(self, spec: &C) -> Self::Output {
                Ok(self.0.load(spec)?)
            }
        }
        model.visit(Load(Loading { params, device }))
    }
}

/// An objective of words that a teacher can stand beside.
pub trait OfWords {
    /// Mass that is spread over the vocabulary.
    fn label_smoothing(&self) -> f64;
}

impl OfWords for CausalLmObjective {
    fn label_smoothing(&self) -> f64 {
        self.label_smoothing
    }
}

impl OfWords for TranslationObjective {
    fn label_smoothing(&self) -> f64 {
        self.label_smoothing
    }
}

/// A task whose model also learns what a teacher expects at each word.
///
/// The teacher is not a part of the student: it is not in checkpoints, and a run that goes on reads it again.
pub struct Taught<T: Task> {
    task: T,
    settings: Distilling,
    /// The teacher, until it is on its device.
    waiting: RefCell<Tensors>,
    model: ModelConfig,
    teacher: OnceCell<Rc<dyn ScoresTargets<T::Batch>>>,
    record: DataRecord,
}

impl<T: Task> std::fmt::Debug for Taught<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Taught").field("settings", &self.settings).field("model", &self.model).finish_non_exhaustive()
    }
}

impl<T: Task<Objective: OfWords>> Taught<T> {
    /// `task` with a teacher.
    ///
    /// # Errors
    /// The two have other vocabularies.
    pub(crate) fn new(task: T, teacher: Teacher) -> Result<Self> {
        teacher.check_vocabulary(&task.processor(), task.spec())?;
        let Teacher { bundle, settings: DistillationRecipe { teacher: path, weight, temperature, top_k } } = teacher;
        let label_smoothing = task.objective().label_smoothing();
        Ok(Self {
            task,
            settings: Distilling { label_smoothing, weight, temperature, top_k },
            record: record_of(&path, &bundle.params),
            waiting: RefCell::new(bundle.params),
            model: bundle.model,
            teacher: OnceCell::new(),
        })
    }
}

/// What tells the teacher from another one, so that a run goes on with the one that it began with.
fn record_of(path: &Path, params: &Tensors) -> DataRecord {
    let bits = |param: &HostTensor| param.values.iter().fold(0, |hash, value| mix64(hash ^ u64::from(value.to_bits())));
    let parts = params.iter().map(|(name, param)| format!("{name} {:?} {:016x}\n", param.shape, bits(param)));
    let name = path.display().to_string();
    DataRecord { split: "teacher".into(), name, n_lines: 0, sha256: sha256_of(parts) }
}

impl<T> Task for Taught<T>
where
    T: Task<Objective: OfWords, Model: ScoresTargets<T::Batch>, Batch: TaughtBatch>,
{
    type Model = T::Model;
    type Spec = T::Spec;
    type Batch = T::Batch;
    type Objective = DistillationObjective<T::Batch>;

    fn spec(&self) -> &T::Spec {
        self.task.spec()
    }

    fn processor(&self) -> Processor {
        self.task.processor()
    }

    fn pretrained(&self) -> Option<&Tensors> {
        self.task.pretrained()
    }

    fn chat(&self) -> Option<&ChatTemplate> {
        self.task.chat()
    }

    /// The student; puts the teacher onto its device.
    fn init(&self, device: &Device, seed: u64, log: &dyn Log) -> Result<T::Model> {
        if self.teacher.get().is_none() {
            let device = if device.is_autodiff() { device.clone().inner() } else { device.clone() };
            let teacher = T::Batch::teacher(&self.model, self.waiting.take(), &device)?;
            let _ = self.teacher.set(teacher);
        }
        self.task.init(device, seed, log)
    }

    fn refer_to(&self, model: &T::Model, log: &dyn Log) -> Result<()> {
        self.task.refer_to(model, log)
    }

    fn write_beside(&self, run: &Path) -> Result<()> {
        self.task.write_beside(run)
    }

    /// # Panics
    /// Before [`init`](Task::init).
    fn objective(&self) -> Self::Objective {
        DistillationObjective::new(self.settings, self.teacher.get().expect("the student was made before").clone())
    }

    fn batches(&self) -> Box<dyn BatchStream<Batch = T::Batch> + '_> {
        self.task.batches()
    }

    fn evaluator<'a>(
        &'a self,
        peers: &'a dyn Collective,
        log: &'a dyn Log,
    ) -> Option<Box<dyn Evaluate<T::Model> + 'a>> {
        self.task.evaluator(peers, log)
    }

    fn measure(&self) -> Option<String> {
        self.task.measure()
    }

    fn score(&self, model: T::Model, peers: &dyn Collective, log: &dyn Log) -> Result<Vec<ScoreRecord>> {
        self.task.score(model, peers, log)
    }

    /// The task's, and the teacher.
    fn data_records(&self, log: &dyn Log) -> Result<Vec<DataRecord>> {
        let mut records = self.task.data_records(log)?;
        records.push(self.record.clone());
        Ok(records)
    }

    fn example(&self, model: &str) -> String {
        self.task.example(model)
    }
}

impl<T> Resizable for Taught<T>
where
    T: Resizable<Objective: OfWords, Model: ScoresTargets<T::Batch>, Batch: TaughtBatch>,
{
    const FIRST: usize = T::FIRST;

    fn with_batch_size(&mut self, size: usize) -> Result<()> {
        self.task.with_batch_size(size)
    }

    fn largest_batches(&self) -> Vec<T::Batch> {
        self.task.largest_batches()
    }
}

#[cfg(test)]
mod tests {
    use attentive_tokenizer::{Bytes, Characters};

    use super::*;

    #[test]
    fn vocabularies_are_told_apart_by_the_first_token_that_differs() {
        let letters = |text: &str| Characters::train([text]);
        assert_eq!(difference(&Bytes::default(), &Bytes::default()), None);
        assert_eq!(difference(&letters("abc"), &letters("abc")), None);
        let sizes = difference(&letters("abc"), &letters("abcd")).unwrap();
        let [own, theirs] = ["abc", "abcd"].map(|text| letters(text).vocab_size());
        assert_eq!(sizes, format!("its vocabulary has {theirs} tokens, and the student's has {own}"));
        let tokens = difference(&letters("abc"), &letters("abd")).unwrap();
        assert!(tokens.ends_with("is \"d\", and the student's is \"c\""), "{tokens}");
    }
}
