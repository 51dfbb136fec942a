//! English word forms of the built-in lexicon, against rules and lists that know nothing of the code.

use std::collections::HashMap;

use attentive_corpus::english::noun_phrase;
use attentive_corpus::grammar::{Determiner, Number, Pronoun, Tense};
use attentive_corpus::lexicon::verbs::BE;
use attentive_corpus::lexicon::{ADJECTIVES, NOUNS, VERBS, Verb};

const IRREGULAR_PLURALS: &str = "man men woman women child children policeman policemen thief thieves goose geese \
    mouse mice wolf wolves knife knives";

/// Infinitive, past, participle and -ing form of every verb that is not regular.
const IRREGULAR_VERBS: &str = "
be was been being
have had had having
see saw seen seeing
buy bought bought buying
sell sold sold selling
find found found finding
lose lost lost losing
read read read reading
write wrote written writing
eat ate eaten eating
drink drank drunk drinking
build built built building
draw drew drawn drawing
forget forgot forgotten forgetting
take took taken taking
know knew known knowing
meet met met meeting
feed fed fed feeding
hide hid hidden hiding
steal stole stolen stealing
catch caught caught catching
sing sang sung singing
cut cut cut cutting
understand understood understood understanding
wake woke woken waking
win won won winning
leave left left leaving
hear heard heard hearing
wear wore worn wearing
put put put putting
throw threw thrown throwing
bring brought brought bringing
sleep slept slept sleeping
swim swam swum swimming
get got gotten getting
fall fell fallen falling
come came come coming
give gave given giving
show showed shown showing
send sent sent sending
lend lent lent lending
tell told told telling
think thought thought thinking
run ran run running
go went gone going
drive drove driven driving
hang hung hung hanging
sit sat sat sitting
stand stood stood standing
say said said saying
begin began begun beginning
";

fn with_s(word: &str) -> String {
    let letters: Vec<char> = word.chars().collect();
    let last = letters[letters.len() - 1];
    let vowel_before = "aeiou".contains(letters[letters.len() - 2]);
    match last {
        'y' if !vowel_before => format!("{}ies", &word[..word.len() - 1]),
        'o' if !vowel_before => format!("{word}es"),
        's' | 'x' | 'z' => format!("{word}es"),
        'h' if word.ends_with("ch") || word.ends_with("sh") => format!("{word}es"),
        _ => format!("{word}s"),
    }
}

#[test]
fn every_noun_has_its_plural() {
    let words: Vec<&str> = IRREGULAR_PLURALS.split_whitespace().collect();
    let irregular: HashMap<&str, &str> = words.chunks(2).map(|pair| (pair[0], pair[1])).collect();
    let mut met = 0;
    for noun in NOUNS {
        let singular = noun.english(Number::Singular);
        let plural = noun.english(Number::Plural);
        if let Some(&expected) = irregular.get(singular.as_str()) {
            assert_eq!(plural, expected);
            met += 1;
        } else {
            assert_eq!(plural, with_s(&singular));
        }
        // Or *the fish* would have two translations.
        assert!(noun.is_mass() || singular != plural, "{singular}");
    }
    assert_eq!(met, irregular.len());
}

#[test]
fn every_verb_has_every_form() {
    let irregular: HashMap<&str, Vec<&str>> = IRREGULAR_VERBS
        .trim()
        .lines()
        .map(|line| line.split(' ').collect::<Vec<_>>())
        .map(|forms| (forms[0], forms))
        .collect();
    let mut met = std::collections::HashSet::new();
    for verb in VERBS.iter().chain([&BE]).map(Verb::english) {
        let infinitive = verb.infinitive;
        let doubled = ["stop", "fit"].contains(&infinitive);
        let stem = match infinitive {
            _ if doubled => format!("{infinitive}{}", &infinitive[infinitive.len() - 1..]),
            _ => infinitive.strip_suffix('e').unwrap_or(infinitive).to_string(),
        };
        let past = match with_s(infinitive).strip_suffix("ies") {
            Some(stem) => format!("{stem}ied"),
            None => format!("{stem}ed"),
        };
        let regular = [infinitive.to_string(), past.clone(), past, format!("{stem}ing")];
        let expected = match irregular.get(infinitive) {
            Some(forms) => {
                met.insert(infinitive);
                forms.iter().map(ToString::to_string).collect()
            }
            None => regular.to_vec(),
        };
        let past = verb.finite(Tense::Past, Pronoun::He);
        assert_eq!([infinitive, &past, verb.participle, verb.gerund], expected[..]);
        let third = match infinitive {
            "be" => "is".to_string(),
            "have" => "has".to_string(),
            "go" => "goes".to_string(),
            regular => with_s(regular),
        };
        assert_eq!(verb.finite(Tense::Present, Pronoun::She), third);
        if !verb.is_be() {
            for pronoun in [Pronoun::I, Pronoun::You, Pronoun::We, Pronoun::They] {
                assert_eq!(verb.finite(Tense::Present, pronoun), infinitive);
                assert_eq!(verb.finite(Tense::Past, pronoun), past);
            }
        }
    }
    let unused: Vec<_> = irregular.keys().filter(|verb| !met.contains(**verb)).collect();
    assert!(unused.is_empty(), "{unused:?}");
    let be = |tense| Pronoun::ALL.map(|pronoun| BE.english().finite(tense, pronoun));
    assert_eq!(be(Tense::Present), ["am", "are", "is", "is", "is", "are", "are"]);
    assert_eq!(be(Tense::Past), ["was", "were", "was", "was", "was", "were", "were"]);
}

#[test]
fn a_stands_before_consonants_and_an_before_vowels() {
    for noun in NOUNS.iter().filter(|noun| !noun.is_mass()) {
        for adjective in std::iter::once(None).chain(ADJECTIVES.iter().map(Some)) {
            let phrase = noun_phrase(Determiner::Indefinite, adjective, noun, Number::Singular);
            let (article, rest) = phrase.split_once(' ').expect("an article and a noun");
            // No word of the lexicon begins with a silent h or with the sound of *use*.
            let vowel = rest.starts_with(['a', 'e', 'i', 'o', 'u']);
            assert_eq!(article, if vowel { "an" } else { "a" }, "{phrase}");
        }
    }
}

#[test]
fn comparatives_take_er_or_more() {
    let more = "beautiful expensive hard-working famous polite comfortable dangerous interesting important difficult";
    for adjective in ADJECTIVES.iter().filter(|adjective| !adjective.english_comparative.is_empty()) {
        let english = adjective.english;
        let expected = match english {
            "good" => "better".to_string(),
            "big" => "bigger".to_string(),
            _ if more.split(' ').any(|word| word == english) => format!("more {english}"),
            _ if english.ends_with('e') => format!("{english}r"),
            _ if english.ends_with('y') => format!("{}ier", &english[..english.len() - 1]),
            _ => format!("{english}er"),
        };
        assert_eq!(adjective.english_comparative, expected);
    }
}
