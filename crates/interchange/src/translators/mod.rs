//! Translators whose files have vocabularies of pieces, and no tokenizer of their own.

mod cutter;
mod fairseq_names;
mod names;
mod settings;

use std::{
    collections::HashSet,
    path::{Path, PathBuf},
};

use attentive_attention::PositionsConfig;
use attentive_bundle::Bundle;
use attentive_model::{ModelConfig, TransformerConfig};
use attentive_tokenizer::{Framed, Framing, Marian, Specials, TokenId, Tokenizer};
use attentive_weights::{Tensors, check_finite};

pub(crate) use self::{
    cutter::Cutter,
    fairseq_names::{FairseqNames, UNUSED_POSITIONS, positions_name},
    names::{Attention, Layer, Map, Names, Norm, Part, Stack, Table, slots, weight_and_bias},
    settings::Settings,
};
use crate::{
    InterchangeError,
    layout::{Order, Slot, sinusoids, zeros},
    reader::new_record,
    source::Source,
    tokenizers,
};

/// The bias of a token that is never chosen; its probability is below what f32 can hold.
const NEVER: f32 = -1e4;
/// Names of the token that translations begin with; the first that the vocabularies do not have is taken.
const BEGINS: [&str; 4] = ["<pad>", "<s>", "<begin>", "<begin of translation>"];
/// Names of padding.
const PADS: [&str; 2] = ["<pad>", "<blank>"];
/// SentencePiece models of sources and of targets.
const PAIR: [&str; 2] = ["source.spm", "target.spm"];
/// Names of a SentencePiece model of both.
const JOINT: [&str; 4] = ["sentencepiece.model", "sentencepiece.bpe.model", "spiece.model", "spm.model"];

/// How far a table may be from the sinusoids in f32, and in f16.
const TOLERANCES: [f32; 2] = [1e-4, 2e-3];

/// The pieces of sources and of targets, by id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Vocabularies {
    pub(crate) source: Vec<String>,
    pub(crate) target: Vec<String>,
}

impl Vocabularies {
    /// Gives every row of the tables an entry: rows without one are named by their id, and entries without a row are left
    /// out, of which there is a note.
    pub(crate) fn fit(&mut self, config: &TransformerConfig) -> Vec<String> {
        let sides = [
            ("sources", &mut self.source, config.source_vocab_size),
            ("targets", &mut self.target, config.target_vocab_size),
        ];
        let mut notes = Vec::new();
        for (side, entries, rows) in sides {
            if entries.len() > rows {
                notes.push(format!(
                    "the vocabulary of {side} has {} entries, and the model {rows} rows: the rest is unknown",
                    entries.len()
                ));
            }
            entries.truncate(rows);
            entries.extend((entries.len()..rows).map(|id| format!("<{id}>")));
        }
        notes
    }

    /// Holds the vocabularies against the tables, which have a row for each entry.
    ///
    /// # Errors
    /// [`InterchangeError::Vocabulary`] if there are more or fewer.
    pub(crate) fn check_rows(&self, path: &Path, config: &TransformerConfig) -> Result<(), InterchangeError> {
        let found = [self.source.len(), self.target.len()];
        let wanted = [config.source_vocab_size, config.target_vocab_size];
        if found == wanted {
            return Ok(());
        }
        let problem = format!(
            "its vocabularies have {found:?} entries, and its tables {wanted:?} rows, of sources and of targets: take the \
             vocabularies that it was converted with"
        );
        Err(InterchangeError::Vocabulary { path: path.to_owned(), problem })
    }

    /// The id of a target.
    ///
    /// # Errors
    /// [`InterchangeError::Vocabulary`] if the vocabulary, which is of `path`, does not have it.
    pub(crate) fn target_id(&self, name: &str, path: &Path) -> Result<TokenId, InterchangeError> {
        let id = self.target.iter().position(|entry| entry == name);
        id.map(|id| id as TokenId).ok_or_else(|| InterchangeError::Vocabulary {
            path: path.to_owned(),
            problem: format!("its vocabulary of targets does not have {name}"),
        })
    }

