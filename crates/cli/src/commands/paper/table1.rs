//! Table 1.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use attentive_attention::{AttentionContext, Initializer, Mask, MultiHeadAttentionConfig};
use attentive_backend::{Device, ops::Steps};
use attentive_model::{
    CellKind,
    rnn::Cell,
    table1::{LayerKind, LayerSizes},
};
use burn::tensor::{Distribution, Tensor};
use clap::Args;

use attentive_task::thousands;

use super::super::{
    BackendArgs,
    numbers::{MANY_VALUES, integer},
};
use crate::markdown::Table;

/// Passes through a layer; the fastest counts.
const N_PASSES: usize = 5;
/// Width of a head, as everywhere in the paper's base and big models.
const D_HEAD: usize = 64;

/// What layers cost: the paper's formulas, their values, and the time that our own layers take.
#[derive(Debug, Args)]
pub(super) struct Table1 {
    /// Positions of a sequence.
    #[arg(long, default_value_t = 512, value_parser = integer(1..=MANY_VALUES))]
    n: u64,
    /// Values of a vector.
    #[arg(long, default_value_t = 512, value_parser = integer(1..=MANY_VALUES))]
    d: u64,
    /// Width of a convolution's kernel.
    #[arg(long, default_value_t = 3, value_parser = integer(2..=MANY_VALUES))]
    k: u64,
    /// Positions of the neighbourhood of restricted self-attention.
    #[arg(long, default_value_t = 64, value_parser = integer(1..=MANY_VALUES))]
    r: u64,
    /// Leave out the measurements.
    #[arg(long)]
    no_time: bool,
    #[command(flatten)]
    backend: BackendArgs,
}

impl Table1 {
    pub(super) fn run(self) -> Result<()> {
        let sizes = LayerSizes { n: self.n, d: self.d, k: self.k, r: self.r };
        let head =
            ["layer", "complexity", "sequential", "path", "operations", "steps in sequence", "longest path", "forward"];
        let mut table = Table::new(head);
        let device = self.backend.device()?;
        for kind in LayerKind::ALL {
            let Some(values) = kind.at(sizes) else { bail!("these sizes exceed 64 bits: choose smaller ones") };
            let time = if self.no_time { None } else { self.time(kind, &device) };
            let time = super::or_dash(time, |time| format!("{:.2} ms", 1e3 * time.as_secs_f64()));
            let cells = [kind.name()].into_iter().chain(kind.formulas()).map(String::from);
            table.row(cells.chain(values.map(thousands)).chain([time]));
        }
        say!("Table 1 at n = {}, d = {}, k = {}, r = {}\n\n{table}", self.n, self.d, self.k, self.r)?;
        say!(
            "Formulas: Vaswani et al. 2017, Table 1. Values are theirs without constants; a path is of whole layers."
        )?;
        if !self.no_time {
            say!(
                "Time: one sequence through a layer of ours, the fastest of {N_PASSES}, with its projections; the recurrent \
                 layer is an LSTM. Restricted attention is full attention under a mask here, so it saves no time."
            )?;
        }
        Ok(())
    }

    /// The time of one of our layers, if we have it, for one sequence.
    fn time(&self, kind: LayerKind, device: &Device) -> Option<Duration> {
        let (n, d) = (self.n as usize, self.d as usize);
        let init = Initializer::new(1, device);
        let x = Tensor::<3>::random([1, n, d], Distribution::Normal(0.0, 1.0), device);
        let layer: Box<dyn Fn(Tensor<3>) -> Tensor<3>> = match kind {
            LayerKind::SelfAttention | LayerKind::RestrictedSelfAttention => {
                let heads = if d.is_multiple_of(D_HEAD) { d / D_HEAD } else { 1 };
                let attention = MultiHeadAttentionConfig::new(d, heads).init(&init);
                // Half of the neighbourhood lies on each side.
                let window = (kind == LayerKind::RestrictedSelfAttention).then(|| (self.r as usize).div_ceil(2));
                let context = AttentionContext::from(Mask::none().and_window(window));
                Box::new(move |x| attention.forward_self(x, &context, None))
            }
            LayerKind::Recurrent => {
                let cell = Cell::new(CellKind::Lstm, d, d, &init);
                let start = cell.state(Tensor::zeros([1, d], device));
                Box::new(move |x| cell.read(x, start.clone(), Steps::default()))
            }
            LayerKind::Convolutional => return None,
        };
        let pass = |_| {
            let start = Instant::now();
            // Reading a value waits for the device.
            let _: f32 = layer(x.clone()).sum().into_scalar();
            start.elapsed()
        };
        (0..N_PASSES).map(pass).min()
    }
}
