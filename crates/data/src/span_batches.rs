//! Batches of texts with hidden spans.

use attentive_core::{Epochs, TokenMatrix, TranslationBatch};

use crate::{ContextBatcher, ContextEpoch, DataError, SpanCorruption, SpecialIds};

/// Makes batches for an encoder–decoder from contexts of one text: sources with hidden spans, and the spans as targets.
///
/// Contexts are of one length, and so are all sources and all targets: nothing is padded.
///
/// ```
/// use attentive_data::{
///     ContextBatcher, ContextOrder, Epochs, SpanBatcher, SpanCorruption, SpanCorruptionConfig, SpecialIds, TokenStream,
/// };
///
/// let text = TokenStream::from_texts(["the animal was too tired"], None, |text| text.bytes().map(u32::from).collect())?;
/// let contexts = ContextBatcher::new(text, 8, 2, ContextOrder::Shuffled { seed: 1 })?;
/// let specials = SpecialIds { pad: 0, bos: 0, eos: 1, source_end: 1 };
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
}

impl Epochs for SpanBatcher {
    type Batch = TranslationBatch;
    type Order = ContextEpoch;
    type Error = DataError;

    fn lay_out(&self, epoch: u64) -> Result<ContextEpoch, DataError> {
        self.contexts.lay_out(epoch)
    }

    fn len(&self, epoch: &ContextEpoch) -> u64 {
        self.contexts.len(epoch)
    }

    fn batch(&self, epoch: &ContextEpoch, batch_idx: u64) -> Result<TranslationBatch, DataError> {
        let Self { corruption, specials: SpecialIds { pad, bos, .. }, .. } = self;
        let batch = self.contexts.batch(epoch, batch_idx)?;
        let rows = batch.indices.iter().enumerate();
        let (sources, targets): (Vec<_>, Vec<_>) = rows
            .map(|(row, &example)| {
                let (source, target) = corruption.corrupt(batch.ids.row(row), epoch.number, example);
                (source, [&[*bos], target.as_slice()].concat())
            })
            .unzip();
        Ok(TranslationBatch {
            source: TokenMatrix::from_rows(&sources, *pad, 0),
            target: TokenMatrix::from_rows(&targets, *pad, 0),
            indices: batch.indices,
        })
    }
}
