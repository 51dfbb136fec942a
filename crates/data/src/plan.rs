//! Which sentence pairs share a batch.

use std::collections::BTreeMap;
use std::fmt;

use crate::report::grouped;
use crate::widths::least_padding;
use crate::{BatchConfig, DataError, EncodedCorpus, OnProblem};

/// The shape of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Shape {
    /// Number of sentence pairs.
    pub rows: usize,
    /// Source columns, `</s>` included.
    pub source: usize,
    /// Columns that the decoder reads, and is asked for: the target's with one of `<s>` and `</s>`.
    pub target: usize,
}

/// Pairs that are padded to the same widths.
#[derive(Debug, Clone)]
struct Cell {
    widths: [usize; 2],
    /// Rows of a full batch; 0 if its pairs fit a batch alone at most, unpadded.
    rows: usize,
    /// Where pairs go that do not fill a batch.
    next: Option<usize>,
}

/// The pairs of an epoch, batch after batch.
#[derive(Debug, Clone, Default)]
pub(crate) struct Filled {
    pub(crate) pairs: Vec<u32>,
    /// Where each batch starts in `pairs`, and its shape.
    pub(crate) batches: Vec<(usize, Shape)>,
}

impl Filled {
    fn push(&mut self, pairs: &[u32], [source, target]: [usize; 2]) {
        let shape = Shape { rows: pairs.len(), source, target };
        self.batches.push((self.pairs.len(), shape));
        self.pairs.extend_from_slice(pairs);
    }

    /// The pairs of batch `i`, and its shape.
    pub(crate) fn batch(&self, i: usize) -> (&[u32], Shape) {
        let (start, shape) = self.batches[i];
        (&self.pairs[start..][..shape.rows], shape)
    }
}

/// How a corpus is cut into batches of few distinct shapes.
///
/// Either side has a few widths, those that pad least for its lengths; a pair belongs to the cell of its two
/// widths, and full batches are cut from each cell in the order of the epoch. What is left over in a cell moves
/// to the nearest wider one; what no wider one takes is packed together at the end. How many batches there are
/// and their shapes are the same in every epoch: the counts of the cells decide, not the order.
///
/// ```
/// use attentive_data::{BatchConfig, BatchPlan, EncodedCorpus, Size};
///
/// let text = ["a", "b", "cc", "dd", "eee"].map(|s| (s, s));
/// let corpus = EncodedCorpus::from_text(text, |_, s| s.bytes().map(u32::from).collect())?;
/// let plan = BatchPlan::new(&corpus, &BatchConfig { max_tokens: Size::Of(4), n_widths: 3, ..Default::default() })?;
/// assert_eq!(plan.to_string(), "5 pairs in 4 batches of 3 shapes, up to 4 tokens a batch, 0.0 % padding");
/// # Ok::<(), attentive_data::DataError>(())
/// ```
#[derive(Debug, Clone)]
pub struct BatchPlan {
    config: BatchConfig,
    widths: [Vec<usize>; 2],
    /// Ascending by target, then source width.
    cells: Vec<Cell>,
    n_batches: usize,
    n_pairs: usize,
    n_skipped: usize,
    shapes: BTreeMap<Shape, usize>,
    padding: f64,
}

impl BatchPlan {
    /// Plans the batches of `corpus`.
    ///
    /// # Errors
    /// [`DataError::Setting`], [`DataError::Oversized`] and [`DataError::NoPairs`].
    pub fn new(corpus: &EncodedCorpus, config: &BatchConfig) -> Result<Self, DataError> {
        config.validate()?;
        let lengths = || (0..corpus.len()).map(|i| (i, columns(corpus, i)));
        let oversized = || lengths().filter(|(_, lengths)| !config.fits(*lengths));
        if let Some((i, lengths)) = oversized().next()
            && config.on_oversized == OnProblem::Refuse
        {
            return Err(DataError::Oversized {
                line: corpus.line(i),
                n_tokens: config.count.row(lengths),
                max_tokens: config.max_tokens(),
            });
        }

        let mut counts = [Vec::new(), Vec::new()];
        for (_, lengths) in lengths().filter(|(_, lengths)| config.fits(*lengths)) {
            for (counts, length) in counts.iter_mut().zip(lengths) {
                counts.resize(counts.len().max(length + 1), 0_u64);
                counts[length] += 1;
            }
        }
        let widths = counts.map(|counts| least_padding(&counts, config.n_widths, config.width_multiple));
        let mut plan = Self {
            config: config.clone(),
            cells: cells(&widths, config),
            widths,
            n_batches: 0,
            n_pairs: 0,
            n_skipped: oversized().count(),
            shapes: BTreeMap::new(),
            padding: 0.0,
        };
        plan.link(corpus);
        plan.survey(corpus);
        if plan.n_batches == 0 { Err(DataError::NoPairs) } else { Ok(plan) }
    }

    /// Finds for each cell the nearest wider one that has pairs of its own.
    fn link(&mut self, corpus: &EncodedCorpus) {
        let mut has_pairs = vec![false; self.cells.len()];
        self.fitting(corpus, 0..corpus.len() as u32).for_each(|(_, cell)| has_pairs[cell] = true);
        for i in 0..self.cells.len() {
            let [source, target] = self.cells[i].widths;
            let wider = (i + 1..self.cells.len()).filter(|&j| {
                let cell = &self.cells[j];
                has_pairs[j] && cell.rows > 0 && cell.widths[0] >= source && cell.widths[1] >= target
            });
            self.cells[i].next = wider.min_by_key(|&j| self.cells[j].widths.iter().sum::<usize>());
        }
    }

