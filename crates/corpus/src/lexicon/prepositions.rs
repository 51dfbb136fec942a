//! Prepositions and the case that each governs; a two-way preposition is listed twice, for the place and for the
//! direction.

use crate::grammar::Case::{self, Accusative, Dative, Genitive};

/// A preposition of both languages.
#[derive(Debug, PartialEq, Eq)]
pub struct Preposition {
    /// The English one.
    pub english: &'static str,
    /// The German one.
    pub german: &'static str,
    /// The case that it governs here.
    pub case: Case,
}

macro_rules! prepositions {
    ($($name:ident = $english:literal, $german:literal, $case:ident;)+) => {
        $(#[doc = concat!("*", $english, "*, *", $german, "*")]
        pub static $name: Preposition = Preposition { english: $english, german: $german, case: $case };)+

        /// Every preposition.
        pub static PREPOSITIONS: &[&Preposition] = &[$(&$name),+];
    };
}

prepositions! {
    IN = "in", "in", Dative;
    INTO = "into", "in", Accusative;
    ON = "on", "auf", Dative;
    ONTO = "onto", "auf", Accusative;
    ON_WALL = "on", "an", Dative;
    ONTO_WALL = "on", "an", Accusative;
    AT = "at", "an", Dative;
    UNDER = "under", "unter", Dative;
    TO_UNDER = "under", "unter", Accusative;
    BEHIND = "behind", "hinter", Dative;
    TO_BEHIND = "behind", "hinter", Accusative;
    NEXT_TO = "next to", "neben", Dative;
    IN_FRONT_OF = "in front of", "vor", Dative;
    OVER = "over", "über", Accusative;
    UP = "up", "auf", Accusative;
    THROUGH = "through", "durch", Accusative;
    TO = "to", "zu", Dative;
    OUT_OF = "out of", "aus", Dative;
    FROM = "from", "von", Dative;
    WITH = "with", "mit", Dative;
    BY = "by", "mit", Dative;
    AGENT = "by", "von", Dative;
    WITHOUT = "without", "ohne", Accusative;
    FOR = "for", "für", Accusative;
    AFTER = "after", "nach", Dative;
    BEFORE = "before", "vor", Dative;
    DURING = "during", "während", Genitive;
    BECAUSE_OF = "because of", "wegen", Genitive;
    DESPITE = "despite", "trotz", Genitive;
    AWAIT = "for", "auf", Accusative;
    THINK = "of", "an", Accusative;
    REMEMBER = "", "an", Accusative;
    ABOUT = "about", "über", Accusative;
    LAUGH = "at", "über", Accusative;
    DREAM = "of", "von", Dative;
    ASK = "for", "um", Accusative;
    FORWARD = "to", "auf", Accusative;
}
