//! Batches of texts with hidden spans.

use attentive_core::{Position, TokenMatrix, TranslationBatch};

use crate::{ContextBatcher, ContextBatches, DataError, SpanCorruption, SpecialIds};

/// Makes batches for an encoder–decoder from contexts of one text: sources with hidden spans, and the spans as targets.
///
/// Contexts are of one length, and so are all sources and all targets: nothing is padded.
///
/// ```
/// use attentive_data::{
///     ContextBatcher, ContextOrder, SpanBatcher, SpanCorruption, SpanCorruptionConfig, SpecialIds, TokenStream,
/// };
///
/// let text = TokenStream::from_texts(["the animal was too tired"], None, |text| text.bytes().map(u32::from).collect())?;
/// let contexts = ContextBatcher::new(text, 8, 2, ContextOrder::Shuffled { seed: 1 })?;
/// let specials = SpecialIds { pad: 0, bos: 0, eos: 1 };
/// let corruption = SpanCorruption::new(SpanCorruptionConfig::default(), vec![300, 299], specials.eos, 1)?;
/// let batch = SpanBatcher::new(contexts, corruption, specials).epoch(0).next().unwrap()?;
/// assert_eq!(batch.source.lengths(), [7 + 1 + 1, 7 + 1 + 1]); // of 8 tokens 1 is hidden
/// assert_eq!(batch.target.lengths(), [1 + 2 + 1 + 1; 2]);
/// # Ok::<(), attentive_data::DataError>(())
/// ```
#[derive(Debug, Clone)]
pub struct SpanBatcher {
    contexts: ContextBatcher,
    corruption: SpanCorruption,
    specials: SpecialIds,
}

impl SpanBatcher {
    /// Hides spans of each context.
    pub fn new(contexts: ContextBatcher, corruption: SpanCorruption, specials: SpecialIds) -> Self {
        Self { contexts, corruption, specials }
    }

    /// The contexts.
    pub fn contexts(&self) -> &ContextBatcher {
        &self.contexts
    }

    /// What hides their spans.
    pub fn corruption(&self) -> &SpanCorruption {
        &self.corruption
    }

    /// The same texts in batches of another size.
    pub fn with_rows(&self, rows: usize) -> Self {
        Self { contexts: self.contexts.with_rows(rows), ..self.clone() }
    }

    /// All batches from `position` on, epoch after epoch, without end.
    pub fn batches(&self, position: Position) -> SpanBatches {
        SpanBatches { batcher: self.clone(), contexts: self.contexts.batches(position) }
    }

    /// The batches of one epoch.
    pub fn epoch(&self, epoch: u64) -> std::iter::Take<SpanBatches> {
        self.batches(Position { epoch, batch_idx: 0 }).take(self.contexts.n_batches())
    }
}

/// Endless batches of a [`SpanBatcher`].
#[derive(Debug)]
pub struct SpanBatches {
    batcher: SpanBatcher,
    contexts: ContextBatches,
}

impl SpanBatches {
    /// Where the next batch stands: what a checkpoint keeps.
    pub fn position(&self) -> Position {
        self.contexts.position()
    }
}

impl Iterator for SpanBatches {
    type Item = Result<TranslationBatch, DataError>;

    fn next(&mut self) -> Option<Self::Item> {
        let epoch = self.contexts.position().epoch;
        let SpanBatcher { corruption, specials: SpecialIds { pad, bos, .. }, .. } = &self.batcher;
        let batch = self.contexts.next()?.map(|batch| {
            let rows = batch.indices.iter().enumerate();
            let (sources, targets): (Vec<_>, Vec<_>) = rows
                .map(|(row, &example)| {
                    let (source, target) = corruption.corrupt(batch.ids.row(row), epoch, example);
                    (source, [&[*bos], target.as_slice()].concat())
                })
                .unzip();
            TranslationBatch {
                source: TokenMatrix::from_rows(&sources, *pad, 0),
                target: TokenMatrix::from_rows(&targets, *pad, 0),
                indices: batch.indices,
            }
        });
        Some(batch)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (usize::MAX, None)
    }
}
