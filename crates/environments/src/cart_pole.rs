//! A pole on a cart.

use attentive_core::{Action, ActionSpace};

use crate::{Environment, Step, WrongAction, numbered, random::Random};

const GRAVITY: f64 = 9.8;
const CART_MASS: f64 = 1.0;
const POLE_MASS: f64 = 0.1;
const TOTAL_MASS: f64 = CART_MASS + POLE_MASS;
/// Half of the pole's length, in metres.
const HALF_LENGTH: f64 = 0.5;
const POLE_MOMENT: f64 = POLE_MASS * HALF_LENGTH;
/// The push of an action, in newtons.
const FORCE: f64 = 10.0;
/// Seconds of a step.
const STEP_SECONDS: f64 = 0.02;
/// Where the track ends, in metres from its middle.
const TRACK_END: f64 = 2.4;
/// The angle at which the pole has fallen, in degrees from the vertical.
const FALLEN_DEGREES: f64 = 12.0;
/// The bounds of the numbers that an episode begins with.
const START: f64 = 0.05;
const MAX_STEPS: usize = 500;

/// Characters of the drawn track, and lines of the drawn pole.
const DRAWN: [usize; 2] = [49, 4];

/// A cart on a track, pushed left (0) or right (1) so that the pole on it stays up (Barto, Sutton and Anderson 1983).
///
/// Constants, rewards and the order of the calculation are those of gymnasium's `CartPole-v1`: integrated by Euler's
/// method in steps of 20 ms, a reward of 1 for every step, over when the pole leans by more than 12° or the cart is beyond
/// 2.4 m, or after 500 steps. An observation is the cart's position and speed, and the pole's angle and its speed.
///
/// ```
/// use attentive_core::Action;
/// use attentive_environments::{CartPole, Environment};
///
/// let mut cart_pole = CartPole::default();
/// assert_eq!(cart_pole.place([0.0; 4]), [0.0; 4]);
/// let step = cart_pole.step(&Action::Discrete(1))?;
/// assert!(step.observation[1] > 0.0 && step.observation[3] < 0.0, "the cart goes right, the pole leans left");
/// # Ok::<(), attentive_environments::WrongAction>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct CartPole {
    /// Position, speed, angle, speed of the angle; in metres, radians and seconds.
    state: [f64; 4],
    n_steps: usize,
}

impl CartPole {
    /// Begins an episode at a state: the cart's position and speed, the pole's angle and its speed.
    pub fn place(&mut self, state: [f64; 4]) -> Vec<f32> {
        (self.state, self.n_steps) = (state, 0);
        self.observation()
    }

    fn observation(&self) -> Vec<f32> {
        self.state.iter().map(|&number| number as f32).collect()
    }
}

impl Environment for CartPole {
    fn n_features(&self) -> usize {
        4
    }

    fn actions(&self) -> ActionSpace {
        ActionSpace::Discrete(2)
    }

    fn max_steps(&self) -> usize {
        MAX_STEPS
    }

    fn reset(&mut self, seed: u64) -> Vec<f32> {
        let mut random = Random::new(seed, 0);
        self.place([(); 4].map(|()| random.between(-START, START)))
    }

    fn step(&mut self, action: &Action) -> Result<Step, WrongAction> {
        let force = if numbered(action, 2)? == 1 { FORCE } else { -FORCE };
        let [x, speed, angle, turning] = self.state;
        let (sin, cos) = angle.sin_cos();
        let push = (force + POLE_MOMENT * (turning * turning) * sin) / TOTAL_MASS;
        let turn = (GRAVITY * sin - cos * push) / (HALF_LENGTH * (4.0 / 3.0 - POLE_MASS * (cos * cos) / TOTAL_MASS));
        let acceleration = push - POLE_MOMENT * turn * cos / TOTAL_MASS;
        self.state = [
            x + STEP_SECONDS * speed,
            speed + STEP_SECONDS * acceleration,
            angle + STEP_SECONDS * turning,
            turning + STEP_SECONDS * turn,
        ];
        self.n_steps += 1;
        let [x, _, angle, _] = self.state;
        Ok(Step {
            observation: self.observation(),
            reward: 1.0,
            is_terminated: x.abs() > TRACK_END || angle.abs() > FALLEN_DEGREES * std::f64::consts::TAU / 360.0,
            is_truncated: self.n_steps >= MAX_STEPS,
        })
    }

    /// The track from the side: the pole, ten times as inclined as it is for the eye, on the cart.
    fn draw(&self) -> String {
        let [n_columns, n_lines] = DRAWN;
        let [x, _, angle, _] = self.state;
        let middle = (n_columns / 2) as f64;
        let column = |x: f64| (middle + x / TRACK_END * middle).round().clamp(0.0, (n_columns - 1) as f64) as usize;
        let pole = if angle.abs() < 0.02 {
            '|'
        } else if angle > 0.0 {
            '/'
        } else {
            '\\'
        };
        let mark = |column: usize, mark: char| -> String {
            let line: String = (0..n_columns).map(|at| if at == column { mark } else { ' ' }).collect();
            line.trim_end().to_owned() + "\n"
        };
        let lean = |height: usize| column(x) as f64 + 10.0 * angle.tan() * height as f64;
        let place = |height| lean(height).round().clamp(0.0, (n_columns - 1) as f64) as usize;
        let lines: String = (1..=n_lines).rev().map(|height| mark(place(height), pole)).collect();
        lines + &mark(column(x), '#') + &"=".repeat(n_columns) + "\n"
    }
}
