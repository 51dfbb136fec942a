//! German word forms of the built-in lexicon, against tables written from a grammar book's point of view: full
//! paradigms of every ending, and a dictionary of gender, plural and principal parts that knows nothing of the code.

use std::collections::HashMap;

use attentive_corpus::german::noun_phrase;
use attentive_corpus::grammar::{Case, Determiner, Gender, Number, Pronoun, Tense};
use attentive_corpus::lexicon::verbs::{BE, EXIST, RAIN, SNOW};
use attentive_corpus::lexicon::{ADJECTIVES, NOUNS, Noun, PREPOSITIONS, VERBS, Verb};

/// Article and plural, as a dictionary gives them (¨ is an umlaut), and all nouns that go so.
const PLURALS: &[(&str, &str, &str)] = &[
    (
        "der",
        "",
        "Lehrer Bäcker Künstler Jäger Gärtner Onkel Esel Igel Lastwagen Karren Schlitten Kuchen Käse Sessel \
      Spiegel Koffer Eimer Keller Pullover Computer Schlüssel Löffel Teller Hügel",
    ),
    ("der", "¨", "Vater Großvater Bruder Graben Apfel Garten Flughafen Hafen Mantel Ofen Hammer"),
    (
        "der",
        "e",
        "Freund König Dieb Hund Weg Keks Tisch Teppich Brief Witz Schuh Bleistift \
      Regenschirm Film",
    ),
    (
        "der",
        "¨e",
        "Arzt Koch Gast Sohn Wolf Fuchs Frosch Zug Platz Fluss Bach Zaun Saft Stuhl Schrank \
      Korb Rucksack Turm Supermarkt Stall Hof Bahnhof Strand Plan Hut Ball Baum Busch Sturm",
    ),
    ("der", "¨er", "Mann Wald"),
    ("der", "s", "Park"),
    ("der", "n", "Junge Kunde Kollege Löwe Affe Bauer Nachbar Name See"),
    ("der", "en", "Student Polizist Tourist Bär Elefant Traktor"),
    ("der", "=Busse", "Bus"),
    ("der", "0", "Regen Schnee Reis Tee"),
    ("die", "en", "Frau Straßenbahn Uhr Tür Bäckerei Zeitung Nachricht Prüfung Kreuzung Bibliothek Hochzeit"),
    ("die", "nen", "Königin Prinzessin Kellnerin"),
    (
        "die",
        "n",
        "Krankenschwester Schwester Tante Katze Ziege Ente Schlange Giraffe Kutsche Straße Brücke Wiese Hecke \
      Pfütze Birne Kirsche Suppe Kartoffel Karotte Decke Lampe Insel Tasche Kiste Flasche Tasse Kirche \
      Schule Küche Haltestelle Geschichte Regel Aufgabe Frage Jacke Mütze Maschine Puppe Blume \
      Rose Reise",
    ),
    ("die", "¨", "Mutter Großmutter Tochter"),
    ("die", "¨e", "Kuh Gans Maus Wurst Bank Wand Stadt"),
    ("die", "s", "Pizza Kamera"),
    ("die", "0", "Milch Kälte"),
    ("das", "", "Mädchen Kaninchen Fenster Schlafzimmer Wohnzimmer Rennen Messer"),
    (
        "das",
        "e",
        "Tier Pferd Schwein Kamel Krokodil Schiff Boot Tor Brot Bier Paket Problem Spiel Geschenk \
      Konzert",
    ),
    ("das", "er", "Kind Ei Feld Bild Lied"),
    ("das", "¨er", "Lamm Fahrrad Motorrad Tal Glas Haus Krankenhaus Schloss Dorf Buch Wort"),
    ("das", "en", "Bett Hemd"),
    ("das", "s", "Auto Taxi Pony Sofa Hotel Restaurant Büro Radio"),
    ("das", "se", "Hindernis Geheimnis"),
    ("das", "=Museen", "Museum"),
    ("das", "0", "Fleisch Heu Wasser"),
];

/// The masculines that end in -(e)n everywhere but in the nominative.
const WEAK: &str = "Junge Kunde Kollege Löwe Affe Bauer Nachbar Student Polizist Tourist Bär Elefant";

fn umlaut(word: &str) -> String {
    let at = word.char_indices().rfind(|&(_, letter)| "aou".contains(letter.to_ascii_lowercase()));
    let (at, letter) = at.expect("a vowel to change");
    // In au it is the a that changes.
    let at = if letter == 'u' && word[..at].ends_with('a') { at - 1 } else { at };
    let changed = match &word[at..=at] {
        "a" => "ä",
        "o" => "ö",
        "u" => "ü",
        "A" => "Ä",
        "O" => "Ö",
        _ => "Ü",
    };
    format!("{}{changed}{}", &word[..at], &word[at + 1..])
}

