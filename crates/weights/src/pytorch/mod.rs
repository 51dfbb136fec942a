//! Checkpoints of PyTorch, for example `pytorch_model.bin`.
//!
//! A checkpoint is a pickle, a program for a stack machine that names Python functions to call. Here it is read as data:
//! the few calls that make tensors are known by name, and any other is an object of which the parts are kept, as
//! [`CheckpointItem`]. Nothing is ever executed.
//!
//! `torch.save` writes a zip archive (`data.pkl`, and a file for each storage); before PyTorch 1.6 it wrote pickles one
//! after another, the storages after them. Source of both layouts: `torch/serialization.py`.

mod item;
mod machine;
mod tensor;

use std::{collections::HashMap, ops::Range};

pub use self::item::CheckpointItem;
pub(crate) use self::machine::Pickle;
use crate::{
    FormatError,
    archive::{Archive, Bytes, Method},
    reader::Entries,
};

/// Begins a zip archive.
const ZIP: &[u8] = b"PK\x03\x04";
/// The first pickle of a checkpoint from before PyTorch 1.6: protocol 2, and a whole number of ten bytes.
const PICKLES: &[u8] = &[0x80, 2, 0x8a, 10, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19];

/// Bytes that are read first of a file of pickles.
const FIRST_BYTES: usize = 1 << 16;

/// First bytes of a checkpoint, by which it is recognised.
pub(crate) const MAGIC_LEN: u64 = PICKLES.len() as u64;

/// Whether `bytes` are the beginning of a checkpoint.
pub(crate) fn is_checkpoint(bytes: &[u8]) -> bool {
    bytes.starts_with(ZIP) || bytes.starts_with(PICKLES)
}

/// All entries of a state dictionary, with the positions of their values in `bytes`, and what is beside them. The values are not
/// read.
///
/// # Errors
/// The defect of the file as a whole.
pub(crate) fn index(bytes: &(impl Bytes + ?Sized)) -> Result<(Entries, Pickle), FormatError> {
    if *bytes.part(0, ZIP.len())? == *ZIP {
        return index_archive(bytes);
    }
    // Nothing says where the pickles end.
    let mut n_first = FIRST_BYTES;
    loop {
        let first = bytes.part(0, n_first.min(bytes.len()))?;
        match Pickles::read(&first) {
            Err(_) if n_first < bytes.len() => n_first = n_first.saturating_mul(2),
            pickles => return pickles?.index(bytes),
        }
    }
}

fn index_archive(bytes: &(impl Bytes + ?Sized)) -> Result<(Entries, Pickle), FormatError> {
    let archive = Archive::open(bytes)?;
    if let Some((name, _)) = archive.files.iter().find(|(_, member)| member.method != Method::Stored) {
        return Err(format!("{name} is compressed; torch.save stores files as they are").into());
    }
    let folder = archive.find_suffix("/data.pkl").ok_or("the archive has no data.pkl")?;
    if archive.get(&format!("{folder}/byteorder"))?.is_some_and(|order| *order != *b"little") {
        return Err("it was written on a big-endian machine, which can't be read".into());
    }
    let program = archive.get(&format!("{folder}/data.pkl"))?.unwrap_or_default();
    let pickle = Pickle::read(&program)?;
    Ok((pickle.entries(&|key| archive.place(&format!("{folder}/data/{key}")))?, pickle))
}

/// The pickles that a checkpoint from before PyTorch 1.6 begins with.
struct Pickles {
    state: Pickle,
    /// The keys of the storages, in their order in the file.
    keys: Pickle,
    /// Where the storages begin.
    end: usize,
}

impl Pickles {
    fn read(bytes: &[u8]) -> Result<Self, FormatError> {
        let mut end = 0;
        let mut next = || -> Result<Pickle, FormatError> {
            let pickle = Pickle::read(&bytes[end..])?;
            end += pickle.n_bytes;
            Ok(pickle)
        };
        next()?; // the number that PICKLES begins with
        next()?; // version of the format
        next()?; // sizes of C's types
        Ok(Self { state: next()?, keys: next()?, end })
    }

    fn index(self, bytes: &(impl Bytes + ?Sized)) -> Result<(Entries, Pickle), FormatError> {
        let Self { state, keys, end: mut at } = self;
        let widths = state.storage_widths();
        let mut places: HashMap<&str, Range<usize>> = HashMap::new();
        for key in keys.texts()? {
            let n = bytes.part(at, 8)?;
            let n = u64::from_le_bytes(n[..].try_into().expect("eight bytes"));
            let width = widths.get(key).ok_or_else(|| format!("storage {key:?} belongs to no tensor"))?;
            let length = usize::try_from(n).ok().and_then(|n| n.checked_mul(*width)).ok_or("a storage is too long")?;
            let end = (at + 8).checked_add(length).filter(|&end| end <= bytes.len()).ok_or("it is cut short")?;
            places.insert(key, at + 8..end);
            at = end;
        }
        let entries = state.entries(&|key| places.get(key).cloned())?;
        Ok((entries, state))
    }
}
