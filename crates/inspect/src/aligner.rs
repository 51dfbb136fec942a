//! Words of translations, aligned with those of their sources.

use std::{fmt, ops::Range, str::FromStr, sync::Arc};

use attentive_backend::Device;
use attentive_bundle::{Bundle, MAX_TEXT_TOKENS, Params, TextStream, TranslationModel};
use attentive_core::{EncoderDecoder, NextToken, TokenId, TokenMatrix};
use attentive_metrics::Alignment;
use attentive_model::Role;
use attentive_tokenizer::{FrameError, PairFrame, Tokenizer};

use crate::{
    AttentionKind, InspectError, TranslationViewer, View, align_by_similarity,
    view::{n_before, tokens_of},
};

/// The share that a pair of words must have in both directions. A word's equal share of a sentence of five words.
const THRESHOLD: f64 = 0.2;
/// Decoders of fewer layers have no middle one that looks at what was written: their last layer is taken.
const FEW: usize = 4;
/// Sources that are read together.
const AT_ONCE: usize = 32;
/// The log-probability of what is impossible, in nats.
const IMPOSSIBLE: f64 = -1e4;

/// What the alignment of words is taken from.
///
/// ```
/// use attentive_inspect::AlignBy;
///
/// assert_eq!("attention".parse(), Ok(AlignBy::Attention { layer: None }));
/// assert_eq!("attention:2".parse(), Ok(AlignBy::Attention { layer: Some(1) }));
/// assert_eq!("probability".parse(), Ok(AlignBy::Probability));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AlignBy {
    /// What a layer of the decoder, the mean of its heads, looks at in the source: the last layer when it writes a word, others
    /// when they read the word that was just written. Without a layer, counted from 0 from the input up, the middle one; of
    /// fewer than four, the last.
    ///
    /// Source: Chen et al. 2020, "Accurate Word Alignment Induction from Neural Machine Translation", §4.1 (Shift-Att), whose
    /// best layer of six is the third.
    Attention {
        /// The layer.
        layer: Option<usize>,
    },
    /// How much less probable each word of the translation would be if a word of the source were not known, in nats; it takes a
    /// reading of the translation for each word of the source. Any encoder–decoder has this.
    ///
    /// Source: Li et al. 2019, "On the Word Alignment from Neural Machine Translation", §4.2 (prediction difference); there the
    /// word's vector is 0, here its tokens are unknown ones, or padding where the vocabulary has no unknown token.
    Probability,
}

impl Default for AlignBy {
    fn default() -> Self {
        Self::Attention { layer: None }
    }
}

/// What is not a way to align words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a way to align words: write attention, attention:LAYER, counted from 1, or probability")]
pub struct BadAlignBy(pub String);

impl FromStr for AlignBy {
    type Err = BadAlignBy;

    /// `attention`, `attention:LAYER` with a layer counted from 1, or `probability`.
    fn from_str(text: &str) -> Result<Self, BadAlignBy> {
        let layer = |number: &str| number.parse::<usize>().ok()?.checked_sub(1);
        match (text, text.strip_prefix("attention:").and_then(layer)) {
            ("attention", _) => Ok(Self::default()),
            ("probability", _) => Ok(Self::Probability),
            (_, Some(layer)) => Ok(Self::Attention { layer: Some(layer) }),
            _ => Err(BadAlignBy(text.to_owned())),
        }
    }
}

/// Aligns the words of translations with those of their sources, by what a translation model makes of both.
///
/// A pair is aligned if each of its words has a share of the other above a fifth, among the words of its sentence: the soft-max
/// of similarities in both directions (Dou and Neubig 2021, §2.2). Words are what white space parts. A word that no token
/// represents has no pair: one that was cropped, for example.
///
/// ```no_run
/// # use attentive_bundle::{Bundle, Translator};
/// # use attentive_inspect::{AlignBy, Aligner};
/// # fn align(device: &attentive_backend::Device) -> Result<(), Box<dyn std::error::Error>> {
/// let bundle = Bundle::open("runs/latest/model")?;
/// let source = "It was too tired.";
/// let found = Translator::from_bundle(&bundle, device, None)?.translate(&[source], &bundle.decoding)?;
/// let aligner = Aligner::new(&bundle, device, AlignBy::default())?;
/// println!("{}\t{}", found[0].text, aligner.align(source, &found[0].tokens)?); // Es war zu müde.  0-0 1-1 2-2 3-3
/// # Ok(())
/// # }
/// ```
pub struct Aligner {
    reading: Reading,
    tokenizer: Arc<dyn Tokenizer>,
    frame: PairFrame,
    max_len: usize,
}