struct Entry {
    gender: Gender,
    plural: Option<String>,
}

fn dictionary() -> HashMap<&'static str, Entry> {
    let mut dictionary = HashMap::new();
    for &(article, plural, nouns) in PLURALS {
        for noun in nouns.split_whitespace() {
            let gender = match article {
                "der" => Gender::Masculine,
                "die" => Gender::Feminine,
                _ => Gender::Neuter,
            };
            let plural = match plural {
                "0" => None,
                _ if plural.starts_with('=') => Some(plural[1..].to_string()),
                _ if plural.starts_with('¨') => Some(umlaut(noun) + &plural["¨".len()..]),
                _ => Some(format!("{noun}{plural}")),
            };
            assert!(dictionary.insert(noun, Entry { gender, plural }).is_none(), "{noun} stands twice");
        }
    }
    dictionary
}

/// The forms of `noun`: singular and plural, each in nominative, accusative, dative, genitive.
fn forms(noun: &str, entry: &Entry) -> [[String; 4]; 2] {
    let weak = WEAK.split(' ').any(|weak| weak == noun);
    let plural = entry.plural.clone().unwrap_or_default();
    let genitive = match entry.gender {
        Gender::Feminine => noun.to_string(),
        _ if noun == "Name" => "Namens".into(),
        _ if noun == "Bus" => "Busses".into(),
        _ if noun.ends_with("nis") => format!("{noun}ses"),
        _ if noun == "Museum" => "Museums".into(),
        _ => format!("{noun}s"),
    };
    let singular = if weak {
        [noun.to_string(), plural.clone(), plural.clone(), plural.clone()]
    } else if noun == "Name" {
        ["Name", "Namen", "Namen", "Namens"].map(String::from)
    } else {
        [noun.to_string(), noun.to_string(), noun.to_string(), genitive]
    };
    let dative = if plural.ends_with('n') || plural.ends_with('s') { plural.clone() } else { format!("{plural}n") };
    [singular, [plural.clone(), plural.clone(), dative, plural]]
}

/// des Manns and des Mannes are both German; after a hissing sound only the long form is.
fn same(case: usize, number: usize, expected: &str, found: &str) -> bool {
    if case != 3 || number != 0 || !expected.ends_with('s') {
        return expected == found;
    }
    let stem = expected.trim_end_matches('s');
    let hissing = ["s", "ß", "x", "z", "sch"].iter().any(|end| found.trim_end_matches("es").ends_with(end));
    expected == found || (found == format!("{stem}es")) || (hissing && found.ends_with("es"))
}

#[test]
fn every_noun_has_the_gender_and_the_forms_of_the_dictionary() {
    let dictionary = dictionary();
    assert_eq!(dictionary.len(), NOUNS.len());
    for noun in NOUNS {
        let entry = dictionary.get(noun.lemma()).unwrap_or_else(|| panic!("{} is in no list", noun.lemma()));
        assert_eq!(noun.gender(), entry.gender, "{}", noun.lemma());
        if entry.plural.is_none() {
            assert!(noun.is_mass(), "{} has no plural but is counted", noun.lemma());
        }
        let expected = forms(noun.lemma(), entry);
        for (n, number) in [Number::Singular, Number::Plural].into_iter().enumerate() {
            if number == Number::Plural && entry.plural.is_none() {
                continue;
            }
            for (c, case) in Case::ALL.into_iter().enumerate() {
                let found = noun.german(case, number);
                assert!(same(c, n, &expected[n][c], &found), "{case:?} {number:?}: {found}, not {}", expected[n][c]);
            }
        }
    }
}

