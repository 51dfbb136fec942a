//! The ranges of numbers among settings, by kind.

use serde_json::{Value as Json, json};

/// What a number may be.
#[derive(Debug, Clone, Copy)]
enum Range {
    /// Whole numbers, both ends included.
    Whole(i64, i64),
    /// From the first, included, to the second, included.
    Closed(f64, f64),
    /// From the first, included, to the second, excluded.
    Below(f64, f64),
    /// From the first, excluded, to the second, included.
    Above(f64, f64),
    /// Between both.
    Between(f64, f64),
}

use Range::{Above, Below, Between, Closed, Whole};

/// A width whose products of signed bytes can be summed in 32 bits.
const WIDTH: Range = Whole(1, 1 << 17);
const HEADS: Range = Whole(1, 1 << 12);
const LAYERS: Range = Whole(1, 1 << 10);
const VOCABULARY: Range = Whole(1, 1 << 24);
/// An entry of a vocabulary.
const ID: Range = Whole(0, (1 << 24) - 1);
const POSITIONS: Range = Whole(1, 1 << 20);
/// Updates, more than any run makes.
const UPDATES: Range = Whole(0, 1_000_000_000_000);
const ROWS: Range = Whole(1, 1 << 20);
const TOKENS: Range = Whole(1, 1 << 24);
const SHARE: Range = Below(0.0, 1.0);
const PART: Range = Between(0.0, 1.0);
const EPSILON: Range = Above(0.0, 1.0);
const LEARNING_RATE: Range = Closed(0.0, 1e6);

