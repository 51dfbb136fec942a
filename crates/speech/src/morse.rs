//! Morse code as sound.

use std::f64::consts::{PI, TAU};

use serde::{Deserialize, Serialize};

use crate::random::Random;

/// The letters and figures, with their signs (ITU-R M.1677-1, 2009, §1.1).
pub const MORSE_ALPHABET: [(char, &str); 36] = [
    ('A', ".-"),
    ('B', "-..."),
    ('C', "-.-."),
    ('D', "-.."),
    ('E', "."),
    ('F', "..-."),
    ('G', "--."),
    ('H', "...."),
    ('I', ".."),
    ('J', ".---"),
    ('K', "-.-"),
    ('L', ".-.."),
    ('M', "--"),
    ('N', "-."),
    ('O', "---"),
    ('P', ".--."),
    ('Q', "--.-"),
    ('R', ".-."),
    ('S', "..."),
    ('T', "-"),
    ('U', "..-"),
    ('V', "...-"),
    ('W', ".--"),
    ('X', "-..-"),
    ('Y', "-.--"),
    ('Z', "--.."),
    ('0', "-----"),
    ('1', ".----"),
    ('2', "..---"),
    ('3', "...--"),
    ('4', "....-"),
    ('5', "....."),
    ('6', "-...."),
    ('7', "--..."),
    ('8', "---.."),
    ('9', "----."),
];

/// Lengths in dots: a dash, the spaces between letters and between words (ITU-R M.1677-1, §1.2).
const DASH: usize = 3;
const LETTER_SPACE: usize = 3;
const WORD_SPACE: usize = 7;

/// Seconds of a dot at one word a minute: `PARIS`, the usual word, is 50 dots long.
const DOT_AT_ONE_WPM: f64 = 60.0 / 50.0;

/// Letters of a word, at most.
const MAX_WORD: usize = 5;

/// How fast a tone comes and goes, in seconds: at once, it would click.
const EDGE: f64 = 0.004;

/// How Morse code sounds; each recording draws its own of these ranges.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct MorseConfig {
    /// Length of a recording at most.
    pub seconds: f64,
    /// Words a minute.
    pub words_per_minute: [f64; 2],
    /// Frequency of the tone, in Hertz.
    pub pitch: [f64; 2],
    /// Power of the tone over that of the noise, in decibels.
    pub signal_to_noise: [f64; 2],
    /// Share of the tone's amplitude that comes and goes; 0 for a steady tone.
    pub fading: f64,
}

impl Default for MorseConfig {
    /// 20 to 30 words a minute, 400 to 900 Hertz, 5 to 30 dB above noise, fading by up to 70 %.
    fn default() -> Self {
        Self {
            seconds: 4.0,
            words_per_minute: [20.0, 30.0],
            pitch: [400.0, 900.0],
            signal_to_noise: [5.0, 30.0],
            fading: 0.7,
        }
    }
}

/// Sound at `rate` samples a second, and what it says: words of letters and figures drawn alike, as many as there is time for.
/// All of it is a function of `seed`.
///
/// ```
/// let config = attentive_speech::MorseConfig::default();
/// let (sound, text) = attentive_speech::morse(&config, 8000, 1);
/// assert_eq!(sound.len(), 32_000);
/// assert_eq!((sound, text), attentive_speech::morse(&config, 8000, 1));
/// ```
pub fn morse(config: &MorseConfig, rate: u32, seed: u64) -> (Vec<f32>, String) {
    let random = Random::new(seed);
    let Keying { dot, start, pitch, text } = Keying::draw(config, &random);
    let rate = f64::from(rate);
    let noise = 0.5_f64.sqrt() * 10_f64.powf(-random.between(config.signal_to_noise) / 20.0);
    let depth = config.fading * random.unit();
    let (fading, phase) = (random.between([0.2, 1.0]), random.between([0.0, TAU]));
    let loudness = random.between([0.2, 0.8]);
    let marks: Vec<bool> = keyed(&text);
    let n_samples = (config.seconds * rate) as usize;
    let mut sound = Vec::with_capacity(n_samples + 1);
    while sound.len() < n_samples {
        for normal in random.normals() {
            let time = sound.len() as f64 / rate;
            let tone = match envelope(&marks, dot, time - start) {
                0.0 => 0.0,
                amplitude => {
                    let fade = 1.0 - depth * (0.5 + 0.5 * (TAU * fading * time + phase).sin());
                    fade * amplitude * (TAU * pitch * time).sin()
                }
            };
            sound.push((loudness * (tone + noise * normal) / (1.0 + noise)) as f32);
        }
    }
    sound.truncate(n_samples);
    (sound, text)
}

/// The text of [`morse`] alone.
pub fn morse_text(config: &MorseConfig, seed: u64) -> String {
    Keying::draw(config, &Random::new(seed)).text
}

/// Characters of the longest text that [`morse`] may draw.
pub fn longest_morse_text(config: &MorseConfig) -> usize {
    // As it is drawn, of the shortest dots and without silence before the first; a dot that is cut off is none.
    let n_dots = (config.seconds / (DOT_AT_ONE_WPM / config.words_per_minute[1])) as usize;
    // `E` is the shortest, a dot and the space before it; the space between words takes as much more.
    1 + n_dots.saturating_sub(1) / (1 + LETTER_SPACE).min(WORD_SPACE - LETTER_SPACE)
}

/// What is keyed, and how.
struct Keying {
    /// Seconds of a dot, and of the silence before the first.
    dot: f64,
    start: f64,
    /// In Hertz.
    pitch: f64,
    text: String,
}