/// One line for each of nominative, accusative, dative, genitive; masculine, feminine, neuter, plural in each.
type Table = [[&'static str; 4]; 4];

const DER: Table = [
    ["der", "die", "das", "die"],
    ["den", "die", "das", "die"],
    ["dem", "der", "dem", "den"],
    ["des", "der", "des", "der"],
];
const DIESER: Table =
    [["er", "e", "es", "e"], ["en", "e", "es", "e"], ["em", "er", "em", "en"], ["es", "er", "es", "er"]];
const EIN: Table = [["", "e", "", "e"], ["en", "e", "", "e"], ["em", "er", "em", "en"], ["es", "er", "es", "er"]];
const NONE: Table = [[""; 4]; 4];
const WEAK_ADJECTIVE: Table =
    [["e", "e", "e", "en"], ["en", "e", "e", "en"], ["en", "en", "en", "en"], ["en", "en", "en", "en"]];
const MIXED_ADJECTIVE: Table =
    [["er", "e", "es", "en"], ["en", "e", "es", "en"], ["en", "en", "en", "en"], ["en", "en", "en", "en"]];
const STRONG_ADJECTIVE: Table =
    [["er", "e", "es", "e"], ["en", "e", "es", "e"], ["em", "er", "em", "en"], ["en", "er", "en", "er"]];

/// Every determiner: its stem, the table of its endings, that of the adjective after it, and its numbers.
fn determiners() -> Vec<(Determiner, &'static str, Table, Table, &'static [Number])> {
    use Number::{Plural, Singular};
    const ONE: &[Number] = &[Singular];
    const SEVERAL: &[Number] = &[Plural];
    const BOTH: &[Number] = &[Singular, Plural];
    let possessive = |pronoun, stem| (Determiner::Possessive(pronoun), stem, EIN, MIXED_ADJECTIVE, BOTH);
    vec![
        (Determiner::Definite, "", DER, WEAK_ADJECTIVE, BOTH),
        (Determiner::This, "dies", DIESER, WEAK_ADJECTIVE, BOTH),
        (Determiner::Which, "welch", DIESER, WEAK_ADJECTIVE, BOTH),
        (Determiner::Every, "jed", DIESER, WEAK_ADJECTIVE, ONE),
        (Determiner::All, "all", DIESER, WEAK_ADJECTIVE, SEVERAL),
        (Determiner::Indefinite, "ein", EIN, MIXED_ADJECTIVE, ONE),
        (Determiner::Indefinite, "", NONE, STRONG_ADJECTIVE, SEVERAL),
        (Determiner::No, "kein", EIN, MIXED_ADJECTIVE, BOTH),
        possessive(Pronoun::I, "mein"),
        possessive(Pronoun::You, "dein"),
        possessive(Pronoun::He, "sein"),
        possessive(Pronoun::She, "ihr"),
        possessive(Pronoun::We, "unser"),
        possessive(Pronoun::They, "ihr"),
        (Determiner::Many, "viel", DIESER, STRONG_ADJECTIVE, SEVERAL),
        (Determiner::Some, "einig", DIESER, STRONG_ADJECTIVE, SEVERAL),
        (Determiner::Numeral(7), "sieben", NONE, STRONG_ADJECTIVE, SEVERAL),
        (Determiner::Whose(Gender::Masculine, Singular), "dessen", NONE, STRONG_ADJECTIVE, BOTH),
        (Determiner::Whose(Gender::Feminine, Singular), "deren", NONE, STRONG_ADJECTIVE, BOTH),
        (Determiner::Whose(Gender::Neuter, Plural), "deren", NONE, STRONG_ADJECTIVE, BOTH),
    ]
}

/// The stem that an adjective's endings are put on.
fn stem(adjective: &str) -> &str {
    match adjective {
        "hoch" => "hoh",
        "dunkel" => "dunkl",
        "teuer" => "teur",
        "sauer" => "saur",
        "müde" => "müd",
        regular => regular,
    }
}

fn column(gender: Gender, number: Number) -> usize {
    match (number, gender) {
        (Number::Plural, _) => 3,
        (_, Gender::Masculine) => 0,
        (_, Gender::Feminine) => 1,
        (_, Gender::Neuter) => 2,
    }
}

#[test]
fn determiner_adjective_and_noun_agree_over_the_whole_lexicon() {
    let dictionary = dictionary();
    let mut checked = 0;
    for (index, noun) in NOUNS.iter().enumerate() {
        let entry = &dictionary[noun.lemma()];
        // Every adjective meets every eighth noun or so, with every determiner in every case.
        for adjective in ADJECTIVES.iter().skip(index % 8).step_by(8) {
            for (determiner, word, endings, adjective_endings, numbers) in determiners() {
                for &number in numbers {
                    if (number == Number::Plural && noun.is_mass())
                        || (number == Number::Singular && noun.is_mass() && determiner == Determiner::Indefinite)
                    {
                        continue;
                    }
                    for (c, case) in Case::ALL.into_iter().enumerate() {
                        let column = column(entry.gender, number);
                        let phrase = noun_phrase(determiner, Some(adjective), noun, case, number);
                        let expected = format!(
                            "{word}{} {}{} {}",
                            endings[c][column],
                            stem(adjective.german),
                            adjective_endings[c][column],
                            noun.german(case, number)
                        );
                        assert_eq!(phrase, expected.trim_start());
                        checked += 1;
                    }
                }
            }
        }
    }
    assert!(checked > 200_000, "{checked}");
}

#[test]
fn what_is_not_counted_goes_without_an_article() {
    let milk = noun("Milch");
    let cold = ADJECTIVES.iter().find(|adjective| adjective.german == "kalt");
    let phrase = |case| noun_phrase(Determiner::Indefinite, cold, milk, case, Number::Singular);
    assert_eq!(phrase(Case::Accusative), "kalte Milch");
    assert_eq!(phrase(Case::Dative), "kalter Milch");
}

fn noun(lemma: &str) -> &'static Noun {
    NOUNS.iter().find(|noun| noun.lemma() == lemma).expect("a noun of the lexicon")
}

#[test]
fn phrases_by_hand() {
    let old = ADJECTIVES.iter().find(|adjective| adjective.german == "alt");
    let dear = ADJECTIVES.iter().find(|adjective| adjective.german == "teuer");
    use {Case::*, Determiner::*, Number::*};
    for (determiner, adjective, lemma, case, number, expected) in [
        (Definite, old, "Junge", Accusative, Singular, "den alten Jungen"),
        (Indefinite, old, "Bär", Dative, Singular, "einem alten Bären"),
        (Definite, None, "Name", Genitive, Singular, "des Namens"),
        (Definite, old, "Haus", Genitive, Singular, "des alten Hauses"),
        (Indefinite, old, "Haus", Nominative, Singular, "ein altes Haus"),
        (Definite, old, "Haus", Dative, Plural, "den alten Häusern"),
        (Indefinite, old, "Auto", Dative, Plural, "alten Autos"),
        (No, dear, "Wurst", Dative, Singular, "keiner teuren Wurst"),
        (Possessive(Pronoun::We), old, "Mutter", Genitive, Singular, "unserer alten Mutter"),
        (Numeral(3), dear, "Apfel", Nominative, Plural, "drei teure Äpfel"),
        (All, old, "Freund", Genitive, Plural, "aller alten Freunde"),
        (Many, old, "Freund", Genitive, Plural, "vieler alter Freunde"),
    ] {
        assert_eq!(noun_phrase(determiner, adjective, noun(lemma), case, number), expected);
    }
}

/// Present of ich, du, er, wir; past of ich, du, wir; participle. Every verb that is not regular, without its prefix.
const IRREGULAR: &str = "
sein bin bist ist sind war warst waren gewesen
haben habe hast hat haben hatte hattest hatten gehabt
sehen sehe siehst sieht sehen sah sahst sahen gesehen
finden finde findest findet finden fand fandest fanden gefunden
verlieren verliere verlierst verliert verlieren verlor verlorst verloren verloren
lesen lese liest liest lesen las lasest lasen gelesen
schreiben schreibe schreibst schreibt schreiben schrieb schriebst schrieben geschrieben
essen esse isst isst essen aß aßest aßen gegessen
fressen fresse frisst frisst fressen fraß fraßest fraßen gefressen
trinken trinke trinkst trinkt trinken trank trankst tranken getrunken
backen backe backst backt backen backte backtest backten gebacken
waschen wasche wäschst wäscht waschen wusch wuschst wuschen gewaschen
tragen trage trägst trägt tragen trug trugst trugen getragen
vergessen vergesse vergisst vergisst vergessen vergaß vergaßest vergaßen vergessen
nehmen nehme nimmst nimmt nehmen nahm nahmst nahmen genommen
mögen mag magst mag mögen mochte mochtest mochten gemocht
kennen kenne kennst kennt kennen kannte kanntest kannten gekannt
treffen treffe triffst trifft treffen traf trafst trafen getroffen
fangen fange fängst fängt fangen fing fingst fingen gefangen
stehlen stehle stiehlst stiehlt stehlen stahl stahlst stahlen gestohlen
singen singe singst singt singen sang sangst sangen gesungen
schneiden schneide schneidest schneidet schneiden schnitt schnittest schnitten geschnitten
verstehen verstehe verstehst versteht verstehen verstand verstandest verstanden verstanden
gewinnen gewinne gewinnst gewinnt gewinnen gewann gewannst gewannen gewonnen
verlassen verlasse verlässt verlässt verlassen verließ verließest verließen verlassen
schieben schiebe schiebst schiebt schieben schob schobst schoben geschoben
ziehen ziehe ziehst zieht ziehen zog zogst zogen gezogen
rufen rufe rufst ruft rufen rief riefst riefen gerufen
laden lade lädst lädt laden lud ludest luden geladen
werfen werfe wirfst wirft werfen warf warfst warfen geworfen
bringen bringe bringst bringt bringen brachte brachtest brachten gebracht
denken denke denkst denkt denken dachte dachtest dachten gedacht
schlafen schlafe schläfst schläft schlafen schlief schliefst schliefen geschlafen
schwimmen schwimme schwimmst schwimmt schwimmen schwamm schwammst schwammen geschwommen
stehen stehe stehst steht stehen stand standest standen gestanden
kommen komme kommst kommt kommen kam kamst kamen gekommen
fahren fahre fährst fährt fahren fuhr fuhrst fuhren gefahren
halten halte hältst hält halten hielt hieltest hielten gehalten
helfen helfe hilfst hilft helfen half halfst halfen geholfen
geben gebe gibst gibt geben gab gabst gaben gegeben
leihen leihe leihst leiht leihen lieh liehst liehen geliehen
bieten biete bietest bietet bieten bot botest boten geboten
empfehlen empfehle empfiehlst empfiehlt empfehlen empfahl empfahlst empfahlen empfohlen
sprechen spreche sprichst spricht sprechen sprach sprachst sprachen gesprochen
bitten bitte bittest bittet bitten bat batest baten gebeten
laufen laufe läufst läuft laufen lief liefst liefen gelaufen
gehen gehe gehst geht gehen ging gingst gingen gegangen
springen springe springst springt springen sprang sprangst sprangen gesprungen
kriechen krieche kriechst kriecht kriechen kroch krochst krochen gekrochen
bleiben bleibe bleibst bleibt bleiben blieb bliebst blieben geblieben
sitzen sitze sitzt sitzt sitzen saß saßest saßen gesessen
hängen hänge hängst hängt hängen hing hingst hingen gehangen
wissen weiß weißt weiß wissen wusste wusstest wussten gewusst
versprechen verspreche versprichst verspricht versprechen versprach versprachst versprachen versprochen
";

/// Verbs of motion and of change, and sein and bleiben.
const WITH_SEIN: &str = "sein schwimmen aufstehen einschlafen aufwachen ankommen abfahren zurückkommen folgen \
    laufen gehen springen fahren kriechen klettern reisen bleiben";

/// The eight forms of a regular verb.
fn regular(infinitive: &str) -> Vec<String> {
    let stem = infinitive.strip_suffix("en").or(infinitive.strip_suffix('n')).expect("an infinitive");
    // öffnen, zeichnen, regnen: a nasal that could not be spoken without an e.
    let nasal = ["fn", "chn", "gn", "tm", "dm"].iter().any(|end| stem.ends_with(end));
    let e = if stem.ends_with(['t', 'd']) || nasal { "e" } else { "" };
    let s = if stem.ends_with(['s', 'ß', 'z', 'x']) { "" } else { "s" };
    let ich = match stem.strip_suffix("el") {
        Some(stem) => format!("{stem}le"),
        None => format!("{stem}e"),
    };
    let inseparable = ["be", "ge", "er", "ver", "über"].iter().any(|prefix| stem.starts_with(prefix));
    let ge = if inseparable || stem.ends_with("ier") { "" } else { "ge" };
    vec![
        ich,
        format!("{stem}{e}{s}t"),
        format!("{stem}{e}t"),
        infinitive.to_string(),
        format!("{stem}{e}te"),
        format!("{stem}{e}test"),
        format!("{stem}{e}ten"),
        format!("{ge}{stem}{e}t"),
    ]
}

fn verbs() -> impl Iterator<Item = &'static Verb> {
    VERBS.iter().chain([&BE, &EXIST, &RAIN, &SNOW])
}

