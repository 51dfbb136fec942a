//! GGUF, the files of llama.cpp: weights, settings and tokenizer in one.

mod architectures;
mod metadata;

use std::{borrow::Cow, collections::BTreeMap, path::Path};

use attentive_attention::{PositionsConfig, Rotary, RotaryScaling};
use attentive_bundle::{Bundle, Lengths, WeightFormat};
use attentive_model::{GptConfig, ModelConfig, ModelSpec};
use attentive_tokenizer::{Lists, Specials, TokenId, Tokenizer};
use attentive_weights::{Gguf, check_finite};

use self::{architectures::AMPLITUDE, metadata::Metadata};
use crate::{
    ImportConfig, Imported, InterchangeError, chat,
    decoder::rotary,
    family,
    layout::Order,
    reader::new_record,
    source::{File, Source},
    tokenizers,
};

/// The end of names of such files.
pub(crate) const EXTENSION: &str = "gguf";

/// Divisors of frequencies, Llama 3's.
const FREQUENCIES: &str = "rope_freqs.weight";
/// Divisors for texts of the length of pre-training and for longer ones, Phi 3's.
const OF_LENGTHS: [&str; 2] = ["rope_factors_short.weight", "rope_factors_long.weight"];
/// How far a divisor may be from that of a formula.
const ALLOWED: f64 = 1e-3;

/// The architectures of files that are read.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    architectures::ALL.iter().map(|known| known.name)
}

/// Reads a file; blocks that there are products with are kept as they are.
///
/// # Errors
/// [`InterchangeError`]: an architecture that is not here, settings or tensors that do not fit, a damaged file.
pub(crate) fn import(path: &Path, options: &ImportConfig) -> Result<Imported, InterchangeError> {
    let file = Gguf::open(path)?;
    let mut metadata = Metadata::new(&file, path)?;
    let Some(architecture) = architectures::ALL.iter().find(|known| known.name == metadata.architecture) else {
        return Err(InterchangeError::UnknownArchitecture {
            path: path.to_owned(),
            classes: Vec::new(),
            nearest: family::nearest(&metadata.architecture, names()),
            known: names().collect::<Vec<_>>().join(", "),
            found: metadata.architecture,
        });
    };
    let names = &architecture.names;
    let shape_of = |name: &str| file.entry(name).map(|entry| &entry.shape);
    let table = format!("{}.weight", names.embedding);
    let vocab_size = shape_of(&table).and_then(|shape| shape.first().copied()).ok_or_else(|| {
        let problems = vec![format!("missing: {table}")];
        InterchangeError::Mismatch { path: path.to_owned(), problems, lacks: true, exceeds: false }
    })?;
    let tied = shape_of(&format!("{}.weight", names.projection)).is_none();
    let mut config = architecture.config(&mut metadata, vocab_size, tied)?;
    let longest = metadata.size("context_length")?;
    let context = longest.unwrap_or(1);
    let original = metadata.size("rope.scaling.original_context_length")?.unwrap_or(context);
    let amplitude = metadata.float(AMPLITUDE)?.unwrap_or(1.0);
    let (tokenizer, begin) = read_tokenizer(&mut metadata, path)?;
    let mut notes = Vec::new();
    let template = metadata.text("tokenizer.chat_template")?;
    let chat = chat::of_text(template, "tokenizer.chat_template", names_of(&*tokenizer), &mut notes);
    let unread: Vec<&str> = metadata.unread().into_iter().filter(|key| !is_idle(key)).collect();
    if !unread.is_empty() {
        notes.push(format!("not followed here: {}", unread.join(", ")));
    }
    let mut source = Source::of(path, vec![File::Gguf(file)])?;
    let stored = source.kinds();
    source.check_layers("block_count", config.n_layers, names.layers)?;
    if source.has(FREQUENCIES) {
        let divisors = source.tensor(FREQUENCIES)?.values;
        config.positions = with_divisors(&config, &divisors, context);
        source.drop(FREQUENCIES);
    }
    if OF_LENGTHS.iter().all(|name| source.has(name)) {
        let [short, long] = OF_LENGTHS.map(|name| source.tensor(name).map(|tensor| wide(&tensor.values)));
        let scaling =
            RotaryScaling::LongRope { short: short?, long: long?, original_len: original, amplitude, is_long: false };
        config.positions = scaled(&config, Some(scaling));
        source.drop_all(|name| OF_LENGTHS.contains(&name));
    } else if amplitude != 1.0 && !is_yarn(&config) {
        let problem = format!("{AMPLITUDE} is {amplitude}; it is followed with YaRN and with factors of two lengths");
        return Err(InterchangeError::Unsupported { path: path.to_owned(), problems: vec![problem] });
    }
    match rotary::for_length(&mut config.positions, options.long_context) {
        Ok(note) => notes.extend(note),
        Err(problem) => return Err(InterchangeError::Unsupported { path: path.to_owned(), problems: vec![problem] }),
    }
    config.validate()?;
    let mut slots = names.slots(&config);
    let turned = architecture.pairs_neighbours.then(|| Turned::of(&config));
    let (blocks, n_others) = source.take_blocks(&mut slots, |name, rows| {
        if let Some(turned) = turned.filter(|_| Turned::are_in(name)) {
            turned.pair_halves(rows);
        }
    })?;
    let mut params = source.take(slots, &Order::SAME)?;
    notes.extend(source.finish(options.drop_unknown)?);
    if let Some(turned) = turned {
        for (_, param) in params.iter_mut().filter(|(name, _)| Turned::are_in(name)) {
            // Rows of outputs, heads side by side.
            param.values.chunks_exact_mut(turned.d_k).for_each(|head| turned.pair_halves(head));
        }
    }
    check_finite(&params)?;
    notes.extend(tokenizers::check_vocabulary(path, &*tokenizer, [vocab_size; 2])?);
    let n_kept = blocks.len();
    if n_others > 0 {
        notes.push(format!("matrices in blocks of other kinds are kept as 32-bit numbers: {n_others}"));
    }
    let eos = tokenizer.specials().eos;
    let mut bundle = Bundle::new(path, ModelConfig::from(config), tokenizer, params);
    (bundle.chat, bundle.record, bundle.lengths) = (chat, new_record(), Lengths::new(longest, None));
    if n_kept > 0 {
        bundle.decoding.precision = WeightFormat::Blocks;
        notes.push(format!(
            "in the file's blocks: {n_kept} matrices, whose inputs are rounded to 8 bits in products; not with --precision f32"
        ));
    }
    bundle.blocks = blocks;
    bundle.generation.begin = begin.is_some();
    bundle.generation.begin_id = begin.filter(|_| begin != eos);
    // Nothing in the file says how to draw.
    bundle.generation.sampling.temperature = 0.0;
    Ok(Imported { bundle, architecture: architecture.name, stored, notes })
}

