//! Faults of `attentive serve`: it ends in the middle of its work, the files of its model change while it runs, and its
//! clients misbehave.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    thread,
    time::Duration,
};

use super::{
    clients,
    lab::{Lab, Session, signal},
    outcome::Tally,
};
use crate::{
    Failure, Outcome, cannot,
    cargo::root,
    fail,
    server::{Answer, Client, Server},
};

/// Those who ask while a fault is injected.
const CLIENTS: usize = 8;

/// Times that a server is ended.
const N_ENDS: usize = 10;

/// What is translated.
pub(super) const TEXTS: [&str; 4] = ["ab cd ef gh ij kl", "gh ij", "kl ab cd", "cd"];

/// The files of a model.
const PARTS: [&str; 4] = ["config.toml", "tokenizer.json", "model.safetensors", "training.json"];

/// Two models, the folder that one of them is served from, and the log of the server.
pub(super) struct Models {
    pub(super) trained: PathBuf,
    imported: PathBuf,
    served: PathBuf,
    log: PathBuf,
}

/// How a server may treat those who ask while a fault is injected.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum May {
    /// Every request is answered.
    Answer,
    /// An answer is whole, but a request may have none.
    Refuse,
    /// An answer may be cut short.
    Break,
}

/// All faults; fewer of some in a short form.
pub(super) fn all(lab: &mut Lab, is_short: bool) -> Outcome<Vec<Tally>> {
    let models = Models::new(lab)?;
    let mut tallies = vec![
        killed(lab, &models)?,
        terminated(lab, &models)?,
        replaced(lab, &models)?,
        damaged(lab, &models)?,
        written_over(lab, &models)?,
        vanished(lab, &models)?,
    ];
    tallies.extend(clients::all(lab, &models, is_short)?);
    Ok(tallies)
}

/// SIGKILL while it answers; it is started again at the same port.
fn killed(lab: &mut Lab, models: &Models) -> Outcome<Tally> {
    let mut tally = Tally::new("SIGKILL of a busy server", "started again at once, it answers as before");
    models.place(&models.trained)?;
    let mut server = models.start(lab, "0")?;
    let right = translations(&server.address)?;
    for _ in 0..N_ENDS {
        let (address, moment) = (server.address.clone(), Duration::from_millis(lab.below(150)));
        let mut amiss = while_asked(&address, &[&right], May::Break, || {
            thread::sleep(moment);
            server.kill();
            Ok(())
        })?;
        let port = address.rsplit(':').next().unwrap_or_default();
        server = models.start(lab, port)?;
        amiss.extend(differing(&right, &translations(&server.address)?));
        tally.add(0, amiss);
    }
    Ok(tally)
}

/// SIGTERM while it answers.
fn terminated(lab: &mut Lab, models: &Models) -> Outcome<Tally> {
    let mut tally = Tally::new("SIGTERM to a busy server", "what it took is answered whole; exit code 0");
    models.place(&models.trained)?;
    for _ in 0..N_ENDS {
        let mut server = models.start(lab, "0")?;
        let (address, right) = (server.address.clone(), translations(&server.address)?);
        let moment = Duration::from_millis(lab.below(150));
        let mut status = None;
        let mut amiss = while_asked(&address, &[&right], May::Refuse, || {
            thread::sleep(moment);
            signal("TERM", server.id())?;
            status = Some(server.wait()?);
            Ok(())
        })?;
        if let Some(status) = status.filter(|status| !status.success()) {
            amiss.push(format!("{status}"));
        }
        tally.add(0, amiss);
    }
    Ok(tally)
}