#[test]
fn every_verb_has_every_form() {
    let irregular: HashMap<&str, Vec<&str>> = IRREGULAR
        .trim()
        .lines()
        .map(|line| line.split_once(' ').expect("an infinitive and its forms"))
        .map(|(infinitive, forms)| (infinitive, forms.split(' ').collect()))
        .collect();
    let mut met = std::collections::HashSet::new();
    for verb in verbs() {
        let german = verb.german();
        let infinitive = german.infinitive();
        let base = infinitive.strip_prefix(german.prefix).expect("its own prefix");
        // The transitive hängen is regular, the intransitive is not.
        let expected: Vec<String> = match irregular.get(base) {
            Some(forms) if !(base == "hängen" && german.participle == "gehängt") => {
                met.insert(base.to_string());
                forms.iter().map(ToString::to_string).collect()
            }
            _ => regular(base),
        };
        let finite = |tense, pronoun| german.finite(tense, pronoun);
        let (present, past) = (Tense::Present, Tense::Past);
        assert_eq!(
            [
                finite(present, Pronoun::I),
                finite(present, Pronoun::You),
                finite(present, Pronoun::He),
                finite(present, Pronoun::We),
                finite(past, Pronoun::I),
                finite(past, Pronoun::You),
                finite(past, Pronoun::We),
            ],
            expected[..7],
            "{infinitive}"
        );
        assert_eq!(german.participle, format!("{}{}", german.prefix, expected[7]));
        for pronoun in [Pronoun::She, Pronoun::It] {
            assert_eq!(finite(present, pronoun), expected[2]);
            assert_eq!(finite(past, pronoun), expected[4]);
        }
        assert_eq!(finite(present, Pronoun::They), expected[3]);
        assert_eq!(finite(past, Pronoun::They), expected[6]);
        let with_sein = WITH_SEIN.split_whitespace().any(|verb| verb == infinitive);
        assert_eq!(german.with_sein, with_sein, "{infinitive}");
    }
    let unused: Vec<_> = irregular.keys().filter(|verb| !met.contains(**verb)).collect();
    assert!(unused.is_empty(), "{unused:?}");
}

