//! Transcriptions as text, subtitles and JSON.

use std::{
    fmt,
    io::{self, Write},
    str::FromStr,
};

use serde_json::json;

use super::SpeechSegment;

/// How a transcription is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum TranscriptFormat {
    /// A sentence a line.
    #[default]
    Text,
    /// SubRip's subtitles.
    Srt,
    /// WebVTT's subtitles.
    Vtt,
    /// A line of JSON for each sentence.
    Json,
}

const FORMATS: [(TranscriptFormat, &str); 4] = [
    (TranscriptFormat::Text, "text"),
    (TranscriptFormat::Srt, "srt"),
    (TranscriptFormat::Vtt, "vtt"),
    (TranscriptFormat::Json, "json"),
];

impl fmt::Display for TranscriptFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(FORMATS.iter().find(|(format, _)| format == self).map_or("", |(_, name)| name))
    }
}

impl FromStr for TranscriptFormat {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let found = FORMATS.iter().find(|(_, known)| *known == name);
        found
            .map(|(format, _)| *format)
            .ok_or_else(|| format!("unknown format `{name}`; there are text, srt, vtt, json"))
    }
}

/// Writes sentences one after another.
#[derive(Debug)]
pub struct TranscriptWriter<W> {
    out: W,
    format: TranscriptFormat,
    /// Whether lines of text have times.
    times: bool,
    n_written: usize,
}

impl<W: Write> TranscriptWriter<W> {
    /// Writes to `out`; `times` says whether lines of text begin with theirs.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn new(mut out: W, format: TranscriptFormat, times: bool) -> io::Result<Self> {
        if format == TranscriptFormat::Vtt {
            writeln!(out, "WEBVTT\n")?;
        }
        Ok(Self { out, format, times, n_written: 0 })
    }

    /// Writes a sentence of the recording `name` at once; a blank one is left out.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn write(&mut self, name: &str, segment: &SpeechSegment) -> io::Result<()> {
        let text = segment.text.split_whitespace().collect::<Vec<_>>().join(" ");
        if text.is_empty() {
            return Ok(());
        }
        self.n_written += 1;
        let Self { out, format, times, n_written } = self;
        let SpeechSegment { start, end, .. } = *segment;
        match format {
            TranscriptFormat::Text if *times => {
                writeln!(out, "[{} --> {}] {text}", clock(start, '.'), clock(end, '.'))
            }
            TranscriptFormat::Text => writeln!(out, "{text}"),
            TranscriptFormat::Srt => {
                writeln!(out, "{n_written}\n{} --> {}\n{}\n", clock(start, ','), clock(end, ','), shown(&text))
            }
            TranscriptFormat::Vtt => {
                // A player takes what begins with these for a tag, or for a character's name, and leaves it out.
                let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
                writeln!(out, "{} --> {}\n{text}\n", clock(start, '.'), clock(end, '.'))
            }
            TranscriptFormat::Json => {
                let SpeechSegment { temperature, log_prob, compression, no_speech, .. } = segment;
                let line = json!({
                    "file": name, "start": start, "end": end, "text": text, "temperature": temperature,
                    "log_prob": log_prob, "compression": compression, "no_speech": no_speech,
                });
                writeln!(out, "{line}")
            }
        }?;
        out.flush()
    }
}

/// The arrow would be read as a line of times.
fn shown(text: &str) -> String {
    text.replace("-->", "->")
}

/// `00:01:02.345`.
fn clock(seconds: f64, point: char) -> String {
    let millis = (seconds * 1000.0).round() as u64;
    let [hours, minutes, whole] = [millis / 3_600_000, millis / 60_000 % 60, millis / 1000 % 60];
    format!("{hours:02}:{minutes:02}:{whole:02}{point}{:03}", millis % 1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_format_is_as_its_players_read_it() {
        let segment = |start, end, text: &str| SpeechSegment {
            start,
            end,
            text: text.into(),
            tokens: Vec::new(),
            temperature: 0.0,
            log_prob: -0.5,
            compression: 1.0,
            no_speech: None,
        };
        let written = |format, times| {
            let mut out = Vec::new();
            let mut writer = TranscriptWriter::new(&mut out, format, times).unwrap();
            for segment in
                [segment(0.0, 1.5, " One --> two."), segment(1.5, 2.0, "  "), segment(3661.0, 3662.25, "Three")]
            {
                writer.write("a.wav", &segment).unwrap();
            }
            String::from_utf8(out).unwrap()
        };
        assert_eq!(written(TranscriptFormat::Text, false), "One --> two.\nThree\n");
        assert_eq!(
            written(TranscriptFormat::Text, true),
            "[00:00:00.000 --> 00:00:01.500] One --> two.\n[01:01:01.000 --> 01:01:02.250] Three\n"
        );
        assert_eq!(
            written(TranscriptFormat::Srt, true),
            "1\n00:00:00,000 --> 00:00:01,500\nOne -> two.\n\n2\n01:01:01,000 --> 01:01:02,250\nThree\n\n"
        );
        assert_eq!(
            written(TranscriptFormat::Vtt, true),
            "WEBVTT\n\n00:00:00.000 --> 00:00:01.500\nOne --&gt; two.\n\n01:01:01.000 --> 01:01:02.250\nThree\n\n"
        );
        let mut out = Vec::new();
        let mut writer = TranscriptWriter::new(&mut out, TranscriptFormat::Vtt, true).unwrap();
        writer.write("a.wav", &segment(0.0, 1.0, "<noise> R&D &lt; 3")).unwrap();
        assert!(String::from_utf8(out).unwrap().ends_with("\n&lt;noise&gt; R&amp;D &amp;lt; 3\n\n"));
        let json: serde_json::Value =
            serde_json::from_str(written(TranscriptFormat::Json, true).lines().next().unwrap()).unwrap();
        assert_eq!((json["end"].as_f64(), json["text"].as_str()), (Some(1.5), Some("One --> two.")));
        for (format, name) in FORMATS {
            assert_eq!((name.parse(), format.to_string()), (Ok(format), name.to_owned()));
        }
        assert!("doc".parse::<TranscriptFormat>().unwrap_err().contains("text, srt, vtt, json"));
    }
}