/// Another model in the folder, and SIGHUP.
fn replaced(lab: &mut Lab, models: &Models) -> Outcome<Tally> {
    let mut tally = Tally::new(
        "Another model put in the folder, then SIGHUP",
        "every answer is the old model's or the new one's; no request is refused",
    );
    models.place(&models.trained)?;
    let server = models.start(lab, "0")?;
    let old = translations(&server.address)?;
    models.place(&models.imported)?;
    // Without a signal, nothing changes.
    let mut amiss = differing(&old, &translations(&server.address)?);
    let other = models.start(lab, "0")?;
    let new = translations(&other.address)?;
    drop(other);
    if old == new {
        return fail("both models translate alike: nothing would be seen");
    }
    let all = [(&models.trained, &old), (&models.imported, &new)];
    for (model, right) in [all[1], all[0], all[1], all[0]] {
        models.place(model)?;
        amiss.extend(while_asked(&server.address, &[&old, &new], May::Answer, || {
            signal("HUP", server.id())?;
            eventually("the new model", || Ok(translations(&server.address)? == *right))
        })?);
        tally.add(0, std::mem::take(&mut amiss));
    }
    Ok(tally)
}

/// Each file of the model cut short, with a bit flipped, and missing, and SIGHUP.
fn damaged(lab: &mut Lab, models: &Models) -> Outcome<Tally> {
    let mut tally = Tally::new(
        "A file of the model damaged, then SIGHUP",
        "the old model goes on; the log names the file, and the metrics count it",
    );
    models.place(&models.trained)?;
    let server = models.start(lab, "0")?;
    let right = translations(&server.address)?;
    let mut n_failed = 0;
    for part in PARTS {
        // The record of sums has none of its own, so that another bit in it may go unseen.
        for damage in (0..3).filter(|&damage| damage != 1 || part != "training.json") {
            models.place(&models.trained)?;
            let path = models.served.join(part);
            let mut bytes = fs::read(&path).map_err(|e| cannot("read", &path, &e))?;
            let at = lab.below(bytes.len() as u64) as usize;
            let hurt = match damage {
                0 => fs::write(&path, &bytes[..at / 2]),
                1 => {
                    bytes[at] ^= 1 << lab.below(8);
                    fs::write(&path, &bytes)
                }
                _ => fs::remove_file(&path),
            };
            hurt.map_err(|e| cannot("damage", &path, &e))?;
            n_failed += 1;
            let amiss = models.failed_reload(&server, &right, n_failed)?;
            tally.add(0, amiss.into_iter().map(|amiss| format!("{part}: {amiss}")).collect());
        }
    }
    Ok(tally)
}

/// The weights written over in place, without a signal, before attention is first asked for, which reads them again.
fn written_over(lab: &mut Lab, models: &Models) -> Outcome<Tally> {
    let mut tally = Tally::new(
        "Weights written over in place, without a signal",
        "translations stay; attention, which reads the file, is refused and never of other weights",
    );
    models.place(&models.trained)?;
    let server = models.start(lab, "0")?;
    let right = translations(&server.address)?;
    let path = models.served.join("model.safetensors");
    let mut bytes = fs::read(&path).map_err(|e| cannot("read", &path, &e))?;
    let n_bytes = bytes.len();
    bytes[n_bytes / 2..].fill(0);
    fs::write(&path, bytes).map_err(|e| cannot("write", &path, &e))?;
    let mut amiss = differing(&right, &translations(&server.address)?);
    let body = format!("{{\"text\":\"{}\",\"attention\":true}}", TEXTS[0]);
    let looked = Client::new(&server.address).ask("POST", "/api/translate", &body).map_err(|e| unanswered(&e))?;
    if looked.status != 500 {
        amiss.push(format!("attention of other weights: {}", looked.status));
    }
    amiss.extend(differing(&right, &translations(&server.address)?));
    tally.add(0, amiss);
    Ok(tally)
}

