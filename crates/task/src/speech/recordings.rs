//! Recordings and their words: files, or built-in Morse code.

use std::{
    path::PathBuf,
    sync::{Arc, OnceLock},
};

use attentive_bundle::DataRecord;
use attentive_core::mix64;
use attentive_data::{FileReport, LabeledText, derived_seed, sha256_of};
use attentive_speech::{
    LogMel, MORSE_ALPHABET, MorseConfig, Recording, longest_morse_text, morse, morse_text, resample,
};
use rayon::prelude::*;

use crate::{
    Context, Log, Result,
    config::{LabeledFiles, MorseRecipe, SpokenRecipe},
    corpus::record_of,
    labeled::few,
    log::warn_of,
    thousands,
};

/// Bytes of spectrograms that are kept from one epoch to the next; of more, they are made again.
const MAX_KEPT: usize = 2 << 30;

/// Recordings that are too long, named in an error.
const MAX_NAMED: usize = 3;

/// The seed of the recordings for validation and test.
const HELD_OUT_SEED: u64 = 19;

/// A recording in a window.
#[derive(Debug)]
pub struct Window {
    /// Its spectrogram: `[frames, mels]`.
    pub frames: Vec<f32>,
    /// Frames of the recording; silence fills the rest.
    pub n_heard: usize,
}

/// One part of the recordings.
#[derive(Debug)]
pub struct RecordingPart {
    /// `train`, `validation` or `test`.
    pub name: &'static str,
    /// What is said in each, as far as it is always the same.
    pub texts: Vec<String>,
    /// The TSV files, read to their ends; none of Morse code.
    pub files: Vec<FileReport>,
    source: Source,
    records: Vec<DataRecord>,
}

/// Where sound comes from.
#[derive(Debug)]
enum Source {
    /// Audio files, and their spectrograms, as far as they are kept.
    Files { paths: Vec<PathBuf>, kept: Option<Vec<OnceLock<Arc<Window>>>> },
    /// Morse code, which may be another in each epoch.
    Morse { config: MorseConfig, seed: u64, n: usize, is_new: bool },
}

/// All parts.
#[derive(Debug)]
pub struct Recordings {
    /// What is learnt from.
    pub train: RecordingPart,
    /// What tells during training how good the model is.
    pub validation: Option<RecordingPart>,
    /// What the finished model is scored on.
    pub test: Option<RecordingPart>,
}

impl Recordings {
    /// Lists the recordings that a recipe names, or those of Morse code, of a run of this seed. Every audio file is read once: a
    /// bad one is told before anything is learnt.
    ///
    /// # Errors
    /// A file can't be read, is damaged, or is longer than a window.
    pub fn open(recipe: &SpokenRecipe, log_mel: &LogMel, seed: u64, log: &dyn Log) -> Result<Self> {
        let read = |name, files: &Option<LabeledFiles>| {
            files.as_ref().map(|files| RecordingPart::read(name, files, recipe.skip_long, log_mel, log)).transpose()
        };
        let mut recordings = match read("train", &recipe.train)? {
            Some(train) => {
                Self { train, validation: read("validation", &recipe.validation)?, test: read("test", &recipe.test)? }
            }
            None => Self::builtin(&recipe.morse, seed),
        };
        if let Some(n) = recipe.examples {
            recordings.train.leave_few(n, seed);
            say!(
                log,
                "data      {} of the training recordings are learnt from",
                thousands(recordings.train.len() as u64)
            );
        }
        Ok(recordings)
    }

    fn builtin(recipe: &MorseRecipe, seed: u64) -> Self {
        let [n_train, n_validation, n_test] = recipe.sizes;
        let part = |name, n: u32, seed, is_new| {
            let source =
                Source::Morse { config: recipe.sound, seed: derived_seed(seed, name, 0), n: n as usize, is_new };
            RecordingPart::builtin(name, source)
        };
        let held_out = |name, n| (n > 0).then(|| part(name, n, HELD_OUT_SEED, false));
        Self {
            train: part("train", n_train, seed, true),
            validation: held_out("validation", n_validation),
            test: held_out("test", n_test),
        }
    }

    /// The parts that there are.
    pub fn parts(&self) -> impl Iterator<Item = &RecordingPart> {
        [Some(&self.train), self.validation.as_ref(), self.test.as_ref()].into_iter().flatten()
    }

