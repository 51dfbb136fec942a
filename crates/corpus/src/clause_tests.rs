//! Sentences by hand: the order of words in both languages.

use super::english;
use super::german::{self, Order};
use super::grammar::{Determiner, Gender, Number, Pronoun, Tense};
use super::lexicon::adjectives::adjective_named;
use super::lexicon::verbs::{BE, EXIST};
use super::lexicon::{
    Adverb, Frame, NAMES, NOUNS, Noun, PROFESSIONS, Slot, VERBS, Verb, adverbs, prepositions as prep,
};
use super::syntax::{Adverbial, Clause, Complement, Conjunction, Degree, Form, MODALS, Nominal, NounPhrase};
use Complement::{Accusative, Dative, Prepositional};

static BECAUSE: Conjunction = Conjunction::new("because", "weil");
const PAST: Form = Form::Simple(Tense::Past);

fn noun(english: &str) -> &'static Noun {
    NOUNS.iter().find(|noun| noun.english(Number::Singular) == english).expect("a noun of the lexicon")
}

fn verb(german: &str) -> &'static Verb {
    VERBS.iter().find(|verb| verb.german().infinitive() == german).expect("a verb of the lexicon")
}

fn phrase(determiner: Determiner, english: &str) -> Nominal {
    Nominal::Phrase(NounPhrase::new(determiner, noun(english), Number::Singular))
}

fn the(english: &str) -> Nominal {
    phrase(Determiner::Definite, english)
}

fn a(english: &str) -> Nominal {
    phrase(Determiner::Indefinite, english)
}

fn clause(subject: Nominal, german: &str, form: Form) -> Clause {
    Clause::new(subject, verb(german), form)
}

fn adverb(english: &str) -> Adverbial {
    let mut adverbs = adverbs::TIMES.iter().chain(adverbs::FREQUENCIES).chain(adverbs::PHASES).chain(adverbs::MANNERS);
    let found: &'static Adverb = adverbs.find(|adverb| adverb.english == english).expect("an adverb of the lexicon");
    Adverbial::Adverb(found)
}

#[track_caller]
fn assert_statement(clause: &Clause, english: &str, german: &str) {
    assert_eq!(english::clause(clause).sentence('.'), english);
    assert_eq!(german::clause(clause, Order::Second).sentence('.'), german);
}

#[track_caller]
fn assert_question(clause: &Clause, order: Order, english: &str, german: &str) {
    assert_eq!(english::question(clause).sentence('?'), english);
    assert_eq!(german::clause(clause, order).sentence('?'), german);
}

#[test]
fn the_verb_stands_second_whatever_leads() {
    let opens = clause(the("man"), "aufmachen", PAST).with(Accusative(the("door")));
    assert_statement(&opens, "The man opened the door.", "Der Mann machte die Tür auf.");
    assert_statement(
        &opens.led_by(adverb("yesterday")),
        "Yesterday the man opened the door.",
        "Gestern machte der Mann die Tür auf.",
    );
    let complains = clause(the("man"), "beschweren", PAST).with(Prepositional(&prep::ABOUT, the("storm")));
    assert_statement(
        &complains.clone().led_by(adverb("yesterday")),
        "Yesterday the man complained about the storm.",
        "Gestern beschwerte sich der Mann über den Sturm.",
    );
    let complains = Clause { subject: Nominal::Personal(Pronoun::I), ..complains };
    assert_statement(
        &complains.led_by(adverb("yesterday")),
        "Yesterday I complained about the storm.",
        "Gestern beschwerte ich mich über den Sturm.",
    );
}

#[test]
fn the_bracket_closes_the_clause() {
    let opened = clause(the("child"), "aufmachen", Form::Perfect(Tense::Present));
    assert_statement(
        &opened.with(Accusative(the("window"))).and(adverb("already")),
        "The child has already opened the window.",
        "Das Kind hat das Fenster schon aufgemacht.",
    );
    let gone = clause(the("child"), "gehen", Form::Perfect(Tense::Present));
    assert_statement(
        &gone.with(Prepositional(&prep::INTO, the("garden"))),
        "The child has gone into the garden.",
        "Das Kind ist in den Garten gegangen.",
    );
    let can = clause(the("child"), "anrufen", Form::Modal(&MODALS[0], Tense::Past)).with(Accusative(the("father")));
    assert_statement(&can.denied(), "The child could not call the father.", "Das Kind konnte den Vater nicht anrufen.");
    let will = clause(the("child"), "einladen", Form::Future).with(Accusative(a("friend")));
    assert_statement(
        &will.and(adverb("tomorrow")),
        "The child will invite a friend tomorrow.",
        "Das Kind wird morgen einen Freund einladen.",
    );
    let built =
        clause(the("house"), "bauen", Form::Passive(Tense::Past)).with(Prepositional(&prep::AGENT, the("king")));
    assert_statement(&built, "The house was built by the king.", "Das Haus wurde vom König gebaut.");
}

