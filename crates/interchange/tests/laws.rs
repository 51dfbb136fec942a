//! Export and import are inverse, for every family that has both.

use std::fs;

use attentive_attention::{Activation, NormPlacement, PositionsConfig, RelativeBuckets};
use attentive_backend::BackendKind;
use attentive_bundle::{BeamRules, Bundle, DecodingConfig, GenerationConfig};
use attentive_decode::SamplingConfig;
use attentive_interchange::{ExportConfig, Format, ImportConfig, export};
use attentive_model::{
    BertConfig, CanineConfig, FamilyVisitor, GptConfig, ModelConfig, ModelSpec, PoolerActivation, PoolerInput, Role,
    TransformerConfig, t5::T5Widths,
};
use attentive_testkit::named;
use attentive_tokenizer::{
    BpeTrainer, ByteLevelBpeTrainer, Bytes, CodePoints, OpenOptions, Tokenizer, WordPieceTrainer,
};
use attentive_weights::{HostTensor, Tensors, param_shapes};
use burn::module::Module;
use proptest::prelude::*;

const LINES: [&str; 3] = ["the animal was too tired", "the street was too wide, the end", "an animal was unknown"];

fn bpe() -> Box<dyn Tokenizer> {
    Box::new(BpeTrainer::with_merges(9).train(LINES).unwrap())
}

fn byte_level() -> Box<dyn Tokenizer> {
    Box::new(ByteLevelBpeTrainer::with_vocab_size(270).train(LINES).unwrap())
}

fn words() -> Box<dyn Tokenizer> {
    Box::new(WordPieceTrainer::with_vocab_size(50).train(LINES).unwrap())
}

/// Values of every parameter, none of them what a new model has.
fn params(model: &impl Module) -> Tensors {
    let tensor = |shape: Vec<usize>, name: &str| HostTensor { values: named(name, shape.iter().product()), shape };
    param_shapes(model).into_iter().map(|param| (param.name.clone(), tensor(param.shape, &param.name))).collect()
}

/// [`params`] of a model of any family.
struct Params;

impl FamilyVisitor for Params {
    type Output = Tensors;

    fn any<C: ModelSpec>(self, spec: &C, _role: Role) -> Tensors {
        params(&spec.blank(&BackendKind::Flex.device().unwrap()).unwrap())
    }
}

fn bundle(model: ModelConfig, tokenizer: Box<dyn Tokenizer>) -> Bundle {
    let params = model.visit(Params);
    let sampling =
        SamplingConfig { temperature: 0.5, top_k: 3, top_p: 0.75, min_p: 0.125, ..SamplingConfig::default() };
    let (suppressed, bad_words) = (vec![10], vec![vec![11], vec![12, 13]]);
    Bundle {
        decoding: DecodingConfig {
            beam: 3,
            max_len: Some(9),
            // Transformers' own, which its settings say.
            beam_rules: BeamRules::Present,
            length_penalty: 1.5,
            min_len: 2,
            no_repeat_ngram: 3,
            suppressed: suppressed.clone(),
            bad_words: bad_words.clone(),
            forced_first: Some(14),
            ..DecodingConfig::default()
        },
        generation: GenerationConfig {
            ends: vec![9, 8],
            max_tokens: 7,
            min_tokens: 2,
            no_repeat_ngram: 3,
            suppressed,
            bad_words,
            sampling,
            ..GenerationConfig::default()
        },
        ..Bundle::new("tiny", model, tokenizer, params)
    }
}

