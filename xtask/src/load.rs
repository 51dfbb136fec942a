//! `cargo xtask bench serve`: clients on loopback that ask one after another, as many at once as are named.

use std::{
    ffi::OsString,
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::Mutex,
    thread,
    time::{Duration, Instant},
};

use crate::{
    Failure, Outcome, app, cannot,
    cargo::{memory_kib, not_started, root, run as run_program, target_dir},
    fail,
    json::quoted,
    python, say,
    server::{Client, Server},
    temp_dir::TempDir,
};

/// Seconds of each measurement by default, and of an overload that is asked for by itself.
const SECONDS: [u64; 2] = [20, 60];
/// Clients that are compared.
const CLIENTS: [usize; 2] = [1, 64];
/// Clients of the overload, which is ten times what the server takes at once.
const OVERLOAD: usize = 640;
/// MiB that the server may need for them beyond what it needs for as many as it takes at once.
const OVERLOAD_MIB: u64 = 128;
/// Seconds that one client may wait longer once they are gone than before they came.
const AT_ONCE: f64 = 1.0;
/// Sentences that the command translates at most, to compare.
const N_TRANSLATED: usize = 8000;
/// The longest translation of the peer, in tokens.
const MAX_LEN: &str = "256";
/// What is translated, if no file of lines is given.
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
/// Arguments without a value.
const FLAGS: [&str; 3] = ["--peer", "--overload", "--built"];
const USAGE: &str = "bench serve takes --model DIR, --lines FILE, --languages FROM:TO, --precision NAME, --seconds N, \
                     --peer, --overload and --built";

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

/// What is asked of which model.
struct Load {
    program: PathBuf,
    model: OsString,
    lines: Vec<String>,
    /// `FROM:TO`.
    languages: String,
    /// What weights are packed in, where that is not as the model's folder says.
    precision: Option<String>,
    seconds: Option<u64>,
    flags: Vec<String>,
}

/// A server, and what it answers to each request while nothing else is asked of it.
struct Place {
    address: String,
    /// The bodies of requests, with those of their answers.
    right: Vec<(String, String)>,
    /// Whether answers are the same among others; the peer's may round otherwise there, and count all the same.
    is_exact: bool,
}

/// Measures `attentive serve --model DIR`, `--seconds N` each time; with `--peer`, CTranslate2 behind FastAPI beside it;
/// with `--overload`, only what too many clients see.
pub(crate) fn run(args: &[OsString]) -> Outcome {
    let load = Load::parse(args)?;
    // As many connections as the overload needs; queues and limits are the usual ones.
    let mut serve = Command::new(&load.program);
    serve.args(["serve", "--port", "0", "--connections", "1024", "--languages", load.languages.as_str()]);
    let server = Server::listening(serve.args(load.precision()).arg("--model").arg(&load.model))?;
    let place = load.place(&server.address)?;
    let models = place.models()?;
    let told = told(&models);
    if told.is_some() && load.has("--peer") {
        return fail("bench serve --peer: the model is told languages, which the peer is not: leave --peer out");
    }
    place.warm();
    say!("clients  requests/s      p50 ms      p99 ms  refused  wrong");
    let mut failures = Failures::default();
    if load.has("--overload") {
        failures.note("the overload", load.overload(&server, &place, load.time(1)));
        return failures.outcome();
    }
    let mut rates = Vec::new();
    for n in CLIENTS {
        let seen = place.ask_all(n, load.time(0));
        rates.push(seen.rate());
        seen.report(n);
    }
    say!("{} clients have {:.2} times the requests of one", CLIENTS[1], rates[1] / rates[0]);
    failures.note("the overload", load.overload(&server, &place, load.time(0)));
    if load.has("--peer") {
        failures.note("the peer", load.beside(&place));
    }
    drop(server);
    let by_command = load.by_command(rates[1], told).map(|rate| {
        say!(
            "attentive translate, all sentences at once: {rate:.1} sentences/s; {} clients have {:.2} of it",
            CLIENTS[1],
            rates[1] / rate
        );
    });
    failures.note("attentive translate", by_command);
    failures.outcome()
}

