//! Bad files: an error that names them, and never a panic.

use std::{fs, path::Path};

use attentive_speech::{FeatureConfig, LogMel, Recording, SpeechError};
use attentive_testkit::{Golden, survives};

fn read(bytes: &[u8], name: &str) -> Result<Recording, SpeechError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    fs::write(&path, bytes).unwrap();
    Recording::read(&path)
}

fn good(name: &str) -> Vec<u8> {
    fs::read(Golden::of(env!("CARGO_MANIFEST_DIR")).path(name)).unwrap()
}

#[track_caller]
fn says(bytes: &[u8], parts: &[&str]) {
    let message = read(bytes, "bad.wav").unwrap_err().to_string();
    for part in parts.iter().chain(&["bad.wav"]) {
        assert!(message.contains(part), "{part:?} is missing in {message}");
    }
}

#[test]
fn bad_files_are_named() {
    says(b"", &["no sound"]);
    says(b"a text, and no sound at all: nothing that anybody could hear", &["not an audio file", "WAV, FLAC, MP3"]);
    for name in ["s16.wav", "s16.flac", "f32.wav"] {
        let bytes = good(name);
        says(&bytes[..bytes.len() / 2], &["damaged after", "2205"]);
    }
    // A file of floats, the last of which is not a number.
    let mut bytes = good("f32.wav");
    let at = bytes.windows(4).position(|four| four == b"data").unwrap() + 8 + 4 * 2000;
    bytes[at..at + 4].copy_from_slice(&f32::NAN.to_le_bytes());
    says(&bytes, &["damaged after 0.18 s", "not a finite number"]);
    // No sample after the header.
    let mut bytes = good("s16.wav");
    let at = bytes.windows(4).position(|four| four == b"data").unwrap() + 4;
    bytes[at..at + 4].fill(0);
    bytes.truncate(at + 4);
    says(&bytes, &["no sound"]);
    let missing = Recording::read(Path::new("no/such.wav")).unwrap_err();
    assert!(matches!(&missing, SpeechError::Io { .. }) && missing.to_string().contains("no/such.wav"), "{missing}");
    let folder = Recording::read(&std::env::temp_dir()).unwrap_err().to_string();
    assert!(folder.contains(": a folder: name a file in it"), "{folder}");
}

#[test]
fn a_file_that_is_cut_off_is_refused_in_every_format() {
    for name in ["u8.wav", "s24.wav", "ima.wav", "alaw.wav", "s16.flac", "tone.mp3", "vorbis.ogg"] {
        let bytes = good(name);
        for n in [1, 20, bytes.len() / 4, bytes.len() / 2, 3 * bytes.len() / 4] {
            let error = read(&bytes[..n], name).expect_err(name).to_string();
            assert!(error.contains(name), "{error}");
            let begins_as_sound = n >= 20 && (name.ends_with("flac") || name.ends_with("ogg"));
            assert!(!begins_as_sound || error.contains("is damaged after "), "{error}");
        }
    }
}

#[test]
fn two_recordings_in_a_file_are_not_called_damage() {
    says(&good("vorbis.ogg").repeat(2), &["another recording begins after 0.20 s"]);
}

#[test]
fn wav_files_that_were_written_to_a_pipe_are_read_to_their_end() {
    let whole = good("s16.wav");
    let at = whole.windows(4).position(|four| four == b"data").unwrap() + 4;
    let stating = |riff: u32, data: u32| {
        let mut bytes = whole.clone();
        bytes[4..8].copy_from_slice(&riff.to_le_bytes());
        bytes[at..at + 4].copy_from_slice(&data.to_le_bytes());
        bytes
    };
    // As ffmpeg and sox state what they do not know.
    for bytes in [stating(u32::MAX, u32::MAX), stating(0x7fff_f024, 0x7fff_f000)] {
        assert_eq!(read(&bytes, "pipe.wav").unwrap(), read(&whole, "whole.wav").unwrap());
    }
    // Less is a promise, though of many hours.
    says(&stating(0x4000_0024, 0x4000_0000), &["damaged after", "268435456 samples", "2205"]);
}

#[test]
fn as_many_samples_as_no_memory_should_hold_are_refused_before_they_are_read() {
    let mut wave = good("s16.wav");
    let at = wave.windows(4).position(|four| four == b"fmt ").unwrap() + 12;
    let mut stating = |rate: u32, n_bytes: u32| {
        let data = wave.windows(4).position(|four| four == b"data").unwrap() + 4;
        wave[at..at + 4].copy_from_slice(&rate.to_le_bytes());
        wave[data..data + 4].copy_from_slice(&n_bytes.to_le_bytes());
        wave[4..8].copy_from_slice(&(n_bytes + 0x24).to_le_bytes());
        wave.clone()
    };
    let limit = "holds more than 8 hours of sound, or more samples than those have at 48000 a second";
    for rate in [1, 999, 768_001, 1_000_000_000] {
        says(&stating(rate, 0x7000_0000), &[&format!("says that it has {rate} samples a second; from 1000 to 768000")]);
    }
    says(&stating(8000, 0x7000_0000), &[limit]);
    let mut flac = good("s16.flac");
    flac[22..26].copy_from_slice(&1_400_000_000_u32.to_be_bytes());
    says(&flac, &[limit]);
}

/// Bytes of the first frame of `tone.mp3`, the header that says how many come, and samples of the six after it.
const MP3_HEADER: usize = 208;
const MP3_SAMPLES: usize = 6 * 576;

#[test]
fn mp3_files_without_a_header_are_read_to_their_end() {
    // Frames of many sizes: the first ones do not tell how many there are.
    let frames = good("tone.mp3")[MP3_HEADER..].repeat(10);
    assert_eq!(read(&frames, "stream.mp3").unwrap().samples.len(), 10 * MP3_SAMPLES);
    // As do bytes at the end that are not sound: tags of players.
    let with_tag = [&frames[..], &[0; 4000]].concat();
    assert_eq!(read(&with_tag, "tagged.mp3").unwrap().samples.len(), 10 * MP3_SAMPLES);
}

#[test]
fn damaged_files_give_sound_or_an_error() {
    for name in ["s16.wav", "f64.wav", "ima.wav", "alaw.wav", "s16.flac", "vorbis.ogg", "tone.mp3"] {
        survives(&good(name), 300, |bytes| {
            if let Ok(Recording { samples, rate }) = read(bytes, name) {
                assert!(rate > 0 && !samples.is_empty() && samples.iter().all(|sample| sample.is_finite()));
            }
        });
    }
}

#[test]
fn sizes_out_of_range_are_named() {
    let usual = FeatureConfig::default();
    for (config, key) in [
        (FeatureConfig { sampling_rate: 0, ..usual.clone() }, "sampling_rate"),
        (FeatureConfig { n_fft: 1 << 40, ..usual.clone() }, "n_fft"),
        (FeatureConfig { hop_length: 0, ..usual.clone() }, "hop_length"),
        (FeatureConfig { n_mels: 0, ..usual.clone() }, "n_mels"),
        (FeatureConfig { window_seconds: f64::NAN, ..usual.clone() }, "window_seconds"),
        (FeatureConfig { window_seconds: 0.01, ..usual }, "window_seconds"),
    ] {
        assert!(LogMel::new(&config).unwrap_err().to_string().starts_with(key));
    }
}
