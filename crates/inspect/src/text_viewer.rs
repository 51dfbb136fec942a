//! Encoders and language models, taken apart.

use std::{fmt, ops::Range, sync::Arc};

use attentive_backend::Device;
use attentive_bundle::{Bundle, BundleError, Params, frame_ids};
use attentive_core::{TokenId, TokenMatrix};
use attentive_model::{
    CausalModel, EncoderModel, EncoderSpec, FamilyVisitor, LanguageModelSpec, ModelSpec, Role, TextStack,
};
use attentive_tokenizer::Tokenizer;

use crate::{
    AttentionKind, AttentionWeights, InspectError, View,
    probe::LayersOf,
    view::{check_length, label, tokens_of},
};

/// An encoder or a language model that shows what its layers make of a text.
///
/// ```no_run
/// # use attentive_bundle::Bundle;
/// # use attentive_inspect::TextViewer;
/// # fn look(device: &attentive_backend::Device) -> Result<(), Box<dyn std::error::Error>> {
/// let viewer = TextViewer::new(&Bundle::open("gpt2")?, device)?;
/// for (layer, guesses) in viewer.lens("The capital of France is", 1)?.layers.iter().enumerate() {
///     println!("layer {layer}: {}", guesses.last().expect("a token")[0].token);
/// }
/// # Ok(())
/// # }
/// ```
pub struct TextViewer {
    model: Box<dyn HasStack>,
    tokenizer: Arc<dyn Tokenizer>,
    frame: Frame,
    max_len: Option<usize>,
}

/// What stands around a text.
enum Frame {
    /// A language model's, which may begin it.
    Begin(Option<TokenId>),
    /// An encoder's.
    Around([TokenId; 2]),
}

/// A text as the model reads it.
pub(crate) struct ReadText {
    pub(crate) ids: Vec<TokenId>,
    pub(crate) labels: Vec<String>,
    pub(crate) row: TokenMatrix,
    /// All of the first.
    pub(crate) segments: Vec<u8>,
}

impl TextViewer {
    /// The model of a bundle, on `device`; one with gradients for [`attribute`](Self::attribute).
    ///
    /// # Errors
    /// [`InspectError`] if the model is of another kind, or its layers are not a single stack.
    pub fn new(bundle: &Bundle<impl Params>, device: &Device) -> Result<Self, InspectError> {
        let tokenizer = bundle.tokenizer()?.clone();
        let model = bundle.model.visit(TakingApart { bundle, device })?;
        if model.stack().is_none() {
            return Err(InspectError::NoStack { family: bundle.model.family() });
        }
        let frame = match bundle.model.role() {
            Role::LanguageModel => Frame::Begin(begin_of(bundle)?),
            _ => {
                let ids = frame_ids(&*tokenizer)?;
                Frame::Around([ids.begin, ids.end])
            }
        };
        Ok(Self { model, tokenizer, frame, max_len: bundle.model.max_len() })
    }

    /// What the model attends to when it reads `text`. Rows are the tokens that are read.
    ///
    /// # Errors
    /// [`InspectError`] if the text is empty or too long for the model.
    pub fn look(&self, text: &str) -> Result<View, InspectError> {
        let ReadText { labels, row, segments, .. } = self.read(text)?;
        let weights = AttentionWeights::of_row(&self.stack().trace(&row, &segments).weights, 0);
        let kind = if self.is_causal() { AttentionKind::Decoder } else { AttentionKind::Encoder };
        Ok(View { kind, weights, queries: labels.clone(), keys: labels })
    }

    /// The tokens that stand for the bytes `place` of `text`, as [`look`](Self::look) numbers them.
    pub fn tokens(&self, text: &str, place: Range<usize>) -> Range<usize> {
        let tokens = tokens_of(&self.tokenizer.encode_with_offsets(text), text, place);
        let before = usize::from(!matches!(self.frame, Frame::Begin(None)));
        before + tokens.start..before + tokens.end
    }

    /// What the first layer reads of a text, then what each layer gives, and the tokens of parts of it.
    pub(crate) fn layers_of(&self, text: &str, parts: &[Range<usize>]) -> Result<LayersOf, InspectError> {
        let ReadText { row, segments, .. } = self.read(text)?;
        let spans = self.tokenizer.encode_with_offsets(text);
        let before = usize::from(!matches!(self.frame, Frame::Begin(None)));
        let tokens = parts.iter().map(|part| {
            let tokens = tokens_of(&spans, text, part.clone());
            before + tokens.start..before + tokens.end
        });
        Ok((self.stack().hidden_states(&row, &segments), tokens.collect()))
    }

