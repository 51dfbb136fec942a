//! `attentive plot`.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, anyhow, bail};
use attentive_bundle::run_in;
use attentive_data::LineReader;
use attentive_plot::{Chart, Series, to_png, to_svg};
use clap::Args;
use serde::Deserialize;

use crate::output::write_file;
use attentive_run::resolve;

/// Draw loss, scores and learning rate of one or several runs.
#[derive(Debug, Args)]
pub(crate) struct Plot {
    /// The runs' folders.
    #[arg(default_value = "runs/latest")]
    runs: Vec<PathBuf>,
    /// The drawing, `.svg` or `.png`.
    #[arg(long, visible_alias = "output", value_name = "FILE", default_value = "curves.svg")]
    out: PathBuf,
}

/// The longest line of a log that is read.
const MAX_LINE_BYTES: usize = 1 << 20;

/// How a drawing is written.
#[derive(Clone, Copy)]
enum Format {
    Svg,
    Png,
}

impl Format {
    /// What a file's name ends with.
    fn of(path: &Path) -> Result<Self> {
        let extension = path.extension().unwrap_or_default().to_ascii_lowercase();
        match extension.to_str() {
            Some("svg") => Ok(Self::Svg),
            Some("png") => Ok(Self::Png),
            _ => bail!("--out {}: a drawing's name ends with .svg or .png", path.display()),
        }
    }
}

/// A line of `metrics.jsonl`; what is not finite stands there as null.
#[derive(Deserialize)]
struct Line {
    event: String,
    step: u64,
    nll_nats: Option<f64>,
    lr: Option<f64>,
    #[serde(default)]
    scores: BTreeMap<String, Option<f64>>,
}

impl Plot {
    pub(super) fn run(self) -> Result<()> {
        let format = Format::of(&self.out)?;
        let mut lines: BTreeMap<String, Vec<Series>> = BTreeMap::new();
        for run in &self.runs {
            for (title, points) in read(&resolve(run))? {
                lines.entry(title).or_default().push(Series { label: run.display().to_string(), points });
            }
        }
        if lines.is_empty() {
            bail!("no update is logged in these runs yet");
        }
        let chart = |(title, series)| Chart { title, x_label: "updates".into(), series };
        let charts: Vec<Chart> = lines.into_iter().map(chart).collect();
        let drawing = match format {
            Format::Svg => to_svg(&charts).into_bytes(),
            Format::Png => to_png(&charts),
        };
        write_file(&self.out, &drawing).with_context(|| format!("can't write {}", self.out.display()))?;
        report!("curves in {}", self.out.display());
        Ok(())
    }
}

/// The points of a run by the title of their chart. A line is read at a time; a point takes 16 bytes.
fn read(run: &Path) -> Result<BTreeMap<String, Vec<(f64, f64)>>> {
    let path = run.join("metrics.jsonl");
    if let (false, Some(one)) = (path.exists(), run_in(run)) {
        bail!("{} is a folder of runs; name one of them, {} for example", run.display(), one.display());
    }
    let mut reader = LineReader::new([path], MAX_LINE_BYTES);
    let mut points = BTreeMap::<String, Vec<(f64, f64)>>::new();
    let mut unread = None;
    while let Some(line) = reader.next_line()? {
        // A run under way may be in the middle of its last line; all others are whole.
        if let Some(error) = unread {
            return Err(error);
        }
        match serde_json::from_slice(&line.bytes) {
            Ok(entry) => add(&mut points, &entry),
            Err(cause) => unread = Some(anyhow!("{}: {cause}", line.place)),
        }
    }
    Ok(points)
}

/// Adds what a line tells.
fn add(points: &mut BTreeMap<String, Vec<(f64, f64)>>, line: &Line) {
    let mut add = |title: &str, value: Option<f64>| {
        points.entry(title.to_owned()).or_default().push((line.step as f64, value.unwrap_or(f64::NAN)));
    };
    match line.event.as_str() {
        "step" => {
            add("1. training loss, nats per target", line.nll_nats);
            add("4. learning rate", line.lr);
        }
        "validation" => {
            add("2. validation loss, nats per target", line.nll_nats);
            line.scores.iter().for_each(|(name, value)| add(&format!("3. {name}"), *value));
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn log(text: &str) -> Result<BTreeMap<String, Vec<(f64, f64)>>> {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("metrics.jsonl"), text).unwrap();
        read(folder.path())
    }

    #[test]
    fn a_long_log_is_read_line_by_line() {
        let line = |step: u32| format!("{{\"event\":\"step\",\"step\":{step},\"nll_nats\":1.5,\"lr\":1e-3}}\n");
        // With work for each pair of lines, this would take hours.
        let n = 300_000;
        let points = log(&(0..n).map(line).collect::<String>()).unwrap();
        assert_eq!(points.len(), 2);
        assert!(points.values().all(|points| points.len() == n as usize));
        assert_eq!(points["4. learning rate"][7], (7.0, 1e-3));
    }

    #[test]
    fn the_last_line_alone_may_be_unfinished() {
        let line = "{\"event\":\"validation\",\"step\":5,\"nll_nats\":null,\"scores\":{\"BLEU\":2.5}}\n";
        let points = log(&format!("{line}{{\"event\":\"st")).unwrap();
        assert_eq!(points["3. BLEU"], [(5.0, 2.5)]);
        assert!(points["2. validation loss, nats per target"][0].1.is_nan());
        let error = log(&format!("{line}{{\"event\":\"st\n{line}")).unwrap_err().to_string();
        assert!(error.contains("metrics.jsonl:2: "), "{error}");
        // A line without an end is cut, and is not JSON.
        assert!(log(&format!("[{}\n{line}", "1,".repeat(1 << 20))).unwrap_err().to_string().contains(":1: "));
    }
}
