//! A text in; guesses or vectors out. Classes, tags and answers are in files of their own.

use std::{cell::Cell, fmt, ops::Range, sync::Arc};

use attentive_core::{Encoded, Encoder, EncoderInput, FrameIds, TokenId};
use attentive_engine::CpuBert;
use attentive_model::{EncoderSpec, FamilyVisitor, ModelSpec, Role};
use attentive_tokenizer::Tokenizer;
use burn::tensor::Device;

use crate::{
    Bundle, BundleError, Dense, EmbeddingConfig, EncodeError, Input, Pair, Params, ReadingConfig, TooLong,
    WeightFormat,
    embedding::unit,
    encoder_on_tensors::OnTensors,
    guessed_words::{likeliest_words, words_of},
    packed::{Destination, packable},
    translator::at_most,
    uses,
};

/// Marks of a hidden word in a text, whatever the vocabulary's own mask is called.
pub(crate) const MASKS: [&str; 2] = ["[MASK]", "<mask>"];

/// Tokens that frame a text.
pub(crate) const FRAME: usize = 2;

/// Tokens of texts that are read together, about: their vectors are held at once.
const TOKENS_AT_ONCE: usize = 1 << 13;

/// Candidates that may be asked for.
const MAX_CANDIDATES: usize = 1024;

/// Holds a number of candidates against its limit.
pub(crate) fn at_most_candidates(k: usize) -> Result<(), EncodeError> {
    Ok(at_most("top_k", k, MAX_CANDIDATES, "at most 1024")?)
}

/// A guess of a hidden word: a token, or as many characters as there are masks side by side.
#[derive(Debug, Clone, PartialEq)]
pub struct Candidate {
    /// What it would say.
    pub text: String,
    /// How probable the model takes it to be.
    pub probability: f64,
}

/// Reads texts with an encoder and its tokenizer.
pub struct TextEncoder {
    pub(crate) model: Box<dyn Encoder + Send>,
    pub(crate) heads: Heads,
    pub(crate) tokenizer: Arc<dyn Tokenizer>,
    ids: FrameIds,
    dense: Vec<Dense>,
    pub(crate) reading: ReadingConfig,
}

/// What an encoder's heads are, and what it reads.
#[derive(Debug)]
pub(crate) struct Heads {
    family: &'static str,
    /// The commands that they are for.
    uses: Vec<&'static str>,
    n_segments: usize,
    /// Classes of texts.
    pub(crate) labels: Vec<String>,
    /// Classes of tokens.
    pub(crate) token_labels: Vec<String>,
    /// Subwords that are guessed in place of tokens, if any are.
    subwords: Vec<String>,
}

impl Heads {
    fn of<C: EncoderSpec>(spec: &C) -> Self {
        Self {
            family: C::FAMILY,
            uses: uses::of_encoder(spec),
            n_segments: spec.n_segments(),
            labels: spec.labels().to_vec(),
            token_labels: spec.token_labels().to_vec(),
            subwords: spec.subwords().to_vec(),
        }
    }

    /// The error of a use that takes a head which is not there.
    pub(crate) fn lack(&self, does: &'static str) -> EncodeError {
        EncodeError::NoHead { does, family: self.family, uses: self.uses.join(", ") }
    }
}

/// The tokens of one text, or of two, framed.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) ids: Vec<TokenId>,
    /// Tokens of the first segment.
    n_first: usize,
}

impl Row {
    fn input(&self) -> EncoderInput<'_> {
        EncoderInput { ids: &self.ids, n_first: self.n_first }
    }
}

/// The ids that frame a text, `[CLS]` and `[SEP]` or `<s>` and `</s>`, and the mask.
///
/// # Errors
/// [`BundleError::NoFrame`] if the vocabulary lacks one of them.
pub fn frame_ids(tokenizer: &dyn Tokenizer) -> Result<FrameIds, BundleError> {
    let specials = tokenizer.specials();
    let need = |id: Option<TokenId>, role| id.ok_or(BundleError::NoFrame { role });
    Ok(FrameIds {
        pad: need(specials.pad, "padding")?,
        begin: need(specials.cls.or(specials.bos), "beginning")?,
        end: need(specials.sep.or(specials.eos), "ending")?,
        mask: need(specials.mask, "mask")?,
    })
}

