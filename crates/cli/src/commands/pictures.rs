//! Commands on pictures: what `classify` and `embed` do with a model that reads them.

use anyhow::{Result, bail};
use attentive_bundle::{Bundle, EncodeError};
use attentive_model::Role;
use attentive_vision::Picture;

use crate::input::{Line, Lines};

/// Pictures that are held in memory together.
const AT_ONCE: usize = 64;

/// Whether a model reads pictures; then flags that are for texts are refused, each with whether it is given.
pub(super) fn are_read_by<P>(bundle: &Bundle<P>, flags: &[(&str, bool)]) -> Result<bool> {
    let reads = bundle.model.role() == Role::ImageEncoder;
    match flags.iter().find(|(_, is_given)| reads && *is_given) {
        Some((flag, _)) => bail!("{flag} is for models that read text, and {} reads pictures", bundle.path.display()),
        None => Ok(reads),
    }
}

/// Gives `show` each line, the path of a picture, and what `read` says of it; up to the first that can't be opened.
pub(super) fn for_each<T>(
    lines: Lines,
    read: impl Fn(&[Picture]) -> Result<Vec<T>, EncodeError>,
    mut show: impl FnMut(&Line, T) -> Result<()>,
) -> Result<()> {
    lines.blocks(AT_ONCE).try_for_each(|block| {
        let block = block?;
        let mut refused = None;
        let open = |line: &Line| Picture::open(line.text.as_ref()).map_err(|error| refused = Some(error)).ok();
        let pictures: Vec<Picture> = block.iter().map_while(open).collect();
        let found = if pictures.is_empty() { Vec::new() } else { read(&pictures)? };
        block.iter().zip(found).try_for_each(|(line, found)| show(line, found))?;
        refused.map_or(Ok(()), |error| Err(error.into()))
    })
}