    /// What `training.json` says of all parts.
    pub fn records(&self) -> Vec<DataRecord> {
        self.parts().flat_map(|part| part.records.clone()).collect()
    }

    /// Texts that have every character of the training text.
    pub fn tokenizer_texts(&self) -> Vec<String> {
        match &self.train.source {
            Source::Files { .. } => self.train.texts.clone(),
            Source::Morse { .. } => vec![MORSE_ALPHABET.iter().map(|(letter, _)| *letter).collect(), "A B".to_owned()],
        }
    }
}

impl RecordingPart {
    fn read(
        name: &'static str,
        files: &LabeledFiles,
        skip_long: bool,
        log_mel: &LogMel,
        log: &dyn Log,
    ) -> Result<Self> {
        let (mut paths, mut places, mut texts, mut reports) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for tsv in files.paths() {
            let (lines, of_file) = LabeledText::read(&[tsv], files.layout())?;
            let folder = tsv.parent().unwrap_or(tsv.as_path());
            for LabeledText { text, label, line } in lines {
                paths.push(folder.join(text));
                places.push((tsv, line));
                texts.push(label);
            }
            reports.extend(of_file);
        }
        warn_of(log, &reports);
        let rate = log_mel.config().sampling_rate;
        let n_window = log_mel.config().n_samples();
        // Its length, and what tells it from another.
        let hear = |(path, (tsv, line)): (&PathBuf, &(&PathBuf, u64))| -> Result<(usize, String)> {
            let samples = Recording::read_at(path, rate).with_context(|| format!("{}:{line}", tsv.display()))?;
            let sum = samples.iter().fold(0, |sum, sample| mix64(sum ^ u64::from(sample.to_bits())));
            Ok((samples.len(), format!("{sum:016x}")))
        };
        let heard: Vec<(usize, String)> = paths.par_iter().zip(&places).map(hear).collect::<Result<_>>()?;
        let is_long = |idx: &usize| heard[*idx].0 > n_window;
        let long: Vec<usize> = (0..paths.len()).filter(is_long).collect();
        let seconds = |n: usize| n as f64 / f64::from(rate);
        if !long.is_empty() {
            let longest = long.iter().map(|&idx| seconds(heard[idx].0)).fold(0.0, f64::max);
            let named = long.iter().take(MAX_NAMED).map(|&idx| paths[idx].display().to_string());
            let what = format!(
                "{} of {} recordings of data.{name} are longer than features.window_seconds = {}, the longest {longest:.2} s: {}",
                long.len(),
                paths.len(),
                log_mel.config().window_seconds,
                named.collect::<Vec<_>>().join(", ")
            );
            if !skip_long {
                refuse!("{what}{}; raise it, or set data.skip_long", if long.len() > MAX_NAMED { ", …" } else { "" });
            }
            log.warning(&format!("{what}; they are left out: data.skip_long"));
        }
        let kept: Vec<usize> = (0..paths.len()).filter(|idx| !is_long(idx)).collect();
        if kept.is_empty() {
            refuse!("data.{name} has no recording: check its files");
        }
        let total: f64 = kept.iter().map(|&idx| seconds(heard[idx].0)).sum();
        say!(log, "data      {} {name} recordings, {:.1} minutes", thousands(kept.len() as u64), total / 60.0);
        let sound = DataRecord {
            split: name.to_owned(),
            name: "sound of all recordings".to_owned(),
            n_lines: kept.len() as u64,
            sha256: sha256_of(kept.iter().map(|&idx| &heard[idx].1)),
        };
        let records = reports.iter().map(|file| record_of(name, file)).chain([sound]).collect();
        let n_bytes = kept.len() * log_mel.config().n_frames() * log_mel.config().n_mels * size_of::<f32>();
        let spectrograms = (n_bytes <= MAX_KEPT).then(|| kept.iter().map(|_| OnceLock::new()).collect());
        let texts = kept.iter().map(|&idx| std::mem::take(&mut texts[idx])).collect();
        let paths = kept.iter().map(|&idx| std::mem::take(&mut paths[idx])).collect();
        Ok(Self { name, texts, files: reports, source: Source::Files { paths, kept: spectrograms }, records })
    }

