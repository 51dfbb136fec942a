//! What masked language models read: pairs of segments, or full sentences.

use std::ops::Range;

use attentive_core::{FrameIds, MaskedBatch, TokenId, TokenMatrix};
use rand_chacha::rand_core::Rng;
use serde::{Deserialize, Serialize};

use crate::{DataError, ExampleSet, Masking, SentenceCorpus, seeded_rng, shuffle::below};

/// One in so many pairs is made short on purpose, so that models meet short ones (Devlin et al. 2019, A.2).
const SHORT_RATE: u32 = 10;

/// Content of a row.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum RowKind {
    /// Two segments of whole sentences, the second of which follows the first in half of the rows and comes from another
    /// document in the others (Devlin et al. 2019, §3.1).
    #[default]
    SentencePairs,
    /// As many consecutive sentences as there is room for, across documents (Liu et al. 2019, §4.2).
    FullSentences,
}

/// Rows of a [`SentenceCorpus`] with hidden tokens.
#[derive(Debug)]
pub struct MaskedSentences {
    corpus: SentenceCorpus,
    kind: RowKind,
    /// Tokens of a row, frame included.
    context: usize,
    ids: FrameIds,
    masking: Masking,
}

/// The segments of a row, as places in the corpus.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowPlan {
    first: Range<usize>,
    second: Option<Second>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Second {
    range: Range<usize>,
    follows: bool,
}

impl MaskedSentences {
    /// Rows of at most `context` tokens.
    ///
    /// # Errors
    /// [`DataError::Setting`] if `context` has no room for a frame and a token of each segment, [`DataError::OneDocument`] if
    /// pairs are wanted from a single one.
    pub fn new(
        corpus: SentenceCorpus,
        kind: RowKind,
        context: usize,
        ids: FrameIds,
        masking: Masking,
    ) -> Result<Self, DataError> {
        if context < 8 {
            return Err(DataError::Setting { key: "context", value: context, expected: "at least 8" });
        }
        if kind == RowKind::SentencePairs && corpus.n_documents() == 1 {
            return Err(DataError::OneDocument);
        }
        Ok(Self { corpus, kind, context, ids, masking })
    }

    /// The text.
    pub fn corpus(&self) -> &SentenceCorpus {
        &self.corpus
    }

    /// Consecutive sentences that fit together; one that is too long is split.
    fn full_sentences(&self) -> Vec<RowPlan> {
        let room = self.context - 2;
        let mut rows = Vec::new();
        let mut row = 0..0;
        for sentence in self.corpus.places() {
            if sentence.end - row.start > room && !row.is_empty() {
                rows.push(row.clone());
                row = sentence.start..sentence.start;
            }
            while sentence.end - row.start > room {
                rows.push(row.start..row.start + room);
                row = row.start + room..row.start + room;
            }
            row.end = sentence.end;
        }
        rows.push(row);
        rows.into_iter().filter(|row| !row.is_empty()).map(|first| RowPlan { first, second: None }).collect()
    }