impl Keying {
    fn draw(config: &MorseConfig, random: &Random) -> Self {
        let dot = DOT_AT_ONE_WPM / random.between(config.words_per_minute);
        let pitch = random.between(config.pitch);
        let start = random.between([0.0, 3.0 * dot]);
        let n_dots = ((config.seconds - start).max(0.0) / dot) as usize;
        Self { dot, start, pitch, text: words(random, n_dots) }
    }
}

/// Words that take `n_dots` at most; one letter at least.
fn words(random: &Random, n_dots: usize) -> String {
    let mut text = String::new();
    let mut left = 1 + random.below(MAX_WORD);
    loop {
        let (letter, _) = MORSE_ALPHABET[random.below(MORSE_ALPHABET.len())];
        let next = if left == 0 { format!("{text} {letter}") } else { format!("{text}{letter}") };
        left = if left == 0 { random.below(MAX_WORD) } else { left - 1 };
        if !text.is_empty() && keyed(&next).len() > n_dots {
            return text;
        }
        text = next;
    }
}

/// Whether there is a tone in each dot of time while `text` is keyed; what is not a letter, figure or space is passed over.
pub fn keyed(text: &str) -> Vec<bool> {
    let mut marks = Vec::new();
    let mut space = 0;
    for letter in text.chars() {
        if letter == ' ' {
            space = WORD_SPACE;
            continue;
        }
        let Some((_, signs)) = MORSE_ALPHABET.iter().find(|(known, _)| *known == letter) else { continue };
        marks.resize(marks.len() + space, false);
        for (idx, sign) in signs.bytes().enumerate() {
            marks.resize(marks.len() + usize::from(idx > 0), false);
            marks.resize(marks.len() + if sign == b'-' { DASH } else { 1 }, true);
        }
        space = LETTER_SPACE;
    }
    marks
}

/// Amplitude of the tone at a time after its beginning: 1 where there is a mark, with edges of raised cosines.
fn envelope(marks: &[bool], dot: f64, time: f64) -> f64 {
    let at = time / dot;
    let is_marked = |idx: f64| idx >= 0.0 && marks.get(idx as usize).copied().unwrap_or(false);
    let here = f64::from(u8::from(is_marked(at)));
    // The nearest border of a dot, and how far it is.
    let (border, distance) = (at.round(), (at - at.round()) * dot);
    if distance.abs() >= EDGE / 2.0 {
        return here;
    }
    let [before, after] = [border - 0.5, border + 0.5].map(|idx| f64::from(u8::from(is_marked(idx))));
    let rise = 0.5 + 0.5 * (PI * distance / EDGE).sin();
    before + (after - before) * rise
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_is_longer_than_the_longest() {
        let sounds =
            [(0.01, [20.0, 30.0]), (0.18, [30.0; 2]), (0.99, [7.0, 30.1]), (1.2, [24.0, 36.0]), (2.0, [300.0; 2])];
        for (seconds, words_per_minute) in sounds {
            let config = MorseConfig { seconds, words_per_minute, ..MorseConfig::default() };
            let longest = longest_morse_text(&config);
            for seed in 0..2_000 {
                let text = morse_text(&config, seed);
                assert!((1..=longest).contains(&text.chars().count()), "{text} of {longest}");
            }
            let n_dots = (seconds * words_per_minute[1] / DOT_AT_ONE_WPM + 1e-9).floor() as usize;
            for text in ["E".repeat(longest), format!("E{}", " E".repeat((longest - 1) / 2))] {
                assert!(longest == 1 || keyed(&text).len() <= n_dots, "{text} of {n_dots} dots");
            }
            assert!(keyed(&"E".repeat(longest + 1)).len() > n_dots);
        }
    }

    #[test]
    fn paris_is_fifty_dots_long_with_the_space_after_it() {
        assert_eq!(keyed("PARIS").len() + WORD_SPACE, 50);
        let shown = |text| keyed(text).into_iter().map(|mark| if mark { '=' } else { ' ' }).collect::<String>();
        assert_eq!(shown("EA T"), "=   = ===       ===");
    }

    #[test]
    fn signs_differ() {
        for (idx, (letter, sign)) in MORSE_ALPHABET.iter().enumerate() {
            assert!(MORSE_ALPHABET[..idx].iter().all(|(other, signs)| other != letter && signs != sign), "{letter}");
        }
    }

    #[test]
    fn the_tone_is_where_the_marks_are() {
        let config =
            MorseConfig { fading: 0.0, signal_to_noise: [90.0; 2], pitch: [500.0; 2], ..MorseConfig::default() };
        for seed in 0..20 {
            let (sound, text) = morse(&config, 8000, seed);
            assert_eq!(text, morse_text(&config, seed));
            let n_marks = keyed(&text).iter().filter(|&&mark| mark).count() as f64;
            let loudest = sound.iter().fold(0.0, |max: f32, sample| max.max(sample.abs()));
            let power: f64 = sound.iter().map(|&sample| f64::from(sample / loudest).powi(2)).sum::<f64>() / 8000.0;
            // Half of the power of a tone of amplitude 1 while it lasts: dots of 40 to 60 ms.
            let dot = 2.0 * power / n_marks;
            assert!((0.038..0.062).contains(&dot), "{text}: a dot of {dot:.3} s");
            assert!(keyed(&text).len() as f64 * dot < 4.1, "{text}");
        }
    }
}
