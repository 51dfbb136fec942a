//! Spectrograms against `WhisperFeatureExtractor`, and files against libsndfile (`tests/golden/generate.py`).

use attentive_speech::{FeatureConfig, LogMel, Recording};
use attentive_testkit::{Area, Comparison, Golden, largest_error, named};

fn golden() -> Golden {
    Golden::of(env!("CARGO_MANIFEST_DIR"))
}

/// The generator's sound.
fn sound(n: usize) -> Vec<f32> {
    let quiet = n / 2..3 * n / 4;
    let sample =
        |(at, noise): (usize, f32)| if quiet.contains(&at) { 0.0 } else { noise * 0.5_f32.powi((at / 1000) as i32) };
    named("sound", n).into_iter().enumerate().map(sample).collect()
}

#[test]
fn spectrograms_are_those_of_transformers() {
    let against = format!("transformers {}", golden().version("transformers"));
    let mut comparison = Comparison::new(Area::Numbers, "log-mel spectrograms of Whisper", against, 1e-5);
    for case in golden().cases("spectrograms.json") {
        let number = |key: &str| case[key].as_u64().unwrap() as usize;
        let config = FeatureConfig { n_mels: number("n_mels"), window_seconds: 1.0, ..FeatureConfig::default() };
        let frames = LogMel::new(&config).unwrap().window(&sound(number("n_samples")));
        assert_eq!(frames.len(), 100 * config.n_mels);
        let kept = case["frames"].as_array().unwrap().iter().map(|frame| frame.as_u64().unwrap() as usize);
        let found: Vec<f32> =
            kept.flat_map(|frame| frames[frame * config.n_mels..][..config.n_mels].to_vec()).collect();
        let error = largest_error(&found, &Golden::tensor(&case, "features"));
        comparison.case(format!("{} bins of {} samples", config.n_mels, number("n_samples")), error);
        comparison.f32_of_the_other(case["f32_error"].as_f64().unwrap());
    }
    comparison.report();
}

#[test]
fn sound_longer_than_a_window_has_a_frame_for_each_hop() {
    let config = FeatureConfig { window_seconds: 1.0, ..FeatureConfig::default() };
    let log_mel = LogMel::new(&config).unwrap();
    let sound = sound(20_000);
    assert_eq!(log_mel.all(&sound).len(), 125 * 80);
    assert_eq!(log_mel.all(&sound[..5000]), log_mel.window(&sound[..5000]));
}

#[test]
fn files_of_every_kind_are_read_as_libsndfile_reads_them() {
    let against = format!("soundfile {}", golden().version("soundfile"));
    let mut lossless = Comparison::new(Area::Numbers, "samples of WAV and FLAC files", against.clone(), 1e-6);
    let mut lossy = Comparison::new(Area::Numbers, "samples of MP3, Ogg Vorbis and ADPCM files", against, 1e-3);
    for case in golden().cases("files.json") {
        let name = case["file"].as_str().unwrap();
        let Recording { samples, rate } = Recording::read(&golden().path(name)).unwrap();
        assert_eq!((u64::from(rate), samples.len() as u64), (11_025, case["n"].as_u64().unwrap()), "{name}");
        let expected = Golden::tensor(&case, "samples");
        // What a coder appends to the last of its blocks is not compared.
        let found: Vec<f32> = samples.into_iter().step_by(7).take(expected.len()).collect();
        let error = largest_error(&found, &expected);
        let is_lossy = ["tone.mp3", "vorbis.ogg", "ima.wav"].contains(&name);
        if is_lossy { &mut lossy } else { &mut lossless }.case(name, error);
    }
    lossless.report();
    lossy.report();
}
