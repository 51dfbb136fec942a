//! Table 1.

use std::time::{Duration, Instant};

use attentive_backend::Device;
use attentive_model::table1::{LayerKind, LayerSizes};
use attentive_task::{Result, thousands};

use crate::{Exhibit, Part, Table, layer::Layer, table::or_dash};

/// Passes through a layer; the fastest counts.
const N_PASSES: usize = 5;

/// What layers cost: the paper's formulas, their values, and the time that our own layers take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Table1 {
    /// The sizes that the formulas are evaluated at.
    pub sizes: LayerSizes,
}

/// 512 positions of the base model, a kernel of 3, a neighbourhood of 64.
impl Default for Table1 {
    fn default() -> Self {
        Self { sizes: LayerSizes { n: 512, d: 512, k: 3, r: 64 } }
    }
}

impl Table1 {
    /// The table, its layers measured on a device, if one is given.
    ///
    /// # Errors
    /// A value exceeds 64 bits.
    pub fn make(&self, timed_on: Option<&Device>) -> Result<Exhibit> {
        let LayerSizes { n, d, k, r } = self.sizes;
        let head =
            ["layer", "complexity", "sequential", "path", "operations", "steps in sequence", "longest path", "forward"];
        let mut table = Table::new(head).under(format!("Table 1 at n = {n}, d = {d}, k = {k}, r = {r}"));
        for kind in LayerKind::ALL {
            let Some(values) = kind.at(self.sizes) else { refuse!("these sizes exceed 64 bits: choose smaller ones") };
            let time = timed_on.map(|device| self.time(kind, device));
            let time = or_dash(time, |time| format!("{:.2} ms", 1e3 * time.as_secs_f64()));
            let cells = [kind.name()].into_iter().chain(kind.formulas()).map(String::from);
            table.row(cells.chain(values.map(thousands)).chain([time]));
        }
        let formulas =
            "Formulas: Vaswani et al. 2017, Table 1. Values are theirs without constants; a path is of whole layers.";
        let mut exhibit = Exhibit::from([table.into(), Part::Text(formulas.into())]);
        exhibit.parts.extend(timed_on.map(|_| {
            Part::Text(format!(
                "Time: one sequence through a layer of ours, the fastest of {N_PASSES}; attention without its projections, as the \
                 formulas count it; the recurrent layer is an LSTM. Restricted attention leaves out blocks of keys that no query \
                 of a block of queries sees."
            ))
        }));
        Ok(exhibit)
    }

    /// The time of one of our layers for one sequence.
    fn time(&self, kind: LayerKind, device: &Device) -> Duration {
        let layer = Layer::new(kind, self.sizes, device);
        let pass = |_| {
            let start = Instant::now();
            // Reading a value waits for the device.
            let _: f32 = layer.forward().sum().into_scalar();
            start.elapsed()
        };
        (0..N_PASSES).map(pass).min().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_without_a_value_are_refused() {
        let table = Table1 { sizes: LayerSizes { n: u64::MAX, ..Table1::default().sizes } };
        assert!(table.make(None).unwrap_err().to_string().contains("choose smaller ones"));
    }
}
