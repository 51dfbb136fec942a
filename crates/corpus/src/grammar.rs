//! The categories of both grammars.

/// Grammatical gender of a German noun.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Gender {
    /// *der*
    Masculine,
    /// *die*
    Feminine,
    /// *das*
    Neuter,
}

impl Gender {
    /// All three, in the order der, die, das.
    pub const ALL: [Self; 3] = [Self::Masculine, Self::Feminine, Self::Neuter];

    /// The personal pronoun in the nominative: er, sie, es.
    pub fn pronoun(self) -> &'static str {
        match self {
            Self::Masculine => "er",
            Self::Feminine => "sie",
            Self::Neuter => "es",
        }
    }
}

/// One or many.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Number {
    /// One.
    Singular,
    /// Many.
    Plural,
}

/// The four cases of German.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Case {
    /// The one who acts.
    Nominative,
    /// The one acted on; a direction.
    Accusative,
    /// The receiver; a place.
    Dative,
    /// The owner.
    Genitive,
}

impl Case {
    /// All four, in the order of German school books but for the genitive, which comes last.
    pub const ALL: [Self; 4] = [Self::Nominative, Self::Accusative, Self::Dative, Self::Genitive];
}

/// Personal pronouns. English *you* is always the German *du*, so that a translation is never a guess.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Pronoun {
    /// ich
    I,
    /// du
    You,
    /// er
    He,
    /// sie, singular
    She,
    /// es, without a referent (*it rains*)
    It,
    /// wir
    We,
    /// sie, plural
    They,
}

impl Pronoun {
    /// Every pronoun.
    pub const ALL: [Self; 7] = [Self::I, Self::You, Self::He, Self::She, Self::It, Self::We, Self::They];

    /// Singular or plural; *you* is singular here.
    pub fn number(self) -> Number {
        match self {
            Self::We | Self::They => Number::Plural,
            _ => Number::Singular,
        }
    }
}

/// Present or past.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Tense {
    /// Now.
    Present,
    /// Then: English simple past, German Präteritum.
    Past,
}

/// The word before a noun.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Determiner {
    /// *the*
    Definite,
    /// *a*; nothing in the plural and before uncountable nouns.
    Indefinite,
    /// *no*
    No,
    /// *my*
    Possessive(Pronoun),
    /// *this*
    This,
    /// *every*
    Every,
    /// *which*
    Which,
    /// *many*
    Many,
    /// *some*, in the plural.
    Some,
    /// *all*
    All,
    /// *how many*
    HowMany,
    /// *two* to *ten*.
    Numeral(usize),
    /// Nothing; the definite article in German: *by bus*, *mit dem Bus*.
    Means,
    /// *whose*, of a man, a woman or of several.
    Whose(Gender, Number),
}
