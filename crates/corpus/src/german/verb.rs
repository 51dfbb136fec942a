//! The conjugation of German verbs from their principal parts.

use crate::grammar::{Number, Pronoun, Tense};

/// The principal parts of a German verb.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GermanVerb {
    /// Whether it takes *sich*.
    pub reflexive: bool,
    /// The separable prefix, or nothing.
    pub prefix: &'static str,
    base: &'static str,
    third: &'static str,
    past: &'static str,
    /// Whether its perfect takes *sein*.
    pub with_sein: bool,
    /// *aufgemacht*
    pub participle: &'static str,
}

impl GermanVerb {
    /// Reads a dictionary line such as `auf|machen macht machte hat aufgemacht`.
    pub(crate) fn parse(line: &'static str) -> Self {
        let (reflexive, line) = match line.strip_prefix("sich ") {
            Some(rest) => (true, rest),
            None => (false, line),
        };
        let mut parts = line.split(' ');
        let mut next = || parts.next().unwrap_or_default();
        let infinitive = next();
        let (prefix, base) = infinitive.split_once('|').unwrap_or(("", infinitive));
        let (third, past, auxiliary, participle) = (next(), next(), next(), next());
        Self { reflexive, prefix, base, third, past, with_sein: auxiliary == "ist", participle }
    }

    /// *aufmachen*
    pub fn infinitive(&self) -> String {
        format!("{}{}", self.prefix, self.base)
    }

    /// *aufzumachen*, *zu machen*
    pub fn zu_infinitive(&self) -> String {
        match self.prefix {
            "" => format!("zu {}", self.base),
            prefix => format!("{prefix}zu{}", self.base),
        }
    }

    /// The finite form without its prefix: *macht*.
    pub fn finite(&self, tense: Tense, subject: Pronoun) -> String {
        match tense {
            Tense::Present => self.present(subject),
            Tense::Past => self.past(subject),
        }
    }

    /// The command to one person: *mach*, *lies*, *warte*.
    ///
    /// It takes the vowel of *er liest*, but not that of *er fährt*, and an *-e* where pronunciation needs one.
    pub fn imperative(&self) -> String {
        let (stem, third) = (self.stem(), self.third.trim_end_matches('t'));
        let raised =
            |vowel| stem.rfind('e').is_some_and(|at| third == format!("{}{vowel}{}", &stem[..at], &stem[at + 1..]));
        match self.base {
            "nehmen" => "nimm".to_string(),
            _ if raised("i") || raised("ie") => third.to_string(),
            _ if self.third.ends_with("et") || stem.ends_with(['t', 'd']) => format!("{stem}e"),
            _ if stem.ends_with("er") || stem.ends_with("el") => self.present(Pronoun::I),
            _ => stem.to_string(),
        }
    }

    fn stem(&self) -> &'static str {
        self.base.strip_suffix("en").or_else(|| self.base.strip_suffix('n')).unwrap_or(self.base)
    }

    fn present(&self, subject: Pronoun) -> String {
        if let Some(forms) = irregular_present(self.base) {
            return forms[slot(subject)].to_string();
        }
        let stem = self.stem();
        // Verbs like *kann*, *weiß*, *möchte* are old pasts: no -t in the third person, so none of the usual endings.
        let preterite_present = !self.third.ends_with('t');
        match slot(subject) {
            0 if preterite_present => self.third.to_string(),
            0 if stem.ends_with("el") => format!("{}le", stem.trim_end_matches("el")),
            0 => format!("{stem}e"),
            1 => {
                let keeps_t = stem.ends_with('t') && !self.third.ends_with("et");
                let base = match self.third.strip_suffix('t') {
                    Some(base) if !keeps_t => base,
                    _ => self.third,
                };
                format!("{base}{}", if base.ends_with(['s', 'ß', 'z', 'x']) { "t" } else { "st" })
            }
            2 => self.third.to_string(),
            _ => self.base.to_string(),
        }
    }

    fn past(&self, subject: Pronoun) -> String {
        let past = self.past;
        let weak = past.ends_with('e');
        match slot(subject) {
            1 if !weak && past.ends_with(['t', 'd', 's', 'ß', 'z']) => format!("{past}est"),
            1 => format!("{past}st"),
            3 if weak => format!("{past}n"),
            3 => format!("{past}en"),
            _ => past.to_string(),
        }
    }
}

/// ich, du, er, wir and sie.
fn slot(subject: Pronoun) -> usize {
    match subject {
        Pronoun::I => 0,
        Pronoun::You => 1,
        _ if subject.number() == Number::Singular => 2,
        _ => 3,
    }
}

fn irregular_present(infinitive: &str) -> Option<[&'static str; 4]> {
    match infinitive {
        "sein" => Some(["bin", "bist", "ist", "sind"]),
        "haben" => Some(["habe", "hast", "hat", "haben"]),
        "werden" => Some(["werde", "wirst", "wird", "werden"]),
        "möchten" => Some(["möchte", "möchtest", "möchte", "möchten"]),
        "sollten" => Some(["sollte", "solltest", "sollte", "sollten"]),
        _ => None,
    }
}
