//! A bundle's folder: its files, and the sums that they are held against.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, Read},
    path::{Path, PathBuf},
};

use attentive_weights::{
    Blocks, Packing, Tensors, make_folder, read_settings, remove_folder, replace_folder, write_atomically,
    write_packed, write_settings,
};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use twox_hash::XxHash3_128;

use crate::{BundleError, Processor, TrainingRecord, WeightFormat};

pub(crate) const CONFIG: &str = "config.toml";
pub(crate) const TOKENIZER: &str = "tokenizer.json";
pub(crate) const PROCESSOR: &str = "processor.json";
pub(crate) const CHAT: &str = "chat_template.jinja";
pub(crate) const SHORTLIST: &str = "shortlist.json";
pub(crate) const WEIGHTS: &str = "model.safetensors";
pub(crate) const RECORD: &str = "training.json";
/// What a run has trained beside a model that stayed as it was.
pub(crate) const ADAPTER: &str = "adapter.safetensors";

/// The longest `training.json`, in bytes: as long as the names of 100,000 files of data.
const MAX_RECORD: usize = 1 << 24;

/// Where a run keeps its checkpoints.
const CHECKPOINTS: &str = "checkpoints";

/// What a run's folder has from its beginning.
const RUN_LOCK: &str = "lock";

/// Sums of files by name: [`XXH3`] and its digits, or, of older versions, the digits of a SHA-256.
type Sums = BTreeMap<String, String>;

/// The content of `training.json`.
#[derive(Serialize, Deserialize)]
struct RecordFile {
    #[serde(flatten)]
    record: TrainingRecord,
    /// Sums of the other files; bundles of older versions have none.
    #[serde(default, skip_serializing_if = "Sums::is_empty")]
    files: Sums,
}

/// A folder that is read.
pub(crate) struct Folder<'a> {
    path: &'a Path,
    sums: Sums,
}

impl<'a> Folder<'a> {
    /// Opens a folder by its record.
    pub(crate) fn open(path: &'a Path) -> Result<(Self, TrainingRecord), BundleError> {
        if !path.exists() {
            let parts = path.to_str().and_then(|path| path.split_once('+'));
            return Err(
                match parts.filter(|(model, adapter)| [model, adapter].iter().all(|part| Path::new(part).is_dir())) {
                    Some((model, adapter)) => {
                        let merge = format!("attentive merge --model {model} --adapter {adapter} --out DIR");
                        let what = format!(
                            "a model and an adapter, and one folder is read here: make one of them with `{merge}`"
                        );
                        BundleError::Other { path: path.to_owned(), what }
                    }
                    None => BundleError::NoFolder { path: path.to_owned() },
                },
            );
        }
        if !path.join(RECORD).exists() {
            let other = unfinished(path).or_else(|| other(path));
            return Err(other.unwrap_or_else(|| BundleError::MissingPart { path: path.join(RECORD) }));
        }
        let RecordFile { record, files: sums } = RecordFile::read(path)?;
        Ok((Self { path, sums }, record))
    }

    /// Opens a run's folder, which has no record, and so no sums, before the run is finished.
    pub(crate) fn open_run(path: &'a Path) -> Self {
        Self { path, sums: RecordFile::read(path).map(|file| file.files).unwrap_or_default() }
    }

    /// Where a file is.
    pub(crate) fn place(&self, part: &str) -> PathBuf {
        self.path.join(part)
    }

    /// Whether the folder was written without this file.
    pub(crate) fn is_without(&self, part: &str) -> bool {
        !self.sums.is_empty() && !self.sums.contains_key(part) && !self.place(part).exists()
    }

    /// The content of a file that a folder may do without, which is the one that was written.
    pub(crate) fn text_of_optional(&self, part: &str) -> Result<Option<String>, BundleError> {
        self.has(part).then(|| self.text(part)).transpose()
    }

    /// As [`text_of_optional`](Self::text_of_optional), of a file that may be longer than settings are.
    pub(crate) fn bytes_of_optional(&self, part: &str) -> Result<Option<Vec<u8>>, BundleError> {
        let read = || {
            let path = self.checked(part)?;
            fs::read(&path).map_err(|cause| BundleError::Io { path, cause })
        };
        self.has(part).then(read).transpose()
    }