/// The names of special tokens by role, as chat templates call them.
fn names_of(tokenizer: &dyn Tokenizer) -> BTreeMap<String, String> {
    let Specials { pad, bos, eos, unk, .. } = *tokenizer.specials();
    let roles = [("pad_token", pad), ("bos_token", bos), ("eos_token", eos), ("unk_token", unk)];
    let name = |id: TokenId| tokenizer.token(id).map(Cow::into_owned);
    roles.into_iter().filter_map(|(role, id)| Some((role.to_owned(), name(id?)?))).collect()
}

/// Whether a key has no effect on what the model computes.
fn is_idle(key: &str) -> bool {
    const ENDS: [&str; 8] = [
        ".vocab_size",
        ".context_length",
        ".rope.scaling.finetuned",
        "tokenizer.ggml.padding_token_id",
        "tokenizer.ggml.seperator_token_id",
        "tokenizer.ggml.mask_token_id",
        "tokenizer.huggingface.json",
        "tokenizer.ggml.token_type_count",
    ];
    ENDS.iter().any(|end| key.ends_with(end))
}

/// The tokenizer, and the token that it puts before a text.
fn read_tokenizer(
    metadata: &mut Metadata<'_>,
    path: &Path,
) -> Result<(Box<dyn Tokenizer>, Option<TokenId>), InterchangeError> {
    let missing = |key: &str| InterchangeError::Damaged { path: path.to_owned(), problem: format!("{key} is missing") };
    let model = metadata.text("tokenizer.ggml.model")?.ok_or_else(|| missing("tokenizer.ggml.model"))?;
    let pre = metadata.text("tokenizer.ggml.pre")?.unwrap_or_else(|| "default".to_owned());
    let mut id = |role: &str| {
        let id = metadata.number(&format!("tokenizer.ggml.{role}_token_id"))?;
        Ok::<_, InterchangeError>(id.and_then(|id| TokenId::try_from(id).ok()))
    };
    let specials =
        Specials { bos: id("bos")?, eos: id("eos")?, unk: id("unknown")?, pad: id("padding")?, ..Specials::default() };
    let lists = Lists {
        tokens: metadata.texts("tokenizer.ggml.tokens")?.ok_or_else(|| missing("tokenizer.ggml.tokens"))?,
        scores: metadata.floats("tokenizer.ggml.scores")?.unwrap_or_default(),
        kinds: metadata.numbers("tokenizer.ggml.token_type")?.unwrap_or_default(),
        merges: metadata.texts("tokenizer.ggml.merges")?.unwrap_or_default(),
        specials,
    };
    let is_sentencepiece = model == "llama";
    // As llama.cpp assumes (`llama-vocab.cpp`), of the tokenizers that are read here.
    let begins_usually = is_sentencepiece || matches!(&*pre, "llama-bpe" | "llama3" | "llama-v3");
    let begins = metadata.truth("tokenizer.ggml.add_bos_token")?.unwrap_or(begins_usually);
    let begin = lists.specials.bos.filter(|_| begins);
    let has_prefix = metadata.truth("tokenizer.ggml.add_space_prefix")?.unwrap_or(true);
    let tokenizer = match model.as_str() {
        "llama" => lists.sentencepiece(has_prefix, path)?,
        "gpt2" => lists.byte_level(&pre, path)?,
        other => {
            let problem = format!("tokenizer.ggml.model is {other:?}; there are gpt2 and llama");
            return Err(metadata.unsupported(vec![problem]));
        }
    };
    if metadata.truth("tokenizer.ggml.add_eos_token")? == Some(true) {
        return Err(metadata
            .unsupported(vec!["tokenizer.ggml.add_eos_token is true; texts have no end before they end".to_owned()]));
    }
    Ok((tokenizer, begin))
}

