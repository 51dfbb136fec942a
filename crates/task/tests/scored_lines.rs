//! Lines that processes, here threads, score together: the bytes and the sums of one.

use std::{fs, path::Path, sync::Arc};

use attentive_bundle::{Generator, TextScore};
use attentive_collective::Threads;
use attentive_core::{DeviceError, LanguageModel, NextToken, Scores, TokenId, Want};
use attentive_task::{Error, Lines, Result, score_lines};
use attentive_tokenizer::{Bytes, Tokenizer};

/// A log-probability that no short decimal number is, of a byte after another.
fn log_prob(before: TokenId, id: TokenId) -> f32 {
    -1.0 / (3 + before % 7 + id % 11) as f32
}

/// Scores each token by the one before it, and fails at `~`.
struct Pairs;

impl NextToken for Pairs {
    type State = usize;

    fn vocab_size(&self) -> usize {
        Bytes::default().vocab_size()
    }

    fn max_len(&self) -> Option<usize> {
        None
    }

    fn advance(&self, _: &[TokenId], _: &mut usize, _: Want) -> Result<Scores, DeviceError> {
        panic!("nothing is written")
    }

    fn reorder(&self, _: &mut usize, _: &[usize]) {}
}

impl LanguageModel for Pairs {
    fn start(&self, n_rows: usize) -> usize {
        n_rows
    }

    fn log_probs_of(&self, text: &[TokenId]) -> Result<Vec<f32>, DeviceError> {
        if text.contains(&(3 + u32::from(b'~'))) {
            return Err(DeviceError::new("no memory"));
        }
        Ok(text.windows(2).map(|pair| log_prob(pair[0], pair[1])).collect())
    }
}

/// What a process writes of a file's lines, and their number and sum, or the error.
type Scored = (String, Result<(u64, TextScore), String>);

/// That of each of `size` processes.
fn scored(size: usize, file: &Path) -> Vec<Scored> {
    Threads::each(size, |peer| {
        let generator = Generator::new(Pairs, Arc::new(Bytes::default()));
        let mut text = String::new();
        let lines = Lines::open(&[file.to_owned()], "text", |_| {});
        let sum = score_lines(&peer, &generator, true, lines, |line, score| -> Result<(), Error> {
            text += &format!("{line} {:x} {} {}\n", score.log_prob.to_bits(), score.n_tokens, score.n_bytes);
            Ok(())
        });
        (text, sum.map_err(|error| attentive_task::with_causes(&error)))
    })
}

/// The same by a loop over bytes, after the end-of-text token.
fn expected(lines: &[String]) -> (String, TextScore) {
    let (mut text, mut all) = (String::new(), TextScore { log_prob: 0.0, n_tokens: 0, n_bytes: 0 });
    for line in lines {
        let (mut before, mut sum) = (1, 0.0_f64);
        for byte in line.bytes() {
            let id = 3 + u32::from(byte);
            sum += f64::from(log_prob(before, id));
            before = id;
        }
        text += &format!("{line} {:x} {} {}\n", sum.to_bits(), line.len(), line.len());
        all.log_prob += sum;
        all.n_tokens += line.len();
        all.n_bytes += line.len();
    }
    (text, all)
}

#[test]
fn lines_come_in_their_order_and_their_sum_has_the_same_bits() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("text");
    for n in [0, 1, 15, 16, 17, 130] {
        let lines: Vec<String> = (0..n).map(|idx| "the cat sat".repeat(idx % 4) + &idx.to_string()).collect();
        fs::write(&file, lines.iter().map(|line| format!("{line}\n")).collect::<String>()).unwrap();
        let (text, all) = expected(&lines);
        for size in 1..=5 {
            let found = scored(size, &file);
            let (n_lines, sum) = found[0].1.clone().unwrap();
            assert_eq!((&found[0].0, n_lines), (&text, n as u64), "{size} processes, {n} lines");
            assert_eq!(sum.log_prob.to_bits(), all.log_prob.to_bits(), "{size} processes, {n} lines");
            assert_eq!(sum, all, "{size} processes, {n} lines");
            for (text, sum) in &found[1..] {
                assert!(text.is_empty() && sum.as_ref().is_ok_and(|(n_lines, _)| *n_lines == 0), "{found:?}");
            }
        }
    }
}

#[test]
fn an_error_comes_after_the_lines_before_it_and_names_its_line() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("text");
    let mut lines: Vec<String> = (0..100).map(|idx| format!("line {idx}")).collect();
    let before = expected(&lines[..70]).0;
    lines[70] = "a ~".to_owned();
    fs::write(&file, lines.join("\n")).unwrap();
    for size in 1..=4 {
        for (rank, (text, sum)) in scored(size, &file).into_iter().enumerate() {
            assert_eq!(text, if rank == 0 { before.as_str() } else { "" }, "process {rank} of {size}");
            let error = sum.unwrap_err();
            assert!(error.contains("text:71: ") && error.contains("no memory"), "process {rank} of {size}: {error}");
        }
    }
}
