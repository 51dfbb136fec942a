//! Contexts of episodes.

use attentive_core::{Episode, TrajectoryBatch, TrajectoryProcessor, Window};

use crate::{ExampleSet, seeded_rng, shuffle::below_64};

/// The steps that an agent sees before some of its actions.
///
/// ```
/// use attentive_core::{Action, ActionSpace, Batch, Episode, TrajectoryProcessor};
/// use attentive_data::{Epochs, ExampleBatcher, TrajectoryContexts};
///
/// let mut episode = Episode::begin(&[0.5], ActionSpace::Discrete(2));
/// episode.go_on(&Action::Discrete(1), 1.0, Some(&[0.25]));
/// episode.go_on(&Action::Discrete(0), 2.0, None);
/// let processor = TrajectoryProcessor::plain(1, ActionSpace::Discrete(2), 8);
/// let contexts = TrajectoryContexts::whole(vec![episode], processor);
/// let batch = ExampleBatcher::new(contexts, 4, 1)?.epoch(0).next().unwrap()?;
/// assert_eq!((batch.n_targets(), &batch.steps.returns[..]), (2, &[3.0, 2.0][..]));
/// # Ok::<(), attentive_data::DataError>(())
/// ```
#[derive(Debug)]
pub struct TrajectoryContexts {
    episodes: Vec<Episode>,
    /// The returns to go of each.
    returns: Vec<Vec<f32>>,
    /// The number of steps before each episode, and of all.
    starts: Vec<u64>,
    processor: TrajectoryProcessor,
    /// The seed of drawn contexts; without it, they follow one another.
    seed: Option<u64>,
}

impl TrajectoryContexts {
    /// Contexts that follow one another, so that each step of each episode is in one.
    pub fn whole(episodes: Vec<Episode>, processor: TrajectoryProcessor) -> Self {
        let ends = episodes.iter().scan(0, |sum, episode| {
            *sum += episode.n_steps() as u64;
            Some(*sum)
        });
        let starts = std::iter::once(0).chain(ends).collect();
        let returns = episodes.iter().map(Episode::returns_to_go).collect();
        Self { episodes, returns, starts, processor, seed: None }
    }

    /// Contexts that end at steps drawn from all by `seed` and the epoch, each being the last steps that an agent sees there:
    /// as many as those that would follow one another.
    pub fn drawn(episodes: Vec<Episode>, processor: TrajectoryProcessor, seed: u64) -> Self {
        Self { seed: Some(seed), ..Self::whole(episodes, processor) }
    }

    /// Number of steps.
    pub fn n_steps(&self) -> u64 {
        self.starts.last().copied().unwrap_or(0)
    }

    /// Number of episodes.
    pub fn n_episodes(&self) -> usize {
        self.episodes.len()
    }

    /// Steps of the longest context.
    pub fn longest(&self) -> usize {
        let longest = self.episodes.iter().map(Episode::n_steps).max().unwrap_or(0);
        longest.min(self.processor.context)
    }

    /// The ends of contexts that follow one another, each with its episode.
    fn ends(&self) -> impl Iterator<Item = (u32, u32)> {
        let context = self.processor.context.max(1);
        let of_episode = move |(idx, episode): (usize, &Episode)| {
            let n_steps = episode.n_steps();
            (0..n_steps.div_ceil(context)).map(move |n| (idx as u32, ((n + 1) * context).min(n_steps) as u32))
        };
        self.episodes.iter().enumerate().flat_map(of_episode)
    }
}

impl ExampleSet for TrajectoryContexts {
    /// The episode, and the number of its steps up to the end of the context.
    type Example = (u32, u32);
    type Batch = TrajectoryBatch;

    fn epoch(&self, epoch: u64) -> Vec<(u32, u32)> {
        let Some(seed) = self.seed else { return self.ends().collect() };
        let mut random = seeded_rng(seed, "contexts", epoch);
        let mut draw = || {
            let step = below_64(self.n_steps(), &mut random);
            let episode = self.starts.partition_point(|&start| start <= step) - 1;
            (episode as u32, (step - self.starts[episode]) as u32 + 1)
        };
        self.ends().map(|_| draw()).collect()
    }

