//! The classes of labelled texts.

use std::collections::BTreeMap;

use super::share;
use crate::{LabeledPart, LabeledTexts, Log};

/// A class with so many times fewer texts than another one is hard to learn.
const IMBALANCE: u64 = 10;

/// Labels that are shown.
const N_SHOWN: usize = 10;

/// Shows which labels the parts have, and how often; returns what is odd.
pub fn examine_labels(texts: &LabeledTexts, log: &dyn Log) -> Vec<String> {
    let known = texts.train.counts();
    let mut warnings: Vec<String> = texts.parts().flat_map(|part| show(part, &known, log)).collect();
    let mut spellings: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for &label in known.keys() {
        spellings.entry(label.to_lowercase()).or_default().push(label);
    }
    for alike in spellings.values().filter(|alike| alike.len() > 1) {
        warnings.push(format!("labels: {} differ in case alone, and are two classes", listed(alike)));
    }
    warnings
}

/// Shows the labels of a part; returns what is odd beside those of the training texts.
fn show(part: &LabeledPart, known: &BTreeMap<&str, u64>, log: &dyn Log) -> Vec<String> {
    let (name, counts, n) = (part.name, part.counts(), part.texts.len() as u64);
    let mut by_frequency: Vec<(&str, u64)> = counts.iter().map(|(&label, &count)| (label, count)).collect();
    by_frequency.sort_by_key(|&(_, count)| std::cmp::Reverse(count));
    say!(log, "labels    {} in {name}", counts.len());
    for &(label, count) in by_frequency.iter().take(N_SHOWN) {
        say!(log, "  {label}: {}", share(count, n));
    }
    if counts.len() > N_SHOWN {
        say!(log, "  and {} more", counts.len() - N_SHOWN);
    }
    let mut warnings = Vec::new();
    let mut warn = |labels: Vec<&str>, what: &str| {
        if !labels.is_empty() {
            warnings.push(format!("{name}: {} {what}", listed(&labels)));
        }
    };
    if let Some(&(frequent, most)) = by_frequency.first() {
        let rare = by_frequency.iter().filter(|&&(_, count)| count * IMBALANCE <= most).map(|&(label, _)| label);
        let what = format!(
            "have {IMBALANCE} times fewer texts than {frequent:?}, or fewer still; to say {frequent:?} of every text is \
             right for {}",
            share(most, n)
        );
        warn(rare.collect(), &what);
    }
    let unknown = counts.keys().filter(|label| !known.contains_key(*label)).copied();
    warn(unknown.collect(), "are not labels of the training texts");
    let missing = known.keys().filter(|label| !counts.contains_key(*label)).copied();
    warn(missing.collect(), "have no text here: nothing tells how well they are learnt");
    warnings
}

/// `"a", "b"`, the first of many.
fn listed(labels: &[&str]) -> String {
    let shown: Vec<String> = labels.iter().take(N_SHOWN).map(|label| format!("{label:?}")).collect();
    shown.join(", ") + if labels.len() > N_SHOWN { ", …" } else { "" }
}
