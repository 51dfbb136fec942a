//! A corpus, plain or compressed.
#![no_main]

use attentive_data::{CorpusRules, OnProblem, ParallelFiles};
use attentive_fuzz::file;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let files = ParallelFiles::tsv([file("a.tsv", bytes)]);
    let strict = CorpusRules::default();
    let lenient =
        CorpusRules { on_columns: OnProblem::Skip, on_invalid_utf8: OnProblem::Skip, ..CorpusRules::default() };
    for rules in [strict, lenient] {
        if let Ok(pairs) = files.pairs(&rules) {
            let _ = pairs.finish();
        }
    }
});