    /// Counts batches, shapes and padding.
    fn survey(&mut self, corpus: &EncodedCorpus) {
        let filled = self.fill(corpus, 0..corpus.len() as u32);
        self.n_batches = filled.batches.len();
        self.n_pairs = filled.pairs.len();
        let mut n_padded = 0;
        for (_, shape) in &filled.batches {
            *self.shapes.entry(*shape).or_default() += 1;
            n_padded += shape.rows * (shape.source + shape.target);
        }
        let n_real: usize = filled.pairs.iter().flat_map(|i| columns(corpus, *i as usize)).sum();
        self.padding = 1.0 - n_real as f64 / n_padded.max(1) as f64;
    }

    /// Number of batches in an epoch.
    pub fn n_batches(&self) -> usize {
        self.n_batches
    }

    /// Number of sentence pairs in an epoch.
    pub fn n_pairs(&self) -> usize {
        self.n_pairs
    }

    /// Number of pairs left out because they exceed `max_tokens` alone.
    pub fn n_skipped(&self) -> usize {
        self.n_skipped
    }

    /// The distinct shapes and the number of batches of each.
    pub fn shapes(&self) -> &BTreeMap<Shape, usize> {
        &self.shapes
    }

    /// Share of all positions, source and target, that are padding.
    pub fn padding(&self) -> f64 {
        self.padding
    }

    /// Cuts the pairs of `order` into batches, narrow ones first.
    pub(crate) fn fill(&self, corpus: &EncodedCorpus, order: impl IntoIterator<Item = u32>) -> Filled {
        let mut own = vec![Vec::new(); self.cells.len()];
        self.fitting(corpus, order).for_each(|(pair, cell)| own[cell].push(pair));
        let mut filled = Filled::default();
        let mut moved = vec![Vec::new(); self.cells.len()];
        let mut left_over = Vec::new();
        for (i, cell) in self.cells.iter().enumerate() {
            if cell.rows == 0 {
                own[i].iter().for_each(|pair| filled.push(&[*pair], columns(corpus, *pair as usize)));
                continue;
            }
            // Pairs from narrower cells go first, so that they move no further.
            let mut pool = std::mem::take(&mut moved[i]);
            pool.append(&mut own[i]);
            let (full, rest) = pool.split_at(pool.len() - pool.len() % cell.rows);
            full.chunks(cell.rows).for_each(|pairs| filled.push(pairs, cell.widths));
            match cell.next {
                Some(next) => moved[next].extend_from_slice(rest),
                None => left_over.extend(rest.iter().map(|pair| (*pair, cell.widths))),
            }
        }
        self.pack(&left_over, &mut filled);
        filled
    }

    /// Puts each pair into the batch before, or into a new one where that would grow too large.
    fn pack(&self, left_over: &[(u32, [usize; 2])], filled: &mut Filled) {
        let mut batch = Vec::new();
        let mut widths = [0, 0];
        for (pair, [source, target]) in left_over {
            let wider = [widths[0].max(*source), widths[1].max(*target)];
            if batch.len() < self.config.max_rows_of(wider) {
                widths = wider;
            } else {
                filled.push(&std::mem::take(&mut batch), widths);
                widths = [*source, *target];
            }
            batch.push(*pair);
        }
        if !batch.is_empty() {
            filled.push(&batch, widths);
        }
    }

    /// The pairs of `order` that fit a batch, and the cell of each.
    fn fitting(
        &self,
        corpus: &EncodedCorpus,
        order: impl IntoIterator<Item = u32>,
    ) -> impl Iterator<Item = (u32, usize)> {
        let [sources, targets] = &self.widths;
        let narrowest = |widths: &[usize], length| widths.partition_point(|width| *width < length);
        order.into_iter().filter_map(move |pair| {
            let [source, target] = columns(corpus, pair as usize);
            let cell = narrowest(targets, target) * sources.len() + narrowest(sources, source);
            self.config.fits([source, target]).then_some((pair, cell))
        })
    }
}

impl fmt::Display for BatchPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counted = |n: usize| grouped(n as u64);
        write!(
            f,
            "{} pairs in {} batches of {} shapes, up to {} tokens a batch, {:.1} % padding",
            counted(self.n_pairs),
            counted(self.n_batches),
            self.shapes.len(),
            counted(self.config.max_tokens()),
            100.0 * self.padding,
        )?;
        match self.n_skipped {
            0 => Ok(()),
            n => write!(f, ", {} oversized pairs skipped", counted(n)),
        }
    }
}

/// Columns that pair `i` fills: its tokens and an end (or, for the decoder, a start) on either side.
fn columns(corpus: &EncodedCorpus, i: usize) -> [usize; 2] {
    corpus.lengths()[i].map(|n| n as usize + 1)
}

/// All combinations of a target and a source width.
fn cells([sources, targets]: &[Vec<usize>; 2], config: &BatchConfig) -> Vec<Cell> {
    let cell = |widths| Cell { widths, rows: config.max_rows_of(widths), next: None };
    targets.iter().flat_map(|target| sources.iter().map(move |source| cell([*source, *target]))).collect()
}