impl TextEncoder {
    /// A bundle's encoder on `device`; on the CPU's default backend, its weights are packed at `precision`, or as the
    /// bundle says.
    ///
    /// # Errors
    /// [`BundleError`] if the bundle's parts do not fit, it is of another family, or another backend is asked for
    /// a precision of its own.
    pub fn from_bundle(
        bundle: &Bundle<impl Params>,
        device: &Device,
        precision: Option<WeightFormat>,
    ) -> Result<Self, BundleError> {
        let reading = Reading(Destination { bundle, device, format: precision });
        Ok(Self { dense: bundle.dense.clone(), reading: bundle.reading.clone(), ..bundle.model.visit(reading)? })
    }

    /// An encoder of the configuration `spec` that was trained with `tokenizer`.
    ///
    /// # Errors
    /// [`BundleError::NoFrame`].
    pub fn new<C: EncoderSpec>(model: C::Model, spec: &C, tokenizer: Arc<dyn Tokenizer>) -> Result<Self, BundleError> {
        let pad = frame_ids(&*tokenizer)?.pad;
        Self::of(OnTensors { model, pad }, spec, tokenizer)
    }

    /// As [`new`](Self::new), of a model that reads texts on the host.
    ///
    /// # Errors
    /// [`BundleError::NoFrame`].
    pub fn of(
        model: impl Encoder + Send + 'static,
        spec: &impl EncoderSpec,
        tokenizer: Arc<dyn Tokenizer>,
    ) -> Result<Self, BundleError> {
        let ids = frame_ids(&*tokenizer)?;
        let (heads, reading) = (Heads::of(spec), ReadingConfig::default());
        Ok(Self { model: Box::new(model), heads, tokenizer, ids, dense: Vec::new(), reading })
    }

