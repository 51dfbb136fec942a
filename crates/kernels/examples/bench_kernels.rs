//! Speed of each kernel alone: `cargo run --release -p attentive-kernels --example bench_kernels [filter]`.
//!
//! Shares are of the level's peak: as many multiply-adds as its instructions make in registers alone, on as many threads.
//! Rates count the arithmetic (or the bytes) of the definition, not what a kernel recomputes. Threads: `RAYON_NUM_THREADS`.
#![allow(clippy::print_stdout, reason = "a bench shows its figures")]

use attentive_kernels::*;
use attentive_testkit::Fixture;
use std::sync::OnceLock;
use std::time::Instant;

/// Floating-point and integer operations a second of all threads, in thousand millions; none for integers where it is not known.
fn peaks() -> [Option<f64>; 2] {
    static PEAKS: OnceLock<[Option<f64>; 2]> = OnceLock::new();
    const ROUNDS: usize = 200_000;
    let measure = |count: fn(usize) -> Option<u64>| {
        let mut best: f64 = 0.0;
        for _ in 0..20 {
            let start = Instant::now();
            let products: u64 = rayon::broadcast(|_| count(ROUNDS)).into_iter().sum::<Option<u64>>()?;
            best = best.max(2.0 * products as f64 / start.elapsed().as_secs_f64() / 1e9);
        }
        Some(best)
    };
    *PEAKS.get_or_init(|| [measure(|rounds| Some(multiply_floats(rounds))), measure(multiply_bytes)])
}

/// Runs `f` for about half a second and prints its best time and rate, for `work` operations or bytes.
fn bench(name: &str, work: f64, unit: &str, mut f: impl FnMut()) {
    if std::env::args().nth(1).is_some_and(|filter| !name.contains(&filter)) {
        return;
    }
    f();
    let (start, mut best) = (Instant::now(), f64::INFINITY);
    while start.elapsed().as_secs_f64() < 0.5 {
        let round = Instant::now();
        f();
        best = best.min(round.elapsed().as_secs_f64());
    }
    let rate = work / best / 1e9;
    let peak = match unit {
        "GFLOP" => peaks()[0],
        "GOP" => peaks()[1],
        _ => None,
    };
    let share = peak.map(|peak| format!("{:4.0} %", 100.0 * rate / peak)).unwrap_or_default();
    println!("{name:44} {:9.3} ms {rate:8.1} {:7}{share}", best * 1e3, format!("{unit}/s"));
}

fn products(data: &mut Fixture) {
    let shapes = [
        [2048, 2048, 2048],
        [2048, 256, 1024],
        [2048, 1024, 256],
        [2048, 256, 768],
        [2048, 256, 256],
        [256, 2048, 1024],
        [8000, 256, 256],
        [64, 256, 1024],
    ];
    for [m, k, n] in shapes {
        let (a, b, mut c) = (data.normal(m * k), data.normal(k * n), vec![0.0; m * n]);
        let operands = [
            ("nn", MatRef::new(&a, m, k), MatRef::new(&b, k, n)),
            ("nt", MatRef::new(&a, m, k), MatRef::new(&b, n, k).t()),
            ("tn", MatRef::new(&a, k, m).t(), MatRef::new(&b, k, n)),
        ];
        for (order, a, b) in operands {
            bench(&format!("matmul {m}x{k}x{n} {order}"), 2.0 * (m * k * n) as f64, "GFLOP", || {
                matmul(a, b, MatMut::new(&mut c, m, n), false);
            });
        }
    }
}

