//! §3.5.

use std::path::PathBuf;

use anyhow::{Result, bail};
use attentive_attention::sinusoids;
use attentive_backend::BackendKind;
use attentive_bundle::Bundle;
use attentive_plot::{Chart, HeatMap, Series, heat_maps, to_svg};
use clap::Args;

use super::{
    super::numbers::{LONG, integer},
    write_figure,
};
use crate::markdown::Table;

/// Parameters that hold learned positions, by family.
const LEARNED: [&str; 3] = ["source_positions.weight", "positions.weight", "target_positions.weight"];

/// The sinusoids as a map, and their products by distance; learned positions of a model beside them.
#[derive(Debug, Args)]
pub(super) struct Positions {
    /// Positions.
    #[arg(long, default_value_t = 100, value_parser = integer(2..=LONG))]
    n: usize,
    /// Width of embeddings.
    #[arg(long, default_value_t = 128, value_parser = integer(2..=LONG))]
    d_model: usize,
    /// A model with learned positions.
    #[arg(long, value_name = "DIR")]
    model: Option<PathBuf>,
    /// The maps, SVG.
    #[arg(long, value_name = "FILE", default_value = "positions.svg")]
    out: PathBuf,
    /// The products by distance, SVG.
    #[arg(long, value_name = "FILE", default_value = "position-products.svg")]
    products: PathBuf,
}

/// Encodings of positions, `d` values each.
struct Encodings {
    name: String,
    d: usize,
    values: Vec<f32>,
}

impl Positions {
    pub(super) fn run(self) -> Result<()> {
        let fixed = sinusoids(0, self.n, self.d_model, &BackendKind::Flex.device()?);
        let values = fixed.into_data().try_into_vec::<f32>().expect("floats");
        let mut all = vec![Encodings { name: "sinusoids".into(), d: self.d_model, values }];
        if let Some(model) = &self.model {
            all.push(learned(&attentive_run::resolve(model))?);
        }
        let distances: Vec<usize> = [0, 1, 2, 4, 8, 16, 32, 64].into_iter().filter(|&by| by < self.n).collect();
        let mut table = Table::new(["distance".to_owned()].into_iter().chain(all.iter().map(|e| e.name.clone())));
        for &distance in &distances {
            let product = |encodings: &Encodings| match encodings.similarity(distance) {
                Some(product) => format!("{product:.3}"),
                None => "—".into(),
            };
            table.row([distance.to_string()].into_iter().chain(all.iter().map(product)));
        }
        report!("Product of the encodings of two positions, as a share of one's with itself, by distance\n\n{table}");
        let maps: Vec<HeatMap> = all.iter().map(Encodings::map).collect();
        write_figure(&self.out, &heat_maps(&maps, 2))?;
        let series = all.iter().map(|encodings| Series {
            label: encodings.name.clone(),
            points: (0..self.n).filter_map(|by| Some((by as f64, encodings.similarity(by)?))).collect(),
        });
        let title = "product of two positions' encodings, as a share of one's with itself".into();
        write_figure(&self.products, &to_svg(&[Chart { title, x_label: "distance".into(), series: series.collect() }]))
    }
}

/// The learned positions of a model.
fn learned(model: &std::path::Path) -> Result<Encodings> {
    let mut bundle = Bundle::read(model)?;
    let Some((name, tensor)) = LEARNED.iter().find_map(|&name| Some((name, bundle.params.remove(name)?))) else {
        bail!(
            "{} has no learned positions: train with model.positions = {{ learned = {{ max_len = 256 }} }}",
            model.display()
        );
    };
    let [_, d] = tensor.shape[..] else { bail!("{}: {name} is no matrix", model.display()) };
    Ok(Encodings { name: format!("{}, learned", bundle.model.family()), d, values: tensor.values })
}

impl Encodings {
    fn of(&self, position: usize) -> &[f32] {
        &self.values[position * self.d..][..self.d]
    }

    fn n(&self) -> usize {
        self.values.len() / self.d
    }

    /// The mean product of positions `distance` apart over that of positions with themselves; for sinusoids it is the
    /// same wherever they stand, `Σ cos(distance · ωᵢ) / Σ 1`.
    fn similarity(&self, distance: usize) -> Option<f64> {
        let product = |a: usize, b: usize| -> f64 {
            self.of(a).iter().zip(self.of(b)).map(|(&x, &y)| f64::from(x) * f64::from(y)).sum()
        };
        let n = self.n().checked_sub(distance).filter(|&n| n > 0)?;
        let mean = |by: usize, n: usize| (0..n).map(|at| product(at, at + by)).sum::<f64>() / n as f64;
        Some(mean(distance, n) / mean(0, self.n()))
    }

    fn map(&self) -> HeatMap {
        let every_tenth = |n: usize| (0..n).map(|i| if i % 10 == 0 { i.to_string() } else { String::new() }).collect();
        HeatMap {
            title: format!("{}: a row for each position", self.name),
            rows: every_tenth(self.n()),
            columns: every_tenth(self.d),
            values: self.values.iter().copied().map(f64::from).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_of_sinusoids_are_sums_of_cosines() {
        let (n, d) = (50, 16);
        let tensor = sinusoids(0, n, d, &BackendKind::NdArray.device().unwrap());
        let encodings = Encodings { name: String::new(), d, values: tensor.into_data().try_into_vec().unwrap() };
        for distance in [0, 1, 7, 49] {
            let cosines: f64 =
                (0..d / 2).map(|i| (distance as f64 / 10_000_f64.powf(2.0 * i as f64 / d as f64)).cos()).sum();
            let similarity = encodings.similarity(distance).unwrap();
            assert!((similarity - cosines / (d / 2) as f64).abs() < 1e-5, "{distance}: {similarity}");
        }
        assert_eq!(encodings.similarity(50), None);
    }
}