#[test]
fn the_verb_stands_last_in_a_subordinate_clause() {
    let inner = clause(Nominal::Personal(Pronoun::He), "anrufen", PAST).with(Accusative(the("doctor")));
    let main = clause(the("man"), "bleiben", PAST).with(Prepositional(&prep::IN, the("house")));
    let because = Adverbial::Clause(&BECAUSE, Box::new(inner));
    assert_statement(
        &main.clone().and(because.clone()),
        "The man stayed in the house because he called the doctor.",
        "Der Mann blieb im Haus, weil er den Arzt anrief.",
    );
    assert_statement(
        &main.led_by(because),
        "Because he called the doctor, the man stayed in the house.",
        "Weil er den Arzt anrief, blieb der Mann im Haus.",
    );
    let inner = clause(the("cat"), "einschlafen", Form::Perfect(Tense::Past));
    let said = clause(Nominal::Personal(Pronoun::She), "sagen", PAST).with(Complement::That(Box::new(inner)));
    assert_statement(&said, "She said that the cat had fallen asleep.", "Sie sagte, dass die Katze eingeschlafen war.");
    let inner = clause(Nominal::Personal(Pronoun::I), "aufräumen", PAST).with(Accusative(the("kitchen")));
    let tried =
        clause(Nominal::Personal(Pronoun::I), "versuchen", PAST).with(Complement::Infinitive(Box::new(inner), false));
    assert_statement(&tried, "I tried to tidy up the kitchen.", "Ich versuchte, die Küche aufzuräumen.");
}

#[test]
fn relative_pronouns_take_gender_from_the_noun_and_case_from_the_clause() {
    let relative = |gender, number, person| Nominal::Relative { gender, number, person };
    let one = Number::Singular;
    let cases = [
        (
            "dog",
            clause(relative(Gender::Masculine, one, false), "folgen", PAST)
                .with(Dative(Nominal::Personal(Pronoun::We), false)),
            "The dog that followed us was old.",
            "Der Hund, der uns folgte, war alt.",
        ),
        (
            "man",
            clause(the("girl"), "helfen", PAST).with(Dative(relative(Gender::Masculine, one, true), false)),
            "The man whom the girl helped was old.",
            "Der Mann, dem das Mädchen half, war alt.",
        ),
        (
            "bench",
            clause(the("girl"), "sitzen", Form::Progressive(Tense::Past))
                .with(Prepositional(&prep::ON, relative(Gender::Feminine, one, false))),
            "The bench on which the girl was sitting was old.",
            "Die Bank, auf der das Mädchen saß, war alt.",
        ),
        (
            "woman",
            clause(phrase(Determiner::Whose(Gender::Feminine, one), "cat"), "schlafen", PAST),
            "The woman whose cat slept was old.",
            "Die Frau, deren Katze schlief, war alt.",
        ),
        (
            "woman",
            clause(Nominal::Name(&NAMES[0]), "geben", PAST)
                .with(Dative(relative(Gender::Feminine, one, true), false))
                .with(Accusative(the("key"))),
            "The woman to whom Anna gave the key was old.",
            "Die Frau, der Anna den Schlüssel gab, war alt.",
        ),
    ];
    for (head, inner, english, german) in cases {
        let mut phrase = NounPhrase::new(Determiner::Definite, noun(head), one);
        phrase.relative = Some(Box::new(inner));
        let old = Complement::Adjective(Degree::Plain, adjective_named("old"));
        assert_statement(&Clause::new(Nominal::Phrase(phrase), &BE, PAST).with(old), english, german);
    }
}

#[test]
fn negation_is_nicht_or_kein() {
    let buys = |object| clause(the("man"), "kaufen", PAST).with(Accusative(object)).denied();
    assert_statement(&buys(the("car")), "The man did not buy the car.", "Der Mann kaufte das Auto nicht.");
    assert_statement(&buys(a("car")), "The man did not buy a car.", "Der Mann kaufte kein Auto.");
    assert_statement(&buys(a("milk")), "The man did not buy milk.", "Der Mann kaufte keine Milch.");
    let waits = clause(the("man"), "warten", PAST);
    assert_statement(&waits.clone().denied(), "The man did not wait.", "Der Mann wartete nicht.");
    let waits = Clause {
        verb: VERBS
            .iter()
            .find(|verb| verb.german().infinitive() == "warten" && verb.frame != Frame::Intransitive)
            .expect("warten auf"),
        ..waits
    };
    assert_statement(
        &waits.with(Prepositional(&prep::AWAIT, the("bus"))).denied(),
        "The man did not wait for the bus.",
        "Der Mann wartete nicht auf den Bus.",
    );
    let helps = clause(the("man"), "helfen", PAST).with(Dative(a("child"), false)).denied();
    assert_statement(&helps, "The man did not help a child.", "Der Mann half keinem Kind.");
    let teacher = Complement::Profession(&PROFESSIONS[0], Pronoun::She);
    let anna = Clause::new(Nominal::Name(&NAMES[0]), &BE, Form::Simple(Tense::Present)).with(teacher);
    assert_statement(&anna.clone(), "Anna is a teacher.", "Anna ist Lehrerin.");
    assert_statement(&anna.denied(), "Anna is not a teacher.", "Anna ist keine Lehrerin.");
    let exists =
        Clause::new(Nominal::There(Number::Singular), &EXIST, PAST).with(Accusative(phrase(Determiner::No, "tree")));
    assert_statement(&exists, "There was no tree.", "Es gab keinen Baum.");
}

