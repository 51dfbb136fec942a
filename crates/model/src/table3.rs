//! The rows of the paper's Table 3, "Variations on the Transformer architecture".

use attentive_attention::PositionsConfig;

use crate::TransformerConfig;

/// One row: its changes, and the paper's results on English–German newstest2013.
#[derive(Debug, Clone, PartialEq)]
pub struct Table3Row {
    /// `base`, `big`, or the group's letter and the change.
    pub name: &'static str,
    /// Sizes and choices.
    pub config: TransformerConfig,
    /// Label smoothing ε.
    pub label_smoothing: f64,
    /// Training updates.
    pub train_steps: u64,
    /// Per-wordpiece development perplexity.
    pub perplexity: f64,
    /// Development BLEU.
    pub bleu: f64,
    /// Parameters in millions, where the paper gives them.
    pub params_millions: Option<f64>,
}

/// Every row of Table 3 over a joint vocabulary; the paper's has about 37,000 entries.
pub fn table3(vocab_size: usize) -> Vec<Table3Row> {
    let base = TransformerConfig::base(vocab_size);
    let row = |name, config, perplexity, bleu, params_millions| Table3Row {
        name,
        config,
        label_smoothing: 0.1,
        train_steps: 100_000,
        perplexity,
        bleu,
        params_millions,
    };
    let heads = |n_heads| TransformerConfig { n_heads, ..base.clone() };
    let d_k = |d_k| TransformerConfig { d_k: Some(d_k), d_v: Some(64), ..base.clone() };
    let layers = |n| TransformerConfig { n_encoder_layers: n, n_decoder_layers: n, ..base.clone() };
    // Rows (C) that change d_model keep 8 heads and give d_k = d_v explicitly.
    let d_model = |d_model, d| TransformerConfig { d_model, d_k: Some(d), d_v: Some(d), ..base.clone() };
    let d_ff = |d_ff| TransformerConfig { d_ff, ..base.clone() };
    let dropout = |dropout| TransformerConfig { dropout, ..base.clone() };
    let learned = TransformerConfig { positions: PositionsConfig::Learned { max_len: 1024 }, ..base.clone() };
    let smoothing = |label_smoothing, row: Table3Row| Table3Row { label_smoothing, ..row };
    vec![
        row("base", base.clone(), 4.92, 25.8, Some(65.0)),
        row("A h=1", heads(1), 5.29, 24.9, None),
        row("A h=4", heads(4), 5.00, 25.5, None),
        row("A h=16", heads(16), 4.91, 25.8, None),
        row("A h=32", heads(32), 5.01, 25.4, None),
        row("B d_k=16", d_k(16), 5.16, 25.1, Some(58.0)),
        row("B d_k=32", d_k(32), 5.01, 25.4, Some(60.0)),
        row("C N=2", layers(2), 6.11, 23.7, Some(36.0)),
        row("C N=4", layers(4), 5.19, 25.3, Some(50.0)),
        row("C N=8", layers(8), 4.88, 25.5, Some(80.0)),
        row("C d_model=256", d_model(256, 32), 5.75, 24.5, Some(28.0)),
        row("C d_model=1024", d_model(1024, 128), 4.66, 26.0, Some(168.0)),
        row("C d_ff=1024", d_ff(1024), 5.12, 25.4, Some(53.0)),
        row("C d_ff=4096", d_ff(4096), 4.75, 26.2, Some(90.0)),
        row("D dropout=0.0", dropout(0.0), 5.77, 24.6, None),
        row("D dropout=0.2", dropout(0.2), 4.95, 25.5, None),
        smoothing(0.0, row("D smoothing=0.0", base.clone(), 4.67, 25.3, None)),
        smoothing(0.2, row("D smoothing=0.2", base.clone(), 5.47, 25.7, None)),
        row("E learned positions", learned, 4.92, 25.7, None),
        Table3Row { train_steps: 300_000, ..row("big", TransformerConfig::big(vocab_size), 4.33, 26.4, Some(213.0)) },
    ]
}
