//! Scripted policies, whose episodes are data to learn from.

use attentive_core::{Action, Episode};

use crate::{CartPole, Environment, KeyDoor, random::Random};

/// The purpose of the random numbers of scripts; those of an environment have another.
const SCRIPTS: u64 = 1;

/// How often a policy with an aim does something at random instead.
const STRAY: f64 = 0.15;

/// How a scripted policy moves the cart.
#[derive(Debug, Clone, Copy)]
enum Driver {
    /// It pushes right with this probability, whatever it sees.
    Blind(f64),
    /// It holds the pole up while the cart goes at this speed, in metres a second.
    Drifting(f64),
    /// It holds the pole up near this place of the track, in metres from its middle.
    Steady(f64),
}

impl Driver {
    fn draw(random: &mut Random) -> Self {
        match random.below(12) {
            0 => Self::Steady(random.between(-1.0, 1.0)),
            1..=4 => Self::Blind(random.between(0.3, 0.7)),
            _ => {
                let speed = random.between(0.8, 1.8);
                Self::Drifting(if random.unit() < 0.5 { -speed } else { speed })
            }
        }
    }

    /// The push is to the side of the sum of all errors, as a linear controller's.
    fn act(self, observation: &[f32], random: &mut Random) -> Action {
        let [x, speed, angle, turning] = [0, 1, 2, 3].map(|idx| f64::from(observation[idx]));
        let lean = angle + 0.3 * turning;
        let is_right = match self {
            Self::Blind(right) => random.unit() < right,
            _ if random.unit() < STRAY => random.unit() < 0.5,
            Self::Drifting(wanted) => lean + 0.1 * (speed - wanted) > 0.0,
            Self::Steady(place) => lean + 0.1 * (x - place).clamp(-0.5, 0.5) + 0.15 * speed > 0.0,
        };
        Action::Discrete(u32::from(is_right))
    }
}

/// How a scripted policy walks.
#[derive(Debug, Clone, Copy)]
enum Walker {
    /// At random.
    Lost,
    /// To the door.
    Hasty,
    /// To the key, then to the door.
    Careful,
}

impl Walker {
    fn act(self, observation: &[f32], has_key: bool, random: &mut Random) -> Action {
        let [agent, key, door] = [0, 2, 4].map(|first| [observation[first], observation[first + 1]]);
        let aim = match self {
            Self::Careful if !has_key => key,
            _ => door,
        };
        let [down, right] = [aim[0] - agent[0], aim[1] - agent[1]];
        let ways = [(down < 0.0, 0), (down > 0.0, 1), (right < 0.0, 2), (right > 0.0, 3)];
        let ways: Vec<u32> = ways.iter().filter(|(leads, _)| *leads).map(|&(_, way)| way).collect();
        let is_random = matches!(self, Self::Lost) || ways.is_empty() || random.unit() < STRAY;
        let action = if is_random { random.below(4) as u32 } else { ways[random.below(ways.len())] };
        Action::Discrete(action)
    }
}

/// Episodes of carts.
pub(crate) fn cart_pole(n_episodes: usize, seed: u64) -> Vec<Episode> {
    let mut random = Random::new(seed, SCRIPTS);
    let mut episode = || {
        let driver = Driver::draw(&mut random);
        play(&mut CartPole::default(), random.seed(), |episode| {
            driver.act(episode.observation(episode.n_steps() - 1), &mut random)
        })
    };
    (0..n_episodes).map(|_| episode()).collect()
}

/// Episodes of walks.
pub(crate) fn key_door(n_episodes: usize, seed: u64) -> Vec<Episode> {
    let mut random = Random::new(seed, SCRIPTS);
    let mut episode = || {
        let walker = [Walker::Lost, Walker::Hasty, Walker::Careful][random.below(3)];
        let mut has_key = false;
        play(&mut KeyDoor::default(), random.seed(), |episode| {
            let observation = episode.observation(episode.n_steps() - 1);
            has_key |= observation[..2] == observation[2..4];
            walker.act(observation, has_key, &mut random)
        })
    };
    (0..n_episodes).map(|_| episode()).collect()
}

/// An episode of a policy, which sees all of the past.
fn play(environment: &mut dyn Environment, seed: u64, mut act: impl FnMut(&Episode) -> Action) -> Episode {
    let mut episode = Episode::begin(&environment.reset(seed), environment.actions());
    loop {
        let action = act(&episode);
        let step = environment.step(&action).expect("scripts know what they can do");
        episode.go_on(&action, step.reward, (!step.is_last()).then_some(&step.observation[..]));
        if step.is_last() {
            return episode;
        }
    }
}