/// The whole folder gone, before attention is first asked for, and SIGHUP; then the folder back, and SIGHUP.
fn vanished(lab: &mut Lab, models: &Models) -> Outcome<Tally> {
    let mut tally = Tally::new(
        "The folder of the model gone, then SIGHUP; then back",
        "the old model goes on, its attention too; the log names the folder; the new one is loaded",
    );
    models.place(&models.trained)?;
    let body = format!("{{\"text\":\"{}\",\"attention\":true}}", TEXTS[0]);
    let look = |server: &Server| match Client::new(&server.address).ask("POST", "/api/translate", &body) {
        Ok(Answer { status: 200, body, .. }) => Ok(body),
        Ok(Answer { status, body, .. }) => fail(format!("attention: {status}: {body}")),
        Err(error) => Err(unanswered(&error)),
    };
    let seen = look(&models.start(lab, "0")?)?;
    let server = models.start(lab, "0")?;
    let right = translations(&server.address)?;
    fs::remove_dir_all(&models.served).map_err(|e| cannot("remove", &models.served, &e))?;
    let mut amiss = models.failed_reload(&server, &right, 1)?;
    if look(&server)? != seen {
        amiss.push("the attention of another model".into());
    }
    models.place(&models.trained)?;
    amiss.extend(while_asked(&server.address, &[&right], May::Answer, || {
        signal("HUP", server.id())?;
        let loaded = || metric(&server.address, "attentive_reloads_total{result=\"loaded\"}");
        eventually("the folder that is back", || Ok(loaded()? > 0.0))
    })?);
    amiss.extend(differing(&right, &translations(&server.address)?));
    tally.add(0, amiss);
    Ok(tally)
}

impl Models {
    /// The mean of the last checkpoint of the lab's run, and a golden model of another tool.
    fn new(lab: &Lab) -> Outcome<Self> {
        let path = |name: &str| lab.path(name);
        let models =
            Self { trained: path("trained"), imported: path("imported"), served: path("served"), log: path("log") };
        let golden = root().join("crates/interchange/tests/golden/marian").display().to_string();
        let run = lab.path("runs-1").join("run-1").display().to_string();
        for args in
            [["average", &run, "--last", "1", "--out", "trained"].as_slice(), &["import", &golden, "--out", "imported"]]
        {
            Session::start(&mut lab.program(args))?.wait()?.succeeded()?;
        }
        Ok(models)
    }

    /// Puts a model in the folder that is served, as a whole.
    pub(super) fn place(&self, model: &Path) -> Outcome {
        let (next, before) = (self.served.with_extension("next"), self.served.with_extension("before"));
        let place = || -> io::Result<()> {
            fs::create_dir(&next)?;
            for file in fs::read_dir(model)? {
                let file = file?;
                fs::copy(file.path(), next.join(file.file_name()))?;
            }
            if self.served.exists() {
                fs::rename(&self.served, &before)?;
            }
            fs::rename(&next, &self.served)?;
            if before.exists() { fs::remove_dir_all(&before) } else { Ok(()) }
        };
        place().map_err(|e| cannot("replace", &self.served, &e))
    }

    /// Serves the folder at a port.
    fn start(&self, lab: &Lab, port: &str) -> Outcome<Server> {
        self.start_with(lab, port, &[])
    }

    /// As [`start`](Self::start), with more arguments.
    pub(super) fn start_with(&self, lab: &Lab, port: &str, more: &[&str]) -> Outcome<Server> {
        let mut command = lab.program(&["serve", "--port", port, "--languages", "served=en:de", "--model"]);
        let log =
            File::options().create(true).append(true).open(&self.log).map_err(|e| cannot("open", &self.log, &e))?;
        Server::listening(command.arg(&self.served).args(more).stderr(log))
    }

    /// What servers have said of what broke.
    pub(super) fn log(&self) -> Outcome<String> {
        fs::read_to_string(&self.log).map_err(|e| cannot("read", &self.log, &e))
    }

