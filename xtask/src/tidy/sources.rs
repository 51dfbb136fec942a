//! Rules for the content and the length of source files.

use std::{collections::BTreeSet, fs};

use super::{
    Breaches,
    tree::{SourceFile, paths, text_files},
};
use crate::cargo::root;

const MAX_LINES: usize = 700;
const MAX_GOLDEN_BYTES: u64 = 100 * 1024;

/// File names that say nothing about the content.
const DRAWERS: [&str; 6] = ["util.rs", "utils.rs", "helper.rs", "helpers.rs", "misc.rs", "common.rs"];

/// Folders of a particular machine, written in two halves so that this file passes its own rule.
const MACHINE_PATHS: [&str; 3] = [concat!("/wo", "rk/"), concat!("/ro", "ot/"), concat!("/ho", "me/")];

#[test]
fn files_are_short_and_named_by_a_noun() {
    let mut breaches = Breaches::default();
    for SourceFile { path, text } in text_files() {
        let name = path.rsplit('/').next().unwrap_or_default();
        let lines = text.lines().count();
        if [".rs", ".py", ".sh"].iter().any(|end| name.ends_with(end)) && lines > MAX_LINES {
            breaches.add(&path, format!("{lines} lines, split it along a noun (at most {MAX_LINES})"));
        }
        if DRAWERS.contains(&name) && !path.contains("/tests/common") {
            breaches.add(&path, "name it by the noun inside");
        }
    }
    breaches.none("files");
}

/// Lines of the command: arguments, progress, printing. What else it does is a library's, for any program.
const MAX_COMMAND_LINES: usize = 6000;

#[test]
fn the_command_is_thin() {
    let of_command = text_files().filter(|file| file.path.starts_with("crates/cli/src/"));
    let lines: usize = of_command.map(|file| file.text.lines().count()).sum();
    assert!((1..=MAX_COMMAND_LINES).contains(&lines), "{lines} lines in crates/cli/src, {MAX_COMMAND_LINES} at most");
}

#[test]
fn no_path_of_a_machine() {
    let mut breaches = Breaches::default();
    for file in text_files() {
        for (at, line) in file.text.lines().enumerate() {
            if MACHINE_PATHS.iter().any(|path| names_path(line, path)) {
                breaches.add(format!("{}:{}", file.path, at + 1), line.trim());
            }
        }
    }
    breaches.none("paths that exist on one machine only");
}

/// Whether `line` holds `path` as the beginning of an absolute path.
fn names_path(line: &str, path: &str) -> bool {
    line.match_indices(path).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        !before.is_some_and(|c| c.is_alphanumeric() || "._-~/}*".contains(c))
    })
}

#[test]
fn only_kernels_is_unsafe() {
    let mut breaches = Breaches::default();
    for file in text_files().filter(|file| file.path.ends_with(".rs") && file.member() != Some("kernels")) {
        for (number, line) in file.code() {
            let outside_strings = line.split('"').step_by(2);
            let mut words = outside_strings.flat_map(|part| part.split(|c: char| !(c.is_alphanumeric() || c == '_')));
            if words.any(|word| word == "unsafe" || word == "unsafe_code") {
                breaches.add(format!("{}:{number}", file.path), "unsafe belongs in crates/kernels");
            }
        }
    }
    breaches.none("unsafe code, or a lint about it lifted");
}

/// Macros that print, and panic if they can't.
const PRINTS: [&str; 5] = ["print!(", "println!(", "eprint!(", "eprintln!(", "dbg!("];

#[test]
fn only_commands_print_and_exit() {
    let calls = [&PRINTS[..], &["stdout()", "stderr()", "process::exit(", "process::abort("]].concat();
    let mut breaches = Breaches::default();
    for file in text_files().filter(|file| file.is_product() && file.member().is_some_and(|member| member != "cli")) {
        for (number, line) in file.code() {
            for call in calls.iter().filter(|call| names_macro(line, call)) {
                breaches.add(format!("{}:{number}", file.path), format!("{call}…) belongs in crates/cli"));
            }
        }
    }
    breaches.none("libraries report through values and events");
}

