//! Changed data and bad data.

use std::{fs, io};

use super::{lab::Lab, outcome::Tally};
use crate::{Outcome, cannot};

/// Training data that changes between two sessions of a run.
pub(super) fn changed(lab: &mut Lab) -> Outcome<Tally> {
    let mut tally = Tally::new("Data changed between sessions", "refused by name; continues when the data is back");
    let run = lab.new_run();
    let mut session = lab.start(&run)?;
    session.wait_for_step(&run, 40);
    session.signal("TERM")?;
    session.wait()?;
    let path = lab.path("pairs.tsv");
    let unwritable = |e: io::Error| cannot("write", &path, &e);
    let before = fs::read(&path).map_err(|e| cannot("read", &path, &e))?;
    fs::write(&path, [&before[..], b"one more\tmore one\n"].concat()).map_err(unwritable)?;
    let mut amiss = lab.train(&run, &[])?.amiss(1, &["pairs.tsv has changed"]);
    fs::write(&path, before).map_err(unwritable)?;
    let (lost, differences) = lab.resume(&run)?;
    amiss.extend(differences);
    tally.add(lost, amiss);
    Ok(tally)
}

/// Files that a run can't use, refused with file and line.
pub(super) fn bad(lab: &mut Lab) -> Outcome<Tally> {
    let mut tally = Tally::new("Bad data (8 kinds)", "refused before training, with file and line");
    let long = "x".repeat(70_000);
    let files: [(&str, Vec<u8>, &[&str]); 7] = [
        ("columns.tsv", b"a\tb\nno tab\nc\td\n".to_vec(), &["columns.tsv:2", "tab"]),
        ("latin-1.tsv", b"a\tb\nf\xfcr\tc\n".to_vec(), &["latin-1.tsv:2", "UTF-8"]),
        ("empty.tsv", Vec::new(), &["no usable sentence pair"]),
        ("blank.tsv", b"\n\n \n".to_vec(), &["no usable sentence pair"]),
        ("long.tsv", format!("{long}\t{long}\n").into_bytes(), &["no usable sentence pair"]),
        ("cut.tsv.gz", vec![0x1f, 0x8b, 8, 0, 0, 0], &["cut.tsv.gz"]),
        ("nul.tsv", vec![0; 64], &["nul.tsv:1"]),
    ];
    let mut cases: Vec<(String, &[&str])> = Vec::new();
    for (name, bytes, words) in files {
        let path = lab.path(name);
        fs::write(&path, bytes).map_err(|e| cannot("write", &path, &e))?;
        cases.push((format!("data.train.tsv={name}"), words));
    }
    cases.push(("data.train.tsv=missing.tsv".into(), &["missing.tsv"]));
    for (setting, words) in cases {
        let run = lab.new_run();
        tally.add(0, lab.train(&run, &[&setting])?.amiss(1, words));
    }
    Ok(tally)
}