#[test]
fn what_is_known_stands_before_what_is_new() {
    let gives = |receiver, thing| {
        clause(the("woman"), "geben", PAST)
            .with(Dative(receiver, false))
            .with(Accusative(thing))
            .and(adverb("yesterday"))
    };
    assert_statement(
        &gives(the("boy"), a("book")),
        "The woman gave the boy a book yesterday.",
        "Die Frau gab gestern dem Jungen ein Buch.",
    );
    assert_statement(
        &gives(Nominal::Personal(Pronoun::He), the("book")),
        "The woman gave him the book yesterday.",
        "Die Frau gab ihm gestern das Buch.",
    );
    let garden = Adverbial::Prepositional(Slot::Place, &prep::IN, the("garden"));
    let reads = |object| clause(the("woman"), "lesen", PAST).with(Accusative(object)).and(garden.clone());
    assert_statement(&reads(the("book")), "The woman read the book in the garden.", "Die Frau las das Buch im Garten.");
    assert_statement(&reads(a("book")), "The woman read a book in the garden.", "Die Frau las im Garten ein Buch.");
    // Time before manner before place.
    let by_train = Adverbial::Prepositional(Slot::Means, &prep::BY, phrase(Determiner::Means, "train"));
    let travels = clause(Nominal::Personal(Pronoun::We), "reisen", Form::Future)
        .with(Prepositional(&prep::TO, the("lake")))
        .and(by_train)
        .and(adverb("tomorrow"));
    assert_statement(
        &travels,
        "We will travel to the lake by train tomorrow.",
        "Wir werden morgen mit dem Zug zum See reisen.",
    );
}

#[test]
fn questions_and_commands_begin_with_their_verb_or_their_word() {
    let calls = clause(Nominal::Personal(Pronoun::You), "anrufen", Form::Perfect(Tense::Present));
    let calls = calls.with(Accusative(the("mother")));
    assert_question(&calls, Order::First, "Have you called the mother?", "Hast du die Mutter angerufen?");
    let helped = clause(the("girl"), "helfen", PAST).with(Dative(Nominal::Who, false));
    assert_question(&helped, Order::Second, "Whom did the girl help?", "Wem half das Mädchen?");
    let bought = clause(Nominal::Who, "kaufen", PAST).with(Accusative(the("car")));
    assert_question(&bought, Order::Second, "Who bought the car?", "Wer kaufte das Auto?");
    let which = clause(the("girl"), "sehen", PAST).with(Accusative(phrase(Determiner::Which, "dog")));
    assert_question(&which, Order::Second, "Which dog did the girl see?", "Welchen Hund sah das Mädchen?");
    let where_ = clause(the("girl"), "schlafen", PAST).led_by(Adverbial::Question("where", "wo"));
    assert_question(&where_, Order::Second, "Where did the girl sleep?", "Wo schlief das Mädchen?");
    let read = clause(Nominal::Personal(Pronoun::You), "lesen", Form::Imperative).with(Accusative(the("letter")));
    assert_eq!(english::clause(&read).sentence('!'), "Read the letter!");
    assert_eq!(german::clause(&read, Order::First).sentence('!'), "Lies den Brief!");
    let close =
        clause(Nominal::Personal(Pronoun::You), "zumachen", Form::Imperative).with(Accusative(the("door"))).denied();
    assert_eq!(english::clause(&close).sentence('!'), "Do not close the door!");
    assert_eq!(german::clause(&close, Order::First).sentence('!'), "Mach die Tür nicht zu!");
}

#[test]
fn one_preposition_two_cases() {
    let places = [
        ("laufen", &prep::INTO, PAST, "The cat ran into the kitchen.", "Die Katze lief in die Küche."),
        ("bleiben", &prep::IN, PAST, "The cat stayed in the kitchen.", "Die Katze blieb in der Küche."),
        (
            "kriechen",
            &prep::TO_BEHIND,
            PAST,
            "The cat crawled behind the kitchen.",
            "Die Katze kroch hinter die Küche.",
        ),
    ];
    for (verb, preposition, form, english, german) in places {
        assert_statement(
            &clause(the("cat"), verb, form).with(Prepositional(preposition, the("kitchen"))),
            english,
            german,
        );
    }
    let hangs = |subject, german: &str, form| Clause {
        verb: VERBS.iter().find(|verb| verb.german().participle == german).expect("hängen"),
        ..clause(subject, "bleiben", form)
    };
    assert_statement(
        &hangs(the("picture"), "gehangen", Form::Progressive(Tense::Past))
            .with(Prepositional(&prep::ON_WALL, the("wall"))),
        "The picture was hanging on the wall.",
        "Das Bild hing an der Wand.",
    );
    assert_statement(
        &hangs(the("man"), "gehängt", PAST)
            .with(Accusative(the("picture")))
            .with(Prepositional(&prep::ONTO_WALL, the("wall"))),
        "The man hung the picture on the wall.",
        "Der Mann hängte das Bild an die Wand.",
    );
}