enum Reading {
    Attention { viewer: TranslationViewer, layer: Option<usize> },
    Probability { model: TranslationModel, unknown: TokenId },
}

impl Aligner {
    /// The model of a bundle, on `device`.
    ///
    /// # Errors
    /// [`InspectError`] if the model does not translate, or its languages have to be said.
    pub fn new(bundle: &Bundle<impl Params>, device: &Device, by: AlignBy) -> Result<Self, InspectError> {
        if bundle.model.role() != Role::EncoderDecoder {
            return Err(bundle.other_role(Role::EncoderDecoder).into());
        }
        let tokenizer = bundle.tokenizer()?.clone();
        let frame = tokenizer.pair_frame(None, None).map_err(InspectError::Frame)?;
        let frame = PairFrame { first: frame.first.or(bundle.decoding.forced_first), ..frame };
        let reading = match by {
            AlignBy::Attention { layer } => {
                Reading::Attention { viewer: TranslationViewer::new(bundle, device)?, layer }
            }
            AlignBy::Probability => {
                let missing = InspectError::Frame(FrameError::NoSpecial { role: "padding" });
                let specials = tokenizer.specials();
                let unknown = specials.unk.or(specials.pad).ok_or(missing)?;
                Reading::Probability { model: bundle.translation_model(device, None)?, unknown }
            }
        };
        Ok(Self { reading, tokenizer, frame, max_len: bundle.model.max_len().unwrap_or(MAX_TEXT_TOKENS) })
    }

    /// The words of a translation, whose tokens are those that a `Translator` gives, with those of `source`. Of a source that is
    /// longer than the model has positions for, its first tokens are read.
    ///
    /// # Errors
    /// [`InspectError`] if the model attends to nothing, has no such layer, or the device fails.
    ///
    /// # Panics
    /// If a token is not in the vocabulary.
    pub fn align(&self, source: &str, translation: &[TokenId]) -> Result<Alignment, InspectError> {
        let frame = &self.frame;
        let mut own = self.tokenizer.encode_with_offsets(source);
        let before = n_before(frame, &own);
        own.truncate(self.max_len.saturating_sub(before + frame.source.after.len()));
        let (text, written) = spans(&*self.tokenizer, translation);
        let first = frame.first.filter(|first| translation.first() != Some(first));
        let (source_at, source_words) = words(source, &own, before);
        let (target_at, target_words) = words(&text, &written, first.iter().count());
        if source_at.is_empty() || target_at.is_empty() {
            return Ok(Alignment::default());
        }
        let ids: Vec<TokenId> = own.iter().map(|&(id, _)| id).collect();
        let ids = frame.around(&ids);
        let target: Vec<TokenId> = [frame.begin].into_iter().chain(first).chain(translation.iter().copied()).collect();
        let similarity = match &self.reading {
            Reading::Attention { viewer, layer } => {
                let n_read = target.len().min(self.max_len);
                of_attention(&viewer.look_at(&ids, &target[..n_read])?, *layer, &source_words, &target_words)?
            }
            Reading::Probability { model, unknown } => {
                let of_tokens = differences(model, *unknown, &ids, &source_words, &target)?;
                let of_word = |row: &[f64], word: &Range<usize>| row[word.clone()].iter().sum::<f64>();
                let rows = of_tokens.chunks(target.len() - 1);
                rows.flat_map(|row| target_words.iter().map(move |word| of_word(row, word))).collect()
            }
        };
        let found = align_by_similarity(&similarity, [source_at.len(), target_at.len()], THRESHOLD);
        Ok(Alignment::new(found.pairs().iter().map(|&(from, to)| (source_at[from], target_at[to]))))
    }
}

impl fmt::Debug for Aligner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let by = match &self.reading {
            Reading::Attention { layer, .. } => AlignBy::Attention { layer: *layer },
            Reading::Probability { .. } => AlignBy::Probability,
        };
        f.debug_struct("Aligner").field("by", &by).finish_non_exhaustive()
    }
}

/// The words of `text` that tokens represent, by number, and the tokens of each; the tokens have these places in the text, and
/// the first of them is number `n_before`.
fn words(text: &str, spans: &[(TokenId, Range<usize>)], n_before: usize) -> (Vec<usize>, Vec<Range<usize>>) {
    let mut at = 0;
    let tokens = |word: &str| {
        // Before a word is white space alone.
        let start = at + text[at..].find(word).unwrap_or(0);
        at = start + word.len();
        let tokens = tokens_of(spans, text, start..at);
        tokens.start + n_before..tokens.end + n_before
    };
    text.split_whitespace().map(tokens).enumerate().filter(|(_, tokens)| !tokens.is_empty()).unzip()
}

