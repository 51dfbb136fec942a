//! The random choices of drafting and of accepting.

use attentive_core::{TokenId, mix64};

use crate::{GenerateRequest, SamplingConfig};

/// What is left to chance. Choices of one text at different steps, and of different kinds, are independent.
pub(super) trait Chance {
    /// The token that is drafted as the `step`-th of the text `of`.
    fn draft(&mut self, of: usize, step: u64, distribution: &[(TokenId, f64)]) -> TokenId;

    /// Whether it is accepted, which it is with the probability `p`.
    fn accepts(&mut self, of: usize, step: u64, p: f64) -> bool;

    /// The `step`-th token of the text `of`, where none is accepted.
    fn draw(&mut self, of: usize, step: u64, distribution: &[(TokenId, f64)]) -> TokenId;
}

/// Choices that are a function of the seed, the prompt, the sample and the step. A token that is drafted again, as one
/// before it was not accepted, is so by the same number, which nothing that was written depends on.
pub(super) struct Seeds {
    /// For each text, of the tokens that are drawn, drafted, and accepted.
    configs: Vec<[SamplingConfig; 3]>,
}

/// Streams of random numbers beside that of the seed.
const STREAMS: [u64; 2] = [0x6a09_e667_f3bc_c908, 0xbb67_ae85_84ca_a73b];

impl Seeds {
    pub(super) fn new(config: &SamplingConfig, request: &GenerateRequest<'_>) -> Self {
        let of_text = |drawn: SamplingConfig| {
            let stream = |salt: u64| SamplingConfig { seed: mix64(drawn.seed ^ mix64(salt)), ..drawn.clone() };
            let [drafted, accepted] = STREAMS.map(stream);
            [drawn, drafted, accepted]
        };
        Self { configs: config.of_prompts(request.prompts, request.n_samples).map(of_text).collect() }
    }
}

impl Chance for Seeds {
    fn draft(&mut self, of: usize, step: u64, distribution: &[(TokenId, f64)]) -> TokenId {
        self.configs[of][1].draw(distribution, step)
    }

    fn accepts(&mut self, of: usize, step: u64, p: f64) -> bool {
        self.configs[of][2].unit(step) < p
    }

    fn draw(&mut self, of: usize, step: u64, distribution: &[(TokenId, f64)]) -> TokenId {
        self.configs[of][0].draw(distribution, step)
    }
}
