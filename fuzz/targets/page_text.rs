//! Texts and pages that the server cuts and puts together again.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| attentive_fuzz::readers::page_text(bytes));
