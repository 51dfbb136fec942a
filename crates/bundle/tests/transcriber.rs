//! When a window is written again, and what is read before the next (Radford et al. 2022, §4.5): by a known model.

use std::sync::{Arc, Mutex};

use attentive_bundle::{SpeechProcessor, SpeechTokens, Transcriber, Transcription, TranscriptionConfig};
use attentive_core::{DeviceError, NextToken, Scores, Spectrograms, SpeechRecognizer, TokenId, Want};
use attentive_speech::FeatureConfig;
use attentive_tokenizer::{Characters, Tokenizer};

/// Samples of a window.
const WINDOW: usize = 1000;

/// Positions of the model, and tokens of a window at most.
const POSITIONS: usize = 200;
const MOST: usize = 60;

/// Sixteen letters, of which the first is a little more probable than the others, whatever was heard: greedy search
/// repeats it, and what is drawn at random does not.
struct Parrot {
    vocab_size: usize,
    /// What was read of each search, up to each of its steps.
    read: Arc<Mutex<Vec<Vec<TokenId>>>>,
}

impl NextToken for Parrot {
    type State = Vec<TokenId>;

    fn vocab_size(&self) -> usize {
        self.vocab_size
    }

    fn max_len(&self) -> Option<usize> {
        Some(POSITIONS)
    }

    fn advance(&self, tokens: &[TokenId], state: &mut Vec<TokenId>, _: Want) -> Result<Scores, DeviceError> {
        state.extend_from_slice(tokens);
        self.read.lock().unwrap().push(state.clone());
        let mut log_probs = vec![-(self.vocab_size as f32).ln(); self.vocab_size];
        log_probs[0] += 0.05;
        // The text does not end by itself.
        log_probs[self.vocab_size - 1] = -30.0;
        Ok(Scores::All(log_probs))
    }

    fn reorder(&self, _: &mut Vec<TokenId>, parents: &[usize]) {
        assert!(parents.iter().all(|&parent| parent == 0), "one row");
    }
}

impl SpeechRecognizer for Parrot {
    fn listen(&self, sound: &Spectrograms) -> Vec<TokenId> {
        assert_eq!(sound.n_rows(), 1);
        Vec::new()
    }
}

/// What the parrot writes of some windows, and all that it has read.
fn transcribe(n_windows: usize, config: &TranscriptionConfig) -> (Transcription, Vec<Vec<TokenId>>) {
    let tokenizer = Characters::train(["abcdefghijklmnop"]).framed();
    let read = Arc::<Mutex<_>>::default();
    let model = Parrot { vocab_size: tokenizer.vocab_size(), read: Arc::clone(&read) };
    let features = FeatureConfig { sampling_rate: 1000, n_fft: 64, hop_length: 40, n_mels: 4, window_seconds: 1.0 };
    let tokens = SpeechTokens { previous: tokenizer.specials().pad, ..SpeechTokens::of(&tokenizer).unwrap() };
    let transcriber = Transcriber::new(model, Arc::new(tokenizer), SpeechProcessor { features, tokens }).unwrap();
    let config = TranscriptionConfig { max_tokens: Some(MOST), ..config.clone() };
    let found = transcriber.transcribe(&vec![0.1; n_windows * WINDOW], &config).unwrap();
    let read = read.lock().unwrap().clone();
    (found, read)
}

/// Anything is probable enough.
fn lenient() -> TranscriptionConfig {
    TranscriptionConfig { min_log_prob: f64::NEG_INFINITY, ..TranscriptionConfig::default() }
}

#[test]
fn a_text_that_repeats_itself_is_written_at_the_next_temperature() {
    let repeated = "a".repeat(MOST);
    let (found, _) = transcribe(1, &TranscriptionConfig { temperatures: vec![0.0], ..lenient() });
    assert_eq!(found.text(), repeated);
    assert!(found.segments[0].compression > 2.4, "{:?}", found.segments[0]);
    let (found, _) = transcribe(1, &lenient());
    let [segment] = &found.segments[..] else { panic!("{found:?}") };
    assert!(segment.temperature == 0.2 && segment.compression < 2.4 && segment.text != repeated, "{segment:?}");
    // What is not plausible at any temperature is taken as the last one has it.
    let (found, _) = transcribe(1, &TranscriptionConfig::default());
    assert!(found.segments[0].temperature == 1.0 && found.segments[0].log_prob < -1.0, "{:?}", found.segments[0]);
    // A text may repeat itself where that is allowed.
    let (found, _) = transcribe(1, &TranscriptionConfig { max_compression: f64::INFINITY, ..lenient() });
    assert_eq!((found.segments[0].temperature, found.text()), (0.0, repeated));
}

#[test]
fn what_was_written_is_read_before_the_next_window_unless_it_was_drawn_at_random() {
    // After sixteen letters: unknown, padding, begin, end.
    let (previous, start) = (17, 18);
    let told = [&[previous][..], &[0; MOST], &[start]].concat();
    let n = |read: &[Vec<TokenId>], prompt: &[TokenId]| read.iter().filter(|read| *read == prompt).count();
    let greedy = TranscriptionConfig { temperatures: vec![0.0], ..lenient() };
    let (found, read) = transcribe(2, &greedy);
    assert_eq!((found.segments.len(), found.segments[1].start), (2, 1.0));
    assert_eq!([n(&read, &[start]), n(&read, &told)], [1, 1]);
    let (_, read) = transcribe(2, &TranscriptionConfig { reads_previous: false, ..greedy });
    assert_eq!([n(&read, &[start]), n(&read, &told)], [2, 0]);
    // Both windows are improbable, and are written at both temperatures.
    let hot = TranscriptionConfig { temperatures: vec![0.0, 1.0], ..TranscriptionConfig::default() };
    let (_, read) = transcribe(2, &hot);
    assert_eq!(n(&read, &[start]), 4);
    assert!(read.iter().all(|read| read[0] == start));
}