/// The failures of what is measured one after another: each is told at once, and none hides another.
#[derive(Debug, Default)]
struct Failures(Vec<String>);

impl Failures {
    fn note(&mut self, what: &str, outcome: Outcome) {
        if let Err(failure) = outcome {
            let failure = format!("{what}: {failure}");
            say!("FAILED: {failure}");
            self.0.push(failure);
        }
    }

    fn outcome(self) -> Outcome {
        if self.0.is_empty() { Ok(()) } else { fail(self.0.join("; ")) }
    }
}

impl Load {
    fn parse(args: &[OsString]) -> Outcome<Self> {
        let mut load = Self {
            program: PathBuf::new(),
            model: "runs/latest".into(),
            lines: SENTENCES.map(str::to_owned).to_vec(),
            languages: "en:de".to_owned(),
            precision: None,
            seconds: None,
            flags: Vec::new(),
        };
        let mut rest = args.iter();
        while let Some(arg) = rest.next() {
            let name = arg.to_str().unwrap_or_default();
            if FLAGS.contains(&name) {
                load.flags.push(name.to_owned());
                continue;
            }
            let Some(value) = rest.next() else { return fail(USAGE) };
            let text = value.to_string_lossy();
            match name {
                "--model" => load.model.clone_from(value),
                "--lines" => load.lines = lines(Path::new(value))?,
                "--languages" => load.languages = text.into_owned(),
                "--precision" => load.precision = Some(text.into_owned()),
                "--seconds" => {
                    let seconds: u64 =
                        text.parse().map_err(|_| Failure::Message(format!("--seconds {text}: no number")))?;
                    load.seconds = Some(seconds);
                }
                _ => return fail(USAGE),
            }
        }
        if load.has("--peer") && load.has("--overload") {
            return fail("bench serve --overload asks attentive serve alone: leave --peer out");
        }
        if load.has("--peer") {
            // The peer knows nothing of what the model's folder says.
            load.precision.get_or_insert_with(|| "f32".to_owned());
            load.compute_type()?;
        }
        load.program = if load.has("--built") { app::built_program()? } else { app::server_program()? };
        Ok(load)
    }

    fn has(&self, flag: &str) -> bool {
        self.flags.iter().any(|given| given == flag)
    }

    /// The time of a measurement, or of an overload by itself.
    fn time(&self, which: usize) -> Duration {
        Duration::from_secs(self.seconds.unwrap_or(SECONDS[which]))
    }

    /// The arguments of what weights are packed in.
    fn precision(&self) -> impl Iterator<Item = &str> {
        self.precision.iter().flat_map(|name| ["--precision", name.as_str()])
    }

