//! Episodes of an agent, read from files of one a line.

use std::path::Path;

use attentive_core::{ActionSpace, Actions, Episode};
use serde::Deserialize;

use crate::{DataError, FileReport, LineReader};

/// The longest line that is read: an episode of some millions of numbers.
const MAX_LINE_BYTES: usize = 1 << 27;

/// Discrete actions that there may be.
const MAX_ACTIONS: usize = 1 << 16;

/// The keys of an episode's line.
const FIELDS: [&str; 3] = ["observations", "actions", "rewards"];

/// What all episodes of an agent have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EpisodeShape {
    /// Numbers of an observation.
    pub n_features: usize,
    /// What the agent can do.
    pub actions: ActionSpace,
}

/// A line of a file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EpisodeLine {
    observations: Vec<Vec<f32>>,
    actions: ActionsLine,
    rewards: Vec<f32>,
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "actions must be whole numbers from 0 on, or lists of numbers")]
enum ActionsLine {
    Discrete(Vec<u32>),
    Continuous(Vec<Vec<f32>>),
}

impl EpisodeShape {
    /// The shape of an episode, whose discrete actions are not known to be all.
    pub fn of(episode: &Episode) -> Self {
        let actions = match episode.actions.space() {
            ActionSpace::Discrete(_) => ActionSpace::Discrete(MAX_ACTIONS),
            continuous => continuous,
        };
        Self { n_features: episode.n_features, actions }
    }

    /// The smallest shape that all of some episodes of one kind have.
    pub fn of_all(episodes: &[Episode]) -> Option<Self> {
        let wider = |a: ActionSpace, b: ActionSpace| if a.width() < b.width() { b } else { a };
        let actions = episodes.iter().map(|episode| episode.actions.space()).reduce(wider)?;
        Some(Self { n_features: episodes.first()?.n_features, actions })
    }

    /// Holds an episode against the shape.
    ///
    /// # Errors
    /// What is wrong, by its field and step.
    pub fn check(&self, episode: &Episode) -> Result<(), String> {
        let Episode { n_features, observations, actions, rewards } = episode;
        let n_steps = episode.n_steps();
        if n_steps == 0 {
            return Err("it has no steps".to_owned());
        }
        for (field, n) in [("actions", actions.len()), ("rewards", rewards.len())] {
            if n != n_steps {
                return Err(format!("there are {n_steps} observations and {n} {field}: every step has one of each"));
            }
        }
        if *n_features != self.n_features {
            return Err(format!("observations[0] has {n_features} numbers, where others have {}", self.n_features));
        }
        finite("observations", observations, *n_features)?;
        finite("rewards", rewards, 1)?;
        match (actions, self.actions) {
            (Actions::Discrete(actions), ActionSpace::Discrete(n)) => {
                match actions.iter().enumerate().find(|&(_, &action)| action as usize >= n) {
                    Some((step, action)) => {
                        Err(format!("actions[{step}] is {action}, which is not one of 0 to {}", n - 1))
                    }
                    None => Ok(()),
                }
            }
            (Actions::Continuous { width, values }, ActionSpace::Continuous(n)) if *width == n => {
                finite("actions", values, n)
            }
            (Actions::Continuous { width, .. }, ActionSpace::Continuous(n)) => {
                Err(format!("actions[0] has {width} numbers, where others have {n}"))
            }
            (Actions::Discrete(_), _) => {
                Err("its actions are whole numbers, those of others lists of numbers".to_owned())
            }
            (Actions::Continuous { .. }, _) => {
                Err("its actions are lists of numbers, those of others whole numbers".to_owned())
            }
        }
    }
}

/// Refuses a number that is not finite, by the step that it is of.
fn finite(field: &str, values: &[f32], width: usize) -> Result<(), String> {
    match values.iter().position(|value| !value.is_finite()) {
        Some(at) => Err(format!("{field}[{}] has {}, which is not a finite number", at / width.max(1), values[at])),
        None => Ok(()),
    }
}

/// Rows one after another, and their width.
fn flat(field: &str, rows: &[Vec<f32>]) -> Result<(usize, Vec<f32>), String> {
    let width = rows.first().map_or(0, Vec::len);
    match rows.iter().position(|row| row.len() != width) {
        Some(step) => Err(format!("{field}[{step}] has {} numbers, {field}[0] has {width}", rows[step].len())),
        None if width == 0 && !rows.is_empty() => Err(format!("{field}[0] is empty")),
        None => Ok((width, rows.concat())),
    }
}

impl EpisodeLine {
    fn episode(self) -> Result<Episode, String> {
        let (n_features, observations) = flat("observations", &self.observations)?;
        let actions = match self.actions {
            ActionsLine::Discrete(actions) => Actions::Discrete(actions),
            ActionsLine::Continuous(actions) => {
                let (width, values) = flat("actions", &actions)?;
                Actions::Continuous { width, values }
            }
        };
        Ok(Episode { n_features, observations, actions, rewards: self.rewards })
    }
}

