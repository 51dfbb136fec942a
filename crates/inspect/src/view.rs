//! What a model attends to in one text.

use std::{borrow::Cow, fmt, ops::Range, sync::Arc};

use attentive_backend::Device;
use attentive_bundle::{Bundle, BundleError, MAX_TEXT_TOKENS, Params, TooLong};
use attentive_core::{TokenId, TokenMatrix};
use attentive_model::{
    AttentionKind, AttentionMaps, EncoderDecoderSpec, FamilyVisitor, ModelSpec, PairedStacks, Role, TeacherForced,
};
use attentive_tokenizer::{FrameError, PairFrame, Tokenizer};
use burn::tensor::Tensor;

use crate::{AttentionWeights, InspectError, probe::LayersOf};

/// The attentions of one kind in all layers, and the tokens that their rows and columns stand for.
#[derive(Debug, Clone, PartialEq)]
pub struct View {
    /// Which attentions: those of the encoder, of the decoder, or of the decoder to the encoder.
    pub kind: AttentionKind,
    /// The weights.
    pub weights: AttentionWeights,
    /// What looks, for each query. Where a decoder writes, it is the token that is written, and the last row writes the end.
    pub queries: Vec<String>,
    /// What is looked at, for each key.
    pub keys: Vec<String>,
}

/// A translation model that shows what it attends to.
///
/// ```no_run
/// # use attentive_bundle::Bundle;
/// # use attentive_inspect::TranslationViewer;
/// # fn look(device: &attentive_backend::Device) -> Result<(), Box<dyn std::error::Error>> {
/// let viewer = TranslationViewer::new(&Bundle::open("runs/latest/model")?, device)?;
/// for view in viewer.look("It was too tired.", "Es war zu müde.")? {
///     println!("{}: {} layers", view.kind.name(), view.weights.n_layers());
/// }
/// # Ok(())
/// # }
/// ```
pub struct TranslationViewer {
    model: Box<dyn Translates>,
    tokenizer: Arc<dyn Tokenizer>,
    /// What stands around texts; an error where the tokenizer's languages have to be said first.
    frame: Result<PairFrame, FrameError>,
    max_len: Option<usize>,
    family: &'static str,
}

impl TranslationViewer {
    /// The model of a bundle, on `device`.
    ///
    /// # Errors
    /// [`InspectError`] if the model does not translate.
    pub fn new(bundle: &Bundle<impl Params>, device: &Device) -> Result<Self, InspectError> {
        if bundle.model.role() != Role::EncoderDecoder {
            return Err(bundle.other_role(Role::EncoderDecoder).into());
        }
        let tokenizer = bundle.tokenizer()?.clone();
        let frame = pair_frame(bundle)?;
        let model = bundle.model.visit(Translating { bundle, device })?;
        let (max_len, family) = (bundle.model.max_len(), bundle.model.family());
        Ok(Self { model, tokenizer, frame, max_len, family })
    }

    /// What the model attends to when it reads `source` and writes `target`: in the encoder, in the decoder, and of the
    /// decoder in the encoder; those that the family has, in this order.
    ///
    /// # Errors
    /// [`InspectError`] if the model attends to nothing, or a text is too long for it.
    pub fn look(&self, source: &str, target: &str) -> Result<Vec<View>, InspectError> {
        self.look_at_tokens(source, &self.tokenizer.encode_target(target))
    }

    /// As [`look`](Self::look), at a translation by its tokens, as a `Translator` gives them: without what begins it for the
    /// decoder, and without its end. The token that all targets begin with may be there, or not.
    ///
    /// # Errors
    /// As [`look`](Self::look).
    pub fn look_at_tokens(&self, source: &str, target: &[TokenId]) -> Result<Vec<View>, InspectError> {
        let [source, target] = self.framed(source, target)?;
        self.look_at(&source, &target)
    }

    /// The tokens of a source in its frame, and what begins a target and its tokens.
    fn framed(&self, source: &str, target: &[TokenId]) -> Result<[Vec<TokenId>; 2], InspectError> {
        let frame = self.frame()?;
        let source = frame.around(&self.tokenizer.encode(source));
        let first = frame.first.filter(|first| target.first() != Some(first));
        let target: Vec<TokenId> = [frame.begin].into_iter().chain(first).chain(target.iter().copied()).collect();
        Ok([source, target])
    }

    /// What stands around texts.
    pub(crate) fn frame(&self) -> Result<&PairFrame, InspectError> {
        self.frame.as_ref().map_err(|error| InspectError::Frame(error.clone()))
    }

    /// Checks that the model has positions for a source and a target.
    fn check_lengths(&self, source: &[TokenId], target: &[TokenId]) -> Result<(), InspectError> {
        check_length("the text", source.len(), self.max_len)?;
        check_length("the translation", target.len(), self.max_len)
    }

