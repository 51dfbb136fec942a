//! Table 2.

use std::{path::PathBuf, time::Instant};

use attentive_backend::Device;
use attentive_bundle::Bundle;
use attentive_model::{
    ModelConfig, Role, TransformerConfig,
    table2::{TABLE_2, TrainingCost},
};
use attentive_task::{Result, resolve};
use burn::tensor::{Distribution, Tensor};

use crate::{Exhibit, Part, Table, table::or_dash};

/// The paper's vocabulary (§5.1), target tokens of a batch and updates of the base model (§5.1, §5.2).
const VOCAB_SIZE: usize = 37_000;
const BATCH_TARGETS: f64 = 25_000.0;
const BASE_UPDATES: f64 = 100_000.0;
const BIG_UPDATES: f64 = 300_000.0;
/// Sentence length that operations are counted at.
const TYPICAL_LEN: usize = 32;
/// Rows and columns of the product that a machine's speed is measured by.
const SIDE: usize = 1024;

/// BLEU and training cost, as published; how the cost is counted; and runs of one's own in the same terms.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Table2 {
    /// Runs that are set beside the paper's.
    pub own: Option<OwnRuns>,
}

/// Runs that were trained on one machine.
#[derive(Debug, Clone, PartialEq)]
pub struct OwnRuns {
    /// Their folders.
    pub folders: Vec<PathBuf>,
    /// Operations a second that the machine sustains in single precision; [`sustained_flops`] measures them.
    pub sustained_flops: f64,
}

impl Table2 {
    /// The table as published, and that of costs.
    ///
    /// # Errors
    /// A run's folder has no model that can be read.
    pub fn make(&self) -> Result<Exhibit> {
        let note = format!(
            "The paper multiplies time, devices and the speed that a device sustains (§6.1): 9.5 TFLOPS for a P100. Counted \
             are products with weights and in attention, forward and twice that backward, for each target token beside a \
             source token, at {TYPICAL_LEN} tokens a side; the paper's batches have about 25,000 of each (§5.1). The last \
             column is the share of the first number that the second is."
        );
        Ok([published().into(), self.costs()?.into(), Part::Text(note)].into())
    }

    /// How the cost of training is counted.
    fn costs(&self) -> Result<Table> {
        let head = ["training", "test BLEU", "time × devices × speed", "FLOPs of it", "FLOPs counted", "used"];
        let mut table = Table::new(head).under("How the cost is counted");
        for (name, cost, config, updates) in [
            ("Transformer, base", TrainingCost::BASE, TransformerConfig::base(VOCAB_SIZE), BASE_UPDATES),
            ("Transformer, big", TrainingCost::BIG, TransformerConfig::big(VOCAB_SIZE), BIG_UPDATES),
        ] {
            let counted = updates * BATCH_TARGETS * training_flops(&config.into()).unwrap_or(0.0);
            table.row(cells(name, None, cost, Some(counted)));
        }
        let Some(OwnRuns { folders, sustained_flops }) = &self.own else { return Ok(table) };
        for folder in folders {
            let bundle = Bundle::read(resolve(folder))?;
            let record = &bundle.record;
            let cost = TrainingCost { seconds: record.seconds, n_devices: 1, sustained_flops: *sustained_flops };
            let counted = training_flops(&bundle.model).map(|flops| flops * record.n_targets as f64);
            let bleu = record.scores.iter().find(|score| score.split == "test" && score.metric == "bleu");
            table.row(cells(&folder.display().to_string(), bleu.map(|score| score.value), cost, counted));
        }
        Ok(table)
    }
}

/// The table as it is printed in the paper.
fn published() -> Table {
    let mut table = Table::new(["model", "BLEU en-de", "BLEU en-fr", "FLOPs en-de", "FLOPs en-fr"])
        .under("Table 2: newstest2014, as published (Vaswani et al. 2017)");
    for row in TABLE_2 {
        let bleu = |value| or_dash(value, |value: f64| format!("{value}"));
        let [de, fr] = [row.flops_de, row.flops_fr].map(|value| or_dash(value, scientific));
        table.row([row.name.to_owned(), bleu(row.bleu_de), bleu(row.bleu_fr), de, fr]);
    }
    table
}

/// The operations a second that a device sustains, by the fastest of some products of two matrices of f32.
pub fn sustained_flops(device: &Device) -> f64 {
    let matrix = || Tensor::<2>::random([SIDE, SIDE], Distribution::Normal(0.0, 1.0), device);
    let (a, b) = (matrix(), matrix());
    let seconds = (0..8).map(|_| {
        let start = Instant::now();
        // Reading a value waits for the device.
        let _: f32 = a.clone().matmul(b.clone()).slice([0..1, 0..1]).into_scalar();
        start.elapsed().as_secs_f64()
    });
    2.0 * (SIDE as f64).powi(3) / seconds.fold(f64::INFINITY, f64::min)
}

fn cells(name: &str, bleu: Option<f64>, cost: TrainingCost, counted: Option<f64>) -> [String; 6] {
    let TrainingCost { seconds, n_devices, sustained_flops } = cost;
    [
        name.to_owned(),
        or_dash(bleu, |bleu| format!("{bleu:.2}")),
        format!("{:.2} h × {n_devices} × {}", seconds / 3600.0, scientific(sustained_flops)),
        scientific(cost.flops()),
        or_dash(counted, scientific),
        or_dash(counted, |counted| format!("{:.0} %", 100.0 * counted / cost.flops())),
    ]
}

/// Operations of training for one target token; none for other than translation models.
fn training_flops(model: &ModelConfig) -> Option<f64> {
    let translates = model.role() == Role::EncoderDecoder;
    translates.then(|| 3.0 * model.forward_flops_per_token(TYPICAL_LEN) as f64)
}

/// `3.3e18` as `3.3·10^18`.
fn scientific(value: f64) -> String {
    let text = format!("{value:.1e}");
    text.replacen('e', "·10^", 1)
}
