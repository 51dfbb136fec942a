//! fairseq's checkpoints of encoder–decoders, with the dictionaries and the codes beside them.
//!
//! Its sinusoids are sine half before cosine half, with frequencies and a first position of their own; translations begin with the
//! token that ends them. Source of names and layouts: `fairseq/models/transformer`, `fairseq/data/dictionary.py` of fairseq
//! 0.12.2, with what its `upgrade_state_dict_named` does to older files.

mod dictionary;
mod settings;

use std::path::Path;

use attentive_attention::{NormPlacement, PositionsConfig};
use attentive_model::{ModelSpec, TransformerConfig};
use attentive_tokenizer::{Frame, Framing, Specials, TokenId};
use attentive_weights::{Tensors, WeightsFile};

use self::settings::config;
use crate::{
    ImportConfig, Imported, InterchangeError, files,
    layout::Order,
    source::{File, Source},
    translators::{self, Cutter, FairseqNames, Stack, UNUSED_POSITIONS, positions_name},
};

const SOURCE: &str = "encoder.embed_tokens.weight";
const TARGET: &str = "decoder.embed_tokens.weight";
const PROJECTION: &str = "decoder.output_projection.weight";
/// What a checkpoint has where queries, keys and values are one map.
const FUSED: &str = "encoder.layers.0.self_attn.in_proj_weight";
/// The ids of every dictionary's special tokens (`Dictionary.__init__`).
const BOS: TokenId = 0;
const PAD: TokenId = 1;
const EOS: TokenId = 2;
const UNK: TokenId = 3;

/// Reads a checkpoint.
///
/// # Errors
/// [`InterchangeError`]: another kind of model, settings or tensors that do not fit, no dictionary or codes, damaged files.
pub(crate) fn import(path: &Path, file: WeightsFile, options: &ImportConfig) -> Result<Imported, InterchangeError> {
    let (mut config, languages, note) = config(path, &file)?;
    let mut notes = Vec::from_iter(note);
    let stored = file.kinds().into_iter().collect();
    let params = parameters(path, file, &mut config, options, &mut notes)?;

    let folder = files::folder_of(path);
    let [source, target] = [&languages.source, &languages.target].map(Option::as_deref);
    let vocabularies = dictionary::read(folder, [source, target])?;
    vocabularies.check_rows(folder, &config)?;
    let cutter = Cutter::find(folder, &vocabularies, source.zip(target).map(|(source, target)| [source, target]))?;
    notes.extend(cutter.note().map(str::to_owned));
    let tokenizer = vocabularies.framed(folder, &cutter, specials(), framing())?;
    let bundle = translators::bundle(path, config, params, tokenizer, &mut notes)?;
    Ok(Imported { bundle, architecture: "fairseq's transformer", stored, notes })
}

/// Takes the parameters, and completes the configuration by what they show.
fn parameters(
    path: &Path,
    file: WeightsFile,
    config: &mut TransformerConfig,
    options: &ImportConfig,
    notes: &mut Vec<String>,
) -> Result<Tensors, InterchangeError> {
    let mut source = Source::of_files(path, vec![File::Weights(file)], name_of_today)?;
    for (stack, n) in [(Stack::Encoder, config.n_encoder_layers), (Stack::Decoder, config.n_decoder_layers)] {
        source.check_layers(&format!("{}_layers", stack.name()), n, &format!("{}.layers.", stack.name()))?;
        settle_version(&mut source, stack, config.norm)?;
    }
    let more_positions = settle_positions(&mut source, config);
    // Without a tensor, it is missing, which is said when it is taken.
    let sizes = [SOURCE, TARGET].map(|name| rows(&source, name).unwrap_or(1));
    [config.source_vocab_size, config.target_vocab_size] = sizes;
    translators::drop_copies(&mut source, config, [SOURCE, TARGET, PROJECTION])?;
    config.validate()?;
    let names = FairseqNames {
        before: "",
        tables: [SOURCE, PROJECTION],
        projection_bias: "decoder.output_projection.bias",
        is_fused: source.has(FUSED),
        more_positions,
    };
    let order = match config.positions {
        PositionsConfig::Learned { .. } => Order::SAME,
        _ => Order::sines_first(config.d_model),
    };
    let params = source.take(translators::slots(config, &names), &order)?;
    notes.extend(source.finish(options.drop_unknown)?);
    Ok(params)
}

fn rows(source: &Source, name: &str) -> Option<usize> {
    source.shape(name)?.first().copied()
}

fn specials() -> Specials {
    Specials { pad: Some(PAD), bos: Some(BOS), eos: Some(EOS), unk: Some(UNK), ..Specials::default() }
}

fn framing() -> Framing {
    let source = Frame { after: vec![EOS], ..Frame::default() };
    Framing { source, begin: Some(EOS), first: None, languages: None }
}

/// The name that fairseq of today has for a tensor.
fn name_of_today(name: &str) -> String {
    if name == "decoder.embed_out" {
        return PROJECTION.to_owned();
    }
    let norms: &[(&str, &str)] = match name.split('.').next() {
        Some("encoder") => &[("layer_norms.0", "self_attn_layer_norm"), ("layer_norms.1", "final_layer_norm")],
        _ => &[
            ("layer_norms.0", "self_attn_layer_norm"),
            ("layer_norms.1", "encoder_attn_layer_norm"),
            ("layer_norms.2", "final_layer_norm"),
        ],
    };
    norms.iter().fold(name.to_owned(), |name, (old, new)| name.replace(old, new))
}

/// Leaves a stack's version out. Stacks of pre-norm layers from before they had a norm after the last one are refused.
fn settle_version(source: &mut Source, stack: Stack, norm: NormPlacement) -> Result<(), InterchangeError> {
    let name = format!("{}.version", stack.name());
    let first_with_norm = match stack {
        Stack::Encoder => 2.0,
        Stack::Decoder => 3.0,
    };
    let version = match source.has(&name) {
        true => source.tensor(&name)?.values.first().copied().unwrap_or(1.0),
        false => 1.0,
    };
    if norm == NormPlacement::Pre && version < first_with_norm {
        source.problem(format!(
            "{name} is {version}: fairseq does not normalise after the last layer of such a file, and here it is normalised"
        ));
    }
    source.drop(&name);
    Ok(())
}

/// Finds out how many learned positions there are, and leaves the sinusoids out, which fairseq makes again; the rows of each
/// stack beyond our positions.
fn settle_positions(source: &mut Source, config: &mut TransformerConfig) -> [usize; 2] {
    let rows = Stack::BOTH.map(|stack| {
        for end in ["_float_tensor", "weights"] {
            source.drop(&format!("{}.embed_positions.{end}", stack.name()));
        }
        rows(source, &positions_name(stack.name())).unwrap_or_default().saturating_sub(UNUSED_POSITIONS)
    });
    let PositionsConfig::Learned { max_len } = &mut config.positions else { return [0, 0] };
    *max_len = rows[0].min(rows[1]).max(1);
    rows.map(|n| n.saturating_sub(*max_len))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn older_names_become_those_of_today() {
        for (old, new) in [
            ("encoder.layers.1.layer_norms.1.bias", "encoder.layers.1.final_layer_norm.bias"),
            ("decoder.layers.0.layer_norms.1.weight", "decoder.layers.0.encoder_attn_layer_norm.weight"),
            ("decoder.embed_out", "decoder.output_projection.weight"),
            ("decoder.layers.0.fc1.weight", "decoder.layers.0.fc1.weight"),
        ] {
            assert_eq!(name_of_today(old), new);
        }
    }
}