    fn read(&self, text: &str) -> Result<ReadText, InspectError> {
        self.read_ids(self.tokenizer.encode(text))
    }

    /// A text of an encoder in which the names of special tokens are these tokens: what it guesses is `[MASK]`. Other models
    /// read it as it is.
    pub(crate) fn read_with_specials(&self, text: &str) -> Result<ReadText, InspectError> {
        match self.frame {
            Frame::Begin(_) => self.read(text),
            Frame::Around(_) => self.read_ids(self.tokenizer.encode_with_specials(text)),
        }
    }

    fn read_ids(&self, ids: Vec<TokenId>) -> Result<ReadText, InspectError> {
        let ids = match self.frame {
            Frame::Begin(begin) => begin.into_iter().chain(ids).collect(),
            Frame::Around([begin, end]) => [&[begin][..], &ids, &[end]].concat(),
        };
        if ids.is_empty() {
            return Err(InspectError::Empty);
        }
        check_length("the text", ids.len(), self.max_len)?;
        let labels = ids.iter().map(|&id| label(&*self.tokenizer, id)).collect();
        let (row, segments) = (TokenMatrix::from_rows(&[&ids], 0, 0), vec![0; ids.len()]);
        Ok(ReadText { ids, labels, row, segments })
    }

    /// A text of the same length in the same frame that says nothing: of masks, or of the token between documents; where the
    /// vocabulary has neither, of its first token.
    pub(crate) fn blank(&self, read: &ReadText) -> TokenMatrix {
        let specials = self.tokenizer.specials();
        let blank = specials.mask.or(specials.eos).or(specials.pad).unwrap_or(0);
        let ids = match self.frame {
            Frame::Begin(_) => vec![blank; read.ids.len()],
            Frame::Around([begin, end]) => [&[begin][..], &vec![blank; read.ids.len() - 2], &[end]].concat(),
        };
        TokenMatrix::from_rows(&[ids], 0, 0)
    }

    /// Whether a token sees those before it alone.
    pub(crate) fn is_causal(&self) -> bool {
        matches!(self.frame, Frame::Begin(_))
    }

    pub(crate) fn tokenizer(&self) -> &dyn Tokenizer {
        &*self.tokenizer
    }

    pub(crate) fn stack(&self) -> &dyn TextStack {
        self.model.stack().expect("a viewer has a stack")
    }
}

impl fmt::Debug for TextViewer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TextViewer").field("max_len", &self.max_len).finish_non_exhaustive()
    }
}

/// The token that a language model's texts begin with, if there is one.
pub(crate) fn begin_of(bundle: &Bundle<impl Params>) -> Result<Option<TokenId>, BundleError> {
    let begin = bundle.generation.begin_id.or(bundle.tokenizer()?.specials().eos);
    Ok(begin.filter(|_| bundle.generation.begin))
}

/// A model that may be one stack.
trait HasStack: Send {
    fn stack(&self) -> Option<&dyn TextStack>;
}

struct OfLanguageModel<M>(M);

impl<M: CausalModel + Send> HasStack for OfLanguageModel<M> {
    fn stack(&self) -> Option<&dyn TextStack> {
        self.0.text_stack()
    }
}

struct OfEncoder<M>(M);

impl<M: EncoderModel + Send> HasStack for OfEncoder<M> {
    fn stack(&self) -> Option<&dyn TextStack> {
        self.0.text_stack()
    }
}

/// An encoder or a language model on its way to its layers.
struct TakingApart<'a, P> {
    bundle: &'a Bundle<P>,
    device: &'a Device,
}

impl<P: Params> FamilyVisitor for TakingApart<'_, P> {
    type Output = Result<Box<dyn HasStack>, InspectError>;

    fn any<C: ModelSpec>(self, _spec: &C, _role: Role) -> Self::Output {
        Err(self.bundle.other_role(Role::LanguageModel).into())
    }

    fn language_model<C: LanguageModelSpec>(self, _spec: &C) -> Self::Output {
        Ok(Box::new(OfLanguageModel(self.bundle.model::<C>(self.device)?)))
    }

    fn encoder<C: EncoderSpec>(self, _spec: &C) -> Self::Output {
        Ok(Box::new(OfEncoder(self.bundle.model::<C>(self.device)?)))
    }
}
