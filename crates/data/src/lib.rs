//! Corpora, length buckets and token-count batches.
//!
//! Text files become batches in three steps, each of which works on a corpus larger than memory:
//!
//! 1. [`ParallelFiles`] names the files (plain or compressed; two sides or tab-separated) and
//!    [`ParallelFiles::pairs`] streams their sentence pairs, checked by [`CorpusRules`]. What is wrong is
//!    counted in a [`CorpusReport`], by line.
//! 2. [`EncodedCorpus`] holds the token ids, in memory or in a token file.
//! 3. [`PairBatcher`] cuts them into batches of few distinct shapes, in a new order each epoch. The order is a
//!    function of (seed, epoch), so a [`Position`] of two numbers resumes it exactly. [`Endless`] makes of this, as of
//!    all [`Epochs`], the stream that a trainer reads.
//!
//! ```
//! use std::sync::Arc;
//! use attentive_core::Batch as _;
//! use attentive_data::{BatchConfig, BatchStream, EncodedCorpus, Endless, Epochs, Order, PairBatcher, Size, SpecialIds};
//!
//! let ids = |text: &str| text.split(' ').map(|word| 3 + word.len() as u32).collect();
//! let pairs = [("a tired animal", "ein müdes Tier"), ("the street", "die Straße"), ("no", "nein")];
//! let corpus = Arc::new(EncodedCorpus::from_text(pairs, |_side, text| ids(text))?);
//!
//! let config = BatchConfig { max_tokens: Size::Of(8), ..BatchConfig::default() };
//! let specials = SpecialIds { pad: 0, bos: 1, eos: 2, source_end: 2 };
//! let batcher = PairBatcher::new(corpus, &config, specials, Order::Shuffled { seed: 1 })?;
//! let seen: usize = batcher.epoch(0).map(|batch| batch.map(|b| b.n_rows())).sum::<Result<_, _>>()?;
//! assert_eq!(seen, 3);
//!
//! // Resuming needs nothing but the position.
//! let mut batches = Endless::new(&batcher);
//! batches.next_batch()?;
//! let mut rest = Endless::new(&batcher);
//! rest.seek(batches.position())?;
//! assert_eq!(batches.next_batch()?, rest.next_batch()?);
//! # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
//! ```
//!
//! Language models read one text instead of pairs: [`TextFiles`] stream documents, a [`TokenStream`] holds them as one row
//! of tokens, and a [`ContextBatcher`] cuts it into contexts of one length. Encoders read [`MaskedSentences`], some of whose
//! tokens are hidden, or [`LabeledRows`]; an [`ExampleBatcher`] makes batches of either. Encoder–decoders learn from one text
//! by [`SpanCorruption`], which a [`SpanBatcher`] makes batches by.
//!
//! Before all that, a [`CorpusFilter`] leaves out what a model should not learn from.

mod answers;
mod batch_config;
mod batches;
mod contexts;
mod documents;
mod encode;
mod encoded;
mod episodes;
mod error;
mod examples;
mod filter;
mod format;
mod json_line;
mod labeled;
mod language;
mod lines;
mod masked_lm;
mod masking;
mod members;
mod mixture;
mod pairs;
mod plan;
mod preferences;
mod report;
mod rows;
mod rules;
mod sentences;
mod shuffle;
mod size;
mod span_batches;
mod span_corruption;
mod subwords;
mod text_file;
mod token_cache;
mod token_file;
mod token_stream;
mod trajectories;
mod tsv;
mod utf16;
mod widths;

pub use answers::AnswerRows;
pub use attentive_core::{BatchStream, Endless, Epochs, Position};
pub use batch_config::{BatchConfig, TokenCount};
pub use batches::{Order, PairBatcher, PairEpoch, SpecialIds};
pub use contexts::{ContextBatcher, ContextEpoch, ContextOrder};
pub use documents::{DocumentUnit, Documents, Piece, TextFiles};
pub use encode::{EncodingPeers, Storage};
pub use encoded::{CorpusBuilder, EncodedCorpus, EncodedPair};
pub use episodes::{EpisodeShape, read_episodes};
pub use error::DataError;
pub use examples::{ExampleBatcher, ExampleEpoch, ExampleSet};
pub use filter::{
    CorpusFilter, CorpusRow, CorpusRows, Duplicates, FilterConfig, FilterExample, FilterReport, FilterRule,
    JudgedBlock, LeftOut, LengthUnit, Rejection,
};
pub use json_line::log_entries;
pub use labeled::{LabeledRows, LabeledText};
pub use language::{Detected, Language, LanguageDetector};
pub use lines::{Line, LineReader};
pub use masked_lm::{MaskedSentences, RowKind, RowPlan};
pub use masking::{Masking, MaskingConfig, MaskingUnit};
pub use mixture::Mixture;
pub use pairs::{Pairs, ParallelFiles, TextPair};
pub use plan::{BatchPlan, Shape};
pub use preferences::{AnswerRow, PreferenceRows};
pub use report::{CorpusReport, FileReport, Findings, Place, sha256_of};
pub use rows::Rows;
pub use rules::{CorpusRules, OnProblem, Problem, Side, Treatment};
pub use sentences::SentenceCorpus;
pub use shuffle::{derived_seed, permutation, seeded_rng};
pub use size::Size;
pub use span_batches::SpanBatcher;
pub use span_corruption::{SpanCorruption, SpanCorruptionConfig};
pub use subwords::Subwords;
pub use text_file::{open_bytes, standard_input};
pub use token_cache::{CacheUse, TokenCache};
pub use token_stream::TokenStream;
pub use trajectories::TrajectoryContexts;
pub use tsv::TsvLayout;
