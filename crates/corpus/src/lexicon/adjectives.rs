//! The adjectives, with their comparatives and the kinds of nouns that they fit.

use super::kinds::*;

/// An adjective of both languages.
#[derive(Debug, PartialEq, Eq)]
pub struct Adjective {
    /// The English form.
    pub english: &'static str,
    /// The English comparative, with *more* where it needs it; empty where none is used.
    pub english_comparative: &'static str,
    /// The German form without an ending, which names the adjective.
    pub german: &'static str,
    /// The German comparative without an ending.
    pub german_comparative: &'static str,
    /// The kinds of nouns that it fits.
    pub kinds: Kinds,
    /// Whether it comes in degrees: *very old*, but not *very broken*.
    pub gradable: bool,
}

const fn adjective(english: &'static str, german: &'static str, kinds: Kinds) -> Adjective {
    compared(english, "", german, "", kinds)
}

const fn compared(
    english: &'static str,
    english_comparative: &'static str,
    german: &'static str,
    german_comparative: &'static str,
    kinds: Kinds,
) -> Adjective {
    Adjective { english, english_comparative, german, german_comparative, kinds, gradable: true }
}

const fn absolute(english: &'static str, german: &'static str, kinds: Kinds) -> Adjective {
    Adjective { gradable: false, ..adjective(english, german, kinds) }
}

