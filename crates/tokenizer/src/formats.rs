//! Formats of files that are known by their beginning, and from which no tokenizer can be made.

use std::path::Path;

use crate::error::TokenizerError;

/// A format: what it is called and what to do.
type Format = (&'static str, &'static str);

/// Refuses what stands in a file's place when a download or a checkout went wrong.
pub(crate) fn refuse_stand_ins(path: &Path, bytes: &[u8]) -> Result<(), TokenizerError> {
    named(path, stand_in(bytes))
}

/// Refuses formats of other tools by name.
pub(crate) fn refuse_other_tools(path: &Path, bytes: &[u8]) -> Result<(), TokenizerError> {
    named(path, archive(bytes).or_else(|| str::from_utf8(bytes).ok().and_then(|text| listing(path, text))))
}

fn named(path: &Path, format: Option<Format>) -> Result<(), TokenizerError> {
    match format {
        Some((format, remedy)) => Err(TokenizerError::Format { path: path.to_owned(), format, remedy }),
        None => Ok(()),
    }
}

/// What a file is that begins with `bytes`, and what to do, if it is a Git LFS pointer or a web page in another file's place.
pub fn stand_in(bytes: &[u8]) -> Option<(&'static str, &'static str)> {
    if bytes.starts_with(b"version https://git-lfs.github.com/spec/") {
        return Some(("a Git LFS pointer, not the file itself", "fetch the file with `git lfs pull`"));
    }
    let head: Vec<u8> = bytes.iter().take(256).map(u8::to_ascii_lowercase).collect();
    let head = head.trim_ascii_start();
    let page = head.starts_with(b"<!doctype html") || head.starts_with(b"<html");
    page.then_some((
        "a web page, not the file itself",
        "download the raw file: the address led to a page about it or to an error message",
    ))
}

fn archive(bytes: &[u8]) -> Option<Format> {
    const UNPACK: &str = "unpack it first";
    const MAGIC: [(&[u8], Format); 5] = [
        (b"\x1f\x8b", ("compressed by gzip", UNPACK)),
        (b"PK\x03\x04", ("a zip archive", UNPACK)),
        (b"BZh", ("compressed by bzip2", UNPACK)),
        (b"\xfd7zXZ", ("compressed by xz", UNPACK)),
        (b"\x28\xb5\x2f\xfd", ("compressed by zstd", UNPACK)),
    ];
    MAGIC.iter().find(|(magic, _)| bytes.starts_with(magic)).map(|&(_, format)| format)
}

/// A list, a line an entry, that is half of a tokenizer.
fn listing(path: &Path, text: &str) -> Option<Format> {
    let mut lines = text.lines().filter(|line| !line.trim().is_empty());
    let first = lines.next()?;
    if is_opennmt_header(first) {
        return Some((
            "a BPE model of the OpenNMT Tokenizer",
            "its tokenization options are not in the file; learn the merges with subword-nmt or `attentive tokenize train`",
        ));
    }
    let sample = || text.lines().filter(|line| !line.trim().is_empty()).take(100);
    if sample().all(is_tiktoken_line) {
        return Some((
            "a list of tiktoken's ranks, which does not say how text is split",
            "give the model's tokenizer.json, which does",
        ));
    }
    if sample().all(|line| line.split_once('\t').is_some_and(|(_, score)| score.trim().parse::<f64>().is_ok())) {
        return Some((
            "SentencePiece's list of pieces (.vocab), which is for reading only",
            "give the .model file that was written beside it",
        ));
    }
    let is_counted = |line: &str| line.rsplit_once(' ').is_some_and(|(_, count)| count.parse::<u64>().is_ok());
    let is_dictionary = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("dict"));
    if is_dictionary && sample().all(is_counted) {
        return Some((
            "a dictionary of fairseq, which lists tokens and does not make them",
            "give the codes or the SentencePiece model that text was segmented with",
        ));
    }
    None
}

/// `v3;false;false;false;￭` and the like.
fn is_opennmt_header(line: &str) -> bool {
    let mut parts = line.split(';');
    let version = parts.next().and_then(|part| part.strip_prefix('v')).is_some_and(|n| n.parse::<u32>().is_ok());
    version && parts.filter(|part| matches!(*part, "true" | "false")).count() >= 2
}

/// A token in base 64 and its rank.
fn is_tiktoken_line(line: &str) -> bool {
    line.split_once(' ').is_some_and(|(token, rank)| {
        let is_base64 = token.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'='));
        is_base64 && token.len() % 4 == 0 && !token.is_empty() && rank.parse::<u32>().is_ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn format(name: &str, bytes: &[u8]) -> String {
        let path = Path::new(name);
        match refuse_stand_ins(path, bytes).and_then(|()| refuse_other_tools(path, bytes)) {
            Err(TokenizerError::Format { format, .. }) => format.to_owned(),
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn what_is_not_a_tokenizer_is_called_by_its_name() {
        let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:12\nsize 798\n";
        let cases: [(&str, &[u8], &str); 9] = [
            ("vocab.txt", pointer.as_bytes(), "Git LFS pointer"),
            ("a.model", b"\n<!DOCTYPE html><html>", "web page"),
            ("a.model", b"<HTML lang=en>", "web page"),
            ("cl100k_base.tiktoken", b"IQ== 0\nIg== 1\nIyM= 2\n", "tiktoken"),
            ("m.vocab", "<unk>\t0\n\u{2581}the\t-3.2\n".as_bytes(), ".vocab"),
            ("dict.txt", b"the 17\nof 12\n", "fairseq"),
            ("bpe", "v3;false;false;false;\u{ffed}\na b\n".as_bytes(), "OpenNMT"),
            ("vocab.json.gz", b"\x1f\x8b\x08", "gzip"),
            ("tokenizer.zip", b"PK\x03\x04", "zip"),
        ];
        for (name, bytes, expected) in cases {
            assert!(format(name, bytes).contains(expected), "{name}: {}", format(name, bytes));
        }
        assert!(refuse_other_tools(Path::new("vocab.txt"), b"[UNK]\n[CLS]\n").is_ok());
        assert!(refuse_other_tools(Path::new("codes"), b"t h\nth e\n").is_ok());
    }
}
