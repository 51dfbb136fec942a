//! Texts that are held to a form as they grow.

use std::collections::HashMap;

use attentive_core::TokenId;

use super::{
    Form, FormError,
    automaton::{Automaton, DEAD, StateId},
    vocabulary::Mask,
};

/// Masks that are kept at most.
const MAX_MASKS: usize = 1 << 10;

/// What may follow, by state and place.
type Masks = HashMap<(StateId, usize), Mask>;

/// A form with what is known of its states.
#[derive(Default)]
pub(super) struct Warm {
    automaton: Option<Automaton>,
    masks: Masks,
    /// How often the automaton was made.
    generation: u64,
}

impl Warm {
    /// The automaton, made again where it has too many states; its masks and its generation.
    fn parts(&mut self, form: &Form) -> Result<(&mut Automaton, &mut Masks, u64), FormError> {
        if self.automaton.as_ref().is_none_or(Automaton::is_full) {
            self.masks.clear();
            self.generation += 1;
            self.automaton = None;
        }
        let automaton = match &mut self.automaton {
            Some(automaton) => automaton,
            none => none.insert(Automaton::new(std::sync::Arc::clone(&form.program))?),
        };
        Ok((automaton, &mut self.masks, self.generation))
    }
}

/// Holds texts to a form; what it learns of the form is left for the next.
pub(crate) struct Holder<'a> {
    form: &'a Form,
    warm: Warm,
}

/// How far a text has come.
#[derive(Debug, Clone)]
pub(crate) struct Progress {
    state: StateId,
    /// The generation of the automaton that the state is of.
    generation: u64,
    place: usize,
    written: Vec<u8>,
}

/// The tokens that a form lets follow a text.
pub(crate) struct Allowed<'a> {
    mask: Mask,
    ends: &'a [TokenId],
    /// Whether the text may end.
    accepts: bool,
}

impl Allowed<'_> {
    pub(crate) fn admits(&self, token: TokenId) -> bool {
        if self.ends.contains(&token) { self.accepts } else { self.mask.has(token) }
    }
}

impl<'a> Holder<'a> {
    pub(crate) fn new(form: &'a Form) -> Self {
        Self { form, warm: form.take_warm() }
    }

    /// A text that begins at a place of the vocabulary.
    pub(crate) fn begin(&mut self, place: usize) -> Result<Progress, FormError> {
        let (automaton, _, generation) = self.warm.parts(self.form)?;
        Ok(Progress { state: automaton.start(), generation, place, written: Vec::new() })
    }

    /// The tokens that may follow.
    pub(crate) fn allowed<'e>(&mut self, at: &mut Progress, ends: &'e [TokenId]) -> Result<Allowed<'e>, FormError> {
        let form = self.form;
        let (automaton, masks) = self.renewed(at)?;
        let key = (at.state, at.place);
        let mask = match masks.get(&key) {
            Some(mask) => mask.clone(),
            None => {
                let mask = form.vocabulary.mask(automaton, at.state, at.place)?;
                if masks.len() >= MAX_MASKS {
                    masks.clear();
                }
                masks.insert(key, mask.clone());
                mask
            }
        };
        Ok(Allowed { mask, ends, accepts: automaton.accepts(at.state) })
    }

    /// Adds a token that is not the end; returns whether the text is whole, and none can follow.
    pub(crate) fn take(&mut self, at: &mut Progress, token: TokenId) -> Result<bool, FormError> {
        let (bytes, place) = self.form.vocabulary.write(at.place, token);
        let (automaton, _) = self.renewed(at)?;
        at.state = bytes.iter().try_fold(at.state, |state, &byte| automaton.step(state, byte))?;
        at.place = place;
        at.written.extend_from_slice(bytes);
        Ok(at.state != DEAD && automaton.is_last(at.state))
    }

    /// The automaton that the text's state is of: if it was made again, it reads the text again. It stays whatever is stepped
    /// while it is borrowed, so that states that it has given hold that long.
    fn renewed(&mut self, at: &mut Progress) -> Result<(&mut Automaton, &mut Masks), FormError> {
        let (automaton, masks, generation) = self.warm.parts(self.form)?;
        if at.generation != generation {
            at.state = automaton.read(&at.written)?;
            at.generation = generation;
        }
        Ok((automaton, masks))
    }
}

impl Drop for Holder<'_> {
    fn drop(&mut self) {
        self.form.leave_warm(std::mem::take(&mut self.warm));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::form::{FormSpec, Vocabulary};

    /// Of brackets, each depth is a state: more than an automaton keeps.
    #[test]
    fn a_text_goes_on_where_the_automaton_is_made_anew() {
        const DEPTH: usize = 20_000;
        let vocabulary = Vocabulary::new(vec![["[", "]"].map(|text| (text.into(), 0)).to_vec()]);
        let form = Form::new(&FormSpec::Grammar(r#"root ::= "[" root? "]""#.into()), Arc::new(vocabulary)).unwrap();
        let mut holder = Holder::new(&form);
        let mut text = holder.begin(0).unwrap();
        for depth in 0..DEPTH {
            let allowed = holder.allowed(&mut text, &[2]).unwrap();
            assert_eq!([0, 1, 2].map(|token| allowed.admits(token)), [true, depth > 0, false], "{depth}");
            holder.take(&mut text, 0).unwrap();
        }
        assert!(holder.warm.generation > 1);
    }
}