    fn builtin(name: &'static str, source: Source) -> Self {
        let mut part = Self { name, texts: Vec::new(), files: Vec::new(), source, records: Vec::new() };
        // The texts of an epoch, which are all that is known of the others.
        let text = |idx| part.morse(0, idx).map(|(config, seed)| morse_text(config, seed));
        let texts: Vec<String> = (0..part.len()).filter_map(text).collect();
        let (n_lines, sha256) = (texts.len() as u64, sha256_of(texts.iter().map(|text| format!("{text}\n"))));
        let record = DataRecord { split: name.to_owned(), name: "Morse code".to_owned(), n_lines, sha256 };
        (part.texts, part.records) = (texts, vec![record]);
        part
    }

    /// Leaves `n` recordings, drawn by a seed; of Morse code the first ones, the same in each epoch.
    fn leave_few(&mut self, n: usize, seed: u64) {
        match &mut self.source {
            Source::Files { paths, kept } => {
                *paths = few(std::mem::take(paths), n, seed);
                self.texts = few(std::mem::take(&mut self.texts), n, seed);
                *kept = kept.take().map(|kept| few(kept, n, seed));
            }
            Source::Morse { n: of_epoch, is_new, .. } => {
                *of_epoch = n.min(*of_epoch);
                *is_new = false;
                self.texts.truncate(n);
            }
        }
    }

    /// Characters of the longest text that may come after those that are known, of Morse code that is new in each epoch.
    pub fn longest_to_come(&self) -> Option<usize> {
        match &self.source {
            Source::Morse { config, is_new: true, .. } => Some(longest_morse_text(config)),
            _ => None,
        }
    }

    /// Number of recordings of an epoch.
    pub fn len(&self) -> usize {
        match &self.source {
            Source::Files { paths, .. } => paths.len(),
            Source::Morse { n, .. } => *n,
        }
    }

    /// Whether there is no recording.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The first audio file, if there are files.
    pub fn first_path(&self) -> Option<&PathBuf> {
        match &self.source {
            Source::Files { paths, .. } => paths.first(),
            Source::Morse { .. } => None,
        }
    }

    /// How a recording of an epoch sounds, and its seed, if it is Morse code.
    fn morse(&self, epoch: u64, idx: usize) -> Option<(&MorseConfig, u64)> {
        match &self.source {
            Source::Morse { config, seed, is_new, .. } => {
                let epoch = if *is_new { epoch } else { 0 };
                Some((config, derived_seed(*seed, &idx.to_string(), epoch)))
            }
            Source::Files { .. } => None,
        }
    }

    /// Spectrogram and text of a recording of an epoch, at `speed` percent of its own speed:
    /// no slower than fits the window.
    ///
    /// # Errors
    /// Its file can't be read any longer.
    pub fn example(&self, epoch: u64, idx: usize, speed: u32, log_mel: &LogMel) -> Result<(Arc<Window>, String)> {
        let rate = log_mel.config().sampling_rate;
        let spectrogram = |samples: Vec<f32>, own: u32| -> Arc<Window> {
            let seconds = samples.len() as f64 / f64::from(own);
            let slowest = (100.0 * seconds / log_mel.config().window_seconds).ceil() as u32;
            let played = u64::from(own) * u64::from(speed.max(slowest.min(100))) / 100;
            let samples = resample(samples, played as u32, rate);
            let n_heard = samples.len().div_ceil(log_mel.config().hop_length).min(log_mel.config().n_frames());
            Arc::new(Window { frames: log_mel.window(&samples), n_heard })
        };
        if let Some((config, seed)) = self.morse(epoch, idx) {
            let (sound, text) = morse(config, rate, seed);
            return Ok((spectrogram(sound, rate), text));
        }
        let Source::Files { paths, kept } = &self.source else { unreachable!("Morse code is made above") };
        let read = || -> Result<Arc<Window>> {
            let Recording { samples, rate } = Recording::read(&paths[idx]).context("reading a recording again")?;
            Ok(spectrogram(samples, rate))
        };
        if speed != 100 {
            return Ok((read()?, self.texts[idx].clone()));
        }
        let kept = kept.as_ref().map(|kept| &kept[idx]);
        if let Some(window) = kept.and_then(OnceLock::get) {
            return Ok((window.clone(), self.texts[idx].clone()));
        }
        let window = read()?;
        let window = kept.map_or(window.clone(), |kept| kept.get_or_init(|| window).clone());
        Ok((window, self.texts[idx].clone()))
    }
}
