//! Tercom's edit distance with shifts of phrases, as in sacreBLEU.

use std::cmp::Reverse;

const MAX_SHIFT_SIZE: usize = 10;
const MAX_SHIFT_DISTANCE: usize = 50;
const MAX_SHIFT_CANDIDATES: usize = 1000;
const BEAM_WIDTH: usize = 25;

/// The edits that turn the hypothesis into the reference, each shift of a phrase counting as one.
///
/// Greedy: takes the shift that lowers the edit distance most, as long as a shift helps.
pub(crate) fn count_edits(hypothesis: &[u32], reference: &[u32]) -> usize {
    if reference.is_empty() {
        return hypothesis.len();
    }
    let mut hypothesis = hypothesis.to_vec();
    let mut n_shifts = 0;
    let mut n_candidates = 0;
    loop {
        let matrix = Matrix::new(&hypothesis, reference);
        let best = best_shift(&hypothesis, reference, &matrix, &mut n_candidates);
        match best {
            Some((gain, shift)) if gain > 0 && n_candidates < MAX_SHIFT_CANDIDATES => shift.apply(&mut hypothesis),
            _ => return n_shifts + matrix.distance() as usize,
        }
        n_shifts += 1;
    }
}

/// Moves `len` words from `start` to before the word at `target`.
#[derive(Debug, Clone, Copy)]
struct Shift {
    start: usize,
    len: usize,
    target: usize,
}

impl Shift {
    fn apply(self, words: &mut [u32]) {
        let Self { start, len, target } = self;
        if target < start {
            words[target..start + len].rotate_left(start - target);
        } else if target > start + len {
            words[start..target].rotate_left(len);
        } else {
            // If the target is within the phrase, it changes places with as many words after it as the target is beyond
            // its start.
            let end = (target + len).min(words.len());
            words[start..end].rotate_left(len);
        }
    }
}

/// The shift that lowers the edit distance most, and by how much; of equal ones that of the longest phrase, then the
/// leftmost phrase, then the leftmost target.
fn best_shift(
    hypothesis: &[u32],
    reference: &[u32],
    matrix: &Matrix<'_>,
    n_candidates: &mut usize,
) -> Option<(i64, Shift)> {
    let alignment = matrix.alignment();
    let mut shifted = Vec::with_capacity(hypothesis.len());
    let mut best = None;
    for (start, ref_start, len) in common_phrases(hypothesis, reference) {
        // Only a misplaced phrase may move, and only to a position that is wrong.
        let is_right = |errors: &[bool], start| !errors[start..start + len].contains(&true);
        if is_right(&alignment.hyp_errors, start) || is_right(&alignment.ref_errors, ref_start) {
            continue;
        }
        if (start + 1..=start + len).contains(&alignment.after[ref_start + 1]) {
            continue; // it would move within itself
        }
        let mut previous = None;
        for &target in &alignment.after[ref_start..=ref_start + len] {
            if previous.replace(target) == Some(target) {
                continue;
            }
            let shift = Shift { start, len, target };
            shifted.clear();
            shifted.extend_from_slice(hypothesis);
            shift.apply(&mut shifted);
            let distance = matrix.distance_sharing(&shifted, start.min(target));
            let gain = i64::from(matrix.distance()) - i64::from(distance);
            let rank = (gain, len, Reverse(start), Reverse(target));
            *n_candidates += 1;
            if best.is_none_or(|(best_rank, _)| rank > best_rank) {
                best = Some((rank, shift));
            }
        }
        if *n_candidates >= MAX_SHIFT_CANDIDATES {
            break;
        }
    }
    best.map(|((gain, ..), shift)| (gain, shift))
}

/// All `(start in a, start in b, length)` of equal stretches of at most [`MAX_SHIFT_SIZE`] words, not too far apart.
fn common_phrases<'a>(a: &'a [u32], b: &'a [u32]) -> impl Iterator<Item = (usize, usize, usize)> + 'a {
    (0..a.len()).flat_map(move |start_a| {
        let near = start_a.saturating_sub(MAX_SHIFT_DISTANCE)..b.len().min(start_a + MAX_SHIFT_DISTANCE + 1);
        near.flat_map(move |start_b| {
            let pairs = a[start_a..].iter().zip(&b[start_b..]).take(MAX_SHIFT_SIZE);
            let len = pairs.take_while(|(x, y)| x == y).count();
            (1..=len).map(move |len| (start_a, start_b, len))
        })
    })
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Edit {
    Keep,
    Substitute,
    Insert,
    Delete,
}

#[derive(Debug, Clone, Copy)]
struct Cell {
    cost: u32,
    edit: Edit,
}

/// A cell that the beam leaves out.
const OUTSIDE: Cell = Cell { cost: u32::MAX / 2, edit: Edit::Delete };

/// The cells of one row of the matrix within the beam.
#[derive(Debug, Clone, Default)]
struct Row {
    start: usize,
    cells: Vec<Cell>,
}

impl Row {
    fn get(&self, j: usize) -> Cell {
        j.checked_sub(self.start).and_then(|idx| self.cells.get(idx)).copied().unwrap_or(OUTSIDE)
    }
}

/// The edit distances between the beginnings of a hypothesis (rows) and of the reference (columns), within a beam
/// around the diagonal.
struct Matrix<'a> {
    reference: &'a [u32],
    n_hyp: usize,
    rows: Vec<Row>,
}

