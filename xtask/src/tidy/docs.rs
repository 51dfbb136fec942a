//! Pages compared with the code and files that they name.

use std::{collections::BTreeSet, fs};

use super::{
    Breaches,
    tree::{SourceFile, text_files},
};
use crate::cargo::root;

const MAX_ARCHITECTURE_LINES: usize = 250;
const MAX_PARAGRAPH_LINES: usize = 5;
const MAX_PARAGRAPH_WIDTH: usize = 125;

fn page(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
}

#[test]
fn architecture_is_short_and_knows_every_crate() {
    let text = page("ARCHITECTURE.md");
    let mut breaches = Breaches::default();
    let lines = text.lines().count();
    if lines > MAX_ARCHITECTURE_LINES {
        breaches.add("ARCHITECTURE.md", format!("{lines} lines (at most {MAX_ARCHITECTURE_LINES})"));
    }
    let words: BTreeSet<&str> = text.split(|c: char| !(c.is_alphanumeric() || c == '_' || c == '-')).collect();
    for entry in fs::read_dir(root().join("crates")).expect("crates/").flatten() {
        let folder = entry.file_name().to_string_lossy().into_owned();
        if !words.contains(folder.as_str()) && !words.contains(format!("attentive-{folder}").as_str()) {
            breaches.add("ARCHITECTURE.md", format!("does not mention crates/{folder}"));
        }
    }
    breaches.none("ARCHITECTURE.md");
}

#[test]
fn links_between_files_lead_somewhere() {
    let mut breaches = Breaches::default();
    for file in text_files().filter(|file| file.path.ends_with(".md")) {
        let folder = file.path.rsplit_once('/').map_or("", |(folder, _)| folder);
        for target in file.text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let path = target.split('#').next().unwrap_or_default();
            if path.is_empty() || target.contains("://") || target.starts_with("mailto:") {
                continue;
            }
            if !root().join(folder).join(path).exists() {
                breaches.add(&file.path, format!("links to {target}"));
            }
        }
    }
    breaches.none("dead links");
}

#[test]
fn every_page_of_the_book_is_in_its_summary() {
    let summary = page("docs/SUMMARY.md");
    let mut breaches = Breaches::default();
    for SourceFile { path, .. } in text_files() {
        let Some(name) = path.strip_prefix("docs/").filter(|name| name.ends_with(".md") && *name != "SUMMARY.md")
        else {
            continue;
        };
        if !summary.contains(&format!("]({name})")) {
            breaches.add(&path, "is not in docs/SUMMARY.md");
        }
    }
    breaches.none("pages that the book does not have");
}

#[test]
fn paragraphs_of_the_readme_are_short() {
    let text = page("README.md");
    let mut breaches = Breaches::default();
    // Code and text alternate; each fence is a line of its own.
    for part in text.split("```").step_by(2) {
        for paragraph in part.split("\n\n").map(str::trim).filter(|paragraph| !paragraph.starts_with(['|', '-'])) {
            let lines: Vec<&str> = paragraph.lines().collect();
            if lines.len() > MAX_PARAGRAPH_LINES {
                breaches.add("README.md", format!("{} … (at most {MAX_PARAGRAPH_LINES} lines)", lines[0]));
            }
            if lines.iter().any(|line| line.chars().count() > MAX_PARAGRAPH_WIDTH) {
                breaches.add("README.md", format!("{} … (lines of {MAX_PARAGRAPH_WIDTH} characters)", lines[0]));
            }
        }
    }
    breaches.none("long paragraphs");
}

/// The lines of a page's Rust blocks, block by block, without those that are not to be compiled.
fn programs(text: &str) -> Vec<usize> {
    let blocks = text.split("\n```rust").skip(1).filter(|block| !block.starts_with(",ignore"));
    blocks.map(|block| block.lines().skip(1).take_while(|line| *line != "```").count()).collect()
}