    /// Adds a token to both vocabularies whose vector is zero, and that is never chosen: the one that translations begin
    /// with in a system that begins them without a token. The parameters fit the configuration before and after.
    pub(crate) fn add_begin(&mut self, config: &mut TransformerConfig, params: &mut Tensors) -> TokenId {
        let known: HashSet<&String> = self.source.iter().chain(&self.target).collect();
        let name = BEGINS.iter().find(|name| !known.contains(&name.to_string())).unwrap_or(&BEGINS[0]).to_string();
        let begin = config.target_vocab_size as TokenId;
        let bias = params.entry("projection_bias".to_owned());
        let bias = bias.or_insert_with(|| zeros(&[config.target_vocab_size]));
        bias.values.push(NEVER);
        bias.shape[0] += 1;
        config.projection_bias = true;
        for table in ["source_embedding.weight", "target_embedding.weight", "projection.weight"] {
            if let Some(table) = params.get_mut(table) {
                table.values.extend(vec![0.0; config.d_model]);
                table.shape[0] += 1;
            }
        }
        config.source_vocab_size += 1;
        config.target_vocab_size += 1;
        self.source.push(name.clone());
        self.target.push(name);
        begin
    }

    /// The tokenizer of these pieces by SentencePiece models of sources and of targets.
    ///
    /// # Errors
    /// [`InterchangeError::Tokenizer`] if a model is damaged or the vocabularies do not fit.
    pub(crate) fn tokenizer(self, models: [&Path; 2], roles: Roles) -> Result<Box<dyn Tokenizer>, InterchangeError> {
        let Self { source, target } = self;
        let Roles { begin, eos, unk } = roles;
        if source.get(eos as usize) != target.get(eos as usize) {
            let problem = "the end of a sentence has another id in the vocabulary of sources".to_owned();
            return Err(InterchangeError::Vocabulary { path: models[0].to_owned(), problem });
        }
        let named = PADS.iter().find_map(|name| target.iter().position(|entry| entry == name));
        // It fills sources too, and must be one of their ids.
        let is_in_both = |id: &TokenId| (*id as usize) < source.len().min(target.len());
        let pad = named.map(|id| id as TokenId).into_iter().chain([begin]).find(is_in_both).unwrap_or(unk);
        let specials =
            Specials { pad: Some(pad), bos: Some(begin), eos: Some(eos), unk: Some(unk), ..Specials::default() };
        let source = (source != target).then_some(source);
        Ok(Box::new(Marian::with_lists(models, source, target, specials)?))
    }

    /// The tokenizer of these pieces, into which `cutter` cuts texts, in a frame of their own.
    ///
    /// # Errors
    /// [`InterchangeError::Tokenizer`] if a file is damaged, [`InterchangeError::Vocabulary`] if the vocabularies of `path` do
    /// not have an id of the frame.
    pub(crate) fn framed(
        self,
        path: &Path,
        cutter: &Cutter,
        specials: Specials,
        framing: Framing,
    ) -> Result<Box<dyn Tokenizer>, InterchangeError> {
        let Self { source, target } = self;
        let tokenizer = cutter.tokenizer((source != target).then_some(source), target, specials)?;
        let unfit = |problem| InterchangeError::Vocabulary { path: path.to_owned(), problem };
        Ok(Box::new(Framed::new(tokenizer, framing).map_err(unfit)?))
    }
}

/// The slots whose tensors are there, and the biases of maps that do without, as zeros.
pub(crate) fn split_biases(slots: Vec<Slot>, source: &Source) -> (Vec<Slot>, Tensors) {
    let is_missing = |slot: &Slot| slot.ours.ends_with(".bias") && !source.has(&slot.theirs);
    let (missing, slots): (Vec<Slot>, Vec<Slot>) = slots.into_iter().partition(is_missing);
    (slots, missing.into_iter().map(|slot| (slot.ours, zeros(slot.layout.ours()))).collect())
}

