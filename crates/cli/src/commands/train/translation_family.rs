//! What a family of models brings to translation.

use anyhow::{Error, Result, anyhow};
use attentive_backend::Device;
use attentive_bundle::{ModelConfig, TranslationModel};
use attentive_model::{CellKind, ConfigError, Rnn, RnnConfig, TeacherForced, Transformer, TransformerConfig};
use burn::module::Module;

/// Sizes and choices of an encoder–decoder: all that differs between families that translate.
pub(crate) trait TranslationFamily: Clone + Sync + Into<ModelConfig> {
    /// The model that is trained.
    type Model: Module + TeacherForced;

    /// Takes the size of a joint vocabulary.
    fn set_vocab_size(&mut self, vocab_size: usize);

    /// The longest sentence that the model has positions for, if there is a limit.
    fn max_len(&self) -> Option<usize>;

    /// A model with initial parameters.
    fn init(&self, device: &Device, seed: u64) -> Result<Self::Model, ConfigError>;

    /// Width of the model, which the Noam schedule wants.
    fn d_model(&self) -> usize;

    /// The model's sizes in a line.
    fn describe(&self) -> String;

    /// The form of a model that its device runs best.
    fn translation_model(&self, model: Self::Model) -> Result<TranslationModel>;
}

/// What is wrong with a recipe whose model is of a family that does not translate.
pub(crate) fn no_translator(model: &ModelConfig) -> Error {
    anyhow!("model.family: translation trains a transformer or an rnn, not a {}", model.family())
}

impl TranslationFamily for TransformerConfig {
    type Model = Transformer;

    fn set_vocab_size(&mut self, vocab_size: usize) {
        (self.source_vocab_size, self.target_vocab_size) = (vocab_size, vocab_size);
    }

    fn max_len(&self) -> Option<usize> {
        self.positions.max_len()
    }

    fn init(&self, device: &Device, seed: u64) -> Result<Transformer, ConfigError> {
        self.init(device, seed)
    }

    fn d_model(&self) -> usize {
        self.d_model
    }

    fn describe(&self) -> String {
        let Self { d_model, d_ff, n_heads, n_encoder_layers, n_decoder_layers, .. } = self;
        format!("d_model {d_model}, d_ff {d_ff}, {n_heads} heads, {n_encoder_layers}+{n_decoder_layers} layers")
    }

    fn translation_model(&self, model: Transformer) -> Result<TranslationModel> {
        Ok(TranslationModel::new(model, self)?)
    }
}

impl TranslationFamily for RnnConfig {
    type Model = Rnn;

    fn set_vocab_size(&mut self, vocab_size: usize) {
        (self.source_vocab_size, self.target_vocab_size) = (vocab_size, vocab_size);
    }

    fn max_len(&self) -> Option<usize> {
        None
    }

    fn init(&self, device: &Device, seed: u64) -> Result<Rnn, ConfigError> {
        self.init(device, seed)
    }

    fn d_model(&self) -> usize {
        self.d_hidden
    }

    fn describe(&self) -> String {
        let Self { d_embedding, d_hidden, n_encoder_layers, n_decoder_layers, .. } = self;
        let cell = match self.cell {
            CellKind::Lstm => "LSTM",
            CellKind::Gru => "GRU",
        };
        format!("{cell}, d_embedding {d_embedding}, d_hidden {d_hidden}, {n_encoder_layers}+{n_decoder_layers} layers")
    }

    fn translation_model(&self, model: Rnn) -> Result<TranslationModel> {
        Ok(TranslationModel::Recurrent(Box::new(model)))
    }
}
