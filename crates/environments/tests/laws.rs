//! Laws of every built-in environment, and what its data is.

use attentive_core::{Action, ActionSpace, Episode};
use attentive_environments::{Builtin, Environment, KeyDoor, film};

fn totals(episodes: &[Episode]) -> Vec<f64> {
    episodes.iter().map(Episode::total).collect()
}

fn mean(numbers: &[f64]) -> f64 {
    numbers.iter().sum::<f64>() / numbers.len() as f64
}

#[test]
fn an_episode_is_a_function_of_its_seed_and_actions() {
    for builtin in Builtin::ALL {
        let data = builtin.demonstrations(20, 3);
        assert_eq!(data, builtin.demonstrations(20, 3), "{builtin}");
        assert_ne!(data, builtin.demonstrations(20, 4), "{builtin}");
        assert_eq!(builtin.name().parse(), Ok(builtin));
        let (mut one, mut other) = (builtin.environment(), builtin.environment());
        assert_eq!(one.reset(5), other.reset(5));
        assert_ne!(one.reset(6), other.reset(5));
        one.reset(5);
        let action = Action::Discrete(1);
        assert_eq!(one.step(&action).unwrap(), other.step(&action).unwrap());
        assert_eq!(one.draw(), other.draw());
    }
}

#[test]
fn episodes_end_by_their_length_at_the_latest() {
    for builtin in Builtin::ALL {
        let longest = builtin.environment().max_steps();
        for episode in builtin.demonstrations(200, 1) {
            assert!((1..=longest).contains(&episode.n_steps()));
            assert_eq!([episode.actions.len(), episode.rewards.len()], [episode.n_steps(); 2]);
            assert_eq!(episode.n_features, builtin.environment().n_features());
        }
    }
}

#[test]
fn an_action_of_another_space_changes_nothing() {
    for builtin in Builtin::ALL {
        let mut environment = builtin.environment();
        environment.reset(1);
        let before = environment.draw();
        let ActionSpace::Discrete(n) = environment.actions() else { panic!("discrete actions") };
        for wrong in [Action::Discrete(n as u32), Action::Continuous(vec![0.5])] {
            let error = environment.step(&wrong).unwrap_err().to_string();
            assert!(error.contains("not an action of this environment"), "{error}");
        }
        assert_eq!(environment.draw(), before);
    }
}

#[test]
fn data_of_carts_is_poor_but_for_some_episodes() {
    let totals = totals(&Builtin::CartPole.demonstrations(1_000, 1));
    let n_best = totals.iter().filter(|&&total| total == 500.0).count();
    assert!(mean(&totals) < 150.0 && (50..150).contains(&n_best), "{} and {n_best}", mean(&totals));
}

#[test]
fn a_door_opens_with_the_key_alone() {
    let mut room = KeyDoor::new(2);
    // Of a room of four cells: search a seed that puts the key to the right of the agent, and the door below it.
    let seed = (0..100).find(|&seed| room.reset(seed) == [0.0, 0.0, 0.0, 1.0, 1.0, 0.0]).unwrap();
    assert_eq!(room.draw(), "####\n#ok#\n#D.#\n####\n");
    let mut walk = |actions: &[u32]| {
        room.reset(seed);
        actions.iter().map(|&action| room.step(&Action::Discrete(action)).unwrap()).collect::<Vec<_>>()
    };
    let without = walk(&[1, 0, 1]);
    assert!(without.iter().all(|step| step.reward == 0.0 && !step.is_terminated));
    let with = walk(&[3, 2, 1]);
    assert_eq!(with.iter().map(|step| step.reward).collect::<Vec<_>>(), [0.0, 0.0, 1.0]);
    assert!(with[2].is_terminated && !with[1].is_terminated);
    // A wall stops who walks against it.
    assert_eq!(walk(&[2])[0].observation[..2], [0.0, 0.0]);
}

#[test]
fn a_film_has_the_first_and_the_last_state() {
    let episode = &Builtin::CartPole.demonstrations(1, 9)[0];
    let mut environment = Builtin::CartPole.environment();
    let frames = film(&mut *environment, 1, &episode.actions, 3).unwrap();
    assert_eq!(frames.len(), 3);
    assert!(frames[0].starts_with("step 0\n") && frames[2].starts_with(&format!("step {}\n", episode.n_steps())));
}
