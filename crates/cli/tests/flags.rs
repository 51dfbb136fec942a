//! Numbers of the command line: one that is out of range is refused by its flag at once, before any file is read.

use crate::support::{Folder, contains};

/// A command with a flag, values that it does not take, and the range that it names.
const REFUSED: [(&str, &str, &[&str], &str); 45] = [
    ("translate", "--beam", &["0", "-1", "1025", "1.5", "x"], "an integer from 1 to 1024"),
    ("translate", "--n-best", &["0", "-1"], "an integer from 1 to "),
    ("translate", "--samples", &["0", "18446744073709551616"], "an integer from 1 to "),
    ("translate", "--length-penalty", &["-1", "NaN", "inf"], "a number of at least 0"),
    ("translate", "--min-length", &["-1", "65537"], "an integer from 0 to 65536"),
    ("translate", "--max-length", &["0", "65537"], "an integer from 1 to 65536"),
    ("translate", "--no-repeat-ngram", &["-1"], "an integer from 0 to "),
    ("translate", "--repetition-penalty", &["0", "-1", "NaN", "inf"], "a number above 0"),
    ("translate", "--batch-tokens", &["0", "-5"], "an integer from 1 to "),
    ("translate", "--temperature", &["-0.1", "NaN", "inf"], "a number of at least 0"),
    ("translate", "--top-k", &["-1", "2.5"], "an integer from 0 to "),
    ("translate", "--top-p", &["0", "1.1", "-1", "NaN"], "a number above 0 and at most 1"),
    ("translate", "--min-p", &["-0.1", "1.1", "NaN"], "a number from 0 to 1"),
    ("translate", "--epsilon-cutoff", &["1", "-0.1"], "a number of at least 0 and below 1"),
    ("translate", "--eta-cutoff", &["1", "-0.1"], "a number of at least 0 and below 1"),
    ("generate", "--seed", &["-1", "1.5"], "an integer from 0 to "),
    ("serve", "--timeout", &["0", "-1"], "a number above 0"),
    ("generate", "--samples", &["0"], "an integer from 1 to "),
    ("generate", "--max-tokens", &["0", "-1"], "an integer from 1 to "),
    ("generate", "--min-tokens", &["-1", "16777217"], "an integer from 0 to 16777216"),
    ("generate", "--no-repeat-ngram", &["-1"], "an integer from 0 to "),
    ("generate", "--repetition-penalty", &["0", "-1", "NaN", "-inf"], "a number above 0"),
    ("generate", "--temperature", &["-1", "NaN"], "a number of at least 0"),
    ("generate", "--draft-tokens", &["0", "257"], "an integer from 1 to 256"),
    ("generate", "--draft-ngrams", &["0", "-1"], "an integer from 1 to "),
    ("generate", "--contrastive", &["-0.1", "1.1", "NaN"], "a number from 0 to 1"),
    ("translate", "--coverage-penalty", &["-1", "NaN", "inf"], "a number of at least 0"),
    ("chat --prompt a", "--max-tokens", &["0", "-1"], "an integer from 1 to "),
    ("similar --query a", "--top", &["0", "-1"], "an integer from 1 to "),
    ("fill", "--top-k", &["0", "-1", "1025"], "an integer from 1 to 1024"),
    ("eval", "--confidence-n", &["0", "-1"], "an integer from 1 to "),
    ("eval", "--width", &["-1", "70000"], "an integer from 0 to 50"),
    ("eval", "--smooth-value", &["-1", "NaN", "inf"], "a number of at least 0"),
    ("eval", "--chrf-char-order", &["0", "-1"], "an integer from 1 to "),
    ("eval", "--chrf-word-order", &["-1", "300"], "an integer from 0 to "),
    ("eval", "--chrf-beta", &["-1"], "an integer from 0 to "),
    ("compare", "--samples", &["0", "-1"], "an integer from 1 to "),
    ("average", "--last", &["0", "-1"], "an integer from 1 to "),
    ("export", "--max-len", &["0", "-1"], "an integer from 1 to "),
    ("paper table1", "--k", &["1", "-1"], "an integer from 2 to "),
    ("paper table2", "--sustained", &["0", "-1", "NaN", "inf"], "a number above 0"),
    ("paper table3", "--vocab-size", &["0", "-1"], "an integer from 1 to "),
    ("paper positions", "--n", &["1"], "an integer from 2 to "),
    ("paper schedule", "--steps", &["0", "18446744073709551615"], "an integer from 1 to "),
    ("tokenize train", "--max-line-bytes", &["0", "-1"], "an integer from 1 to "),
];

#[test]
fn a_number_out_of_range_is_refused_by_its_flag() {
    let folder = Folder::new();
    for (command, flag, values, range) in REFUSED {
        for value in values {
            // A value that begins with a letter after the minus is taken for flags unless `=` holds it.
            let given = format!("{flag}={value}");
            let is_number = value.parse::<f64>().is_ok_and(f64::is_finite);
            let given: Vec<&str> = if is_number { vec![flag, value] } else { vec![&given] };
            let args: Vec<&str> = command.split(' ').chain(given).collect();
            let output = folder.run(&args, "");
            let said = String::from_utf8(output.stderr).unwrap();
            assert_eq!(output.status.code(), Some(2), "{args:?}: {said}");
            contains(&said, &[&format!("'{value}' for '{flag} <"), &format!("must be {range}")]);
        }
    }
}

/// Options of others that another one excludes: without them, clap does not ask for what is excluded.
const AT_ODDS: [&str; 16] = [
    "translate --alternatives 3 --diversity 2 a",
    "translate --alignment --log-linear a",
    "translate --coverage-penalty 0.5 --weights 1 a",
    "translate --coverage-penalty 0.5 --least-risk a",
    "translate --tree t.svg --least-risk a",
    "generate --draft-ngrams 2 --log-linear a",
    "generate --contrastive 0.5 --weights 1 a",
    "generate --contrastive 0.5 --draft-tokens 2 a",
    "generate --regex a --draft-tokens 2 a",
    "eval --hypotheses a --reference a --log-linear",
    "eval --hypotheses a --reference a --weights 1",
    "eval --sentence-level --confidence-n 5",
    "compare --paired-bs --confidence-n 5 a b --reference a",
    "embed --compare it --force it",
    "prune-heads --heads encoder.0.self:0 --keep 5 --out a",
    "prune-heads --heads encoder.0.self:0 --fraction 0.5 --out a",
];

#[test]
fn an_option_of_another_that_is_excluded_is_refused() {
    let folder = Folder::new();
    for line in AT_ODDS {
        let output = folder.run(&line.split(' ').collect::<Vec<_>>(), "");
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{line}: {said}");
        contains(&said, &["cannot be used with"]);
    }
}