/// Writes and reads a model; where the format has the tokenizer, without the help of our own file.
fn comes_back(bundle: &Bundle, format: Format, has_tokenizer: bool) -> Result<(), TestCaseError> {
    let folder = tempfile::tempdir().unwrap();
    export(bundle, format, &ExportConfig { max_len: Some(16), ..ExportConfig::default() }, folder.path()).unwrap();
    let ours = folder.path().join("attentive_tokenizer.json");
    if has_tokenizer && ours.is_file() {
        fs::remove_file(ours).unwrap();
    }
    let imported = attentive_interchange::import(folder.path(), &ImportConfig::default()).unwrap();
    prop_assert_eq!(&imported.notes, &[""; 0]);
    let again = imported.bundle;
    prop_assert_eq!(&again.model, &bundle.model);
    prop_assert!(again.params == bundle.params, "other parameters");
    prop_assert_eq!(again.tokenizer().unwrap().specials(), bundle.tokenizer().unwrap().specials());
    match again.model.role() {
        Role::EncoderDecoder => prop_assert_eq!(&again.decoding, &bundle.decoding),
        Role::LanguageModel => prop_assert_eq!(&again.generation, &bundle.generation),
        _ => {}
    }
    for text in ["The animal, the STREET.", "naïve ☃  \t end"] {
        let ids = bundle.tokenizer().unwrap().encode(text);
        prop_assert_eq!(&again.tokenizer().unwrap().encode(text), &ids);
        prop_assert_eq!(again.tokenizer().unwrap().decode(&ids), bundle.tokenizer().unwrap().decode(&ids));
    }
    Ok(())
}

fn activations() -> impl Strategy<Value = Activation> {
    prop_oneof![Just(Activation::Relu), Just(Activation::Gelu), Just(Activation::GeluTanh), Just(Activation::Silu)]
}

