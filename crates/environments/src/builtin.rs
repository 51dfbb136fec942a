//! The built-in environments, by name.

use std::{fmt, str::FromStr};

use attentive_core::Episode;
use serde::{Deserialize, Serialize};

use crate::{CartPole, Environment, KeyDoor, scripts};

/// A built-in environment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Builtin {
    /// [`CartPole`].
    #[serde(rename = "cartpole")]
    CartPole,
    /// [`KeyDoor`].
    #[serde(rename = "key-door")]
    KeyDoor,
}

impl Builtin {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::CartPole, Self::KeyDoor];

    /// Its name: `cartpole`.
    pub fn name(self) -> &'static str {
        match self {
            Self::CartPole => "cartpole",
            Self::KeyDoor => "key-door",
        }
    }

    /// A new one.
    pub fn environment(self) -> Box<dyn Environment> {
        match self {
            Self::CartPole => Box::new(CartPole::default()),
            Self::KeyDoor => Box::new(KeyDoor::default()),
        }
    }

    /// Episodes of scripted policies of mixed quality, drawn from `seed`.
    ///
    /// In CartPole, 1 of 12 policies balances the pole near a place on the track, most often to the end; 4 of 12 push at
    /// random, to one side more than to the other; the others balance it while they drift off the track. In the grid world, a
    /// third goes for the key and then for the door, a third for the door at once, and a third walks at random. In 15 of 100
    /// steps, policies with an aim do something at random instead.
    pub fn demonstrations(self, n_episodes: usize, seed: u64) -> Vec<Episode> {
        match self {
            Self::CartPole => scripts::cart_pole(n_episodes, seed),
            Self::KeyDoor => scripts::key_door(n_episodes, seed),
        }
    }
}

impl fmt::Display for Builtin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A name that no built-in environment has.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{name:?} is not a built-in environment; there are cartpole and key-door")]
pub struct UnknownEnvironment {
    /// The name.
    pub name: String,
}

impl FromStr for Builtin {
    type Err = UnknownEnvironment;

    fn from_str(name: &str) -> Result<Self, UnknownEnvironment> {
        let found = Self::ALL.into_iter().find(|environment| environment.name() == name);
        found.ok_or_else(|| UnknownEnvironment { name: name.to_owned() })
    }
}
