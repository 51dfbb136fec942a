//! What can go wrong between a picture's file and a batch.

use std::path::PathBuf;

use attentive_data::DataError;

/// Why pictures could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VisionError {
    /// A file or a folder could not be read.
    #[error("cannot read {path}: {cause}", path = path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        #[source]
        cause: std::io::Error,
    },
    /// A file that is not a picture, or a damaged one.
    #[error("{path} {problem}", path = path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it, and what to do.
        problem: String,
    },
    /// A folder without classes, or a class without pictures.
    #[error("{path} {problem}", path = path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What is wrong with it, and what to do.
        problem: String,
    },
    /// Pictures that a model's patches do not fill.
    #[error(
        "pictures of {height} × {width} pixels are not made of patches of {patch_size}: change the size, or the crop"
    )]
    Patches {
        /// Height of what the processor makes.
        height: usize,
        /// Its width.
        width: usize,
        /// Height and width of a patch.
        patch_size: usize,
    },
    /// Batches without pictures.
    #[error("there is no picture, or a batch has no place for one")]
    Empty,
    /// A compressed file that is damaged, or is not there.
    #[error(transparent)]
    Data(#[from] DataError),
}

impl VisionError {
    /// For `map_err` of what the system refuses.
    pub(crate) fn io(path: &std::path::Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |cause| Self::Io { path, cause }
    }

    /// A file that is damaged, or something else.
    pub(crate) fn damaged(path: &std::path::Path, problem: impl Into<String>) -> Self {
        Self::Damaged { path: path.to_owned(), problem: problem.into() }
    }
}
