//! The built-in corpus as a whole: what is in it, what is kept out of training, and that it never changes.

use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

use attentive_corpus::grammar::{Number, Tense};
use attentive_corpus::lexicon::adverbs::{FREQUENCIES, MANNERS, PHASES, TIMES};
use attentive_corpus::lexicon::{ADJECTIVES, NAMES, NOUNS, PROFESSIONS, VERBS, Verb};
use attentive_corpus::{BuiltinConfig, BuiltinCorpus, Pattern, PronounSentence, SentencePair};

const LECTURE: [(&str, &str); 2] = [
    (
        "The animal did not cross the street because it was too tired.",
        "Das Tier überquerte die Straße nicht, weil es zu müde war.",
    ),
    (
        "The animal did not cross the street because it was too wide.",
        "Das Tier überquerte die Straße nicht, weil sie zu breit war.",
    ),
];

fn corpus() -> &'static BuiltinCorpus {
    static CORPUS: LazyLock<BuiltinCorpus> = LazyLock::new(|| BuiltinConfig::default().generate());
    &CORPUS
}

/// All pairs but the pronoun sentences.
fn pairs(corpus: &BuiltinCorpus) -> impl Iterator<Item = &SentencePair> {
    corpus.train.iter().chain(&corpus.validation).chain(&corpus.test)
}

fn words(sentence: &str) -> Vec<String> {
    sentence
        .split(|letter: char| !letter.is_alphabetic() && letter != '-')
        .filter(|word| !word.is_empty())
        .map(str::to_lowercase)
        .collect()
}

/// Which sentences hold a word.
struct Index {
    sentences: Vec<String>,
    holding: HashMap<String, Vec<usize>>,
}

impl Index {
    fn of<'a>(pairs: impl Iterator<Item = &'a SentencePair>) -> Self {
        let (mut sentences, mut holding) = (Vec::new(), HashMap::<_, Vec<_>>::new());
        for (index, pair) in pairs.enumerate() {
            let words = words(&pair.source);
            sentences.push(format!(" {} ", words.join(" ")));
            for word in HashSet::<String>::from_iter(words) {
                holding.entry(word).or_default().push(index);
            }
        }
        Self { sentences, holding }
    }

    /// The sentences in which the words of one of `phrases` stand side by side.
    fn find(&self, phrases: &[String]) -> HashSet<usize> {
        let one = |phrase: &String| {
            let words = words(phrase);
            let phrase = format!(" {} ", words.join(" "));
            let candidates = self.holding.get(&words[0]).cloned().unwrap_or_default();
            candidates.into_iter().filter(move |&index| self.sentences[index].contains(&phrase))
        };
        phrases.iter().flat_map(one).collect()
    }
}

#[test]
fn the_default_has_the_size_that_it_says() {
    let corpus = corpus();
    assert_eq!(corpus.train.len(), 30_000);
    assert_eq!(corpus.validation.len(), 1_000);
    assert_eq!(corpus.test.len(), 1_000);
    assert_eq!(corpus.test_notes.len(), 1_000);
    assert_eq!(corpus.pronouns.len(), 200);
}

/// The scores of a training run are only comparable while the corpus is the same: whoever changes the grammar or the
/// lexicon changes this number too, and the scores with it.
#[test]
fn the_corpus_is_the_same_everywhere() {
    let corpus = corpus();
    let pronouns = corpus.pronouns.iter().flat_map(|sentence| [&sentence.source, &sentence.target]);
    let lines = pairs(corpus).flat_map(|pair| [&pair.source, &pair.target]).chain(pronouns);
    let fnv = lines
        .flat_map(|line| line.bytes().chain(*b"\n"))
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
    assert_eq!(fnv, 0xce27_82da_a5dc_bb5d, "{fnv:#018x}");
    assert_ne!(BuiltinConfig { seed: 2, ..Default::default() }.generate().train, corpus.train);
}

#[test]
fn nothing_is_told_twice() {
    let corpus = corpus();
    let mut sources = HashSet::new();
    let mut targets = HashSet::new();
    for pair in pairs(corpus) {
        assert!(sources.insert(&pair.source), "{}", pair.source);
        assert!(targets.insert(&pair.target), "{}", pair.target);
    }
    for sentence in &corpus.pronouns {
        assert!(sources.insert(&sentence.source) && targets.insert(&sentence.target), "{}", sentence.source);
    }
}

#[test]
fn a_source_has_one_translation() {
    let mut translations = HashMap::new();
    for seed in 1..=6 {
        let corpus = BuiltinConfig { seed, ..Default::default() }.generate();
        for pair in pairs(&corpus) {
            let SentencePair { source, target } = pair.clone();
            if let Some(other) = translations.insert(source.clone(), target.clone()) {
                assert_eq!(other, target, "{source}");
            }
        }
    }
    assert!(translations.len() > 150_000);
}