    /// The precision as the peer calls it.
    fn compute_type(&self) -> Outcome<&'static str> {
        match self.precision.as_deref() {
            None | Some("f32") => Ok("float32"),
            Some("int8") => Ok("int8"),
            Some(other) => fail(format!("--precision {other}: the peer has f32 and int8")),
        }
    }

    /// A server at an address, which is asked for each translation once.
    fn place(&self, address: &str) -> Outcome<Place> {
        let Some((from, to)) = self.languages.split_once(':') else { return fail(USAGE) };
        let (from, to, mut client) = (quoted(from), quoted(to), Client::new(address));
        let ask = |line: &String| {
            let body = format!("{{\"q\":{},\"source\":{from},\"target\":{to}}}", quoted(line));
            match client.ask("POST", "/translate", &body) {
                Ok(answer) if answer.status == 200 => Ok((body, answer.body)),
                Ok(answer) => fail(format!("{line}: {}: {}", answer.status, answer.body)),
                Err(error) => fail(format!("{address} does not answer: {error}")),
            }
        };
        let right = self.lines.iter().map(ask).collect::<Outcome<_>>()?;
        Ok(Place { address: address.to_owned(), right, is_exact: true })
    }

    /// Too many clients: every answer is right or says when to come again, memory is bounded, and one that comes after them
    /// is answered at once.
    fn overload(&self, server: &Server, place: &Place, time: Duration) -> Outcome {
        place.warm();
        let calm = place.ask_all(1, Duration::from_secs(1)).first();
        let before = memory_kib(server.id(), "VmHWM");
        let seen = place.ask_all(OVERLOAD, time);
        seen.report(OVERLOAD);
        let after = place.ask_all(1, Duration::from_secs(1));
        let mut amiss = Vec::new();
        if let Some((before, after)) = before.zip(memory_kib(server.id(), "VmHWM")) {
            say!("the server's largest memory: {} MiB before the overload, {} MiB after it", before >> 10, after >> 10);
            if after - before > OVERLOAD_MIB << 10 {
                amiss.push(format!("it needs more than {OVERLOAD_MIB} MiB more for {OVERLOAD} clients"));
            }
        }
        if seen.n_wrong > 0 || seen.seconds.is_empty() {
            amiss.push(format!("of {} answers, {} were wrong", seen.seconds.len() + seen.n_wrong, seen.n_wrong));
        }
        say!("one client: {:.1} ms before the overload, {:.1} ms after it", 1000.0 * calm, 1000.0 * after.first());
        if after.first() > calm + AT_ONCE || after.n_wrong + after.n_refused > 0 {
            amiss.push("one client was not answered at once after it".to_owned());
        }
        if amiss.is_empty() { Ok(()) } else { fail(amiss.join("; ")) }
    }

    /// Asks the server and the peer in turn, three times, with the same weights, sentences and beam. The peer is one worker of
    /// all threads, as it is by default, and another time a worker of one thread for each.
    fn beside(&self, own: &Place) -> Outcome {
        let folder = TempDir::new("serve")?;
        let (exported, tokens) = (folder.path().join("model"), folder.path().join("tokens.json"));
        let mut export = Command::new(&self.program);
        export.args(["export", "--format", "ctranslate2", "--model"]).arg(&self.model).arg("--out").arg(&exported);
        run_program(export.stdout(Stdio::null()))?;
        fs::write(&tokens, self.tokens()?).map_err(|error| unwritten(&error))?;
        let venv = target_dir()?.join("bench").join("serve-venv");
        let python = python::with(python::find()?, &root().join("bench/requirements-serve.txt"), &venv)?;
        let (beam, compute_type) = (own.beam()?, self.compute_type()?);
        let n_threads = thread::available_parallelism().map_or(1, usize::from);
        let start = |[workers, threads]: [usize; 2]| -> Outcome<(Server, Place)> {
            let mut peer = Command::new(&python);
            peer.arg("serve.py").args([&exported, &tokens]).args([beam.as_str(), MAX_LEN]);
            peer.args([workers, threads].map(|n| n.to_string())).arg(compute_type);
            let server = Server::listening(peer.current_dir(root().join("bench/peers")))?;
            let place = Place { is_exact: false, ..self.place(&server.address)? };
            Ok((server, place))
        };
        let mut peers = vec![start([1, n_threads])?];
        if n_threads > 1 {
            peers.push(start([n_threads, 1])?);
        }
        // Not counted: it is warm then, and what was left of the overload is answered.
        own.warm();
        for (_, its) in &peers {
            its.warm();
            let same = own.right.iter().zip(&its.right).filter(|(own, its)| own == its);
            say!("the peer writes {} of {} translations as the server does", same.count(), self.lines.len());
        }
        for n in CLIENTS {
            let mut rounds = vec![Vec::new(); peers.len()];
            for _ in 0..3 {
                say!("attentive serve, then CTranslate2 behind FastAPI: one worker, as it is by default, then more:");
                let rate = |place: &Place| {
                    let seen = place.ask_all(n, self.time(0));
                    seen.report(n);
                    seen.rate()
                };
                let own = rate(own);
                peers.iter().zip(&mut rounds).for_each(|((_, its), ratios)| ratios.push(own / rate(its)));
            }
            for (ratios, workers) in rounds.iter_mut().zip(["one worker", "a worker for each thread"]) {
                ratios.sort_by(f64::total_cmp);
                say!("{n} clients: {:.2} times the requests of the peer of {workers}, the median of 3", ratios[1]);
            }
        }
        Ok(())
    }

    /// The tokens of each sentence by their names, as JSON.
    fn tokens(&self) -> Outcome<String> {
        let mut command = Command::new(&self.program);
        command.args(["tokenize", "encode", "--format", "pieces", "--model"]).arg(&self.model);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().map_err(|error| not_started(&command, &error))?;
        let mut input = child.stdin.take().expect("a pipe");
        let lines = self.lines.join("\n") + "\n";
        // On a thread: the tokens may fill their pipe before all lines are read.
        let writer = thread::spawn(move || input.write_all(lines.as_bytes()));
        let output = child.wait_with_output().map_err(|error| unwritten(&error))?;
        writer.join().expect("no panic").map_err(|error| unwritten(&error))?;
        let pieces = String::from_utf8_lossy(&output.stdout);
        if !output.status.success() || pieces.lines().count() != self.lines.len() {
            return fail("attentive tokenize failed");
        }
        let entry = |(line, pieces): (&String, &str)| {
            let pieces: Vec<String> = pieces.split(' ').map(quoted).collect();
            format!("{}: [{}]", quoted(line), pieces.join(", "))
        };
        let entries: Vec<String> = self.lines.iter().zip(pieces.lines()).map(entry).collect();
        Ok(format!("{{{}}}", entries.join(",\n")))
    }

    /// Sentences that `attentive translate` translates in a second, its start included: of as many as clients who had `rate`
    /// in a second would have. `told` are the languages that the model is told.
    fn by_command(&self, rate: f64, told: Option<[&str; 2]>) -> Outcome<f64> {
        let n = ((rate * self.time(0).as_secs_f64()) as usize).clamp(1, N_TRANSLATED);
        let mut command = Command::new(&self.program);
        command.arg("translate").args(self.precision()).arg("--model").arg(&self.model);
        if let Some([source, target]) = told {
            command.args(["--source-language", source, "--target-language", target]);
        }
        command.stdin(Stdio::piped()).stdout(Stdio::null());
        let lines = self.lines.iter().cycle().take(n).fold(String::new(), |all, line| all + line + "\n");
        let begin = Instant::now();
        let mut child = command.spawn().map_err(|error| not_started(&command, &error))?;
        // What can't be written is not translated, and its end says why.
        let _ = child.stdin.take().expect("a pipe").write_all(lines.as_bytes());
        match child.wait() {
            Ok(status) if status.success() => Ok(n as f64 / begin.elapsed().as_secs_f64()),
            _ => fail("it failed"),
        }
    }
}