/// Leaves out the tables of a file that the configuration calls one with another: of sources, of targets, and the projection.
///
/// # Errors
/// [`InterchangeError::Weights`] if a table can't be read; that two differ is noted for [`Source::finish`].
pub(crate) fn drop_copies(
    source: &mut Source,
    config: &TransformerConfig,
    [sources, targets, projection]: [&str; 3],
) -> Result<(), InterchangeError> {
    // The last first, since what it is compared with is then left out.
    let copies = [(config.tie_projection, targets, projection), (config.share_embeddings, sources, targets)];
    for (_, kept, copy) in copies.into_iter().filter(|(is_copy, ..)| *is_copy) {
        if source.has(kept) && source.has(copy) && !source.are_equal(kept, copy)? {
            source.problem(format!("{kept} and {copy} are one by the settings, and differ"));
        }
        source.drop(copy);
    }
    Ok(())
}

/// The ids that translation needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Roles {
    pub(crate) begin: TokenId,
    pub(crate) eos: TokenId,
    pub(crate) unk: TokenId,
}

/// The SentencePiece models of sources and of targets in a folder.
///
/// # Errors
/// [`InterchangeError::Vocabulary`] says which file to put there.
pub(crate) fn sentencepiece_models(folder: &Path) -> Result<[PathBuf; 2], InterchangeError> {
    let pair = PAIR.map(|name| folder.join(name));
    if pair.iter().all(|path| path.is_file()) {
        return Ok(pair);
    }
    let joint = JOINT.iter().map(|name| folder.join(name)).find(|path| path.is_file());
    joint.map(|path| [path.clone(), path]).ok_or_else(|| InterchangeError::Vocabulary {
        path: folder.to_owned(),
        problem: format!(
            "the folder has the pieces of its vocabulary, and not the model that cuts text into them; put the SentencePiece \
             models that it was trained with there, as {} and {}, or one for both as {}",
            PAIR[0], PAIR[1], JOINT[0]
        ),
    })
}

/// Sinusoids that a table of positions holds.
pub(crate) struct PositionTable {
    pub(crate) positions: PositionsConfig,
    /// The order of the model's dimensions.
    pub(crate) order: Order,
    pub(crate) is_rounded: bool,
}

impl PositionTable {
    /// What the tensor `name` is; `None` if it is not a table of sinusoids that are known here.
    ///
    /// # Errors
    /// [`InterchangeError::Weights`] if it can't be read.
    pub(crate) fn of(source: &mut Source, name: &str, d_model: usize) -> Result<Option<Self>, InterchangeError> {
        let table = source.tensor(name)?;
        let n_rows = match table.shape[..] {
            [n, width] | [n, 1, width] if width == d_model => n,
            _ => return Ok(None),
        };
        let fairseq = (0..=2).map(|first| PositionsConfig::FairseqSinusoidal { first });
        let known = [PositionsConfig::Sinusoidal].into_iter().chain(fairseq);
        let orders = [Order::SAME, Order::sines_first(d_model)];
        let all = known.flat_map(|positions| orders.iter().map(move |order| (positions.clone(), order)));
        Ok(all.into_iter().find_map(|(positions, order)| {
            let expected = order.of_columns(&sinusoids(&positions.sinusoids(d_model)?, n_rows));
            let distances = table.values.iter().zip(&expected.values).map(|(a, b)| (a - b).abs());
            let is_within = |limit: f32| distances.clone().all(|distance| distance <= limit);
            is_within(TOLERANCES[1]).then(|| Self {
                positions,
                order: order.clone(),
                is_rounded: !is_within(TOLERANCES[0]),
            })
        }))
    }
}

/// A translator that was read, as a bundle; a note if the tables have more rows than the vocabulary has tokens.
///
/// # Errors
/// [`InterchangeError`]: the vocabulary does not fit, or a parameter is not finite.
pub(crate) fn bundle(
    path: &Path,
    config: TransformerConfig,
    params: Tensors,
    tokenizer: Box<dyn Tokenizer>,
    notes: &mut Vec<String>,
) -> Result<Bundle, InterchangeError> {
    check_finite(&params)?;
    let rows = [config.source_vocab_size, config.target_vocab_size];
    notes.extend(tokenizers::check_vocabulary(path, &*tokenizer, rows)?);
    notes.extend(tokenizers::note_of_languages(&*tokenizer));
    let bundle = Bundle::new(path, ModelConfig::from(config), tokenizer, params);
    Ok(Bundle { record: new_record(), ..bundle })
}
