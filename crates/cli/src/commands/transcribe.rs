//! `attentive transcribe`.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use attentive_bundle::{SpeechTask, Transcriber, TranscriptFormat, TranscriptWriter, TranscriptionConfig};
use attentive_speech::Recording;
use clap::Args;

use super::{
    BackendArgs, PrecisionArgs,
    numbers::{LONG, MAX_BEAM, integer},
    open_model,
};
use crate::output;

/// Write what is said in recordings, sentence by sentence as they come.
///
/// WAV, FLAC, MP3 and Ogg Vorbis files of up to 8 hours, with 1,000 to 768,000 samples a second.
#[derive(Debug, Args)]
pub(crate) struct Transcribe {
    /// The model's folder; DIR+ADAPTER for one with an adapter over it.
    #[arg(long, value_name = "DIR", default_value = "runs/latest")]
    model: PathBuf,
    /// The recordings.
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// The language that is spoken, for models that are told it: en, de, …; without it, it is heard.
    #[arg(long, value_name = "CODE")]
    language: Option<String>,
    /// transcribe, or translate: write it in English.
    #[arg(long, value_name = "NAME", default_value_t = SpeechTask::Transcribe)]
    task: SpeechTask,
    /// Begin each line of text with its times; the other formats have them always.
    #[arg(long)]
    timestamps: bool,
    /// text; srt or vtt for subtitles, of one recording; json for a line of JSON a sentence.
    #[arg(long, value_name = "NAME", default_value_t = TranscriptFormat::Text)]
    format: TranscriptFormat,
    /// Have the model write no times: each of its windows is a line.
    #[arg(long, conflicts_with = "timestamps")]
    no_times: bool,
    /// Hypotheses of the first search of each window; 1 is greedy search.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = integer(1..=MAX_BEAM))]
    beam: usize,
    /// Tokens of a window at most.
    #[arg(long, value_name = "N", value_parser = integer(1..=LONG))]
    max_tokens: Option<usize>,
    /// What the model reads before the first window: names, and the style to write in.
    #[arg(long, value_name = "TEXT")]
    prompt: Option<String>,
    /// Have each window written without what was said before it.
    #[arg(long)]
    no_previous: bool,
    /// The same text follows from the same seed, where a window is drawn at random.
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = integer(0..=u64::MAX))]
    seed: u64,
    #[command(flatten)]
    precision: PrecisionArgs,
    #[command(flatten)]
    backend: BackendArgs,
}

impl Transcribe {
    pub(super) fn run(self) -> Result<()> {
        let is_subtitles = matches!(self.format, TranscriptFormat::Srt | TranscriptFormat::Vtt);
        if is_subtitles && self.files.len() > 1 {
            bail!("--format {} is for one recording: its times begin at 0", self.format);
        }
        if self.timestamps && self.format != TranscriptFormat::Text {
            bail!("--timestamps is for --format text: {} has times always; leave it out", self.format);
        }
        let bundle = open_model(&self.model)?;
        let transcriber = Transcriber::from_bundle(&bundle, &self.backend.device()?, self.precision.precision)?;
        if self.timestamps && !transcriber.tokens().has_times() {
            warning!("warning: --timestamps: the model writes no times; those of its windows are shown");
        }
        let config = TranscriptionConfig {
            language: self.language,
            task: self.task,
            times: !self.no_times,
            beam: self.beam,
            reads_previous: !self.no_previous,
            prompt: self.prompt,
            max_tokens: self.max_tokens,
            seed: self.seed,
            ..TranscriptionConfig::default()
        };
        let mut out = TranscriptWriter::new(output::stdout(), self.format, self.timestamps)?;
        for path in &self.files {
            let samples = Recording::read_at(path, transcriber.sampling_rate())?;
            let name = path.display().to_string();
            for segment in transcriber.segments(&samples, &config)? {
                out.write(&name, &segment.with_context(|| name.clone())?)?;
            }
        }
        Ok(())
    }
}