    /// Whether a file that a folder may do without was written, or is there.
    pub(crate) fn has(&self, part: &str) -> bool {
        self.sums.contains_key(part) || self.place(part).exists()
    }

    /// The content of a file of settings, which is the one that was written.
    pub(crate) fn text(&self, part: &str) -> Result<String, BundleError> {
        let path = self.checked(part)?;
        read_settings(&path).map_err(|cause| BundleError::Io { path, cause })
    }

    /// Where a file is, which is the one that was written.
    pub(crate) fn checked(&self, part: &str) -> Result<PathBuf, BundleError> {
        self.check(part)?()?;
        Ok(self.place(part))
    }

    /// A check, for any thread, that a file is the one that was written.
    pub(crate) fn check(
        &self,
        part: &str,
    ) -> Result<impl FnOnce() -> Result<(), BundleError> + Send + use<>, BundleError> {
        let path = self.place(part);
        if !path.exists() {
            return Err(BundleError::MissingPart { path });
        }
        let expected = self.sums.get(part).cloned();
        Ok(move || {
            let Some(expected) = expected else { return Ok(()) };
            let kind = if expected.starts_with(XXH3) { Sum::Xxh3(Box::default()) } else { Sum::Sha256(Sha256::new()) };
            let found = kind.of_file(&path).map_err(|cause| BundleError::Io { path: path.clone(), cause })?;
            if found.eq_ignore_ascii_case(&expected) { Ok(()) } else { Err(BundleError::Changed { path }) }
        })
    }
}

impl RecordFile {
    fn read(folder: &Path) -> Result<Self, BundleError> {
        let path = folder.join(RECORD);
        let mut bytes = Vec::new();
        let read = File::open(&path).and_then(|file| file.take(MAX_RECORD as u64 + 1).read_to_end(&mut bytes));
        read.and_then(|_| check_length(&bytes)).map_err(|cause| BundleError::Io { path: path.clone(), cause })?;
        serde_json::from_slice(&bytes).map_err(|cause| {
            let problem = format!("{cause}; the file is damaged: copy it again");
            BundleError::Damaged { path, problem }
        })
    }

    fn write(&self, folder: &Path) -> Result<(), BundleError> {
        let (path, json) = (folder.join(RECORD), serde_json::to_vec_pretty(self).expect("numbers and names"));
        check_length(&json).map_err(|cause| BundleError::Io { path: path.clone(), cause })?;
        write_part(&path, &json)
    }
}

/// Refuses a record that is longer than is read.
fn check_length(record: &[u8]) -> io::Result<()> {
    if record.len() > MAX_RECORD {
        let problem = format!("it is longer than any record, which has at most {MAX_RECORD} bytes");
        return Err(io::Error::new(io::ErrorKind::InvalidData, problem));
    }
    Ok(())
}

/// What is said of a run's folder that holds no model yet, and of a checkpoint's folder.
fn unfinished(path: &Path) -> Option<BundleError> {
    let parent = path.parent().filter(|parent| parent.file_name().is_some_and(|name| name == CHECKPOINTS));
    if let Some((checkpoints, step)) = parent.zip(step_of(path)) {
        let run = checkpoints.parent().filter(|run| !run.as_os_str().is_empty()).unwrap_or(Path::new("."));
        return Some(BundleError::Checkpoint { path: path.to_owned(), run: run.to_owned(), step });
    }
    let mut entries = fs::read_dir(path.join(CHECKPOINTS)).into_iter().flatten().flatten();
    let has_some = entries.any(|entry| step_of(&entry.path()).is_some());
    has_some.then(|| BundleError::Unfinished { path: path.to_owned() })
}

