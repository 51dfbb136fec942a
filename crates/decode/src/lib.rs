//! Greedy search, beam search and sampling over any next-token model.
//!
//! A search sees nothing of a model but [`NextToken`](attentive_core::NextToken). Sentences are decoded together, each
//! as if it were alone, and leave the batch as they end.
//!
//! ```
//! use attentive_backend::BackendKind;
//! use attentive_core::NextToken;
//! use attentive_decode::{BeamConfig, DecodeRequest, beam_search, greedy};
//! use burn::tensor::{Int, Tensor};
//!
//! /// What follows each of `a`, `b` and `</s>`, whatever stands before it.
//! struct Bigrams(Tensor<2>);
//!
//! impl NextToken for Bigrams {
//!     type State = ();
//!
//!     fn vocab_size(&self) -> usize {
//!         3
//!     }
//!
//!     fn advance(&self, tokens: Tensor<2, Int>, _: &mut ()) -> Tensor<2> {
//!         let [_, new] = tokens.dims();
//!         self.0.clone().select(0, tokens.narrow(1, new - 1, 1).squeeze_dim(1)).log()
//!     }
//!
//!     fn reorder(&self, _: &mut (), _: &[usize]) {}
//! }
//!
//! let device = BackendKind::Flex.device()?;
//! // After `a` anything may follow; after `b` the sentence ends; `</s>` also begins it.
//! let model = Bigrams(Tensor::from_floats([[0.3, 0.3, 0.4], [0.0, 0.0, 1.0], [0.6, 0.4, 0.0]], &device));
//! let request = DecodeRequest {
//!     prompt: Tensor::<2, Int>::from_ints([[2]], &device),
//!     eos: 2,
//!     suppressed: &[],
//!     min_len: 0,
//!     max_len: &[10],
//! };
//! assert_eq!(greedy(&model, (), &request)?[0].tokens, [0]); // 0.6 · 0.4
//! assert_eq!(beam_search(&model, (), &request, &BeamConfig::default())?[0][0].tokens, [1]); // 0.4 · 1.0
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod beam;
mod candidates;
mod error;
mod generate;
mod greedy;
mod hypothesis;
mod request;
mod rows;
mod sampling;
mod stop_strings;

pub use beam::{BeamConfig, beam_search, gnmt_penalty};
pub use error::DecodeError;
pub use generate::{Drawn, Ended, GenerateRequest, generate};
pub use greedy::greedy;
pub use hypothesis::Hypothesis;
pub use request::DecodeRequest;
pub use sampling::SamplingConfig;
pub use stop_strings::StopStrings;
