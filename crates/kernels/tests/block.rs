//! Products with blocks of GGUF's formats against the formats' definitions in `f64`; what they mean against the Python
//! package gguf (`tests/golden/generate.py`).

use std::{fs, path::PathBuf};

use attentive_kernels::{ActivationKind, BlockFormat, BlockMatrix, Epilogue, Level, MatMut, MatRef, TopK};
use attentive_testkit::{Fixture, assert_close, widen};
use proptest::prelude::*;

const FORMATS: [(BlockFormat, &str); 6] = [
    (BlockFormat::Q4_0, "Q4_0"),
    (BlockFormat::Q8_0, "Q8_0"),
    (BlockFormat::Q4_1, "Q4_1"),
    (BlockFormat::Q4K, "Q4_K"),
    (BlockFormat::Q5K, "Q5_K"),
    (BlockFormat::Q6K, "Q6_K"),
];

fn golden(name: &str) -> Vec<u8> {
    fs::read(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)).unwrap()
}

fn floats(bytes: &[u8]) -> Vec<f32> {
    bytes.as_chunks().0.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect()
}

/// The 16-bit number at `at`, which is finite.
fn half(block: &[u8], at: usize) -> f64 {
    let bits = u16::from_le_bytes([block[at], block[at + 1]]);
    let (exponent, fraction) = (i32::from(bits >> 10 & 31), f64::from(bits & 1023) / 1024.0);
    let magnitude = if exponent == 0 { fraction / 16384.0 } else { (1.0 + fraction) * 2_f64.powi(exponent - 15) };
    if bits >> 15 == 1 { -magnitude } else { magnitude }
}

/// Value `i` of a block, by the definition of its format.
fn meaning(format: BlockFormat, block: &[u8], i: usize) -> f64 {
    let nibble = |byte: u8, upper: bool| f64::from(if upper { byte >> 4 } else { byte & 15 });
    match format {
        BlockFormat::Q4_0 => half(block, 0) * (nibble(block[2 + i % 16], i >= 16) - 8.0),
        BlockFormat::Q8_0 => half(block, 0) * f64::from(block[2 + i].cast_signed()),
        BlockFormat::Q4_1 => half(block, 0) * nibble(block[4 + i % 16], i >= 16) + half(block, 2),
        BlockFormat::Q4K | BlockFormat::Q5K => {
            let (s, j) = (&block[4..16], i / 32);
            let (scale, minimum) = if j < 4 {
                (s[j] & 63, s[j + 4] & 63)
            } else {
                ((s[j + 4] & 15) + (s[j - 4] >> 6) * 16, (s[j + 4] >> 4) + (s[j] >> 6) * 16)
            };
            let (low, fifth) = match format {
                BlockFormat::Q4K => (&block[16..], 0.0),
                _ => (&block[48..], f64::from(block[16 + i % 32] >> j & 1)),
            };
            let q = nibble(low[i / 64 * 32 + i % 32], i % 64 >= 32) + 16.0 * fifth;
            half(block, 0) * f64::from(scale) * q - half(block, 2) * f64::from(minimum)
        }
        BlockFormat::Q6K => {
            let (part, quarter, l) = (i / 128, i % 128 / 32, i % 32);
            let low = nibble(block[part * 64 + quarter % 2 * 32 + l], quarter >= 2);
            let high = f64::from(block[128 + part * 32 + l] >> (2 * quarter) & 3);
            let scale = f64::from(block[192 + i / 16].cast_signed());
            half(block, 208) * scale * (low + 16.0 * high - 32.0)
        }
    }
}

/// `[n, k]`: the values of all blocks.
fn meanings(format: BlockFormat, bytes: &[u8]) -> Vec<f64> {
    let blocks = bytes.chunks_exact(format.block_bytes());
    blocks.flat_map(|block| (0..format.block_len()).map(|i| meaning(format, block, i))).collect()
}

/// Blocks of random bytes, with scales between 1/128 and 2.
fn blocks(format: BlockFormat, k: usize, n: usize, data: &mut Fixture) -> Vec<u8> {
    let n_bytes = format.row_bytes(k).unwrap() * n;
    let mut bytes: Vec<u8> = data.indices(n_bytes, 256).into_iter().map(|byte| byte as u8).collect();
    let scales: &[usize] = match format {
        BlockFormat::Q4_0 | BlockFormat::Q8_0 => &[1],
        BlockFormat::Q4_1 | BlockFormat::Q4K | BlockFormat::Q5K => &[1, 3],
        BlockFormat::Q6K => &[209],
    };
    for block in bytes.chunks_exact_mut(format.block_bytes()) {
        scales.iter().for_each(|&at| block[at] = block[at] & 0x9f | 0x20);
    }
    bytes
}