/// What is said of a path that is not a model's folder, not even an incomplete one.
fn other(path: &Path) -> Option<BundleError> {
    let has = |part: &str| path.join(part).exists();
    let what = if !path.is_dir() {
        "a file; name the model's folder".to_owned()
    } else if has(RUN_LOCK) {
        format!("a run without a checkpoint; go on with `attentive train --resume {}`", path.display())
    } else if has(CONFIG) || has(WEIGHTS) && !has("config.json") {
        return None;
    } else if let Some(run) = run_in(path) {
        format!("a folder of runs; name one of them, {} for example", run.display())
    } else if has("config.json") {
        "not a model of attentive but one of transformers, by its config.json; bring it in with `attentive import`"
            .into()
    } else {
        format!("not the folder of a model, which has a {CONFIG} and a {RECORD}; name another folder")
    };
    Some(BundleError::Other { path: path.to_owned(), what })
}

/// A run in a folder of runs: the latest, or else the first by name; none of another folder.
pub fn run_in(path: &Path) -> Option<PathBuf> {
    let mut names = entries(path).ok()?;
    names.sort_by_key(|name| (name != "latest", name.clone()));
    let is_run = |path: &PathBuf| [RUN_LOCK, CHECKPOINTS].iter().any(|part| path.join(part).exists());
    names.into_iter().map(|name| path.join(name)).find(is_run)
}

/// The step of a checkpoint, by its folder's name.
fn step_of(checkpoint: &Path) -> Option<u64> {
    checkpoint.file_name()?.to_str()?.strip_prefix("step-")?.parse().ok()
}

/// Prefix of sums by XXH3 with 128 bits.
const XXH3: &str = "xxh3:";

/// A sum of bytes. It tells what was damaged or mixed up on its way; it can't tell what somebody made on purpose, who would
/// write another sum too. So it is one that costs a model's start next to nothing.
pub(crate) enum Sum {
    Xxh3(Box<XxHash3_128>),
    /// That of older versions.
    Sha256(Sha256),
}

impl Sum {
    pub(crate) fn add(&mut self, bytes: &[u8]) {
        match self {
            Self::Xxh3(hasher) => hasher.write(bytes),
            Self::Sha256(hasher) => hasher.update(bytes),
        }
    }

    /// What stands in a record.
    pub(crate) fn text(self) -> String {
        match self {
            Self::Xxh3(hasher) => format!("{XXH3}{:032x}", hasher.finish_128()),
            Self::Sha256(hasher) => hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect(),
        }
    }

    fn of_file(mut self, path: &Path) -> io::Result<String> {
        let (mut file, mut buffer) = (File::open(path)?, vec![0; 1 << 18]);
        loop {
            match file.read(&mut buffer)? {
                0 => return Ok(self.text()),
                n => self.add(&buffer[..n]),
            }
        }
    }

    fn of_text(text: &str) -> String {
        let mut sum = Self::Xxh3(Box::default());
        sum.add(text.as_bytes());
        sum.text()
    }
}

/// What a folder is made of.
pub(crate) struct Parts<'a> {
    /// The text of `config.toml`.
    pub(crate) config: &'a str,
    pub(crate) processor: &'a Processor,
    /// The text of the chat template.
    pub(crate) chat: Option<&'a str>,
    /// The shortlist, as JSON.
    pub(crate) shortlist: Option<&'a [u8]>,
    pub(crate) params: &'a Tensors,
    /// Parameters in blocks, which are written so.
    pub(crate) blocks: &'a BTreeMap<String, Blocks>,
    /// How weights are written.
    pub(crate) format: WeightFormat,
    pub(crate) record: &'a TrainingRecord,
}