fn attention(data: &mut Fixture) {
    for (batch, heads, n, d, causal) in [
        (64, 4, 32, 64, false),
        (64, 4, 32, 64, true),
        (16, 6, 256, 64, true),
        (1, 4, 512, 64, false),
        (1, 4, 2048, 64, false),
        (1, 4, 4096, 64, false),
    ] {
        let shape = AttentionShape { batch, heads, kv_heads: heads, q_len: n, k_len: n, d_k: d, d_v: d };
        let attention = Attention { causal, dropout: Dropout::new(0.1, 1), ..Attention::new(shape) };
        let qkv = data.normal(batch * n * 3 * heads * d);
        let [q, k, v] = Heads::split(&qkv, [n, heads, d]);
        let strides = HeadStrides::seq_major(n, 1, heads, d);
        let (mut out, mut lse) = (vec![0.0; batch * n * heads * d], vec![0.0; batch * heads * n]);
        let flops = 4.0 * (batch * heads * n * n * d) as f64 * if causal { 0.5 } else { 1.0 };
        let name = format!("{batch}x{heads}x{n}x{d}{}", if causal { " causal" } else { "" });
        bench(&format!("attention forward {name}"), flops, "GFLOP", || {
            attention.forward(q, k, v, HeadsMut::new(&mut out, strides), &mut lse);
        });
        let d_out = data.normal(out.len());
        let mut d_qkv = vec![0.0; qkv.len()];
        bench(&format!("attention backward {name}"), 2.5 * flops, "GFLOP", || {
            let [q_grad, k_grad, v_grad] = HeadsMut::split(&mut d_qkv, [n, heads, d]);
            let gradients = AttentionGradients { q: q_grad, k: k_grad, v: v_grad, bias: None };
            attention.backward(q, k, v, Heads::new(&out, strides), &lse, Heads::new(&d_out, strides), gradients);
        });
    }
}

fn cross_entropy(data: &mut Fixture) {
    for (n, d_model, vocab_size) in [(2048, 256, 8000), (512, 512, 32000)] {
        let (hidden, weight) = (data.normal(n * d_model), data.uniform(vocab_size * d_model, -0.1, 0.1));
        let ids: Vec<u32> = data.indices(n, vocab_size).into_iter().map(|id| id as u32).collect();
        let targets = Targets { ids: &ids, ignored: None, smoothing: 0.1 };
        let (mut d_hidden, mut d_weight) = (vec![0.0; hidden.len()], vec![0.0; weight.len()]);
        let flops = 2.0 * (n * d_model * vocab_size) as f64;
        for layout in [WeightLayout::VocabMajor, WeightLayout::ModelMajor] {
            let projection = VocabProjection { weight: &weight, bias: None, d_model, vocab_size, layout };
            bench(&format!("cross-entropy {n}x{d_model}x{vocab_size} {layout:?}"), flops, "GFLOP", || {
                projection.loss(&hidden, &targets);
            });
            bench(&format!("cross-entropy+grad {n}x{d_model}x{vocab_size} {layout:?}"), 3.0 * flops, "GFLOP", || {
                let gradients = VocabGradients { hidden: &mut d_hidden, weight: Some(&mut d_weight), bias: None };
                projection.loss_and_gradients(&hidden, &targets, gradients);
            });
        }
    }
}

