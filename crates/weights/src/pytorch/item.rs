//! What a checkpoint holds beside tensors.

use std::{collections::BTreeMap, fmt};

use super::machine::{Additions, Id, Pickle, Value};

/// A value of a checkpoint: settings, vocabularies, and what else a training program saves. Nothing in it is executed.
///
/// It copies nothing, so that values which are in one another again and again, or in themselves, do no harm. An object of
/// a class, of which nothing is known here, has attributes, and the entries or items that it is filled with.
#[derive(Clone, Copy)]
pub struct CheckpointItem<'a> {
    pickle: &'a Pickle,
    id: Id,
}

impl Pickle {
    /// The pickled value.
    pub(crate) fn item(&self) -> CheckpointItem<'_> {
        CheckpointItem { pickle: self, id: self.root }
    }
}

impl<'a> CheckpointItem<'a> {
    fn value(self) -> &'a Value {
        &self.pickle.values[self.id]
    }

    fn at(self, id: Id) -> Self {
        Self { id, ..self }
    }

    fn additions(self) -> Option<&'a Additions> {
        self.pickle.additions.get(&self.id)
    }

    /// Whether it is Python's `None`.
    pub fn is_none(self) -> bool {
        *self.value() == Value::None
    }

    /// A truth value.
    pub fn truth(self) -> Option<bool> {
        match *self.value() {
            Value::Bool(truth) => Some(truth),
            _ => None,
        }
    }

    /// A whole number of up to 64 bits.
    pub fn integer(self) -> Option<i64> {
        match *self.value() {
            Value::Int(number) => Some(number),
            _ => None,
        }
    }

    /// A number, whole or not.
    pub fn number(self) -> Option<f64> {
        match *self.value() {
            Value::Int(number) => Some(number as f64),
            Value::Float(number) => Some(number),
            _ => None,
        }
    }

    /// A text.
    pub fn text(self) -> Option<&'a str> {
        match self.value() {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The items of a list, a tuple or a set, or those that an object is filled with.
    pub fn items(self) -> Option<impl ExactSizeIterator<Item = Self>> {
        let items: &[Id] = match self.value() {
            Value::List(items) | Value::Tuple(items) => items,
            Value::Call(..) => Some(&self.additions()?.items[..]).filter(|items| !items.is_empty())?,
            _ => return None,
        };
        Some(items.iter().map(move |&id| self.at(id)))
    }

    /// The name of an object's class, or of the function that makes it: `argparse.Namespace`.
    pub fn class(self) -> Option<&'a str> {
        match *self.value() {
            Value::Call(class, _) => match &self.pickle.values[class] {
                Value::Global(name) => Some(name),
                _ => None,
            },
            _ => None,
        }
    }

    /// By name, the entries of a dictionary that have a text as their key, or the attributes and such entries of an object.
    pub fn fields(self) -> BTreeMap<&'a str, Self> {
        // Of equal names, the last counts.
        self.pairs().filter_map(|(key, value)| Some((self.at(key).text()?, self.at(value)))).collect()
    }

    /// The entry or attribute of this name.
    pub fn get(self, name: &str) -> Option<Self> {
        let found = self.pairs().filter(|&(key, _)| self.at(key).text() == Some(name)).last();
        found.map(|(_, value)| self.at(value))
    }

    /// Keys and values of a dictionary; of an object, those that it is filled with, and its attributes.
    fn pairs(self) -> impl Iterator<Item = (Id, Id)> {
        let values = &self.pickle.values;
        let (own, states): (&'a [Id], &'a [Id]) = match (self.value(), self.additions()) {
            (Value::Dict(entries), _) => (entries, &[]),
            // A state of two parts has the attributes without a dictionary in the second (PEP 307).
            (Value::Call(..), Some(Additions { state, entries, .. })) => match state.map(|state| &values[state]) {
                Some(Value::Tuple(parts)) => (entries, parts),
                _ => (entries, state.as_slice()),
            },
            _ => (&[], &[]),
        };
        let attributes = states.iter().filter_map(|&state| match &values[state] {
            Value::Dict(entries) => Some(&entries[..]),
            _ => None,
        });
        let all = std::iter::once(own).chain(attributes);
        all.flat_map(|entries| entries.chunks_exact(2).map(|pair| (pair[0], pair[1])))
    }
}

impl fmt::Display for CheckpointItem<'_> {
    /// As Python writes it, cut short where it is long; of a collection or an object, what it is.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        /// The longest text that is shown, in characters.
        const LONGEST: usize = 40;
        match self.value() {
            Value::None => f.write_str("None"),
            Value::Bool(true) => f.write_str("True"),
            Value::Bool(false) => f.write_str("False"),
            Value::Int(number) => write!(f, "{number}"),
            Value::Float(number) => write!(f, "{number}"),
            Value::Text(text) => match text.char_indices().nth(LONGEST) {
                Some((end, _)) => write!(f, "{:?}…", &text[..end]),
                None => write!(f, "{text:?}"),
            },
            Value::Bytes => f.write_str("bytes"),
            Value::Tuple(items) | Value::List(items) if items.is_empty() => f.write_str("[]"),
            Value::Tuple(items) | Value::List(items) => write!(f, "a list of {}", items.len()),
            Value::Dict(entries) => write!(f, "a dictionary of {}", entries.len() / 2),
            Value::Global(name) => f.write_str(name),
            Value::Call(..) => write!(f, "an object of {}", self.class().unwrap_or("a class without a name")),
            Value::Outside(_) => f.write_str("a storage"),
        }
    }
}

impl fmt::Debug for CheckpointItem<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
