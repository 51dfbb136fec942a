//! A folder with a folder for each class.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use rayon::prelude::*;
use sha2::{Digest, Sha256};

use crate::{Picture, VisionError, is_picture_name, picture::bytes_of};

/// Depth of folders within a class, after which links are taken to go round in a circle.
const MAX_DEPTH: usize = 32;

/// The pictures of a folder, by path, and their classes: the names of the folders that they lie in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClassFolder {
    /// Names of the classes, in order.
    pub labels: Vec<String>,
    /// The pictures, class by class and in the order of their names, each with its class.
    pub files: Vec<(PathBuf, u32)>,
    /// What was left out.
    pub report: FolderReport,
    /// SHA-256 of names and contents, or of names and lengths where the latter were not read.
    pub sha256: String,
}

/// What was found wrong in a folder.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FolderReport {
    /// Pictures that can't be read, each with its name and what is wrong.
    pub broken: Vec<String>,
    /// Files that are not pictures by their names.
    pub others: Vec<PathBuf>,
}

impl ClassFolder {
    /// Lists the pictures of a folder, with those in folders below, and looks at each: decodes it, or with
    /// `headers_only` reads no more than its size. Those that are broken are left out, and reported.
    ///
    /// # Errors
    /// [`VisionError::Io`], and [`VisionError::Folder`] if there are no classes, or one has no picture.
    pub fn read(folder: &Path, headers_only: bool) -> Result<Self, VisionError> {
        let wrong =
            |path: &Path, problem: &str| VisionError::Folder { path: path.to_owned(), problem: problem.to_owned() };
        let (mut labels, mut files, mut report) = (Vec::new(), Vec::new(), FolderReport::default());
        for path in entries(folder)? {
            if !path.is_dir() {
                report.others.push(path);
                continue;
            }
            let name = path.file_name().unwrap_or_default().to_str();
            let name = name.ok_or_else(|| wrong(&path, "has a name that is not UTF-8: rename it"))?;
            let class = labels.len() as u32;
            labels.push(name.to_owned());
            list(&path, 0, &mut |file| match is_picture_name(&file) {
                true => files.push((file, class)),
                false => report.others.push(file),
            })?;
        }
        if labels.is_empty() {
            return Err(wrong(
                folder,
                "has no folders: put the pictures of each class into a folder with the class's name",
            ));
        }
        let look = |(path, class): &(PathBuf, u32)| {
            let bytes = bytes_of(path)?;
            match headers_only {
                true => Picture::size_in(&bytes, path).map(drop)?,
                false => Picture::decode(&bytes, path).map(drop)?,
            }
            let content = if headers_only { bytes.len().to_string() } else { hex(&Sha256::digest(&bytes)) };
            let name = path.strip_prefix(folder).unwrap_or(path).display();
            Ok::<_, VisionError>(format!("{class} {name} {content}\n"))
        };
        let looks: Vec<Result<String, VisionError>> = files.par_iter().map(look).collect();
        let (mut sha, mut whole) = (Sha256::new(), Vec::with_capacity(files.len()));
        let mut first_broken = BTreeMap::new();
        for (file, look) in files.into_iter().zip(looks) {
            match look {
                Ok(line) => {
                    sha.update(line);
                    whole.push(file);
                }
                Err(error) => {
                    first_broken.entry(file.1).or_insert_with(|| error.to_string());
                    report.broken.push(error.to_string());
                }
            }
        }
        let has_pictures = |class: usize| whole.iter().any(|(_, of)| *of as usize == class);
        if let Some((class, label)) = labels.iter().enumerate().find(|(class, _)| !has_pictures(*class)) {
            let first = first_broken.get(&(class as u32)).map(|broken| format!(" ({broken})")).unwrap_or_default();
            let problem = format!("has no picture that can be read{first}: add some, or remove the folder");
            return Err(wrong(&folder.join(label), &problem));
        }
        Ok(Self { labels, files: whole, report, sha256: hex(&sha.finalize()) })
    }
}

/// Calls `take` with every file of a folder and of those below it, but for hidden ones.
fn list(folder: &Path, depth: usize, take: &mut impl FnMut(PathBuf)) -> Result<(), VisionError> {
    if depth > MAX_DEPTH {
        let problem = format!("lies {MAX_DEPTH} folders deep: a link goes round in a circle");
        return Err(VisionError::Folder { path: folder.to_owned(), problem });
    }
    for path in entries(folder)? {
        if path.is_dir() { list(&path, depth + 1, take)? } else { take(path) }
    }
    Ok(())
}

/// What is in a folder, in the order of names, but for hidden files.
fn entries(folder: &Path) -> Result<Vec<PathBuf>, VisionError> {
    let entries = fs::read_dir(folder).map_err(VisionError::io(folder))?;
    let paths = entries.map(|entry| entry.map(|entry| entry.path()).map_err(VisionError::io(folder)));
    let is_hidden = |path: &Path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
    let mut paths = paths.collect::<Result<Vec<PathBuf>, VisionError>>()?;
    paths.retain(|path| !is_hidden(path));
    paths.sort_unstable();
    Ok(paths)
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