/// Every adjective.
#[rustfmt::skip]
pub static ADJECTIVES: &[Adjective] = &[
    compared("old", "older", "alt", "älter", ANIMATE | GOODS | BUILDING | LOAD | SONG | CITY),
    absolute("new", "neu", GOODS | THOUGHT | BUILDING | SONG),
    compared("young", "younger", "jung", "jünger", ANIMATE),
    compared("big", "bigger", "groß", "größer", BIG | ANIMAL | VEHICLE | FURNITURE | BUILDING | ROOM | AREA | CONTAINER | PLANT | TOY | THOUGHT),
    compared("small", "smaller", "klein", "kleiner", ANIMAL | VEHICLE | FURNITURE | BUILDING | ROOM | AREA | CONTAINER | PLANT | TOY),
    compared("long", "longer", "lang", "länger", TEXT | CLOTHES | TRANSIT | TOLD | EVENT),
    compared("wide", "wider", "breit", "breiter", WAY),
    compared("narrow", "narrower", "schmal", "schmaler", PATH | BED),
    compared("deep", "deeper", "tief", "tiefer", DEEP),
    compared("high", "higher", "hoch", "höher", HIGH),
    compared("steep", "steeper", "steil", "steiler", PATH),
    adjective("slippery", "glatt", PATH | TRAFFIC),
    adjective("busy", "belebt", TRAFFIC),
    compared("heavy", "heavier", "schwer", "schwerer", CONTAINER | FURNITURE | TOOL | DEVICE | VEHICLE | LOAD),
    compared("strong", "stronger", "stark", "stärker", ANIMATE),
    adjective("weak", "schwach", ANIMATE),
    compared("fast", "faster", "schnell", "schneller", ANIMATE | VEHICLE),
    compared("slow", "slower", "langsam", "langsamer", ANIMATE | VEHICLE),
    compared("beautiful", "more beautiful", "schön", "schöner", PERSON | PLANT | CLOTHES | BUILDING | AREA | SONG | TOY),
    compared("ugly", "uglier", "hässlich", "hässlicher", ANIMAL | FURNITURE | BUILDING | CLOTHES),
    adjective("clean", "sauber", CLOTHES | ROOM | VEHICLE),
    adjective("dirty", "schmutzig", CLOTHES | ROOM | VEHICLE | WATERS | OPENED),
    compared("expensive", "more expensive", "teuer", "teurer", GOODS),
    compared("cheap", "cheaper", "billig", "billiger", CLOTHES | DEVICE | VEHICLE | FURNITURE),
    compared("good", "better", "gut", "besser", PERSON | TEXT | THOUGHT | SONG | TOLD | FOOD),
    adjective("hot", "heiß", COOKED | DRINK),
    adjective("cold", "kalt", COOKED | DRINK | ROOM | WATERS),
    adjective("warm", "warm", CLOTHES | BED | ROOM),
    adjective("fresh", "frisch", FRUIT | BAKED | FODDER),
    adjective("sweet", "süß", FRUIT | DRINK | BAKED),
    adjective("sour", "sauer", FRUIT | DRINK),
    adjective("salty", "salzig", COOKED),
    adjective("bitter", "bitter", DRINK | FRUIT),
    adjective("hard", "hart", BAKED | FRUIT | BED),
    adjective("delicious", "lecker", FOOD),
    adjective("hungry", "hungrig", ANIMATE),
    adjective("thirsty", "durstig", ANIMATE),
    adjective("tired", "müde", ANIMATE),
    adjective("sick", "krank", ANIMATE),
    adjective("healthy", "gesund", ANIMATE),
    compared("happy", "happier", "glücklich", "glücklicher", PERSON),
    adjective("sad", "traurig", PERSON),
    adjective("angry", "wütend", ANIMATE),
    compared("friendly", "friendlier", "freundlich", "freundlicher", PERSON),
    compared("clever", "cleverer", "klug", "klüger", ANIMATE),
    compared("lazy", "lazier", "faul", "fauler", ANIMATE),
    compared("hard-working", "more hard-working", "fleißig", "fleißiger", PERSON),
    compared("brave", "braver", "mutig", "mutiger", ANIMATE),
    compared("rich", "richer", "reich", "reicher", PERSON),
    compared("poor", "poorer", "arm", "ärmer", PERSON),
    compared("famous", "more famous", "berühmt", "berühmter", PERSON | BUILDING),
    compared("polite", "more polite", "höflich", "höflicher", PERSON),
    adjective("nervous", "nervös", ANIMATE),
    compared("comfortable", "more comfortable", "bequem", "bequemer", BED | CLOTHES),
    compared("soft", "softer", "weich", "weicher", BED),
    absolute("empty", "leer", CONTAINER | ROOM | BUILDING | TRANSIT),
    adjective("full", "voll", CONTAINER | TRANSIT | LOAD),
    absolute("red", "rot", CLOTHES | VEHICLE | PLANT | CONTAINER | FURNITURE | TOY),
    absolute("blue", "blau", CLOTHES | VEHICLE | CONTAINER | FURNITURE | TOY),
    absolute("green", "grün", CLOTHES | VEHICLE | CONTAINER | FURNITURE | PLANT),
    absolute("yellow", "gelb", CLOTHES | VEHICLE | CONTAINER | PLANT | TOY),
    absolute("black", "schwarz", PET | CLOTHES | VEHICLE | CONTAINER),
    absolute("white", "weiß", PET | CLOTHES | VEHICLE | BUILDING),
    absolute("brown", "braun", PET | CLOTHES | FURNITURE | CONTAINER),
    absolute("broken", "kaputt", DEVICE | VEHICLE | FURNITURE),
    compared("dangerous", "more dangerous", "gefährlich", "gefährlicher", ANIMAL | TRAFFIC),
    compared("interesting", "more interesting", "interessant", "interessanter", TEXT | TOLD | EVENT | GROUP),
    compared("important", "more important", "wichtig", "wichtiger", THOUGHT | REPLIED | TEXT),
    compared("difficult", "more difficult", "schwierig", "schwieriger", THOUGHT | LEARNED | EVENT),
    adjective("dark", "dunkel", ROOM | AREA | CLOTHES),
];

/// The adjective whose English form is `english`.
///
/// # Panics
/// If it does not exist.
pub fn adjective_named(english: &str) -> &'static Adjective {
    ADJECTIVES.iter().find(|adjective| adjective.english == english).expect("an adjective of the lexicon")
}
