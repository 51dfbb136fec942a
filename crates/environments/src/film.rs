//! An episode in pictures of characters.

use attentive_core::Actions;

use crate::{Environment, WrongAction};

/// At most `n_frames` states of an episode, evenly far apart, the first and the last among them; it is played again from its
/// seed.
///
/// # Errors
/// [`WrongAction`] if an action is not of the environment.
pub fn film(
    environment: &mut dyn Environment,
    seed: u64,
    actions: &Actions,
    n_frames: usize,
) -> Result<Vec<String>, WrongAction> {
    environment.reset(seed);
    let last = actions.len();
    let n_frames = n_frames.clamp(2, last + 1);
    let is_shown = |step: usize| (0..n_frames).any(|frame| frame * last / (n_frames - 1) == step);
    let mut frames = vec![format!("step 0\n{}", environment.draw())];
    for (step, action) in (1..=last).filter_map(|step| Some((step, actions.get(step - 1)?))) {
        environment.step(&action)?;
        if is_shown(step) {
            frames.push(format!("step {step}\n{}", environment.draw()));
        }
    }
    Ok(frames)
}
