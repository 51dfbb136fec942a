//! OpenNMT-py's checkpoints of encoder–decoders, with the vocabularies in them and what cuts text beside them.
//!
//! Layers are pre-norm with ε 1e-6; a source is read without a token at its end. Source of names and layouts: `onmt/encoders`,
//! `onmt/decoders`, `onmt/modules`, `onmt/models/model_saver.py` of OpenNMT-py 3.5.1, and for vocabularies of versions 1 and 2
//! `ctranslate2/converters/opennmt_py.py` of CTranslate2 4.

mod names;
mod settings;
mod vocabularies;

use std::path::Path;

use attentive_attention::PositionsConfig;
use attentive_model::{ModelSpec, TransformerConfig};
use attentive_tokenizer::{Frame, Framing, Specials};
use attentive_weights::WeightsFile;

use self::names::{GATE, Names, PROJECTION_BIASES, PROJECTIONS, SOURCE, TARGET, positions};
use crate::{
    ImportConfig, Imported, InterchangeError, files,
    layout::Order,
    pytorch,
    source::{File, Source},
    translators::{self, Cutter, PositionTable, Stack},
};

/// Names of special tokens in its vocabularies.
const PAD: &str = "<blank>";
const BOS: &str = "<s>";
const EOS: &str = "</s>";
const UNK: &str = "<unk>";

/// Reads a checkpoint.
///
/// # Errors
/// [`InterchangeError`]: another kind of model, settings or tensors that do not fit, no tokenizer, damaged files.
pub(crate) fn import(path: &Path, file: WeightsFile, options: &ImportConfig) -> Result<Imported, InterchangeError> {
    let (mut config, note) = settings::config(path, &file)?;
    let mut notes = Vec::from_iter(note);
    let (vocabularies, begin) = vocabularies::read(path, &file)?;
    let files = pytorch::weights(path, file)?.into_iter().map(File::Weights).collect();
    let mut source = Source::of_files(path, files, name_of_today)?;
    let stored = source.kinds();
    source.check_layers("enc_layers", config.n_encoder_layers, "encoder.transformer.")?;
    source.check_layers("dec_layers", config.n_decoder_layers, "decoder.transformer_layers.")?;
    settle_sizes(&source, &mut config);
    let order = settle_positions(&mut source, &config)?;
    let projection = PROJECTIONS.iter().position(|name| source.has(name)).unwrap_or_default();
    translators::drop_copies(&mut source, &config, [SOURCE, TARGET, PROJECTIONS[projection]])?;
    config.projection_bias = source.has(PROJECTION_BIASES[projection]);
    config.validate()?;
    let slots = translators::slots(&config, &Names { projection, is_gated: config.gated });
    let (slots, missing) = translators::split_biases(slots, &source);
    let mut params = source.take(slots, &order)?;
    params.extend(missing);
    notes.extend(source.finish(options.drop_unknown)?);

    vocabularies.check_rows(path, &config)?;
    let id = |name: &str| vocabularies.target_id(name, path);
    let specials = Specials {
        pad: Some(id(PAD)?),
        bos: Some(id(BOS)?),
        eos: Some(id(EOS)?),
        unk: Some(id(UNK)?),
        ..Specials::default()
    };
    let framing = Framing {
        source: Frame::default(),
        begin: Some(id(begin.as_deref().unwrap_or(BOS))?),
        first: None,
        languages: None,
    };
    let folder = files::folder_of(path);
    let cutter = Cutter::find(folder, &vocabularies, None)?;
    notes.extend(cutter.note().map(str::to_owned));
    let tokenizer = vocabularies.framed(path, &cutter, specials, framing)?;
    let bundle = translators::bundle(path, config, params, tokenizer, &mut notes)?;
    Ok(Imported { bundle, architecture: "OpenNMT-py's transformer", stored, notes })
}

/// The name that OpenNMT-py of today has for a tensor.
fn name_of_today(name: &str) -> String {
    name.replace(".a_2", ".weight").replace(".b_2", ".bias")
}

/// The sizes that tensors show.
fn settle_sizes(source: &Source, config: &mut TransformerConfig) {
    // Without a tensor, it is missing, which is said when it is taken.
    let size = |name: &str, axis: usize| source.shape(name).and_then(|shape| shape.get(axis).copied()).unwrap_or(1);
    config.source_vocab_size = size(SOURCE, 0);
    config.target_vocab_size = size(TARGET, 0);
    config.d_model = size(TARGET, 1);
    config.d_ff = size("encoder.transformer.0.feed_forward.w_1.weight", 0);
    config.gated = source.has(GATE);
}

/// Holds the tables of positions, which are the sinusoids, against these; the order of the model's dimensions there.
fn settle_positions(source: &mut Source, config: &TransformerConfig) -> Result<Order, InterchangeError> {
    let expected = match config.positions {
        PositionsConfig::FairseqSinusoidal { .. } => Order::sines_first(config.d_model),
        _ => Order::SAME,
    };
    for name in Stack::BOTH.map(positions) {
        if source.has(&name) {
            let table = PositionTable::of(source, &name, config.d_model)?;
            if table.is_none_or(|table| (&table.positions, &table.order) != (&config.positions, &expected)) {
                source.problem(format!("{name}: not the sinusoids of position_encoding_type"));
            }
            source.drop(&name);
        }
    }
    Ok(expected)
}
