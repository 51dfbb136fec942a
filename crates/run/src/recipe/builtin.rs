//! The recipes that the command has with it.

use attentive_task::config::advice;

/// A recipe that needs no file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Builtin {
    /// What `attentive train NAME` calls it.
    pub name: &'static str,
    /// Its TOML.
    pub text: &'static str,
}

macro_rules! builtin {
    ($($name:literal),+ $(,)?) => {
        [$(Builtin { name: $name, text: include_str!(concat!("builtin/", $name, ".toml")) }),+]
    };
}

/// All of them: those of the repository's folder `recipes`, which a test of the repository holds these copies against, and
/// two that the command runs by itself.
const RECIPES: &[Builtin] = &builtin![
    "builtin",
    "multi30k",
    "multi30k-2000",
    "multi30k-rnn",
    "tatoeba",
    "tatoeba-both",
    "transliteration",
    "rnn",
    "table3",
    "gpt",
    "shakespeare-char",
    "shakespeare-gpt",
    "dpo",
    "bert",
    "roberta",
    "canine",
    "classification",
    "sst2",
    "cola",
    "byt5",
    "cartpole",
    "key-door",
    "morse",
    "digits",
    "shapes",
    "mnist",
    "data2vec-text",
    "data2vec-pictures",
    "data2vec-sound",
    "tokenizers",
];

impl Builtin {
    /// Every one.
    pub fn all() -> &'static [Self] {
        RECIPES
    }

    /// The one of a name, with or without `.toml`.
    pub fn named(name: &str) -> Option<&'static Self> {
        let name = name.strip_suffix(".toml").unwrap_or(name);
        RECIPES.iter().find(|recipe| recipe.name == name)
    }

    /// The first sentence of its comment: what it is for.
    pub fn summary(&self) -> String {
        let lines = self.text.lines().filter(|line| !line.starts_with("#:"));
        let paragraph =
            lines.map_while(|line| line.strip_prefix('#')).map(str::trim).take_while(|line| !line.is_empty());
        let paragraph = paragraph.collect::<Vec<_>>().join(" ");
        match paragraph.split_once(". ") {
            Some((sentence, _)) => format!("{sentence}."),
            None => paragraph,
        }
    }
}

/// What to say of a name that none has.
pub fn unknown_builtin(name: &str) -> String {
    format!("no recipe is built in as {name:?}: {}", advice(name, RECIPES.iter().map(|recipe| recipe.name)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_says_what_it_is_for() {
        for recipe in Builtin::all() {
            let summary = recipe.summary();
            assert!(summary.len() > 20 && summary.ends_with(['.', '?', '"']), "{}: {summary}", recipe.name);
            assert_eq!(Builtin::named(&format!("{}.toml", recipe.name)), Some(recipe));
        }
    }
}
