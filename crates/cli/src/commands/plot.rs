//! `attentive plot`.

use std::{collections::BTreeMap, path::PathBuf};

use anyhow::{Result, ensure};
use attentive_plot::{Chart, Drawing, Series};
use clap::Args;

use crate::drawing::DrawingFile;
use attentive_run::{Curve, curves, resolve};

/// Draw loss, scores and learning rate of one or several runs.
#[derive(Debug, Args)]
pub(crate) struct Plot {
    /// The runs' folders.
    #[arg(default_value = "runs/latest")]
    runs: Vec<PathBuf>,
    /// The drawing, `.svg` or `.png`.
    #[arg(long, visible_alias = "output", value_name = "FILE", default_value = "curves.svg")]
    out: DrawingFile,
}

impl Plot {
    pub(super) fn run(self) -> Result<()> {
        let mut lines: BTreeMap<Curve, Vec<Series>> = BTreeMap::new();
        for run in &self.runs {
            for (curve, points) in curves(&resolve(run))? {
                lines.entry(curve).or_default().push(Series { label: run.display().to_string(), points });
            }
        }
        ensure!(!lines.is_empty(), "no update is logged in these runs yet");
        let chart = |(curve, series): (Curve, _)| Chart { title: curve.to_string(), x_label: "updates".into(), series };
        self.out.write(&Drawing::Charts(lines.into_iter().map(chart).collect()))?;
        report!("curves in {}", self.out.path.display());
        Ok(())
    }
}