    /// The `k` most probable tokens for each `[MASK]` (or `<mask>`) of `text`, best first.
    ///
    /// Where the model guesses characters, masks side by side are one word, of as many characters. A model that guesses
    /// them one after another does so from left to right, with a beam of `k` words, and each word by itself; of one that
    /// guesses subwords, a word is made of subwords that are as long as it together.
    ///
    /// # Errors
    /// [`EncodeError`] if nothing is masked, the model guesses no tokens, or the text is too long.
    pub fn fill<'a>(&self, text: impl Into<Input<'a>>, k: usize) -> Result<Vec<Vec<Candidate>>, EncodeError> {
        at_most_candidates(k)?;
        let input = text.into();
        let row = self.row(input, encode_masked(&*self.tokenizer, self.ids.mask, input.text))?;
        let places: Vec<usize> = (0..row.ids.len()).filter(|&at| row.ids[at] == self.ids.mask).collect();
        if places.is_empty() {
            return Err(EncodeError::NoMask);
        }
        let encoded = self.model.encode(&[row.input()])?;
        let words = places.chunk_by(|a, b| a + 1 == *b);
        if let Some(filled) = words.clone().map(|word| self.words_in_order(&row, &encoded, word, k)).collect() {
            return filled;
        }
        let vectors: Vec<f32> = places.iter().flat_map(|&at| vector(&encoded, at)).copied().collect();
        let scores = self.model.token_scores(&vectors);
        let logits = scores.ok_or_else(|| self.heads.lack("guesses hidden tokens"))??;
        let n_classes = logits.len() / places.len();
        if !self.heads.subwords.is_empty() {
            let mut logits = logits.chunks(n_classes);
            return Ok(words.map(|word| words_of(&self.heads.subwords, logits.by_ref().take(word.len()), k)).collect());
        }
        let candidate = |(id, probability)| Candidate { text: text_of(&*self.tokenizer, id), probability };
        let of_place = |logits: &[f32]| self.likeliest_tokens(logits, k).map(candidate).collect();
        let of_places: Vec<Vec<Candidate>> = logits.chunks(n_classes).map(of_place).collect();
        if self.model.alphabet().is_none() {
            return Ok(of_places);
        }
        let mut of_places = of_places.into_iter();
        Ok(words.map(|word| likeliest_words(of_places.by_ref().take(word.len()), k)).collect())
    }

    /// The `k` most probable tokens of a place whose classes have the scores `logits`, best first.
    fn likeliest_tokens(&self, logits: &[f32], k: usize) -> impl Iterator<Item = (TokenId, f64)> {
        let n_tokens = self.tokenizer.vocab_size() as TokenId;
        let tokens = softmax(logits).into_iter().enumerate().map(|(class, p)| (self.token_of(class), p));
        let mut tokens: Vec<(TokenId, f64)> = tokens.filter(|&(id, _)| id < n_tokens).collect();
        tokens.sort_by(|(_, a), (_, b)| b.total_cmp(a));
        tokens.into_iter().take(k)
    }

    /// The `k` most probable words at some hidden places, one character after another; `None` of a model that guesses each
    /// by itself.
    fn words_in_order(
        &self,
        row: &Row,
        encoded: &Encoded,
        word: &[usize],
        k: usize,
    ) -> Option<Result<Vec<Candidate>, EncodeError>> {
        let mut beam: Vec<(Vec<TokenId>, f64)> = vec![(Vec::new(), 1.0)];
        for n in 1..=word.len() {
            let mut longer = Vec::new();
            for some in beam.chunks((TOKENS_AT_ONCE / row.ids.len()).max(1)) {
                let guesses: Vec<&[TokenId]> = some.iter().map(|(ids, _)| &ids[..]).collect();
                let logits = match self.model.scores_after(row.input(), encoded, &word[..n], &guesses)? {
                    Ok(logits) => logits,
                    Err(error) => return Some(Err(error.into())),
                };
                for ((ids, p), logits) in some.iter().zip(logits.chunks(logits.len() / some.len())) {
                    let with = |(id, q)| ([&ids[..], &[id]].concat(), p * q);
                    longer.extend(self.likeliest_tokens(logits, k).map(with));
                }
            }
            longer.sort_by(|(_, a), (_, b)| b.total_cmp(a));
            longer.truncate(k);
            beam = longer;
        }
        let text = |ids: &[TokenId]| ids.iter().map(|&id| text_of(&*self.tokenizer, id)).collect();
        Some(Ok(beam.into_iter().map(|(ids, probability)| Candidate { text: text(&ids), probability }).collect()))
    }

    /// One vector for `text`.
    ///
    /// # Errors
    /// [`EncodeError::TooLong`] where neither `how` nor the input cuts long texts, or the model has fewer positions than
    /// `how` reads; [`EncodeError::Width`] where what is pooled does not go through a dense layer.
    pub fn embed<'a>(&self, text: impl Into<Input<'a>>, how: &EmbeddingConfig) -> Result<Vec<f32>, EncodeError> {
        Ok(self.embed_all(&[text.into()], how)?.remove(0)?)
    }

    /// A vector for each of `texts`, in their order, or that it is too long: what [`embed`](Self::embed) says of each, read
    /// together.
    ///
    /// # Errors
    /// As [`embed`](Self::embed), except for texts that are too long.
    pub fn embed_all(
        &self,
        texts: &[Input<'_>],
        how: &EmbeddingConfig,
    ) -> Result<Vec<Result<Vec<f32>, TooLong>>, EncodeError> {
        self.embed_with_progress(texts, how, |_| ())
    }

    /// As [`embed_all`](Self::embed_all); `progress` hears how many texts have their vectors after each group that is read
    /// together, the shortest texts first.
    ///
    /// # Errors
    /// As [`embed_all`](Self::embed_all).
    pub fn embed_with_progress(
        &self,
        texts: &[Input<'_>],
        how: &EmbeddingConfig,
        progress: impl Fn(usize),
    ) -> Result<Vec<Result<Vec<f32>, TooLong>>, EncodeError> {
        let mut prompts = vec![0; texts.len()];
        let rows = texts.iter().zip(&mut prompts).map(|(&input, n_prompt)| {
            let (row, of_prompt) = self.row_to_embed(input, how)?;
            *n_prompt = of_prompt;
            Ok(row)
        });
        let (rows, n_read) = (rows.collect(), Cell::new(0));
        self.read_all(rows, |encoded, numbers| {
            let pool = |(hidden, &number): (&[f32], &usize)| self.pool(hidden, encoded.d_model(), prompts[number], how);
            let vectors = encoded.texts().zip(numbers).map(pool).collect();
            n_read.set(n_read.get() + numbers.len());
            progress(n_read.get());
            vectors
        })
    }

    /// What `answer` says of each row; it gets some of them and their numbers at a time.
    ///
    /// Rows of about one length are read together, so that those that need padding need little.
    pub(crate) fn read_all<T>(
        &self,
        rows: Vec<Result<Row, TooLong>>,
        answer: impl Fn(&Encoded, &[usize]) -> Result<Vec<T>, EncodeError>,
    ) -> Result<Vec<Result<T, TooLong>>, EncodeError> {
        let mut answers: Vec<Option<T>> = rows.iter().map(|_| None).collect();
        let mut order: Vec<(usize, EncoderInput<'_>)> =
            rows.iter().enumerate().filter_map(|(number, row)| Some((number, row.as_ref().ok()?.input()))).collect();
        order.sort_by_key(|(_, row)| row.ids.len());
        let mut rest = &order[..];
        while !rest.is_empty() {
            let mut n_tokens = 0;
            let fit = rest.iter().take_while(|(_, row)| {
                n_tokens += row.ids.len();
                n_tokens <= TOKENS_AT_ONCE
            });
            let (some, others) = rest.split_at(fit.count().max(1));
            let (numbers, some): (Vec<usize>, Vec<EncoderInput<'_>>) = some.iter().copied().unzip();
            let found = answer(&self.model.encode(&some)?, &numbers)?;
            numbers.into_iter().zip(found).for_each(|(number, found)| answers[number] = Some(found));
            rest = others;
        }
        let answers = rows.into_iter().zip(answers);
        Ok(answers.map(|(row, answer)| row.map(|_| answer.expect("every row was read"))).collect())
    }

    /// The tokens of a text that is to be embedded, framed, and how many of them are a prompt's.
    fn row_to_embed(&self, input: Input<'_>, how: &EmbeddingConfig) -> Result<(Row, usize), TooLong> {
        let encode = |text: &str| how.encode_prompted(&*self.tokenizer, text);
        let longest = how.max_len.map_or(usize::MAX, |max_len| max_len.saturating_sub(FRAME));
        // A prompt is cut as a text is; where it fills the row, the end of the frame alone is pooled.
        let n_prompt = if how.prompt_text().is_empty() { 0 } else { encode("").len().min(longest) };
        let mut ids = encode(input.text);
        ids.truncate(longest);
        Ok((self.row(input, ids)?, n_prompt))
    }

    /// The vector of a text whose tokens have the vectors `hidden`.
    fn pool(
        &self,
        hidden: &[f32],
        d_model: usize,
        n_prompt: usize,
        how: &EmbeddingConfig,
    ) -> Result<Vec<f32>, EncodeError> {
        let mut vector = how.pool(hidden, d_model, n_prompt);
        for (n, &activation) in how.dense.iter().enumerate() {
            let layer = self.dense.get(n).ok_or_else(|| self.heads.lack("is such a dense layer"))?;
            let [expected, _] = layer.widths();
            if vector.len() != expected {
                return Err(EncodeError::Width { expected, found: vector.len() });
            }
            vector = layer.apply(&vector, activation);
        }
        Ok(if how.normalize { unit(vector) } else { vector })
    }

    /// A vector for each place of `word` in `text`, whatever its case: the mean over its tokens, in context.
    ///
    /// # Errors
    /// [`EncodeError::TooLong`].
    pub fn embed_word<'a>(&self, text: impl Into<Input<'a>>, word: &str) -> Result<Vec<Vec<f32>>, EncodeError> {
        let input = text.into();
        let text = input.text;
        let (ids, mut spans): (Vec<TokenId>, Vec<Range<usize>>) =
            self.tokenizer.encode_with_offsets(text).into_iter().unzip();
        let row = self.row(input, ids)?;
        spans.truncate(row.ids.len() - FRAME);
        let encoded = self.model.encode(&[row.input()])?;
        let places = words(text).filter(|place| text[place.clone()].to_lowercase() == word.to_lowercase());
        let vectors = places.filter_map(|place| {
            let meets = |span: &Range<usize>| span.start < place.end && place.start < span.end;
            let tokens: Vec<usize> = (1..).zip(&spans).filter(|(_, span)| meets(span)).map(|(at, _)| at).collect();
            (!tokens.is_empty()).then(|| mean(&encoded, &tokens))
        });
        Ok(vectors.collect())
    }

    /// A text's tokens, framed.
    pub(crate) fn row(&self, text: Input<'_>, ids: Vec<TokenId>) -> Result<Row, TooLong> {
        let mut ids = text.fit(ids, FRAME, self.model.max_len())?;
        ids.insert(0, self.ids.begin);
        ids.push(self.ids.end);
        Ok(Row { n_first: ids.len(), ids })
    }

    /// The tokens of two texts, framed.
    pub(crate) fn pair(&self, pair: Pair<'_>) -> Result<Row, TooLong> {
        let ids = [pair.first, pair.second].map(|text| self.tokenizer.encode(text));
        let [first, second] = pair.fit(ids, self.pair_frame(), self.model.max_len())?;
        Ok(self.join(&first, &second))
    }

    /// Tokens that frame two texts.
    pub(crate) fn pair_frame(&self) -> usize {
        FRAME + self.reading.separators
    }

    /// Two texts as one row; the second is of the second segment where the model has two, and one token between texts.
    pub(crate) fn join(&self, first: &[TokenId], second: &[TokenId]) -> Row {
        let FrameIds { begin, end, .. } = self.ids;
        let separators = vec![end; self.reading.separators];
        let ids = [&[begin][..], first, &separators, second, &[end]].concat();
        let has_segments = self.heads.n_segments > 1 && self.reading.separators == 1;
        Row { n_first: if has_segments { first.len() + FRAME } else { ids.len() }, ids }
    }

    /// The token that hidden ones of a class are.
    fn token_of(&self, class: usize) -> TokenId {
        self.model.alphabet().map_or(class as TokenId, |alphabet| alphabet[class])
    }
}

/// Tokens of a text, whose marks become the mask; white space beside a mark belongs to it where the vocabulary says so.
pub(crate) fn encode_masked(tokenizer: &dyn Tokenizer, id: TokenId, text: &str) -> Vec<TokenId> {
    let text = text.replace(MASKS[1], MASKS[0]);
    let mask = tokenizer.added_tokens().into_iter().find(|token| token.id == id);
    let (takes_before, takes_after) = mask.map_or((false, false), |mask| (mask.lstrip, mask.rstrip));
    let mut parts = text.split(MASKS[0]).enumerate().peekable();
    let mut ids = Vec::new();
    while let Some((idx, mut part)) = parts.next() {
        let is_last = parts.peek().is_none();
        if takes_before && !is_last {
            part = part.trim_end();
        }
        if takes_after && idx > 0 {
            part = part.trim_start();
        }
        ids.extend(tokenizer.encode(part));
        ids.extend((!is_last).then_some(id));
    }
    ids
}

/// What a token says; its entry in the vocabulary where it says nothing by itself.
pub(crate) fn text_of(tokenizer: &dyn Tokenizer, id: TokenId) -> String {
    match tokenizer.decode(&[id]) {
        Ok(text) if !text.trim().is_empty() => text.trim().to_owned(),
        _ => tokenizer.token(id).map(std::borrow::Cow::into_owned).unwrap_or_default(),
    }
}

/// A bundle's encoder on its way to a device.
struct Reading<'a, P>(Destination<'a, P>);

impl<P: Params> FamilyVisitor for Reading<'_, P> {
    type Output = Result<TextEncoder, BundleError>;

    fn any<C: ModelSpec>(self, _spec: &C, _role: Role) -> Self::Output {
        Err(self.0.bundle.other_role(Role::Encoder))
    }

    fn encoder<C: EncoderSpec>(self, spec: &C) -> Self::Output {
        let tokenizer = self.0.bundle.tokenizer()?.clone();
        match packable(spec, self.0.device) {
            Some(config) => TextEncoder::of(self.0.packed(config, CpuBert::new)?, spec, tokenizer),
            None => TextEncoder::new(self.0.on_tensors::<C>()?, spec, tokenizer),
        }
    }
}

