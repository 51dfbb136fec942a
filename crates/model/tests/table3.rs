//! Parameter counts of Table 3's rows: the model's against a formula written from the paper, and against the paper.

use attentive_backend::BackendKind;
use attentive_model::{ModelSpec, TransformerConfig, table3::table3};
use burn::module::Module;

/// Parameters of a post-norm Transformer with one shared embedding matrix, biases in every projection, counted from
/// Figure 1 and §3: independent of how the model counts itself.
fn closed_formula(v: usize, [n, d, f, h, dk, dv, learned]: [usize; 7]) -> usize {
    let project = |from: usize, to: usize| from * to + to;
    let attention = project(d, h * dk) + project(d, h * dk) + project(d, h * dv) + project(h * dv, d);
    let feed_forward = project(d, f) + project(f, d);
    let norm = d + d;
    let encoder = attention + norm + feed_forward + norm;
    let decoder = attention + norm + attention + norm + feed_forward + norm;
    v * d + n * (encoder + decoder) + 2 * learned * d
}

/// `N, d_model, d_ff, h, d_k, d_v, learned positions` of each row, copied from the paper's table.
const ROWS: [(&str, [usize; 7]); 20] = [
    ("base", [6, 512, 2048, 8, 64, 64, 0]),
    ("A h=1", [6, 512, 2048, 1, 512, 512, 0]),
    ("A h=4", [6, 512, 2048, 4, 128, 128, 0]),
    ("A h=16", [6, 512, 2048, 16, 32, 32, 0]),
    ("A h=32", [6, 512, 2048, 32, 16, 16, 0]),
    ("B d_k=16", [6, 512, 2048, 8, 16, 64, 0]),
    ("B d_k=32", [6, 512, 2048, 8, 32, 64, 0]),
    ("C N=2", [2, 512, 2048, 8, 64, 64, 0]),
    ("C N=4", [4, 512, 2048, 8, 64, 64, 0]),
    ("C N=8", [8, 512, 2048, 8, 64, 64, 0]),
    ("C d_model=256", [6, 256, 2048, 8, 32, 32, 0]),
    ("C d_model=1024", [6, 1024, 2048, 8, 128, 128, 0]),
    ("C d_ff=1024", [6, 512, 1024, 8, 64, 64, 0]),
    ("C d_ff=4096", [6, 512, 4096, 8, 64, 64, 0]),
    ("D dropout=0.0", [6, 512, 2048, 8, 64, 64, 0]),
    ("D dropout=0.2", [6, 512, 2048, 8, 64, 64, 0]),
    ("D smoothing=0.0", [6, 512, 2048, 8, 64, 64, 0]),
    ("D smoothing=0.2", [6, 512, 2048, 8, 64, 64, 0]),
    ("E learned positions", [6, 512, 2048, 8, 64, 64, 1024]),
    ("big", [6, 1024, 4096, 16, 64, 64, 0]),
];

#[test]
fn every_row_has_the_parameters_of_the_closed_formula() {
    let rows = table3(37_000);
    assert_eq!(rows.len(), ROWS.len());
    for (row, (name, sizes)) in rows.iter().zip(ROWS) {
        assert_eq!(row.name, name);
        assert_eq!(row.config.n_params(), closed_formula(37_000, sizes), "{name}");
    }
}

#[test]
fn differences_to_base_are_the_papers_within_a_million() {
    let rows = table3(37_000);
    let base = rows[0].config.n_params() as f64 / 1e6;
    let compared = [58.0, 60.0, 36.0, 50.0, 80.0, 53.0, 90.0];
    let mut n_compared = 0;
    for row in &rows {
        let millions = row.config.n_params() as f64 / 1e6;
        let Some(paper) = row.params_millions else { continue };
        assert!((millions / paper - 1.0).abs() < 0.07, "{}: {millions:.2} M, the paper has {paper} M", row.name);
        if compared.contains(&paper) {
            n_compared += 1;
            let difference = (millions - base) - (paper - 65.0);
            assert!(difference.abs() < 1.0, "{}: {difference:+.2} M off", row.name);
        }
    }
    assert_eq!(n_compared, compared.len());
}

#[test]
fn a_vocabulary_of_40_900_gives_every_row_but_big_within_a_percent() {
    for row in table3(40_900) {
        let Some(paper) = row.params_millions.filter(|_| row.name != "big") else { continue };
        let millions = row.config.n_params() as f64 / 1e6;
        assert!((millions / paper - 1.0).abs() < 0.01, "{}: {millions:.2} M, the paper has {paper} M", row.name);
    }
}

#[test]
fn a_model_has_as_many_parameters_as_its_configuration_says() {
    let device = BackendKind::Flex.device().unwrap();
    for row in table3(11) {
        // The row's proportions at a size that is quick to make.
        let small = TransformerConfig { n_encoder_layers: 1, n_decoder_layers: 2, ..row.config };
        let model = small.init(&device, 1).unwrap();
        assert_eq!(model.num_params(), small.n_params(), "{}", row.name);
    }
}
