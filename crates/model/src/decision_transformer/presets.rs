//! Published sizes.

use super::DecisionTransformerConfig;
use crate::Preset;

/// The models of Chen et al. 2021 for OpenAI Gym (Appendix A), whose environments differ in the widths of states and
/// actions alone; the first is one of any widths, for a recipe whose data tells them.
pub(super) fn presets() -> Vec<Preset<DecisionTransformerConfig>> {
    let preset = |name, [d_state, d_action]: [usize; 2]| Preset {
        name,
        config: DecisionTransformerConfig::gym(d_state, d_action),
        params_millions: None,
    };
    vec![
        preset("decision-transformer", [17, 4]),
        preset("decision-transformer-hopper", [11, 3]),
        preset("decision-transformer-halfcheetah", [17, 6]),
        preset("decision-transformer-walker2d", [17, 6]),
        preset("decision-transformer-reacher", [11, 2]),
    ]
}
