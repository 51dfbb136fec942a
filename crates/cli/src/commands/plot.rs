//! `attentive plot`.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use attentive_bundle::run_in;
use attentive_plot::{Chart, Series, to_png, to_svg};
use clap::Args;
use serde::Deserialize;

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
            let label = run.display().to_string();
            for (title, point) in read(&resolve(run))? {
                let series = lines.entry(title).or_default();
                match series.last_mut().filter(|series| series.label == label) {
                    Some(series) => series.points.push(point),
                    None => series.push(Series { label: label.clone(), points: vec![point] }),
                }
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
        fs::write(&self.out, drawing).with_context(|| format!("can't write {}", self.out.display()))?;
        report!("curves in {}", self.out.display());
        Ok(())
    }
}

/// The points of a run, each with the title of its chart.
fn read(run: &Path) -> Result<Vec<(String, (f64, f64))>> {
    let path = run.join("metrics.jsonl");
    let text = fs::read_to_string(&path).with_context(|| match run_in(run) {
        Some(one) => format!("{} is a folder of runs; name one of them, {} for example", run.display(), one.display()),
        None => format!("can't read {}", path.display()),
    })?;
    let mut points = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let is_last = number == text.lines().count();
        let line: Line = match serde_json::from_str(line) {
            Ok(line) => line,
            // A run under way may be in the middle of it.
            Err(_) if is_last => break,
            Err(cause) => bail!("{}:{number}: {cause}", path.display()),
        };
        let step = line.step as f64;
        let mut add = |title: &str, value: Option<f64>| {
            points.push((title.to_owned(), (step, value.unwrap_or(f64::NAN))));
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
    Ok(points)
}
