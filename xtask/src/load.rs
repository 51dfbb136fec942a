//! `cargo xtask bench serve`: clients on loopback that ask one after another, as many at once as are named.

use std::{
    collections::BTreeMap,
    ffi::{OsStr, OsString},
    fs,
    io::{self, Write},
    path::Path,
    process::{Command, Stdio},
    sync::Mutex,
    thread,
    time::{Duration, Instant},
};

use crate::{
    Failure, Outcome, app,
    cargo::{not_started, release_dir, root, run as run_program},
    fail, python, say,
    server::{Client, Server},
    temp_dir::TempDir,
};

/// Seconds of each measurement by default.
const SECONDS: u64 = 20;
/// Clients that are compared.
const CLIENTS: [usize; 2] = [1, 64];
/// Clients of the overload, which is ten times what the server takes at once.
const OVERLOAD: usize = 640;
/// Sentences that the command translates, to compare.
const N_TRANSLATED: usize = 8000;
/// The beam of the peer, as models have it that say nothing.
const BEAM: &str = "4";
/// The longest translation of the peer, in tokens.
const MAX_LEN: &str = "256";
/// What is translated.
const SENTENCES: [&str; 8] = [
    "The animal did not cross the street because it was too tired.",
    "The dog slept on the sofa.",
    "His grandmother wants to hang the pictures on the wall.",
    "The man who bought the car is rich.",
    "Did the child eat the apple?",
    "The horse did not pull the cart because it was too heavy.",
    "Yesterday the teacher gave the girl a new book.",
    "The cat is small.",
];

/// What some clients saw.
#[derive(Debug, Default)]
struct Seen {
    /// Seconds of each answer that was right.
    seconds: Vec<f64>,
    n_refused: usize,
    n_wrong: usize,
    /// Seconds that all of it took.
    total: f64,
}

/// Measures `attentive serve --model DIR`, `--seconds N` each time; with `--peer`, CTranslate2 behind FastAPI beside it.
pub(crate) fn run(args: &[OsString]) -> Outcome {
    let (mut model, mut seconds) = (OsString::from("runs/latest"), SECONDS);
    let (flags, args): (Vec<_>, Vec<_>) = args.iter().partition(|arg| *arg == "--peer" || *arg == "--built");
    let has = |flag: &str| flags.iter().any(|arg| *arg == flag);
    let program = if has("--built") { app::built_program()? } else { app::server_program()? };
    let mut rest = args.into_iter();
    while let Some(arg) = rest.next() {
        match (arg.to_str(), rest.next()) {
            (Some("--model"), Some(value)) => model.clone_from(value),
            (Some("--seconds"), Some(value)) => {
                let parsed = value.to_str().and_then(|value| value.parse().ok());
                seconds =
                    parsed.ok_or_else(|| Failure::Message(format!("--seconds {}: no number", value.display())))?;
            }
            _ => return fail("bench serve takes --model DIR, --seconds N, --peer and --built"),
        }
    }
    // As many connections as the overload needs; queues and limits are the usual ones.
    let mut serve = Command::new(&program);
    serve.args(["serve", "--port", "0", "--connections", "1024", "--languages", "en:de", "--model"]);
    let server = Server::listening(serve.arg(&model))?;
    let time = Duration::from_secs(seconds);
    ask_all(&server.address, 4, Duration::from_secs(2)); // not counted: caches and threads
    say!("clients  requests/s      p50 ms      p99 ms  refused  wrong");
    let mut rates = Vec::new();
    for n in CLIENTS {
        let seen = ask_all(&server.address, n, time);
        rates.push(seen.rate());
        seen.report(n);
    }
    say!("{} clients have {:.2} times the requests of one", CLIENTS[1], rates[1] / rates[0]);
    let before = peak_memory(server.id());
    let seen = ask_all(&server.address, OVERLOAD, time);
    seen.report(OVERLOAD);
    if let Some((before, after)) = before.zip(peak_memory(server.id())) {
        say!("the server's largest memory: {} MiB before the overload, {} MiB after it", before >> 10, after >> 10);
    }
    let after = ask_all(&server.address, 1, Duration::from_secs(1));
    if has("--peer") {
        beside(&program, &server, &model, time)?;
    }
    let is_right = seen.n_wrong == 0 && !after.seconds.is_empty() && after.n_wrong + after.n_refused == 0;
    drop(server);
    let rate = by_command(&program, &model)?;
    say!(
        "attentive translate, all sentences at once: {rate:.1} sentences/s; {} clients have {:.2} of it",
        CLIENTS[1],
        rates[1] / rate
    );
    if is_right { Ok(()) } else { fail("an answer was wrong, or the server did not answer after the overload") }
}

