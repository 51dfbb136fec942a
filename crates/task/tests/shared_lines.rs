//! Lines that processes, here threads, have a model read together: the answers of one, up to what ends them.

use std::{fs, path::Path, slice};

use attentive_bundle::{EncodeError, Input, TooLong};
use attentive_collective::Threads;
use attentive_task::{Error, Line, Lines, LongLines, OnLong, Result, share_pictures, with_causes};
use attentive_tokenizer::{Bytes, Tokenizer};
use attentive_vision::Picture;

/// A model that has positions for six bytes, and counts them.
fn count(texts: &[Input<'_>]) -> Result<Vec<Result<usize, TooLong>>, EncodeError> {
    let one = |input: &Input<'_>| match input.text.len() {
        n_tokens @ 7.. if !input.crop => Err(TooLong { n_tokens, max_len: 6 }),
        n => Ok(n.min(6)),
    };
    Ok(texts.iter().map(one).collect())
}

fn check(line: &Line) -> Result<()> {
    match line.text.as_str() {
        "?" => Err(Error::Refused(format!("line {} is a question", line.at.number))),
        _ => Ok(()),
    }
}

/// What each of `size` processes writes of a file's lines, in blocks of three, and the error that ends it.
fn written(size: usize, file: &Path, on_long: OnLong) -> Vec<(String, Option<String>)> {
    Threads::each(size, |peer| {
        let tokenizer: &dyn Tokenizer = &Bytes::default();
        let blocks = Lines::open(&[file.to_owned()], "text", |_| {}).blocks(3);
        let show = |line: &Line, n: Option<usize>| format!("{}:{n:?}\n", line.text);
        let mut text = String::new();
        let ended = LongLines { on_long, warn: |_| {} }.share(
            &peer,
            (blocks, tokenizer),
            check,
            count,
            show,
            |shown: String| -> Result<()> {
                text += &shown;
                Ok(())
            },
        );
        (text, ended.err().map(|error| with_causes(&error)))
    })
}

/// The same line by line, and what the error says.
fn expected(lines: &[&str], on_long: OnLong) -> (String, Option<String>) {
    let mut text = String::new();
    for (number, &line) in (1..).zip(lines) {
        let n = match (line, line.len(), on_long) {
            ("?", ..) => return (text, Some(format!("line {number} is a question"))),
            (line, ..) if line.trim().is_empty() => None,
            (_, n @ 7.., OnLong::Error) => return (text, Some(format!("text:{number} has {n} tokens"))),
            (_, 7.., OnLong::Skip) => None,
            (_, n, _) => Some(n.min(6)),
        };
        text += &format!("{line}:{n:?}\n");
    }
    (text, None)
}

#[test]
fn answers_come_in_the_order_of_lines_up_to_what_ends_them() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("text");
    let cases: [&[&str]; 6] = [
        &["a", "", "bcd", " ", "ef", "g", "hi", "jkl", "mnopqr", "s", "t"],
        &[],
        &["a", "b", "c", "d", "e", "longer than", "f", "g", "h", "i", "?", "j"],
        &["a", "?", "longer than", "b"],
        &["longer than", "?", "a"],
        &["a", "b", "c", "d", "e", "f", "g", "h", "", "longer than"],
    ];
    for (lines, on_long) in
        cases.into_iter().flat_map(|lines| [OnLong::Error, OnLong::Crop, OnLong::Skip].map(|on_long| (lines, on_long)))
    {
        fs::write(&file, lines.iter().map(|line| format!("{line}\n")).collect::<String>()).unwrap();
        let (text, problem) = expected(lines, on_long);
        for size in 1..=5 {
            for (rank, (found, error)) in written(size, &file, on_long).into_iter().enumerate() {
                let of = format!("process {rank} of {size}, {on_long:?}: {lines:?}");
                assert_eq!(found, if rank == 0 { text.as_str() } else { "" }, "{of}");
                match (&problem, &error) {
                    (Some(problem), Some(error)) => assert!(error.contains(problem), "{of}: {error}"),
                    (problem, error) => assert_eq!(problem, error, "{of}"),
                }
            }
        }
    }
}

#[test]
fn pictures_come_in_the_order_of_lines_up_to_one_that_can_not_be_opened() {
    let folder = tempfile::tempdir().unwrap();
    let pictures = [1, 2, 3].map(|side| {
        let path = folder.path().join(format!("{side}.png"));
        fs::write(&path, Picture::new([side; 2], 1, vec![0; side * side]).to_png()).unwrap();
        path.display().to_string()
    });
    let mut lines: Vec<&str> = pictures.iter().map(String::as_str).cycle().take(150).collect();
    let file = folder.path().join("paths");
    for bad in [None, Some(70), Some(128)] {
        let n = bad.unwrap_or(lines.len());
        if let Some(bad) = bad {
            lines[bad] = "nothing.png";
        }
        fs::write(&file, lines.join("\n")).unwrap();
        let expected: String = (0..n).map(|idx| format!("{}: {}\n", lines[idx], [1, 4, 9][idx % 3])).collect();
        for size in 1..=4 {
            let found = Threads::each(size, |peer| {
                let count = |pictures: &[Picture]| Ok(pictures.iter().map(|picture| picture.pixels().len()).collect());
                let paths = Lines::open(slice::from_ref(&file), "paths", |_| {});
                let mut text = String::new();
                let ended = share_pictures(
                    &peer,
                    paths,
                    count,
                    |line, n: usize| format!("{}: {n}\n", line.text),
                    |shown: String| -> Result<()> {
                        text += &shown;
                        Ok(())
                    },
                );
                (text, ended.err().map(|error| with_causes(&error)))
            });
            for (rank, (text, error)) in found.into_iter().enumerate() {
                assert_eq!(text, if rank == 0 { expected.as_str() } else { "" }, "process {rank} of {size}");
                let names_it = error.as_ref().is_some_and(|error| error.contains("nothing.png"));
                assert!(
                    names_it == bad.is_some() && error.is_some() == names_it,
                    "process {rank} of {size}: {error:?}"
                );
            }
        }
        // Each case has its own.
        if let Some(bad) = bad {
            lines[bad] = &pictures[bad % 3];
        }
    }
}