/// The range of each number, by the end of its key; the longest end that fits counts.
const RANGES: &[(&str, Range)] = &[
    // [model]
    ("d_model", WIDTH),
    ("d_ff", WIDTH),
    ("d_k", WIDTH),
    ("d_v", WIDTH),
    ("d_embedding", WIDTH),
    ("d_hidden", WIDTH),
    ("d_state", WIDTH),
    ("d_action", WIDTH),
    ("d_attention", WIDTH),
    ("image_size", POSITIONS),
    ("patch_size", POSITIONS),
    ("n_channels", Whole(1, 3)),
    ("n_heads", HEADS),
    ("n_kv_heads", HEADS),
    // A bag of patches has none; of other families, their own check refuses 0.
    ("n_layers", Whole(0, 1 << 10)),
    ("n_layer_groups", LAYERS),
    ("n_encoder_layers", LAYERS),
    ("n_decoder_layers", LAYERS),
    ("source_vocab_size", VOCABULARY),
    ("target_vocab_size", VOCABULARY),
    ("vocab_size", VOCABULARY),
    ("n_segments", Whole(0, 1 << 16)),
    ("n_hashes", Whole(1, 16)),
    ("n_buckets", Whole(1, 1 << 20)),
    ("relative-buckets.n_buckets", Whole(4, 1 << 16)),
    ("relative_buckets.n_buckets", Whole(4, 1 << 16)),
    ("max_distance", POSITIONS),
    ("max_len", POSITIONS),
    ("max_steps", POSITIONS),
    ("window", POSITIONS),
    ("first_position", Whole(0, 1 << 20)),
    ("fairseq-sinusoidal.first", Whole(0, 1 << 20)),
    ("window_theta", Above(0.0, 1e30)),
    ("head_dim", WIDTH),
    ("n_features", WIDTH),
    ("full_layers", Whole(0, (1 << 10) - 1)),
    ("original_len", Whole(1, 1 << 40)),
    ("scaling.linear.factor", Above(0.0, 1e9)),
    ("scaling.llama3.factor", Above(0.0, 1e9)),
    ("scaling.yarn.factor", Above(0.0, 1e9)),
    ("scaling.dynamic.factor", Above(0.0, 1e9)),
    ("long-rope.short", Above(0.0, 1e9)),
    ("long-rope.long", Above(0.0, 1e9)),
    ("low_freq_factor", Above(0.0, 1e9)),
    ("high_freq_factor", Above(0.0, 1e9)),
    ("beta_fast", Above(0.0, 1e9)),
    ("beta_slow", Above(0.0, 1e9)),
    ("amplitude", Above(0.0, 1e9)),
    ("attention_cap", Above(0.0, 1e30)),
    ("logit_cap", Above(0.0, 1e30)),
    ("model.n_mels", Whole(1, 1024)),
    ("max_source_len", Whole(1, 1 << 16)),
    ("max_target_len", POSITIONS),
    ("block", POSITIONS),
    ("model.rate", Whole(1, 1 << 10)),
    ("upsampling_width", Whole(1, 1 << 10)),
    ("theta", Above(0.0, 1e30)),
    ("dropout", SHARE),
    ("attention_dropout", SHARE),
    ("activation_dropout", SHARE),
    ("model.epsilon", EPSILON),
    ("init_std", Above(0.0, 1e3)),
    // [tokenizer]
    ("merges", Whole(0, 1 << 24)),
    ("min_frequency", Whole(0, 1 << 40)),
    ("character_coverage", Above(0.0, 1.0)),
    ("bpe_dropout", SHARE),
    ("unigram_alpha", Above(0.0, 1e6)),
    // [data], [rules], [masking], [corruption]
    ("image.mean", Closed(-1e6, 1e6)),
    ("image.std", Above(0.0, 1e6)),
    ("augment.crop", Above(0.0, 1.0)),
    ("shift", Whole(0, 1 << 14)),
    ("flip", Closed(0.0, 1.0)),
    ("operations", Whole(0, 64)),
    ("magnitude", Closed(0.0, 10.0)),
    ("mixup", Closed(0.0, 100.0)),
    ("columns", Whole(1, 1 << 16)),
    ("weight", Above(0.0, 1e6)),
    ("data.temperature", Closed(1.0, 1e6)),
    ("validation_fraction", SHARE),
    ("rules.max_bytes", Whole(0, 1 << 30)),
    ("rules.max_tokens", Whole(0, 1 << 24)),
    ("max_reported", Whole(0, 1 << 20)),
    ("rate", PART),
    ("mean_span", Closed(1.0, 1e6)),
    ("n_actions", Whole(1, 1 << 16)),
    ("data.episodes", Whole(1, 1 << 24)),
    ("copies", Whole(0, 1 << 30)),
    ("data.examples", Whole(1, 1 << 30)),
    // [data.morse], [features], [augment]
    ("sizes", Whole(0, 1 << 30)),
    ("sound.seconds", Above(0.0, 600.0)),
    ("words_per_minute", Closed(1.0, 1000.0)),
    ("pitch", Closed(10.0, 1e5)),
    ("signal_to_noise", Closed(-100.0, 200.0)),
    ("fading", Closed(0.0, 1.0)),
    ("sampling_rate", Whole(1000, 192_000)),
    ("n_fft", Whole(4, 1 << 16)),
    ("hop_length", Whole(1, 1 << 16)),
    ("features.n_mels", Whole(1, 1024)),
    ("window_seconds", Above(0.0, 600.0)),
    ("speed_percent", Whole(0, 50)),
    ("n_time_masks", Whole(0, 1 << 16)),
    ("max_time", Whole(0, 1 << 20)),
    ("n_mel_masks", Whole(0, 1 << 16)),
    ("max_mels", Whole(0, 1024)),
    // [batch]
    ("batch.tokens", TOKENS),
    ("batch.max_tokens", TOKENS),
    ("max_rows", ROWS),
    ("rows", ROWS),
    ("context", POSITIONS),
    ("n_widths", Whole(1, 64)),
    ("width_multiple", Whole(1, 1024)),
    // [objective]
    ("label_smoothing", SHARE),
    ("n_subwords", Whole(8, 1 << 24)),
    ("top_layers", LAYERS),
    ("tau", Closed(0.0, 1.0)),
    ("tau_end", Closed(0.0, 1.0)),
    ("tau_steps", UPDATES),
    ("objective.beta", Closed(0.0, 1e6)),
    ("objective.hidden", PART),
    ("objective.block", POSITIONS),
    ("sft_weight", Closed(0.0, 1e6)),
    // [distillation]
    ("distillation.weight", Above(0.0, 1.0)),
    ("distillation.temperature", Above(0.0, 1e3)),
    ("distillation.top_k", TOKENS),
    // [adapter]
    ("adapter.rank", WIDTH),
    ("adapter.alpha", Above(0.0, 1e9)),
    // [optimizer], [schedule]
    ("beta_1", SHARE),
    ("beta_2", SHARE),
    ("optimizer.decay", SHARE),
    ("optimizer.epsilon", Closed(0.0, 1.0)),
    ("weight_decay", Closed(0.0, 1e6)),
    ("factor", LEARNING_RATE),
    ("peak", LEARNING_RATE),
    ("floor", LEARNING_RATE),
    ("lr", LEARNING_RATE),
    ("warmup_steps", UPDATES),
    ("total_steps", UPDATES),
    // [training]
    ("steps", Whole(1, 1_000_000_000_000)),
    ("accumulate", Whole(1, 1 << 16)),
    ("rates.factor", Above(0.0, 1e6)),
    ("layer_decay", Above(0.0, 1.0)),
    ("clip_norm", Closed(0.0, 1e30)),
    ("ema_decay", SHARE),
    ("validate_every", UPDATES),
    ("checkpoint_every", UPDATES),
    ("keep_every", UPDATES),
    ("training.seed", Whole(0, i64::MAX)),
    ("max_bad", Whole(1, 1 << 30)),
    ("spike_deviations", Closed(0.0, 1e9)),
    ("max_rollbacks", Whole(0, 1 << 20)),
    ("lr_factor", Above(0.0, 1.0)),
    ("patience", Whole(1, 1 << 30)),
    ("min_delta", Closed(0.0, 1e9)),
    // [evaluation]
    ("average_last", Whole(1, 1 << 10)),
    ("bleu_sentences", Whole(0, 1 << 30)),
    ("transcribed", Whole(0, 1 << 30)),
    ("samples", Whole(0, 1 << 10)),
    ("evaluation.episodes", Whole(0, 1 << 20)),
    ("target_return", Closed(-1e30, 1e30)),
    // [decoding], [generation]
    ("beam", Whole(1, 1 << 10)),
    ("length_penalty", Closed(0.0, 100.0)),
    ("max_len_offset", Whole(0, 1 << 16)),
    ("decoding.max_len", Whole(1, 1 << 16)),
    ("min_len", Whole(0, 1 << 16)),
    ("no_repeat_ngram", Whole(0, 1 << 16)),
    ("begin_id", ID),
    ("ends", ID),
    ("suppressed", ID),
    ("bad_words", ID),
    ("forced_first", ID),
    ("batch_tokens", Whole(1, 1 << 24)),
    ("generation.max_tokens", Whole(0, 1 << 24)),
    ("min_tokens", Whole(0, 1 << 24)),
    ("temperature", Closed(0.0, 1e6)),
    ("top_k", Whole(0, 1 << 24)),
    ("top_p", Above(0.0, 1.0)),
    ("min_p", Closed(0.0, 1.0)),
    ("typical_p", Above(0.0, 1.0)),
    ("epsilon_cutoff", Below(0.0, 1.0)),
    ("eta_cutoff", Below(0.0, 1.0)),
    ("repetition_penalty", Above(0.0, 1e6)),
    ("sampling.seed", Whole(0, i64::MAX)),
    // [lengths]
    ("lengths.model", Whole(0, i64::MAX)),
    ("lengths.tokenizer", Whole(0, i64::MAX)),
];

