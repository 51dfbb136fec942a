//! An agent in CartPole: `cargo run --release --example play -- MODEL [TARGET_RETURN]`
#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use std::env;

use attentive::{bundle::History, environments::Builtin, prelude::*};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args: Vec<String> = env::args().skip(1).collect();
    let model = args.first().ok_or("usage: play MODEL [TARGET_RETURN]")?;
    let target_return = args.get(1).map_or(Ok(500.0), |target| target.parse())?;
    let policy = Policy::from_bundle(&Bundle::open(model)?, &BackendKind::Flex.device()?)?;

    // Step by step, as in an environment of your own.
    let mut cart_pole = Builtin::CartPole.environment();
    let mut history = History::begin(&cart_pole.reset(1), cart_pole.actions(), target_return);
    loop {
        let action = policy.act(&[&history])?.remove(0);
        let step = cart_pole.step(&action)?;
        history.go_on(&action, step.reward, (!step.is_last()).then_some(&step.observation[..]));
        if step.is_last() {
            break;
        }
    }
    println!("{}", cart_pole.draw());
    println!("asked for {target_return}, had {}", history.episode().total());

    // Many episodes at once.
    let episodes: Vec<(u64, f32)> = (2..12).map(|seed| (seed, target_return)).collect();
    let played = policy.play(|| Builtin::CartPole.environment(), &episodes)?;
    let mean = played.iter().map(attentive::core::Episode::total).sum::<f64>() / played.len() as f64;
    println!("{mean} on average of {} more", played.len());
    Ok(())
}