/// The text of tokens, and the place of each; a character that several tokens make is of the last of them.
fn spans(tokenizer: &dyn Tokenizer, tokens: &[TokenId]) -> (String, Vec<(TokenId, Range<usize>)>) {
    let mut stream = TextStream::new(tokenizer, &[]);
    let (mut text, mut spans) = (String::new(), Vec::with_capacity(tokens.len()));
    for &token in tokens {
        let start = text.len();
        text += &stream.push(token);
        spans.push((token, start..text.len()));
    }
    text += &stream.finish();
    if let Some((_, last)) = spans.last_mut() {
        last.end = text.len();
    }
    (text, spans)
}

/// The logarithm of the attention that each target word pays to each source word, `[source, target]`: the mean over its tokens
/// of the sum over the other's, as a share of all words.
fn of_attention(
    views: &[View],
    layer: Option<usize>,
    source: &[Range<usize>],
    target: &[Range<usize>],
) -> Result<Vec<f64>, InspectError> {
    let is_of = |kind: AttentionKind| move |view: &&View| view.kind == kind;
    let Some(View { weights, .. }) = views.iter().find(is_of(AttentionKind::Cross)) else {
        return Err(InspectError::NoCross);
    };
    let n_layers = weights.n_layers();
    let last = n_layers.saturating_sub(1);
    // The lower of two in the middle: the third of six.
    let layer = layer.unwrap_or(if n_layers < FEW { last } else { last / 2 });
    if layer >= n_layers {
        return Err(InspectError::NoLayer { layer, n_layers });
    }
    // A row reads the token that the row before it wrote. The last layer, and a recurrent decoder, look at what they write.
    let shift = usize::from(layer < last);
    let (mean, n_keys) = (weights.mean(layer), weights.n_keys());
    let mut similarity = vec![0.0; source.len() * target.len()];
    for (at, word) in target.iter().enumerate() {
        let mut seen = vec![0.0; source.len()];
        for token in word.clone() {
            let query = (token + shift).min(weights.n_queries() - 1);
            let row = &mean[query * n_keys..][..n_keys];
            for (sum, keys) in seen.iter_mut().zip(source) {
                *sum += row[keys.clone()].iter().map(|&weight| f64::from(weight)).sum::<f64>();
            }
        }
        let all: f64 = seen.iter().sum();
        for (row, sum) in seen.into_iter().enumerate() {
            similarity[row * target.len() + at] = (sum / all).max(f64::MIN_POSITIVE).ln();
        }
    }
    Ok(similarity)
}

/// How much less probable each written token of `target` is if each of some words of `source` is `unknown`, in nats:
/// `[words, target − 1]`.
fn differences(
    model: &TranslationModel,
    unknown: TokenId,
    source: &[TokenId],
    words: &[Range<usize>],
    target: &[TokenId],
) -> Result<Vec<f64>, InspectError> {
    let without = |word: &Range<usize>| {
        let mut row = source.to_vec();
        row[word.clone()].fill(unknown);
        row
    };
    let sources: Vec<Vec<TokenId>> = [source.to_vec()].into_iter().chain(words.iter().map(without)).collect();
    let n_written = target.len() - 1;
    let mut log_probs = Vec::with_capacity(sources.len() * n_written);
    for some in sources.chunks(AT_ONCE) {
        let rows: Vec<&[TokenId]> = some.iter().map(Vec::as_slice).collect();
        let mut state = EncoderDecoder::start(model, &TokenMatrix::from_rows(&rows, unknown, 0));
        let mut of_rows = vec![Vec::with_capacity(n_written); some.len()];
        for pair in target.windows(2) {
            let scores = model.log_probs(&vec![pair[0]; some.len()], &mut state)?;
            for (of_row, scores) in of_rows.iter_mut().zip(scores.chunks(model.vocab_size())) {
                of_row.push(f64::from(scores[pair[1] as usize]).max(IMPOSSIBLE));
            }
        }
        log_probs.extend(of_rows.into_iter().flatten());
    }
    let (whole, without) = log_probs.split_at(n_written);
    let fall = |row: &[f64]| whole.iter().zip(row).map(|(whole, less)| whole - less).collect::<Vec<f64>>();
    Ok(without.chunks(n_written).flat_map(fall).collect())
}
