//! Memory that is bounded by what is read, of files made to take more.

use std::{
    fs::{self, File},
    process::{Command, Stdio},
    thread,
    time::Duration,
};

use crate::support::{self, Folder, contains};

const MIB: u64 = 1 << 20;

/// Memory that the command itself takes.
const OWN: u64 = 64 * MIB;

/// What a command said on standard error, and its largest memory in bytes, as Linux counted it up to its last moment.
fn measured(folder: &Folder, args: &[&str], input: &str) -> (String, u64) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_attentive"))
        .args(args)
        .current_dir(folder.path(""))
        .env_remove("ATTENTIVE_BACKEND")
        .stdin(File::open(folder.path(input)).unwrap())
        .stdout(Stdio::null())
        .stderr(File::create(folder.path("said")).unwrap())
        .spawn()
        .unwrap();
    let status = format!("/proc/{}/status", child.id());
    let mut most = 0;
    while child.try_wait().unwrap().is_none() {
        let status = fs::read_to_string(&status).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        most = line.and_then(|line| line.split_whitespace().next()?.parse().ok()).map_or(most, |kib: u64| kib * 1024);
        thread::sleep(Duration::from_millis(1));
    }
    (fs::read_to_string(folder.path("said")).unwrap(), most)
}

#[test]
fn a_line_without_end_is_refused() {
    let folder = Folder::new();
    folder.write_copying("copy", [2, 2, 2], support::TINY);
    folder.succeed(&["train", "copy.toml"], "");
    fs::write(folder.path("long"), "a".repeat(100 << 20)).unwrap();
    let tokenizer = ["tokenize", "encode", "-t", "runs/latest/tokenizer.json"];
    let train = ["tokenize", "train", "long", "--merges", "30", "--out", "t.json"];
    for args in [&["translate"][..], &tokenizer, &train] {
        let (said, most) = measured(&folder, args, "long");
        if args != train {
            contains(&said, &["longer than 16777216 bytes"]);
        }
        assert!(most < OWN + 8 * (16 << 20), "{args:?} took {most} bytes: {said}");
    }
}

#[test]
fn a_log_of_many_updates_takes_little_memory() {
    let folder = Folder::new();
    let line = |step: u64| format!("{{\"event\":\"step\",\"step\":{step}}}\n");
    let log: String = (0..400_000).map(line).collect();
    fs::create_dir(folder.path("run")).unwrap();
    folder.write("run/metrics.jsonl", &log);
    let (said, most) = measured(&folder, &["plot", "run", "--out", "curves.svg"], "run/metrics.jsonl");
    assert!(folder.path("curves.svg").exists(), "{said}");
    assert!(most < OWN + 8 * log.len() as u64, "{most} bytes");
}

#[test]
fn a_recipe_is_short() {
    let folder = Folder::new();
    // Tables take most memory.
    let tables = |n: u32| (0..n).map(|n| format!("[a{n}]\nb=1\n")).collect::<String>();
    folder.write("tables.toml", &tables(20_000));
    let (said, most) = measured(&folder, &["train", "tables.toml"], "tables.toml");
    contains(&said, &["a0", "problems more"]);
    assert!(most < OWN + 350 * (1 << 18), "{most} bytes");
    folder.write("tables.toml", &tables(30_000));
    contains(&measured(&folder, &["train", "tables.toml"], "tables.toml").0, &["at most 262144 bytes"]);
}