#[test]
fn programs_of_the_pages_are_compiled() {
    const LIST: &str = "crates/attentive/src/lib.rs";
    let list = page(LIST);
    let mut breaches = Breaches::default();
    for SourceFile { path, text } in text_files().filter(|file| file.path.ends_with(".md")) {
        if !programs(&text).is_empty() && !list.contains(&format!("\"{path}\"")) {
            breaches.add(&path, format!("has a Rust block: name the page in {LIST}"));
        }
    }
    breaches.none("programs that no test compiles");
}

#[test]
fn programs_to_start_from_are_short() {
    let mut breaches = Breaches::default();
    for (program, limit) in programs(&page("README.md")).into_iter().zip([15, 30]) {
        if program > limit {
            breaches.add("README.md", format!("a program of {program} lines (at most {limit})"));
        }
    }
    for SourceFile { path, text } in text_files().filter(|file| file.path.starts_with("crates/attentive/examples/")) {
        let limit = if path.ends_with("/mini_gpt.rs") { 199 } else { 50 };
        if text.lines().count() > limit {
            breaches.add(&path, format!("{} lines (at most {limit})", text.lines().count()));
        }
    }
    breaches.none("programs to start from");
}

#[test]
fn departures_from_the_paper_are_explained() {
    let anchors: BTreeSet<String> =
        page("docs/deviations.md").lines().filter_map(|line| line.strip_prefix("## ")).map(anchor).collect();
    let mut breaches = Breaches::default();
    for file in text_files().filter(|file| !file.path.starts_with("xtask/")) {
        for rest in file.text.split("deviations.md#").skip(1) {
            let linked: String = rest.chars().take_while(|c| c.is_alphanumeric() || "-_".contains(*c)).collect();
            if !anchors.contains(&linked) {
                breaches.add(&file.path, format!("docs/deviations.md has no `{linked}`"));
            }
        }
    }
    breaches.none("anchors");
}

/// A heading's anchor as Markdown viewers make it.
fn anchor(heading: &str) -> String {
    let kept = heading.trim().chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
    kept.map(|c| if c == ' ' { '-' } else { c.to_ascii_lowercase() }).collect()
}

/// Items are written `` `crate::Item` ``, the crate by its folder's name: the last part must be defined in that crate.
#[test]
fn items_on_the_pages_exist() {
    let sources: Vec<_> = text_files().filter(|file| file.path.ends_with(".rs")).collect();
    let defines = |member: &str, item: &str| {
        let words = ["fn ", "struct ", "enum ", "trait ", "const ", "type ", "mod ", "pub ", "macro_rules! "];
        sources.iter().filter(|file| file.member() == Some(member)).any(|file| {
            file.text.lines().any(|line| {
                line.split_once(item).is_some_and(|(before, after)| {
                    let whole = !after.starts_with(|c: char| c.is_alphanumeric() || c == '_');
                    let variant = before.trim().is_empty() && after.starts_with([',', '(', ' ', '{']);
                    whole && (variant || words.iter().any(|word| before.ends_with(word)))
                })
            })
        })
    };
    let members: BTreeSet<&str> = sources.iter().filter_map(|file| file.member()).collect();
    let mut breaches = Breaches::default();
    for file in text_files().filter(|file| file.path.starts_with("docs/") && file.path.ends_with(".md")) {
        for quoted in file.text.split('`').skip(1).step_by(2) {
            let mut parts = quoted.split("::");
            let member = parts.next().filter(|member| members.contains(member));
            if let (Some(member), Some(item)) = (member, parts.last())
                && !defines(member, item.trim_end_matches("()"))
            {
                breaches.add(&file.path, format!("`{quoted}` is not in crates/{member}"));
            }
        }
    }
    breaches.none("items that do not exist");
}

#[test]
fn anchors_are_those_of_markdown_viewers() {
    assert_eq!(anchor("Attention dropout"), "attention-dropout");
    assert_eq!(anchor("Where ε goes (KL)"), "where-ε-goes-kl");
}
