use super::BlockMatrix;
#[cfg(target_arch = "x86_64")]
use super::dot::{Avx2, Vnni};
use super::dot::{Dot, Portable};
use super::format::by_format;
use super::inputs::{InputSlab, QuantisedInputs, SHARED};
use super::layout::{COLS, Layout, SLAB};
use super::panel::{Room, Slab};
use crate::MatMut;
use crate::int8::Path;
use crate::scratch::Scratch;
use crate::simd::{Level, Simd};

/// `c = inputs[i..] · matrix[.., j..]`, or `c += …`, with `j` a multiple of 16.
pub(super) fn multiply(
    level: Level,
    matrix: &BlockMatrix,
    inputs: &QuantisedInputs,
    at: [usize; 2],
    c: MatMut<'_>,
    accumulate: bool,
) {
    by_format!(matrix.format, B => match Path::of(level) {
        Path::Portable => walk::<_, B>(Portable, matrix, inputs, at, c, accumulate),
        // SAFETY: the path was chosen by the instructions of this CPU.
        #[cfg(target_arch = "x86_64")]
        Path::Avx2 => unsafe { multiply_avx2::<B>(matrix, inputs, at, c, accumulate) },
        // SAFETY: as above.
        #[cfg(target_arch = "x86_64")]
        Path::Vnni => unsafe { multiply_vnni::<B>(matrix, inputs, at, c, accumulate) },
    });
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn multiply_avx2<B: Layout>(
    matrix: &BlockMatrix,
    inputs: &QuantisedInputs,
    at: [usize; 2],
    c: MatMut<'_>,
    accumulate: bool,
) {
    // SAFETY: this function enables the instructions.
    walk::<_, B>(unsafe { Avx2::new() }, matrix, inputs, at, c, accumulate);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx2,fma")]
fn multiply_vnni<B: Layout>(
    matrix: &BlockMatrix,
    inputs: &QuantisedInputs,
    at: [usize; 2],
    c: MatMut<'_>,
    accumulate: bool,
) {
    // SAFETY: this function enables the instructions.
    walk::<_, B>(unsafe { Vnni::new() }, matrix, inputs, at, c, accumulate);
}

/// Reads each slab of each panel once, for all rows.
#[inline(always)]
fn walk<D: Dot, B: Layout>(
    dot: D,
    matrix: &BlockMatrix,
    inputs: &QuantisedInputs,
    [i, j]: [usize; 2],
    mut c: MatMut<'_>,
    accumulate: bool,
) {
    let mut room = Room::new();
    let mut sums = Scratch::new(c.rows * COLS);
    for first in (0..c.cols).step_by(COLS) {
        sums.fill(0.0);
        let panel = matrix.panel::<B>((j + first) / COLS);
        for slab in 0..matrix.k.div_ceil(SLAB) {
            add_slab::<D, B>(dot, panel.slab(slab, &mut room), inputs.slab(slab, i, c.rows), &mut sums);
        }
        for (r, sums) in sums.chunks_exact(COLS).enumerate() {
            let to = c.row(r)[first..].iter_mut().zip(sums);
            if accumulate { to.for_each(|(to, y)| *to += y) } else { to.for_each(|(to, y)| *to = *y) }
        }
    }
}

/// Adds the products of a slab to `sums` `[rows, 16]`, in tiles of rows.
#[inline(always)]
fn add_slab<D: Dot, B: Layout>(dot: D, weights: Slab<'_>, inputs: InputSlab<'_>, sums: &mut [f32]) {
    let rows = sums.len() / COLS;
    let n_tiles = rows.div_ceil(D::ROWS);
    for t in 0..n_tiles {
        let (i, end) = (t * rows / n_tiles, (t + 1) * rows / n_tiles);
        macro_rules! tiles {
            ($($rows:literal)*) => {
                match end - i {
                    $($rows if $rows <= D::ROWS => tile::<D, B, $rows>(dot, weights, inputs, i, sums),)*
                    rows => unreachable!("a tile of {rows} rows"),
                }
            };
        }
        tiles!(1 2 3 4 5 6 7 8);
    }
}

/// The tile of `M` rows from `i` on.
#[inline(always)]
fn tile<D: Dot, B: Layout, const M: usize>(
    dot: D,
    weights: Slab<'_>,
    inputs: InputSlab<'_>,
    i: usize,
    sums: &mut [f32],
) {
    let s = dot.floats();
    let values = &inputs.values[i * SLAB..][..M * SLAB];
    let scales = &inputs.scales[i * SLAB / SHARED..][..M * SLAB / SHARED];
    let input_sums = &inputs.sums[i * SLAB / B::GROUP..][..M * SLAB / B::GROUP];
    let sums = sums[i * COLS..][..M * COLS].as_chunks_mut().0;
    let mut totals: [[f32; COLS]; M] = std::array::from_fn(|r| sums[r]);
    for (g, bytes) in weights.bytes.chunks_exact(B::GROUP * COLS).enumerate() {
        let mut of_group = [0; M];
        for r in 0..M {
            of_group[r] = input_sums[r * (SLAB / B::GROUP) + g];
        }
        let a = &values[g * B::GROUP..];
        assert!(a.len() >= (M - 1) * SLAB + B::GROUP, "a group of every row");
        let (of_columns, minima) = (&weights.scales[g], if B::MINIMA { &weights.minima[g] } else { &[0.0; COLS] });
        // SAFETY: the group's bytes, and a group of each of M rows, lie in the slices.
        let products = unsafe { dot.group::<B, M>(a.as_ptr(), bytes.as_ptr(), of_group) };
        for r in 0..M {
            let scale = scales[r * (SLAB / SHARED) + g * B::GROUP / SHARED];
            let (scale, sum) = (s.splat(scale), s.splat(scale * of_group[r] as f32));
            for j in (0..COLS).step_by(D::Floats::LANES) {
                let product = s.mul(s.mul(scale, s.load(of_columns, j)), s.load(&products[r], j));
                let mut total = s.add(s.load(&totals[r], j), product);
                if B::MINIMA {
                    total = s.sub(total, s.mul(sum, s.load(minima, j)));
                }
                s.store(&mut totals[r], j, total);
            }
        }
    }
    sums.copy_from_slice(&totals);
}
