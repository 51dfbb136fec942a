//! The protocol between a worker and `cargo xtask bench`.

use std::io::{self, BufRead, Write};

use serde_json::{Value, json};

/// Reports that the worker is set up, with its description.
pub(crate) fn ready(about: &Value) {
    say(&json!({ "ready": about }));
}

/// Waits for the order to run a round; returns false at the end of standard input.
pub(crate) fn wait() -> bool {
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line).is_ok_and(|n| n > 0)
}

/// Reports a round: seconds, units of work, and other values.
pub(crate) fn report(seconds: f64, units: f64, more: &Value) {
    say(&json!({ "seconds": seconds, "units": units, "peak_mib": peak_mib(), "more": more }));
}

fn say(line: &Value) {
    println!("{line}");
    let _ = io::stdout().flush();
}

/// Seconds of all processors that this process has had so far, if the system reports them.
pub(crate) fn cpu_seconds() -> Option<f64> {
    /// Linux reports times in hundredths of a second, whatever its own clock is.
    const TICKS: f64 = 100.0;
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    // After the name of the program, which is in brackets: the times of user and system are the 14th and 15th fields.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks = |at: usize| fields.get(at)?.parse::<f64>().ok();
    Some((ticks(11)? + ticks(12)?) / TICKS)
}

/// Peak memory of this process so far, if the system reports it.
pub(crate) fn peak_mib() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().strip_suffix(" kB")?.parse::<f64>().ok()? / 1024.0)
}
