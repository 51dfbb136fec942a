//! Training tasks: what is learnt, from what, by which models.
//!
//! A [`Task`] is data, a model, an objective and scores: all that differs between translation, language modelling, masked
//! tokens, classes of texts and of pictures, hidden spans, actions and speech. Its settings are in [`config`], [`prepare`] reads its
//! data and hands it to a [`TaskVisitor`], and what it has to say goes to a [`Log`]. Nothing here prints, and nothing knows
//! of folders of runs: that is `attentive-run`'s.
//!
//! ```
//! use attentive_task::config::{TokenizerKind, TokenizerRecipe};
//!
//! let recipe = TokenizerRecipe { kind: TokenizerKind::Characters, ..TokenizerRecipe::default() };
//! let lines = ["the cat", "the dog"].map(|line| Ok::<_, attentive_task::Error>(line.to_owned()));
//! let (tokenizer, _) = recipe.train(false, lines)?;
//! assert_eq!(tokenizer.decode(&tokenizer.encode("the god"))?, "the god");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![recursion_limit = "256"]

/// `Debug` of a task: its model's configuration, without the data.
macro_rules! debug_by_config {
    ($task:ident) => {
        impl<F: std::fmt::Debug> std::fmt::Debug for $task<F> {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_struct(stringify!($task)).field("config", &self.config).finish_non_exhaustive()
            }
        }
    };
}

#[macro_use]
mod error;
#[macro_use]
mod log;

mod causal_lm;
mod classification;
mod comparisons;
pub mod config;
mod conversations;
mod corpus;
mod data2vec;
mod directions;
mod distillation;
mod encoder_text;
mod episodes;
mod examination;
mod example;
mod filter;
mod folder;
mod image_classification;
mod labeled;
mod least_risk;
mod line_file;
mod lines;
mod long_lines;
mod masked_lm;
mod pictures;
mod preference_lines;
mod preferences;
mod prepared;
mod score;
mod scored_lines;
mod segments;
mod sentence_piece;
mod shared;
mod shared_blocks;
mod shortlist;
mod sizes;
mod span_corruption;
mod speech;
mod start;
mod statistics;
mod synthetic;
mod task;
mod text;
mod tokens;
mod trajectories;
mod translation;

pub use attentive_data::standard_input;
pub use causal_lm::CausalLm;
pub use classification::Classification;
pub use comparisons::comparisons_json;
pub use conversations::Conversations;
pub use corpus::{Corpus, Directed, Split};
pub use data2vec::{Pretraining, Unlabelled, of_model};
pub use distillation::{OfWords, Taught, TaughtBatch};
pub use episodes::{Episodes, describe as describe_episodes};
pub use error::{Context, Error, Result, with_causes};
pub use examination::{examine, examine_labels};
pub use example::shell_path;
pub use filter::{Filtering, PairScoring, filter_rules, in_languages};
pub use folder::{open_model, open_with_adapter, read_model, resolve};
pub use image_classification::ImageClassification;
pub use labeled::{LabeledPart, LabeledTexts};
pub use least_risk::{BadLikeness, Likeness, least_risk};
pub use line_file::LineFile;
pub use lines::{At, Blocks, Line, Lines, MAX_LINE_BYTES, read_document, read_text};
pub use log::{Log, WarningsOnly, binary_size, clock, in_words, thousands};
pub use long_lines::{LongLines, OnLong, Translated, on_one_line};
pub use masked_lm::MaskedLm;
pub use pictures::share_pictures;
pub use preferences::Preferences;
pub use prepared::{TaskVisitor, prepare};
pub use score::{
    bleu_of, encode, likelihood, likelihood_by, likelihood_of, pronoun_accuracy, special_ids, translate_all,
};
pub use scored_lines::score_lines;
pub use segments::{Segments, check_aligned};
pub use sentence_piece::{sentence_piece_bleu, sentence_piece_signature};
pub use shared::{ended, together};
pub use shared_blocks::{of_first, share_blocks};
pub use shortlist::ShortlistLearning;
pub use sizes::Sizes;
pub use span_corruption::Infilling;
pub use speech::{RecordingPart, Recordings, SpeechRecognition, Window};
pub use start::Start;
pub use statistics::{TokenCounter, TokenStatistics};
pub use synthetic::{Synthesis, SyntheticPairs, SyntheticReport, refuse_one_file_twice, refuse_overwriting};
pub use task::{Resizable, Task, initial};
pub use text::{TextSource, Texts};
pub use trajectories::Trajectories;
pub use translation::Translation;
