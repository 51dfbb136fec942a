//! CartPole against gymnasium's CartPole-v1, step by step.

use attentive_core::Action;
use attentive_environments::{CartPole, Environment};
use serde_json::Value;

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|number| number.as_f64().unwrap()).collect()
}

#[test]
fn every_step_is_gymnasiums() {
    let golden: Vec<Value> = serde_json::from_str(include_str!("golden/cart_pole.json")).unwrap();
    assert_eq!(golden.len(), 10);
    for episode in &golden {
        let name = &episode["name"];
        let mut environment = CartPole::default();
        environment.place(numbers(&episode["start"]).try_into().unwrap());
        let expected: Vec<Vec<f64>> = episode["observations"].as_array().unwrap().iter().map(numbers).collect();
        let mut kept = numbers(&episode["steps"]).into_iter().map(|step| step as usize).zip(expected).peekable();
        let actions = episode["actions"].as_str().unwrap().as_bytes();
        let mut total = 0.0;
        for (step, &action) in actions.iter().enumerate() {
            let after = environment.step(&Action::Discrete(u32::from(action - b'0'))).unwrap();
            total += f64::from(after.reward);
            if let Some((_, expected)) = kept.next_if(|(at, _)| *at == step) {
                assert_eq!(after.observation.len(), expected.len(), "{name}, step {step}");
                let mut pairs = after.observation.iter().zip(&expected);
                let is_near = pairs.all(|(&ours, theirs)| (f64::from(ours) - theirs).abs() <= 1e-6);
                assert!(is_near, "{name}, step {step}: {:?} is not {expected:?}", after.observation);
            }
            assert_eq!(after.is_last(), step + 1 == actions.len(), "{name}, step {step}");
            if after.is_last() {
                assert_eq!(after.is_terminated, episode["terminated"].as_bool().unwrap(), "{name}");
                assert_eq!(after.is_truncated, episode["truncated"].as_bool().unwrap(), "{name}");
            }
        }
        assert_eq!(kept.peek(), None, "{name}");
        assert_eq!(total, episode["total"].as_f64().unwrap(), "{name}");
    }
}