    /// The tokens of a source and of a target as the layers read them, which are some and not too many.
    pub(crate) fn read(&self, source: &str, target: &[TokenId]) -> Result<[Vec<TokenId>; 2], InspectError> {
        let [source, target] = self.framed(source, target)?;
        if source.is_empty() {
            return Err(InspectError::Empty);
        }
        self.check_lengths(&source, &target)?;
        Ok([source, target])
    }

    /// What the encoder's first layer reads of a source, then what each layer gives, and the tokens of parts of it.
    pub(crate) fn layers_of(&self, text: &str, parts: &[Range<usize>]) -> Result<LayersOf, InspectError> {
        let ([source, _], stacks) = (self.read(text, &[])?, self.stacks()?);
        let spans = self.tokenizer.encode_with_offsets(text);
        let before = n_before(self.frame()?, &spans);
        let tokens = parts.iter().map(|part| {
            let tokens = tokens_of(&spans, text, part.clone());
            before + tokens.start..before + tokens.end
        });
        let row = TokenMatrix::from_rows(&[&source], 0, 0);
        Ok((stacks.encoder_states(stacks.embed_source(&row), &[source.len()]), tokens.collect()))
    }

    /// The model taken apart.
    pub(crate) fn stacks(&self) -> Result<&dyn PairedStacks, InspectError> {
        self.model.stacks().ok_or(InspectError::NoStack { family: self.family })
    }

    pub(crate) fn tokenizer(&self) -> &dyn Tokenizer {
        &*self.tokenizer
    }

    /// What the tokens of a source say.
    pub(crate) fn source_labels(&self, source: &[TokenId]) -> Vec<String> {
        source.iter().map(|&id| source_label(&*self.tokenizer, id)).collect()
    }

    /// As [`look`](Self::look), by tokens: those of a source in its frame, and what begins a target and the target, without
    /// its end.
    ///
    /// # Errors
    /// As [`look`](Self::look).
    pub fn look_at(&self, source: &[TokenId], target: &[TokenId]) -> Result<Vec<View>, InspectError> {
        let tokenizer = &*self.tokenizer;
        self.check_lengths(source, target)?;
        let [source_row, target_row] = [source, target].map(|ids| TokenMatrix::from_rows(&[ids], 0, 0));
        let maps = self.model.maps(&source_row, &target_row);
        let end = tokenizer.specials().end().map_or_else(String::new, |end| label(tokenizer, end));
        let source = self.source_labels(source);
        let read: Vec<String> = target.iter().map(|&id| label(tokenizer, id)).collect();
        let written: Vec<String> = read.iter().skip(1).cloned().chain([end]).collect();
        let view = |(kind, layers, queries, keys): (AttentionKind, Vec<Tensor<4>>, &Vec<String>, &Vec<String>)| View {
            kind,
            weights: AttentionWeights::of_row(&layers, 0),
            queries: queries.clone(),
            keys: keys.clone(),
        };
        let kinds = [
            (AttentionKind::Encoder, maps.encoder, &source, &source),
            (AttentionKind::Decoder, maps.decoder, &written, &read),
            (AttentionKind::Cross, maps.cross, &written, &source),
        ];
        let views: Vec<View> = kinds.into_iter().filter(|(_, layers, ..)| !layers.is_empty()).map(view).collect();
        if views.is_empty() { Err(InspectError::NoAttention { family: self.family }) } else { Ok(views) }
    }

    /// The source's tokens that stand for the bytes `place` of `text`, as [`look`](Self::look) numbers them.
    pub fn source_tokens(&self, text: &str, place: Range<usize>) -> Range<usize> {
        let spans = self.tokenizer.encode_with_offsets(text);
        let tokens = tokens_of(&spans, text, place);
        let before = self.frame.as_ref().map_or(0, |frame| n_before(frame, &spans));
        before + tokens.start..before + tokens.end
    }

    /// The written tokens that stand for the bytes `place` of a translation: rows of the decoder's attentions.
    pub fn target_tokens(&self, text: &str, place: Range<usize>) -> Range<usize> {
        let tokens = tokens_of(&self.tokenizer.encode_target_with_offsets(text), text, place);
        let before = self.frame.as_ref().map_or(0, |frame| frame.first.iter().count());
        before + tokens.start..before + tokens.end
    }
}

impl fmt::Debug for TranslationViewer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TranslationViewer").field("family", &self.family).finish_non_exhaustive()
    }
}