#[test]
fn the_sentences_of_the_lecture_are_translated_but_never_learned() {
    let corpus = corpus();
    for ((source, target), sentence) in LECTURE.iter().zip(&corpus.pronouns) {
        assert_eq!((sentence.source.as_str(), sentence.target.as_str()), (*source, *target));
        assert!(sentence.pronoun_is_right(target));
    }
    assert!(
        pairs(corpus)
            .all(|pair| LECTURE.iter().all(|(source, target)| pair.source != *source && pair.target != *target))
    );
}

#[test]
fn novel_pairs_never_meet_in_training() {
    let corpus = corpus();
    let novel: HashSet<_> = corpus.test_notes.iter().filter_map(|note| note.novel).collect();
    assert_eq!(corpus.test_notes.iter().filter(|note| note.novel.is_some()).count(), 500);
    assert!(novel.len() > 100, "{}", novel.len());
    let train = Index::of(corpus.train.iter());
    let verb_forms: HashSet<_> = VERBS.iter().flat_map(forms).collect();
    let mut checked = 0;
    for (head, noun) in novel {
        let noun = NOUNS.iter().find(|other| other.lemma() == noun).expect("a noun of the lexicon");
        let nouns = [Number::Singular, Number::Plural].map(|number| noun.english(number));
        let Some(heads) = english_forms(head) else { continue };
        if nouns.iter().any(|noun| verb_forms.contains(noun)) {
            continue;
        }
        checked += 1;
        let (with_noun, with_head) = (train.find(&nouns), train.find(&heads));
        if let Some(&index) = with_noun.intersection(&with_head).next() {
            panic!("{head} and {} in{}", noun.lemma(), train.sentences[index]);
        }
    }
    assert!(checked > 80, "{checked}");
}

/// The forms of the adjective or verb that `lemma` names; none where other words share them.
fn english_forms(lemma: &str) -> Option<Vec<String>> {
    if let Some(adjective) = ADJECTIVES.iter().find(|adjective| adjective.german == lemma) {
        let only = ADJECTIVES.iter().filter(|other| other.german == lemma).count() == 1;
        // *clean* is a verb, *cold* a noun.
        return (only && !["clean", "cold"].contains(&adjective.english)).then(|| vec![adjective.english.to_string()]);
    }
    let verb = VERBS.iter().find(|verb| verb.lemma() == lemma)?;
    let infinitive = verb.english().infinitive;
    let only = VERBS.iter().filter(|other| other.english().infinitive == infinitive).count() == 1;
    (only && !["clean", "have", "like", "plant"].contains(&infinitive)).then(|| forms(verb))
}

fn forms(verb: &Verb) -> Vec<String> {
    use attentive_corpus::grammar::Pronoun::{He, I};
    let english = verb.english();
    [
        english.infinitive.to_string(),
        english.finite(Tense::Present, He),
        english.finite(Tense::Past, I),
        english.participle.to_string(),
        english.gerund.to_string(),
    ]
    .to_vec()
}

#[test]
fn pronoun_sentences_speak_of_what_training_never_put_together() {
    let corpus = corpus();
    let english = |lemma: &str| {
        let noun = NOUNS.iter().find(|noun| noun.lemma() == lemma).expect("a noun of the lexicon");
        noun.english(Number::Singular)
    };
    let everything = Index::of(pairs(corpus));
    let mut triples = HashSet::new();
    for sentence in &corpus.pronouns {
        let PronounSentence { antecedent, other, adjective, .. } = sentence;
        assert!(triples.insert((antecedent, other, adjective)), "{}", sentence.source);
        let adjective = words(&sentence.source).pop().expect("the adjective stands last");
        let [antecedent, other, adjective] =
            [english(antecedent), english(other), adjective].map(|word| everything.find(&[word]));
        let together = antecedent.iter().find(|index| other.contains(index) && adjective.contains(index));
        if let Some(&index) = together {
            panic!("{} is told by{}", sentence.source, everything.sentences[index]);
        }
    }
}

#[test]
fn guessing_does_not_find_the_pronoun() {
    let corpus = corpus();
    let share = |is: &dyn Fn(&PronounSentence) -> bool| corpus.pronouns.iter().filter(|sentence| is(sentence)).count();
    // Neither one pronoun for all, nor the subject, nor the last noun.
    for pronoun in ["er", "sie", "es"] {
        assert!((66..=67).contains(&share(&|sentence| sentence.pronoun == pronoun)));
    }
    assert_eq!(share(&|sentence| sentence.is_subject), 100);
    assert!(corpus.pronouns.iter().all(|sentence| sentence.pronoun != sentence.wrong));
    // Nor the adjective alone: each stands for at least two pronouns, but for a few that are rare.
    let mut by_adjective: HashMap<_, HashSet<_>> = HashMap::new();
    for sentence in &corpus.pronouns {
        by_adjective.entry(sentence.adjective).or_default().insert(sentence.pronoun);
    }
    assert!(by_adjective.values().filter(|pronouns| pronouns.len() > 1).count() * 2 > by_adjective.len());
}

