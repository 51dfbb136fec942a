//! Writing what is said in a recording, by the model that `attentive transcribe` runs.

use std::{path::Path, time::Instant};

use anyhow::Result;
use attentive_backend::BackendKind;
use attentive_bundle::{Bundle, Transcriber, TranscriptionConfig, WeightFormat};
use attentive_interchange::{ImportConfig, import};
use attentive_speech::Recording;
use serde_json::json;

use crate::worker;

/// Writes a model of another system as ours.
pub(crate) fn prepare(model: &Path, folder: &Path) -> Result<()> {
    Ok(import(model, &ImportConfig::default())?.bundle.save(folder)?)
}

pub(crate) fn run(folder: &Path, recording: &Path, precision: &str, beam: usize) -> Result<()> {
    let format: WeightFormat = precision.parse().map_err(anyhow::Error::msg)?;
    let bundle = Bundle::open(folder)?;
    let transcriber = Transcriber::from_bundle(&bundle, &BackendKind::Flex.device()?, Some(format))?;
    drop(bundle);
    let samples = Recording::read_at(recording, transcriber.sampling_rate())?;
    let seconds_of_sound = samples.len() as f64 / f64::from(transcriber.sampling_rate());
    // As the peer is told: every window is written once, and by itself.
    let config =
        TranscriptionConfig { beam, temperatures: vec![0.0], reads_previous: false, ..TranscriptionConfig::default() };
    worker::ready(&json!({ "precision": precision }));
    while worker::wait() {
        let (started, cpu) = (Instant::now(), worker::cpu_seconds());
        let found = transcriber.transcribe(&samples, &config)?;
        let seconds = started.elapsed().as_secs_f64();
        let cpu = worker::cpu_seconds().zip(cpu).map(|(now, then)| now - then);
        worker::report(seconds, seconds_of_sound, &json!({ "cpu_seconds": cpu, "text": found.text() }));
    }
    Ok(())
}