/// A row of inputs as it is rounded: the nearest 127ths of the largest of every 32.
fn rounded(row: &[f32]) -> Vec<f64> {
    let mut values = Vec::new();
    for block in row.chunks(32) {
        let max = block.iter().fold(0.0, |max: f32, x| max.max(x.abs()));
        let scale = f64::from(max / 127.0);
        let round = |&x: &f32| if max > 0.0 { f64::from((x * (127.0 / max)).round_ties_even()) * scale } else { 0.0 };
        values.extend(block.iter().map(round));
    }
    values
}

/// Compares a product, at every level, with the definition; all levels give the same bits.
fn check(format: BlockFormat, [m, k, n]: [usize; 3], seed: u64) {
    let mut data = Fixture::new(seed);
    let bytes = blocks(format, k, n, &mut data);
    let (mut a, before, bias) = (data.normal(m * k), data.normal(m * n), data.normal(n));
    a[..k.min(64)].fill(0.0);
    let weights = meanings(format, &bytes);
    let matrix = BlockMatrix::new(format, &bytes, [k, n]).unwrap();
    assert_eq!((matrix.dims(), matrix.format()), ([k, n], format));
    let epilogue = Epilogue { accumulate: true, bias: Some(&bias), activation: ActivationKind::Relu };
    let mut runs = Vec::new();
    for level in Level::available() {
        let [mut plain, mut full] = [vec![f32::NAN; m * n], before.clone()];
        level.during(|| {
            matrix.multiply(MatRef::new(&a, m, k), MatMut::new(&mut plain, m, n), &Epilogue::default());
            matrix.multiply(MatRef::new(&a, m, k), MatMut::new(&mut full, m, n), &epilogue);
        });
        runs.push([plain, full]);
    }
    assert!(runs.iter().all(|run| *run == runs[0]), "{format:?} differs between levels");
    let [plain, full] = &runs[0];
    for i in 0..m {
        let row = rounded(&a[i * k..][..k]);
        for j in 0..n {
            let products = || row.iter().zip(&weights[j * k..]).map(|(x, w)| x * w);
            let (sum, size) = (products().sum::<f64>(), products().map(f64::abs).sum::<f64>());
            let at = i * n + j;
            assert!(
                (f64::from(plain[at]) - sum).abs() <= 4e-6 * size,
                "{format:?} ({i}, {j}): {} and {sum}",
                plain[at]
            );
            let expected = (sum + f64::from(before[at]) + f64::from(bias[j])).max(0.0);
            assert!((f64::from(full[at]) - expected).abs() <= 4e-6 * (size + 10.0));
        }
    }
    let a_t: Vec<f32> = (0..m * k).map(|i| a[i % m * k + i / m]).collect();
    let mut y = vec![0.0; m * n];
    matrix.multiply(MatRef::new(&a_t, k, m).t(), MatMut::new(&mut y, m, n), &Epilogue::default());
    assert_eq!(y, *plain);
}

#[test]
fn every_path_gives_the_definition_and_the_same_bits() {
    for (format, _) in FORMATS {
        let block = format.block_len();
        for [m, blocks, n] in [[1, 1, 1], [2, 3, 5], [9, 2, 131], [3, 9, 64], [259, 1, 17], [4, 17, 49]] {
            check(format, [m, blocks * block, n], (m + blocks + n) as u64);
        }
    }
}

