//! Errors of bundles, and of texts that are to be read or translated.

use std::path::PathBuf;

use attentive_core::DeviceError;
use attentive_decode::DecodeError;
use attentive_engine::WeightFormat;
use attentive_model::{ConfigError, Role};
use attentive_tokenizer::{FrameError, TokenizerError};
use attentive_vision::VisionError;
use attentive_weights::WeightsError;

use crate::TooLong;

/// Why a folder does not load as a model, or can't be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BundleError {
    /// The folder is not there.
    #[error("there is no model at {path}; name the folder of one, or train it first with `attentive train`", path = path.display())]
    NoFolder {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// The path is of something else.
    #[error("{path} is {what}", path = path.display())]
    Other {
        /// The path.
        path: PathBuf,
        /// What it is, and what to name instead.
        what: String,
    },
    /// A part is missing.
    #[error("{path} is missing from the model's folder; copy the whole folder, or train again", path = path.display())]
    MissingPart {
        /// The file.
        path: PathBuf,
    },
    /// A run's folder that has checkpoints, and no model yet.
    #[error(
        "{path} is a run that is not finished: go on with `attentive train --resume {path}`, or make a model of what it \
         has learnt so far with `attentive average {path} --checkpoint last --out DIR` (last, best, or a step)",
        path = path.display()
    )]
    Unfinished {
        /// The run's folder.
        path: PathBuf,
    },
    /// A checkpoint's folder.
    #[error(
        "{path} is a checkpoint of a run: make a model of it with `attentive average {run} --checkpoint {step} --out DIR`",
        path = path.display(),
        run = run.display()
    )]
    Checkpoint {
        /// The checkpoint's folder.
        path: PathBuf,
        /// The run's folder.
        run: PathBuf,
        /// The update after which it was written.
        step: u64,
    },
    /// A part can't be read or written.
    #[error("{path}: {cause}", path = path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        cause: std::io::Error,
    },
    /// A part is not what it should be.
    #[error("{path}: {problem}", path = path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// A file is not the one that was written.
    #[error(
        "{path} is not the file that was saved with this model: its sum is not the one in {record}; copy the whole folder \
         again (a run writes its own with `attentive train --resume`), or, if you changed it yourself, remove its line from \"files\" there",
        path = path.display(),
        record = crate::folder::RECORD
    )]
    Changed {
        /// The file.
        path: PathBuf,
    },
    /// A folder is there already.
    #[error("{path} is there already, and not empty; name a new folder, or ask for it to be replaced", path = path.display())]
    Exists {
        /// The folder.
        path: PathBuf,
    },
    /// A folder that is to be replaced holds more than a model.
    #[error("{path} holds {other}, which is not a part of a model; name another folder", path = path.display())]
    NotAModel {
        /// The folder.
        path: PathBuf,
        /// The name of what it holds.
        other: String,
    },
    /// A setting of `config.toml` is out of range.
    #[error("{path}: {table}.{cause}", path = path.display())]
    Setting {
        /// The file.
        path: PathBuf,
        /// The table that the setting is in.
        table: &'static str,
        /// What is wrong with it.
        #[source]
        cause: DecodeError,
    },
    /// The configuration is of no model.
    #[error("{path}: {cause}", path = path.display())]
    Config {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        cause: ConfigError,
    },
    /// A model whose weights do not become bytes.
    #[error(
        "{path} is a {family}; weights of 8 bits are supported for transformer, gpt, bert and whisper",
        path = path.display()
    )]
    NoBytes {
        /// The bundle's folder.
        path: PathBuf,
        /// Its family.
        family: &'static str,
    },
    /// Heads that can't leave the model.
    #[error("{path}: these heads can't leave: {cause}", path = path.display())]
    Heads {
        /// The bundle's folder.
        path: PathBuf,
        /// Why they can't.
        #[source]
        cause: ConfigError,
    },
    /// The model is of another family than what is asked of it.
    #[error(
        "{path} is a model of the family {family}, {role}; this takes {wanted}",
        path = path.display()
    )]
    Family {
        /// The bundle's folder.
        path: PathBuf,
        /// Its family.
        family: &'static str,
        /// What models of its family are for.
        role: Role,
        /// What is wanted.
        wanted: String,
    },
    /// The tokenizer can't be read or written.
    #[error(transparent)]
    Tokenizer(#[from] TokenizerError),
    /// The model has nothing that makes spectrograms of sound.
    #[error("{path} is a model without {file}: nothing says how sound becomes what it reads; import or train it again", path = path.display(), file = crate::folder::PROCESSOR)]
    NoSpeech {
        /// The bundle's folder.
        path: PathBuf,
    },
    /// The language of texts has to be said.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// The model neither reads nor writes text.
    #[error("{path} is a model without a tokenizer; what it reads is not text", path = path.display())]
    NoTokenizer {
        /// The bundle's folder.
        path: PathBuf,
    },
    /// What makes numbers of pictures is missing, or makes others than the model reads.
    #[error("{path}: {problem}", path = path.display())]
    Pictures {
        /// The bundle's folder.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// A special token has no place in the model's tables.
    #[error("{path}: the special token {id} is beyond the model's {entries} entries: they do not belong together", path = path.display())]
    SpecialBeyond {
        /// The tokenizer's file.
        path: PathBuf,
        /// The token.
        id: u32,
        /// Entries of the table that it is an id of.
        entries: usize,
    },
    /// The tokenizer is of another model.
    #[error(
        "{path} has {tokenizer} entries{side} and the model has {model}: they do not belong together",
        path = path.display()
    )]
    Vocabulary {
        /// The tokenizer's file.
        path: PathBuf,
        /// Which vocabulary, if there are two.
        side: &'static str,
        /// Entries of the tokenizer.
        tokenizer: usize,
        /// Entries of the model.
        model: usize,
    },
    /// The tokenizer has no id for a part that translation needs.
    #[error("the tokenizer has no {role} token, which translation needs")]
    NoSpecial {
        /// `padding`, `begin-of-sentence` or `end-of-sentence`.
        role: &'static str,
    },
    /// The tokenizer has no ids for what is hidden.
    #[error(
        "the tokenizer has neither a mask token nor sentinels, which mark what is hidden; fill takes a bert, or an \
         encoder–decoder that learnt to restore texts, as BART and T5 are"
    )]
    NoSentinels,
    /// The tokenizer has no id for a part of what encoders read.
    #[error(
        "the tokenizer has no {role} token, which an encoder needs; take the kind wordpiece, byte-level-bpe or code-points"
    )]
    NoFrame {
        /// `padding`, `beginning`, `ending` or `mask`.
        role: &'static str,
    },
    /// The weights can't be read, or are of another model.
    #[error(transparent)]
    Weights(#[from] WeightsError),
    /// Models that can't decide together.
    #[error(transparent)]
    Ensemble(#[from] DecodeError),
    /// A member of an ensemble has a tokenizer of its own.
    #[error(
        "{path} has another tokenizer than {first}, at the token {id}: only models of one vocabulary decide together",
        path = path.display(), first = first.display()
    )]
    OtherTokenizer {
        /// The member's folder.
        path: PathBuf,
        /// That of the first member.
        first: PathBuf,
        /// The first token that they do not share.
        id: u32,
    },
    /// A member of an ensemble has the vocabulary of the others, and reads texts in another way.
    #[error(
        "{path} cuts or frames texts in another way than {first}: only models of one tokenizer decide together",
        path = path.display(), first = first.display()
    )]
    OtherReading {
        /// The member's folder.
        path: PathBuf,
        /// That of the first member.
        first: PathBuf,
    },
    /// A model that is to draft has a vocabulary of its own.
    #[error(
        "{path} has another vocabulary than {of}, at the token {id}: only a model of the same vocabulary drafts for it",
        path = path.display(), of = of.display()
    )]
    OtherVocabulary {
        /// The folder of the model that is to draft.
        path: PathBuf,
        /// That of the model that it is to draft for.
        of: PathBuf,
        /// The first token that they do not share.
        id: u32,
    },
    /// Weights are packed on the CPU alone.
    #[error(
        "precision {format} is for the backend flex, and there for the families transformer, gpt and bert; leave \
         --precision out, or use --backend flex"
    )]
    WeightFormat {
        /// What was asked for.
        format: WeightFormat,
    },
    /// As [`WeightFormat`](Self::WeightFormat), where the model's own configuration asks for it.
    #[error(
        "{path}: decoding.precision is {format}, which is for the backend flex, and there for the families transformer, \
         gpt, bert and whisper; take --precision f32, or use --backend flex",
        path = path.display()
    )]
    OwnWeightFormat {
        /// The configuration.
        path: PathBuf,
        /// What it asks for.
        format: WeightFormat,
    },
}

