//! What writes to memory that nobody has written yet, or through several threads, against what does not: small, so that Miri
//! can watch.

use attentive_kernels::*;
use attentive_testkit::Fixture;

#[test]
fn a_product_into_new_memory_equals_one_into_old() {
    let mut data = Fixture::new(1);
    for [m, k, n] in [[3, 5, 7], [1, 0, 4], [6, 33, 19]] {
        let (a, b, bias) = (data.normal(m * k), data.normal(k * n), data.normal(n));
        let epilogue = Epilogue { bias: Some(&bias), activation: ActivationKind::Relu, ..Epilogue::default() };
        for a in [MatRef::new(&a, m, k), MatRef::strided(&a, [m, k], [1, m])] {
            let b = MatRef::new(&b, k, n);
            let mut old = vec![f32::NAN; m * n];
            matmul_with(a, b, MatMut::new(&mut old, m, n), &epilogue);
            assert_eq!(product(a, b, &epilogue), old);
            let mut packed = vec![f32::NAN; m * n];
            PackedMatrix::new(b).multiply(a, MatMut::new(&mut packed, m, n), &epilogue);
            assert_eq!(packed, old);
        }
    }
}

#[test]
fn attention_into_new_memory_equals_that_into_old() {
    let mut data = Fixture::new(2);
    for (q_len, causal) in [(3, true), (9, true), (7, false)] {
        let (batch, heads, k_len, d_k, d_v) = (2, 2, 6, 3, 5);
        let shape = AttentionShape { batch, heads, kv_heads: heads, q_len, k_len, d_k, d_v };
        let hidden: Vec<bool> = (0..batch * k_len).map(|key| key == 1 || key / k_len == 1).collect();
        let attention =
            Attention { hidden: Some(&hidden), causal, dropout: Dropout::new(0.25, 3), ..Attention::new(shape) };
        let [q, k, v] = [q_len * d_k, k_len * d_k, k_len * d_v].map(|n| data.normal(batch * heads * n));
        let d_out = data.normal(batch * heads * q_len * d_v);
        let major = |seq, d| HeadStrides::seq_major(seq, 1, heads, d);
        let [q, k, v] =
            [(&q, q_len, d_k), (&k, k_len, d_k), (&v, k_len, d_v)].map(|(x, n, d)| Heads::new(x, major(n, d)));
        let (mut old, mut old_lse) = (vec![f32::NAN; d_out.len()], vec![f32::NAN; batch * heads * q_len]);
        attention.forward(q, k, v, HeadsMut::new(&mut old, major(q_len, d_v)), &mut old_lse);
        let (out, lse) = attention.output(q, k, v);
        assert_eq!((&out, &lse), (&old, &old_lse));
        let (out, d_out) = (Heads::new(&out, major(q_len, d_v)), Heads::new(&d_out, major(q_len, d_v)));
        let mut old = [[q_len, d_k], [k_len, d_k], [k_len, d_v]].map(|[n, d]| vec![f32::NAN; batch * heads * n * d]);
        let [d_q, d_k, d_v] = &mut old;
        let gradients = AttentionGradients {
            q: HeadsMut::new(d_q, major(q_len, shape.d_k)),
            k: HeadsMut::new(d_k, major(k_len, shape.d_k)),
            v: HeadsMut::new(d_v, major(k_len, shape.d_v)),
            bias: None,
        };
        attention.backward(q, k, v, out, &lse, d_out, gradients);
        assert_eq!(attention.gradients(q, k, v, out, &lse, d_out, false), (old, None));
    }
}

#[test]
fn parts_of_one_gradient_are_written_side_by_side() {
    let mut data = Fixture::new(3);
    let (batch, seq, heads, d) = (2, 6, 2, 3);
    let shape = AttentionShape { batch, heads, kv_heads: heads, q_len: seq, k_len: seq, d_k: d, d_v: d };
    let attention = Attention::new(shape);
    let qkv = data.normal(batch * seq * 3 * heads * d);
    let [q, k, v] = Heads::split(&qkv, [seq, heads, d]);
    let (out, lse) = attention.output(q, k, v);
    let strides = HeadStrides::seq_major(seq, 1, heads, d);
    let (out, d_out) = (Heads::new(&out, strides), Heads::new(&qkv[..out.len()], strides));
    let (apart, _) = attention.gradients(q, k, v, out, &lse, d_out, false);
    let mut together = vec![f32::NAN; qkv.len()];
    let [d_q, d_k, d_v] = HeadsMut::split(&mut together, [seq, heads, d]);
    attention.backward(q, k, v, out, &lse, d_out, AttentionGradients { q: d_q, k: d_k, v: d_v, bias: None });
    for (position, parts) in together.chunks_exact(3 * heads * d).enumerate() {
        for (part, gradient) in parts.chunks_exact(heads * d).zip(&apart) {
            assert_eq!(part, &gradient[position * heads * d..][..heads * d]);
        }
    }
}

#[test]
fn gradients_of_a_table_are_sums_of_rows() {
    let ids: Vec<u32> = (0..40).map(|i| i * i % 7).collect();
    let dy: Vec<f32> = (0..ids.len() * 3).map(|i| i as f32).collect();
    let mut d_table = vec![1.0; 7 * 3];
    Embedding { d_model: 3, scale: 2.0, dropout: Dropout::NONE }.backward(&ids, &dy, &mut d_table, None);
    for (place, &found) in d_table.iter().enumerate() {
        let of_word = ids.iter().zip(dy.chunks_exact(3)).filter(|(id, _)| **id as usize == place / 3);
        assert_eq!(found, 1.0 + 2.0 * of_word.map(|(_, row)| row[place % 3]).sum::<f32>());
    }
}

#[test]
fn the_best_of_an_8_bit_product_are_its_largest() {
    let mut data = Fixture::new(4);
    let [m, k, n] = [3, 10, 37];
    let (a, b) = (data.normal(m * k), data.normal(k * n));
    let (a, matrix) = (MatRef::new(&a, m, k), Int8Matrix::new(&QuantisedColumns::new(MatRef::new(&b, k, n))));
    let mut y = vec![f32::NAN; m * n];
    matrix.multiply(a, MatMut::new(&mut y, m, n), &Epilogue::default());
    let (mut ids, mut values, mut log_sum_exp) = (vec![0; 2 * m], vec![0.0; 2 * m], vec![0.0; m]);
    matrix.top_k(a, None, TopK { k: 2, ids: &mut ids, values: &mut values, log_sum_exp: &mut log_sum_exp });
    for (row, best) in y.chunks_exact(n).zip(values.chunks_exact(2)) {
        let mut sorted = row.to_vec();
        sorted.sort_by(|a, b| b.total_cmp(a));
        assert_eq!(best, &sorted[..2]);
    }
}
