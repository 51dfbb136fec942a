//! The language that a text is in.

use std::fmt;

use whatlang::{Detector, Lang};

/// The codes of a language: of ISO 639-1 (where there are several, the usual one), and others that models call it by.
const CODES: [(Lang, &str, &[&str]); 70] = [
    (Lang::Afr, "af", &[]),
    (Lang::Aka, "ak", &["twi"]),
    (Lang::Amh, "am", &[]),
    (Lang::Ara, "ar", &["arb"]),
    (Lang::Aze, "az", &["azj"]),
    (Lang::Bel, "be", &[]),
    (Lang::Ben, "bn", &[]),
    (Lang::Bul, "bg", &[]),
    (Lang::Cat, "ca", &[]),
    (Lang::Ces, "cs", &["cze"]),
    (Lang::Cmn, "zh", &["zho", "chi"]),
    (Lang::Cym, "cy", &[]),
    (Lang::Dan, "da", &[]),
    (Lang::Deu, "de", &["ger"]),
    (Lang::Ell, "el", &["gre"]),
    (Lang::Eng, "en", &[]),
    (Lang::Epo, "eo", &[]),
    (Lang::Est, "et", &["ekk"]),
    (Lang::Fin, "fi", &[]),
    (Lang::Fra, "fr", &["fre"]),
    (Lang::Guj, "gu", &[]),
    (Lang::Heb, "he", &["iw"]),
    (Lang::Hin, "hi", &[]),
    (Lang::Hrv, "hr", &[]),
    (Lang::Hun, "hu", &[]),
    (Lang::Hye, "hy", &[]),
    (Lang::Ind, "id", &[]),
    (Lang::Ita, "it", &[]),
    (Lang::Jav, "jv", &[]),
    (Lang::Jpn, "ja", &[]),
    (Lang::Kan, "kn", &[]),
    (Lang::Kat, "ka", &[]),
    (Lang::Khm, "km", &[]),
    (Lang::Kor, "ko", &[]),
    (Lang::Lat, "la", &[]),
    (Lang::Lav, "lv", &["lvs"]),
    (Lang::Lit, "lt", &[]),
    (Lang::Mal, "ml", &[]),
    (Lang::Mar, "mr", &[]),
    (Lang::Mkd, "mk", &[]),
    (Lang::Mya, "my", &[]),
    (Lang::Nep, "ne", &["npi"]),
    (Lang::Nld, "nl", &[]),
    (Lang::Nob, "nb", &["no", "nor"]),
    (Lang::Ori, "or", &["ory"]),
    (Lang::Pan, "pa", &[]),
    (Lang::Pes, "fa", &["fas"]),
    (Lang::Pol, "pl", &[]),
    (Lang::Por, "pt", &[]),
    (Lang::Ron, "ro", &["rum"]),
    (Lang::Rus, "ru", &[]),
    (Lang::Sin, "si", &[]),
    (Lang::Slk, "sk", &[]),
    (Lang::Slv, "sl", &[]),
    (Lang::Sna, "sn", &[]),
    (Lang::Spa, "es", &[]),
    (Lang::Srp, "sr", &[]),
    (Lang::Swe, "sv", &[]),
    (Lang::Tam, "ta", &[]),
    (Lang::Tel, "te", &[]),
    (Lang::Tgl, "tl", &[]),
    (Lang::Tha, "th", &[]),
    (Lang::Tuk, "tk", &[]),
    (Lang::Tur, "tr", &[]),
    (Lang::Ukr, "uk", &[]),
    (Lang::Urd, "ur", &[]),
    (Lang::Uzb, "uz", &["uzn"]),
    (Lang::Vie, "vi", &[]),
    (Lang::Yid, "yi", &["ydd"]),
    (Lang::Zul, "zu", &[]),
];

/// A language that [`LanguageDetector`] knows: one of 70.
///
/// ```
/// use attentive_data::Language;
///
/// let german = Language::named("de").unwrap();
/// assert!(["deu", "de_DE", "deu_Latn", "DE"].iter().all(|name| Language::named(name) == Some(german)));
/// assert_eq!((german.code(), Language::named("tlh")), ("de", None));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Language(Lang);

impl Language {
    /// The language of a name: a code of ISO 639-1 or 639-3, alone, or with a region or a script after it.
    pub fn named(name: &str) -> Option<Self> {
        let code = name.split(['_', '-']).next().unwrap_or_default().to_lowercase();
        let is_it = |(lang, short, others): &&(Lang, &str, &[&str])| {
            [*short, lang.code()].iter().chain(*others).any(|known| *known == code)
        };
        CODES.iter().find(is_it).map(|(lang, ..)| Self(*lang))
    }