    fn sentence_pairs(&self, epoch: u64) -> Vec<RowPlan> {
        let mut rng = seeded_rng(self.masking.seed, "sentence pairs", epoch);
        let room = self.context - 3;
        let (sentences, documents) = (self.corpus.places(), self.corpus.documents());
        let mut rows = Vec::new();
        for (document_idx, document) in documents.iter().enumerate() {
            let mut at = document.start;
            while at < document.end {
                let target = match below(SHORT_RATE, &mut rng) {
                    0 => 2 + below(room as u32 - 1, &mut rng) as usize,
                    _ => room,
                };
                let start = sentences[at].start;
                let n = (at..document.end).take_while(|&idx| sentences[idx].end - start < target).count();
                let end = (at + n + 1).min(document.end);
                let middle = if end - at > 1 { at + 1 + below((end - at - 1) as u32, &mut rng) as usize } else { end };
                let first = start..sentences[middle - 1].end;
                let follows = middle < end && below(2, &mut rng) == 0;
                let second = if follows {
                    sentences[middle].start..sentences[end - 1].end
                } else {
                    let other = below(documents.len() as u32 - 1, &mut rng) as usize;
                    let other = &documents[if other < document_idx { other } else { other + 1 }];
                    let from = other.start + below((other.end - other.start) as u32, &mut rng) as usize;
                    let wanted = target.saturating_sub(first.len()).max(1);
                    let start = sentences[from].start;
                    let n = (from..other.end).take_while(|&idx| sentences[idx].end - start < wanted).count();
                    start..sentences[(from + n).min(other.end - 1)].end
                };
                // Sentences whose place a random segment took are read again.
                at = if follows { end } else { middle };
                let [first, second] = truncated([first, second], target, &mut rng);
                rows.push(RowPlan { first, second: Some(Second { range: second, follows }) });
            }
        }
        rows
    }

    /// A row with its frame, and the segment of each token.
    fn row(&self, plan: &RowPlan) -> (Vec<TokenId>, Vec<u8>) {
        let FrameIds { begin, end, .. } = self.ids;
        let mut ids = vec![begin];
        ids.extend_from_slice(&self.corpus.ids()[plan.first.clone()]);
        ids.push(end);
        let mut segments = vec![0; ids.len()];
        if let Some(second) = &plan.second {
            ids.extend_from_slice(&self.corpus.ids()[second.range.clone()]);
            ids.push(end);
        }
        segments.resize(ids.len(), 1);
        (ids, segments)
    }
}

impl ExampleSet for MaskedSentences {
    type Example = RowPlan;
    type Batch = MaskedBatch;

    fn epoch(&self, epoch: u64) -> Vec<RowPlan> {
        match self.kind {
            RowKind::SentencePairs => {
                let copies = self.masking.config.copies;
                self.sentence_pairs(if copies == 0 { epoch } else { epoch % copies })
            }
            RowKind::FullSentences => self.full_sentences(),
        }
    }

    fn batch(&self, epoch: u64, examples: &[(u64, RowPlan)]) -> MaskedBatch {
        let FrameIds { pad, begin, end, .. } = self.ids;
        let (mut rows, segments): (Vec<_>, Vec<_>) = examples.iter().map(|(_, plan)| self.row(plan)).unzip();
        let n_cols = rows.iter().map(Vec::len).max().unwrap_or(0);
        let (mut masked, mut targets) = (Vec::new(), Vec::new());
        for (row_idx, (row, (example, _))) in rows.iter_mut().zip(examples).enumerate() {
            let maskable: Vec<usize> = (0..row.len()).filter(|&at| ![begin, end].contains(&row[at])).collect();
            for (at, hidden) in self.masking.hide(row, &maskable, epoch, *example) {
                masked.push((row_idx * n_cols + at) as u32);
                targets.push(hidden);
            }
        }
        let segments = segments.into_iter().flat_map(|mut segments| {
            segments.resize(n_cols, 0);
            segments
        });
        let follows = examples.iter().map(|(_, plan)| plan.second.as_ref().map(|second| second.follows)).collect();
        MaskedBatch {
            segments: segments.collect(),
            masked,
            targets,
            follows,
            indices: examples.iter().map(|(example, _)| *example).collect(),
            ids: TokenMatrix::from_rows(&rows, pad, 0),
        }
    }
}

/// Two segments, shortened at random at either end of the longer one until both together have at most `n` tokens.
fn truncated(mut segments: [Range<usize>; 2], n: usize, rng: &mut impl Rng) -> [Range<usize>; 2] {
    while segments[0].len() + segments[1].len() > n {
        let longer = &mut segments[usize::from(segments[1].len() >= segments[0].len())];
        match below(2, rng) {
            0 => longer.start += 1,
            _ => longer.end -= 1,
        }
    }
    segments
}