/// Asks the peer and the server in turn, three times, with the same weights and sentences.
fn beside(program: &Path, server: &Server, model: &OsStr, time: Duration) -> Outcome {
    let folder = TempDir::new("serve")?;
    let (exported, tokens) = (folder.path().join("model"), folder.path().join("tokens.json"));
    let mut export = Command::new(program);
    export.args(["export", "--format", "ctranslate2", "--model"]).arg(model).arg("--out").arg(&exported);
    run_program(export.stdout(Stdio::null()))?;
    fs::write(&tokens, tokens_of_sentences(program, model)?).map_err(|error| unwritten(&error))?;
    let venv = release_dir()?.with_file_name("bench").join("serve-venv");
    let python = python::with(python::find()?, &root().join("bench/requirements-serve.txt"), &venv)?;
    let n_threads = thread::available_parallelism().map_or(1, usize::from);
    let mut peer = Command::new(python);
    peer.arg("serve.py").arg(&exported).arg(&tokens).args([BEAM, MAX_LEN, &n_threads.to_string()]);
    let peer = Server::listening(peer.current_dir(root().join("bench/peers")))?;
    // Not counted: it is warm then, and what was left of the overload is answered.
    for at in [server, &peer] {
        ask_all(&at.address, 4, Duration::from_secs(2));
    }
    let same = SENTENCES.iter().filter(|sentence| {
        let [own, its] =
            [server, &peer].map(|at| Client::new(&at.address).translate(sentence).map(|answer| answer.body));
        matches!((own, its), (Ok(own), Ok(its)) if own == its)
    });
    say!("the peer writes {} of {} translations as the server does", same.count(), SENTENCES.len());
    for n in CLIENTS {
        let mut rounds = Vec::new();
        for _ in 0..3 {
            let [own, its] = [server, &peer].map(|at| ask_all(&at.address, n, time));
            say!("attentive serve, then CTranslate2 behind FastAPI:");
            [&own, &its].into_iter().for_each(|seen| seen.report(n));
            rounds.push(own.rate() / its.rate());
        }
        rounds.sort_by(f64::total_cmp);
        say!("{n} clients: {:.2} times the requests of the peer, the median of 3", rounds[1]);
    }
    Ok(())
}

/// The tokens of each sentence by their names, as JSON.
fn tokens_of_sentences(program: &Path, model: &OsStr) -> Outcome<String> {
    let mut command = Command::new(program);
    command.args(["tokenize", "encode", "--format", "pieces", "--model"]).arg(model);
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().map_err(|error| not_started(&command, &error))?;
    let lines = SENTENCES.join("\n") + "\n";
    child.stdin.take().expect("a pipe").write_all(lines.as_bytes()).map_err(|error| unwritten(&error))?;
    let output = child.wait_with_output().map_err(|error| unwritten(&error))?;
    let pieces = String::from_utf8_lossy(&output.stdout).into_owned();
    let tokens: BTreeMap<&str, Vec<&str>> =
        SENTENCES.into_iter().zip(pieces.lines()).map(|(text, line)| (text, line.split(' ').collect())).collect();
    match tokens.len() == SENTENCES.len() && output.status.success() {
        // Texts without quotation marks are written by `Debug` as JSON has them.
        true => Ok(format!("{tokens:?}")),
        false => fail("attentive tokenize failed"),
    }
}

fn unwritten(error: &io::Error) -> Failure {
    Failure::Message(format!("can't prepare the peer: {error}"))
}

/// Sentences that `attentive translate` translates in a second, its start included.
fn by_command(program: &Path, model: &OsStr) -> Outcome<f64> {
    let mut command = Command::new(program);
    command.args(["translate", "--model"]).arg(model).stdin(Stdio::piped()).stdout(Stdio::null());
    let lines = format!("{}\n", SENTENCES.join("\n")).repeat(N_TRANSLATED / SENTENCES.len());
    let begin = Instant::now();
    let mut child = command.spawn().map_err(|error| not_started(&command, &error))?;
    // What can't be written is not translated, and its end says why.
    let _ = child.stdin.take().expect("a pipe").write_all(lines.as_bytes());
    match child.wait() {
        Ok(status) if status.success() => Ok(N_TRANSLATED as f64 / begin.elapsed().as_secs_f64()),
        _ => fail("attentive translate failed"),
    }
}

/// Lets `n` clients ask for some time, each anew as soon as it has an answer.
fn ask_all(address: &str, n: usize, time: Duration) -> Seen {
    let all = Mutex::new(Seen::default());
    let begin = Instant::now();
    thread::scope(|scope| {
        for client in 0..n {
            let all = &all;
            scope.spawn(move || {
                let seen = ask(address, client, begin + time);
                let mut all = all.lock().expect("no client panics");
                all.seconds.extend(seen.seconds);
                all.n_refused += seen.n_refused;
                all.n_wrong += seen.n_wrong;
            });
        }
    });
    let total = begin.elapsed().as_secs_f64();
    Seen { total, ..all.into_inner().expect("no client panics") }
}

/// One client, who begins with the sentence of a number.
fn ask(address: &str, first: usize, until: Instant) -> Seen {
    let (mut seen, mut client) = (Seen::default(), Client::new(address));
    for number in first.. {
        if Instant::now() >= until {
            break;
        }
        let begin = Instant::now();
        match client.translate(SENTENCES[number % SENTENCES.len()]) {
            Ok(answer) if answer.status == 200 => seen.seconds.push(begin.elapsed().as_secs_f64()),
            Ok(answer) if matches!(answer.status, 429 | 503) && answer.says_when => {
                seen.n_refused += 1;
                thread::sleep(Duration::from_millis(100));
            }
            _ => seen.n_wrong += 1,
        }
    }
    seen
}

impl Seen {
    fn rate(&self) -> f64 {
        self.seconds.len() as f64 / self.total
    }

    fn report(&self, n: usize) {
        let mut sorted = self.seconds.clone();
        sorted.sort_by(f64::total_cmp);
        let at = |share: f64| {
            let last = sorted.len().saturating_sub(1);
            1000.0 * sorted.get((share * last as f64).round() as usize).copied().unwrap_or(f64::NAN)
        };
        let (rate, p50, p99) = (self.rate(), at(0.5), at(0.99));
        say!("{n:>7}  {rate:>10.1}  {p50:>10.2}  {p99:>10.2}  {:>7}  {:>5}", self.n_refused, self.n_wrong);
    }
}

/// The largest memory that a process had, in KiB, where the system tells it.
fn peak_memory(id: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{id}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.split_whitespace().next()?.parse().ok()
}
