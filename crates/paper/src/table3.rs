//! Table 3.

use attentive_attention::PositionsConfig;
use attentive_model::{
    ModelSpec, TransformerConfig,
    table3::{Table3Row, table3},
};
use attentive_task::thousands;

use crate::{Exhibit, Part, Table, table::or_dash};

const HEAD: [&str; 16] = [
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
];

/// Every variation of the model: hyper-parameters, our count of parameters beside the paper's, and the paper's scores.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Table3 {
    /// Entries of the joint vocabulary.
    pub vocab_size: usize,
}

/// The paper's "about 37,000" entries (§5.1).
impl Default for Table3 {
    fn default() -> Self {
        Self { vocab_size: 37_000 }
    }
}

impl Table3 {
    /// The table.
    pub fn make(&self) -> Exhibit {
        let mut table = Table::new(HEAD).under(format!("Table 3 over {} entries", thousands(self.vocab_size as u64)));
        table3(self.vocab_size).into_iter().for_each(|row| table.row(cells(&row)));
        let note = "Perplexity per wordpiece and BLEU, on newstest2013, and parameters in millions are the paper's (Vaswani \
                    et al. 2017, Table 3); ours are counted exactly, with a bias in every projection.";
        [table.into(), Part::Text(note.into())].into()
    }
}

fn cells(row: &Table3Row) -> [String; HEAD.len()] {
    let TransformerConfig { n_encoder_layers, d_model, d_ff, n_heads, dropout, positions, .. } = &row.config;
    let n_params = row.config.n_params();
    let positions = match positions {
        PositionsConfig::Learned { .. } => "learned",
        _ => "sinusoids",
    };
    let difference = |paper: f64| format!("{:+.1} %", 100.0 * (n_params as f64 / 1e6 / paper - 1.0));
    [
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
    ]
}
