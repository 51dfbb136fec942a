//! Views that do not fit their memory are refused, however large the numbers are: nothing wraps around.

use std::panic::catch_unwind;

use attentive_kernels::*;
use proptest::prelude::*;

#[test]
#[should_panic(expected = "does not fit")]
fn a_stride_that_leads_back_before_the_buffer_is_refused() {
    let mut heap = vec![0.0; 4];
    MatMut::strided(&mut heap, [2, 1], usize::MAX).row(1)[0] = 42.0;
}

#[test]
#[should_panic(expected = "block at")]
fn a_block_before_the_first_row_is_refused() {
    let mut heap = vec![0.0; 4];
    MatMut::new(&mut heap, 2, 2).block([usize::MAX, 0], [1, 2]).row(0)[0] = 42.0;
}

#[test]
#[should_panic(expected = "more than memory can hold")]
fn a_product_with_more_elements_than_there_are_sizes_is_refused() {
    let (a, b) = (MatRef::new(&[], 1 << 33, 0), MatRef::new(&[], 0, 1 << 31));
    product(a, b, &Epilogue::default());
}

#[test]
#[should_panic(expected = "do not fit")]
fn heads_that_lie_before_the_buffer_are_refused() {
    let shape = AttentionShape { batch: 2, heads: 1, kv_heads: 1, q_len: 1, k_len: 1, d_k: 1, d_v: 1 };
    let attention = Attention::new(shape);
    let strides = |batch| HeadStrides { batch, seq: 1, head: 1 };
    let inputs = Heads::new(&[1.0, 1.0], strides(1));
    let mut out = vec![0.0; 4];
    attention.forward(inputs, inputs, inputs, HeadsMut::new(&mut out, strides(usize::MAX)), &mut [0.0; 2]);
}

#[test]
#[should_panic(expected = "can't share")]
fn gradients_of_keys_that_no_query_reads_are_refused() {
    // Nothing would write them, and they are not cleared first.
    let shape = AttentionShape { batch: 1, heads: 0, kv_heads: 1, q_len: 1, k_len: 4, d_k: 1, d_v: 1 };
    let none = Heads::new(&[], HeadStrides::head_major(0, 1, 1));
    let keys = Heads::new(&[1.0; 4], HeadStrides::head_major(1, 4, 1));
    Attention::new(shape).gradients(none, keys, keys, none, &[], none, false);
}

#[test]
#[should_panic(expected = "does not fit")]
fn columns_that_lead_back_into_the_buffer_are_refused() {
    let heap = vec![1.0; 64];
    let b = MatRef::strided(&heap, [16, 16], [1, usize::MAX / 15 + 1]);
    matmul(MatRef::new(&heap[..16], 1, 16), b, MatMut::new(&mut [0.0; 16], 1, 16), false);
}

#[test]
#[should_panic(expected = "more than memory can hold")]
fn a_matrix_of_one_number_is_not_packed_beyond_memory() {
    PackedMatrix::new(MatRef::strided(&[1.0], [1 << 40, 1 << 40], [0, 0]));
}

#[test]
#[should_panic(expected = "more than memory can hold")]
fn a_matrix_of_one_number_is_not_quantised_beyond_memory() {
    QuantisedColumns::new(MatRef::strided(&[1.0], [1 << 17, 1 << 60], [0, 0]));
}

#[test]
#[should_panic(expected = "more than memory can hold")]
fn strides_of_heads_are_sizes() {
    HeadStrides::seq_major(1 << 40, 3, 1 << 20, 1 << 4);
}

#[test]
fn matrices_without_elements_are_no_work() {
    let most = usize::MAX;
    let mut c = MatMut::new(&mut [], most, 0);
    assert!(c.row(most - 1).is_empty());
    let bias = Epilogue { bias: Some(&[]), ..Epilogue::default() };
    matmul_with(MatRef::new(&[], most - 7, 0), MatRef::new(&[], 0, 0), c.block([7, 0], [most - 7, 0]), &bias);
    matmul(MatRef::new(&[], 0, most), MatRef::strided(&[0.0], [most, 1], [0, 0]), MatMut::new(&mut [], 0, 1), false);
}

/// As many elements as a slice of the tests has at most.
const LEN: usize = 40;

/// Small sizes, and ones whose products wrap around to small numbers.
fn sizes() -> impl Strategy<Value = usize> {
    prop_oneof![
        4 => 0..9_usize,
        1 => (0..9_usize).prop_map(|less| usize::MAX - less),
        1 => (0..usize::BITS, 0..3_usize).prop_map(|(bit, more)| (1_usize << bit).wrapping_add(more).wrapping_sub(1)),
        1 => (2..9_usize, 0..3_usize).prop_map(|(parts, more)| usize::MAX / parts + more),
    ]
}

/// Small sizes, and ones of which no memory holds as many bytes.
fn extremes() -> impl Strategy<Value = usize> {
    prop_oneof![4 => 0..9_usize, 1 => (0..9_usize).prop_map(|less| usize::MAX - less), 1 => Just(1_usize << 63)]
}

