//! `cargo xtask faults`: the outcome of runs that meet kills, damage, a full disk, NaN and bad data.
//!
//! Each fault is injected into runs of the command itself, on a corpus and a model so small that a step takes
//! milliseconds. The run is resumed, and the result is compared, byte for byte, with that of an undisturbed run.

mod calls;
mod damage;
mod data;
mod disk;
mod kills;
mod lab;
mod nan;
mod outcome;
mod page;

use std::{ffi::OsString, time::Instant};

use crate::{Outcome, app, fail, not_run, say};
use lab::Lab;
use outcome::Tally;

/// Seed of the random moments at which runs are killed.
const SEED: u64 = 6;

/// Calls of each kind, command and answer that are made to fail; with `--calls` alone, and in a short form.
const CALLS: [u64; 2] = [12, 3];

/// Runs every fault, prints the table, and writes it to the page; `--calls [short]` injects failing calls alone.
pub(crate) fn run(args: &[OsString]) -> Outcome {
    let words: Vec<&str> = args.iter().filter_map(|arg| arg.to_str()).collect();
    let calls = match words[..] {
        [] if args.is_empty() => None,
        ["--calls"] => Some(CALLS[0]),
        ["--calls", "short"] => Some(CALLS[1]),
        _ => return fail("faults takes no arguments, or `--calls`, or `--calls short`"),
    };
    if !cfg!(unix) {
        return fail("faults needs the signals of Unix");
    }
    let started = Instant::now();
    let mut lab = Lab::new(app::program()?, SEED)?;
    say!("faults: an undisturbed run takes {:.1} s", lab.whole().took.as_secs_f64());
    let mut tallies: Vec<Tally> = Vec::new();
    let mut all = |tally: Tally| {
        say!("faults: {tally}");
        tallies.push(tally);
    };
    if let Some(n) = calls {
        if !calls::can_inject() {
            not_run("failing calls", "strace is not installed; on Debian, `apt-get install strace`");
            return Ok(());
        }
        calls::all(&mut lab, n)?.into_iter().for_each(all);
        say!("\n{}", page::table(&tallies));
        return verdict(&tallies);
    }
    all(kills::at_random_moments(&mut lab)?);
    all(kills::while_writing(&mut lab)?);
    all(kills::terminated(&mut lab)?);
    all(kills::interrupted_twice(&mut lab)?);
    for tally in damage::all(&mut lab)? {
        all(tally);
    }
    all(disk::full(&mut lab)?);
    all(disk::file_too_large(&mut lab)?);
    all(nan::one_batch(&mut lab)?);
    all(nan::several_in_a_row(&mut lab)?);
    all(nan::without_end(&mut lab)?);
    all(data::changed(&mut lab)?);
    all(data::bad(&mut lab)?);
    let minutes = started.elapsed().as_secs_f64() / 60.0;
    say!("\n{}", page::table(&tallies));
    page::write(&tallies)?;
    say!("faults: {:.1} minutes; the table is in {}", minutes, page::PATH);
    verdict(&tallies)
}

fn verdict(tallies: &[Tally]) -> Outcome {
    match tallies.iter().find(|tally| tally.has_failed()) {
        Some(tally) => fail(format!("something was lost: {tally}")),
        None => Ok(()),
    }
}
