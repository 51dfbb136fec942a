//! Words and commas that become a sentence.

use std::fmt;

/// Words in order; a comma is a word of its own.
#[derive(Clone, Debug, Default)]
pub(super) struct Text(Vec<String>);

impl Text {
    /// Adds `words`, split at blanks; nothing for an empty string.
    pub(super) fn push(&mut self, words: &str) {
        self.0.extend(words.split_whitespace().map(str::to_string));
    }

    /// Adds all of `other`.
    pub(super) fn append(&mut self, mut other: Self) {
        self.0.append(&mut other.0);
    }

    /// Adds a comma; [`Text::sentence`] drops it where none is allowed.
    pub(super) fn comma(&mut self) {
        self.0.push(",".to_string());
    }

    /// Removes the commas at its end.
    pub(super) fn trim_commas(&mut self) {
        while self.0.last().is_some_and(|word| word == ",") {
            self.0.pop();
        }
    }

    /// The same words with `first` in place of the first.
    pub(super) fn with_first(mut self, first: &str) -> Self {
        if let Some(word) = self.0.first_mut() {
            *word = first.to_string();
        }
        self
    }

    /// The same words with `suffix` on the last.
    pub(super) fn with_suffix(mut self, suffix: &str) -> Self {
        if let Some(word) = self.0.last_mut() {
            word.push_str(suffix);
        }
        self
    }

    /// The first word, which decides between *a* and *an*.
    pub(super) fn first(&self) -> &str {
        self.0.first().map_or("", String::as_str)
    }

    /// The sentence that ends in `mark`, with a capital first letter and one comma in place of one or more.
    pub(super) fn sentence(&self, mark: char) -> String {
        let mut sentence = String::new();
        let mut comma = false;
        for word in &self.0 {
            if word == "," {
                comma = true;
                continue;
            }
            if sentence.is_empty() {
                let mut letters = word.chars();
                sentence.extend(letters.next().into_iter().flat_map(char::to_uppercase));
                sentence.push_str(letters.as_str());
            } else {
                sentence.push_str(if comma { ", " } else { " " });
                sentence.push_str(word);
            }
            comma = false;
        }
        sentence.push(mark);
        sentence
    }
}

impl fmt::Display for Text {
    /// The words, before they are a sentence.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join(" "))
    }
}

impl From<&str> for Text {
    fn from(words: &str) -> Self {
        let mut text = Self::default();
        text.push(words);
        text
    }
}