/// Layers, heads, and width of a head.
fn sizes() -> impl Strategy<Value = [usize; 3]> {
    [1..4_usize, 1..4, 2..5]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn encoder_decoders(
        [n_layers, n_heads, d_k] in sizes(),
        activation in activations(),
        pre_norm: bool,
        [share_embeddings, tie_projection, projection_bias] in any::<[bool; 3]>(),
    ) {
        let tokenizer = bpe();
        let config = TransformerConfig {
            d_model: n_heads * d_k * 2,
            d_ff: 7,
            n_heads: n_heads * 2,
            n_encoder_layers: n_layers,
            n_decoder_layers: n_layers + 1,
            attention_dropout: 0.25,
            activation_dropout: 0.125,
            activation,
            norm: if pre_norm { NormPlacement::Pre } else { NormPlacement::Post },
            share_embeddings: share_embeddings || pre_norm,
            tie_projection: tie_projection || pre_norm,
            projection_bias,
            ..TransformerConfig::base(tokenizer.vocab_size())
        };
        let format = if pre_norm { Format::Pegasus } else { Format::Marian };
        comes_back(&bundle(config.into(), tokenizer), format, false)?;
    }

    #[test]
    fn language_models(
        [n_layers, n_heads, d_k] in sizes(),
        activation in activations(),
        [tie_projection, has_bytes, begin] in any::<[bool; 3]>(),
        begin_id in prop_oneof![Just(None), Just(Some(0_u32))],
    ) {
        let tokenizer = if has_bytes { byte_level() } else { bpe() };
        let config = GptConfig {
            d_ff: 7,
            attention_dropout: 0.25,
            activation,
            tie_projection,
            ..GptConfig::gpt2_like(tokenizer.vocab_size(), 9, [n_layers, n_heads, n_heads * d_k])
        };
        let mut model = bundle(ModelConfig::Gpt(config), tokenizer);
        (model.generation.begin, model.generation.begin_id) = (begin, begin_id.filter(|_| begin));
        comes_back(&model, Format::Gpt2, has_bytes)?;
    }

    #[test]
    fn encoders(
        [n_layers, n_heads, d_k] in sizes(),
        activation in activations(),
        is_roberta: bool,
        [pooler, masked_lm, next_sentence] in any::<[bool; 3]>(),
        n_labels in prop_oneof![Just(0_usize), 2..5_usize],
    ) {
        let tokenizer = if is_roberta { byte_level() } else { words() };
        let like = if is_roberta { BertConfig::roberta_like } else { BertConfig::bert_like };
        let next_sentence = next_sentence && !is_roberta;
        let config = BertConfig {
            d_ff: 7,
            attention_dropout: 0.25,
            activation: if is_roberta && masked_lm { Activation::Gelu } else { activation },
            init_std: 0.03125,
            pooler: pooler || next_sentence || n_labels > 0,
            masked_lm,
            next_sentence,
            labels: (0..n_labels).map(|n| format!("label {n}")).collect(),
            ..like(tokenizer.vocab_size(), 9, [n_layers, n_heads, n_heads * d_k])
        };
        let format = if is_roberta { Format::Roberta } else { Format::Bert };
        comes_back(&bundle(ModelConfig::Bert(config), tokenizer), format, true)?;
    }

    #[test]
    fn encoders_of_bert_s_kin(
        [n_layers, n_heads, d_k] in sizes(),
        activation in activations(),
        format in prop_oneof![Just(Format::DistilBert), Just(Format::Electra), Just(Format::Albert)],
        [is_mapped, masked_lm, tie_projection, is_of_tokens, spans] in any::<[bool; 5]>(),
        (n_labels, n_groups) in (prop_oneof![Just(0_usize), 2..5_usize], 1..4_usize),
    ) {
        let tokenizer = words();
        let (is_albert, is_electra) = (format == Format::Albert, format == Format::Electra);
        let d_model = n_heads * d_k;
        let names: Vec<String> = (0..n_labels).map(|n| format!("label {n}")).collect();
        let (labels, token_labels) = if is_of_tokens { (Vec::new(), names) } else { (names, Vec::new()) };
        let config = BertConfig {
            d_ff: 7,
            attention_dropout: 0.25,
            activation: if is_electra && masked_lm { Activation::Gelu } else { activation },
            n_segments: if format == Format::DistilBert { 0 } else { 2 },
            d_embedding: (is_albert || is_electra && is_mapped).then_some(d_model + 1),
            n_layer_groups: is_albert.then_some(n_groups.min(n_layers)),
            pooler: !labels.is_empty(),
            pooler_activation: match format {
                Format::DistilBert => PoolerActivation::Relu,
                Format::Electra => PoolerActivation::Gelu,
                _ => PoolerActivation::Tanh,
            },
            masked_lm,
            next_sentence: false,
            labels,
            token_labels,
            spans,
            tie_projection: tie_projection || !masked_lm,
            ..BertConfig::bert_like(tokenizer.vocab_size(), 9, [n_layers, n_heads, d_model])
        };
        comes_back(&bundle(ModelConfig::Bert(config), tokenizer), format, true)?;
    }

    #[test]
    fn modern_berts(
        [n_layers, n_heads, half] in sizes(),
        activation in activations(),
        (head, window) in (0..5_usize, 1..9_usize),
        [is_full, bias, is_mean, has_bytes, tie_projection] in any::<[bool; 5]>(),
    ) {
        let tokenizer = if has_bytes { byte_level() } else { words() };
        let labels = |is_there: bool| if is_there { vec!["a".to_owned(), "b".to_owned()] } else { Vec::new() };
        let masked_lm = head == 1;
        let full_layers = if is_full && n_layers > 1 { vec![n_layers - 1] } else { Vec::new() };
        let config = BertConfig {
            attention_dropout: 0.25,
            activation,
            bias,
            epsilon: 0.25,
            window: Some(window),
            full_layers,
            init_std: 0.03125,
            pooler: head > 1,
            pooler_activation: match activation {
                Activation::Relu if masked_lm => PoolerActivation::Relu,
                _ if head > 1 => PoolerActivation::Tanh,
                _ => PoolerActivation::Gelu,
            },
            pooler_input: if is_mean { PoolerInput::Mean } else { PoolerInput::First },
            masked_lm,
            labels: labels(head == 2),
            token_labels: labels(head == 3),
            spans: head == 4,
            tie_projection: tie_projection || !masked_lm,
            ..BertConfig::modern_bert_like(tokenizer.vocab_size(), 7, [n_layers, n_heads, 2 * half * n_heads])
        };
        comes_back(&bundle(ModelConfig::Bert(config), tokenizer), Format::ModernBert, true)?;
    }

    #[test]
    fn byte_models([n_layers, n_heads, d_kv] in sizes(), n_decoder_layers in 1..3_usize, is_gated: bool, n_buckets in 2..9_usize) {
        let make = if is_gated { TransformerConfig::t5_v1_1 } else { TransformerConfig::t5 };
        let tokenizer = Bytes::default();
        let widths = T5Widths { d_model: 10, d_ff: 7, n_heads, d_kv };
        let buckets = RelativeBuckets { n_buckets: 2 * n_buckets, max_distance: 3 * n_buckets };
        let config = TransformerConfig {
            positions: PositionsConfig::RelativeBuckets(buckets),
            dropout: 0.25,
            attention_dropout: 0.25,
            activation_dropout: 0.25,
            ..make(tokenizer.vocab_size(), widths, [n_layers, n_decoder_layers])
        };
        comes_back(&bundle(config.into(), Box::new(tokenizer)), Format::T5, false)?;
    }

    #[test]
    fn character_models(
        [n_layers, n_heads, d_k] in sizes(), n_hashes in 1..4_usize, n_labels in prop_oneof![Just(0_usize), 2..5_usize],
    ) {
        let config = CanineConfig {
            d_ff: 7,
            n_hashes,
            n_buckets: 23,
            max_len: 20,
            attention_dropout: 0.25,
            init_std: 0.03125,
            masked_lm: false,
            next_sentence: false,
            labels: (0..n_labels).map(|n| format!("label {n}")).collect(),
            ..CanineConfig::canine_like([n_layers, n_heads, n_hashes * n_heads * d_k])
        };
        comes_back(&bundle(ModelConfig::Canine(config), Box::new(CodePoints::default())), Format::Canine, false)?;
    }
}

