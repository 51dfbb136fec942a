//! How hidden characters are guessed: each by itself, or one after another.

use std::ops::Range;

use attentive_attention::{Activation, AttentionContext, Dropout, Initializer, Linear, Mask};
use attentive_backend::ops;
use burn::{
    module::Module,
    tensor::{Int, Tensor, TensorData},
};
use serde::{Deserialize, Serialize};

use super::Canine;
use crate::{BlockConfig, Encoding, HiddenTokens, Stack};

/// How hidden characters are guessed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Guessing {
    /// Each by itself, as BERT guesses tokens.
    #[default]
    Independent,
    /// One after another, in a shuffled order, each with those before it in sight, as CANINE-C is pre-trained (Clark et
    /// al. 2022, "Autoregressive Character Loss").
    Autoregressive,
    /// Subwords, each at its first character and by itself, as CANINE-S is pre-trained (Clark et al. 2022, "Subword
    /// Loss").
    Subwords,
}

impl Guessing {
    /// Whether it is the one where nothing is said.
    pub(crate) fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// One layer over the hidden characters of each row, in the order in which they are guessed. Each sees those before it and
/// not itself (Clark et al. 2022, "Autoregressive Character Loss"; docs/deviations.md#characters-one-after-another).
///
/// The input of a step is the encoder's vector of the character that is to be guessed, and the embedding of the one that
/// was guessed before: joined by a dense layer, plus the position of the step's own character.
#[derive(Module, Debug)]
pub struct CharacterDecoder {
    /// The embedding of the character before, and the vector of this one: `2 d_model` to `d_model`.
    pub joint: Linear,
    /// The layer, in which a step sees the steps before it.
    pub layer: Stack,
    #[module(skip)]
    activation: Activation,
}

/// The steps of a batch: a sequence for each row with hidden characters, all as long as the longest.
struct Steps {
    /// Places of each row's hidden characters in the batch's list of them.
    sequences: Vec<Range<usize>>,
    /// Steps of a sequence.
    n: usize,
}

impl Steps {
    /// # Panics
    /// If nothing is hidden.
    fn new(hidden: &HiddenTokens<'_>) -> Self {
        let seq = hidden.ids.n_cols() as u32;
        let mut end = 0;
        let sequences = hidden.places.chunk_by(|a, b| a / seq == b / seq).map(|of_row| {
            end += of_row.len();
            end - of_row.len()..end
        });
        let sequences: Vec<Range<usize>> = sequences.collect();
        let n = sequences.iter().map(Range::len).max().expect("something is hidden");
        Self { sequences, n }
    }

    fn shape(&self) -> [usize; 2] {
        [self.sequences.len(), self.n]
    }

    /// The hidden character of each step, and the one before it in its sequence; at the end of shorter sequences, which no
    /// other step sees, the last one again.
    fn characters(&self) -> impl Iterator<Item = (usize, Option<usize>)> {
        self.sequences.iter().flat_map(|sequence| {
            (0..self.n).map(|step| {
                let at = (sequence.start + step).min(sequence.end - 1);
                (at, (step > 0).then(|| at.saturating_sub(1)))
            })
        })
    }

    /// The steps that guess something, in the order of the batch's hidden characters.
    fn in_use(&self) -> Vec<i64> {
        let steps = self.sequences.iter().enumerate();
        steps.flat_map(|(row, sequence)| (0..sequence.len()).map(move |step| (row * self.n + step) as i64)).collect()
    }
}

impl CharacterDecoder {
    pub(super) fn new(d_model: usize, layer: &BlockConfig, activation: Activation, init: &Initializer) -> Self {
        Self { joint: Linear::new(2 * d_model, d_model, true, init), layer: layer.stack(1, init), activation }
    }

    /// What each hidden character is guessed from: `[places, d_model]`.
    pub(super) fn forward(
        &self,
        model: &Canine,
        encoding: &Encoding,
        hidden: HiddenTokens<'_>,
        pass: Option<&Dropout>,
    ) -> Tensor<2> {
        let steps = Steps::new(&hidden);
        let ([rows, n], seq) = (steps.shape(), hidden.ids.n_cols() as u32);
        let (places, before): (Vec<u32>, Vec<(u32, u32)>) = steps
            .characters()
            .map(|(at, before)| {
                let place = hidden.places[at];
                // The first step has the row's first token before it, which the encoder has read.
                let first = place - place % seq;
                let before = before.map_or_else(
                    || (first, hidden.ids.ids()[first as usize]),
                    |before| (hidden.places[before], hidden.tokens[before]),
                );
                (place, before)
            })
            .unzip();
        let (places_before, ids): (Vec<u32>, Vec<u32>) = before.into_iter().unzip();
        let columns = |places: &[u32]| places.iter().map(|place| (place % seq) as usize).collect::<Vec<_>>();
        let segments: Vec<u8> = places_before.iter().map(|&place| hidden.segments[place as usize]).collect();

        let before = model.embed(&ids, &segments, [rows, n], model.positions_at(&columns(&places_before), [rows, n]));
        let before = ops::dropout(before, model.dropout, pass); // [rows, n, d_model]
        let [_, _, d_model] = before.dims();
        let vectors = encoding.at(&places).reshape([rows, n, d_model]);
        let x = self.joint.forward(Tensor::cat(vec![before, vectors], 2));
        let x = ops::activation(x, self.activation, 0.0, None);
        let x = match model.positions_at(&columns(&places), [rows, n]) {
            Some(positions) => x + positions,
            None => x,
        };
        let x = self.layer.forward(x, &AttentionContext::from(Mask::causal()), pass);
        let in_use = steps.in_use();
        let in_use = Tensor::<1, Int>::from_data(TensorData::new(in_use, [hidden.places.len()]), &x.device());
        x.reshape([rows * n, d_model]).select(0, in_use)
    }
}