#[test]
fn a_warning_does_not_say_that_it_is_one() {
    let mut breaches = Breaches::default();
    for file in text_files().filter(SourceFile::is_product) {
        for (at, call) in file.text.match_indices(".warning(") {
            let text = file.text[at + call.len()..].trim_start_matches([' ', '\n', '&']);
            let text = text.strip_prefix("format!(").unwrap_or(text).trim_start();
            if ["\"warning:", "\"note:"].iter().any(|begin| text.starts_with(begin)) {
                let line = file.text[..at].lines().count();
                breaches.add(format!("{}:{line}", file.path), "the log's implementation writes the word");
            }
        }
    }
    breaches.none("lines of a log that would have the word twice");
}

#[test]
fn the_command_prints_through_one_writer() {
    let calls = [&PRINTS[..], &["stdout().lock(", "stderr().lock("]].concat();
    let writer = "crates/cli/src/output.rs";
    let mut breaches = Breaches::default();
    for file in text_files().filter(|file| file.path.starts_with("crates/cli/src/") && file.path != writer) {
        for (number, line) in file.code() {
            for call in calls.iter().filter(|call| names_macro(line, call)) {
                let what = format!("{call}…) panics or fails unseen: say!, report! or warning! of {writer}");
                breaches.add(format!("{}:{number}", file.path), what);
            }
        }
    }
    breaches.none("a full disk or a reader that has gone is not a panic");
}

/// Whether `line` calls exactly this macro or function.
fn names_macro(line: &str, call: &str) -> bool {
    line.match_indices(call).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        !before.is_some_and(|c| c.is_alphanumeric() || c == '_')
    })
}

#[test]
fn only_backend_chooses_a_device() {
    let calls = ["Device::default(", "Device::flex(", "Device::ndarray(", "Device::wgpu(", "Device::cuda("];
    let mut breaches = Breaches::default();
    for file in text_files().filter(|file| file.is_product() && file.member() != Some("backend")) {
        if file.path.starts_with("xtask/") {
            continue;
        }
        for (number, line) in file.code() {
            for call in calls.iter().filter(|call| line.contains(*call)) {
                breaches.add(format!("{}:{number}", file.path), format!("{call}…): take `&Device`"));
            }
        }
    }
    breaches.none("devices chosen outside crates/backend");
}

/// Number of families of models that a file may name; a file that names more distinguishes them.
const FAMILIES_NAMED: usize = 2;

/// Number of files that may name an item of `ModelConfig`, the registry among them.
const FILES_NAMING: usize = 8;

#[test]
fn families_of_models_are_told_apart_in_one_place() {
    let registry = "crates/model/src/family.rs";
    let mut breaches = Breaches::default();
    for file in text_files().filter(|file| file.is_product() && file.path != registry) {
        let families: BTreeSet<&str> = file.code().flat_map(|(_, line)| families_named(line)).collect();
        if families.len() > FAMILIES_NAMED {
            let names: Vec<&str> = families.into_iter().collect();
            breaches.add(&file.path, format!("names {}: visit the model with a FamilyVisitor", names.join(", ")));
        }
    }
    breaches.none("families of models distinguished outside of the registry");
    let names = |file: &SourceFile| file.is_product() && file.code().any(|(_, line)| line.contains("ModelConfig::"));
    let naming: Vec<String> = text_files().filter(names).map(|file| file.path).collect();
    assert!((1..=FILES_NAMING).contains(&naming.len()), "ModelConfig:: is in {naming:?}, {FILES_NAMING} files at most");
}

/// The variants of `ModelConfig` that a line names.
fn families_named(line: &str) -> impl Iterator<Item = &str> {
    line.split("ModelConfig::").skip(1).filter_map(|rest| {
        let end = rest.find(|c: char| !c.is_alphanumeric()).unwrap_or(rest.len());
        Some(&rest[..end]).filter(|name| name.starts_with(char::is_uppercase))
    })
}

#[test]
fn the_environment_is_read_as_what_it_is() {
    let mut breaches = Breaches::default();
    for file in text_files().filter(SourceFile::is_product) {
        for (number, line) in file.code().filter(|(_, line)| line.contains(concat!("env::va", "rs("))) {
            breaches.add(format!("{}:{number}: {line}", file.path), "use `vars_os`, which takes any bytes");
        }
    }
    breaches.none("a foreign variable that is not UTF-8 is a panic");
}