/// The lines of a file that are not blank.
fn lines(path: &Path) -> Outcome<Vec<String>> {
    let text = fs::read_to_string(path).map_err(|e| cannot("read", path, &e))?;
    let lines: Vec<String> = text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect();
    if lines.is_empty() { fail(format!("{} has no line", path.display())) } else { Ok(lines) }
}

fn unwritten(error: &io::Error) -> Failure {
    Failure::Message(format!("can't prepare it: {error}"))
}

impl Place {
    /// Asks for a while without counting: caches are filled then, and there are threads and memory for as many as it takes at
    /// once.
    fn warm(&self) {
        self.ask_all(CLIENTS[1], Duration::from_secs(3));
    }

    /// Lets `n` clients ask for some time, each again as soon as it has an answer.
    fn ask_all(&self, n: usize, time: Duration) -> Seen {
        let all = Mutex::new(Seen::default());
        let begin = Instant::now();
        thread::scope(|scope| {
            for client in 0..n {
                let all = &all;
                scope.spawn(move || {
                    let seen = self.ask(client, begin + time);
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
    fn ask(&self, first: usize, until: Instant) -> Seen {
        let (mut seen, mut client) = (Seen::default(), Client::new(&self.address));
        for (body, right) in self.right.iter().cycle().skip(first % self.right.len()) {
            if Instant::now() >= until {
                break;
            }
            let begin = Instant::now();
            match client.ask("POST", "/translate", body) {
                Ok(answer) if answer.status == 200 && (answer.body == *right || !self.is_exact) => {
                    seen.seconds.push(begin.elapsed().as_secs_f64());
                }
                Ok(answer) if matches!(answer.status, 429 | 503) && answer.says_when => {
                    seen.n_refused += 1;
                    thread::sleep(Duration::from_millis(100));
                }
                _ => seen.n_wrong += 1,
            }
        }
        seen
    }

    /// What the server tells of its models, as JSON.
    fn models(&self) -> Outcome<String> {
        let models = Client::new(&self.address).ask("GET", "/api/models", "");
        models
            .map(|answer| answer.body)
            .map_err(|error| Failure::Message(format!("the server tells no models: {error}")))
    }

    /// Hypotheses that the server's searches keep.
    fn beam(&self) -> Outcome<String> {
        let models = self.models()?;
        let beam =
            models.split_once("\"beam\":").map(|(_, rest)| rest.chars().take_while(char::is_ascii_digit).collect());
        beam.filter(|beam: &String| !beam.is_empty()).ok_or_else(|| Failure::Message("the server tells no beam".into()))
    }
}

impl Seen {
    /// Seconds of the first right answer, infinitely many without one.
    fn first(&self) -> f64 {
        self.seconds.first().copied().unwrap_or(f64::INFINITY)
    }

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

/// The languages that a model is told, of what the server tells of it: that of sources, and that of translations.
fn told(models: &str) -> Option<[&str; 2]> {
    let (_, languages) = models.split_once("\"languages\":{")?;
    let (languages, _) = languages.split_once('}')?;
    let first = |of: &str| languages.split_once(of)?.1.split('"').next();
    let (source, target) = first("\"source\":[\"").zip(first("\"target\":[\""))?;
    languages.contains("\"told\":true").then_some([source, target])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_not_be_measured_is_refused() {
        let problem = |args: &[&str]| {
            let args: Vec<OsString> = args.iter().map(OsString::from).collect();
            Load::parse(&args).err().map(|failure| failure.to_string())
        };
        assert!(problem(&["--overload", "--peer"]).is_some_and(|problem| problem.contains("leave --peer out")));
        assert_eq!(
            problem(&["--peer", "--precision", "q4_0"]).as_deref(),
            Some("--precision q4_0: the peer has f32 and int8")
        );
        assert_eq!(problem(&["--model"]).as_deref(), Some(USAGE));
        assert_eq!(problem(&["--beam", "4"]).as_deref(), Some(USAGE));
    }

    #[test]
    fn a_later_failure_hides_no_earlier_one() {
        let mut failures = Failures::default();
        failures.note("the overload", fail("2 were wrong"));
        failures.note("the peer", Err(Failure::Exit(3)));
        failures.note("attentive translate", Ok(()));
        let told = failures.outcome().unwrap_err().to_string();
        assert_eq!(told, "the overload: 2 were wrong; the peer: exit code 3");
        assert!(Failures::default().outcome().is_ok());
    }

    #[test]
    fn a_model_is_told_languages_if_the_server_says_so() {
        let models = |told: bool| {
            let languages = format!("{{\"source\":[\"eng_Latn\"],\"target\":[\"deu_Latn\"],\"told\":{told}}}");
            format!("{{\"models\":[{{\"beam\":4,\"languages\":{languages},\"layers\":{{\"decoder\":6}}}}]}}")
        };
        assert_eq!(told(&models(true)), Some(["eng_Latn", "deu_Latn"]));
        assert_eq!(told(&models(false)), None);
        assert_eq!(told("{\"models\":[{\"languages\":null,\"layers\":{}}]}"), None);
    }

    #[test]
    fn the_peer_listens_before_it_tells_its_address() {
        let peer = fs::read_to_string(root().join("bench/peers/serve.py")).unwrap();
        let at = |call: &str| peer.find(call).unwrap_or_else(|| panic!("no {call}"));
        assert!(at("listener.listen()") < at("print(f\"listening at "));
    }
}