/// One more than the index of the last element, in numbers that do not wrap around.
fn extent<const N: usize>(dims: [usize; N], strides: [usize; N]) -> u128 {
    if dims.contains(&0) {
        return 0;
    }
    dims.into_iter().zip(strides).fold(1, |sum, (n, stride)| sum.saturating_add((n as u128 - 1) * stride as u128))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(miri) { 4 } else { 2000 }))]

    #[test]
    fn a_matrix_is_read_in_its_slice_or_refused(
        dims in prop::array::uniform2(sizes()), strides in prop::array::uniform2(sizes()), len in 0..LEN,
    ) {
        let data: Vec<f32> = (0..len).map(|i| i as f32).collect();
        let matrix = catch_unwind(|| MatRef::strided(&data, dims, strides));
        prop_assert_eq!(matrix.is_ok(), extent(dims, strides) <= len as u128);
        if let Ok(matrix) = matrix && !dims.contains(&0) {
            for [i, j] in [[0, 0], [dims[0] - 1, 0], [0, dims[1] - 1], [dims[0] - 1, dims[1] - 1]] {
                prop_assert_eq!(matrix.at(i, j), (i * strides[0] + j * strides[1]) as f32);
                prop_assert_eq!(matrix.t().at(j, i), matrix.at(i, j));
            }
        }
    }

    #[test]
    fn a_matrix_is_written_in_its_slice_or_refused(
        dims in prop::array::uniform2(sizes()), stride in sizes(), at in prop::array::uniform2(sizes()),
        block in prop::array::uniform2(sizes()), len in 0..LEN,
    ) {
        let written = catch_unwind(|| {
            let mut data = vec![0.0; len];
            let mut matrix = MatMut::strided(&mut data, dims, stride);
            if dims[0] > 0 {
                matrix.row(dims[0] - 1).fill(1.0);
            }
            let part = catch_unwind(std::panic::AssertUnwindSafe(|| {
                let mut part = matrix.block(at, block);
                if block[0] > 0 {
                    part.row(block[0] - 1).fill(2.0);
                }
            }));
            (data, part.is_ok())
        });
        let overlap = dims[0] > 1 && stride < dims[1];
        prop_assert_eq!(written.is_ok(), !overlap && extent(dims, [stride, 1]) <= len as u128);
        let Ok((data, part)) = written else { return Ok(()) };
        let inside = |axis: usize| at[axis] as u128 + block[axis] as u128 <= dims[axis] as u128;
        prop_assert_eq!(part, inside(0) && inside(1));
        let mut expected = vec![0.0; len];
        if !dims.contains(&0) {
            expected[(dims[0] - 1) * stride..][..dims[1]].fill(1.0);
            if part && !block.contains(&0) {
                expected[(at[0] + block[0] - 1) * stride + at[1]..][..block[1]].fill(2.0);
            }
        }
        prop_assert_eq!(data, expected);
    }

    #[test]
    fn attention_stays_in_its_slices_or_is_refused(
        dims in prop::array::uniform4(1..4_usize), large in sizes(), which in 0..8_usize,
        strides in prop::array::uniform3(sizes()), d in 1..4_usize, len in 0..LEN,
    ) {
        let [mut batch, mut heads, mut q_len, mut k_len] = dims;
        if let Some(dim) = [&mut batch, &mut heads, &mut q_len, &mut k_len].into_iter().nth(which) {
            *dim = large;
        }
        let shape = AttentionShape { batch, heads, kv_heads: heads, q_len, k_len, d_k: d, d_v: d };
        let attention = Attention { causal: which % 2 == 0, ..Attention::new(shape) };
        let inputs = vec![1.0; 3 * 3 * 3 * 3];
        let lse_len = [batch, heads, q_len].into_iter().fold(1_usize, usize::saturating_mul);
        let strides = HeadStrides { batch: strides[0], seq: strides[1], head: strides[2] };
        let run = catch_unwind(|| {
            let (mut out, mut lse) = (vec![0.0; len], vec![0.0; lse_len.min(LEN)]);
            let view = |seq| Heads::new(&inputs, HeadStrides::seq_major(seq, 1, heads, d));
            let (q, k) = (view(q_len), view(k_len));
            attention.forward(q, k, k, HeadsMut::new(&mut out, strides), &mut lse);
            out
        });
        if let Ok(out) = run {
            let reached = extent([batch, heads, q_len, d], [strides.batch, strides.head, strides.seq, 1]);
            prop_assert!(reached <= len as u128);
            // Ones under any weights; a query without keys, which gives zeros, there is not.
            let written = out.iter().filter(|&&x| (x - 1.0).abs() < 1e-6).count();
            prop_assert!(k_len == 0 || written == batch * heads * q_len * d || attention.causal);
        }
    }

    #[test]
    fn packed_products_of_any_sizes_are_refused_or_right(
        dims in prop::array::uniform3(extremes()), strides in prop::array::uniform4(0..2_usize), int8: bool,
    ) {
        let [m, k, n] = dims;
        // One number everywhere: a view of any size fits, until it is copied.
        let data = vec![1.0; 64];
        let stride = |stride: usize, n: usize| if n < 9 { stride } else { 0 };
        let a = MatRef::strided(&data, [m, k], [stride(strides[0], m), stride(strides[1], k)]);
        let b = MatRef::strided(&data, [k, n], [stride(strides[2], k), stride(strides[3], n)]);
        let run = catch_unwind(|| {
            let mut c = vec![0.0; if m < 9 && n < 9 { m * n } else { 0 }];
            if int8 {
                let b = Int8Matrix::new(&QuantisedColumns::new(b));
                b.multiply(a, MatMut::new(&mut c, m, n), &Epilogue::default());
            } else {
                PackedMatrix::new(b).multiply(a, MatMut::new(&mut c, m, n), &Epilogue::default());
            }
            c
        });
        if let Ok(c) = run {
            prop_assert!(c.iter().all(|&c| (c - k as f32).abs() < 1e-4), "{:?}", c);
        } else {
            prop_assert!(dims.into_iter().any(|size| size > 8));
        }
    }
}