    fn batch(&self, _epoch: u64, examples: &[(u64, (u32, u32))]) -> TrajectoryBatch {
        let window = |&(_, (episode, end)): &(u64, (u32, u32))| {
            let (episode, end) = (episode as usize, end as usize);
            // Where contexts follow one another, they do not overlap.
            let first = match self.seed {
                Some(_) => end.saturating_sub(self.processor.context),
                None => (end - 1) / self.processor.context * self.processor.context,
            };
            Window { episode: &self.episodes[episode], returns: &self.returns[episode], steps: first..end }
        };
        let windows: Vec<Window<'_>> = examples.iter().map(window).collect();
        TrajectoryBatch {
            steps: self.processor.steps(&windows),
            lengths: windows.iter().map(|window| window.steps.len()).collect(),
            indices: examples.iter().map(|&(_, (episode, _))| u64::from(episode)).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use attentive_core::{Action, ActionSpace};

    use super::*;

    /// Episodes of these lengths, whose observations number their steps from 0 through all.
    fn episodes(lengths: &[usize]) -> Vec<Episode> {
        let mut number = -1.0;
        let mut next = || {
            number += 1.0;
            [number]
        };
        let mut episode = |&n: &usize| {
            let mut episode = Episode::begin(&next(), ActionSpace::Discrete(2));
            for _ in 1..n {
                episode.go_on(&Action::Discrete(0), 1.0, Some(&next()));
            }
            episode.go_on(&Action::Discrete(1), 1.0, None);
            episode
        };
        lengths.iter().map(&mut episode).collect()
    }

    fn processor(context: usize) -> TrajectoryProcessor {
        TrajectoryProcessor::plain(1, ActionSpace::Discrete(2), context)
    }

    #[test]
    fn contexts_that_follow_one_another_have_each_step_once() {
        let contexts = TrajectoryContexts::whole(episodes(&[5, 1, 3]), processor(3));
        assert_eq!(contexts.epoch(0), [(0, 3), (0, 5), (1, 1), (2, 3)]);
        let examples: Vec<(u64, (u32, u32))> = (0..).zip(contexts.epoch(0)).collect();
        let batch = contexts.batch(0, &examples);
        assert_eq!((batch.lengths, batch.indices), (vec![3, 2, 1, 3], vec![0, 0, 1, 2]));
        assert_eq!(batch.steps.states, [0.0, 1.0, 2.0, 3.0, 4.0, 0.0, 5.0, 0.0, 0.0, 6.0, 7.0, 8.0]);
        assert_eq!(batch.steps.timesteps, [0, 1, 2, 3, 4, 0, 0, 0, 0, 0, 1, 2]);
        assert_eq!(batch.steps.returns[..6], [5.0, 4.0, 3.0, 2.0, 1.0, 0.0]);
    }

    #[test]
    fn drawn_contexts_are_what_an_agent_sees_at_steps_drawn_evenly() {
        let contexts = TrajectoryContexts::drawn(episodes(&[40, 8]), processor(4), 7);
        let mut counts = vec![0; 48];
        for epoch in 0..400 {
            let ends = contexts.epoch(epoch);
            assert_eq!((ends.len(), &ends), (12, &contexts.epoch(epoch)));
            for (episode, end) in ends {
                counts[episode as usize * 40 + end as usize - 1] += 1;
            }
        }
        assert!(counts.iter().all(|n| (60..140).contains(n)), "100 of each are expected: {counts:?}");
        let batch = contexts.batch(0, &[(0, (0, 2)), (1, (1, 8))]);
        assert_eq!(batch.lengths, [2, 4]);
        assert_eq!(batch.steps.timesteps, [0, 1, 0, 0, 4, 5, 6, 7]);
    }
}
