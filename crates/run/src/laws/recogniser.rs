//! Laws of models that write what is said.

use attentive_backend::ops;
use attentive_core::{Spectrograms, SpeechBatch, TokenId, TokenMatrix};
use attentive_model::{SpeechModel, SpeechObjective};
use attentive_task::Result;
use burn::{module::Module, tensor::activation::log_softmax};

use super::{
    law::{Bound, Law, largest_difference},
    subject::{Subject, values},
};

/// Frames of the sound that laws are tried on, at most.
const FRAMES: usize = 12;

/// Sound that laws are tried on.
struct Sound {
    /// Frames and bins.
    shape: [usize; 2],
}

impl Sound {
    /// Some sound; `changed` is a frame that is another.
    fn rows(&self, n_rows: usize, seed: usize, changed: Option<usize>) -> Spectrograms {
        let [n_frames, n_bins] = self.shape;
        let value = |row: usize, frame: usize, bin: usize| {
            let at = (seed + row) * 131 + frame * 37 + bin * 11 + frame * bin * 7;
            let moved = if changed == Some(frame) { 1.0 } else { 0.0 };
            (at % 23) as f32 / 11.5 - 1.0 + moved
        };
        let bins = move |row, frame| (0..n_bins).map(move |bin| value(row, frame, bin));
        let frames = |row| (0..n_frames).flat_map(move |frame| bins(row, frame)).collect::<Vec<f32>>();
        Spectrograms::new((0..n_rows).flat_map(frames).collect(), self.shape)
    }
}

impl<M: Module + SpeechModel> Subject<M> {
    /// Tries every law of a recogniser of speech that reads spectrograms of up to so many frames and bins.
    pub(super) fn recogniser_laws(&self, [n_frames, n_bins]: [usize; 2]) -> Result<Vec<Law>> {
        let sound = &Sound { shape: [n_frames.min(FRAMES), n_bins] };
        let law = |name, what, measured, bound| Law { name, what, measured, bound };
        let causality = "what follows a token changes its log-probabilities by";
        let sight = "a frame of the sound changes the first log-probabilities by";
        let company = "company changes log-probabilities by";
        let cache = "a token at a time changes log-probabilities by";
        let rows: Vec<Vec<TokenId>> = self.ragged(11).into_iter().map(|row| [&[0], &row[..]].concat()).collect();
        let batch = SpeechBatch {
            sound: sound.rows(rows.len(), 3, None),
            target: TokenMatrix::from_rows(&rows, 0, 0),
            n_prompt: 1,
            indices: (0..rows.len() as u64).collect(),
        };
        Ok(vec![
            law("causality", causality, self.spoken_causality(sound), Bound::AtMost(0.0)),
            law("sight", sight, self.hearing(sound), Bound::Above(0.0)),
            law("company", company, self.company_of_sound(sound), Bound::AtMost(1e-3)),
            law("cache", cache, self.spoken_cache(sound), Bound::AtMost(1e-3)),
            self.gradients(&SpeechObjective::default(), &batch)?,
        ])
    }

    /// Log-probabilities at every position of `target`, read at once: `tgt · vocab` values.
    fn spoken_at_once(&self, sound: Spectrograms, target: &[TokenId]) -> Vec<f32> {
        let target = TokenMatrix::from_rows(&[[target, &[0]].concat()], 0, 0);
        let batch = SpeechBatch { sound, target, n_prompt: 1, indices: vec![0] };
        let (projection, bias) = self.model.output_projection();
        let hidden = self.model.teacher_forced(&batch, None);
        values(log_softmax(ops::linear(hidden, projection.transpose(), bias), 2))
    }

    /// Log-probabilities of the first token of each row.
    fn first_spoken(&self, sound: &Spectrograms) -> Vec<f32> {
        let mut state = self.model.listen(sound);
        self.model.log_probs(&vec![0; sound.n_rows()], &mut state).expect("the device hands its results over")
    }

    fn spoken_causality(&self, sound: &Sound) -> f64 {
        let target = self.row(2, self.len);
        let expected = self.spoken_at_once(sound.rows(1, 1, None), &target);
        let vocab = expected.len() / self.len;
        let change_at = |at: usize| {
            let changed = self.spoken_at_once(sound.rows(1, 1, None), &self.changed(&target, at));
            largest_difference(&changed[..at * vocab], &expected[..at * vocab])
        };
        (1..self.len).map(change_at).fold(0.0, f64::max)
    }

    /// Changes each frame in turn: the smallest change.
    fn hearing(&self, sound: &Sound) -> f64 {
        let expected = self.first_spoken(&sound.rows(1, 1, None));
        let change_at = |frame| largest_difference(&self.first_spoken(&sound.rows(1, 1, Some(frame))), &expected);
        (0..sound.shape[0]).map(change_at).fold(f64::INFINITY, f64::min)
    }

    /// Recordings together, against each alone.
    fn company_of_sound(&self, sound: &Sound) -> f64 {
        const ROWS: usize = 3;
        let together = self.first_spoken(&sound.rows(ROWS, 5, None));
        let vocab = together.len() / ROWS;
        let alone = |row: usize| {
            let alone = self.first_spoken(&sound.rows(1, 5 + row, None));
            largest_difference(&alone, &together[row * vocab..][..vocab])
        };
        (0..ROWS).map(alone).fold(0.0, f64::max)
    }

    /// One token after another, against all at once.
    fn spoken_cache(&self, sound: &Sound) -> f64 {
        let target = self.row(5, self.len);
        let expected = self.spoken_at_once(sound.rows(1, 2, None), &target);
        let mut state = self.model.listen(&sound.rows(1, 2, None));
        let steps = target.iter().zip(expected.chunks_exact(expected.len() / self.len));
        let differences = steps.map(|(&token, expected)| {
            let log_probs = self.model.log_probs(&[token], &mut state).expect("the device hands its results over");
            largest_difference(&log_probs, expected)
        });
        differences.fold(0.0, f64::max)
    }
}