#[test]
fn the_command_has_every_recipe_with_it() {
    const COPIES: &str = "crates/run/src/recipe/builtin";
    let mut breaches = Breaches::default();
    let read = |path: &str| fs::read_to_string(root().join(path)).unwrap_or_default();
    let list = read(&format!("{COPIES}.rs"));
    for path in paths().iter().filter(|path| path.starts_with("recipes/") && path.ends_with(".toml")) {
        let file = path.trim_start_matches("recipes/");
        if read(path) != read(&format!("{COPIES}/{file}")) {
            breaches.add(path, format!("copy it to {COPIES}/{file}: a package holds nothing from outside its folder"));
        }
        if !list.contains(&format!("\"{}\"", file.trim_end_matches(".toml"))) {
            breaches.add(path, format!("name it in {COPIES}.rs"));
        }
    }
    breaches.none("recipes of the repository and the built-in ones");
}

#[test]
fn golden_files_are_small_and_have_a_generator() {
    let all = paths();
    let mut breaches = Breaches::default();
    for path in all.iter().filter(|path| path.starts_with("crates/")) {
        let Some((member, name)) = path.split_once("/tests/golden/") else {
            continue;
        };
        let bytes = fs::metadata(root().join(path)).map_or(0, |metadata| metadata.len());
        if bytes > MAX_GOLDEN_BYTES {
            breaches.add(path, format!("{bytes} bytes (at most {MAX_GOLDEN_BYTES})"));
        }
        let generator = format!("{member}/tests/golden/generate");
        if !name.ends_with(".py") && !all.iter().any(|other| other.starts_with(&generator) && other.ends_with(".py")) {
            breaches.add(path, "no generate*.py in its folder");
        }
    }
    breaches.none("golden files");
}

#[test]
fn tests_of_a_crate_are_one_program() {
    let all = paths();
    let mut breaches = Breaches::default();
    for folder in all.iter().filter_map(|path| path.strip_suffix("/tests/main.rs")) {
        let read = |name: &str| fs::read_to_string(root().join(folder).join(name)).unwrap_or_default();
        let (modules, manifest) = (read("tests/main.rs"), read("Cargo.toml"));
        if !manifest.contains("\nautotests = false\n") {
            breaches.add(folder, "needs `autotests = false`");
        }
        for path in &all {
            let Some(name) = path.strip_prefix(&format!("{folder}/tests/")).and_then(|name| name.strip_suffix(".rs"))
            else {
                continue;
            };
            let is_run = modules.contains(&format!("\nmod {name};\n"))
                || manifest.contains(&format!("[[test]]\nname = \"{name}\"\n"));
            if name != "main" && !name.contains('/') && !is_run {
                breaches.add(path, "no test of it is run: name it in main.rs");
            }
        }
    }
    breaches.none("files of tests");
}

#[test]
fn a_promise_is_written_where_it_is_relied_on() {
    let mut breaches = Breaches::default();
    for file in text_files().filter(SourceFile::is_product) {
        for (number, _) in file.code().filter(|(_, line)| line.contains(concat!(".unwr", "ap()"))) {
            breaches.add(format!("{}:{number}", file.path), "return an error, or `expect` what always holds");
        }
    }
    breaches.none("panics that do not say why they can't happen");
}

#[test]
fn paths_are_told_from_words() {
    assert!(names_path(concat!("see /wo", "rk/x"), MACHINE_PATHS[0]));
    assert!(names_path(concat!("\"/wo", "rk/x\""), MACHINE_PATHS[0]));
    assert!(!names_path("https://example.org/work/x", MACHINE_PATHS[0]));
    assert!(names_macro("    println!(\"x\")", "println!("));
    assert!(!names_macro("    eprintln!(\"x\")", "println!("));
    let line = "ModelConfig::Gpt(config) | crate::ModelConfig::Bert(_) => ModelConfig::presets()";
    assert_eq!(families_named(line).collect::<Vec<_>>(), ["Gpt", "Bert"]);
}
