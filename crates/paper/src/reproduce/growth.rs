//! Table 1, measured: how the costs of layers grow.

use std::time::Instant;

use attentive_backend::Device;
use attentive_model::table1::{LayerKind, LayerSizes};
use attentive_plot::{Chart, Series};
use attentive_run::peak_memory;
use attentive_task::{Result, thousands};
use serde::{Deserialize, Serialize};

use crate::{Exhibit, Part, Table, layer::Layer, table::or_dash};

/// Training passes through a layer; the fastest counts.
const N_PASSES: usize = 3;

/// How the time and the memory of Table 1's layers grow, when one size is doubled a few times and the others stay.
///
/// ```
/// let growth = attentive_paper::Growth::default();
/// assert_eq!(growth.n_points(), 40); // ten growing sizes, four values each
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Growth {
    /// The smallest sizes.
    pub from: LayerSizes,
    /// How many times each of them is doubled.
    pub doublings: u32,
}

/// From 512 positions of 64 values, kernels of 4 and neighbourhoods of 256, which are doubled three times.
impl Default for Growth {
    fn default() -> Self {
        Self { from: LayerSizes { n: 512, d: 64, k: 4, r: 256 }, doublings: 3 }
    }
}

/// What a training pass of one sequence through a layer costs.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct LayerCost {
    /// Time, of the fastest pass.
    pub seconds: f64,
    /// Bytes that the process held at most, above what it held before; where the system tells.
    pub bytes: Option<u64>,
}

/// A size of a layer that its cost depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Size {
    N,
    D,
    K,
    R,
}

/// The sizes that the cost of each layer depends on, and its degree in them: the exponents of Table 1.
const EXPONENTS: [(LayerKind, &[(Size, u32)]); 4] = [
    (LayerKind::SelfAttention, &[(Size::N, 2), (Size::D, 1)]),
    (LayerKind::Recurrent, &[(Size::N, 1), (Size::D, 2)]),
    (LayerKind::Convolutional, &[(Size::N, 1), (Size::D, 2), (Size::K, 1)]),
    (LayerKind::RestrictedSelfAttention, &[(Size::N, 1), (Size::D, 1), (Size::R, 1)]),
];

impl Size {
    fn name(self) -> &'static str {
        match self {
            Self::N => "n",
            Self::D => "d",
            Self::K => "k",
            Self::R => "r",
        }
    }

    fn of(self, sizes: &mut LayerSizes) -> &mut u64 {
        match self {
            Self::N => &mut sizes.n,
            Self::D => &mut sizes.d,
            Self::K => &mut sizes.k,
            Self::R => &mut sizes.r,
        }
    }
}

impl Growth {
    /// The number of measurements.
    pub fn n_points(&self) -> usize {
        EXPONENTS.iter().map(|(_, sizes)| sizes.len()).sum::<usize>() * self.n_values()
    }

    fn n_values(&self) -> usize {
        self.doublings as usize + 1
    }

    /// The series of the table in their order: layer, size that grows, the paper's exponent.
    fn series() -> impl Iterator<Item = (LayerKind, Size, u32)> {
        EXPONENTS.into_iter().flat_map(|(kind, sizes)| sizes.iter().map(move |&(size, degree)| (kind, size, degree)))
    }

    /// The sizes of a measurement of a series.
    fn sizes(&self, size: Size, doubled: usize) -> Option<LayerSizes> {
        let doubled_by = |value: u64, times: usize| value.checked_mul(1_u64.checked_shl(u32::try_from(times).ok()?)?);
        let mut sizes = self.from;
        // A neighbourhood grows within as long a sequence as there is.
        if size == Size::R {
            sizes.n = doubled_by(sizes.n, self.doublings as usize)?;
        }
        let grown = size.of(&mut sizes);
        *grown = doubled_by(*grown, doubled)?;
        Some(sizes)
    }

    /// Measures a point, which is counted from 0. The memory is right for the first that a process measures, so each is best
    /// measured by a process of its own.
    ///
    /// # Errors
    /// There is no such point, or its sizes exceed what can be counted.
    pub fn measure(&self, point: usize, device: &Device) -> Result<LayerCost> {
        let Some((kind, size, _)) = Self::series().nth(point / self.n_values()) else {
            refuse!("there are {} measurements, counted from 0: {point} is none of them", self.n_points())
        };
        let Some(sizes) = self.sizes(size, point % self.n_values()).filter(|&sizes| kind.at(sizes).is_some()) else {
            refuse!("these sizes exceed 64 bits: choose smaller ones, or fewer doublings")
        };
        let layer = Layer::new(kind, sizes, &device.clone().autodiff());
        let before = peak_memory();
        let pass = |_| {
            let start = Instant::now();
            layer.train();
            start.elapsed().as_secs_f64()
        };
        let seconds = (0..N_PASSES).map(pass).fold(f64::INFINITY, f64::min);
        let bytes = peak_memory().zip(before).map(|(after, before)| after.saturating_sub(before));
        Ok(LayerCost { seconds, bytes })
    }

