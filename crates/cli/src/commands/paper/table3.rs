//! Table 3.

use anyhow::Result;
use attentive_attention::PositionsConfig;
use attentive_model::{ModelSpec, TransformerConfig, table3::table3};
use clap::Args;

use attentive_task::thousands;

use super::{
    super::numbers::{MANY_TOKENS, integer},
    or_dash,
};
use crate::markdown::Table;

/// Every variation of the model: hyper-parameters, our count of parameters beside the paper's, and the paper's scores.
#[derive(Debug, Args)]
pub(super) struct Table3 {
    /// Entries of the joint vocabulary: the paper says "about 37,000" (§5.1).
    #[arg(long, default_value_t = 37_000, value_parser = integer(1..=MANY_TOKENS))]
    vocab_size: usize,
}

impl Table3 {
    pub(super) fn run(self) -> Result<()> {
        let mut table = Table::new([
            "row",
            "N",
            "d_model",
            "d_ff",
            "h",
            "d_k",
            "d_v",
            "P_drop",
            "ε_ls",
            "positions",
            "updates",
            "PPL",
            "BLEU",
            "paper, 10⁶",
            "ours",
            "difference",
        ]);
        for row in table3(self.vocab_size) {
            let TransformerConfig { n_encoder_layers, d_model, d_ff, n_heads, dropout, positions, .. } = &row.config;
            let n_params = row.config.n_params();
            let positions = match positions {
                PositionsConfig::Learned { .. } => "learned",
                _ => "sinusoids",
            };
            let difference = |paper: f64| format!("{:+.1} %", 100.0 * (n_params as f64 / 1e6 / paper - 1.0));
            table.row([
                row.name.to_owned(),
                n_encoder_layers.to_string(),
                d_model.to_string(),
                d_ff.to_string(),
                n_heads.to_string(),
                row.config.d_k().to_string(),
                row.config.d_v().to_string(),
                dropout.to_string(),
                row.label_smoothing.to_string(),
                positions.to_owned(),
                thousands(row.train_steps),
                format!("{:.2}", row.perplexity),
                format!("{:.1}", row.bleu),
                or_dash(row.params_millions, |millions| format!("{millions:.0}")),
                thousands(n_params as u64),
                or_dash(row.params_millions, difference),
            ]);
        }
        say!("Table 3 over {} entries\n\n{table}", thousands(self.vocab_size as u64))?;
        say!(
            "Perplexity per wordpiece and BLEU, on newstest2013, and parameters in millions are the paper's (Vaswani et al. \
             2017, Table 3); ours are counted exactly, with a bias in every projection."
        )?;
        Ok(())
    }
}