impl Parts<'_> {
    /// Writes the files into a folder, which may hold others; the record, which has the sums of all, comes last.
    pub(crate) fn write(&self, path: &Path) -> Result<(), BundleError> {
        fs::create_dir_all(path).map_err(|cause| BundleError::Io { path: path.to_owned(), cause })?;
        write_text(&path.join(CONFIG), self.config)?;
        let of_processor = self.processor.write(path)?;
        if let Some(chat) = self.chat {
            write_text(&path.join(CHAT), chat)?;
        }
        if let Some(shortlist) = self.shortlist {
            write_part(&path.join(SHORTLIST), shortlist)?;
        }
        let packing = |name: &str| match self.format {
            WeightFormat::Int8 => attentive_engine::int8_axis(name).map_or(Packing::Floats, Packing::Int8),
            // Blocks of other formats are made as a model is packed.
            _ => Packing::Floats,
        };
        write_packed(&path.join(WEIGHTS), self.params, self.blocks, packing, &BTreeMap::new())?;
        let adapter = path.join(ADAPTER).exists().then_some(ADAPTER);
        let shortlist = self.shortlist.map(|_| SHORTLIST);
        let parts = [Some(CONFIG), self.chat.map(|_| CHAT), shortlist, Some(WEIGHTS), adapter];
        let parts = parts.into_iter().flatten().chain(of_processor);
        let mut files = Sums::new();
        for part in parts {
            let path = path.join(part);
            files.insert(
                part.to_owned(),
                Sum::Xxh3(Box::default()).of_file(&path).map_err(|cause| BundleError::Io { path, cause })?,
            );
        }
        RecordFile { record: self.record.clone(), files }.write(path)
    }

    /// Writes a folder of that name in one step: whoever looks sees all of it or nothing.
    ///
    /// A folder of that name has to be empty, or else, with `replace`, a model's and nothing more.
    pub(crate) fn write_as_one(&self, path: &Path, replace: bool) -> Result<(), BundleError> {
        let io = |cause| BundleError::Io { path: path.to_owned(), cause };
        let path = &settled(path).map_err(io)?;
        recover(path).map_err(io)?;
        let present = entries(path).map_err(io)?;
        if !present.is_empty() && !replace {
            return Err(BundleError::Exists { path: path.to_owned() });
        }
        if let Some(other) = present
            .into_iter()
            .find(|name| ![CONFIG, TOKENIZER, PROCESSOR, CHAT, SHORTLIST, WEIGHTS, ADAPTER, RECORD].contains(&&**name))
        {
            return Err(BundleError::NotAModel { path: path.to_owned(), other });
        }
        as_one(path, |new| self.write(new), io)
    }
}

/// Writes a folder in one step: whoever looks sees all that `write` puts into the folder that it is given, or what there was
/// before. Files that were there, and that `write` does not write, stay.
///
/// # Errors
/// Those of `write`, and, by `io`, those of the system.
pub fn write_folder<T, E>(
    path: &Path,
    write: impl FnOnce(&Path) -> Result<T, E>,
    io: impl Fn(io::Error) -> E,
) -> Result<T, E> {
    let path = &settled(path).map_err(&io)?;
    recover(path).map_err(&io)?;
    let written = |new: &Path| {
        let written = write(new)?;
        keep_others(path, new).map_err(&io)?;
        Ok(written)
    };
    as_one(path, written, &io)
}

/// Makes a new folder by `write` under another name, and gives it the name `path`.
fn as_one<T, E>(path: &Path, write: impl FnOnce(&Path) -> Result<T, E>, io: impl Fn(io::Error) -> E) -> Result<T, E> {
    let [new, old] = names(path).map_err(&io)?;
    for left_over in [&new, &old] {
        remove_folder(left_over).map_err(&io)?;
    }
    let written = write(&new).inspect_err(|_| {
        // The failure is reported; what is left of the new folder only takes room.
        let _ = remove_folder(&new);
    })?;
    replace_folder(&new, path, &old).map_err(&io)?;
    Ok(written)
}

/// The path of a folder that is or will be, without links and `..`: it is renamed on the way. A link stays one, and leads to
/// the new folder.
fn settled(path: &Path) -> io::Result<PathBuf> {
    if path.exists() {
        return path.canonicalize();
    }
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    make_folder(parent)?;
    Ok(parent.canonicalize()?.join(path.file_name().unwrap_or_default()))
}

/// Names beside `path` of the folder that is being written, and of the one that there was.
fn names(path: &Path) -> io::Result<[PathBuf; 2]> {
    let unnamed = || io::Error::new(io::ErrorKind::InvalidInput, "a folder needs a name of its own");
    Ok([beside(path, "new").ok_or_else(unnamed)?, beside(path, "old").ok_or_else(unnamed)?])
}

