//! Strings that end a text.

/// Passes a text on piece by piece until one of some strings is complete, however the text is cut into pieces.
///
/// Text that may begin such a string is held back, so that no part of the string is ever passed on.
///
/// ```
/// use attentive_decode::StopStrings;
///
/// let mut stop = StopStrings::new(["\n\n"]);
/// assert_eq!(stop.push("One.\n"), ("One.".into(), false));
/// assert_eq!(stop.push("Two."), ("\nTwo.".into(), false));
/// assert_eq!(stop.push("\n\nThree."), ("".into(), true));
/// ```
#[derive(Debug, Clone, Default)]
pub struct StopStrings {
    strings: Vec<String>,
    waiting: String,
}

impl StopStrings {
    /// Any of these strings ends the text; empty ones are left out.
    pub fn new<S: Into<String>>(strings: impl IntoIterator<Item = S>) -> Self {
        let strings = strings.into_iter().map(Into::into).filter(|string| !string.is_empty()).collect();
        Self { strings, waiting: String::new() }
    }

    /// Takes the next piece; returns the text to pass on, and whether the text has ended.
    pub fn push(&mut self, piece: &str) -> (String, bool) {
        for character in piece.chars() {
            self.waiting.push(character);
            let complete = self.strings.iter().filter(|string| self.waiting.ends_with(string.as_str()));
            if let Some(longest) = complete.map(String::len).max() {
                self.waiting.truncate(self.waiting.len() - longest);
                return (std::mem::take(&mut self.waiting), true);
            }
        }
        let begins_one = |at: usize| self.strings.iter().any(|string| string.starts_with(&self.waiting[at..]));
        let safe = self.waiting.char_indices().map(|(at, _)| at).find(|&at| begins_one(at));
        let waiting = self.waiting.split_off(safe.unwrap_or(self.waiting.len()));
        (std::mem::replace(&mut self.waiting, waiting), false)
    }

    /// Characters that are held back by now.
    pub fn n_held(&self) -> usize {
        self.waiting.chars().count()
    }

    /// The text that is still held back when the whole text ends by itself.
    pub fn finish(self) -> String {
        self.waiting
    }
}
