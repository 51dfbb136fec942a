//! A grid with a key and a door.

use attentive_core::{Action, ActionSpace};

use crate::{Environment, Step, WrongAction, numbered, random::Random};

/// Cells of the built-in grid's side.
const SIDE: usize = 6;
/// Steps of an episode, for each cell of the grid's side.
const STEPS_OF_SIDE: usize = 4;

/// Row and column steps of the actions: up, down, left, right.
const MOVES: [[isize; 2]; 4] = [[-1, 0], [1, 0], [0, -1], [0, 1]];

/// A square room with a key in it and a locked door; who comes to the door with the key has a reward of 1, at the end.
///
/// The agent moves up (0), down (1), left (2) or right (3), and takes the key by walking over it. An observation is the row
/// and the column of the agent, of the key and of the door, from 0 to 1. It does not tell whether the agent has the key: the
/// key is shown where it lay, and who would open the door must remember having been there, as in the key-to-door task of
/// Mesnard et al. 2021. Agent, key and door begin on different cells, drawn by the seed.
#[derive(Debug, Clone)]
pub struct KeyDoor {
    side: usize,
    agent: [usize; 2],
    key: [usize; 2],
    door: [usize; 2],
    has_key: bool,
    n_steps: usize,
}

impl Default for KeyDoor {
    fn default() -> Self {
        Self::new(SIDE)
    }
}

impl KeyDoor {
    /// A room of `side` cells by `side` cells.
    ///
    /// # Panics
    /// If `side` is below 2.
    pub fn new(side: usize) -> Self {
        assert!(side >= 2, "agent, key and door need a cell each");
        Self { side, agent: [0, 0], key: [0, 1], door: [1, 0], has_key: false, n_steps: 0 }
    }

    fn observation(&self) -> Vec<f32> {
        let scale = (self.side - 1) as f32;
        [self.agent, self.key, self.door].concat().into_iter().map(|at| at as f32 / scale).collect()
    }
}

impl Environment for KeyDoor {
    fn n_features(&self) -> usize {
        6
    }

    fn actions(&self) -> ActionSpace {
        ActionSpace::Discrete(MOVES.len())
    }

    fn max_steps(&self) -> usize {
        STEPS_OF_SIDE * self.side
    }

    fn reset(&mut self, seed: u64) -> Vec<f32> {
        let mut random = Random::new(seed, 0);
        let mut cells: Vec<usize> = (0..self.side * self.side).collect();
        let mut cell = || {
            let cell = cells.swap_remove(random.below(cells.len()));
            [cell / self.side, cell % self.side]
        };
        (self.agent, self.key, self.door) = (cell(), cell(), cell());
        (self.has_key, self.n_steps) = (false, 0);
        self.observation()
    }

    fn step(&mut self, action: &Action) -> Result<Step, WrongAction> {
        let moved = MOVES[numbered(action, MOVES.len())? as usize];
        for (at, by) in self.agent.iter_mut().zip(moved) {
            *at = at.saturating_add_signed(by).min(self.side - 1);
        }
        self.has_key |= self.agent == self.key;
        self.n_steps += 1;
        let is_open = self.has_key && self.agent == self.door;
        Ok(Step {
            observation: self.observation(),
            reward: if is_open { 1.0 } else { 0.0 },
            is_terminated: is_open,
            is_truncated: self.n_steps >= self.max_steps(),
        })
    }

    /// The room from above: the agent, `@` with the key and `o` without it, the key `k` and the door `D`.
    fn draw(&self) -> String {
        let wall = "#".repeat(self.side + 2) + "\n";
        let cell = |at: [usize; 2]| match at {
            at if at == self.agent => {
                if self.has_key {
                    '@'
                } else {
                    'o'
                }
            }
            at if at == self.door => 'D',
            at if at == self.key && !self.has_key => 'k',
            _ => '.',
        };
        let row = |row: usize| format!("#{}#\n", (0..self.side).map(|col| cell([row, col])).collect::<String>());
        wall.clone() + &(0..self.side).map(row).collect::<String>() + &wall
    }
}
