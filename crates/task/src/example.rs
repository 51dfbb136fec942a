//! How a finished model is used, on text of its own run.

use std::path::Path;

use attentive_tokenizer::Tokenizer;

/// The longest text that is shown.
const MAX_CHARS: usize = 100;

/// The first line of some texts that has words and is not taken for an option; nothing if there is none.
pub(super) fn first_line<E>(texts: impl Iterator<Item = Result<String, E>>) -> String {
    let is_shown = |line: &&str| !line.is_empty() && !line.starts_with('-');
    let line = |text: String| text.lines().map(str::trim).find(is_shown).map(str::to_owned);
    texts.map_while(Result::ok).find_map(line).unwrap_or_default()
}

/// The words that `line` begins with, as many as `n_tokens` hold.
pub(super) fn first_words<'a>(tokenizer: &dyn Tokenizer, line: &'a str, n_tokens: usize) -> &'a str {
    let ends = line.match_indices(' ').map(|(at, _)| at).chain([line.len()]);
    let fits = |&end: &usize| tokenizer.encode(&line[..end]).len() <= n_tokens;
    &line[..ends.take_while(fits).last().unwrap_or(0)]
}

/// The words that `line` begins with, as many as a model of so many positions holds with the tokens that frame a text, and a
/// reader sees at a glance.
pub(super) fn sentence<'a>(tokenizer: &dyn Tokenizer, line: &'a str, max_len: Option<usize>) -> &'a str {
    let short = match line.char_indices().nth(MAX_CHARS) {
        Some((at, _)) => line[..at].rfind(' ').map_or(&line[..at], |at| &line[..at]),
        None => line,
    };
    first_words(tokenizer, short, max_len.map_or(usize::MAX, |max_len| max_len.saturating_sub(2)))
}

/// A text whose middle word is replaced by what `masks` gives for it, and the word.
pub(super) fn masked(text: &str, masks: impl FnOnce(&str) -> String) -> (String, &str) {
    let words: Vec<&str> = text.trim().split(' ').collect();
    let middle = words.len() / 2;
    let hidden = masks(words[middle]);
    let text = [&words[..middle], &[&*hidden], &words[middle + 1..]].concat().join(" ");
    (text, words[middle])
}

/// A text as a shell takes it for one argument.
pub(super) fn argument(text: &str) -> String {
    match text.contains(['"', '\\', '$', '`', '!']) {
        true => format!("'{}'", text.replace('\'', r"'\''")),
        false => format!("\"{text}\""),
    }
}

/// A path as a shell takes it for one argument.
pub fn shell_path(path: &Path) -> String {
    let text = path.display().to_string();
    match text.chars().all(|c| c.is_alphanumeric() || "/._-+=@:,%".contains(c)) {
        true => text,
        false => argument(&text),
    }
}

#[cfg(test)]
mod tests {
    use attentive_tokenizer::Bytes;

    use super::*;

    #[test]
    fn an_argument_is_what_the_shell_takes_it_for() {
        for text in ["a b", "it's", "say \"it\"", "it's \"$HOME\" `x` \\ !", "ä 東"] {
            let command = format!("printf %s {}", argument(text));
            let output = std::process::Command::new("sh").args(["-c", &command]).output().unwrap();
            assert_eq!(String::from_utf8(output.stdout).unwrap(), text, "{command}");
        }
        assert_eq!(shell_path("runs/bert-1".as_ref()), "runs/bert-1");
        assert_eq!(shell_path("my runs/a".as_ref()), "\"my runs/a\"");
    }

    #[test]
    fn a_sentence_is_of_whole_words_and_fits() {
        let tokenizer = Bytes::default();
        assert_eq!(sentence(&tokenizer, "one two three", None), "one two three");
        assert_eq!(sentence(&tokenizer, "one two three", Some(11)), "one two");
        let long = sentence(&tokenizer, &"four ".repeat(100), None).len();
        assert!((MAX_CHARS - 5..=MAX_CHARS).contains(&long), "{long}");
        assert_eq!(
            first_line(["\n \n", "-x\n  a b\nc", "d"].map(|text| Ok::<_, ()>(text.to_owned())).into_iter()),
            "a b"
        );
        assert_eq!(masked("a b c d e", |word| word.repeat(2)), ("a b cc d e".into(), "c"));
        assert_eq!(masked("", |word| format!("[{word}]")), ("[]".into(), ""));
    }
}