#[test]
fn infinitives_with_zu_and_commands() {
    let find = |infinitive: &str| {
        verbs().map(Verb::german).find(|verb| verb.infinitive() == infinitive).expect("a verb of the lexicon")
    };
    for (infinitive, zu, command) in [
        ("aufmachen", "aufzumachen", "mach"),
        ("anrufen", "anzurufen", "ruf"),
        ("lesen", "zu lesen", "lies"),
        ("geben", "zu geben", "gib"),
        ("vergessen", "zu vergessen", "vergiss"),
        ("nehmen", "zu nehmen", "nimm"),
        ("helfen", "zu helfen", "hilf"),
        ("empfehlen", "zu empfehlen", "empfiehl"),
        ("tragen", "zu tragen", "trag"),
        ("waschen", "zu waschen", "wasch"),
        ("warten", "zu warten", "warte"),
        ("einladen", "einzuladen", "lade"),
        ("füttern", "zu füttern", "füttere"),
        ("überqueren", "zu überqueren", "überquere"),
        ("zeichnen", "zu zeichnen", "zeichne"),
        ("bringen", "zu bringen", "bring"),
        ("sprechen", "zu sprechen", "sprich"),
        ("lächeln", "zu lächeln", "lächle"),
    ] {
        let verb = find(infinitive);
        assert_eq!(verb.zu_infinitive(), zu);
        assert_eq!(verb.imperative(), command);
    }
    assert!(find("erinnern").reflexive && !find("denken").reflexive);
}

