//! data2vec (Baevski et al. 2022, "data2vec: A General Framework for Self-supervised Learning in Speech, Vision and
//! Language"): a student, part of whose input is hidden, learns what a teacher makes of all of it. The teacher is the running
//! mean of the student, and nothing is labelled; texts, pictures and sound are learnt by the same code.

mod encoder;
mod hiding;
mod objective;
mod teacher;

pub use encoder::{Hidden, LayeredEncoder, TargetNorm};
pub use hiding::Hiding;
pub use objective::{Data2VecConfig, Data2VecObjective, Data2VecReport};

pub(crate) use encoder::hidden_in_rows;

use attentive_attention::{Initializer, Linear};
use attentive_core::mix64;
use burn::{
    module::{Module, ModuleDisplay, Param},
    tensor::Tensor,
};

use crate::Stack;

/// Tells the seed of the mask and the predictor from that of the student.
const OWN_DRAWS: u64 = 0xda7a;

/// What data2vec trains: the student, which is the model, and what is left out when that is finished.
///
/// The teacher is layers alone: it reads the student's own features and positions, which saves memory and is slightly more
/// accurate (Baevski et al. 2022, §3.2).
#[derive(Module, Debug)]
pub struct Data2Vec<M> {
    /// The model.
    pub student: M,
    /// The running mean of the student's layers, which no gradient reaches.
    pub teacher: Stack,
    /// Takes the place of what is hidden, of pictures and sound: `[1, d_model]`.
    pub mask: Option<Param<Tensor<2>>>,
    /// From the student's vectors to the teacher's.
    pub predictor: Linear,
}

impl<M: Module + ModuleDisplay> Data2Vec<M> {
    /// A student with its teacher, which begins as its layers are; the rest is drawn from `seed`.
    ///
    /// # Panics
    /// If the student has no parameters.
    pub fn new<B>(
        student: M,
        view: fn(&M) -> Option<&dyn LayeredEncoder<B>>,
        d_model: usize,
        seed: u64,
    ) -> Option<Self> {
        let encoder = view(&student)?;
        let teacher = encoder.layers().clone().no_grad();
        let hides_by_vector = encoder.hides_by_vector();
        let device = student.devices().into_iter().next().expect("a model has parameters");
        // Draws are a function of the seed and of their number: by the student's own seed, the mask would be its first row.
        let init = Initializer::new(mix64(seed ^ OWN_DRAWS), &device);
        let mask = hides_by_vector.then(|| init.normal([1, d_model], 0.02));
        Some(Self { teacher, mask, predictor: Linear::new(d_model, d_model, true, &init), student })
    }
}
