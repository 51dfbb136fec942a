//! Bodies of requests to the server, as every place reads them.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| attentive_fuzz::readers::request(bytes));