/// Why texts can't be translated.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TranslateError {
    /// Texts are longer than the model has positions for.
    #[error("text {} has {}; split it into sentences", texts[0].0 + 1, texts[0].1)]
    TooLong {
        /// All texts that are, by their index; one at least.
        texts: Vec<(usize, TooLong)>,
    },
    /// No token can begin the translations of texts: the weights are not finite, for example.
    #[error("text {}: {}", texts[0] + 1, Self::NOTHING_FOLLOWS)]
    NothingFollows {
        /// All texts that are so, by their index; one at least.
        texts: Vec<usize>,
    },
    /// The beginning that a translation is held to is longer than the model has positions for.
    #[error("the prefix has {0}; shorten it")]
    LongPrefix(TooLong),
    /// The beginning that a translation is held to is longer than one may be.
    #[error(
        "the prefix has {n_tokens} tokens with the end after it, and a translation at most {max_len}; shorten it, or raise the maximum length"
    )]
    PrefixBeyond {
        /// Its length, with what is forced before it and the end.
        n_tokens: usize,
        /// [`DecodingConfig::max_len`](crate::DecodingConfig::max_len).
        max_len: usize,
    },
    /// A phrase that is required or forbidden has no words; or it, or a prefix, has words that the vocabulary does not
    /// have.
    #[error("the phrase {phrase:?} can't be written: it is blank, or has characters that the vocabulary lacks")]
    Unwritable {
        /// The phrase.
        phrase: String,
    },
    /// A phrase or a prefix is required, and a part of it forbidden.
    #[error(
        "{required:?} is required and {forbidden:?}, which is all or a part of it, forbidden: leave out one or the other"
    )]
    Contradiction {
        /// The one.
        required: String,
        /// The other.
        forbidden: String,
    },
    /// The languages of texts have to be said.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// A translation can't begin with two ids.
    #[error(
        "every translation begins with the id {first}, as the tokenizer says, and decoding.forced_first is {forced}: leave it out"
    )]
    ForcedTwice {
        /// What the tokenizer says.
        first: u32,
        /// What the settings say.
        forced: u32,
    },
    /// The model has a shortlist, and can't be held to it here.
    #[error(
        "the model's shortlist is followed on the backend flex alone, and there by the family transformer: leave it out \
         (--no-shortlist, or decoding.shortlist = false), or use --backend flex"
    )]
    Shortlist,
    /// A setting of the search.
    #[error(transparent)]
    Decode(#[from] DecodeError),
}