/// Puts the range of the number at `key` into its schema.
pub(super) fn narrow(schema: &mut Json, key: &str) {
    let is_end = |end: &str| key.strip_suffix(end).is_some_and(|before| before.is_empty() || before.ends_with('.'));
    let Some((_, range)) = RANGES.iter().filter(|(end, _)| is_end(end)).max_by_key(|(end, _)| end.len()) else {
        return;
    };
    let (least, most) = match range {
        Whole(..) | Closed(..) => ("minimum", "maximum"),
        Below(..) => ("minimum", "exclusiveMaximum"),
        Above(..) => ("exclusiveMinimum", "maximum"),
        Between(..) => ("exclusiveMinimum", "exclusiveMaximum"),
    };
    schema.as_object_mut().map(|schema| schema.remove("minimum"));
    (schema[least], schema[most]) = match *range {
        Whole(low, high) => (json!(low), json!(high)),
        Closed(low, high) | Below(low, high) | Above(low, high) | Between(low, high) => (json!(low), json!(high)),
    };
}

/// Whether a number is in its schema's range.
pub(super) fn is_within(schema: &Json, number: f64) -> bool {
    let limit = |keyword: &str| schema[keyword].as_f64();
    limit("minimum").is_none_or(|least| number >= least)
        && limit("exclusiveMinimum").is_none_or(|below| number > below)
        && limit("maximum").is_none_or(|most| number <= most)
        && limit("exclusiveMaximum").is_none_or(|above| number < above)
}

/// A schema's range in words: " from 1 to 64", " of at least 0 and below 1".
pub(super) fn describe(schema: &Json) -> String {
    let limit = |keyword: &str| schema.get(keyword).filter(|limit| limit.is_number()).map(show);
    if let (Some(least), Some(most)) = (limit("minimum"), limit("maximum")) {
        return format!(" from {least} to {most}");
    }
    let words = [
        ("minimum", "of at least"),
        ("exclusiveMinimum", "above"),
        ("maximum", "at most"),
        ("exclusiveMaximum", "below"),
    ];
    let parts = words.iter().filter_map(|(keyword, word)| Some(format!("{word} {}", limit(keyword)?)));
    let parts: Vec<String> = parts.collect();
    if parts.is_empty() { String::new() } else { format!(" {}", parts.join(" and ")) }
}

/// A limit as one writes it: `1`, not `1.0`.
fn show(limit: &Json) -> String {
    match limit.as_f64() {
        Some(number) if !limit.is_i64() && number.abs() < 1e9 => number.to_string(),
        Some(number) if !limit.is_i64() => format!("{number:e}"),
        _ => limit.to_string(),
    }
}
