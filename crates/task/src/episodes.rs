//! Episodes: files, or those that scripted policies make.

use std::path::{Path, PathBuf};

use attentive_bundle::DataRecord;
use attentive_core::{ActionSpace, Actions, Episode};
use attentive_data::{EpisodeShape, read_episodes, sha256_of};
use attentive_environments::Builtin;
use attentive_weights::{Npz, WeightsError};

use crate::{Log, Result, config::EpisodesRecipe, thousands};

/// Episodes that are made, if a recipe does not say how many; and the seed of those for training, and for validation.
const BUILTIN_EPISODES: usize = 1_000;
const BUILTIN_SEEDS: [u64; 2] = [1, 2];

/// The arrays of an archive that say after which steps an episode is over, as D4RL and gymnasium call them.
const ENDS: [&str; 5] = ["terminals", "timeouts", "terminations", "truncations", "dones"];

/// The episodes of a recipe.
#[derive(Debug)]
pub struct Episodes {
    /// What is learnt from.
    pub train: Vec<Episode>,
    /// What tells during training how good the model is.
    pub validation: Option<Vec<Episode>>,
    /// What all have in common.
    pub shape: EpisodeShape,
    /// Names, sizes and hashes of the parts.
    pub records: Vec<DataRecord>,
}

impl Episodes {
    /// Reads the files that a recipe names, or makes episodes.
    ///
    /// # Errors
    /// A file can't be read, or one of its episodes is not one of the others' shape; file, line and field are told.
    pub fn open(recipe: &EpisodesRecipe, log: &dyn Log) -> Result<Self> {
        let mut records = Vec::new();
        let mut part = |name: &str, paths: &[PathBuf], mut shape: Option<EpisodeShape>| -> Result<Vec<Episode>> {
            let mut episodes: Vec<Episode> = Vec::new();
            for path in paths {
                let (read, record) = read(path, name, shape, log)?;
                shape = shape.or_else(|| read.first().map(EpisodeShape::of));
                episodes.extend(read);
                records.push(record);
            }
            Ok(episodes)
        };
        let Some(train) = &recipe.train else { return Ok(Self::builtin(recipe)) };
        // Training data tells what actions there are, unless the recipe does.
        let first = part("train", train.paths(), None)?;
        let Some(mut shape) = EpisodeShape::of_all(&first) else {
            refuse!("data.train names no file: name one at least")
        };
        match (recipe.n_actions, &mut shape.actions) {
            (Some(n_actions), ActionSpace::Discrete(n)) if n_actions < *n => {
                refuse!("data.n_actions = {n_actions}, and the training data has the action {}: raise it", *n - 1);
            }
            (Some(n_actions), ActionSpace::Discrete(n)) => *n = n_actions,
            (Some(_), ActionSpace::Continuous(_)) => {
                refuse!("data.n_actions is for actions that are whole numbers, which those of data.train are not");
            }
            (None, _) => {}
        }
        let validation = recipe.validation.as_ref().map(|files| part("validation", files.paths(), Some(shape)));
        Ok(Self { train: first, validation: validation.transpose()?, shape, records })
    }

    /// Episodes of scripted policies.
    fn builtin(recipe: &EpisodesRecipe) -> Self {
        let builtin = recipe.environment.unwrap_or(Builtin::CartPole);
        let n_episodes = recipe.episodes.unwrap_or(BUILTIN_EPISODES);
        let [train, validation] = [("train", n_episodes), ("validation", n_episodes.div_ceil(10))];
        let mut records = Vec::new();
        let mut part = |(name, n): (&str, usize), seed| {
            let episodes = builtin.demonstrations(n, seed);
            records.push(DataRecord {
                split: name.to_owned(),
                name: format!("built-in {builtin}"),
                n_lines: episodes.len() as u64,
                sha256: sha256_of(episodes.iter().map(|episode| format!("{episode:?}\n"))),
            });
            episodes
        };
        let (train, validation) = (part(train, BUILTIN_SEEDS[0]), part(validation, BUILTIN_SEEDS[1]));
        let environment = builtin.environment();
        let shape = EpisodeShape { n_features: environment.n_features(), actions: environment.actions() };
        Self { train, validation: Some(validation), shape, records }
    }
}

/// The episodes of a file, and what is recorded of it.
fn read(path: &Path, split: &str, shape: Option<EpisodeShape>, log: &dyn Log) -> Result<(Vec<Episode>, DataRecord)> {
    let record =
        |n_lines, sha256| DataRecord { split: split.to_owned(), name: path.display().to_string(), n_lines, sha256 };
    let ends = |ending: &str| path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case(ending));
    if ends("npy") {
        refuse!("{} is an array of NumPy's: episodes are several, in a .npz, or lines of JSON", path.display());
    }
    if ends("npz") {
        let episodes = of_archive(path, shape, log)?;
        // All that is read of the archive, whichever way it is compressed.
        let sha256 = sha256_of(episodes.iter().map(|episode| format!("{episode:?}\n")));
        let record = record(episodes.len() as u64, sha256);
        return Ok((episodes, record));
    }
    let (episodes, report) = read_episodes(path, shape)?;
    report.notes.iter().for_each(|note| log.warning(note));
    let record = record(report.n_lines, report.sha256);
    Ok((episodes, record))
}

