//! fairseq's dictionaries: `dict.de.txt`, a line of a symbol and its count for each id after the special tokens.

use std::path::{Path, PathBuf};

use crate::{InterchangeError, files, translators::Vocabularies};

/// The symbols that every dictionary begins with.
const SPECIALS: [&str; 4] = ["<s>", "<pad>", "</s>", "<unk>"];
/// The end of a line whose symbol takes the place of an earlier one.
const OVERWRITES: &str = "#fairseq:overwrite";

/// The dictionaries of a folder, of these languages.
///
/// # Errors
/// [`InterchangeError`]: one is missing or damaged.
pub(super) fn read(folder: &Path, languages: [Option<&str>; 2]) -> Result<Vocabularies, InterchangeError> {
    let found = files::list(folder, is_dictionary)?;
    let [source, target] = languages.map(|language| find(folder, &found, language));
    let (source, target) = (source?, target?);
    let of_target = symbols(&target)?;
    let of_source = if source == target { of_target.clone() } else { symbols(&source)? };
    Ok(Vocabularies { source: of_source, target: of_target })
}

fn is_dictionary(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.starts_with("dict.") && name.ends_with(".txt") || name == "dict.txt"
}

/// The dictionary of a language; where there is one alone, that.
fn find(folder: &Path, found: &[PathBuf], language: Option<&str>) -> Result<PathBuf, InterchangeError> {
    let own = language.map(|language| folder.join(format!("dict.{language}.txt"))).filter(|path| path.is_file());
    match (own, found) {
        (Some(own), _) => Ok(own),
        (None, [one]) => Ok(one.clone()),
        _ => {
            let name = language.map_or("dict.txt".to_owned(), |language| format!("dict.{language}.txt"));
            let problem =
                format!("{name} is missing: put the dictionaries that fairseq-preprocess wrote beside the model");
            Err(InterchangeError::Vocabulary { path: folder.to_owned(), problem })
        }
    }
}

/// The symbols of a dictionary by id.
fn symbols(path: &Path) -> Result<Vec<String>, InterchangeError> {
    let text = files::read_text(path)?;
    let lines = text.strip_suffix('\n').unwrap_or(&text).split('\n').zip(1..);
    let symbols = lines.filter(|(line, _)| !text.is_empty() || !line.is_empty()).map(|(line, at)| symbol(line, at));
    let symbols = symbols.collect::<Result<Vec<_>, String>>().map_err(InterchangeError::damaged(path))?;
    Ok(SPECIALS.iter().map(|&special| special.to_owned()).chain(symbols).collect())
}

fn symbol(line: &str, at: usize) -> Result<String, String> {
    let parts = line.trim_end().rsplit_once(' ');
    match parts {
        Some((_, OVERWRITES)) => {
            Err(format!("line {at} has {OVERWRITES}, an id in place of an earlier one: not read here"))
        }
        Some((symbol, count)) if count.parse::<i64>().is_ok() => Ok(symbol.to_owned()),
        _ => Err(format!("line {at} is {line:?}, not a symbol and its count")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_a_symbol_and_its_count() {
        assert_eq!(symbol("the@@ 12", 1).as_deref(), Ok("the@@"));
        assert_eq!(symbol("a b 3\r", 1).as_deref(), Ok("a b"));
        for damaged in ["the", "the x", "", "the 3 #fairseq:overwrite"] {
            assert!(symbol(damaged, 7).unwrap_err().starts_with("line 7"), "{damaged}");
        }
    }
}