    /// The table of exponents and its drawings, of the costs of all points in their order.
    ///
    /// # Errors
    /// A cost is missing.
    pub fn exhibit(&self, costs: &[LayerCost]) -> Result<Exhibit> {
        if costs.len() != self.n_points() {
            refuse!("{} measurements are needed, and there are {}", self.n_points(), costs.len());
        }
        let mut table = Table::new(["layer", "grows", "from", "to", "time", "memory", "time ~", "memory ~", "paper"]);
        let (mut times, mut memories) = (Vec::new(), Vec::new());
        for ((kind, size, degree), costs) in Self::series().zip(costs.chunks(self.n_values())) {
            let (name, mut first) = (size.name(), self.from);
            let first = *size.of(&mut first);
            let seconds: Vec<f64> = costs.iter().map(|cost| cost.seconds).collect();
            let bytes: Option<Vec<f64>> = costs.iter().map(|cost| cost.bytes.map(|bytes| bytes as f64)).collect();
            // What is not seen in a process's memory is nothing that grows.
            let bytes = bytes.filter(|bytes| bytes.iter().all(|&bytes| bytes > 0.0));
            let (last_time, power) = (seconds[costs.len() - 1], |growth: f64| format!("{name}^{growth:.2}"));
            table.row([
                kind.name().to_owned(),
                name.to_owned(),
                thousands(first),
                thousands(first << self.doublings),
                format!("{:.1} ms", 1e3 * last_time),
                or_dash(bytes.as_ref(), |bytes| format!("{:.1} MiB", bytes[costs.len() - 1] / f64::from(1 << 20))),
                power(exponent(&seconds)),
                or_dash(bytes.as_ref(), |bytes| power(exponent(bytes))),
                if degree == 1 { name.to_owned() } else { format!("{name}^{degree}") },
            ]);
            let line = |values: &[f64]| {
                let points = values.iter().enumerate().map(|(idx, value)| (idx as f64, (value / values[0]).log2()));
                (size, Series { label: kind.name().to_owned(), points: points.collect() })
            };
            times.push(line(&seconds));
            memories.extend(bytes.as_deref().map(line));
        }
        let LayerSizes { n, d, k, r } = self.from;
        let table = table.under(format!(
            "Table 1, measured: a training pass of one sequence, sizes from n = {n}, d = {d}, k = {k}, r = {r}"
        ));
        let note = format!(
            "Exponents: least squares of the logarithms over {} sizes, each twice the one before; the others stay, and where r \
             grows, n = {}. Time and memory are those of the largest; time is the fastest of {N_PASSES} passes forward and back, memory \
             what the process held more than before. Attention keeps no weights for the pass back, so its memory grows with n, \
             not n².",
            self.n_values(),
            thousands(n << self.doublings)
        );
        let mut exhibit = Exhibit::from([table.into(), Part::Text(note)]);
        // A power is a straight line here, and its exponent the slope.
        for (name, what, lines) in [("table1-time", "time", times), ("table1-memory", "memory", memories)] {
            let of_size = |size: Size| {
                let lines = lines.iter().filter(|(of, _)| *of == size);
                let series: Vec<Series> = lines.map(|(_, series)| series.clone()).collect();
                let title = format!("doublings of the {what}, as {} doubles", size.name());
                (!series.is_empty()).then(|| Chart { title, x_label: "doublings of the size".into(), series })
            };
            let charts: Vec<Chart> = [Size::N, Size::D, Size::K, Size::R].into_iter().filter_map(of_size).collect();
            if !charts.is_empty() {
                exhibit = exhibit.with_figure(name, charts);
            }
        }
        Ok(exhibit)
    }
}

/// The exponent of a power of a size that doubles from value to value: the slope of the line that fits the logarithms best.
fn exponent(values: &[f64]) -> f64 {
    let n = values.len() as f64;
    let (mean_x, mean_y) = ((n - 1.0) / 2.0, values.iter().map(|value| value.log2()).sum::<f64>() / n);
    let (products, squares) = values.iter().enumerate().fold((0.0, 0.0), |(products, squares), (x, value)| {
        let x = x as f64 - mean_x;
        (products + x * (value.log2() - mean_y), squares + x * x)
    });
    products / squares
}

#[cfg(test)]
mod tests {
    use attentive_backend::BackendKind;

    use super::*;

    #[test]
    fn exponents_of_powers_are_found() {
        let growth = Growth { doublings: 2, ..Growth::default() };
        // Costs as the paper's formulas have them, and a constant that does not matter.
        let costs: Vec<LayerCost> = (0..growth.n_points())
            .map(|point| {
                let (kind, size, _) = Growth::series().nth(point / 3).unwrap();
                let [operations, ..] = kind.at(growth.sizes(size, point % 3).unwrap()).unwrap();
                LayerCost { seconds: 1e-9 * operations as f64, bytes: Some(7 * operations) }
            })
            .collect();
        let exhibit = growth.exhibit(&costs).unwrap();
        for (row, (_, size, degree)) in exhibit.tables().next().unwrap().rows().iter().zip(Growth::series()) {
            assert_eq!(row[6..8], [format!("{}^{degree}.00", size.name()), format!("{}^{degree}.00", size.name())]);
        }
        assert_eq!(exhibit.figures.len(), 2);
    }

    #[test]
    fn every_layer_is_measured_and_what_does_not_fit_is_refused() {
        let device = BackendKind::Flex.device().unwrap();
        let growth = Growth { from: LayerSizes { n: 4, d: 4, k: 2, r: 2 }, doublings: 1 };
        let costs: Vec<LayerCost> =
            (0..growth.n_points()).map(|point| growth.measure(point, &device).unwrap()).collect();
        assert!(costs.iter().all(|cost| cost.seconds > 0.0));
        growth.exhibit(&costs).unwrap();
        assert!(growth.measure(growth.n_points(), &device).is_err() && growth.exhibit(&costs[1..]).is_err());
        let endless = Growth { from: LayerSizes { n: u64::MAX / 2, ..growth.from }, doublings: 1 };
        assert!(endless.measure(1, &device).unwrap_err().to_string().contains("choose smaller ones"));
    }
}
