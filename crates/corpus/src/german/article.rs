//! Determiners, pronouns and the endings of adjectives.

use crate::grammar::{Case, Gender, Number, Pronoun};

/// The word before an adjective, which decides its ending.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Declension {
    /// Nothing, or a numeral: the adjective shows case and gender itself.
    Strong,
    /// A word like *der*: the adjective need not.
    Weak,
    /// A word like *ein*: the adjective shows what *ein* does not.
    Mixed,
}

/// The strong endings: of *dieser*, and of adjectives if nothing else shows the case.
pub fn strong_ending(case: Case, gender: Gender, number: Number) -> &'static str {
    use {Case::*, Gender::*};
    match (number, case, gender) {
        (Number::Plural, Nominative | Accusative, _) => "e",
        (Number::Plural, Dative, _) => "en",
        (Number::Plural, Genitive, _) => "er",
        (_, Nominative, Masculine) => "er",
        (_, Accusative, Masculine) => "en",
        (_, Nominative | Accusative, Feminine) => "e",
        (_, Nominative | Accusative, Neuter) => "es",
        (_, Dative, Masculine | Neuter) => "em",
        (_, Genitive, Masculine | Neuter) => "es",
        (_, Dative | Genitive, Feminine) => "er",
    }
}

/// The endings of *ein*, *kein*, *mein*: the strong ones, except for three forms without an ending.
pub fn ein_ending(case: Case, gender: Gender, number: Number) -> &'static str {
    if is_bare(case, gender, number) { "" } else { strong_ending(case, gender, number) }
}

/// Whether *ein* has no ending: *ein Hund*, *ein Pferd*.
fn is_bare(case: Case, gender: Gender, number: Number) -> bool {
    number == Number::Singular
        && match gender {
            Gender::Masculine => case == Case::Nominative,
            Gender::Feminine => false,
            Gender::Neuter => matches!(case, Case::Nominative | Case::Accusative),
        }
}

/// *der*, *die*, *das*, ...
pub fn definite(case: Case, gender: Gender, number: Number) -> &'static str {
    match strong_ending(case, gender, number) {
        "er" => "der",
        "en" => "den",
        "em" => "dem",
        "e" => "die",
        _ if case == Case::Genitive => "des",
        _ => "das",
    }
}

/// The ending of an adjective: it need not repeat the case and gender that its determiner shows.
pub fn adjective_ending(declension: Declension, case: Case, gender: Gender, number: Number) -> &'static str {
    let shows_case = match declension {
        Declension::Strong => true,
        Declension::Weak => false,
        Declension::Mixed => is_bare(case, gender, number),
    };
    let genitive_s = case == Case::Genitive && number == Number::Singular && gender != Gender::Feminine;
    let direct = case == Case::Nominative || (case == Case::Accusative && gender != Gender::Masculine);
    if shows_case && !genitive_s {
        strong_ending(case, gender, number)
    } else if number == Number::Singular && direct {
        "e"
    } else {
        "en"
    }
}

/// An adjective with its ending: *alt*, *alten*; *dunkel*, *dunklen*; *hoch*, *hohen*.
pub fn adjective(plain: &str, declension: Declension, case: Case, gender: Gender, number: Number) -> String {
    let stem = match plain {
        "hoch" => "hoh".to_string(),
        _ if plain.ends_with('e') => plain.trim_end_matches('e').to_string(),
        _ if plain.ends_with("el") => plain.replace("el", "l"),
        _ if plain.ends_with("auer") || plain.ends_with("euer") => {
            format!("{}r", plain.trim_end_matches("er"))
        }
        _ => plain.to_string(),
    };
    stem + adjective_ending(declension, case, gender, number)
}

/// The personal pronoun.
///
/// The genitive (*meiner*) is not used in this grammar, so the dative takes its place.
pub fn personal(pronoun: Pronoun, case: Case) -> &'static str {
    let [nominative, accusative, dative] = match pronoun {
        Pronoun::I => ["ich", "mich", "mir"],
        Pronoun::You => ["du", "dich", "dir"],
        Pronoun::He => ["er", "ihn", "ihm"],
        Pronoun::She => ["sie", "sie", "ihr"],
        Pronoun::It => ["es", "es", "ihm"],
        Pronoun::We => ["wir", "uns", "uns"],
        Pronoun::They => ["sie", "sie", "ihnen"],
    };
    match case {
        Case::Nominative => nominative,
        Case::Accusative => accusative,
        Case::Dative | Case::Genitive => dative,
    }
}

/// The reflexive pronoun, in the accusative.
pub fn reflexive(pronoun: Pronoun) -> &'static str {
    match pronoun {
        Pronoun::I | Pronoun::You | Pronoun::We => personal(pronoun, Case::Accusative),
        _ => "sich",
    }
}

/// The stem of the possessive: *mein*, *dein*, ...
///
/// The *e* of *unser* stays before an ending; *euer*, which would drop it, is not used.
pub fn possessive(owner: Pronoun) -> &'static str {
    match owner {
        Pronoun::I => "mein",
        Pronoun::You => "dein",
        Pronoun::He | Pronoun::It => "sein",
        Pronoun::She | Pronoun::They => "ihr",
        Pronoun::We => "unser",
    }
}

/// The relative pronoun: the definite article, except for *denen*, *dessen*, *deren*.
pub fn relative(case: Case, gender: Gender, number: Number) -> &'static str {
    match (case, gender, number) {
        (Case::Dative, _, Number::Plural) => "denen",
        (Case::Genitive, Gender::Masculine | Gender::Neuter, Number::Singular) => "dessen",
        (Case::Genitive, _, _) => "deren",
        _ => definite(case, gender, number),
    }
}