fn rows(data: &mut Fixture) {
    let (rows, d) = (2048, 256);
    let n = rows * d;
    let (x, f, dy) = (data.normal(n), data.normal(n), data.normal(n));
    let (gamma, beta) = (data.normal(d), data.normal(d));
    let [mut sum, mut y, mut dx] = [vec![0.0; n], vec![0.0; n], vec![0.0; n]];
    let mut stats = vec![0.0; 2 * rows];
    let dropout = Dropout::new(0.1, 1);
    let bytes = (4 * n) as f64;
    bench("dropout 2048x256", 2.0 * bytes, "GB", || dropout.apply(&x, d, &mut y));
    let norm = Norm { kind: NormKind::Layer, gamma: &gamma, beta: Some(&beta), eps: 1e-5 };
    // What works in place is given a copy each time: the same numbers, and two transfers more.
    bench("residual norm forward 2048x256", 6.0 * bytes, "GB", || {
        sum.copy_from_slice(&f);
        norm.residual_forward(&x, &mut sum, dropout, &mut y, &mut stats);
    });
    let (mut d_gamma, mut d_beta) = (vec![0.0; d], vec![0.0; d]);
    bench("norm backward 2048x256", 5.0 * bytes, "GB", || {
        dx.copy_from_slice(&dy);
        let gradients = NormGradients { x: &mut dx, gamma: &mut d_gamma, beta: Some(&mut d_beta) };
        norm.backward(&sum, &stats, None, gradients);
    });
    bench("softmax 2048x256", 2.0 * bytes, "GB", || softmax(&x, d, &mut y));

    let (x, bias, dy) = (data.normal(4 * n), data.normal(4 * d), data.normal(4 * n));
    let [mut y, mut dx, mut d_bias] = [vec![0.0; 4 * n], vec![0.0; 4 * n], vec![0.0; 4 * d]];
    for kind in [ActivationKind::Relu, ActivationKind::Gelu, ActivationKind::GeluTanh] {
        let activation = Activation { kind, bias: Some(&bias), cols: 4 * d, dropout };
        bench(&format!("{kind:?} forward 2048x1024"), 8.0 * bytes, "GB", || activation.forward(&x, &mut y));
        bench(&format!("{kind:?} backward 2048x1024"), 20.0 * bytes, "GB", || {
            dx.copy_from_slice(&dy);
            activation.backward(&x, &mut dx, Some(&mut d_bias));
        });
    }

    let vocab_size = 8000;
    let embedding = Embedding { d_model: d, scale: 16.0, dropout };
    let ids: Vec<u32> = data.indices(rows, vocab_size).into_iter().map(|id| id as u32).collect();
    let (table, positions, dy) = (data.normal(vocab_size * d), data.normal(32 * d), data.normal(n));
    let (mut y, mut d_table) = (vec![0.0; n], vec![0.0; vocab_size * d]);
    bench("embedding forward 2048 of 8000x256", 2.0 * bytes, "GB", || {
        embedding.forward(&table, &ids, Some((&positions, 32)), &mut y);
    });
    bench("embedding backward 2048 of 8000x256", 3.0 * bytes, "GB", || {
        embedding.backward(&ids, &dy, &mut d_table, None);
    });
}

fn decode(data: &mut Fixture) {
    for [m, k, n] in [[1, 512, 2048], [4, 512, 2048], [32, 256, 1024], [128, 512, 2048], [128, 512, 32000]] {
        let (x, w) = (data.normal(m * k), data.normal(k * n));
        let (x, w) = (MatRef::new(&x, m, k), MatRef::new(&w, k, n));
        let mut y = vec![0.0; m * n];
        let ops = 2.0 * (m * k * n) as f64;
        let packed = PackedMatrix::new(w);
        bench(&format!("packed {m}x{k}x{n}"), ops, "GFLOP", || {
            packed.multiply(x, MatMut::new(&mut y, m, n), &Epilogue::default());
        });
        let int8 = Int8Matrix::new(&QuantisedColumns::new(w));
        bench(&format!("int8 {m}x{k}x{n}"), ops, "GOP", || {
            int8.multiply(x, MatMut::new(&mut y, m, n), &Epilogue::default());
        });
        let (mut ids, mut values, mut lse) = (vec![0; 8 * m], vec![0.0; 8 * m], vec![0.0; m]);
        bench(&format!("packed top-8 {m}x{k}x{n}"), ops, "GFLOP", || {
            let best = TopK { k: 8, ids: &mut ids, values: &mut values, log_sum_exp: &mut lse };
            packed.top_k(x, None, best);
        });
        bench(&format!("int8 top-8 {m}x{k}x{n}"), ops, "GOP", || {
            let best = TopK { k: 8, ids: &mut ids, values: &mut values, log_sum_exp: &mut lse };
            int8.top_k(x, None, best);
        });
    }
    let (rows, heads, k_len, d) = (128, 8, 24, 64);
    let shape = AttentionShape { batch: rows, heads, kv_heads: heads, q_len: 1, k_len, d_k: d, d_v: d };
    let attention = Attention { causal: true, ..Attention::new(shape) };
    let (q, cache) = (data.normal(rows * heads * d), data.normal(rows * k_len * heads * d));
    let (step, past) = (HeadStrides::seq_major(1, 1, heads, d), HeadStrides::seq_major(k_len, 1, heads, d));
    let (mut out, mut lse) = (vec![0.0; q.len()], vec![0.0; rows * heads]);
    bench("attention of one query, 128x8x24x64", 8.0 * cache.len() as f64, "GB", || {
        let (q, kv) = (Heads::new(&q, step), Heads::new(&cache, past));
        attention.forward(q, kv, kv, HeadsMut::new(&mut out, step), &mut lse);
    });
}

