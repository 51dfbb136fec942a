//! Losses that are not finite.

use super::{
    lab::{Lab, Session, differences, files_of},
    outcome::Tally,
};
use crate::Outcome;

/// The variable that makes `attentive train` produce NaN losses.
const INJECT: &str = "ATTENTIVE_INJECT_NAN";

/// Batches with one example: left out, the same with and without a kill in between.
pub(super) fn one_batch(lab: &mut Lab) -> Outcome<Tally> {
    let mut tally = Tally::new("NaN in batches with one example", "the update is left out and counted");
    let injected = |lab: &Lab, run: &std::path::Path| {
        let mut command = lab.command(run, &[]);
        command.env(INJECT, "example:17");
        Session::start(&mut command)
    };
    let whole = lab.new_run();
    let mut amiss = injected(lab, &whole)?.wait()?.amiss(0, &["update skipped"]);
    let run = lab.new_run();
    let mut session = injected(lab, &run)?;
    session.wait_for_step(&run, 47);
    session.signal("TERM")?;
    session.wait()?;
    injected(lab, &run)?.wait()?.succeeded()?;
    amiss.extend(differences(&files_of(&whole)?, &files_of(&run)?));
    tally.add(0, amiss);
    Ok(tally)
}

/// Enough bad updates in a row to make training go back to a checkpoint, in the middle of the run; then good ones.
///
/// The recipe's factor for the learning rate is 1, so that the weights must become those of an undisturbed run;
/// counters of events are left out of the comparison.
pub(super) fn several_in_a_row(lab: &mut Lab) -> Outcome<Tally> {
    let mut tally = Tally::new("NaN in 4 updates in a row", "back to the last healthy checkpoint");
    let run = lab.new_run();
    // Losses 61 to 68 belong to updates 31 to 34: two micro-batches each.
    let mut command = lab.command(&run, &[]);
    let ended = Session::start(command.env(INJECT, "61-68"))?.wait()?;
    let mut amiss = ended.amiss(0, &["training diverged", "back to step 30"]);
    let tells = |name: &String| !["state.toml", "manifest.toml", "metrics.jsonl"].iter().any(|end| name.ends_with(end));
    amiss.extend(lab.differences(&run)?.into_iter().filter(tells));
    tally.add(4, amiss);
    Ok(tally)
}

/// NaN without end: the run stops with a diagnosis, and can be continued after the cause is removed.
pub(super) fn without_end(lab: &mut Lab) -> Outcome<Tally> {
    let mut tally = Tally::new(
        "NaN from update 31 on, without end",
        "back three times, then stops with a diagnosis; continues when the cause is gone",
    );
    let run = lab.new_run();
    let mut command = lab.command(&run, &[]);
    let ended = Session::start(command.env(INJECT, "61-1000000"))?.wait()?;
    let words = ["going back 3 times", "examples [", "not finite: ", "parameters  all finite", "train --resume"];
    let mut amiss = ended.amiss(1, &words);
    let (_, differences) = lab.resume(&run)?;
    amiss.extend(differences);
    tally.add(4, amiss);
    Ok(tally)
}
