//! The list of a checkpoint's files, with their checksums.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, Read},
    path::Path,
};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{EMA, MODEL, OPTIMIZER, STATE, damaged, io_error, read_toml, write_toml};
use crate::TrainError;

const MANIFEST: &str = "manifest.toml";

/// The files that it may list: names from a file are not followed anywhere else.
const KNOWN: [&str; 4] = [MODEL, OPTIMIZER, EMA, STATE];

/// The version of the format that is written. Version 1 had no manifest and its state in JSON.
const FORMAT: u32 = 2;

/// The content of `manifest.toml`.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Manifest {
    format: u32,
    files: BTreeMap<String, Sum>,
}

/// A file's size and SHA-256, in hexadecimal.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Sum {
    n_bytes: u64,
    sha256: String,
}

impl Manifest {
    /// Sums up files that were written to `folder`, as they read back.
    pub(super) fn of(folder: &Path, files: &[&str]) -> Result<Self, TrainError> {
        let sum = |name: &&str| {
            let path = folder.join(name);
            Ok(((*name).to_owned(), Sum::of(&path).map_err(|cause| io_error(&path, cause))?))
        };
        Ok(Self { format: FORMAT, files: files.iter().map(sum).collect::<Result<_, TrainError>>()? })
    }

    pub(super) fn write(&self, folder: &Path) -> Result<(), TrainError> {
        write_toml(&folder.join(MANIFEST), self)
    }

    pub(super) fn read(folder: &Path) -> Result<Self, TrainError> {
        let path = folder.join(MANIFEST);
        let manifest: Self = read_toml(&path)?;
        if manifest.format != FORMAT {
            let problem = format!(
                "format {}; this version of attentive reads formats 1 and {FORMAT}: update it",
                manifest.format
            );
            return Err(TrainError::Unsupported { path, problem });
        }
        match manifest.files.keys().find(|name| !KNOWN.contains(&name.as_str())) {
            Some(name) => Err(damaged(&path, &format!("{name:?} is not a file of a checkpoint"))),
            None => Ok(manifest),
        }
    }

    /// Holds the files of `folder` against their sums; those of `needed` must be among them.
    pub(super) fn verify(&self, folder: &Path, needed: &[&str]) -> Result<(), TrainError> {
        if let Some(name) = needed.iter().find(|&&name| !self.files.contains_key(name)) {
            return Err(damaged(&folder.join(MANIFEST), &format!("{name} is not listed")));
        }
        self.files.keys().try_for_each(|name| self.verify_one(folder, name))
    }

    /// Holds one file of `folder` against its sum.
    pub(super) fn verify_one(&self, folder: &Path, name: &str) -> Result<(), TrainError> {
        let Some(expected) = self.files.get(name) else {
            return Err(damaged(&folder.join(MANIFEST), &format!("{name} is not listed")));
        };
        let path = folder.join(name);
        let metadata = fs::metadata(&path).map_err(|cause| io_error(&path, cause))?;
        if !metadata.is_file() {
            return Err(io_error(&path, io::Error::other("it is not a file")));
        }
        let n_bytes = metadata.len();
        if n_bytes != expected.n_bytes {
            let expected = expected.n_bytes;
            return Err(damaged(&path, &format!("it has {n_bytes} bytes, and {expected} in {MANIFEST}")));
        }
        let found = Sum::of(&path).map_err(|cause| io_error(&path, cause))?;
        if found != *expected {
            return Err(damaged(&path, &format!("its SHA-256 is not that in {MANIFEST}")));
        }
        Ok(())
    }
}

impl Sum {
    fn of(path: &Path) -> io::Result<Self> {
        let mut file = File::open(path)?;
        let (mut sha, mut n_bytes, mut chunk) = (Sha256::new(), 0, vec![0; 1 << 16]);
        loop {
            match file.read(&mut chunk)? {
                0 => return Ok(Self { n_bytes, sha256: format!("{:x}", sha.finalize()) }),
                n => {
                    sha.update(&chunk[..n]);
                    n_bytes += n as u64;
                }
            }
        }
    }
}
