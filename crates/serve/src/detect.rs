//! The language of texts, among those that the models here know.

use attentive_data::{Detected, Language, LanguageDetector};
use schemars::JsonSchema;
use serde::Serialize;

/// Characters that a language is told by: more say nothing new.
const ENOUGH: usize = 4096;

/// A language that texts seem to be in.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub(crate) struct DetectedLanguage {
    /// The name that a model here calls it by, as `/languages` has it.
    pub(crate) language: String,
    /// In percent; 0 if the texts do not tell.
    pub(crate) confidence: f64,
}

/// The language that texts are in together, among those of these names; `None` if there are none.
///
/// Where the texts do not tell, it is English if that is among them, or else the first.
pub(crate) fn detect(texts: &[impl AsRef<str>], names: &[String]) -> Option<DetectedLanguage> {
    let known: Vec<(Language, &String)> =
        names.iter().filter_map(|name| Language::named(name).zip(Some(name))).collect();
    let mut languages: Vec<Language> = Vec::new();
    for (language, _) in &known {
        if !languages.contains(language) {
            languages.push(*language);
        }
    }
    let characters = texts.iter().flat_map(|text| text.as_ref().chars().chain(['\n']));
    let text: String = characters.take(ENOUGH).collect();
    // One alone would be told of any text.
    let detector = if languages.len() > 1 { LanguageDetector::among(&languages) } else { LanguageDetector::new() };
    let name_of = |language: Language| known.iter().find(|(known, _)| *known == language).map(|(_, name)| *name);
    let found = detector.detect(&text);
    let found =
        found.and_then(|Detected { language, confidence }| Some((name_of(language)?, (100.0 * confidence).round())));
    let usual = || Language::named("en").and_then(name_of).or(names.first()).map(|name| (name, 0.0));
    found.or_else(usual).map(|(name, confidence)| DetectedLanguage { language: name.clone(), confidence })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_language_is_told_by_the_name_that_a_model_has_for_it() {
        let names = ["deu_Latn", "eng_Latn", "fra_Latn", "tlh"].map(str::to_owned);
        let told = |text: &str| detect(&[text], &names).unwrap();
        let german = told("Die Straße war breit und leer.");
        assert!(german.language == "deu_Latn" && german.confidence > 50.0, "{german:?}");
        assert_eq!(told("La rue devant la maison était large.").language, "fra_Latn");
        assert_eq!(told("12 34"), DetectedLanguage { language: "eng_Latn".into(), confidence: 0.0 }, "nothing tells");
        assert_eq!(detect(&["a"], &[]), None);
        assert_eq!(
            detect(&["nuqneH"], &names[3..]),
            Some(DetectedLanguage { language: "tlh".into(), confidence: 0.0 })
        );
    }

    #[test]
    fn of_one_language_it_is_told_how_sure_that_is() {
        let english = ["en".to_owned()];
        let confidence = |text: &str| detect(&[text], &english).unwrap().confidence;
        assert!(confidence("Two young people are talking to each other in front of the house.") > 50.0);
        assert_eq!(confidence("Двое молодых людей разговаривают друг с другом перед домом."), 0.0);
    }
}
