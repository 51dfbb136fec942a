//! What a policy predicts for steps of standard input, as JSON: what `tests/check_policy_exports.py` compares with.

use std::{env, error::Error, io};

use attentive_backend::BackendKind;
use attentive_bundle::Bundle;
use attentive_core::Steps;
use attentive_model::{DecisionTransformerConfig, PolicyModel};
use serde::Deserialize;

/// Rows of the same number of steps: `[rows][steps][numbers]`.
#[derive(Deserialize)]
struct Input {
    states: Vec<Vec<Vec<f32>>>,
    actions: Vec<Vec<Vec<f32>>>,
    returns: Vec<Vec<f32>>,
}

#[expect(clippy::print_stdout, reason = "the output of an example")]
fn main() -> Result<(), Box<dyn Error>> {
    let folder = env::args().nth(1).ok_or("usage: actions MODEL < STEPS")?;
    let model = Bundle::read(folder)?.model::<DecisionTransformerConfig>(&BackendKind::Flex.device()?)?;
    let Input { states, actions, returns } = serde_json::from_reader(io::stdin())?;
    let (n_rows, n_steps) = (returns.len(), returns[0].len());
    let steps = Steps {
        n_rows,
        n_steps,
        states: states.into_iter().flatten().flatten().collect(),
        actions: actions.into_iter().flatten().flatten().collect(),
        returns: returns.concat(),
        timesteps: (0..n_rows * n_steps).map(|place| (place % n_steps) as u32).collect(),
    };
    let predicted: Vec<f32> = model.predict(&steps, None).into_data().try_into_vec()?;
    println!("{}", serde_json::to_string(&predicted)?);
    Ok(())
}
