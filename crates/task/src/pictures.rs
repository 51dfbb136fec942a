//! What a model says of pictures, shared by processes.

use attentive_bundle::EncodeError;
use attentive_collective::Collective;
use attentive_vision::Picture;
use serde::{Serialize, de::DeserializeOwned};

use crate::{Error, Line, Lines, Result, share_blocks};

/// Pictures that a process holds in memory together.
const AT_ONCE: usize = 64;

/// What `read` says of pictures, the paths of which are lines, shared by processes, each of which calls it: `write` gets in the
/// first one, in the order of lines, what `show` makes of each and its answer; up to the first that can't be opened. Every
/// process needs the files that it reads.
///
/// # Errors
/// The picture can't be opened; those of the lines, of `read` in any process and of `write`; a process has ended.
pub fn share_pictures<T, S, E>(
    peers: &dyn Collective,
    lines: Lines,
    read: impl Fn(&[Picture]) -> Result<Vec<T>, EncodeError>,
    show: impl Fn(&Line, T) -> S,
    mut write: impl FnMut(S) -> Result<(), E>,
) -> Result<(), E>
where
    S: Serialize + DeserializeOwned,
    E: From<Error>,
{
    let shown = |block: &Vec<Line>| {
        let mut refused = None;
        let open = |line: &Line| Picture::open(line.text.as_ref()).map_err(|error| refused = Some(error)).ok();
        let pictures: Vec<Picture> = block.iter().map_while(open).collect();
        let found = if pictures.is_empty() { Vec::new() } else { read(&pictures)? };
        let shown: Vec<S> = block.iter().zip(found).map(|(line, found)| show(line, found)).collect();
        Ok((shown, refused.map(Error::from)))
    };
    share_blocks(peers, lines.blocks(AT_ONCE), shown, |shown: Vec<S>| shown.into_iter().try_for_each(&mut write))
}