    /// SIGHUP while clients ask, with a folder that does not load, for the `n_failed`th time; what is amiss.
    fn failed_reload(&self, server: &Server, right: &[String], n_failed: usize) -> Outcome<Vec<String>> {
        File::create(&self.log).map_err(|e| cannot("make", &self.log, &e))?;
        let mut amiss = while_asked(&server.address, &[right], May::Answer, || {
            signal("HUP", server.id())?;
            let failed = || metric(&server.address, "attentive_reloads_total{result=\"failed\"}");
            eventually("a failed reload", || Ok(failed()? == n_failed as f64))
        })?;
        amiss.extend(differing(right, &translations(&server.address)?));
        let log = self.log()?;
        if !log.contains("goes on as it is") || log.contains("panicked") {
            amiss.push(format!("the log says {log:?}"));
        }
        Ok(amiss)
    }
}

/// The answers to all texts.
pub(super) fn translations(address: &str) -> Outcome<Vec<String>> {
    let mut client = Client::new(address);
    let one = |text: &&str| match client.translate(text) {
        Ok(Answer { status: 200, body, .. }) => Ok(body),
        Ok(Answer { status, body, .. }) => fail(format!("{text}: {status}: {body}")),
        Err(error) => Err(unanswered(&error)),
    };
    TEXTS.iter().map(one).collect()
}

/// The value of a metric, by its name with its labels; 0 if it is not there.
pub(super) fn metric(address: &str, name: &str) -> Outcome<f64> {
    let metrics = Client::new(address).ask("GET", "/metrics", "").map_err(|e| unanswered(&e))?;
    let value = metrics.body.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok());
    Ok(value.unwrap_or(0.0))
}

pub(super) fn unanswered(error: &io::Error) -> Failure {
    Failure::Message(format!("the server does not answer: {error}"))
}

pub(super) fn differing(expected: &[String], found: &[String]) -> Vec<String> {
    let differ = expected.iter().zip(found).filter(|(expected, found)| expected != found);
    differ.map(|(expected, found)| format!("{found} in place of {expected}")).collect()
}

/// Injects a fault while clients ask, and gives what is amiss: answers that are none of the `right` ones, or that are missing
/// where they may not be.
pub(super) fn while_asked(
    address: &str,
    right: &[&[String]],
    may: May,
    fault: impl FnOnce() -> Outcome,
) -> Outcome<Vec<String>> {
    let (is_over, n_answers) = (AtomicBool::new(false), AtomicUsize::new(0));
    thread::scope(|scope| {
        let client = |number: usize| {
            let (is_over, n_answers) = (&is_over, &n_answers);
            move || {
                let (mut client, mut amiss) = (Client::new(address), Vec::new());
                for at in (number..).map(|n| n % TEXTS.len()) {
                    if is_over.load(Ordering::Relaxed) {
                        break;
                    }
                    match client.translate(TEXTS[at]) {
                        Ok(answer) if right.iter().any(|right| answer.status == 200 && answer.body == right[at]) => {
                            n_answers.fetch_add(1, Ordering::Relaxed);
                        }
                        Ok(answer) => amiss.push(format!("{}: {}", answer.status, answer.body)),
                        Err(error) if may == May::Break => drop(error),
                        Err(error) if may == May::Refuse && error.kind() != io::ErrorKind::UnexpectedEof => {}
                        Err(error) => amiss.push(format!("no answer: {error}")),
                    }
                }
                amiss
            }
        };
        let clients: Vec<_> = (0..CLIENTS).map(|number| scope.spawn(client(number))).collect();
        let begun = eventually("a first answer", || Ok(n_answers.load(Ordering::Relaxed) > 0));
        let done = begun.and_then(|()| fault());
        is_over.store(true, Ordering::Relaxed);
        let amiss = clients.into_iter().flat_map(|client| client.join().expect("no client panics")).collect();
        done.map(|()| amiss)
    })
}

/// Waits until something is so.
pub(super) fn eventually(what: &str, mut is_so: impl FnMut() -> Outcome<bool>) -> Outcome {
    for _ in 0..2000 {
        if is_so()? {
            return Ok(());
        }
        thread::sleep(Duration::from_millis(5));
    }
    fail(format!("{what} never came"))
}
