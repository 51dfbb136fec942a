//! Models that learn from inputs alone, of the tasks whose models can: data2vec.

use std::borrow::Cow;

use attentive_backend::Device;
use attentive_bundle::{DataRecord, Processor, ScoreRecord};
use attentive_collective::Collective;
use attentive_core::{BatchStream, Epochs};
use attentive_model::{
    Data2Vec, Data2VecConfig, Data2VecObjective, LayeredEncoder, ModelSpec, data2vec::Data2VecReport,
};
use attentive_trainer::{Evaluate, Validation};
use attentive_weights::Tensors;

use crate::{Error, Log, Resizable, Result, Task, shared::sums};

/// What the names of a student's parameters begin with.
const STUDENT: &str = "student.";

/// Below this, the deviation of targets says that the teacher makes the same of everything.
const COLLAPSED: f64 = 0.01;

/// By what "best" is judged: minus the loss as a part of the targets' variance, which is 1 for a student that always says their
/// mean. Losses alone can't be compared: targets move, and a teacher that makes the same of everything is easily learnt. It is
/// not a number then, which is never the best.
fn quality(loss: f64, target_deviation: f64) -> f64 {
    if target_deviation < COLLAPSED { f64::NAN } else { -loss / target_deviation.powi(2) }
}

/// The parameters of a model, of all that a run trained: those of the student, if the run has one.
pub fn of_model(trained: &Tensors) -> Cow<'_, Tensors> {
    let students =
        trained.iter().filter_map(|(name, param)| Some((name.strip_prefix(STUDENT)?.to_owned(), param.clone())));
    let students: Tensors = students.collect();
    if students.is_empty() { Cow::Borrowed(trained) } else { Cow::Owned(students) }
}

/// A task with inputs that can be learnt from without their labels.
pub trait Unlabelled: Resizable {
    /// The model as data2vec sees it.
    fn view(model: &Self::Model) -> Option<&dyn LayeredEncoder<Self::Batch>>;

    /// The batches of validation, if there are any.
    fn held_out(&self) -> Option<impl Epochs<Batch = Self::Batch, Error: Into<Error>>>;
}

/// The inputs of a task, and a model that learns what its own running mean makes of what is hidden of them.
#[derive(Debug)]
pub struct Pretraining<T> {
    task: T,
    config: Data2VecConfig,
}

impl<T: Unlabelled> Pretraining<T> {
    /// The inputs of `task`, learnt as `config` says.
    pub fn new(task: T, config: Data2VecConfig) -> Self {
        Self { task, config }
    }

    /// The mean loss of held-out inputs, and the deviations of targets and predictions.
    fn judge(&self, model: &Data2Vec<T::Model>, peers: &dyn Collective, log: &dyn Log) -> Result<Option<[f64; 3]>> {
        let Some(batches) = self.task.held_out() else { return Ok(None) };
        let objective = self.objective();
        let [n, of_all @ ..] = sums::<_, 4>(peers, &batches, |batch| {
            let Some(report) = objective.report(model, &batch) else { return Ok([0.0; 4]) };
            let Data2VecReport { loss, target_deviation, prediction_deviation } = report;
            let (n, sum) = (loss.n_targets as f64, f64::from(loss.sum.into_scalar::<f32>()));
            Ok([n, sum, target_deviation * n, prediction_deviation * n])
        })?;
        let means = of_all.map(|sum| sum / n.max(1.0));
        if n > 0.0 && means[1] < COLLAPSED {
            log.warning(&format!(
                "targets deviate by {:.4} from one another: the teacher makes the same of everything. Raise \
                 objective.tau, or lower the learning rate",
                means[1]
            ));
        }
        Ok(Some(means))
    }
}

impl<T: Unlabelled> Task for Pretraining<T> {
    type Model = Data2Vec<T::Model>;
    type Spec = T::Spec;
    type Batch = T::Batch;
    type Objective = Data2VecObjective<T::Model, T::Batch>;

    fn spec(&self) -> &T::Spec {
        self.task.spec()
    }

    fn processor(&self) -> Processor {
        self.task.processor()
    }

    fn pretrained(&self) -> Option<&Tensors> {
        self.task.pretrained()
    }

    fn init(&self, device: &Device, seed: u64, log: &dyn Log) -> Result<Self::Model> {
        let student = self.task.init(device, seed, log)?;
        match Data2Vec::new(student, T::view, self.spec().d_model(), seed) {
            Some(model) => Ok(model),
            None => refuse!("objective.kind: data2vec does not train a {}", T::Spec::FAMILY),
        }
    }

    fn objective(&self) -> Self::Objective {
        Data2VecObjective::new(self.config, T::view)
    }

    fn batches(&self) -> Box<dyn BatchStream<Batch = T::Batch> + '_> {
        self.task.batches()
    }

    fn evaluator<'a>(
        &'a self,
        peers: &'a dyn Collective,
        log: &'a dyn Log,
    ) -> Option<Box<dyn Evaluate<Self::Model> + 'a>> {
        drop(self.task.held_out()?);
        Some(Box::new(move |model: &Self::Model| {
            let [nll_nats, targets, predictions] = self.judge(model, peers, log)?.unwrap_or_default();
            let scores = [("target-deviation", targets), ("prediction-deviation", predictions)];
            let scores = scores.map(|(name, score)| (name.to_owned(), score)).to_vec();
            Ok(Validation { nll_nats, scores, quality: Some(quality(nll_nats, targets)) })
        }))
    }

    fn score(&self, model: Self::Model, peers: &dyn Collective, log: &dyn Log) -> Result<Vec<ScoreRecord>> {
        let Some([loss, targets, predictions]) = self.judge(&model, peers, log)? else { return Ok(Vec::new()) };
        say!(
            log,
            "validation loss {loss:.4} of what is hidden; targets deviate by {targets:.3} from one another, predictions by \
             {predictions:.3}"
        );
        let scores = [("loss", loss), ("target-deviation", targets), ("prediction-deviation", predictions)];
        Ok(scores.map(|(metric, value)| ScoreRecord::new("validation", metric, value, "")).to_vec())
    }

    fn data_records(&self, log: &dyn Log) -> Result<Vec<DataRecord>> {
        self.task.data_records(log)
    }

    fn example(&self, model: &str) -> String {
        format!("train RECIPE --set pretrained={model}")
    }
}

impl<T: Unlabelled> Resizable for Pretraining<T> {
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
    use super::*;

    #[test]
    fn a_collapsed_teacher_is_never_the_best() {
        // Least distances last: of a healthy student, of one that is better, and of one whose teacher says one thing.
        let [first, better, collapsed] =
            [(0.5, 0.8), (0.2, 0.6), (1e-6, 1e-3)].map(|(loss, targets)| quality(loss, targets));
        assert!(better > first && collapsed.is_nan());
    }
}
