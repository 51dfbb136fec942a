//! `cargo xtask mpi`: runs that several processes train, whole and disturbed, against one process.

use std::{
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use super::{
    SEED,
    disk::{self, Mounted},
    lab::{CHECKPOINT_EVERY, Ended, Lab, Session, checkpoints, differences, files_of, lost_steps, signal},
    outcome::Tally,
    page, verdict,
    work::found,
};
use crate::{Failure, Outcome, app, cannot, cargo::root, debian, fail, say};

/// Debian's Open MPI with its headers, and the library that reads them.
const PACKAGES: [&str; 3] = ["openmpi-bin", "libopenmpi-dev", "libclang-dev"];

/// An update has a micro-batch for each of four processes.
const SETTINGS: &[&str] = &["training.accumulate=4", "batch.max_tokens=256"];

/// Moments at which one process is killed; in a short form.
const N_KILLS: [usize; 2] = [10, 3];

/// Sizes of the first process's disk; in a short form.
const N_DISKS: [usize; 2] = [3, 1];

/// Time within which all end where one does.
const SOON: Duration = Duration::from_secs(10);

/// Runs every comparison, prints the table and writes it to the page, unless it is short.
pub(crate) fn run(args: &[OsString]) -> Outcome {
    let mut words: Vec<&str> = args.iter().filter_map(|arg| arg.to_str()).collect();
    let mut features = "mpi";
    if let Some(at) = words.iter().position(|word| *word == "--features") {
        let given = words.get(at + 1).copied().filter(|list| list.split(',').any(|feature| feature == "mpi"));
        features = given.map_or_else(|| fail("mpi: `--features` needs a list with mpi"), Ok)?;
        words.drain(at..=at + 1);
    }
    let is_known = |word: &&str| ["--install", "--if-present", "short"].contains(word);
    if args.iter().any(|arg| arg.to_str().is_none()) || !words.iter().all(is_known) {
        return fail("mpi takes --features LIST, --install, --if-present and `short`");
    }
    if !debian::provides("mpi", args, &PACKAGES, "no MPI with headers here", has_mpi)? {
        return Ok(());
    }
    let mut lab = Lab::new(app::program_with(features)?, SEED, SETTINGS)?;
    say!("mpi: one process takes {:.1} s", lab.whole().took.as_secs_f64());
    let is_short = words.contains(&"short");
    let mut tallies: Vec<Tally> = Vec::new();
    let mut all = |tally: Tally| {
        say!("mpi: {tally}");
        tallies.push(tally);
    };
    all(whole(&mut lab)?);
    all(again(&mut lab)?);
    all(killed(&mut lab, N_KILLS[usize::from(is_short)])?);
    all(terminated(&mut lab)?);
    all(other_data(&mut lab)?);
    all(full_disk(&mut lab, N_DISKS[usize::from(is_short)])?);
    all(input(&mut lab)?);
    say!("\n{}", page::table(&tallies));
    if !is_short {
        page::write(page::OF_PROCESSES, &tallies)?;
    }
    verdict(&tallies)
}

/// Whether programs can be built with MPI and started by it.
pub(crate) fn has_mpi() -> bool {
    let answers = |program: &str, arg: &str| {
        Command::new(program)
            .arg(arg)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|end| end.success())
    };
    answers("mpirun", "--version") && answers("mpicc", "--version")
}

