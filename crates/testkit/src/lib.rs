//! Test oracles of attentive: the Transformer's operations as scalar loops in `f64`, closeness checks, and damaged
//! files, on which no reader may panic.
//!
//! Every function here is the definition written out: one loop per axis, no blocking, no rearrangement, `f64`
//! throughout. A fast kernel is right when it agrees with its oracle, and its gradient is right when it agrees with
//! [`gradient`] of that oracle. Slices are row-major; shapes are in each doc comment.
//!
//! ```
//! use attentive_testkit::{assert_close, gradient, log_sum_exp};
//!
//! let x = [0.5, -1.0, 2.0];
//! // The gradient of log-sum-exp is the soft-max.
//! assert_close(&gradient(|x| log_sum_exp(x), &x), &attentive_testkit::softmax(&x, 3), 1e-8, 1e-9);
//! ```

mod activation;
mod adam;
mod attention;
mod close;
mod comparison;
mod damage;
mod fixture;
mod golden;
mod gradient;
mod linear;
mod loss;
mod norm;
mod softmax;

pub use activation::{erf, gelu_erf, gelu_tanh, relu, silu};
pub use adam::{Adam, AdamMoments};
pub use attention::{Attention, AttentionShape};
pub use close::{assert_close, largest_error, relative_error, widen};
pub use comparison::{Area, Comparison};
pub use damage::{damaged, survives};
pub use fixture::{Fixture, named};
pub use golden::Golden;
pub use gradient::gradient;
pub use linear::{linear, matmul, transpose};
pub use loss::{SmoothedCrossEntropy, smoothed_cross_entropy};
pub use norm::{LayerNormGradient, layer_norm, layer_norm_backward, rms_norm};
pub use softmax::{log_softmax, log_sum_exp, softmax};
