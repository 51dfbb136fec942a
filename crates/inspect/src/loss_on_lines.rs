//! The loss of a model on lines of text, and how much of it each head has in its hands.

use std::{collections::BTreeMap, fmt, marker::PhantomData};

use attentive_backend::{Device, Objective};
use attentive_bundle::{Bundle, frame_ids};
use attentive_core::{LabeledBatch, MaskedBatch, SequenceBatch, TokenId, TokenMatrix, TranslationBatch};
use attentive_model::{
    CausalLmObjective, ClassificationObjective, EncoderDecoderSpec, EncoderSpec, FamilyVisitor, LanguageModelSpec,
    MaskedLmObjective, ModelHead, ModelSpec, Role, TranslationObjective,
};
use burn::{
    module::{Module, ModuleVisitor, Param},
    tensor::{Gradients as Tape, Tensor},
};

use crate::{
    InspectError,
    text_viewer::begin_of,
    view::{check_length, pair_frame},
};

/// Lines that are read together.
const ROWS: usize = 16;

/// Of so many tokens of a text, an encoder guesses one.
const HIDDEN_OF: usize = 7;

/// Lines with what a model should make of them: of a translation model, sources and translations with a tab between; of a
/// classifier, texts and labels with a tab between; of a language model, texts; of an encoder that guesses hidden tokens, texts
/// too, of which every seventh token is hidden.
///
/// ```no_run
/// # use attentive_bundle::Bundle;
/// # use attentive_inspect::{LossOnLines, silence};
/// # fn look(device: &attentive_backend::Device) -> Result<(), Box<dyn std::error::Error>> {
/// let mut bundle = Bundle::read("gpt2")?;
/// let lines = LossOnLines::new(&bundle, &["The capital of France is Paris.".to_owned()])?;
/// let before = lines.loss(&bundle, device)?;
/// silence(&mut bundle, &"decoder.5.self:1".parse()?)?;
/// println!("{:.4} nats a token more", lines.loss(&bundle, device)?.nats - before.nats);
/// # Ok(())
/// # }
/// ```
pub struct LossOnLines {
    of_family: Box<dyn OfFamily>,
    n_lines: usize,
}

/// The loss of a model.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MeanLoss {
    /// Nats per target: a token, or a text's class.
    pub nats: f64,
    /// Targets.
    pub n_targets: usize,
}

/// How much a head matters to the loss, by its gradient.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct HeadImportance {
    /// The head.
    pub head: ModelHead,
    /// `|∂L/∂ξ|`, the mean over lines, where ξ is a factor of what the head adds, and L the loss in nats per target.
    pub gradient: f64,
}

impl LossOnLines {
    /// The lines as the model of a bundle reads them; lines without a target are left out.
    ///
    /// # Errors
    /// [`InspectError::Line`] if a line lacks its second column, or is too long for the model; [`InspectError`] if no line has a
    /// target, or the model's kind has no loss on lines.
    pub fn new(bundle: &Bundle, lines: &[String]) -> Result<Self, InspectError> {
        Ok(Self { of_family: bundle.model.visit(Reading { bundle, lines })?, n_lines: lines.len() })
    }

    /// The loss of a model of the same family and vocabulary: this one with heads silent or pruned.
    ///
    /// # Errors
    /// [`InspectError::Bundle`] if configuration and weights do not fit.
    ///
    /// # Panics
    /// If the model is of another family, or the device does not hand over its values.
    pub fn loss(&self, bundle: &Bundle, device: &Device) -> Result<MeanLoss, InspectError> {
        self.of_family.loss(bundle, device)
    }

