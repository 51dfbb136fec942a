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

/// A form with what is known of its states.
#[derive(Default)]
pub(super) struct Warm {
    automaton: Option<Automaton>,
    /// By state and place.
    masks: HashMap<(StateId, usize), Mask>,
    /// How often the automaton was made.
    generation: u64,
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
        let state = self.automaton()?.start();
        Ok(Progress { state, generation: self.warm.generation, place, written: Vec::new() })
    }

    /// The tokens that may follow.
    pub(crate) fn allowed<'e>(&mut self, at: &mut Progress, ends: &'e [TokenId]) -> Result<Allowed<'e>, FormError> {
        self.renew(at)?;
        let key = (at.state, at.place);
        let mask = match self.warm.masks.get(&key) {
            Some(mask) => mask.clone(),
            None => {
                let vocabulary = &self.form.vocabulary;
                let automaton = automaton(&mut self.warm, self.form)?;
                let mask = vocabulary.mask(automaton, at.state, at.place)?;
                if self.warm.masks.len() >= MAX_MASKS {
                    self.warm.masks.clear();
                }
                self.warm.masks.insert(key, mask.clone());
                mask
            }
        };
        let accepts = self.automaton()?.accepts(at.state);
        Ok(Allowed { mask, ends, accepts })
    }

    /// Adds a token that is not the end; returns whether the text is whole, and none can follow.
    pub(crate) fn take(&mut self, at: &mut Progress, token: TokenId) -> Result<bool, FormError> {
        self.renew(at)?;
        let form = self.form;
        let (bytes, place) = form.vocabulary.write(at.place, token);
        let automaton = self.automaton()?;
        at.state = bytes.iter().try_fold(at.state, |state, &byte| automaton.step(state, byte))?;
        at.place = place;
        at.written.extend_from_slice(bytes);
        Ok(at.state != DEAD && automaton.is_last(at.state))
    }

    fn automaton(&mut self) -> Result<&mut Automaton, FormError> {
        automaton(&mut self.warm, self.form)
    }

    /// Reads a text again, if the automaton was made anew.
    fn renew(&mut self, at: &mut Progress) -> Result<(), FormError> {
        let automaton = automaton(&mut self.warm, self.form)?;
        let start = automaton.start();
        if at.generation != self.warm.generation {
            let automaton = self.automaton()?;
            at.state = at.written.iter().try_fold(start, |state, &byte| automaton.step(state, byte))?;
            at.generation = self.warm.generation;
        }
        Ok(())
    }
}

/// The automaton, made anew where it has too many states.
fn automaton<'w>(warm: &'w mut Warm, form: &Form) -> Result<&'w mut Automaton, FormError> {
    if warm.automaton.as_ref().is_none_or(Automaton::is_full) {
        warm.masks.clear();
        warm.generation += 1;
        warm.automaton = None;
    }
    match &mut warm.automaton {
        Some(automaton) => Ok(automaton),
        none => Ok(none.insert(Automaton::new(std::sync::Arc::clone(&form.program))?)),
    }
}

impl Drop for Holder<'_> {
    fn drop(&mut self) {
        self.form.leave_warm(std::mem::take(&mut self.warm));
    }
}