/// Reads the episodes of a file of JSON lines, compressed or not: each line is one episode, `{"observations": [[…], …],
/// "actions": […], "rewards": […]}`, with an observation, an action and a reward for each step. Discrete actions are whole
/// numbers from 0 on, others lists of numbers. Blank lines are passed over. All have the shape `expected`, or that of the
/// first.
///
/// ```
/// # let dir = tempfile::tempdir()?;
/// # let path = dir.path().join("a.jsonl");
/// std::fs::write(&path, r#"{"observations": [[0.5], [0.25]], "actions": [1, 0], "rewards": [0, 1]}"#)?;
/// let (episodes, _) = attentive_data::read_episodes(&path, None)?;
/// assert_eq!(episodes[0].returns_to_go(), [1.0, 1.0]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// Those of reading, [`DataError::Json`] and [`DataError::Episode`] with line and field, and [`DataError::NoEpisodes`].
pub fn read_episodes(path: &Path, mut expected: Option<EpisodeShape>) -> Result<(Vec<Episode>, FileReport), DataError> {
    let mut reader = LineReader::new([path], MAX_LINE_BYTES);
    let mut episodes = Vec::new();
    while let Some(line) = reader.next_line()? {
        let wrong =
            |problem| DataError::Episode { path: line.place.path.to_path_buf(), line: line.place.line, problem };
        if line.bytes.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        let parsed: EpisodeLine = line.json().map_err(|error| with_field(&line.bytes, error))?;
        let episode = parsed.episode().map_err(wrong)?;
        expected.get_or_insert(EpisodeShape::of(&episode)).check(&episode).map_err(wrong)?;
        episodes.push(episode);
    }
    let report = reader.finish()?.pop().filter(|_| !episodes.is_empty());
    let report = report.ok_or_else(|| DataError::NoEpisodes { path: path.to_owned() })?;
    Ok((episodes, report))
}

/// An error with the field in which it is: NaN, for example, is not JSON.
fn with_field(bytes: &[u8], error: DataError) -> DataError {
    let DataError::Json { path, line, column, mut problem } = error else { return error };
    let before = String::from_utf8_lossy(&bytes[..column.min(bytes.len())]);
    let place = |field: &&str| before.rfind(&format!("\"{field}\""));
    let field = FIELDS.iter().filter(|field| place(field).is_some()).max_by_key(|field| place(field));
    if let Some(field) = field.filter(|field| !problem.contains(**field)) {
        problem = format!("{field}: {problem}");
    }
    DataError::Json { path, line, column, problem }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn read(text: &str) -> Result<Vec<Episode>, DataError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("episodes.jsonl");
        fs::write(&path, text).unwrap();
        read_episodes(&path, None).map(|(episodes, _)| episodes)
    }

    const GOOD: &str = r#"{"observations": [[1, 2], [3, 4]], "actions": [0, 2], "rewards": [1, -1.5]}"#;

    #[test]
    fn episodes_are_read_and_their_shape_is_the_widest() {
        let other = r#"{"actions": [4], "rewards": [0.5], "observations": [[5, 6]]}"#;
        let episodes = read(&format!("{GOOD}\n\n{other}\n")).unwrap();
        assert_eq!(episodes[0].observations, [1.0, 2.0, 3.0, 4.0]);
        assert_eq!(episodes[0].total(), -0.5);
        let shape = EpisodeShape { n_features: 2, actions: ActionSpace::Discrete(5) };
        assert_eq!(EpisodeShape::of_all(&episodes), Some(shape));
        let continuous = r#"{"observations": [[1]], "actions": [[0.5, -1]], "rewards": [0]}"#;
        assert_eq!(read(continuous).unwrap()[0].actions.space(), ActionSpace::Continuous(2));
    }

    #[test]
    fn what_is_wrong_is_told_by_file_line_and_field() {
        for (line, words) in [
            ("", &["holds no episode"][..]),
            ("{}", &["jsonl:1", "observations"]),
            (r#"{"observations": [[NaN, 2]], "actions": [0], "rewards": [1]}"#, &["jsonl:1", "observations: "]),
            (r#"{"observations": [[1, 2]], "actions": [0], "rewards": [NaN]}"#, &["rewards: "]),
            (r#"{"observations": [[1, 2]], "actions": [NaN], "rewards": [1]}"#, &["actions: "]),
            (r#"{"observations": [[1, 1e39]], "actions": [0], "rewards": [1]}"#, &["observations[0]", "finite"]),
            (r#"{"observations": [[1, 2]], "actions": [-1], "rewards": [1]}"#, &["actions", "whole numbers from 0"]),
            (r#"{"observations": [[1, 2]], "actions": [0.5], "rewards": [1]}"#, &["actions", "whole numbers"]),
            (r#"{"observations": [[1, 2]], "actions": [99999], "rewards": [1]}"#, &["actions[0] is 99999"]),
            (r#"{"observations": [[1, 2]], "actions": [0, 1], "rewards": [1]}"#, &["1 observations and 2 actions"]),
            (r#"{"observations": [[1, 2]], "actions": [0], "rewards": []}"#, &["0 rewards"]),
            (r#"{"observations": [[1, 2], [3]], "actions": [0, 0], "rewards": [1, 1]}"#, &["observations[1] has 1"]),
            (r#"{"observations": [[1]], "actions": [0], "rewards": [1]}"#, &["observations[0] has 1", "others have 2"]),
            (r#"{"observations": [[1, 2]], "actions": [[1]], "rewards": [1]}"#, &["lists of numbers"]),
            (r#"{"observations": [], "actions": [], "rewards": []}"#, &["no steps"]),
            (r#"{"observations": [[]], "actions": [0], "rewards": [1]}"#, &["observations[0] is empty"]),
            (r#"{"observations": [[1, 2]], "actions": [0], "rewards": [1], "info": 3}"#, &["info"]),
            (r#"{"observations": [[1, 2"#, &["observations: ", "column"]),
            ("[[[1, 2]], [0], [1]]", &["expected an object"]),
        ] {
            // Behind a good line, so that episodes are held against one another.
            let (text, number) = if line.len() > 2 { (format!("{GOOD}\n{line}"), ":2: ") } else { (line.into(), "") };
            let error = read(&text).unwrap_err().to_string();
            let words = words.iter().filter(|word| **word != "jsonl:1" || line.len() <= 2);
            assert!(words.clone().all(|word| error.contains(word)) && error.contains(number), "{line}: {error}");
        }
    }
}
