//! Several models as one.

use attentive_core::{DeviceError, EncoderDecoder, LanguageModel, NextToken, Scores, TokenId, TokenMatrix, Turn, Want};
use serde::{Deserialize, Serialize};

use crate::DecodeError;

/// How the distributions of several models become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Combination {
    /// The mean of probabilities, `Σ wᵢ pᵢ`: a token that one model knows of is possible.
    #[default]
    Linear,
    /// The geometric mean, `Π pᵢ^wᵢ` made to sum to 1: a token that one model excludes is impossible.
    LogLinear,
}

/// Several models of one vocabulary, which decide on each token together.
///
/// A search over an ensemble is one over any model; each member keeps its own state.
#[derive(Debug, Clone)]
pub struct Ensemble<M> {
    models: Vec<M>,
    /// Sum to 1.
    weights: Vec<f64>,
    combination: Combination,
}

impl<M: NextToken> Ensemble<M> {
    /// Of models, with the weight of each, or all alike without weights.
    ///
    /// # Errors
    /// [`DecodeError::Ensemble`] if there is no model, their vocabularies differ in size, or weights are not as many positive
    /// numbers, whose sum is finite.
    pub fn new(models: Vec<M>, weights: &[f64], combination: Combination) -> Result<Self, DecodeError> {
        let n = models.len();
        let refuse = |problem: String| Err(DecodeError::Ensemble { problem });
        let Some(first) = models.first().map(NextToken::vocab_size) else { return refuse("there is no model".into()) };
        if let Some(other) = models.iter().map(NextToken::vocab_size).find(|&size| size != first) {
            return refuse(format!("vocabularies of {first} and of {other} entries can't decide together"));
        }
        let weights = if weights.is_empty() { vec![1.0; n] } else { weights.to_vec() };
        if weights.len() != n {
            return refuse(format!("there are {} weights for {n} models", weights.len()));
        }
        if let Some(bad) = weights.iter().find(|weight| !(weight.is_finite() && **weight > 0.0)) {
            return refuse(format!("the weight {bad} is not above 0"));
        }
        let sum: f64 = weights.iter().sum();
        if sum.is_infinite() {
            return refuse("the sum of the weights is not a finite number: give smaller ones".into());
        }
        let weights = weights.into_iter().map(|weight| weight / sum).collect();
        Ok(Self { models, weights, combination })
    }

    /// Log-probabilities of the rows of a state by each member: those of the ensemble.
    fn scores(&self, of_models: &[Vec<f32>]) -> Scores {
        let vocab = self.vocab_size();
        let mut log_probs = Vec::with_capacity(of_models[0].len());
        for first in (0..of_models[0].len()).step_by(vocab) {
            let rows: Vec<&[f32]> = of_models.iter().map(|all| &all[first..first + vocab]).collect();
            log_probs.extend(self.combine(&rows));
        }
        Scores::All(log_probs)
    }

    /// The same of one row.
    fn combine(&self, of_models: &[&[f32]]) -> impl Iterator<Item = f32> {
        let of_token = |token: usize| of_models.iter().map(move |row| f64::from(row[token]));
        let linear = |token: usize| {
            let best = of_token(token).fold(f64::NEG_INFINITY, f64::max);
            let weighted = |(log_prob, weight): (f64, &f64)| weight * (log_prob - best).exp();
            if best == f64::NEG_INFINITY {
                best
            } else {
                best + of_token(token).zip(&self.weights).map(weighted).sum::<f64>().ln()
            }
        };
        let log_linear = |token: usize| {
            let weighted = |(log_prob, weight): (f64, &f64)| weight * log_prob;
            of_token(token).zip(&self.weights).map(weighted).sum::<f64>()
        };
        let mut row: Vec<f64> = match self.combination {
            Combination::Linear => (0..of_models[0].len()).map(linear).collect(),
            Combination::LogLinear => (0..of_models[0].len()).map(log_linear).collect(),
        };
        if self.combination == Combination::LogLinear {
            let best = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let sum = best + row.iter().map(|log_prob| (log_prob - best).exp()).sum::<f64>().ln();
            // Where nothing is possible, nothing is made so.
            if sum.is_finite() {
                row.iter_mut().for_each(|log_prob| *log_prob -= sum);
            }
        }
        row.into_iter().map(|log_prob| log_prob as f32)
    }
}

impl<M: NextToken> NextToken for Ensemble<M> {
    type State = Vec<M::State>;

    fn vocab_size(&self) -> usize {
        self.models[0].vocab_size()
    }

    fn max_len(&self) -> Option<usize> {
        self.models.iter().filter_map(NextToken::max_len).min()
    }

    fn advance(&self, tokens: &[TokenId], state: &mut Self::State, _: Want) -> Result<Scores, DeviceError> {
        let members = self.models.iter().zip(state);
        let of_models = members.map(|(model, state)| model.log_probs(tokens, state)).collect::<Result<Vec<_>, _>>()?;
        Ok(self.scores(&of_models))
    }

    /// Each model takes one step for all.
    fn advance_together(&self, turns: &mut [Turn<'_, Self::State>]) -> Result<Vec<Scores>, DeviceError> {
        let mut of_turns = vec![Vec::new(); turns.len()];
        for (member, model) in self.models.iter().enumerate() {
            let own = turns.iter_mut().map(|turn| Turn {
                tokens: turn.tokens,
                state: &mut turn.state[member],
                want: Want::All,
            });
            let scores = model.advance_together(&mut own.collect::<Vec<_>>())?;
            of_turns.iter_mut().zip(scores).for_each(|(of_turn, scores)| of_turn.push(scores.all()));
        }
        Ok(of_turns.iter().map(|of_models| self.scores(of_models)).collect())
    }

    fn restricts(&self) -> bool {
        self.models.iter().all(NextToken::restricts)
    }

    /// Each model's distribution is among these tokens before they are combined.
    fn restrict(&self, state: &mut Self::State, allowed: &[Vec<TokenId>]) {
        self.models.iter().zip(state).for_each(|(model, state)| model.restrict(state, allowed));
    }

    fn reorder(&self, state: &mut Self::State, parents: &[usize]) {
        self.models.iter().zip(state).for_each(|(model, state)| model.reorder(state, parents));
    }
}

impl<M: EncoderDecoder> EncoderDecoder for Ensemble<M> {
    fn start(&self, source: &TokenMatrix) -> Self::State {
        self.models.iter().map(|model| model.start(source)).collect()
    }

    fn start_together(&self, sources: &[&TokenMatrix]) -> Vec<Self::State> {
        let mut states: Vec<Self::State> = sources.iter().map(|_| Vec::with_capacity(self.models.len())).collect();
        for model in &self.models {
            states.iter_mut().zip(model.start_together(sources)).for_each(|(state, own)| state.push(own));
        }
        states
    }
}

impl<M: LanguageModel> LanguageModel for Ensemble<M> {
    fn start(&self, n_rows: usize) -> Self::State {
        self.models.iter().map(|model| model.start(n_rows)).collect()
    }
}
