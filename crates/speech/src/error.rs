//! Errors of sound.

use std::path::PathBuf;

/// Why a recording can't be read, or a setting of spectrograms can't be.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SpeechError {
    /// A file can't be read.
    #[error("{path}: {cause}", path = path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's error.
        #[source]
        cause: std::io::Error,
    },
    /// A file is not sound of a kind that is read.
    #[error("{path}: {problem}; WAV, FLAC, MP3 and Ogg Vorbis files are read", path = path.display())]
    Kind {
        /// The file.
        path: PathBuf,
        /// What it is, or lacks.
        problem: String,
    },
    /// A file is damaged.
    #[error("{path} is damaged after {seconds:.2} s of sound: {problem}; make or copy it again", path = path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Sound before the damage.
        seconds: f64,
        /// What is wrong.
        problem: String,
    },
    /// A file holds no sound.
    #[error("{path} holds no sound: it has no sample", path = path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// A file holds more sound than is read.
    #[error(
        "{path} holds more than {hours} hours of sound, or more samples than those have at {rate} a second: cut it into \
         shorter files",
        path = path.display()
    )]
    Long {
        /// The file.
        path: PathBuf,
        /// The limit.
        hours: u64,
        /// The samples a second of the limit.
        rate: u32,
    },
    /// A rate of samples that no sound has.
    #[error("{path} says that it has {rate} samples a second; from {least} to {most} are read", path = path.display())]
    Rate {
        /// The file.
        path: PathBuf,
        /// What it says.
        rate: u32,
        /// The lowest rate.
        least: u32,
        /// The highest.
        most: u32,
    },
    /// A setting is out of range.
    #[error("{key} = {value}: must be {expected}")]
    Setting {
        /// The setting.
        key: &'static str,
        /// Its value.
        value: f64,
        /// What it may be.
        expected: &'static str,
    },
}