#[test]
fn a_pronoun_is_right_behind_its_conjunction() {
    let corpus = corpus();
    for sentence in &corpus.pronouns {
        assert!(sentence.pronoun_is_right(&sentence.target), "{}", sentence.target);
        for (conjunction, _) in [("weil", 0), ("obwohl", 1)] {
            let right = format!("{conjunction} {} ", sentence.pronoun);
            let wrong = format!("{conjunction} {} ", sentence.wrong);
            let mistaken = sentence.target.replace(&right, &wrong);
            assert_eq!(sentence.pronoun_is_right(&mistaken), mistaken == sentence.target);
        }
    }
    let tired = &corpus.pronouns[0];
    for (hypothesis, right) in [
        ("das tier überquerte die straße nicht , weil es müde war .", true),
        ("Das Tier schlief, obwohl es wach war.", true),
        ("Das Tier überquerte die Straße nicht, weil sie zu müde war.", false),
        ("Es überquerte die Straße nicht.", false),
        ("Das Tier überquerte die Straße nicht, weil", false),
        ("", false),
    ] {
        assert_eq!(tired.pronoun_is_right(hypothesis), right, "{hypothesis}");
    }
}

#[test]
fn every_word_is_learned_often_enough() {
    let corpus = corpus();
    let train = Index::of(corpus.train.iter());
    let mut lemmas: Vec<(String, Vec<String>)> = Vec::new();
    for noun in NOUNS {
        lemmas.push((
            noun.lemma().into(),
            [Number::Singular, Number::Plural].map(|number| noun.english(number)).to_vec(),
        ));
    }
    lemmas.extend(VERBS.iter().map(|verb| (verb.lemma().into(), forms(verb))));
    lemmas.extend(ADJECTIVES.iter().map(|adjective| (adjective.german.into(), vec![adjective.english.into()])));
    let adverbs = TIMES.iter().chain(FREQUENCIES).chain(PHASES).chain(MANNERS);
    lemmas.extend(adverbs.map(|adverb| (adverb.german.into(), vec![adverb.english.into()])));
    lemmas.extend(NAMES.iter().map(|name| (name.name.into(), vec![name.name.into()])));
    lemmas.extend(PROFESSIONS.iter().map(|profession| (profession.she.into(), vec![profession.english.into()])));
    let names: HashSet<_> = lemmas.iter().map(|(lemma, _)| lemma).collect();
    assert!(names.len() >= 350, "{}", names.len());
    for (lemma, forms) in &lemmas {
        let count = train.find(forms).len();
        assert!(count >= 12, "{lemma}: {count}");
    }
}

#[test]
fn every_pattern_occurs() {
    let corpus = corpus();
    for pattern in Pattern::ALL {
        let count = corpus.test_notes.iter().filter(|note| note.pattern == pattern).count();
        assert!(count >= 5, "{pattern:?}: {count}");
    }
}

#[test]
fn sentences_look_like_sentences() {
    let corpus = corpus();
    let mut target_words = 0;
    for pair in pairs(corpus) {
        let SentencePair { source, target } = pair;
        for sentence in [source, target] {
            assert!(sentence.starts_with(char::is_uppercase), "{sentence}");
            assert!(sentence.ends_with(['.', '?', '!']), "{sentence}");
            assert!(!sentence.contains("  ") && !sentence.contains(" ,") && !sentence.contains(",."), "{sentence}");
            assert!((2..=26).contains(&sentence.split(' ').count()), "{sentence}");
            assert!(
                sentence
                    .trim_end_matches(['.', '?', '!'])
                    .chars()
                    .all(|letter| { letter.is_alphabetic() || " ,-'".contains(letter) })
            );
        }
        assert_eq!(source.chars().last(), target.chars().last());
        target_words += target.split(' ').count();
        let german = format!(" {} ", words(target).join(" "));
        // Every article that could have run together with its preposition has, unless a relative clause follows.
        for (preposition, article) in [("zu", "dem"), ("zu", "der"), ("von", "dem"), ("in", "das"), ("an", "dem")] {
            let apart = german.contains(&format!(" {preposition} {article} "));
            assert!(!apart || target.matches(',').count() > 0, "{target}");
        }
        for conjunction in ["weil", "obwohl", "dass", "nachdem", "bevor"] {
            let inside = target.find(&format!(" {conjunction} "));
            assert!(inside.is_none_or(|at| target[..at].ends_with(',')), "{target}");
        }
    }
    let mean = target_words as f64 / (corpus.train.len() + corpus.validation.len() + corpus.test.len()) as f64;
    assert!((6.0..10.0).contains(&mean), "{mean}");
}

#[test]
fn small_and_odd_sizes_are_reached() {
    for (n_train, n_validation, n_test, n_pronouns) in [(0, 0, 0, 0), (10, 3, 1, 1), (50, 0, 7, 5)] {
        let config = BuiltinConfig { seed: 9, n_train, n_validation, n_test, n_pronouns };
        let corpus = config.generate();
        let sizes = [corpus.train.len(), corpus.validation.len(), corpus.test.len(), corpus.pronouns.len()];
        assert_eq!(sizes, [n_train, n_validation, n_test, n_pronouns]);
        assert_eq!(corpus, config.generate());
    }
}