/// `command` by `n` processes of one thread each.
pub(crate) fn among(n: usize, command: &Command) -> Command {
    let mut launched = Command::new("mpirun");
    launched.arg("-n").arg(n.to_string()).arg("--oversubscribe");
    launched.arg(command.get_program()).args(command.get_args());
    if let Some(folder) = command.get_current_dir() {
        launched.current_dir(folder);
    }
    launched.env("RAYON_NUM_THREADS", "1").env_remove("ATTENTIVE_BACKEND").env_remove("ATTENTIVE_INJECT_NAN");
    launched.envs(["OMPI_ALLOW_RUN_AS_ROOT", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM"].map(|name| (name, "1")));
    launched
}

/// The processes that a process has started and that run.
pub(crate) fn children(parent: u32) -> Vec<u32> {
    let parent = parent.to_string();
    let is_child = |pid: &u32| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        // After the name, which may have any characters: the state and the parent.
        stat.rsplit_once(')').is_some_and(|(_, rest)| rest.split_whitespace().nth(1) == Some(&*parent))
    };
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let mut pids: Vec<u32> = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    pids.retain(is_child);
    pids.sort_unstable();
    pids
}

/// A session of a run by `n` processes.
fn start(lab: &Lab, n: usize, run: &Path) -> Outcome<Session> {
    Session::start(&mut among(n, &lab.command(run, &[])))
}

fn train(lab: &Lab, n: usize, run: &Path) -> Outcome<Ended> {
    start(lab, n, run)?.wait()
}

/// Undisturbed runs of 2 and 4 processes.
fn whole(lab: &mut Lab) -> Outcome<Tally> {
    let mut tally = Tally::new("None: 2 and 4 processes against 1", "every file has the same bytes");
    for n in [2, 4] {
        let run = lab.new_run();
        let ended = train(lab, n, &run)?.succeeded()?;
        let mut amiss = lab.differences(&run)?;
        let once = ["tokens/s", "trained 120 steps", "model in"].map(|line| ended.stdout.matches(line).count());
        if once[1..] != [1, 1] || once[0] == 0 {
            amiss.push(format!("what is said is not said by one process: {}", ended.stdout));
        }
        tally.add(0, amiss);
    }
    Ok(tally)
}

/// Undisturbed runs of 3 processes: the same bytes each time.
fn again(lab: &mut Lab) -> Outcome<Tally> {
    let mut tally = Tally::new("None: 3 processes, twice", "the same bytes each time");
    let runs = [lab.new_run(), lab.new_run()];
    for run in &runs {
        train(lab, 3, run)?.succeeded()?;
    }
    let [first, again] = [files_of(&runs[0])?, files_of(&runs[1])?];
    tally.add(0, differences(&first, &again));
    Ok(tally)
}

/// SIGKILL of one of two processes at random moments; the run goes on with 1, 2 and 4.
fn killed(lab: &mut Lab, n_kills: usize) -> Outcome<Tally> {
    let mut tally = Tally::new(
        "SIGKILL of one of 2 processes",
        "all end; `--resume` by 1, 2 or 4 goes on from the last checkpoint",
    );
    let took = lab.whole().took.as_millis() as u64;
    for kill in 0..n_kills {
        let run = lab.new_run();
        let mut session = start(lab, 2, &run)?;
        // Before it has made its folder there is nothing to resume.
        while !session.has_ended() && !run.join("config.toml").exists() {
            thread::sleep(Duration::from_millis(2));
        }
        thread::sleep(Duration::from_millis(lab.below(took)));
        let mut amiss = Vec::new();
        let victim = children(session.id()).get(kill % 2).copied();
        if let Some(pid) = victim {
            signal("KILL", pid)?;
        }
        let since = Instant::now();
        let ended = session.wait()?;
        if since.elapsed() > SOON {
            amiss.push(format!("the others ended after {:.1} s", since.elapsed().as_secs_f64()));
        }
        if victim.is_some() && !ended.status.success() && !ended.stderr.contains("signal 9") {
            amiss.push(format!("nothing tells of the end: {}", ended.stderr.trim()));
        }
        let lost = lost_steps(&run, 0);
        if lost > CHECKPOINT_EVERY {
            amiss.push(format!("{lost} steps lost"));
        }
        train(lab, [1, 2, 4][kill % 3], &run)?.succeeded()?;
        amiss.extend(lab.differences(&run)?);
        tally.add(lost, amiss);
    }
    Ok(tally)
}

/// SIGTERM to one of four processes: all finish the step, and the first one saves.
fn terminated(lab: &mut Lab) -> Outcome<Tally> {
    let mut tally = Tally::new("SIGTERM to one of 4 processes", "all finish the step, and it is saved; exit code 130");
    for who in [0, 3] {
        let run = lab.new_run();
        let mut session = start(lab, 4, &run)?;
        let step = 1 + lab.below(60);
        session.wait_for_step(&run, step);
        if let Some(&pid) = children(session.id()).get(who) {
            signal("TERM", pid)?;
        }
        let mut amiss = session.wait()?.amiss(130, &["interrupted after step"]);
        let lost = lost_steps(&run, 0);
        if lost > 0 {
            amiss.push(format!("{lost} steps lost"));
        }
        train(lab, 2, &run)?.succeeded()?;
        amiss.extend(lab.differences(&run)?);
        tally.add(lost, amiss);
    }
    Ok(tally)
}

/// A process that reads another file under the name of the first one's.
fn other_data(lab: &mut Lab) -> Outcome<Tally> {
    let mut tally = Tally::new("One of 2 processes has other data", "refused before step 1; the file is named");
    let second = second(lab)?;
    let pairs = second.join("pairs.tsv");
    let text = fs::read_to_string(&pairs).map_err(|e| cannot("read", &pairs, &e))?;
    fs::write(&pairs, text.replacen("ab", "cd", 1)).map_err(|e| cannot("write", &pairs, &e))?;
    let run = lab.new_run();
    let ended = Session::start(&mut apart(&lab.command(&run, &[]), &second))?.wait()?;
    let mut amiss = ended.amiss(1, &["process 1 of 2 has another", "pairs.tsv"]);
    if run.exists() {
        amiss.push("the folder of a run that did not begin".into());
    }
    tally.add(0, amiss);
    Ok(tally)
}

/// A folder for the second of two processes, as on a machine without a shared file system, with a copy of the data.
fn second(lab: &Lab) -> Outcome<PathBuf> {
    let second = lab.path("second");
    fs::create_dir_all(&second).map_err(|e| cannot("make", &second, &e))?;
    for file in ["recipe.toml", "pairs.tsv", "held-out.tsv"] {
        fs::copy(lab.path(file), second.join(file)).map_err(|e| cannot("copy", &lab.path(file), &e))?;
    }
    Ok(second)
}

/// `command` by two processes, of which the second one works in a folder of its own.
fn apart(command: &Command, second: &Path) -> Command {
    let mut launched = among(1, command);
    launched.arg(":").args(["-n", "1", "--wdir"]).arg(second).arg(command.get_program()).args(command.get_args());
    launched
}

/// A small file system for the first of two processes, which writes the run, and for the second, which keeps its tokens there
/// alone.
fn full_disk(lab: &mut Lab, n_sizes: usize) -> Outcome<Tally> {
    let mut tally = Tally::new(
        "Full disk of one of 2 processes",
        "of the first: all end, one says so, exit code 1, and `--resume` by 2, 1 or 4 goes on; of the other: the run goes on",
    );
    for (size, n) in disk::SIZES[..n_sizes].iter().zip([2, 1, 4]) {
        let run = lab.new_run();
        let Some(mounted) = Mounted::new(parent(&run)?, size) else {
            return Ok(tally.skip("mounting a small file system needs rights"));
        };
        let since = Instant::now();
        let ended = train(lab, 2, &run)?;
        let mut amiss = ended.amiss(1, &["No space left", "train --resume"]);
        if since.elapsed() > lab.whole().took + SOON {
            amiss.push(format!("all ended after {:.1} s", since.elapsed().as_secs_f64()));
        }
        let errors: Vec<&str> = ended.stderr.lines().filter(|line| line.starts_with("error: ")).collect();
        if errors.len() != 1 {
            amiss.push(format!("not one error: {errors:?}"));
        }
        if checkpoints(&run).is_empty() {
            amiss.push("no checkpoint was left".into());
        }
        mounted.resize("size=64m")?;
        let lost = lost_steps(&run, 0);
        train(lab, n, &run)?.succeeded()?;
        amiss.extend(lab.differences(&run)?);
        tally.add(lost, amiss);
    }
    tally.add(0, full_disk_of_second(lab)?);
    Ok(tally)
}

/// What is amiss where the second of two processes has no room for the tokens of the text.
fn full_disk_of_second(lab: &mut Lab) -> Outcome<Vec<String>> {
    let (second, run) = (second(lab)?, lab.new_run());
    let runs = parent(&run)?;
    let name = runs.file_name().expect("a folder of runs has a name");
    let of_second = second.join(name);
    fs::create_dir_all(&of_second).map_err(|e| cannot("make", &of_second, &e))?;
    let Some(_mounted) = Mounted::new(&of_second, "size=4k") else { return Ok(Vec::new()) };
    let mut command = lab.program(&["train", "recipe.toml", "--runs"]);
    command.arg(name).args(SETTINGS.iter().flat_map(|setting| ["--set", setting]));
    Session::start(&mut apart(&command, &second))?.wait()?.succeeded()?;
    let mut amiss = lab.differences(&run)?;
    let [kept, of_second] = [runs, of_second.as_path()].map(|runs| found(&runs.join(".tokens")));
    let (kept, of_second) = (kept?, of_second?);
    if kept.is_empty() || kept.keys().all(|name| of_second.contains_key(name)) {
        amiss.push("the disk of the second process was not full".into());
    }
    Ok(amiss)
}

/// The folder of runs that a new run is to be in, made.
fn parent(run: &Path) -> Outcome<&Path> {
    let runs = run.parent().expect("a run lies in a folder of runs");
    fs::create_dir_all(runs).map_err(|e| cannot("make", runs, &e))?;
    Ok(runs)
}

/// Input of some blocks that 2, 3 and 4 processes share.
fn input(lab: &mut Lab) -> Outcome<Tally> {
    let mut tally = Tally::new("None: 2, 3 and 4 processes share a command's input", "the output of one");
    let failed = |e: std::io::Error| Failure::Message(format!("input of several blocks: {e}"));
    let run = lab.new_run();
    train(lab, 2, &run)?.succeeded()?;
    let pairs = fs::read_to_string(lab.path("held-out.tsv")).map_err(failed)?;
    let pairs = pairs.lines().filter_map(|line| line.split_once('\t')).cycle().take(1_100);
    let (sources, references): (Vec<&str>, Vec<&str>) = pairs.unzip();
    fs::write(lab.path("source.txt"), sources.join("\n")).map_err(failed)?;
    fs::write(lab.path("reference.txt"), references.join("\n")).map_err(failed)?;
    let mut translate = lab.program(&["translate", "--scores", "--model"]);
    translate.arg(&run).args(&sources);
    let mut eval = lab.program(&["eval", "--source", "source.txt", "--reference", "reference.txt", "--model"]);
    eval.arg(&run);
    let mut score = lab.program(&["score", "--model"]);
    score.arg(imported(lab, "gpt2")?).args(&sources);
    let mut summarize = lab.program(&["summarize", "--lines", "source.txt", "--model"]);
    summarize.arg(&run);
    // An encoder of ten positions.
    let texts: Vec<&str> = ["the animal", "the end", "animal"].into_iter().cycle().take(1_100).collect();
    let mut embed = lab.program(&["embed", "--model"]);
    embed.arg(imported(lab, "bert-masked-lm")?).args(&texts);
    let mut classify = lab.program(&["classify", "--model"]);
    classify.arg(imported(lab, "bert-classification")?).args(&texts);
    // The last one, which writes a file.
    let mut distill = lab.program(&["distill", "--force", "--out", "pairs.tsv", "source.txt", "--model"]);
    distill.arg(&run);
    for command in [translate, summarize, eval, score, embed, classify, distill] {
        let said = |n: usize| -> Outcome<(String, Vec<String>, Option<String>)> {
            let ended = Session::start(&mut among(n, &command))?.wait()?.succeeded()?;
            // The sum of all scores is beside the output; a launcher has notes of its own there.
            let sums = ended.stderr.lines().filter(|line| line.ends_with(" tokens)")).map(str::to_owned).collect();
            Ok((ended.stdout, sums, fs::read_to_string(lab.path("pairs.tsv")).ok()))
        };
        let alone = said(1)?;
        let mut amiss = Vec::new();
        for n in [2, 3, 4] {
            if said(n)? != alone {
                amiss.push(format!("the output of {n} processes"));
            }
        }
        tally.add(0, amiss);
    }
    Ok(tally)
}

/// A small model of another system, imported from the repository.
fn imported(lab: &Lab, name: &str) -> Outcome<PathBuf> {
    let (golden, out) = (root().join("crates/interchange/tests/golden").join(name), lab.path(name));
    Session::start(lab.program(&["import"]).arg(golden).arg("--out").arg(&out))?.wait()?.succeeded()?;
    Ok(out)
}
