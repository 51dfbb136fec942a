//! The forms that a model's texts are held to.

use std::{
    fmt,
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

use attentive_decode::{Form, FormError, FormSpec, Vocabulary};
use attentive_tokenizer::{Place, TokenId, Tokenizer};

/// Forms that are kept at most.
const MAX_KEPT: usize = 8;

/// What is known of the forms that texts of one tokenizer are held to: what its tokens write, found when a form is first
/// asked for, and the last forms with what their texts taught. Clones share it.
#[derive(Clone, Default)]
pub struct Forms(Arc<Known>);

#[derive(Default)]
struct Known {
    vocabulary: OnceLock<Option<Arc<Vocabulary>>>,
    /// The last ones, the newest last.
    recent: Mutex<Vec<(FormSpec, Arc<Form>)>>,
}

impl Forms {
    /// The form of `spec` for texts of a tokenizer, which must be the same each time.
    ///
    /// # Errors
    /// [`FormError`], if there is no such form, or [`FormError::Tokens`].
    pub fn get(&self, spec: &FormSpec, tokenizer: &dyn Tokenizer) -> Result<Arc<Form>, FormError> {
        let recent = || self.0.recent.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, form)) = recent().iter().find(|(known, _)| known == spec) {
            return Ok(Arc::clone(form));
        }
        let vocabulary =
            self.0.vocabulary.get_or_init(|| places(tokenizer).map(|places| Arc::new(Vocabulary::new(places))));
        let form = Arc::new(Form::new(spec, Arc::clone(vocabulary.as_ref().ok_or(FormError::Tokens)?))?);
        let mut recent = recent();
        if recent.len() >= MAX_KEPT {
            recent.remove(0);
        }
        recent.push((spec.clone(), Arc::clone(&form)));
        Ok(form)
    }
}

impl fmt::Debug for Forms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Forms").finish_non_exhaustive()
    }
}

/// The number of a place in a vocabulary.
pub(crate) fn number(place: Place) -> usize {
    place as usize
}

/// The place that a text after these tokens begins at.
pub(crate) fn place_after(tokenizer: &dyn Tokenizer, ids: &[TokenId]) -> Result<usize, FormError> {
    Place::after(tokenizer, ids).map(number).ok_or(FormError::Tokens)
}

/// What each token writes at each place, and the number of the place that it leads to: `[places][vocab]`.
pub(crate) type Places = Vec<Vec<(Vec<u8>, usize)>>;

/// What the tokens of a tokenizer write at each place that its texts come to, nothing at others; `None` if that depends on
/// more.
pub(crate) fn places(tokenizer: &dyn Tokenizer) -> Option<Places> {
    let mut places = vec![Vec::new(); Place::ALL.len()];
    let mut is_met = Place::ALL.map(|place| place == Place::Start);
    // A place may lead to one before it.
    while let Some(&place) = Place::ALL.iter().find(|&&place| is_met[number(place)] && places[number(place)].is_empty())
    {
        let written = |id| tokenizer.written(place, id).map(|(bytes, next)| (bytes, number(next)));
        let written = (0..tokenizer.vocab_size() as TokenId).map(written).collect::<Option<Vec<_>>>()?;
        written.iter().for_each(|&(_, next)| is_met[next] = true);
        if written.is_empty() {
            break;
        }
        places[number(place)] = written;
    }
    Some(places)
}