#[test]
fn prepositions_govern_their_cases() {
    let accusative = ["durch", "für", "ohne", "um"];
    let dative = ["aus", "mit", "nach", "von", "zu"];
    let genitive = ["trotz", "wegen", "während"];
    let two_way = ["an", "auf", "hinter", "in", "neben", "über", "unter", "vor"];
    for preposition in PREPOSITIONS {
        let cases: &[Case] = match preposition.german {
            german if accusative.contains(&german) => &[Case::Accusative],
            german if dative.contains(&german) => &[Case::Dative],
            german if genitive.contains(&german) => &[Case::Genitive],
            german => {
                assert!(two_way.contains(&german), "{german}");
                &[Case::Accusative, Case::Dative]
            }
        };
        assert!(cases.contains(&preposition.case), "{preposition:?}");
    }
}

#[test]
fn comparatives_take_er_and_some_an_umlaut() {
    let changing = "alt jung groß lang stark klug arm";
    for adjective in ADJECTIVES.iter().filter(|adjective| !adjective.german_comparative.is_empty()) {
        let german = adjective.german;
        let expected = match german {
            "gut" => "besser".to_string(),
            "hoch" => "höher".to_string(),
            "teuer" => "teurer".to_string(),
            _ if changing.split(' ').any(|word| word == german) => format!("{}er", umlaut(german)),
            _ => format!("{german}er"),
        };
        assert_eq!(adjective.german_comparative, expected);
    }
}
