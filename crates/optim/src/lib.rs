//! Optimizers and schedules of the Transformer.
//!
//! ```
//! use attentive_optim::{Schedule, ScheduleConfig};
//!
//! let noam = ScheduleConfig::Noam { factor: 1.0, warmup_steps: 4000 }.build(512);
//! let peak = noam.lr(4000.try_into()?);
//! assert!((peak - 6.99e-4).abs() < 1e-6); // §5.3
//! # Ok::<(), std::num::TryFromIntError>(())
//! ```
#![recursion_limit = "256"]

mod adam;
mod ema;
mod error;
mod first_order;
mod gradients;
mod optimizer;
mod rated;
mod schedule;
mod shards;

pub use adam::{Adam, AdamConfig, Moments};
pub use ema::Ema;
pub use error::OptimizerError;
pub use first_order::{FirstOrder, UpdateRule};
pub use gradients::Gradients;
pub use optimizer::{Optimizer, OptimizerConfig, OptimizerState, ParamInfo, StepSize, step};
pub use rated::Rated;
pub use schedule::{Schedule, ScheduleConfig, Scheduled};
pub use shards::{ShardedGradients, Shards};
