//! An encoder of characters, without a vocabulary: CANINE (Clark et al. 2022, "CANINE: Pre-training an Efficient
//! Tokenization-Free Encoder for Language Representation").

mod config;
mod downsample;
mod embedding;
mod guessing;

pub use config::{CanineConfig, N_CODE_POINTS};
pub use downsample::{Downsampling, Upsampling};
pub use embedding::{HashedEmbedding, PRIMES, bucket};
pub use guessing::{CharacterDecoder, Guessing};

use attentive_attention::{AttentionContext, Blocks, Dropout, Embedding, Linear, Mask, Norm, Positions};
use attentive_backend::ops;
use attentive_core::{TokenId, TokenMatrix};
use burn::{
    module::{Module, Param},
    tensor::{Device, Int, Tensor, TensorData},
};

use crate::{
    EncoderModel, Encoding, Heads, HiddenTokens, PoolerActivation, Stack,
    bert::{MaskedLmHead, Pooler},
    tokens::segment_tensor,
};
use downsample::n_molecules;

/// Hashed embeddings of characters, a local layer, a deep stack over a quarter of the positions, and a last layer over all
/// characters, with the heads on them.
///
/// ```
/// use attentive_backend::BackendKind;
/// use attentive_core::TokenMatrix;
/// use attentive_model::{CanineConfig, EncoderModel, ModelSpec};
///
/// let device = BackendKind::Flex.device()?;
/// let config = CanineConfig { n_buckets: 32, max_len: 32, ..CanineConfig::canine_like([2, 2, 16]) };
/// let model = config.init(&device, 1)?;
/// let text: Vec<u32> = "any text".chars().map(u32::from).collect();
/// let encoding = model.encode(&TokenMatrix::from_rows(&[text], 0, 0), &[0; 8], None);
/// assert_eq!(encoding.hidden.dims(), [1, 8, 16]);
/// assert_eq!(model.pooled(&encoding).unwrap().dims(), [1, 16]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Module, Debug)]
pub struct Canine {
    /// Embeddings of characters.
    pub embedding: HashedEmbedding,
    /// Positions of characters.
    pub positions: Positions,
    /// Segment embeddings.
    pub segments: Embedding,
    /// Norm of the sum of the three.
    pub norm: Norm,
    /// The first layer of characters, which attend to their own block.
    pub local: Stack,
    /// From characters to molecules.
    pub downsampling: Downsampling,
    /// The deep stack of molecules.
    pub encoder: Stack,
    /// From molecules to characters.
    pub upsampling: Upsampling,
    /// The last layer of characters, which attend to all.
    pub last: Stack,
    /// Makes one vector of a row.
    pub pooler: Option<Linear>,
    /// Guesses hidden characters.
    pub masked_lm: Option<MaskedLmHead>,
    /// A vector for each subword, if these are guessed: `[subwords, d_model]`.
    pub subwords: Option<Param<Tensor<2>>>,
    /// Makes what this head reads, if characters are guessed one after another.
    pub autoregressive: Option<CharacterDecoder>,
    /// Predicts whether the second segment follows the first.
    pub next_sentence: Option<Linear>,
    /// Predicts the class of a row.
    pub classifier: Option<Linear>,
    /// Probability with which embeddings are dropped.
    pub dropout: f64,
    #[module(skip)]
    block: usize,
    #[module(skip)]
    rate: usize,
    #[module(skip)]
    alphabet: Vec<TokenId>,
}

impl Canine {
    /// Characters after the first layer, in which they attend to their own block: `[rows, seq]` to `[rows, seq,
    /// d_model]`.
    ///
    /// # Panics
    /// As [`encode`](EncoderModel::encode).
    pub fn characters(&self, tokens: &TokenMatrix, segments: &[u8], pass: Option<&Dropout>) -> Tensor<3> {
        let (shape, device) = ([tokens.n_rows(), tokens.n_cols()], self.device());
        let positions = self.positions.encodings(0, tokens.n_cols(), &device).map(Tensor::unsqueeze);
        let x = ops::dropout(self.embed(tokens.ids(), segments, shape, positions), self.dropout, pass);
        let blocks = Blocks::new(shape, self.block);
        let padding: AttentionContext = blocks.padding(tokens.lengths(), &device).into();
        blocks.unfold(self.local.forward(blocks.fold(x), &padding, pass))
    }

    /// What the first layer reads of characters: the norm of the sum of their embeddings, positions and segments.
    /// `[rows, seq]` to `[rows, seq, d_model]`.
    fn embed(&self, ids: &[TokenId], segments: &[u8], shape: [usize; 2], positions: Option<Tensor<3>>) -> Tensor<3> {
        let segments = segment_tensor(segments, shape, &self.device());
        let segments = ops::embedding(self.segments.weight.val(), segments, None, 1.0, 0.0, None);
        let x = self.embedding.forward(ids, shape);
        let x = match positions {
            Some(positions) => x + positions,
            None => x,
        };
        self.norm.after_residual(x, segments, 0.0, None)
    }

