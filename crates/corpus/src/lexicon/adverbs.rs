//! Adverbs and adverbial phrases that are learned whole.

use super::verbs::{CARE, COMPANY, Manners, PACE, PATIENCE, SKILL, SOUND};

/// An adverbial of both languages.
#[derive(Debug, PartialEq, Eq)]
pub struct Adverb {
    /// The English phrase.
    pub english: &'static str,
    /// The German phrase.
    pub german: &'static str,
    /// Its position.
    pub slot: Slot,
    /// The clauses that it fits: times for a time, manners for a manner.
    pub fits: u8,
}

/// Position of an adverbial in the middle of a German clause, in this order: time, cause, manner, place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Slot {
    /// *gestern*
    Time,
    /// *oft*: in English before the verb
    Frequency,
    /// *wegen des Regens*
    Cause,
    /// *schon*: after a definite object, in English before the participle
    Phase,
    /// *vorsichtig*
    Manner,
    /// *mit dem Zug*
    Means,
    /// *im Garten*
    Place,
    /// *in den Garten*: belongs to the verb
    Direction,
}

/// Fits past events.
pub const PAST: u8 = 1;
/// Fits habits.
pub const HABIT: u8 = 2;
/// Fits future events.
pub const FUTURE: u8 = 4;
/// Fits completed events.
pub const PERFECT: u8 = 8;
/// Fits the present.
pub const NOW: u8 = 16;

const fn adverb(english: &'static str, german: &'static str, slot: Slot, fits: u8) -> Adverb {
    Adverb { english, german, slot, fits }
}

const fn manner(english: &'static str, german: &'static str, fits: Manners) -> Adverb {
    adverb(english, german, Slot::Manner, fits)
}

/// *not yet* is *noch nicht*.
pub static YET: Adverb = adverb("yet", "noch", Slot::Phase, 0);

/// Times.
#[rustfmt::skip]
pub static TIMES: &[Adverb] = &[
    adverb("yesterday", "gestern", Slot::Time, PAST),
    adverb("last week", "letzte Woche", Slot::Time, PAST),
    adverb("last year", "letztes Jahr", Slot::Time, PAST),
    adverb("three days ago", "vor drei Tagen", Slot::Time, PAST),
    adverb("a year ago", "vor einem Jahr", Slot::Time, PAST),
    adverb("on Monday", "am Montag", Slot::Time, PAST | FUTURE),
    adverb("on Sunday", "am Sonntag", Slot::Time, PAST | FUTURE),
    adverb("this morning", "heute Morgen", Slot::Time, PAST),
    adverb("today", "heute", Slot::Time, PERFECT | FUTURE),
    adverb("now", "jetzt", Slot::Time, NOW),
    adverb("tomorrow", "morgen", Slot::Time, FUTURE),
    adverb("tonight", "heute Abend", Slot::Time, FUTURE),
    adverb("next week", "nächste Woche", Slot::Time, FUTURE),
    adverb("next year", "nächstes Jahr", Slot::Time, FUTURE),
    adverb("soon", "bald", Slot::Time, FUTURE),
    adverb("every day", "jeden Tag", Slot::Time, HABIT),
    adverb("every evening", "jeden Abend", Slot::Time, HABIT),
    adverb("in the evening", "am Abend", Slot::Time, HABIT),
    adverb("in the morning", "am Morgen", Slot::Time, HABIT),
    adverb("in summer", "im Sommer", Slot::Time, HABIT),
    adverb("in winter", "im Winter", Slot::Time, HABIT),
];

/// Frequencies.
pub static FREQUENCIES: &[Adverb] = &[
    adverb("often", "oft", Slot::Frequency, HABIT),
    adverb("always", "immer", Slot::Frequency, HABIT),
    adverb("sometimes", "manchmal", Slot::Frequency, HABIT),
    adverb("rarely", "selten", Slot::Frequency, HABIT),
    adverb("usually", "normalerweise", Slot::Frequency, HABIT),
    adverb("never", "nie", Slot::Frequency, HABIT),
];

/// Phases of a completed event.
pub static PHASES: &[Adverb] = &[
    adverb("already", "schon", Slot::Phase, PERFECT),
    adverb("just", "gerade", Slot::Phase, PERFECT),
    adverb("finally", "endlich", Slot::Phase, PERFECT),
    adverb("never", "noch nie", Slot::Phase, PERFECT),
];

/// Manners.
pub static MANNERS: &[Adverb] = &[
    manner("quickly", "schnell", PACE),
    manner("slowly", "langsam", PACE),
    manner("carefully", "vorsichtig", CARE),
    manner("loudly", "laut", SOUND),
    manner("quietly", "leise", SOUND),
    adverb("alone", "allein", Slot::Means, COMPANY),
    manner("well", "gut", SKILL),
    manner("badly", "schlecht", SKILL),
    manner("patiently", "geduldig", PATIENCE),
];
