//! `/api/runs`: the curves of trainings.

use std::{
    fs::{self, File, TryLockError},
    path::{Path, PathBuf},
    sync::Arc,
    time::UNIX_EPOCH,
};

use attentive_run::{Curve, Points};
use axum::{
    Json,
    extract::{Path as Place, State, rejection::PathRejection},
};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::task::spawn_blocking;

use crate::{
    app::App,
    error::{Failure, Kind},
};

/// What is read of a run's recipe.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Recipe {
    task: String,
    training: Training,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Training {
    steps: Option<u64>,
}

/// The log of a run.
const LOG: &str = "metrics.jsonl";
/// The most points of a curve; of more, some are left out.
const MAX_POINTS: usize = 1000;

fn no_runs() -> Failure {
    Failure::new(Kind::NotFound, "no folder of runs is shown here: start the server with --runs DIR")
}

pub(super) async fn list(State(app): State<Arc<App>>) -> Result<Json<Value>, Failure> {
    let folder = app.config.runs.clone().ok_or_else(no_runs)?;
    let runs = spawn_blocking(move || {
        let mut runs: Vec<(u64, Value)> = folders(&folder).iter().filter_map(|run| entry(run)).collect();
        runs.sort_by_key(|(updated, _)| std::cmp::Reverse(*updated));
        runs.into_iter().map(|(_, run)| run).collect::<Vec<Value>>()
    });
    Ok(Json(json!({ "runs": runs.await.map_err(|error| Failure::broken(&error))? })))
}

pub(super) async fn curves(
    State(app): State<Arc<App>>,
    name: Result<Place<String>, PathRejection>,
) -> Result<Json<Value>, Failure> {
    let Place(name) = name?;
    let folder = app.config.runs.clone().ok_or_else(no_runs)?;
    let series = spawn_blocking(move || {
        // By its name among those there are: a name is never a path.
        let is_it = |run: &&PathBuf| run.file_name().is_some_and(|found| found.to_str() == Some(&name));
        let missing = || Failure::new(Kind::NotFound, format!("there is no run {name:?}"));
        let run = folders(&folder).iter().find(is_it).cloned().ok_or_else(missing)?;
        let curves = attentive_run::curves(&run).map_err(|error| Failure::broken(&error))?;
        let series = |(curve, points): (Curve, Points)| {
            let step = points.len().div_ceil(MAX_POINTS).max(1);
            let last = points.len().saturating_sub(1);
            let kept = points.iter().enumerate().filter(|(at, _)| at % step == 0 || *at == last);
            // What is not finite is null.
            let points: Vec<Value> = kept.map(|(_, (x, y))| json!([x, y])).collect();
            let title = curve.to_string();
            let (name, unit) = title.split_once(", ").unwrap_or((&title, ""));
            json!({ "name": name, "unit": unit, "points": points })
        };
        Ok::<_, Failure>(curves.into_iter().map(series).collect::<Vec<Value>>())
    });
    let series = series.await.map_err(|error| Failure::broken(&error))??;
    Ok(Json(json!({ "series": series })))
}

/// The folders of runs, links left out.
fn folders(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let folders = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    folders.map(|entry| entry.path()).filter(|path| path.join(LOG).is_file()).collect()
}

/// What is known of a run, and when it was last heard of, in seconds since 1970.
fn entry(run: &Path) -> Option<(u64, Value)> {
    let log = run.join(LOG);
    let updated = fs::metadata(&log).ok()?.modified().ok()?.duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs());
    let step = last_step(&log);
    let config = fs::read_to_string(run.join("config.toml")).unwrap_or_default();
    let recipe: Recipe = toml::from_str(&config).unwrap_or_default();
    let max_steps = recipe.training.steps;
    let state = if is_locked(&run.join("lock")) {
        "running"
    } else if run.join("training.json").is_file() && max_steps.is_none_or(|max| step >= max) {
        "finished"
    } else {
        "stopped"
    };
    let name = run.file_name()?.to_str()?;
    let entry = json!({
        "name": name, "state": state, "task": recipe.task, "step": step, "max_steps": max_steps, "updated": updated,
    });
    Some((updated, entry))
}

/// Whether another process trains in a run's folder.
fn is_locked(path: &Path) -> bool {
    File::open(path).is_ok_and(|file| matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)))
}

/// The update of the last whole line of a log.
fn last_step(log: &Path) -> u64 {
    use std::io::{Read, Seek, SeekFrom};
    const TAIL: i64 = 1 << 16;
    let tail = || -> std::io::Result<String> {
        let mut file = File::open(log)?;
        let len = file.seek(SeekFrom::End(0))? as i64;
        file.seek(SeekFrom::End(-len.min(TAIL)))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    };
    let tail = tail().unwrap_or_default();
    let step = |line: &str| serde_json::from_str::<Value>(line).ok()?.get("step")?.as_u64();
    tail.lines().rev().find_map(step).unwrap_or(0)
}
