//! The seeds of the fuzz targets, and damage of them, through the targets' own functions, without libFuzzer.

use std::{fs, path::Path};

use attentive_testkit::survives;

#[path = "../../../fuzz/src/lib.rs"]
#[allow(unreachable_pub, reason = "a crate of its own elsewhere")]
mod fuzz;

#[test]
fn every_seed_is_read_or_refused() {
    let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds");
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
    }
    fs::remove_dir_all(fuzz::folder()).unwrap();
}