#[test]
fn chosen_outputs_have_the_products_that_they_have_among_all() {
    for (format, _) in FORMATS {
        let [m, k, n] = [3, 2 * format.block_len(), 67];
        let mut data = Fixture::new(7);
        let (bytes, a) = (blocks(format, k, n, &mut data), data.normal(m * k));
        let outputs: Vec<u32> = data.indices(35, n).into_iter().map(|j| j as u32).collect();
        let matrix = BlockMatrix::new(format, &bytes, [k, n]).unwrap();
        let (mut all, mut some) = (vec![0.0; m * n], vec![0.0; m * outputs.len()]);
        matrix.multiply(MatRef::new(&a, m, k), MatMut::new(&mut all, m, n), &Epilogue::default());
        let to = MatMut::new(&mut some, m, outputs.len());
        matrix.select(&outputs).multiply(MatRef::new(&a, m, k), to, &Epilogue::default());
        let chosen = |row: &[f32]| outputs.iter().map(|&j| row[j as usize]).collect::<Vec<f32>>();
        assert_eq!(some, all.chunks(n).flat_map(chosen).collect::<Vec<f32>>(), "{format:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_shape_gives_the_definition(
        format in prop::sample::select(FORMATS.map(|(format, _)| format).to_vec()),
        m in 1..20usize, blocks in 0..12usize, n in 1..70usize, seed: u64,
    ) {
        let blocks = if format.block_len() == 256 { blocks.div_ceil(4) } else { blocks };
        check(format, [m, blocks * format.block_len(), n], seed);
    }

    #[test]
    fn a_row_depends_neither_on_the_others_nor_on_the_number_of_threads(
        format in prop::sample::select(FORMATS.map(|(format, _)| format).to_vec()), m in 1..40usize, n in 1..900usize, seed: u64,
    ) {
        let (mut data, k) = (Fixture::new(seed), 768);
        let (bytes, a) = (blocks(format, k, n, &mut data), data.normal(m * k));
        let matrix = BlockMatrix::new(format, &bytes, [k, n]).unwrap();
        let product = |a: &[f32], m: usize| {
            let mut y = vec![0.0; m * n];
            matrix.multiply(MatRef::new(a, m, k), MatMut::new(&mut y, m, n), &Epilogue::default());
            y
        };
        let on = |threads: usize| rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let all = on(1).install(|| product(&a, m));
        prop_assert!(all == on(3).install(|| product(&a, m)));
        for i in [0, m / 2, m - 1] {
            prop_assert_eq!(&product(&a[i * k..][..k], 1), &all[i * n..][..n]);
        }
    }
}

#[test]
fn blocks_mean_what_gguf_reads() {
    for (format, name) in FORMATS {
        let bytes = golden(&format!("{name}.blocks"));
        let values = floats(&golden(&format!("{name}.values")));
        assert_close(&values, &meanings(format, &bytes), 1e-6, 1e-12);
        // Once as one row, once as rows of two blocks.
        let (all, two) = (values.len(), 2 * format.block_len());
        for [k, n] in [[all, 1], [two, all / two]] {
            let matrix = BlockMatrix::new(format, &bytes, [k, n]).unwrap();
            assert_eq!(matrix.dequantise(), values, "{name}");
            let mut row = vec![0.0; k];
            matrix.dequantise_row(n - 1, &mut row);
            assert_eq!(row, values[(n - 1) * k..]);
        }
    }
}

#[test]
fn values_are_rounded_as_gguf_rounds_them() {
    let values = floats(&golden("inputs.values"));
    for (format, name) in &FORMATS[..2] {
        let expected = golden(&format!("{name}.rounded"));
        let k = values.len();
        let read = BlockMatrix::new(*format, &expected, [k, 1]).unwrap().dequantise();
        let matrix = BlockMatrix::quantise(*format, MatRef::new(&values, k, 1)).unwrap();
        assert_eq!(matrix.dequantise(), read, "{name}");
    }
}

#[test]
fn rounding_errs_by_half_a_step() {
    let [k, n] = [96, 35];
    let weight = Fixture::new(8).normal(k * n);
    // Half of a step, and the rounding of the scale to 16 bits; the largest value of four bits is 7 for -8.
    for (format, steps, worst) in [(BlockFormat::Q8_0, 127.0, 0.57), (BlockFormat::Q4_0, 8.0, 1.01)] {
        let matrix = BlockMatrix::quantise(format, MatRef::new(&weight, n, k).t()).unwrap();
        for (block, values) in matrix.dequantise().chunks(32).zip(weight.chunks(32)) {
            let step = values.iter().fold(0.0, |max: f32, x| max.max(x.abs())) / steps;
            assert!(block.iter().zip(values).all(|(y, x)| (y - x).abs() <= worst * step), "{format:?}");
        }
    }
}

#[test]
fn extreme_bytes_do_not_overflow() {
    let (k, n) = (512, 16);
    for (format, _) in FORMATS {
        for byte in [0, 0x7f, 0x80, 0xff] {
            let mut bytes = blocks(format, k, n, &mut Fixture::new(3));
            let scales = blocks(format, k, n, &mut Fixture::new(3));
            bytes.fill(byte);
            for (block, scales) in bytes.chunks_mut(format.block_bytes()).zip(scales.chunks(format.block_bytes())) {
                let at = if format == BlockFormat::Q6K { 208 } else { 0 };
                block[at..at + 2].copy_from_slice(&scales[at..at + 2]);
                if matches!(format, BlockFormat::Q4_1 | BlockFormat::Q4K | BlockFormat::Q5K) {
                    block[2..4].copy_from_slice(&scales[2..4]);
                }
            }
            let weights = meanings(format, &bytes);
            let matrix = BlockMatrix::new(format, &bytes, [k, n]).unwrap();
            for sign in [1.0, -1.0] {
                let expected: Vec<f64> = weights.chunks(k).map(|row| sign * row.iter().sum::<f64>()).collect();
                for level in Level::available() {
                    let mut y = vec![0.0; n];
                    let a = vec![sign as f32; k];
                    let to = MatMut::new(&mut y, 1, n);
                    level.during(|| matrix.multiply(MatRef::new(&a, 1, k), to, &Epilogue::default()));
                    assert_close(&y, &expected, 2e-5, 1e-2);
                }
            }
        }
    }
}

#[test]
fn products_are_near_those_of_the_values() {
    let [m, k, n] = [5, 1024, 130];
    for (format, _) in FORMATS {
        let mut data = Fixture::new(5);
        let (bytes, a) = (blocks(format, k, n, &mut data), data.normal(m * k));
        let matrix = BlockMatrix::new(format, &bytes, [k, n]).unwrap();
        let mut y = vec![0.0; m * n];
        matrix.multiply(MatRef::new(&a, m, k), MatMut::new(&mut y, m, n), &Epilogue::default());
        let (a, w) = (widen(&a), meanings(format, &bytes));
        let dot = |at: usize| -> f64 { (0..k).map(|p| a[at / n * k + p] * w[at % n * k + p]).sum() };
        let exact: Vec<f64> = (0..m * n).map(dot).collect();
        let error: f64 = exact.iter().zip(&y).map(|(e, &y)| (e - f64::from(y)).powi(2)).sum();
        assert!(error.sqrt() < 0.012 * exact.iter().map(|e| e * e).sum::<f64>().sqrt(), "{format:?}");
    }
}

#[test]
fn the_best_of_a_vocabulary() {
    let [m, d, vocab_size] = [3, 256, 2053];
    for (format, _) in FORMATS {
        let mut data = Fixture::new(9);
        let bytes = blocks(format, d, vocab_size, &mut data);
        let (hidden, bias) = (data.normal(m * d), data.normal(vocab_size));
        let matrix = BlockMatrix::new(format, &bytes, [d, vocab_size]).unwrap();
        let mut logits = vec![0.0; m * vocab_size];
        let epilogue = Epilogue { bias: Some(&bias), ..Epilogue::default() };
        matrix.multiply(MatRef::new(&hidden, m, d), MatMut::new(&mut logits, m, vocab_size), &epilogue);
        let (mut ids, mut values, mut lse) = (vec![0; m], vec![0.0; m], vec![0.0; m]);
        let best = TopK { k: 1, ids: &mut ids, values: &mut values, log_sum_exp: &mut lse };
        matrix.top_k(MatRef::new(&hidden, m, d), Some(&bias), best);
        for (i, logits) in logits.chunks_exact(vocab_size).enumerate() {
            assert_eq!(values[i], logits[ids[i] as usize]);
            assert!(logits.iter().all(|&logit| logit <= values[i]));
        }
    }
}

#[test]
fn a_nan_makes_its_row_nan_and_no_other() {
    let [m, k, n] = [3, 64, 5];
    let matrix = BlockMatrix::quantise(BlockFormat::Q8_0, MatRef::new(&Fixture::new(1).normal(k * n), k, n)).unwrap();
    for level in Level::available() {
        let (mut a, mut y) = (Fixture::new(2).normal(m * k), vec![0.0; m * n]);
        a[k + 40] = f32::NAN;
        level.during(|| matrix.multiply(MatRef::new(&a, m, k), MatMut::new(&mut y, m, n), &Epilogue::default()));
        assert!(y.chunks(n).enumerate().all(|(i, row)| row.iter().all(|y| y.is_nan() == (i == 1))), "{y:?}");
    }
}

#[test]
fn what_does_not_fit_is_refused() {
    for (format, _) in FORMATS {
        let (block, bytes) = (format.block_len(), format.block_bytes());
        assert!(BlockMatrix::new(format, &vec![0; 3 * bytes], [block, 3]).is_some());
        assert!(BlockMatrix::new(format, &vec![0; 3 * bytes], [block, 2]).is_none());
        assert!(BlockMatrix::new(format, &vec![0; bytes], [block - 1, 1]).is_none());
        assert!(BlockMatrix::new(format, &vec![0; bytes], [usize::MAX / block * block, usize::MAX]).is_none());
        for [k, n] in [[0, 3], [block, 0]] {
            assert!(BlockMatrix::new(format, &[], [k, n]).unwrap().dequantise().is_empty());
        }
        let zeros = vec![0.0; block];
        let rounded = BlockMatrix::quantise(format, MatRef::new(&zeros, block, 1));
        assert_eq!(rounded.is_some(), matches!(format, BlockFormat::Q4_0 | BlockFormat::Q8_0));
        assert!(rounded.is_none_or(|matrix| matrix.dequantise() == zeros));
        assert!(BlockMatrix::quantise(format, MatRef::new(&zeros[1..], block - 1, 1)).is_none());
    }
}