/// The episodes of NumPy's archive: `observations`, `actions` and `rewards` of all steps one after another, and arrays that
/// say after which of them an episode is over.
fn of_archive(path: &Path, shape: Option<EpisodeShape>, log: &dyn Log) -> Result<Vec<Episode>> {
    let file = match Npz::open(path) {
        Err(WeightsError::Damaged { path, cause }) => {
            refuse!("{} is damaged, or not an archive of NumPy's arrays ({cause}): copy it again", path.display())
        }
        opened => opened?,
    };
    let observations = file.tensor("observations")?;
    let [n_steps, n_features] = match observations.shape[..] {
        [n_steps, n_features] if n_features > 0 => [n_steps, n_features],
        [n_steps] => [n_steps, 1],
        _ => refuse!(
            "{}: observations have the shape {:?}; it must be [steps, numbers]",
            path.display(),
            observations.shape
        ),
    };
    let column = |name: &str| -> Result<Vec<f32>> {
        let array = file.tensor(name)?;
        match array.shape[..] {
            [n] | [n, 1] if n == n_steps => Ok(array.values),
            _ => refuse!(
                "{}: {name} has the shape {:?}, and there are {n_steps} observations",
                path.display(),
                array.shape
            ),
        }
    };
    let rewards = column("rewards")?;
    let actions = actions(path, &file, n_steps)?;
    let ends: Vec<&str> = ENDS.into_iter().filter(|name| file.shape(name).is_some()).collect();
    if ends.is_empty() {
        refuse!("{}: no array says where episodes end; there must be one of {}", path.display(), ENDS.join(", "));
    }
    let unread: Vec<&str> = file
        .names()
        .filter(|name| !["observations", "actions", "rewards"].contains(name) && !ENDS.contains(name))
        .collect();
    if !unread.is_empty() {
        log.warning(&format!("{}: not read: {}", path.display(), unread.join(", ")));
    }
    let mut is_last = vec![false; n_steps];
    for name in ends {
        is_last.iter_mut().zip(column(name)?).for_each(|(last, end)| *last |= end != 0.0);
    }
    let mut expected = shape;
    let (mut episodes, mut first) = (Vec::new(), 0);
    // The last steps are an episode whether their end is told or not.
    for end in (1..=n_steps).filter(|&end| end == n_steps || is_last[end - 1]) {
        let episode = Episode {
            n_features,
            observations: observations.values[first * n_features..end * n_features].to_vec(),
            actions: part_of(&actions, first, end),
            rewards: rewards[first..end].to_vec(),
        };
        if let Err(problem) = expected.get_or_insert(EpisodeShape::of(&episode)).check(&episode) {
            refuse!("{}: the episode of the rows from {first} on: {problem}", path.display());
        }
        episodes.push(episode);
        first = end;
    }
    match episodes.is_empty() {
        true => refuse!("{} has no steps", path.display()),
        false => Ok(episodes),
    }
}

/// The actions of an archive: whole numbers are discrete ones.
fn actions(path: &Path, file: &Npz, n_steps: usize) -> Result<Actions> {
    let array = file.tensor("actions")?;
    let width = match array.shape[..] {
        [n] if n == n_steps => 1,
        [n, width] if n == n_steps && width > 0 => width,
        _ => refuse!(
            "{}: actions have the shape {:?}, and there are {n_steps} observations",
            path.display(),
            array.shape
        ),
    };
    if file.is_float("actions") {
        return Ok(Actions::Continuous { width, values: array.values });
    }
    if width > 1 {
        refuse!("{}: actions are {width} whole numbers a step; discrete actions are one", path.display());
    }
    if let Some(step) = array.values.iter().position(|&action| action < 0.0) {
        refuse!("{}: actions[{step}] is {}; actions are counted from 0", path.display(), array.values[step]);
    }
    Ok(Actions::Discrete(array.values.iter().map(|&action| action as u32).collect()))
}

fn part_of(actions: &Actions, first: usize, end: usize) -> Actions {
    match actions {
        Actions::Discrete(actions) => Actions::Discrete(actions[first..end].to_vec()),
        Actions::Continuous { width, values } => {
            Actions::Continuous { width: *width, values: values[first * width..end * width].to_vec() }
        }
    }
}

/// What there is to say of episodes: `100 played episodes of 4,873 steps; returns from 9 to 500, 48.73 on average`.
pub fn describe(name: &str, episodes: &[Episode]) -> String {
    let n_steps: usize = episodes.iter().map(Episode::n_steps).sum();
    let totals: Vec<f64> = episodes.iter().map(Episode::total).collect();
    let mean = totals.iter().sum::<f64>() / totals.len().max(1) as f64;
    let [low, high] = [f64::min, f64::max].map(|of| totals.iter().copied().reduce(of).unwrap_or_default());
    format!(
        "{} {name} episodes of {} steps; returns from {low} to {high}, {mean:.2} on average",
        thousands(episodes.len() as u64),
        thousands(n_steps as u64)
    )
}
