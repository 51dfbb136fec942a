use super::quantise::QuantisedRows;
#[cfg(target_arch = "x86_64")]
use super::simd::{Avx2, Vnni};
use super::simd::{COLS, Dot, Path, Portable, STEP, Totals};
use crate::MatMut;
use crate::simd::Level;

/// Some columns of an [`Int8Matrix`](super::Int8Matrix).
#[derive(Clone, Copy)]
pub(super) struct Columns<'a> {
    pub(super) panels: &'a [i8],
    pub(super) panel_bytes: usize,
    pub(super) scales: &'a [f32],
    pub(super) sums: &'a [i32],
}

/// `c = rows[first..] · columns`, or `c += …`.
pub(super) fn multiply(
    level: Level,
    rows: &QuantisedRows,
    first: usize,
    columns: Columns<'_>,
    c: MatMut<'_>,
    accumulate: bool,
) {
    match Path::of(level) {
        Path::Portable => walk(Portable, rows, first, columns, c, accumulate),
        // SAFETY: the path was chosen by the instructions of this CPU.
        #[cfg(target_arch = "x86_64")]
        Path::Avx2 => unsafe { multiply_avx2(rows, first, columns, c, accumulate) },
        // SAFETY: as above.
        #[cfg(target_arch = "x86_64")]
        Path::Vnni => unsafe { multiply_vnni(rows, first, columns, c, accumulate) },
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn multiply_avx2(rows: &QuantisedRows, first: usize, columns: Columns<'_>, c: MatMut<'_>, accumulate: bool) {
    // SAFETY: this function enables the instructions.
    walk(unsafe { Avx2::new() }, rows, first, columns, c, accumulate);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
fn multiply_vnni(rows: &QuantisedRows, first: usize, columns: Columns<'_>, c: MatMut<'_>, accumulate: bool) {
    // SAFETY: this function enables the instructions.
    walk(unsafe { Vnni::new() }, rows, first, columns, c, accumulate);
}

/// Cuts the block into tiles.
#[inline(always)]
fn walk<D: Dot>(dot: D, rows: &QuantisedRows, first: usize, columns: Columns<'_>, mut c: MatMut<'_>, accumulate: bool) {
    let mut j = 0;
    while j < c.cols {
        // As many panels as fit: 4, 2 or 1.
        let panels = (c.cols - j).div_ceil(COLS).min(D::PANELS);
        let n_tiles = c.rows.div_ceil(D::ROWS);
        for t in 0..n_tiles {
            let (i, end) = (t * c.rows / n_tiles, (t + 1) * c.rows / n_tiles);
            macro_rules! tiles {
                ($($rows:literal)*) => {
                    match (end - i, panels) {
                        $(
                            ($rows, 4..) if $rows <= D::ROWS && D::PANELS >= 4 => {
                                tile::<D, $rows, 4>(dot, rows, first, i, j, columns, &mut c, accumulate);
                            }
                            ($rows, 2..) if $rows <= D::ROWS && D::PANELS >= 2 => {
                                tile::<D, $rows, 2>(dot, rows, first, i, j, columns, &mut c, accumulate);
                            }
                            ($rows, _) if $rows <= D::ROWS => {
                                tile::<D, $rows, 1>(dot, rows, first, i, j, columns, &mut c, accumulate);
                            }
                        )*
                        (rows, _) => unreachable!("a tile of {rows} rows"),
                    }
                };
            }
            tiles!(1 2 3 4 5 6);
        }
        j += COLS * if panels == 3 { 2 } else { panels };
    }
}

/// The tile of `M` rows and `V` panels at `(i, j)` of `c`.
#[inline(always)]
#[allow(clippy::too_many_arguments, reason = "operands and their sizes")]
fn tile<D: Dot, const M: usize, const V: usize>(
    dot: D,
    rows: &QuantisedRows,
    first: usize,
    i: usize,
    j: usize,
    columns: Columns<'_>,
    c: &mut MatMut<'_>,
    accumulate: bool,
) {
    let a = &rows.rows_from(first + i)[..M * rows.depth];
    let panels = &columns.panels[j / COLS * columns.panel_bytes..][..V * columns.panel_bytes];
    assert_eq!(columns.panel_bytes, rows.depth * COLS, "panels and rows differ in depth");
    let mut sums = [[dot.zero(); V]; M];
    for p in (0..rows.depth).step_by(STEP) {
        for r in 0..M {
            // SAFETY: four bytes at p < depth of row r < M, and 64 bytes at p · 16 of each panel, lie in the slices.
            unsafe {
                let x = a.as_ptr().add(r * rows.depth + p);
                for v in 0..V {
                    let b = panels.as_ptr().add(v * columns.panel_bytes + p * COLS);
                    sums[r][v] = dot.add(sums[r][v], x, b);
                }
            }
        }
    }
    for r in 0..M {
        for rest in rows.rests(first + i + r) {
            for v in 0..V {
                // SAFETY: the rest has four bytes, and its step lies in the row and in each panel.
                unsafe {
                    let b = panels.as_ptr().add(v * columns.panel_bytes + rest.step * STEP * COLS);
                    sums[r][v] = dot.add(sums[r][v], rest.bytes.as_ptr(), b);
                }
            }
        }
    }
    for (r, sums) in sums.into_iter().enumerate() {
        let (scale, total) = (rows.scales[first + i + r], rows.total(first + i + r));
        let row = &mut c.row(i + r)[j..];
        for (v, (sums, to)) in sums.into_iter().zip(row.chunks_mut(COLS)).enumerate() {
            let whole = "columns are filled up to whole panels";
            let totals = Totals { row: total, columns: columns.sums[j + v * COLS..].first_chunk().expect(whole) };
            let scales = columns.scales[j + v * COLS..].first_chunk().expect(whole);
            let y = dot.finish(sums, totals, scale, scales);
            match <&mut [f32; COLS]>::try_from(&mut *to) {
                Ok(to) if accumulate => *to = std::array::from_fn(|j| to[j] + y[j]),
                Ok(to) => *to = y,
                Err(_) if accumulate => to.iter_mut().zip(y).for_each(|(to, y)| *to += y),
                Err(_) => to.copy_from_slice(&y[..to.len()]),
            }
        }
    }
}