    /// How much each head that is left matters, in the order of attentions and heads.
    ///
    /// The factor of a head multiplies its rows of the output projection, so that the gradient by it, where all factors are 1, is
    /// the sum over these rows of weight times gradient. Source: Michel et al. 2019, "Are Sixteen Heads Really Better than
    /// One?", §4.1.
    ///
    /// # Errors
    /// As [`loss`](Self::loss); [`InspectError::NoHeads`] if the family's heads have no names.
    ///
    /// # Panics
    /// As [`loss`](Self::loss), or if the device has no gradients.
    pub fn importance(&self, bundle: &Bundle, device: &Device) -> Result<Vec<HeadImportance>, InspectError> {
        let Some(attentions) = bundle.model.attentions() else {
            return Err(InspectError::NoHeads { family: bundle.model.family() });
        };
        let named = |&place| {
            let heads = attentions.left(place).heads.into_iter();
            let heads = heads.map(|head| ModelHead { attention: place, head }).collect();
            (format!("{}.output.weight", place.path()), heads)
        };
        let heads: HeadsOf = attentions.places.iter().map(named).collect();
        let device = if device.is_autodiff() { device.clone() } else { device.clone().autodiff() };
        let sums = self.of_family.importance(bundle, &heads, &device)?;
        let n_lines = self.of_family.n_lines() as f64;
        let importance =
            |head| HeadImportance { head, gradient: sums.get(&head).copied().unwrap_or_default() / n_lines };
        Ok(attentions.heads().map(importance).collect())
    }

    /// Lines that are left out, as they have no target.
    pub fn n_left_out(&self) -> usize {
        self.n_lines - self.of_family.n_lines()
    }
}

impl fmt::Debug for LossOnLines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LossOnLines").field("n_lines", &self.n_lines).finish_non_exhaustive()
    }
}

/// The heads that the rows of an output projection are of, by its name.
type HeadsOf = BTreeMap<String, Vec<ModelHead>>;

/// Lines as a family's objective takes them.
trait OfFamily: Send {
    fn loss(&self, bundle: &Bundle, device: &Device) -> Result<MeanLoss, InspectError>;

    /// The sum over lines of each head's gradient.
    fn importance(
        &self,
        bundle: &Bundle,
        heads: &HeadsOf,
        device: &Device,
    ) -> Result<BTreeMap<ModelHead, f64>, InspectError>;

    /// Lines with a target.
    fn n_lines(&self) -> usize;
}

struct Batches<C, O, B> {
    objective: O,
    /// Of a line each.
    alone: Vec<B>,
    /// Of some lines each.
    together: Vec<B>,
    family: PhantomData<fn() -> C>,
}

/// The batches of some rows, which `batch` makes.
fn batches<C, O, R>(
    objective: O,
    rows: &[R],
    batch: impl Fn(&[R]) -> O::Batch,
) -> Result<Box<dyn OfFamily>, InspectError>
where
    C: ModelSpec,
    O: Objective<C::Model> + Send + 'static,
    O::Batch: Send + 'static,
{
    if rows.is_empty() {
        return Err(InspectError::Empty);
    }
    let [alone, together] = [1, ROWS].map(|n| rows.chunks(n).map(&batch).collect());
    Ok(Box::new(Batches { objective, alone, together, family: PhantomData::<fn() -> C> }))
}

impl<C, O> OfFamily for Batches<C, O, O::Batch>
where
    C: ModelSpec,
    O: Objective<C::Model> + Send,
    O::Batch: Send,
{
    fn loss(&self, bundle: &Bundle, device: &Device) -> Result<MeanLoss, InspectError> {
        let model = bundle.model::<C>(device)?;
        let (mut nats, mut n_targets) = (0.0, 0);
        for batch in &self.together {
            let loss = self.objective.loss(&model, batch, None);
            nats += f64::from(loss.sum.into_scalar::<f32>());
            n_targets += loss.n_targets;
        }
        Ok(MeanLoss { nats: nats / n_targets.max(1) as f64, n_targets })
    }

    fn importance(
        &self,
        bundle: &Bundle,
        heads: &HeadsOf,
        device: &Device,
    ) -> Result<BTreeMap<ModelHead, f64>, InspectError> {
        let model = bundle.model::<C>(device)?;
        let mut sums = BTreeMap::new();
        for batch in &self.alone {
            let loss = self.objective.loss(&model, batch, None);
            let tape = (loss.sum / loss.n_targets.max(1) as f64).backward();
            model.visit(&mut Gates { path: Vec::new(), tape: &tape, heads, sums: &mut sums });
        }
        Ok(sums)
    }

    fn n_lines(&self) -> usize {
        self.alone.len()
    }
}

