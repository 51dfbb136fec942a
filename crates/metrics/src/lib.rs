//! Scores of generated text: [`Bleu`], [`Chrf`] and [`Ter`] equal to sacreBLEU 2.6, [`ErrorRate`] of recognised speech equal to jiwer's, [`PaperBleu`] as older
//! papers report it, [`AlignmentErrorRate`] of words, [`Perplexity`], [`BitsPerByte`], the [`Confusion`] of a classifier, and whether a difference is real ([`PairedTest`]).
//!
//! ```
//! use attentive_metrics::{Bleu, Chrf, PairedTest, Scorer};
//!
//! let hypotheses = ["The ferry leaves at noon.", "Nobody had told us."];
//! let references = [["The ferry sails at noon.", "Nobody had told us that."]];
//!
//! let bleu = Bleu::default();
//! println!("{} ({})", bleu.corpus(&hypotheses, &references)?, bleu.signature(references.len()));
//! println!("{}", Chrf { word_order: 2, ..Chrf::default() }.corpus(&hypotheses, &references)?);
//!
//! let other = ["At noon the ferry sails.", "Nobody told us that."];
//! let [baseline, system] = [hypotheses, other].map(|text| bleu.statistics(&text, &references));
//! let comparison = PairedTest::bootstrap().compare(&bleu, &baseline?, &system?)?;
//! println!("p = {:.3}", comparison.p_value);
//! # Ok::<(), attentive_metrics::MetricError>(())
//! ```
//!
//! Scores of a corpus are functions of sums over its segments ([`Scorer`]), so they merge across workers
//! ([`Accumulator`]) and resample quickly. Text is treated as sacreBLEU under Python treats it: white space, case,
//! Unicode categories, and the quirks of its tokenizers.

mod alignment;
mod any_scorer;
mod bleu;
mod chrf;
mod comparisons;
mod confusion;
mod edits;
mod error;
mod error_rate;
mod exact_match;
mod metric;
mod ngrams;
mod numpy_random;
mod paper_bleu;
mod real;
mod scorer;
mod signature;
mod significance;
mod ter;
mod text;
mod tokenize;

pub use alignment::{Alignment, AlignmentErrorRate, AlignmentErrorRateScore, BadAlignment, ReferenceAlignment};
pub use any_scorer::AnyScorer;
pub use bleu::{Bleu, BleuScore, Smoothing, TokenizedInput};
pub use chrf::{Chrf, ChrfScore};
pub use comparisons::Comparisons;
pub use confusion::Confusion;
pub use error::MetricError;
pub use error_rate::{ErrorRate, ErrorRateScore, JIWER_VERSION, Unit};
pub use exact_match::{ExactMatch, ExactMatchScore};
pub use metric::{BitsPerByte, Likelihood, Metric, Perplexity};
pub use ngrams::Scratch;
pub use paper_bleu::{PaperBleu, PaperBleuScore};
pub use real::{NumpyFloat, Real};
pub use scorer::{Accumulator, Scorer, Segment, Statistics};
pub use signature::{RefCount, SACREBLEU_VERSION, Signature};
pub use significance::{Comparison, DEFAULT_SEED, Estimate, Interval, PairedTest, Resampling, confidence_interval};
pub use ter::{Ter, TerScore};
pub use tokenize::{BleuTokenizer, Tokenize};
