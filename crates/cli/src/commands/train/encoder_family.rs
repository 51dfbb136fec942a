//! What a family of encoders brings to the tasks that train one.

use anyhow::{Result, bail};
use attentive_backend::Device;
use attentive_bundle::ModelConfig;
use attentive_core::{FrameIds, TokenId};
use attentive_data::{Masking, MaskingConfig, SentenceCorpus};
use attentive_model::{Bert, BertConfig, Canine, CanineConfig, ConfigError, EncoderModel, canine::N_CODE_POINTS};
use attentive_tokenizer::Tokenizer;
use burn::module::Module;

/// The most characters that hidden ones are guessed among.
const MAX_ALPHABET: usize = 10_000;

/// Sizes and choices of an encoder alone: all that differs between families of them.
pub(crate) trait EncoderFamily: Clone + Into<ModelConfig> {
    /// The model that is trained.
    type Model: Module + EncoderModel + 'static;

    /// Takes the size of a vocabulary.
    ///
    /// # Errors
    /// The family reads no such tokens.
    fn set_vocab_size(&mut self, vocab_size: usize) -> Result<()>;

    /// Takes what the head for hidden tokens needs to know of the training text.
    fn study(&mut self, text: &SentenceCorpus);

    /// Takes the classes of a classifier, which becomes the only head.
    fn set_labels(&mut self, labels: Vec<String>);

    /// A line of a text as tokens, such that those of the next one may follow.
    fn encode_line(tokenizer: &dyn Tokenizer, line: &str) -> Vec<TokenId>;

    /// How tokens are hidden.
    fn masking(config: MaskingConfig, ids: FrameIds, vocab_size: usize, seed: u64) -> Masking;

    /// Whether a token is ever hidden.
    fn is_hidden(id: TokenId) -> bool;

    /// What hides a word, as a user writes it.
    fn masks(word: &str) -> String;

    /// The longest text, if there is a limit.
    fn max_len(&self) -> Option<usize>;

    /// A model with initial parameters.
    fn init(&self, device: &Device, seed: u64) -> Result<Self::Model, ConfigError>;

    /// Width of the model, which the Noam schedule wants.
    fn d_model(&self) -> usize;

    /// The model's sizes in a line.
    fn describe(&self) -> String;
}

impl EncoderFamily for BertConfig {
    type Model = Bert;

    fn set_vocab_size(&mut self, vocab_size: usize) -> Result<()> {
        self.vocab_size = vocab_size;
        Ok(())
    }

    fn study(&mut self, _text: &SentenceCorpus) {}

    fn set_labels(&mut self, labels: Vec<String>) {
        (self.pooler, self.masked_lm, self.next_sentence, self.labels) = (true, false, false, labels);
    }

    fn encode_line(tokenizer: &dyn Tokenizer, line: &str) -> Vec<TokenId> {
        tokenizer.encode(line)
    }

    fn masking(config: MaskingConfig, ids: FrameIds, vocab_size: usize, seed: u64) -> Masking {
        Masking::new(config, ids, vocab_size, seed)
    }

    fn is_hidden(_id: TokenId) -> bool {
        true
    }

    fn masks(_word: &str) -> String {
        "[MASK]".to_owned()
    }

    fn max_len(&self) -> Option<usize> {
        self.max_len()
    }

    fn init(&self, device: &Device, seed: u64) -> Result<Bert, ConfigError> {
        self.init(device, seed)
    }

    fn d_model(&self) -> usize {
        self.d_model
    }

    fn describe(&self) -> String {
        let Self { d_model, d_ff, n_heads, n_layers, .. } = self;
        format!("d_model {d_model}, d_ff {d_ff}, {n_heads} heads, {n_layers} layers")
    }
}

impl EncoderFamily for CanineConfig {
    type Model = Canine;

    fn set_vocab_size(&mut self, vocab_size: usize) -> Result<()> {
        if vocab_size != N_CODE_POINTS {
            bail!("tokenizer.kind: a canine reads code points: set \"code-points\", or path = \"canine\"");
        }
        Ok(())
    }

    /// Without an alphabet, the most frequent characters become one.
    fn study(&mut self, text: &SentenceCorpus) {
        if self.alphabet.is_empty() {
            let mut counts: Vec<(u64, TokenId)> = text.counts().into_iter().map(|(id, count)| (count, id)).collect();
            counts.sort_unstable_by(|a, b| b.cmp(a));
            let characters = counts.into_iter().filter_map(|(_, id)| char::from_u32(id));
            let mut characters: Vec<char> = characters.filter(|c| !c.is_whitespace()).take(MAX_ALPHABET).collect();
            characters.sort_unstable();
            self.alphabet = characters.into_iter().collect();
        }
    }

    fn set_labels(&mut self, labels: Vec<String>) {
        (self.pooler, self.masked_lm, self.next_sentence, self.labels) = (true, false, false, labels);
    }

    /// A space stands between lines.
    fn encode_line(tokenizer: &dyn Tokenizer, line: &str) -> Vec<TokenId> {
        match line.trim_end() {
            "" => Vec::new(),
            line => tokenizer.encode(&format!("{line} ")),
        }
    }

    fn masking(config: MaskingConfig, ids: FrameIds, _vocab_size: usize, seed: u64) -> Masking {
        Masking::words(config, ids, seed)
    }

    fn is_hidden(id: TokenId) -> bool {
        char::from_u32(id).is_some_and(|c| !c.is_whitespace())
    }

    fn masks(word: &str) -> String {
        "[MASK]".repeat(word.chars().count())
    }

    fn max_len(&self) -> Option<usize> {
        Some(self.max_len)
    }

    fn init(&self, device: &Device, seed: u64) -> Result<Canine, ConfigError> {
        self.init(device, seed)
    }

    fn d_model(&self) -> usize {
        self.d_model
    }

    fn describe(&self) -> String {
        let Self { d_model, d_ff, n_heads, n_layers, rate, .. } = self;
        format!("d_model {d_model}, d_ff {d_ff}, {n_heads} heads, 1+{n_layers}+1 layers, {rate} characters a molecule")
    }
}
