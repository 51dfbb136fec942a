//! What an agent acts in: CartPole, a key-to-door grid world, and data of scripted policies.
//!
//! ```
//! use attentive_environments::{Builtin, Environment};
//!
//! let episodes = Builtin::KeyDoor.demonstrations(50, 7);
//! let solved = episodes.iter().filter(|episode| episode.total() > 0.0).count();
//! assert!(solved > 5 && solved < 45, "policies of mixed quality solve some: {solved}");
//! ```

mod builtin;
mod cart_pole;
mod film;
mod key_door;
mod random;
mod scripts;

use attentive_core::{Action, ActionSpace};

pub use builtin::{Builtin, UnknownEnvironment};
pub use cart_pole::CartPole;
pub use film::film;
pub use key_door::KeyDoor;

/// What an agent acts in.
pub trait Environment: Send {
    /// Numbers of an observation.
    fn n_features(&self) -> usize;

    /// What an agent can do.
    fn actions(&self) -> ActionSpace;

    /// Steps of the longest episode.
    fn max_steps(&self) -> usize;

    /// Begins an episode, which is a function of `seed` and of the actions, and returns the first observation.
    fn reset(&mut self, seed: u64) -> Vec<f32>;

    /// Goes on by an action. After the last step of an episode, [`reset`](Self::reset) begins another.
    ///
    /// # Errors
    /// [`WrongAction`] if the agent can't do that; nothing has changed then.
    fn step(&mut self, action: &Action) -> Result<Step, WrongAction>;

    /// The present state, drawn with characters in some lines.
    fn draw(&self) -> String;
}

/// What an action brought about.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// The next observation.
    pub observation: Vec<f32>,
    /// The reward.
    pub reward: f32,
    /// Whether the episode ended by itself: the agent failed, or is done.
    pub is_terminated: bool,
    /// Whether it was ended for its length.
    pub is_truncated: bool,
}

impl Step {
    /// Whether the episode is over.
    pub fn is_last(&self) -> bool {
        self.is_terminated || self.is_truncated
    }
}

/// An action that is not of an environment's space.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{action:?} is not an action of this environment, which takes {space}")]
pub struct WrongAction {
    /// The action.
    pub action: Action,
    /// What an agent can do.
    pub space: ActionSpace,
}

/// The number of a discrete action below `n`.
fn numbered(action: &Action, n: usize) -> Result<u32, WrongAction> {
    match *action {
        Action::Discrete(number) if (number as usize) < n => Ok(number),
        _ => Err(WrongAction { action: action.clone(), space: ActionSpace::Discrete(n) }),
    }
}
