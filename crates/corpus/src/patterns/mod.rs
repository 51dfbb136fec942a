//! The sentence patterns.

mod circumstance;
mod coordination;
mod embedded;
mod question;
mod reason;
mod reference;
mod relative;
mod simple;
mod when;

use super::english;
use super::german::{self, Order};
use super::speaker::Speaker;
use super::syntax::{Clause, Form};
use super::text::Text;
use coordination::Link;
pub(super) use reference::{Reference, lecture};

/// A kind of sentence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Pattern {
    /// *The man bought a car yesterday.* Verb second.
    Statement,
    /// *Yesterday the man bought a car.* An adverbial in front, so that subject and verb change places.
    Fronted,
    /// *The man did not buy a car.* nicht, kein.
    Negation,
    /// *The man has already bought the car.* The participle last; haben or sein.
    Perfect,
    /// *The man wants to open the door.* The infinitive last.
    Modal,
    /// *The man will open the door.* werden and an infinitive.
    Future,
    /// *The car was bought by the man.* werden and a participle.
    Passive,
    /// *The mother gave the child an apple.* Dative and accusative.
    Giving,
    /// *The dog ran into the garden.* *The dog is sitting in the garden.* Accusative or dative after one preposition.
    Space,
    /// *The old car is very slow.* *Anna is a teacher.* A predicate.
    Predicate,
    /// *The dog is bigger than the cat.* als, wie.
    Comparison,
    /// *There is no milk in the kitchen.* es gibt.
    Existence,
    /// *The man's dog*, *the roof of the house*. The genitive.
    Possession,
    /// *Open the door!* The imperative.
    Command,
    /// *Does the man open the door?* Verb first.
    YesNo,
    /// *Whom did the man help?* A question word in the case that the verb asks for.
    Wh,
    /// *The man cooked the soup, and the woman read a book.* Two main clauses.
    Coordination,
    /// *The man stayed at home because he was sick.* Verb last.
    Reason,
    /// *When the man came back, the child was sleeping.* A subordinate clause of time.
    When,
    /// *The man said that the woman had bought a car.* dass.
    Reported,
    /// *The man who bought the car is rich.* The relative pronoun: gender from its noun, case from its clause.
    Relative,
    /// *The man tried to open the door.* zu, also within a separable verb.
    Infinitive,
    /// *The animal did not cross the street because it was too tired.* The predicate decides the pronoun.
    Reference,
}

impl Pattern {
    /// Every pattern.
    pub const ALL: [Self; 23] = [
        Self::Statement,
        Self::Fronted,
        Self::Negation,
        Self::Perfect,
        Self::Modal,
        Self::Future,
        Self::Passive,
        Self::Giving,
        Self::Space,
        Self::Predicate,
        Self::Comparison,
        Self::Existence,
        Self::Possession,
        Self::Command,
        Self::YesNo,
        Self::Wh,
        Self::Coordination,
        Self::Reason,
        Self::When,
        Self::Reported,
        Self::Relative,
        Self::Infinitive,
        Self::Reference,
    ];

    /// Its frequency, relative to the others.
    pub fn weight(self) -> usize {
        match self {
            Self::Statement => 9,
            Self::Reference => 18,
            Self::Fronted | Self::Negation | Self::Perfect | Self::Reason | Self::Relative => 6,
            Self::Modal | Self::YesNo | Self::Wh | Self::Reported | Self::When => 5,
            Self::Giving | Self::Space | Self::Predicate | Self::Infinitive => 4,
            Self::Future | Self::Possession | Self::Coordination | Self::Comparison => 3,
            Self::Passive | Self::Existence | Self::Command => 2,
        }
    }

    /// A sentence of this pattern.
    pub(super) fn draw(self, speaker: &mut Speaker) -> Draft {
        match self {
            Self::Statement => simple::statement(speaker),
            Self::Fronted => simple::fronted(speaker),
            Self::Negation => simple::negation(speaker),
            Self::Perfect => simple::perfect(speaker),
            Self::Modal => simple::modal(speaker),
            Self::Future => simple::future(speaker),
            Self::Passive => simple::passive(speaker),
            Self::Giving => simple::giving(speaker),
            Self::Space => simple::space(speaker),
            Self::Predicate => simple::predicate(speaker),
            Self::Comparison => simple::comparison(speaker),
            Self::Existence => simple::existence(speaker),
            Self::Possession => simple::possession(speaker),
            Self::Command => question::command(speaker),
            Self::YesNo => question::yes_no(speaker),
            Self::Wh => question::wh(speaker),
            Self::Coordination => coordination::coordination(speaker),
            Self::Reason => reason::reason(speaker),
            Self::When => when::when(speaker),
            Self::Reported => embedded::reported(speaker),
            Self::Relative => relative::relative(speaker),
            Self::Infinitive => embedded::infinitive(speaker),
            Self::Reference => reference::reference(speaker),
        }
    }
}

/// A sentence in both languages, and the clauses that it was made from.
pub(super) struct Draft {
    pub(super) source: String,
    pub(super) target: String,
    pub(super) clauses: Vec<Clause>,
    pub(super) reference: Option<Reference>,
}

impl Draft {
    fn new(english: &Text, german: &Text, mark: char, clauses: Vec<Clause>) -> Self {
        Self { source: english.sentence(mark), target: german.sentence(mark), clauses, reference: None }
    }

    fn statement(clause: Clause) -> Self {
        let (english, german) = (english::clause(&clause), german::clause(&clause, Order::Second));
        Self::new(&english, &german, '.', vec![clause])
    }

    fn question(clause: Clause, order: Order) -> Self {
        let (english, german) = (english::question(&clause), german::clause(&clause, order));
        Self::new(&english, &german, '?', vec![clause])
    }

    fn command(clause: Clause) -> Self {
        debug_assert_eq!(clause.form, Form::Imperative);
        let (english, german) = (english::clause(&clause), german::clause(&clause, Order::First));
        Self::new(&english, &german, '!', vec![clause])
    }

    /// Two main clauses.
    fn coordination(first: Clause, second: Clause, link: &Link) -> Self {
        let mut english = english::clause(&first);
        english.comma();
        english.push(link.english);
        english.append(english::clause(&second));
        let mut german = german::clause(&first, Order::Second);
        if link.comma {
            german.comma();
        }
        german.push(link.german);
        german.append(german::clause(&second, if link.inverts { Order::First } else { Order::Second }));
        Self::new(&english, &german, '.', vec![first, second])
    }
}
