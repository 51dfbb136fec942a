//! A model with another vocabulary.

use std::{collections::HashMap, sync::Arc};

use attentive_model::{ConfigError, FamilyVisitor, ModelConfig, ModelSpec, Role};
use attentive_tokenizer::{ExtensionError, Model, Specials, TokenId, Tokenizer, with_tokens};
use attentive_weights::HostTensor;

use crate::{Bundle, BundleError, DecodingConfig, GenerationConfig, Processor};

/// Parameters that have a row, or a number, for each entry of the vocabulary.
const OF_ENTRIES: [&str; 6] = [
    "embedding.weight",
    "source_embedding.weight",
    "target_embedding.weight",
    "projection.weight",
    "projection_bias",
    "masked_lm.bias",
];

/// A vocabulary that a model can't be given.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VocabularyError {
    /// A token can't be added.
    #[error(transparent)]
    Extension(#[from] ExtensionError),
    /// The model has no tokenizer.
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// The model can't have another size of vocabulary.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The model is of a kind that this is not for.
    #[error("the vocabulary of this model can't be changed: {problem}")]
    Refused {
        /// What is in the way.
        problem: String,
    },
}

/// An entry of a new vocabulary, and what its row is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewEntry {
    /// The token.
    pub content: String,
    /// The entries of the old vocabulary that its row is the mean of; of all, if there are none.
    pub pieces: Vec<TokenId>,
}

impl Bundle {
    /// Adds tokens to the vocabulary, each of which begins as the mean of the tokens that it was cut into before (Hewitt 2021;
    /// Gee et al. 2022). Everything else stays as it was.
    ///
    /// # Errors
    /// [`VocabularyError`]: a token is there already, or the model has no vocabulary of its own, or two.
    pub fn extend_vocabulary(
        &mut self,
        contents: &[impl AsRef<str>],
        special: bool,
    ) -> Result<Vec<NewEntry>, VocabularyError> {
        let old = self.tokenizer()?.clone();
        let extended = with_tokens(&*old, contents, special)?;
        let entry = |content: &str| NewEntry { content: content.to_owned(), pieces: old.encode(content) };
        let new: Vec<NewEntry> = contents.iter().map(|content| entry(content.as_ref())).collect();
        let kept = (0..old.vocab_size() as TokenId).map(|id| vec![id]);
        let mut rows: Vec<Vec<TokenId>> = kept.chain(new.iter().map(|entry| entry.pieces.clone())).collect();
        // A table may have more rows than there are tokens; new tokens have the first of these.
        rows.extend((rows.len()..self.model.vocab_size()).map(|id| vec![id as TokenId]));
        self.set_vocabulary(extended.into(), &rows)?;
        Ok(new)
    }

    /// Gives the model another tokenizer. Tokens that the old one has too keep their rows, special tokens those of their kind; the
    /// others begin as the mean of the tokens that the old one cuts their text into. Gives those. Settings that name tokens by
    /// their ids name the same ones afterwards.
    ///
    /// # Errors
    /// As [`extend_vocabulary`](Self::extend_vocabulary)'s; also if a setting needs a token that the new tokenizer lacks.
    pub fn replace_vocabulary(&mut self, tokenizer: Arc<dyn Tokenizer>) -> Result<Vec<NewEntry>, VocabularyError> {
        let old = self.tokenizer()?.clone();
        let is_framed = |model: Option<Model>| model.is_none_or(|model| matches!(model, Model::Framed(_)));
        if old.framing().is_some() && is_framed(old.to_model()) {
            let problem = "its texts stand in a frame of the old tokenizer's ids".to_owned();
            return Err(VocabularyError::Refused { problem });
        }
        let ids = 0..old.vocab_size() as TokenId;
        let by_content: HashMap<String, TokenId> =
            ids.filter_map(|id| Some((old.token(id)?.into_owned(), id))).collect();
        let (mut rows, mut new, mut new_ids) = (Vec::new(), Vec::new(), HashMap::new());
        for id in 0..tokenizer.vocab_size() as TokenId {
            let content = tokenizer.token(id).unwrap_or_default().into_owned();
            new_ids.entry(content.clone()).or_insert(id);
            let of_kind = same_kind(tokenizer.specials(), old.specials(), id);
            let pieces = match of_kind.or_else(|| by_content.get(&content).copied()) {
                Some(same) => vec![same],
                None => {
                    let text = tokenizer.decode(&[id]).unwrap_or_default();
                    let pieces = old.encode(&text);
                    new.push(NewEntry { content, pieces: pieces.clone() });
                    pieces
                }
            };
            rows.push(pieces);
        }
        let counterpart = |id: TokenId| {
            let of_kind = same_kind(old.specials(), tokenizer.specials(), id);
            of_kind.or_else(|| new_ids.get(&*old.token(id)?).copied())
        };
        let (decoding, generation) = with_ids(&self.decoding, &self.generation, counterpart)?;
        self.set_vocabulary(tokenizer, &rows)?;
        (self.decoding, self.generation) = (decoding, generation);
        Ok(new)
    }

