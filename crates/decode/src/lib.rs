//! Greedy, beam and contrastive search, sampling and speculative decoding over any next-token model.
//!
//! A search sees nothing of a model but [`NextToken`](attentive_core::NextToken). Sentences are decoded together, each
//! as if it were alone, and leave the batch as they end.
//!
//! ```
//! use attentive_core::{DeviceError, NextToken, Scores, TokenId, Want};
//! use attentive_decode::{BeamConfig, DecodeRequest, Rules, beam_search, greedy};
//!
//! /// The probabilities after each of `a`, `b` and `</s>`; earlier tokens do not matter.
//! struct Bigrams([[f32; 3]; 3]);
//!
//! impl NextToken for Bigrams {
//!     type State = ();
//!
//!     fn vocab_size(&self) -> usize {
//!         3
//!     }
//!
//!     fn max_len(&self) -> Option<usize> {
//!         None
//!     }
//!
//!     /// Here one new token for each row.
//!     fn advance(&self, tokens: &[TokenId], _: &mut (), _: Want) -> Result<Scores, DeviceError> {
//!         Ok(Scores::All(tokens.iter().flat_map(|&token| self.0[token as usize].map(f32::ln)).collect()))
//!     }
//!
//!     fn reorder(&self, _: &mut (), _: &[usize]) {}
//! }
//!
//! // After `a` anything may follow; after `b` the sentence ends; `</s>` also begins it.
//! let model = Bigrams([[0.3, 0.3, 0.4], [0.0, 0.0, 1.0], [0.6, 0.4, 0.0]]);
//! let rules = Rules::default();
//! let request = DecodeRequest { prompt: &[2], prefixes: &[], eos: 2, rules: &rules, max_len: &[10] };
//! assert_eq!(greedy(&model, (), &request)?[0].tokens, [0]); // 0.6 · 0.4
//! assert_eq!(beam_search(&model, (), &request, &BeamConfig::default())?[0][0].tokens, [1]); // 0.4 · 1.0
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod alternatives;
mod beam;
mod candidates;
mod constraints;
mod contrastive;
mod coverage;
mod drafts;
mod ensemble;
mod error;
mod form;
mod generate;
mod greedy;
mod hypothesis;
mod joint;
mod lines;
mod phrases;
mod remembering;
mod request;
mod risk;
mod rows;
mod rules;
mod sampling;
mod spelling;
mod stop_strings;
mod trace;

pub use alternatives::alternatives;
pub use beam::{BeamConfig, BeamRules, beam_search, beam_search_traced, beam_search_with, gnmt_penalty};
pub use constraints::{Constraints, Diversity};
pub use contrastive::{ContrastiveConfig, contrastive_search};
pub use coverage::coverage_penalty;
pub use drafts::{Acceptance, DraftSource, Drafts, generate_drafted};
pub use ensemble::{Combination, Ensemble};
pub use error::DecodeError;
pub use form::{Form, FormError, FormSpec, Json, Vocabulary};
pub use generate::{Drawn, Ended, GenerateRequest, Held, generate, generate_held, sample};
pub use greedy::greedy;
pub use hypothesis::Hypothesis;
pub use joint::{JointModel, JointState, Stopped};
pub use phrases::Phrase;
pub use remembering::{Remembering, RememberingState};
pub use request::DecodeRequest;
pub use risk::minimum_bayes_risk;
pub use rules::Rules;
pub use sampling::SamplingConfig;
pub use spelling::{Spelling, Typed, has_words};
pub use stop_strings::StopStrings;
pub use trace::{BeamTrace, BeamTree, Dropped, Fate, Node};