fn wide(numbers: &[f32]) -> Vec<f64> {
    numbers.iter().map(|&number| f64::from(number)).collect()
}

/// The positions with another scaling.
fn scaled(config: &GptConfig, scaling: Option<RotaryScaling>) -> PositionsConfig {
    let plain = match &config.positions {
        PositionsConfig::Rotary(rotary) => rotary.clone(),
        _ => Rotary::default(),
    };
    PositionsConfig::Rotary(Rotary { scaling, ..plain })
}

fn is_yarn(config: &GptConfig) -> bool {
    let PositionsConfig::Rotary(rotary) = &config.positions else { return false };
    matches!(rotary.scaling, Some(RotaryScaling::Yarn { .. }))
}

/// Positions whose frequencies are divided by these numbers: for those of Llama 3.1 and 3.2, which a file has as numbers alone,
/// by their formula.
fn with_divisors(config: &GptConfig, divisors: &[f32], context: usize) -> PositionsConfig {
    let plain = match scaled(config, None) {
        PositionsConfig::Rotary(rotary) => rotary,
        _ => Rotary::default(),
    };
    let d_k = config.head_dim();
    for factor in [8.0, 32.0] {
        let llama3 = RotaryScaling::Llama3 { factor, low_freq_factor: 1.0, high_freq_factor: 4.0, original_len: 8192 };
        let rotary = Rotary { scaling: Some(llama3), ..plain.clone() };
        let expected =
            plain.frequencies(d_k).into_iter().zip(rotary.frequencies(d_k)).map(|(plain, scaled)| plain / scaled);
        let is_near = |(expected, &found): (f64, &f32)| (expected - f64::from(found)).abs() < ALLOWED * expected;
        if divisors.len() == d_k / 2 && expected.zip(divisors).all(is_near) {
            return PositionsConfig::Rotary(rotary);
        }
    }
    let [short, long] = [wide(divisors), wide(divisors)];
    let scaling = RotaryScaling::LongRope { short, long, original_len: context, amplitude: 1.0, is_long: true };
    scaled(config, Some(scaling))
}

/// The features of a head that are turned together.
#[derive(Clone, Copy)]
struct Turned {
    /// Features of a head.
    d_k: usize,
    /// Those that are turned.
    width: usize,
}

impl Turned {
    fn of(config: &GptConfig) -> Self {
        let d_k = config.head_dim();
        let width = match &config.positions {
            PositionsConfig::Rotary(rotary) => rotary.width(d_k),
            _ => d_k,
        };
        Self { d_k, width }
    }

    /// Whether a parameter makes queries or keys.
    fn are_in(name: &str) -> bool {
        [".query.weight", ".query.bias", ".key.weight", ".key.bias"].iter().any(|end| name.ends_with(end))
    }

    /// Puts the features of heads that are turned together, neighbours in the file, half a head apart.
    fn pair_halves<T: Copy>(self, features: &mut [T]) {
        for head in features.chunks_exact_mut(self.d_k) {
            let half = self.width / 2;
            let paired: Vec<T> = (0..self.width).map(|at| head[at % half * 2 + at / half]).collect();
            head[..self.width].copy_from_slice(&paired);
        }
    }
}
