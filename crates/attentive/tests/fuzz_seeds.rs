//! The seeds of the fuzz targets, damage of them, and what fuzzing found to take paths of its own, through the targets' own
//! functions, without libFuzzer.

use std::{fs, path::Path};

use attentive_testkit::survives;

#[path = "../../../fuzz/src/lib.rs"]
#[allow(unreachable_pub, reason = "a crate of its own elsewhere")]
mod fuzz;

#[test]
fn every_seed_is_read_or_refused() {
    let [seeds, corpora] =
        ["seeds", "corpora"].map(|name| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz").join(name));
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
        let corpus = fs::read(corpora.join(name)).unwrap_or_default();
        inputs(&corpus).into_iter().for_each(read);
    }
    fs::remove_dir_all(fuzz::folder()).unwrap();
}

/// The inputs of a corpus that `cargo xtask fuzz --keep` wrote: the length of each in four bytes, then the input.
fn inputs(mut corpus: &[u8]) -> Vec<&[u8]> {
    let mut inputs = Vec::new();
    while let Some((len, rest)) = corpus.split_first_chunk() {
        let (input, rest) = rest.split_at(u32::from_le_bytes(*len) as usize);
        inputs.push(input);
        corpus = rest;
    }
    inputs
}
