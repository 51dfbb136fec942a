//! Text to token ids and back, for every kind of vocabulary that Transformers use.
//!
//! Everything implements one object-safe trait, [`Tokenizer`]. A vocabulary is trained from text, or read from the files
//! of the original tools, with the same ids ([`open`] tells them apart); any of them is kept as one `tokenizer.json`
//! ([`save`], [`load`]).
//!
//! | kind | trained by | reads | text comes back |
//! |---|---|---|---|
//! | [`Bpe`] with `</w>` | [`BpeTrainer`] | codes of subword-nmt | exactly |
//! | [`ByteLevelBpe`] | [`ByteLevelBpeTrainer`] | GPT-2's and RoBERTa's two files | exactly |
//! | [`WordPiece`] | [`WordPieceTrainer`] | BERT's `vocab.txt` | normalised |
//! | [`SentencePiece`] | [`UnigramTrainer`] | `.model` files, Unigram and BPE | as the model normalises |
//! | [`Marian`] | | OPUS-MT's three files | as the model normalises |
//! | [`DictionaryBpe`] | | dictionaries of fairseq and OpenNMT-py with codes of subword-nmt or fastBPE | words with one space between |
//! | [`Bytes`] | | ByT5's ids | exactly |
//! | [`CodePoints`] | | CANINE's ids | exactly, four code points excepted |
//! | [`Characters`] | [`Characters::train`] | | but for unknown characters |
//! | [`WordPiece`], [`ByteLevelBpe`] | | Hugging Face's `tokenizer.json` of these kinds: [`from_tokenizer_json`] | as above |
//! | [`HuggingFace`] | | Hugging Face's `tokenizer.json` of all other kinds | as its decoder writes it |
//! | [`WithAddedTokens`] | | any of these with tokens added to its vocabulary | as above |
//!
//! For training there is subword regularisation, BPE-dropout and Unigram sampling: [`Tokenizer::sample`].
//!
//! ```
//! use attentive_tokenizer::{BpeTrainer, Tokenizer};
//!
//! let lines = ["the animal was too tired", "the street was too wide", "the animal was wide awake"];
//! let tokenizer = BpeTrainer::with_merges(60).train(lines)?;
//! let ids = tokenizer.encode("the street, too: wide ☃");
//! assert_eq!(tokenizer.decode(&ids)?, "the street, too: wide ☃");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod added;
mod bpe;
mod byte_level;
mod bytes;
mod characters;
mod code_points;
mod dictionary_bpe;
mod error;
mod extension;
mod file;
mod files;
mod formats;
mod framing;
mod hugging_face;
mod lists;
mod m2m100;
mod marian;
mod merge_learner;
mod merges;
mod open;
mod patterns;
mod place;
mod sampling;
mod sentencepiece;
mod specials;
mod subword_nmt;
mod target_languages;
mod tokenizer;
mod tokenizer_json;
mod training;
mod trie;
mod unigram_json;
mod vocabulary;
mod white_space;
mod word_cache;
mod wordpiece;

pub use added::{AddedToken, WithAddedTokens};
pub use bpe::{Bpe, BpeTrainer, PreToken, PreTokenization};
pub use byte_level::{ByteLevelBpe, ByteLevelBpeTrainer};
pub use bytes::Bytes;
pub use characters::Characters;
pub use code_points::CodePoints;
pub use dictionary_bpe::DictionaryBpe;
pub use error::{TokenizerError, UnknownId};
pub use extension::{ExtensionError, with_tokens};
pub use file::{Model, load, save, with_sentinels};
pub use formats::stand_in;
pub use framing::{Frame, FrameError, Framed, Framing, Languages, PairFrame};
pub use hugging_face::HuggingFace;
pub use lists::Lists;
pub use m2m100::M2m100;
pub use marian::Marian;
pub use open::{OpenOptions, Opened, open};
pub use place::Place;
pub use sampling::{SampleStrength, StrengthError, check_strength};
pub use sentencepiece::{SentencePiece, UnigramTrainer};
pub use specials::Specials;
pub use subword_nmt::subword_nmt;
pub use target_languages::with_languages;
pub use tokenizer::{Token, TokenId, Tokenizer};
pub use tokenizer_json::from_tokenizer_json;
pub use training::TrainingReport;
pub use wordpiece::{Segments, WordPiece, WordPieceTrainer};