/// Between documents stands the end of a text here, which is not what the vocabulary calls the begin.
#[test]
fn a_text_of_a_gpt_2_that_is_written_begins_as_in_training() {
    let tokenizer = byte_level();
    let (eos, bos) = (tokenizer.specials().eos.unwrap(), tokenizer.specials().bos.unwrap());
    assert_ne!(eos, bos);
    let config = GptConfig { d_ff: 7, ..GptConfig::gpt2_like(tokenizer.vocab_size(), 9, [1, 1, 4]) };
    let mut model = bundle(ModelConfig::Gpt(config), tokenizer);
    for (begin_id, first) in [(None, eos), (Some(bos), bos)] {
        (model.generation.begin, model.generation.begin_id) = (true, begin_id);
        let folder = tempfile::tempdir().unwrap();
        export(&model, Format::Gpt2, &ExportConfig::default(), folder.path()).unwrap();
        let opened = OpenOptions::default().open(folder.path()).unwrap();
        assert_eq!(opened.frame.unwrap().before, [first]);
    }
}

#[test]
fn rules_of_writing_that_no_file_holds_are_noted() {
    let tokenizer = bpe();
    let config =
        TransformerConfig { d_model: 4, d_ff: 7, n_heads: 2, ..TransformerConfig::base(tokenizer.vocab_size()) };
    let mut marian = bundle(config.into(), tokenizer);
    marian.decoding.repetition_penalty = 1.5;
    let folder = tempfile::tempdir().unwrap();
    let notes = export(&marian, Format::Marian, &ExportConfig::default(), folder.path()).unwrap();
    assert!(notes.iter().any(|note| note.starts_with("decoding.repetition_penalty = 1.5 is left out")), "{notes:?}");
}
