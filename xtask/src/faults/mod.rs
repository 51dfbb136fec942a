//! `cargo xtask faults`: the outcome of runs that meet kills, damage, a full disk, NaN and bad data.
//!
//! Each fault is injected into runs of the command itself, on a corpus and a model so small that a step takes
//! milliseconds. The run is resumed, and the result is compared, byte for byte, with that of an undisturbed run.

mod calls;
mod clients;
mod damage;
mod data;
mod disk;
mod disk_model;
mod kills;
mod lab;
mod nan;
mod outcome;
mod page;
mod power;
pub(crate) mod processes;
mod server;
mod trace;
mod work;

use std::{ffi::OsString, time::Instant};

use crate::{Outcome, app, fail, not_run, say};
use lab::Lab;
use outcome::Tally;

/// Seed of the random moments at which runs are killed.
const SEED: u64 = 6;

/// Calls of each kind, command and answer that are made to fail; with `--calls` alone, and in a short form.
const CALLS: [u64; 2] = [12, 3];

/// States after a loss of power, of each command, from which it is done again; with `--power` alone, and in a short form.
const STATES: [u64; 2] = [100, 4];

/// Runs every fault, prints the tables, and writes them to the page; with `--server` those of a server alone, which `short`
/// does not write. `--calls [short]` injects failing calls alone, and `--power [short]` losses of power. With `--built` the
/// program is the one that is there, as the tests have built it: another set of features would take minutes.
pub(crate) fn run(args: &[OsString]) -> Outcome {
    let (built, rest): (Vec<_>, Vec<_>) = args.iter().partition(|arg| *arg == "--built");
    let words: Vec<&str> = rest.iter().filter_map(|arg| arg.to_str()).collect();
    let (what, is_short) = match words[..] {
        [] if rest.is_empty() => (None, false),
        [what @ ("--calls" | "--power" | "--server")] => (Some(what), false),
        [what @ ("--calls" | "--power" | "--server"), "short"] => (Some(what), true),
        _ => {
            return fail(
                "faults takes `--built`, and no other arguments, or `--server [short]`, `--calls [short]` or `--power [short]`",
            );
        }
    };
    if !cfg!(unix) {
        return fail("faults needs the signals of Unix");
    }
    let started = Instant::now();
    let program = match what {
        _ if !built.is_empty() => app::built_program(),
        Some("--calls" | "--power") => app::program(),
        _ => app::server_program(),
    };
    let mut lab = Lab::new(program?, SEED, &[])?;
    say!("faults: an undisturbed run takes {:.1} s", lab.whole().took.as_secs_f64());
    if what == Some("--server") {
        return of_server(&mut lab, is_short);
    }
    let mut tallies: Vec<Tally> = Vec::new();
    let mut all = |tally: Tally| {
        say!("faults: {tally}");
        tallies.push(tally);
    };
    if let Some(what) = what {
        if !work::can_trace() {
            not_run(what, "strace is not installed; on Debian, `apt-get install strace`");
            return Ok(());
        }
        let n = |numbers: [u64; 2]| numbers[usize::from(is_short)];
        let found = if what == "--calls" { calls::all(&mut lab, n(CALLS)) } else { power::all(&mut lab, n(STATES)) };
        found?.into_iter().for_each(all);
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
    page::write(page::OF_RUNS, &tallies)?;
    say!("faults: {:.1} minutes; the table is in {}", minutes, page::PATH);
    verdict(&tallies)?;
    of_server(&mut lab, false)
}

/// Runs the faults of a server, and writes their table; in a short form fewer of them, and no table.
fn of_server(lab: &mut Lab, is_short: bool) -> Outcome {
    let tallies = server::all(lab, is_short)?;
    tallies.iter().for_each(|tally| say!("faults: {tally}"));
    if !is_short {
        page::write(page::OF_SERVER, &tallies)?;
    }
    verdict(&tallies)
}

fn verdict(tallies: &[Tally]) -> Outcome {
    tallies.iter().filter_map(Tally::skipped).for_each(|(fault, why)| not_run(fault, why));
    match tallies.iter().find(|tally| tally.has_failed()) {
        Some(tally) => fail(format!("something was lost: {tally}")),
        None => Ok(()),
    }
}