/// Brings back the folder that an exchange, killed between two renames, has left under its other name.
fn recover(path: &Path) -> io::Result<()> {
    let [_, old] = names(path)?;
    if !path.exists() && old.exists() { fs::rename(&old, path) } else { Ok(()) }
}

/// Links into `new` what is in `old` and not yet in `new`.
fn keep_others(old: &Path, new: &Path) -> io::Result<()> {
    for name in entries(old)? {
        let (from, to) = (old.join(&name), new.join(&name));
        if from.is_dir() && !from.is_symlink() {
            fs::create_dir_all(&to)?;
            keep_others(&from, &to)?;
        } else if to.symlink_metadata().is_err() {
            // Not every file system has links.
            fs::hard_link(&from, &to).or_else(|_| fs::copy(&from, &to).map(drop))?;
        }
    }
    Ok(())
}

/// A hidden name beside `path`, for what is there for a moment.
fn beside(path: &Path, what: &str) -> Option<PathBuf> {
    let name = path.file_name()?.to_string_lossy();
    Some(path.with_file_name(format!(".{name}.{what}")))
}

/// Names in a folder; none where there is no folder.
fn entries(path: &Path) -> io::Result<Vec<String>> {
    match fs::read_dir(path) {
        Ok(entries) => entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect(),
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(cause) => Err(cause),
    }
}

/// Writes `training.json` alone; the sums in it stay as they are.
pub(crate) fn write_record(path: &Path, record: &TrainingRecord) -> Result<(), BundleError> {
    let RecordFile { files, .. } = RecordFile::read(path)?;
    RecordFile { record: record.clone(), files }.write(path)
}

/// The sum of the sums of a folder's files, or of the record if it has none.
pub(crate) fn sum(path: &Path) -> Result<String, BundleError> {
    let RecordFile { record, files } = RecordFile::read(path)?;
    let json = if files.is_empty() { serde_json::to_string(&record) } else { serde_json::to_string(&files) };
    Ok(Sum::of_text(&json.expect("numbers and names")))
}

/// Writes `config.toml` alone, and its sum in the record, if there is one.
pub(crate) fn write_config(path: &Path, config: &str) -> Result<(), BundleError> {
    write_text(&path.join(CONFIG), config)?;
    let Ok(mut file) = RecordFile::read(path) else { return Ok(()) };
    let Some(sum) = file.files.get_mut(CONFIG) else { return Ok(()) };
    *sum = Sum::of_text(config);
    file.write(path)
}

/// Writes a chat template alone.
pub(crate) fn write_chat(path: &Path, text: &str) -> Result<(), BundleError> {
    write_text(&path.join(CHAT), text)
}

/// Writes a part that is read as [`Folder::text`] does.
fn write_text(path: &Path, text: &str) -> Result<(), BundleError> {
    write_settings(path, text).map_err(|cause| BundleError::Io { path: path.to_owned(), cause })
}

fn write_part(path: &Path, bytes: &[u8]) -> Result<(), BundleError> {
    write_atomically(path, bytes).map_err(|cause| BundleError::Io { path: path.to_owned(), cause })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_those_of_their_names() {
        // As `xxhsum -H2` and `sha256sum` write them.
        let sums = [("", "99aa06d3014798d86001c324468d497f"), ("abc", "06b05ab6733a618578af5f94892f3950")];
        for (text, sum) in sums {
            assert_eq!(Sum::of_text(text), format!("xxh3:{sum}"));
        }
        let long = "[model]\nfamily = \"gpt\"\n".repeat(40);
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), &long).unwrap();
        let sum = Sum::Xxh3(Box::default()).of_file(file.path()).unwrap();
        assert_eq!(sum, "xxh3:bf0483c4482c6581bc7a6608a02b3936");
        fs::write(file.path(), "abc").unwrap();
        let older = Sum::Sha256(Sha256::new()).of_file(file.path()).unwrap();
        assert_eq!(older, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }
}