    /// Gives the model a tokenizer, each of whose entries has the mean of these old entries' rows.
    fn set_vocabulary(&mut self, tokenizer: Arc<dyn Tokenizer>, rows: &[Vec<TokenId>]) -> Result<(), VocabularyError> {
        let refused = |problem: String| VocabularyError::Refused { problem };
        let Processor::Text(_) = &self.processor else {
            return Err(refused(format!("{} is not a model of text alone", self.path.display())));
        };
        let old = self.model.vocab_size();
        if self.model.source_vocab_size() != old || tokenizer.source_vocab_size() != tokenizer.vocab_size() {
            return Err(refused("sources and targets have vocabularies of their own".to_owned()));
        }
        if let Some(id) = rows.iter().flatten().find(|&&id| id as usize >= old) {
            return Err(refused(format!("the tokenizer has an entry {id}, and the model {old}")));
        }
        self.unpack();
        let model = self.model.visit(OfSize(rows.len()))?;
        let mut params = self.params.clone();
        for name in OF_ENTRIES {
            let Some(param) = params.get_mut(name).filter(|param| param.shape.first() == Some(&old)) else { continue };
            *param = taken(param, rows);
        }
        let n_params: usize = params.values().map(|param| param.values.len()).sum();
        if n_params != model.n_params() {
            return Err(refused(format!("a {} has other parameters for its vocabulary", model.family())));
        }
        (self.model, self.params, self.processor) = (model, params, Processor::Text(tokenizer));
        self.shortlist = None; // it knows no new token
        self.record.scores.clear(); // they were another model's
        Ok(())
    }
}

/// The model with a vocabulary of another size.
struct OfSize(usize);

impl FamilyVisitor for OfSize {
    type Output = Result<ModelConfig, ConfigError>;

    fn any<C: ModelSpec + Into<ModelConfig>>(self, spec: &C, _role: Role) -> Self::Output {
        let mut spec = spec.clone();
        spec.set_vocab_size(self.0)?;
        spec.validate()?;
        Ok(spec.into())
    }
}

/// The rows of a table, each the mean of some, of all if there are none.
fn taken(table: &HostTensor, rows: &[Vec<TokenId>]) -> HostTensor {
    let n = table.shape[0];
    let width = table.values.len() / n;
    let row = |id: TokenId| &table.values[id as usize * width..][..width];
    let mean = |ids: &mut dyn Iterator<Item = TokenId>| {
        let (mut sum, mut count) = (vec![0.0_f64; width], 0.0);
        for id in ids {
            sum.iter_mut().zip(row(id)).for_each(|(sum, &value)| *sum += f64::from(value));
            count += 1.0;
        }
        sum.into_iter().map(|sum| (sum / count) as f32).collect::<Vec<f32>>()
    };
    let of_all = mean(&mut (0..n as TokenId));
    let values = rows.iter().flat_map(|ids| match ids[..] {
        [] => of_all.clone(),
        [id] => row(id).to_vec(),
        _ => mean(&mut ids.iter().copied()),
    });
    let shape = [&[rows.len()], &table.shape[1..]].concat();
    HostTensor { values: values.collect(), shape }
}

/// The special token of `to` of the kind that `id` is among those of `from`.
fn same_kind(from: &Specials, to: &Specials, id: TokenId) -> Option<TokenId> {
    let kinds = |specials: &Specials| {
        let Specials { pad, bos, eos, unk, mask, cls, sep } = specials;
        [*pad, *bos, *eos, *unk, *mask, *cls, *sep]
    };
    kinds(from).into_iter().zip(kinds(to)).find_map(|(from, to)| to.filter(|_| from == Some(id)))
}

/// Settings with the ids of another vocabulary, each of which is the `counterpart` of one here.
///
/// # Errors
/// [`VocabularyError::Refused`] names a setting that needs a token without one.
fn with_ids(
    decoding: &DecodingConfig,
    generation: &GenerationConfig,
    counterpart: impl Fn(TokenId) -> Option<TokenId>,
) -> Result<(DecodingConfig, GenerationConfig), VocabularyError> {
    let of = |setting: &str, id: TokenId| {
        let problem =
            || format!("{setting} has the id {id}, whose token is not in the new tokenizer: take one that has it");
        counterpart(id).ok_or_else(|| VocabularyError::Refused { problem: problem() })
    };
    let all = |setting: &str, ids: &[TokenId]| ids.iter().map(|&id| of(setting, id)).collect::<Result<Vec<_>, _>>();
    let words = |setting: &str, words: &[Vec<TokenId>]| {
        words.iter().map(|ids| all(setting, ids)).collect::<Result<Vec<_>, _>>()
    };
    // A token that is not there is never written.
    let suppressed = |ids: &[TokenId]| ids.iter().filter_map(|&id| counterpart(id)).collect();
    let decoding = DecodingConfig {
        suppressed: suppressed(&decoding.suppressed),
        bad_words: words("decoding.bad_words", &decoding.bad_words)?,
        forced_first: decoding.forced_first.map(|id| of("decoding.forced_first", id)).transpose()?,
        ..decoding.clone()
    };
    let generation = GenerationConfig {
        begin_id: generation.begin_id.map(|id| of("generation.begin_id", id)).transpose()?,
        ends: all("generation.ends", &generation.ends)?,
        suppressed: suppressed(&generation.suppressed),
        bad_words: words("generation.bad_words", &generation.bad_words)?,
        ..generation.clone()
    };
    Ok((decoding, generation))
}