    /// All of them, by their codes.
    pub fn all() -> impl Iterator<Item = Self> {
        CODES.iter().map(|(lang, ..)| Self(*lang))
    }

    /// Its code of ISO 639-1.
    pub fn code(self) -> &'static str {
        CODES.iter().find(|(lang, ..)| *lang == self.0).map_or(self.0.code(), |(_, code, _)| code)
    }
}

impl fmt::Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

/// A language that a text seems to be in.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Detected {
    /// The most probable language.
    pub language: Language,
    /// How far it is ahead of the second, from 0 to 1: with few letters it has to be further ahead.
    pub confidence: f64,
}

/// Tells the language of a text by its script and its trigrams (Cavnar and Trenkle 1994; the crate `whatlang`).
///
/// A few words are often told wrong, with a low confidence; it is reliable from about ten words on, and with few candidates
/// earlier.
///
/// ```
/// use attentive_data::{Language, LanguageDetector};
///
/// let languages = ["en", "de"].map(|name| Language::named(name).unwrap());
/// let detector = LanguageDetector::among(&languages);
/// assert_eq!(detector.detect("Die Straße war breit").unwrap().language.code(), "de");
/// assert_eq!((detector.detect("12 - 34"), detector.detect("улица")), (None, None));
/// ```
#[derive(Debug, Clone, Default)]
pub struct LanguageDetector {
    detector: Detector,
    /// Without it, all.
    among: Option<Vec<Language>>,
}

impl LanguageDetector {
    /// One that knows all languages.
    pub fn new() -> Self {
        Self::default()
    }

    /// One that knows these languages alone.
    pub fn among(languages: &[Language]) -> Self {
        let detector = Detector::with_allowlist(languages.iter().map(|language| language.0).collect());
        Self { detector, among: Some(languages.to_vec()) }
    }

    /// The most probable language of a text; none of a text without letters, or in a script that no language here has.
    pub fn detect(&self, text: &str) -> Option<Detected> {
        let found = self.detector.detect(text)?;
        let language = Language(found.lang());
        // A script of one language is told whoever is asked for; a text without trigrams has none that is first.
        let is_known = self.among.as_ref().is_none_or(|among| among.contains(&language));
        (is_known && found.confidence().is_finite()).then(|| Detected { language, confidence: found.confidence() })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_text_has_a_known_language_or_none(
            text in ".{0,80}",
            among in prop::sample::subsequence(vec!["en", "de", "ru", "zh", "el"], 0..=5),
        ) {
            let languages: Vec<Language> = among.into_iter().filter_map(Language::named).collect();
            for (detector, known) in [
                (LanguageDetector::among(&languages), languages),
                (LanguageDetector::new(), Language::all().collect()),
            ] {
                if let Some(Detected { language, confidence }) = detector.detect(&text) {
                    prop_assert!(known.contains(&language), "{}", language);
                    prop_assert!((0.0..=1.0).contains(&confidence), "{}", confidence);
                }
            }
        }
    }

    #[test]
    fn every_language_is_found_by_each_of_its_codes_and_no_two_share_one() {
        let mut seen = BTreeSet::new();
        for (lang, short, others) in CODES {
            for code in [short, lang.code()].iter().chain(others) {
                assert_eq!(Language::named(code), Some(Language(lang)), "{code}");
                assert!(seen.insert(*code), "{code}");
            }
        }
        assert_eq!(Language::all().count(), 70);
    }

    #[test]
    fn texts_of_many_scripts_are_told() {
        let detector = LanguageDetector::new();
        for (code, text) in [
            ("en", "Two young people are talking to each other in front of the house."),
            ("de", "Zwei junge Leute unterhalten sich vor dem Haus miteinander."),
            ("fr", "Deux jeunes gens se parlent devant la maison de leurs parents."),
            ("ru", "Двое молодых людей разговаривают друг с другом перед домом."),
            ("uk", "Двоє молодих людей розмовляють одне з одним перед будинком."),
            ("el", "Δύο νέοι μιλούν μεταξύ τους μπροστά στο σπίτι."),
            ("ja", "二人の若者が家の前で話しています。"),
            ("ko", "두 젊은이가 집 앞에서 이야기하고 있다."),
        ] {
            assert_eq!(detector.detect(text).unwrap().language.code(), code, "{text}");
        }
        assert_eq!(detector.detect(""), None);
    }
}