/// What stands around the texts of a translation model; an error within where its languages have to be said first.
pub(crate) fn pair_frame(bundle: &Bundle<impl Params>) -> Result<Result<PairFrame, FrameError>, BundleError> {
    let forced = bundle.decoding.forced_first;
    let frame = bundle.tokenizer()?.pair_frame(None, None);
    Ok(frame.map(|frame| PairFrame { first: frame.first.or(forced), ..frame }))
}

/// Tokens of the frame before those of a source.
pub(crate) fn n_before(frame: &PairFrame, spans: &[(TokenId, Range<usize>)]) -> usize {
    frame.before(spans.first().map(|&(id, _)| id).as_slice()).len()
}

/// The tokens of `text`, `spans`, that stand for any letter of its bytes `place`.
pub(crate) fn tokens_of(spans: &[(TokenId, Range<usize>)], text: &str, place: Range<usize>) -> Range<usize> {
    let is_there = |(_, span): &(TokenId, Range<usize>)| {
        span.start < place.end && place.start < span.end && !text[span.clone()].trim().is_empty()
    };
    let first = spans.iter().position(is_there).unwrap_or(spans.len());
    let end = spans.iter().rposition(is_there).map_or(first, |last| last + 1);
    first..end
}

/// Where `word` first stands in `text` as a word of its own, whatever its case.
///
/// ```
/// assert_eq!(attentive_inspect::find_word("With it, It waits.", "it"), Some(5..7));
/// assert_eq!(attentive_inspect::find_word("With", "it"), None);
/// ```
pub fn find_word(text: &str, word: &str) -> Option<Range<usize>> {
    let (lower, word) = (text.to_lowercase(), word.to_lowercase());
    // Letters whose case changes their length have other places then.
    let is_alike = lower.len() == text.len() && !word.is_empty();
    let is_edge = |c: Option<char>| c.is_none_or(|c| !c.is_alphanumeric());
    let is_whole = |place: &Range<usize>| {
        is_edge(lower[..place.start].chars().next_back()) && is_edge(lower[place.end..].chars().next())
    };
    let mut places = lower.match_indices(&word).map(|(at, found)| at..at + found.len());
    places.find(|place| {
        is_alike && is_whole(place) && text.is_char_boundary(place.start) && text.is_char_boundary(place.end)
    })
}

/// Refuses a text of more tokens than the model has positions for, or than are read of any.
pub(crate) fn check_length(what: &'static str, n_tokens: usize, max_len: Option<usize>) -> Result<(), InspectError> {
    match max_len.unwrap_or(MAX_TEXT_TOKENS) {
        max_len if n_tokens > max_len => Err(InspectError::TooLong { what, cause: TooLong { n_tokens, max_len } }),
        _ => Ok(()),
    }
}

/// What a token says, or its name where it says nothing.
pub fn label(tokenizer: &dyn Tokenizer, id: TokenId) -> String {
    match tokenizer.decode(&[id]) {
        Ok(text) if !text.trim().is_empty() => text.trim().to_owned(),
        _ => tokenizer.token(id).map(Cow::into_owned).unwrap_or_default(),
    }
}

/// As [`label`], of a token of a source; its entry, where sources have a vocabulary of their own.
fn source_label(tokenizer: &dyn Tokenizer, id: TokenId) -> String {
    match tokenizer.source_token(id) {
        Some(entry) if tokenizer.token(id).as_ref() != Some(&entry) => entry.into_owned(),
        _ => label(tokenizer, id),
    }
}

/// A translation model that may be two stacks.
trait Translates: Send {
    /// What it attends to, of source rows and target rows.
    fn maps(&self, source: &TokenMatrix, target: &TokenMatrix) -> AttentionMaps;

    fn stacks(&self) -> Option<&dyn PairedStacks>;
}

struct OfFamily<M>(M);

impl<M: TeacherForced + Send> Translates for OfFamily<M> {
    fn maps(&self, source: &TokenMatrix, target: &TokenMatrix) -> AttentionMaps {
        self.0.attention_maps(source, target)
    }

    fn stacks(&self) -> Option<&dyn PairedStacks> {
        self.0.paired_stacks()
    }
}

/// A translation model on its way to what it attends to.
struct Translating<'a, P> {
    bundle: &'a Bundle<P>,
    device: &'a Device,
}

impl<P: Params> FamilyVisitor for Translating<'_, P> {
    type Output = Result<Box<dyn Translates>, InspectError>;

    fn any<C: ModelSpec>(self, _spec: &C, _role: Role) -> Self::Output {
        Err(self.bundle.other_role(Role::EncoderDecoder).into())
    }

    fn encoder_decoder<C: EncoderDecoderSpec>(self, _spec: &C) -> Self::Output {
        Ok(Box::new(OfFamily(self.bundle.model::<C>(self.device)?)))
    }
}
