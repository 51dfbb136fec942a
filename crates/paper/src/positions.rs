//! §3.5.

use std::path::{Path, PathBuf};

use attentive_attention::sinusoids;
use attentive_backend::Device;
use attentive_bundle::Bundle;
use attentive_plot::{Chart, Drawing, HeatMap, Series};
use attentive_task::{Result, resolve};

use crate::{Exhibit, Table, table::or_dash};

/// Parameters that hold learned positions, by family.
const LEARNED: [&str; 3] = ["source_positions.weight", "positions.weight", "target_positions.weight"];
/// Distances that the table has, as far as there are positions.
const DISTANCES: [usize; 8] = [0, 1, 2, 4, 8, 16, 32, 64];

/// The sinusoids as a map, and their products by distance; learned positions of a model beside them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Positions {
    /// Positions.
    pub n: usize,
    /// Width of embeddings.
    pub d_model: usize,
    /// The folder of a model with learned positions.
    pub learned: Option<PathBuf>,
}

/// 100 positions of 128 values, without a model.
impl Default for Positions {
    fn default() -> Self {
        Self { n: 100, d_model: 128, learned: None }
    }
}

/// Encodings of positions, `d` values each.
struct Encodings {
    name: String,
    d: usize,
    values: Vec<f32>,
}

impl Positions {
    /// Products by distance; the drawings `positions` and `position-products`.
    ///
    /// # Errors
    /// The folder has no model that can be read, or one without learned positions.
    pub fn make(&self, device: &Device) -> Result<Exhibit> {
        let mut all = vec![fixed(self.n, self.d_model, device)];
        if let Some(model) = &self.learned {
            all.push(learned(&resolve(model))?);
        }
        let maps = all.iter().map(Encodings::map).collect();
        Ok(Exhibit::from([self.table(&all)])
            .with_figure("positions", Drawing::Maps { maps, across: 2 })
            .with_figure("position-products", self.chart(&all)))
    }

    fn table(&self, all: &[Encodings]) -> Table {
        let head = ["distance".to_owned()].into_iter().chain(all.iter().map(|encodings| encodings.name.clone()));
        let mut table = Table::new(head)
            .under("Product of the encodings of two positions, as a share of one's with itself, by distance");
        for distance in DISTANCES.into_iter().filter(|&by| by < self.n) {
            let product =
                |encodings: &Encodings| or_dash(encodings.similarity(distance), |product| format!("{product:.3}"));
            table.row([distance.to_string()].into_iter().chain(all.iter().map(product)));
        }
        table
    }

    fn chart(&self, all: &[Encodings]) -> Chart {
        let series = all.iter().map(|encodings| Series {
            label: encodings.name.clone(),
            points: (0..self.n).filter_map(|by| Some((by as f64, encodings.similarity(by)?))).collect(),
        });
        let title = "product of two positions' encodings, as a share of one's with itself".into();
        Chart { title, x_label: "distance".into(), series: series.collect() }
    }
}

/// The sinusoids of the paper.
fn fixed(n: usize, d: usize, device: &Device) -> Encodings {
    let data = sinusoids(0, n, d, device).into_data().convert::<f32>();
    Encodings { name: "sinusoids".into(), d, values: data.try_into_vec().expect("converted to f32") }
}

/// The learned positions of a model.
fn learned(model: &Path) -> Result<Encodings> {
    let mut bundle = Bundle::read(model)?;
    let Some((name, tensor)) = LEARNED.iter().find_map(|&name| Some((name, bundle.params.remove(name)?))) else {
        refuse!(
            "{} has no learned positions: train with model.positions = {{ learned = {{ max_len = 256 }} }}",
            model.display()
        );
    };
    let [_, d] = tensor.shape[..] else { refuse!("{}: {name} is not a matrix", model.display()) };
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
    use attentive_backend::BackendKind;

    use super::*;

    #[test]
    fn products_of_sinusoids_are_sums_of_cosines() {
        let (n, d) = (50, 16);
        let encodings = fixed(n, d, &BackendKind::Flex.device().unwrap());
        for distance in [0, 1, 7, 49] {
            let cosines: f64 =
                (0..d / 2).map(|i| (distance as f64 / 10_000_f64.powf(2.0 * i as f64 / d as f64)).cos()).sum();
            let similarity = encodings.similarity(distance).unwrap();
            assert!((similarity - cosines / (d / 2) as f64).abs() < 1e-5, "{distance}: {similarity}");
        }
        assert_eq!(encodings.similarity(50), None);
    }
}