/// Blocks of GGUF's formats next to one scale a column: one row, for which threads wait for memory, and a prompt.
fn blocks(data: &mut Fixture) {
    let formats =
        [BlockFormat::Q4_0, BlockFormat::Q4_1, BlockFormat::Q8_0, BlockFormat::Q4K, BlockFormat::Q5K, BlockFormat::Q6K];
    for [m, k, n] in [[1, 4096, 16384], [64, 4096, 4096]] {
        let (x, mut y) = (data.normal(m * k), vec![0.0; m * n]);
        let x = MatRef::new(&x, m, k);
        let rate = |n_bytes: usize| if m == 1 { (n_bytes as f64, "GB") } else { (2.0 * (m * k * n) as f64, "GOP") };
        let int8 = Int8Matrix::of_bytes(&vec![1; k * n], &vec![1.0; n], Major::Columns).expect("whole columns");
        let (work, unit) = rate(k * n);
        bench(&format!("blocks: int8 {m}x{k}x{n}"), work, unit, || {
            int8.multiply(x, MatMut::new(&mut y, m, n), &Epilogue::default());
        });
        for format in formats {
            let n_bytes = format.row_bytes(k).expect("whole blocks") * n;
            let matrix = BlockMatrix::new(format, &vec![0x33; n_bytes], [k, n]).expect("whole blocks");
            let (work, unit) = rate(n_bytes);
            bench(&format!("blocks: {format:?} {m}x{k}x{n}"), work, unit, || {
                matrix.multiply(x, MatMut::new(&mut y, m, n), &Epilogue::default());
            });
        }
    }
}

fn optimiser(data: &mut Fixture) {
    let n = 4_000_000;
    let (mut weights, grads) = (data.uniform(n, -1.0, 1.0), data.uniform(n, -1.0, 1.0));
    let (mut m, mut v) = (vec![0.0; n], vec![0.0; n]);
    let adam = Adam { lr: 1e-3, beta_1: 0.9, beta_2: 0.98, eps: 1e-9 };
    bench("adam 4M", 28.0 * n as f64, "GB", || {
        let (weights, m, v) = (&mut weights[..], &mut m[..], &mut v[..]);
        adam.update(1, 1.0, vec![AdamTensor { weights, grads: &grads, m, v, weight_decay: 0.0 }]);
    });
    bench("sum of squares 4M", 4.0 * n as f64, "GB", || {
        std::hint::black_box(sum_of_squares(&[&grads]));
    });
}

fn main() {
    let data = &mut Fixture::new(1);
    let [floats, bytes] = peaks();
    let bytes = bytes.map_or_else(String::new, |bytes| format!(" and {bytes:.1} GOP/s of bytes"));
    let (threads, level) = (rayon::current_num_threads(), Level::current().name());
    println!("{threads} threads, {level}: at most {:.1} GFLOP/s{bytes}", floats.unwrap_or_default());
    products(data);
    attention(data);
    cross_entropy(data);
    rows(data);
    decode(data);
    blocks(data);
    optimiser(data);
}
