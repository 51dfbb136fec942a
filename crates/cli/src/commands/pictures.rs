//! Commands on pictures: what `classify` and `embed` do with a model that reads them.

use anyhow::{Result, bail};
use attentive_bundle::Bundle;
use attentive_model::Role;

/// Whether a model reads pictures; then flags that are for texts are refused, each with whether it is given.
pub(super) fn are_read_by<P>(bundle: &Bundle<P>, flags: &[(&str, bool)]) -> Result<bool> {
    let reads = bundle.model.role() == Role::ImageEncoder;
    match flags.iter().find(|(_, is_given)| reads && *is_given) {
        Some((flag, _)) => bail!("{flag} is for models that read text, and {} reads pictures", bundle.path.display()),
        None => Ok(reads),
    }
}