/// Adds up the gradients by the factor of each head.
struct Gates<'a> {
    path: Vec<String>,
    tape: &'a Tape,
    heads: &'a HeadsOf,
    sums: &'a mut BTreeMap<ModelHead, f64>,
}

impl ModuleVisitor for Gates<'_> {
    fn enter_module(&mut self, name: &str, _: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let Some(heads) = self.heads.get(&self.path.join(".")) else { return };
        let weight = param.val();
        let Some(gradient) = weight.grad(self.tape) else { return };
        let product = (weight.inner() * gradient).into_data().convert::<f32>();
        let product: Vec<f32> = product.try_into_vec().expect("converted to f32");
        for (&head, rows) in heads.iter().zip(product.chunks(product.len() / heads.len())) {
            let gradient: f64 = rows.iter().map(|&value| f64::from(value)).sum();
            *self.sums.entry(head).or_default() += gradient.abs();
        }
    }
}

/// Lines on their way to batches.
struct Reading<'a> {
    bundle: &'a Bundle,
    lines: &'a [String],
}

impl Reading<'_> {
    /// What `read` makes of each line; nothing of those without a target.
    fn rows<R>(&self, read: impl Fn(&str) -> Result<Option<R>, InspectError>) -> Result<Vec<R>, InspectError> {
        let mut rows = Vec::new();
        for (number, line) in (1..).zip(self.lines) {
            let row = read(line);
            rows.extend(row.map_err(|cause| InspectError::Line { number, problem: cause.to_string() })?);
        }
        Ok(rows)
    }

    fn fits(&self, what: &'static str, n_tokens: usize) -> Result<(), InspectError> {
        check_length(what, n_tokens, self.bundle.model.max_len())
    }
}

/// The two columns of a line.
pub(crate) fn columns(line: &str) -> Result<(&str, &str), InspectError> {
    let (first, second) = line.trim_end_matches('\r').split_once('\t').ok_or(InspectError::NoColumn)?;
    if second.contains('\t') { Err(InspectError::ManyColumns) } else { Ok((first, second)) }
}

fn matrix(rows: &[&[TokenId]], pad: TokenId) -> TokenMatrix {
    TokenMatrix::from_rows(rows, pad, 0)
}

fn indices(n: usize) -> Vec<u64> {
    (0..n as u64).collect()
}