impl TranslateError {
    /// What is said of a text whose translation no token can begin.
    pub const NOTHING_FOLLOWS: &str =
        "no token can begin its translation: all are suppressed or impossible; are the weights finite?";
}

/// Why an encoder can't read a text as it was asked to.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EncodeError {
    /// The text is longer than the model has positions for.
    #[error("the text has {0}; shorten it")]
    TooLong(#[from] TooLong),
    /// There is more to guess than the vocabulary has tokens for.
    #[error("the text has {n_masks} masks, and the vocabulary has sentinels for {max}; fill in some of them first")]
    TooManyMasks {
        /// How many there are.
        n_masks: usize,
        /// How many there may be.
        max: usize,
    },
    /// The search failed.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// A picture can't become patches.
    #[error(transparent)]
    Vision(#[from] VisionError),
    /// The device failed.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// A vector does not go through a dense layer of the model.
    #[error("the pooled vector has {found} numbers, and the model's dense layer takes {expected}: pool in another way")]
    Width {
        /// What the layer takes.
        expected: usize,
        /// What there is.
        found: usize,
    },
    /// There is nothing to guess.
    #[error("the text has no [MASK]; write one in the place of a word")]
    NoMask,
    /// The question leaves no room for what it is asked of.
    #[error("the question has {n_tokens} tokens, and the model reads {max_len} with a part of the text; shorten it")]
    LongQuestion {
        /// Its length.
        n_tokens: usize,
        /// Tokens that are read at once.
        max_len: usize,
    },
    /// The model was not trained for this.
    #[error("the model has no head that {does}: it is a {family}, for {uses}; take one that was trained for it")]
    NoHead {
        /// What the head would do.
        does: &'static str,
        /// The model's family.
        family: &'static str,
        /// The commands that its heads are for.
        uses: String,
    },
}