    /// Encodings of some columns, `[rows · n]` to `[rows, n, d_model]`, if positions are added.
    fn positions_at(&self, columns: &[usize], [rows, n]: [usize; 2]) -> Option<Tensor<3>> {
        let device = self.device();
        let end = columns.iter().max().map_or(0, |last| last + 1);
        let encodings = self.positions.encodings(0, end, &device)?;
        let [_, d_model] = encodings.dims();
        let columns: Vec<i64> = columns.iter().map(|&column| column as i64).collect();
        let columns = Tensor::<1, Int>::from_data(TensorData::new(columns, [rows * n]), &device);
        Some(encodings.select(0, columns).reshape([rows, n, d_model]))
    }

    /// Reads rows after whose ends the convolutions see padding, up to `extents` characters of each row.
    ///
    /// [`encode`](EncoderModel::encode) ends every row where its text ends, so a row's result does not depend on its
    /// batch. The model of transformers treats every row of a batch as long as the longest, so its molecules and its
    /// last characters depend on the padding after them. With an extent of all columns this is that model
    /// (docs/deviations.md#padding-in-canine).
    ///
    /// # Panics
    /// If a row has more characters than positions, there are fewer segments than characters, or an extent is below its
    /// row's length or beyond the columns.
    pub fn encode_padded(
        &self,
        tokens: &TokenMatrix,
        segments: &[u8],
        extents: &[usize],
        pass: Option<&Dropout>,
    ) -> Encoding {
        let (rows, seq, lengths) = (tokens.n_rows(), tokens.n_cols(), tokens.lengths());
        let fits = |(&extent, &length): (&usize, &usize)| (length..=seq).contains(&extent);
        assert!(extents.len() == rows && extents.iter().zip(lengths).all(fits), "extents {extents:?} of {rows} rows");
        let device = self.device();
        let padding = |lengths: &[usize], n: usize| AttentionContext::from(Mask::padding(lengths, n, &device));

        let characters = self.characters(tokens, segments, pass); // [rows, seq, d_model]
        let molecules = self.downsampling.forward(characters.clone());
        let [_, n, d_model] = molecules.dims();
        let in_use =
            |(length, &extent): (&usize, &usize)| length.div_ceil(self.rate).min(n_molecules(extent, self.rate));
        let in_use: Vec<usize> = lengths.iter().zip(extents).map(in_use).collect();
        let molecules = self.encoder.forward(molecules, &padding(&in_use, n), pass); // [rows, molecules, d_model]

        let cls = molecules.clone().narrow(1, 0, 1).reshape([rows, d_model]);
        let characters = self.upsampling.forward(characters, molecules, extents, self.rate, pass);
        Encoding { hidden: self.last.forward(characters, &padding(lengths, seq), pass), cls }
    }
}

impl EncoderModel for Canine {
    fn encode(&self, tokens: &TokenMatrix, segments: &[u8], pass: Option<&Dropout>) -> Encoding {
        self.encode_padded(tokens, segments, tokens.lengths(), pass)
    }

    fn heads(&self) -> Heads<'_> {
        Heads {
            pooler: self.pooler.as_ref().map(|map| Pooler {
                map,
                activation: PoolerActivation::Tanh,
                norm: None,
                of_tokens: false,
            }),
            masked_lm: self.masked_lm.as_ref(),
            next_sentence: self.next_sentence.as_ref(),
            classifier: self.classifier.as_ref(),
            token_classifier: None,
            spans: None,
            dropout: self.dropout,
        }
    }

    /// The embeddings of the alphabet: the projection that guesses characters is tied to the embeddings that read them.
    /// Subwords, which are not read, have vectors of their own.
    fn projection(&self) -> Tensor<2> {
        if let Some(subwords) = &self.subwords {
            return subwords.val();
        }
        let n = self.alphabet.len();
        let embeddings = self.embedding.forward(&self.alphabet, [1, n]);
        let [_, _, d_model] = embeddings.dims();
        embeddings.reshape([n, d_model])
    }

    fn alphabet(&self) -> Option<&[TokenId]> {
        self.subwords.is_none().then_some(&self.alphabet[..])
    }

    fn guesses_in_order(&self) -> bool {
        self.autoregressive.is_some()
    }

    fn vectors_of_hidden(&self, encoding: &Encoding, hidden: HiddenTokens<'_>, pass: Option<&Dropout>) -> Tensor<2> {
        match &self.autoregressive {
            Some(decoder) => decoder.forward(self, encoding, hidden, pass),
            None => encoding.at(hidden.places),
        }
    }

    fn max_len(&self) -> Option<usize> {
        self.positions.max_len()
    }

    fn device(&self) -> Device {
        self.embedding.weight.device()
    }
}
