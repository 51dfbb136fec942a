//! Checkpoints that a disk or a copy has damaged.

use std::{fs, path::Path};

use super::{
    lab::{CHECKPOINT_EVERY, Lab, checkpoints, lost_steps},
    outcome::Tally,
};
use crate::{Failure, Outcome, cannot};

const FILES: [&str; 4] = ["model.safetensors", "optimizer.safetensors", "state.toml", "manifest.toml"];

/// Each file of the newest checkpoint cut short, with a bit flipped, and missing.
pub(super) fn all(lab: &mut Lab) -> Outcome<Vec<Tally>> {
    type Damage = fn(&mut Lab, &mut Vec<u8>);
    let cut: Damage = |lab, bytes| bytes.truncate(lab.below(bytes.len() as u64) as usize);
    let flip: Damage = |lab, bytes| {
        let at = lab.below(bytes.len() as u64) as usize;
        bytes[at] ^= 1 << lab.below(8);
    };
    let answer = "the damaged file is named, the checkpoint before is taken";
    let damages = [
        ("Newest checkpoint cut short", Some(cut)),
        ("Newest checkpoint with a bit flipped", Some(flip)),
        ("Newest checkpoint with a file missing", None),
    ];
    let mut tallies = Vec::new();
    for (fault, damage) in damages {
        let mut tally = Tally::new(fault, answer);
        for file in FILES {
            let run = lab.new_run();
            let mut session = lab.start(&run)?;
            // At a step without a due checkpoint, so that only the one before equals one of the undisturbed run.
            session.wait_for_step(&run, 4 * CHECKPOINT_EVERY + 2);
            session.signal("TERM")?;
            session.wait()?;
            let newest = checkpoints(&run).into_iter().next();
            let newest = newest.ok_or_else(|| Failure::Message("a run without checkpoints".into()))?;
            hurt(lab, &newest.join(file), damage)?;
            let lost = lost_steps(&run, 1);
            let mut amiss = lab.train(&run, &[])?.amiss(0, &["passing over", file]);
            amiss.extend(lab.differences(&run)?);
            tally.add(lost, amiss);
        }
        tallies.push(tally);
    }
    Ok(tallies)
}

fn hurt(lab: &mut Lab, path: &Path, damage: Option<fn(&mut Lab, &mut Vec<u8>)>) -> Outcome {
    let failed = |e: std::io::Error| cannot("damage", path, &e);
    match damage {
        None => fs::remove_file(path).map_err(failed),
        Some(damage) => {
            let mut bytes = fs::read(path).map_err(failed)?;
            damage(lab, &mut bytes);
            fs::write(path, bytes).map_err(failed)
        }
    }
}
