//! Whisper: an encoder of spectrograms, and the decoder that writes what is said.

use attentive_attention::{NormConfig, NormPlacement, PositionsConfig, Sinusoids};
use attentive_core::{DeviceError, NextToken, Scores, Spectrograms, SpeechRecognizer, TokenId, Turn, Want};
use attentive_kernels::{ActivationKind, MatRef};
use attentive_model::WhisperConfig;
use attentive_weights::{Source, WeightsError};

use crate::{
    attention::{HeadDims, spans},
    decoder::{Decoder, State},
    layer::Linear,
    load::{Loader, Shape, StackPlan},
    shared::WeightPacking,
    stack::{Scratch, Stack},
};

/// Frames that a convolution sees at once.
const KERNEL: usize = 3;

/// Path of the matrix that projects to the vocabulary.
pub(crate) const PROJECTION_PATH: &str = "embedding";

/// The encoder–decoder of speech in use on the CPU: any [`WhisperConfig`].
#[derive(Debug)]
pub struct CpuWhisper {
    stem: Stem,
    /// `[positions, d_model]`.
    source_encodings: Vec<f32>,
    encoder: Stack,
    decoder: Decoder,
}

/// Two convolutions over three frames each, the second of which takes every other frame, each followed by GELU.
///
/// A frame and its neighbours lie side by side already, so that a convolution is a product with rows that overlap.
#[derive(Debug)]
struct Stem {
    first: Linear,
    second: Linear,
}

impl Stem {
    /// Appends to `x`, `[..., d_model]`, a vector for every other one of the frames of `sound`, `[frames, mels]`.
    fn append(&self, sound: &[f32], x: &mut Vec<f32>) {
        let (n_mels, d_model) = (self.first.weight.dims()[0] / KERNEL, self.first.d_out());
        let n_frames = sound.len() / n_mels;
        // With a frame of zeros before the first and after the last, and one more so that their number is even.
        let padded = |d: usize| vec![0.0; (n_frames + 3) * d];
        let (mut frames, mut hidden, half) = (padded(n_mels), padded(d_model), n_frames.div_ceil(2));
        frames[n_mels..][..sound.len()].copy_from_slice(sound);
        convolve(&self.first, &frames, n_mels, &mut hidden[d_model..][..n_frames * d_model]);
        let first = x.len();
        x.resize(first + half * d_model, 0.0);
        convolve(&self.second, &hidden, 2 * d_model, &mut x[first..]);
    }
}

/// `y = gelu(conv(x))`, where the rows of `x` begin every `step` values, for as many as `y` has room for.
fn convolve(kernel: &Linear, x: &[f32], step: usize, y: &mut [f32]) {
    let [d_in, d_out] = kernel.weight.dims();
    let rows = MatRef::strided(x, [y.len() / d_out, d_in], [step, 1]);
    kernel.multiply(rows, y, false, ActivationKind::Gelu);
}

impl CpuWhisper {
    /// Packs parameters, named as those of `attentive_model::Whisper`.
    ///
    /// # Errors
    /// [`WeightsError::Mismatch`] lists parameters that are missing, left over, or of another shape; any other is that of
    /// a parameter that can't be read.
    pub fn new(
        config: &WhisperConfig,
        params: &dyn Source,
        packing: impl Into<WeightPacking>,
    ) -> Result<Self, WeightsError> {
        // Every field by name, so that a new one must be followed.
        let WhisperConfig {
            vocab_size,
            n_mels,
            d_model,
            d_ff,
            n_heads,
            n_encoder_layers,
            n_decoder_layers,
            max_source_len,
            max_target_len,
            dropout: _,
            attention_dropout: _,
            activation_dropout: _,
            activation,
        } = *config;
        let d_k = d_model / n_heads.max(1);
        let NormConfig { kind: norm_kind, epsilon, .. } = NormConfig::layer(d_model);
        let shape = Shape {
            d_model,
            d_ff,
            dims: HeadDims {
                heads: n_heads,
                kv_heads: n_heads,
                d_k,
                d_v: d_k,
                scale: 1.0 / (d_k as f32).sqrt(),
                cap: None,
            },
            activation: activation.into(),
            gated: false,
            bias: true,
            qkv_bias: true,
            key_bias: false,
            qk_norm: false,
            parallel: false,
            placement: NormPlacement::Pre,
            norm_kind,
            epsilon,
            // Those of the encoder are added to its frames, and have no parameters.
            positions: PositionsConfig::FairseqSinusoidal { first: 0 },
            window: None,
            window_rotary: None,
        };
        let mut loader = Loader::new(params, shape, packing.into());
        let encoder = StackPlan {
            path: "encoder",
            positions: "source_positions",
            n_layers: n_encoder_layers,
            causal: false,
            cross: false,
            full_layers: &[],
            first_norm: true,
            pruned: None,
        };
        let decoder = StackPlan { path: "decoder", n_layers: n_decoder_layers, causal: true, cross: true, ..encoder };
        let learned = PositionsConfig::Learned { max_len: max_target_len };
        let model = Self {
            stem: Stem {
                first: loader.linear("stem.first", [KERNEL * n_mels, d_model], true),
                second: loader.linear("stem.second", [KERNEL * d_model, d_model], true),
            },
            source_encodings: Sinusoids::fairseq(d_model, 0).values(0, max_source_len),
            encoder: loader.stack(encoder),
            decoder: Decoder {
                projection: loader.projection(PROJECTION_PATH, vocab_size),
                embedding: loader.embedding("embedding", vocab_size, 1.0, true),
                norm: None,
                stack: Stack {
                    positions: loader.positions(&learned, "target_positions", true),
                    ..loader.stack(decoder)
                },
            },
        };
        loader.finish()?;
        Ok(model)
    }
}

impl SpeechRecognizer for CpuWhisper {
    fn listen(&self, sound: &Spectrograms) -> State {
        let [rows, n_frames, n_mels] = sound.shape();
        let (d_model, src) = (self.decoder.embedding.d_model, n_frames.div_ceil(2));
        assert_eq!(KERNEL * n_mels, self.stem.first.weight.dims()[0], "the bins of a frame");
        let encodings = &self.source_encodings[..src * d_model];
        let mut scratch = Scratch::default();
        for row in sound.values().chunks_exact(n_frames * n_mels) {
            let first = scratch.x.len();
            self.stem.append(row, &mut scratch.x);
            scratch.x[first..].iter_mut().zip(encodings).for_each(|(x, encoding)| *x += encoding);
        }
        let recordings = spans(std::iter::repeat_n(src, rows));
        self.encoder.read(&mut scratch, &recordings);
        let memory = self.decoder.stack.project_memory(&scratch.x, recordings).packed();
        self.decoder.start(memory, &[rows]).swap_remove(0)
    }
}

impl NextToken for CpuWhisper {
    type State = State;

    fn vocab_size(&self) -> usize {
        self.decoder.projection.vocab_size()
    }

    fn max_len(&self) -> Option<usize> {
        self.decoder.stack.positions.max_len()
    }

    fn advance(&self, tokens: &[TokenId], state: &mut State, want: Want) -> Result<Scores, DeviceError> {
        Ok(self.decoder.advance(tokens, state, want))
    }

    fn advance_together(&self, turns: &mut [Turn<'_, State>]) -> Result<Vec<Scores>, DeviceError> {
        Ok(self.decoder.advance_together(turns))
    }

    fn reorder(&self, state: &mut State, parents: &[usize]) {
        state.reorder(parents);
    }
}