/// The places of words of letters and digits.
fn words(text: &str) -> impl Iterator<Item = Range<usize>> {
    let mut at = 0;
    text.split(|c: char| !c.is_alphanumeric()).filter_map(move |word| {
        let start = at;
        at += word.len() + text[at + word.len()..].chars().next().map_or(0, char::len_utf8);
        (!word.is_empty()).then(|| start..start + word.len())
    })
}

/// The vector of token `at` of the first text.
fn vector(encoded: &Encoded, at: usize) -> &[f32] {
    let text = encoded.texts().next().expect("a text was read");
    &text[at * encoded.d_model()..][..encoded.d_model()]
}

/// The mean of the vectors of some tokens of the first text.
fn mean(encoded: &Encoded, tokens: &[usize]) -> Vec<f32> {
    let mut sums = vec![0.0_f64; encoded.d_model()];
    for &at in tokens {
        sums.iter_mut().zip(vector(encoded, at)).for_each(|(sum, &value)| *sum += f64::from(value));
    }
    sums.into_iter().map(|sum| (sum / tokens.len() as f64) as f32).collect()
}

/// The probabilities of classes with these scores.
pub(crate) fn softmax(scores: &[f32]) -> Vec<f64> {
    let max = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let weights: Vec<f64> = scores.iter().map(|&score| f64::from(score - max).exp()).collect();
    let sum: f64 = weights.iter().sum();
    weights.into_iter().map(|weight| weight / sum).collect()
}

impl fmt::Debug for TextEncoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TextEncoder")
            .field("heads", &self.heads)
            .field("vocab_size", &self.tokenizer.vocab_size())
            .finish_non_exhaustive()
    }
}
