//! Signals.

use std::{thread, time::Duration};

use super::{
    lab::{CHECKPOINT_EVERY, Lab, Session},
    outcome::Tally,
};
use crate::Outcome;

/// Exit code of a session that was interrupted and can be resumed.
const INTERRUPTED: i32 = 130;

/// Number of moments at which a session is killed.
const N_KILLS: usize = 20;

/// Number of kills while a checkpoint is written.
const N_WHILE_WRITING: usize = 10;

/// Sessions that are started for each kill at most: one that comes too late is not counted.
const TRIES: usize = 6;

/// SIGKILL at random moments of a session, from its start to its end; a run is killed again and again until it is done.
pub(super) fn at_random_moments(lab: &mut Lab) -> Outcome<Tally> {
    let mut tally = Tally::new("SIGKILL at a random moment", "`--resume` continues from the last checkpoint");
    let took = lab.whole().took.as_millis() as u64;
    let mut n_killed = 0;
    for _ in 0..TRIES * N_KILLS {
        if n_killed == N_KILLS {
            break;
        }
        let run = lab.new_run();
        let mut session = lab.start(&run)?;
        let moment = Duration::from_millis(lab.below(took));
        thread::sleep(moment);
        let was_running = !session.has_ended();
        session.kill()?;
        // On an idle machine it may be faster than the first time.
        if was_running {
            n_killed += 1;
            let (lost, differences) = lab.resume(&run)?;
            tally.add(lost, too_many(lost, differences));
        }
    }
    Ok(tally)
}

/// SIGKILL while the temporary folder of a checkpoint exists, as it then still does.
pub(super) fn while_writing(lab: &mut Lab) -> Outcome<Tally> {
    let mut tally = Tally::new("SIGKILL while a checkpoint is written", "a half-written checkpoint has no valid name");
    let mut n_hit = 0;
    for n in 0..TRIES * N_WHILE_WRITING {
        if n_hit == N_WHILE_WRITING {
            break;
        }
        let run = lab.new_run();
        let mut session = lab.start(&run)?;
        session.wait_for_step(&run, 10 * (n % N_WHILE_WRITING) as u64 + 1);
        let writing = run.join("checkpoints").join("writing");
        while !session.has_ended() && !writing.exists() {
            std::hint::spin_loop();
        }
        let moment = Duration::from_micros(lab.below(3_000));
        thread::sleep(moment);
        session.kill()?;
        // A kill after the checkpoint was whole is one of a random moment.
        if writing.exists() {
            n_hit += 1;
            let (lost, differences) = lab.resume(&run)?;
            tally.add(lost, too_many(lost, differences));
        }
    }
    Ok(if n_hit > 0 { tally } else { tally.skip("no kill came while one was written") })
}

/// At most the interval between checkpoints may be lost.
fn too_many(lost: u64, mut differences: Vec<String>) -> Vec<String> {
    if lost > CHECKPOINT_EVERY {
        differences.push(format!("{lost} steps lost"));
    }
    differences
}

/// SIGTERM and SIGINT: the step is finished and saved.
pub(super) fn terminated(lab: &mut Lab) -> Outcome<Tally> {
    let mut tally =
        Tally::new("SIGTERM or Ctrl-C", "finishes the step, saves, exits with code 130 and the command to continue");
    for signal in ["TERM", "INT", "TERM", "INT", "TERM"] {
        let run = lab.new_run();
        let mut session = lab.start(&run)?;
        let step = 1 + lab.below(100);
        session.wait_for_step(&run, step);
        session.signal(signal)?;
        let mut amiss = session.wait()?.amiss(INTERRUPTED, &["interrupted after step", "train --resume"]);
        let (lost, differences) = lab.resume(&run)?;
        amiss.extend(differences);
        if lost > 0 {
            amiss.push(format!("{lost} steps lost"));
        }
        tally.add(lost, amiss);
    }
    Ok(tally)
}

/// A second Ctrl-C right after the first.
pub(super) fn interrupted_twice(lab: &mut Lab) -> Outcome<Tally> {
    let mut tally = Tally::new("Ctrl-C twice", "leaves at once, with code 130; nothing saved is lost");
    for gap in [0, 1, 4] {
        let run = lab.new_run();
        let mut session = lab.start(&run)?;
        let step = 20 + lab.below(60);
        session.wait_for_step(&run, step);
        let twice = |session: &Session| -> Outcome {
            session.signal("INT")?;
            thread::sleep(Duration::from_millis(gap));
            session.signal("INT")
        };
        twice(&session)?;
        let mut amiss = session.wait()?.amiss(INTERRUPTED, &[]);
        let (lost, differences) = lab.resume(&run)?;
        amiss.extend(too_many(lost, differences));
        tally.add(lost, amiss);
    }
    Ok(tally)
}