/// The cheapest edits, word by word.
struct Alignment {
    /// At `j`, the position in the hypothesis after the word aligned with reference word `j - 1`; 0 at 0.
    after: Vec<usize>,
    hyp_errors: Vec<bool>,
    ref_errors: Vec<bool>,
}

impl<'a> Matrix<'a> {
    fn new(hypothesis: &[u32], reference: &'a [u32]) -> Self {
        let first = (0..=reference.len() as u32).map(|cost| Cell { cost, edit: Edit::Insert }).collect();
        let rows = vec![Row { start: 0, cells: first }];
        let mut matrix = Self { reference, n_hyp: hypothesis.len(), rows };
        for (idx, &word) in hypothesis.iter().enumerate() {
            let mut row = Row::default();
            matrix.fill(idx + 1, word, &matrix.rows[idx], &mut row);
            matrix.rows.push(row);
        }
        matrix
    }

    fn distance(&self) -> u32 {
        self.rows[self.n_hyp].get(self.reference.len()).cost
    }

    /// The distance of a hypothesis that has its first `n_shared` words in common with the matrix's.
    fn distance_sharing(&self, hypothesis: &[u32], n_shared: usize) -> u32 {
        let (mut above, mut row) = (self.rows[n_shared].clone(), Row::default());
        for (idx, &word) in hypothesis.iter().enumerate().skip(n_shared) {
            self.fill(idx + 1, word, &above, &mut row);
            std::mem::swap(&mut above, &mut row);
        }
        above.get(self.reference.len()).cost
    }

    /// Computes the row of the `i`-th hypothesis word from the row above.
    fn fill(&self, i: usize, word: u32, above: &Row, row: &mut Row) {
        let n_ref = self.reference.len();
        let ratio = n_ref as f64 / self.n_hyp as f64;
        // The beams of neighbouring rows overlap, however much the lengths differ.
        let beam =
            if ratio / 2.0 > BEAM_WIDTH as f64 { (ratio / 2.0).ceil() as usize + BEAM_WIDTH } else { BEAM_WIDTH };
        let diagonal = (i as f64 * ratio).floor() as usize;
        let end = if i == self.n_hyp { n_ref + 1 } else { (n_ref + 1).min(diagonal + beam) };

        row.start = diagonal.saturating_sub(beam);
        row.cells.clear();
        for j in row.start..end {
            let mut cell = OUTSIDE;
            let mut consider = |from: Cell, cost, edit| {
                if from.cost + cost < cell.cost {
                    cell = Cell { cost: from.cost + cost, edit };
                }
            };
            // Among equal costs the first wins.
            if j > 0 {
                let (cost, edit) = if word == self.reference[j - 1] { (0, Edit::Keep) } else { (1, Edit::Substitute) };
                consider(above.get(j - 1), cost, edit);
            }
            consider(above.get(j), 1, Edit::Delete);
            if j > row.start {
                consider(row.cells[j - 1 - row.start], 1, Edit::Insert);
            }
            row.cells.push(cell);
        }
    }

    fn alignment(&self) -> Alignment {
        let (mut i, mut j) = (self.n_hyp, self.reference.len());
        let mut alignment = Alignment { after: vec![0; j + 1], hyp_errors: vec![true; i], ref_errors: vec![true; j] };
        while i > 0 || j > 0 {
            let edit = self.rows[i].get(j).edit;
            if edit != Edit::Delete {
                alignment.after[j] = i;
                j -= 1;
            }
            if edit != Edit::Insert {
                i -= 1;
            }
            if edit == Edit::Keep {
                (alignment.hyp_errors[i], alignment.ref_errors[j]) = (false, false);
            }
        }
        alignment
    }
}
