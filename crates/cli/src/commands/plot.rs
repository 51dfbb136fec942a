//! `attentive plot`.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use anyhow::{Result, bail, ensure};
use attentive_plot::{Chart, Series, to_png, to_svg};
use clap::Args;

use crate::output::write_file;
use attentive_run::{Curve, curves, resolve};

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
#[derive(Debug, Clone, Copy)]
pub(super) enum Format {
    Svg,
    Png,
}

impl Format {
    /// What a file's name ends with.
    pub(super) fn of(path: &Path) -> Result<Self> {
        let extension = path.extension().unwrap_or_default().to_ascii_lowercase();
        match extension.to_str() {
            Some("svg") => Ok(Self::Svg),
            Some("png") => Ok(Self::Png),
            _ => bail!("{}: a drawing's name ends with .svg or .png", path.display()),
        }
    }

    /// Writes a drawing.
    pub(super) fn write(self, charts: &[Chart], path: &Path) -> Result<()> {
        let drawing = match self {
            Self::Svg => to_svg(charts).into_bytes(),
            Self::Png => to_png(charts),
        };
        write_file(path, &drawing)
    }
}

impl Plot {
    pub(super) fn run(self) -> Result<()> {
        let format = Format::of(&self.out)?;
        let mut lines: BTreeMap<Curve, Vec<Series>> = BTreeMap::new();
        for run in &self.runs {
            for (curve, points) in curves(&resolve(run))? {
                lines.entry(curve).or_default().push(Series { label: run.display().to_string(), points });
            }
        }
        ensure!(!lines.is_empty(), "no update is logged in these runs yet");
        let chart = |(curve, series): (Curve, _)| Chart { title: curve.to_string(), x_label: "updates".into(), series };
        let charts: Vec<Chart> = lines.into_iter().map(chart).collect();
        format.write(&charts, &self.out)?;
        report!("curves in {}", self.out.display());
        Ok(())
    }
}
