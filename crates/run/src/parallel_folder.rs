//! Folders of parallel text, by the usual names of their files.

use std::{fs, path::Path};

use attentive_task::{Context, Result};

/// The two endings of `en-de`.
///
/// # Errors
/// What is wrong, in words.
pub fn language_pair(text: &str) -> std::result::Result<(String, String), String> {
    match text.split_once('-') {
        Some((from, to)) if !from.is_empty() && !to.is_empty() && from != to => Ok((from.into(), to.into())),
        _ => Err("must be two endings of files with a hyphen between them, as en-de".into()),
    }
}

/// The settings of a recipe that name the files of a folder of parallel text: train, val (or valid, validation, dev) and test of
/// each language, as `train.en`, `test_2016.de.gz`.
///
/// # Errors
/// The folder can't be read, lacks a file, or has two that could be it.
pub fn parallel_folder(folder: impl AsRef<Path>, (source, target): &(String, String)) -> Result<Vec<String>> {
    let folder = folder.as_ref();
    let parts: [(&str, &[&str]); 3] =
        [("train", &["train"]), ("validation", &["val", "valid", "validation", "dev"]), ("test", &["test"])];
    let mut names: Vec<String> = fs::read_dir(folder)
        .and_then(|entries| entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect())
        .with_context(|| format!("can't read {}", folder.display()))?;
    names.sort();
    let mut settings = Vec::new();
    for (part, stems) in parts {
        for (side, language) in [("source", source), ("target", target)] {
            let fits = |name: &&String| {
                let plain =
                    [".gz", ".bz2", ".xz", ".zst"].iter().find_map(|end| name.strip_suffix(end)).unwrap_or(name);
                let stem = plain.strip_suffix(language.as_str()).and_then(|stem| stem.strip_suffix('.'));
                // test_2016 is a test set, too.
                stem.is_some_and(|stem| stems.contains(&stem.split(['_', '.', '-']).next().unwrap_or(stem)))
            };
            let found: Vec<&String> = names.iter().filter(fits).collect();
            match found[..] {
                [name] => settings.push(format!("data.{part}.{side}={}", folder.join(name).display())),
                [] => refuse!("{} has no file {}.{language}", folder.display(), stems[0]),
                [first, second, ..] => refuse!(
                    "{} has {first} and {second}: say which with --set data.{part}.{side}=…, and leave --data out",
                    folder.display()
                ),
            }
        }
    }
    Ok(settings)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_a_folder_are_found_by_their_names() {
        let folder = tempfile::tempdir().unwrap();
        let names =
            ["train.en", "train.de.gz", "val.en", "val.de", "test_2016.en", "test_2016.de", "trainer.en", "README"];
        names.iter().for_each(|name| fs::write(folder.path().join(name), "").unwrap());
        let languages = language_pair("en-de").unwrap();
        let settings = parallel_folder(folder.path(), &languages).unwrap();
        let name = |setting: &String| setting.rsplit('/').next().unwrap().to_owned();
        assert_eq!(
            settings.iter().map(name).collect::<Vec<_>>(),
            ["train.en", "train.de.gz", "val.en", "val.de", "test_2016.en", "test_2016.de"]
        );
        fs::write(folder.path().join("test_2017.en"), "").unwrap();
        let error = parallel_folder(folder.path(), &languages).unwrap_err().to_string();
        assert!(error.contains("test_2016.en and test_2017.en: say which"), "{error}");
        fs::remove_file(folder.path().join("train.en")).unwrap();
        assert!(parallel_folder(folder.path(), &languages).unwrap_err().to_string().ends_with("has no file train.en"));
    }
}
