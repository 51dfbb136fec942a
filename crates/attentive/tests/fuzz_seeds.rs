//! The seeds of the fuzz targets, damage of them, and what fuzzing found to take paths of its own, through the targets'
//! own functions, without libFuzzer.

use std::{
    fs,
    path::{Path, PathBuf},
};

use attentive_testkit::survives;

#[path = "../../../fuzz/src/lib.rs"]
#[allow(unreachable_pub, reason = "a crate of its own elsewhere")]
mod fuzz;

use fuzz::corpora::kept;

/// A folder of `fuzz`.
fn part(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz").join(name)
}

#[test]
fn every_seed_is_read_or_refused() {
    let (seeds, corpora) = (part("seeds"), part("corpora"));
    // One after another: the readers share a folder.
    for (name, read) in fuzz::readers::ALL {
        let files = fs::read_dir(seeds.join(name)).unwrap_or_else(|cause| panic!("{name} has no seeds: {cause}"));
        let mut n_seeds = 0;
        for file in files {
            let bytes = fs::read(file.unwrap().path()).unwrap();
            read(&bytes);
            survives(&bytes, 20, read);
            n_seeds += 1;
        }
        assert!(n_seeds > 0, "{name} has no seeds");
        let inputs = kept(&corpora, name).unwrap_or_else(|cause| panic!("the corpus of {name}: {cause}"));
        inputs.iter().for_each(|input| read(input));
    }
    fs::remove_dir_all(fuzz::folder()).unwrap();
}

#[test]
fn a_folder_of_seeds_or_a_corpus_is_that_of_a_target() {
    let targets = fuzz::readers::ALL.map(|(name, _)| name);
    // Corpora are there once fuzzing has kept some.
    for file in ["seeds", "corpora"].iter().flat_map(|name| fs::read_dir(part(name))).flatten() {
        let name = file.unwrap().file_name();
        assert!(targets.iter().any(|target| name == *target), "no target reads {}", name.display());
    }
}

#[test]
fn a_corpus_is_inputs_after_their_lengths() {
    let folder = tempfile::tempdir().unwrap();
    let corpus = b"\x00\x00\x00\x00\x02\x00\x00\x00{}\x01\x00\x00\x00\n";
    fs::write(folder.path().join("recipe"), corpus).unwrap();
    assert_eq!(kept(folder.path(), "recipe").unwrap(), [&b""[..], b"{}", b"\n"]);
    assert!(kept(folder.path(), "import").unwrap().is_empty());
    for end in [corpus.len() - 1, corpus.len() - 2] {
        fs::write(folder.path().join("recipe"), &corpus[..end]).unwrap();
        assert_eq!(kept(folder.path(), "recipe").unwrap_err().to_string(), "its last input is cut short");
    }
}
