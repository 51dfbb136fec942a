//! `cargo xtask soak`: commands that answer line after line for minutes, whose memory must not grow.

use std::{
    ffi::OsString,
    io::{Read, Write},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use crate::{Failure, Outcome, app, cargo, fail, not_run, say, table, temp_dir::TempDir};

/// Seconds that each command works by default.
const SECONDS: u64 = 120;

/// Share of the time that a command has to come to its largest memory, and what it may take more in the rest, in KiB.
const WARM_UP: f64 = 0.3;
const GROWTH_KIB: u64 = 4096;

/// The line before the table of what was measured, and the table's head.
pub(crate) const MARK: &str = "<!-- written by cargo xtask soak -->\n";
const HEADER: [&str; 5] = ["command", "minutes", "written", "memory in the first 30%", "after it"];

/// Golden models of `attentive-interchange`, and the commands that use them without end.
const COMMANDS: [(&str, &[&str]); 3] = [
    ("marian", &["translate", "--model"]),
    ("gpt2", &["generate", "--samples", "1000000000", "--no-prompt", "--max-tokens", "20", "the", "--model"]),
    ("bert-masked-lm", &["embed", "--model"]),
];

/// Lines of input, which come again and again.
const LINES: &[u8] = b"the animal\nthe end\n\nit was too tired\nthe animal did not cross the street\n";

/// Runs each command for `--seconds N`, and fails where its memory grows; `--built` takes the program as it was last built.
pub(crate) fn run(args: &[OsString]) -> Outcome {
    let is_built = args.first().is_some_and(|arg| arg == "--built");
    let seconds = match args[usize::from(is_built)..].iter().map(|arg| arg.to_str()).collect::<Vec<_>>()[..] {
        [] => SECONDS,
        [Some("--seconds"), Some(n)] => n.parse().map_err(|_| Failure::Message(format!("--seconds {n}: no number")))?,
        _ => return fail("soak takes --built, then --seconds N"),
    };
    if !cfg!(target_os = "linux") {
        not_run("soak", "the memory of a process is read from /proc");
        return Ok(());
    }
    let program = if is_built { app::built_program()? } else { app::program()? };
    let folder = TempDir::new("soak")?;
    let (mut grown, mut rows) = (Vec::new(), vec![HEADER.map(str::to_owned)]);
    for (golden, args) in COMMANDS {
        let model = folder.path().join(golden);
        let source = cargo::root().join("crates/interchange/tests/golden").join(golden);
        let mut import = Command::new(&program);
        cargo::run(import.arg("import").arg(source).arg("--out").arg(&model).stdout(Stdio::null()))?;
        let mut command = Command::new(&program);
        command.args(args).arg(&model);
        let Soaked { n_bytes, first_kib, rest_kib } = soak(command, Duration::from_secs(seconds))?;
        say!("soak: {}: {n_bytes} bytes in {seconds} s; at most {first_kib} KiB, then {rest_kib} KiB", args[0]);
        if rest_kib > first_kib + GROWTH_KIB {
            grown.push(args[0]);
        }
        let [first, rest] = [first_kib, rest_kib].map(|kib| format!("{:.1} MiB", kib as f64 / 1024.0));
        let written = format!("{:.1} MB", n_bytes as f64 / 1e6);
        rows.push([format!("`{}`", args[0]), (seconds / 60).to_string(), written, first, rest]);
    }
    if !grown.is_empty() {
        return fail(format!("memory grows: {}", grown.join(", ")));
    }
    let told = table::rows::<5>(table::RELIABILITY, MARK)?;
    let is_longest = told.iter().all(|row| row[1].parse::<u64>().is_ok_and(|minutes| minutes <= seconds / 60));
    if is_longest { table::write(table::RELIABILITY, MARK, &table::aligned(&rows)) } else { Ok(()) }
}

/// What a command wrote, and its largest memory in the first part of the time and in the rest.
struct Soaked {
    n_bytes: u64,
    first_kib: u64,
    rest_kib: u64,
}

fn soak(mut command: Command, time: Duration) -> Outcome<Soaked> {
    let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
    let mut child = child.map_err(|e| cargo::not_started(&command, &e))?;
    let (mut input, mut output) = (child.stdin.take().expect("piped"), child.stdout.take().expect("piped"));
    // It ends with the command, whose pipe is then closed.
    let writer = thread::spawn(move || while input.write_all(LINES).is_ok() {});
    let reader = thread::spawn(move || {
        let (mut buffer, mut n_bytes) = (vec![0; 1 << 16], 0);
        while let Ok(n @ 1..) = output.read(&mut buffer) {
            n_bytes += n as u64;
        }
        n_bytes
    });
    let (started, mut kib) = (Instant::now(), [0; 2]);
    let mut ended = None;
    while started.elapsed() < time && ended.is_none() {
        thread::sleep(Duration::from_millis(100));
        let part = usize::from(started.elapsed() > time.mul_f64(WARM_UP));
        kib[part] = kib[part].max(cargo::memory_kib(child.id(), "VmRSS").unwrap_or(0));
        ended = child.try_wait().ok().flatten();
    }
    // It may have ended by itself, which is told below.
    let _ = child.kill();
    let _ = child.wait();
    let _ = writer.join();
    let n_bytes = reader.join().unwrap_or(0);
    match ended {
        Some(status) => fail(format!("{} ended by itself: {status}", command.get_program().display())),
        None if n_bytes == 0 => fail(format!("{} wrote nothing", command.get_program().display())),
        None if kib.contains(&0) => fail("the memory of the command was not read in one part of the time"),
        None => Ok(Soaked { n_bytes, first_kib: kib[0], rest_kib: kib[1] }),
    }
}