impl FamilyVisitor for Reading<'_> {
    type Output = Result<Box<dyn OfFamily>, InspectError>;

    fn any<C: ModelSpec>(self, _spec: &C, _role: Role) -> Self::Output {
        Err(InspectError::NoLoss { family: C::FAMILY })
    }

    fn encoder_decoder<C: EncoderDecoderSpec>(self, _spec: &C) -> Self::Output {
        let tokenizer = self.bundle.tokenizer()?;
        let frame = pair_frame(self.bundle)?.map_err(InspectError::Frame)?;
        let end = tokenizer.specials().end();
        let rows = self.rows(|line| {
            let (source, target) = columns(line)?;
            let (source, target) = (tokenizer.encode(source), tokenizer.encode_target(target));
            let has_both = !source.is_empty() && !target.is_empty();
            let source = frame.around(&source);
            let target: Vec<TokenId> = [frame.begin].into_iter().chain(frame.first).chain(target).chain(end).collect();
            self.fits("the source", source.len())?;
            self.fits("the translation", target.len() - 1)?;
            Ok(has_both.then_some((source, target)))
        })?;
        let pad = tokenizer.specials().pad.unwrap_or(0);
        batches::<C, _, _>(
            TranslationObjective { label_smoothing: 0.0 },
            &rows,
            |rows: &[(Vec<TokenId>, Vec<TokenId>)]| {
                let [source, target] = [0, 1].map(|side| {
                    let of_side = rows.iter().map(|(source, target)| if side == 0 { &source[..] } else { target });
                    matrix(&of_side.collect::<Vec<_>>(), pad)
                });
                TranslationBatch { source, target, indices: indices(rows.len()) }
            },
        )
    }

    fn language_model<C: LanguageModelSpec>(self, _spec: &C) -> Self::Output {
        let (tokenizer, begin) = (self.bundle.tokenizer()?, begin_of(self.bundle)?);
        let rows = self.rows(|line| {
            let ids: Vec<TokenId> = begin.into_iter().chain(tokenizer.encode(line)).collect();
            self.fits("the text", ids.len().saturating_sub(1))?;
            Ok((ids.len() > 1).then_some(ids))
        })?;
        let pad = tokenizer.specials().pad.unwrap_or(0);
        batches::<C, _, _>(CausalLmObjective::default(), &rows, |rows: &[Vec<TokenId>]| {
            SequenceBatch::next_tokens(rows, pad, indices(rows.len()))
        })
    }

    fn encoder<C: EncoderSpec>(self, spec: &C) -> Self::Output {
        let tokenizer = self.bundle.tokenizer()?;
        let frame = frame_ids(&**tokenizer)?;
        let framed = |text: &str| {
            let ids = [&[frame.begin][..], &tokenizer.encode(text), &[frame.end]].concat();
            self.fits("the text", ids.len()).map(|()| ids)
        };
        let pad = tokenizer.specials().pad.unwrap_or(0);
        if spec.labels().len() > 1 {
            let rows = self.rows(|line| {
                let (text, label) = columns(line)?;
                let class = spec.labels().iter().position(|known| known == label.trim());
                let class = class.ok_or_else(|| InspectError::NoLabel { label: label.trim().to_owned() })?;
                Ok(Some((framed(text)?, class as u32)))
            })?;
            return batches::<C, _, _>(ClassificationObjective::default(), &rows, |rows: &[(Vec<TokenId>, u32)]| {
                let ids: Vec<&[TokenId]> = rows.iter().map(|(ids, _)| &ids[..]).collect();
                let labels = rows.iter().map(|&(_, class)| class).collect();
                LabeledBatch { ids: matrix(&ids, pad), labels, indices: indices(rows.len()) }
            });
        }
        // Subwords of characters are guessed by places of their own.
        let has_head = spec.has_masked_lm() && spec.subwords().is_empty();
        let mask = tokenizer.specials().mask.filter(|_| has_head).ok_or(InspectError::NoTokens)?;
        let rows = self.rows(|line| {
            let ids = framed(line)?;
            Ok((ids.len() > 2).then_some(ids))
        })?;
        batches::<C, _, _>(MaskedLmObjective::default(), &rows, |rows: &[Vec<TokenId>]| {
            let rows: Vec<&[TokenId]> = rows.iter().map(Vec::as_slice).collect();
            let mut ids = matrix(&rows, pad);
            let places = rows.iter().enumerate().flat_map(|(row, ids)| {
                // Not what stands around the text; the first of a text that is shorter.
                (1..ids.len() - 1).step_by(HIDDEN_OF).map(move |column| (row, column))
            });
            let n_cols = ids.n_cols();
            let (masked, targets): (Vec<u32>, Vec<TokenId>) =
                places.map(|(row, column)| ((row * n_cols + column) as u32, rows[row][column])).unzip();
            ids.put(&masked, &vec![mask; masked.len()]);
            let segments = vec![0; ids.ids().len()];
            MaskedBatch { segments, masked, targets, follows: None, indices: indices(rows.len()), ids }
        })
    }
}
