//! Texts of models whose weights are drawn at random, held to forms, with tokenizers of every kind that decoders have.

use std::{
    borrow::Cow,
    ops::{ControlFlow, Range},
    sync::Arc,
};

use attentive_attention::PositionsConfig;
use attentive_backend::BackendKind;
use attentive_bundle::{FormSpec, Forms, GenerationConfig, Generator, Prompt};
use attentive_decode::{DecodeError, Ended, Form, FormError, SamplingConfig, Vocabulary};
use attentive_model::{Gpt, GptConfig, ModelSpec};
use attentive_tokenizer::{
    BpeTrainer, ByteLevelBpeTrainer, Bytes, Characters, PreTokenization, Specials, TokenId, Tokenizer, UnigramTrainer,
    UnknownId, WordPieceTrainer,
};

const LINES: [&str; 3] = [
    "Yes, no, perhaps: {\"name\": \"Zoë\", \"age\": 42, \"tags\": [true, false, null, -1.5e3]}!",
    "yes no abc def ghi jkl mno pqr stu vwx yz 0123456789",
    "東京 naïve {\"a\": [\"b\"]}",
];

fn tokenizers() -> Vec<(&'static str, Arc<dyn Tokenizer>)> {
    let bpe = BpeTrainer::with_merges(60).min_frequency(1);
    let spaces = bpe.clone().pre_tokenization(PreTokenization::Spaces);
    vec![
        ("bytes", Arc::new(Bytes::default())),
        ("characters", Arc::new(Characters::train(LINES).framed())),
        ("byte-level bpe", Arc::new(ByteLevelBpeTrainer::with_vocab_size(300).train(LINES).unwrap())),
        ("unigram", Arc::new(UnigramTrainer::with_vocab_size(330).train(LINES).unwrap())),
        ("bpe", Arc::new(bpe.train(LINES).unwrap())),
        ("bpe of spaces", Arc::new(spaces.train(LINES).unwrap())),
    ]
}

/// A tokenizer that does not say what its tokens write one by one.
struct Opaque(Characters);

impl Tokenizer for Opaque {
    fn encode(&self, text: &str) -> Vec<TokenId> {
        self.0.encode(text)
    }

    fn encode_with_offsets(&self, text: &str) -> Vec<(TokenId, Range<usize>)> {
        self.0.encode_with_offsets(text)
    }

    fn decode_bytes(&self, ids: &[TokenId]) -> Result<Vec<u8>, UnknownId> {
        self.0.decode_bytes(ids)
    }

    fn vocab_size(&self) -> usize {
        self.0.vocab_size()
    }

    fn specials(&self) -> &Specials {
        self.0.specials()
    }

    fn token(&self, id: TokenId) -> Option<Cow<'_, str>> {
        self.0.token(id)
    }
}

fn generator(tokenizer: &Arc<dyn Tokenizer>) -> Generator<Gpt> {
    let config =
        GptConfig { positions: PositionsConfig::Alibi, ..GptConfig::gpt2_like(tokenizer.vocab_size(), 8, [1, 2, 8]) };
    Generator::new(config.init(&BackendKind::Flex.device().unwrap(), 3).unwrap(), Arc::clone(tokenizer))
}

fn specs() -> [FormSpec; 4] {
    let schema = r#"{"type": "object", "properties": {"name": {"type": "string", "maxLength": 4}, "age": {"type": "integer",
        "minimum": 0, "maximum": 150}, "tags": {"type": "array", "items": {"type": ["boolean", "null"]}, "maxItems": 3}},
        "required": ["age", "name"]}"#;
    [
        FormSpec::json_schema(schema).unwrap(),
        FormSpec::regex("(yes|no), [a-z]{2,5}!").unwrap(),
        FormSpec::regex(" ?[0-9]{3}( [0-9]{2})*").unwrap(),
        FormSpec::grammar("root ::= \"{\" (root | [a-c]{0,3}) \"}\"").unwrap(),
    ]
}

fn is_of(spec: &FormSpec, text: &str) -> bool {
    Form::new(spec, Arc::new(Vocabulary::new(Vec::new()))).unwrap().matches(text).unwrap()
}

#[test]
fn texts_are_of_their_form_with_every_tokenizer() {
    for (name, tokenizer) in tokenizers() {
        let generator = generator(&tokenizer);
        for spec in specs() {
            for seed in 0..3 {
                let temperature = if seed == 0 { 0.0 } else { 1.0 };
                let sampling = SamplingConfig { seed, temperature, ..Default::default() };
                let form = Some(spec.clone());
                let config = GenerationConfig { max_tokens: 250, sampling, form, ..Default::default() };
                let prompts = ["", "no", "yes no"];
                let texts = generator.generate_all(&prompts, 2, &config).unwrap();
                for (prompt, texts) in prompts.iter().zip(&texts) {
                    for text in texts {
                        let is_whole = is_of(&spec, &text.text);
                        assert!(
                            is_whole || text.ended == Ended::ByLength,
                            "{name}, {spec:?}: {text:?} after {prompt:?}"
                        );
                    }
                    let alone = generator.generate_all(&[prompt], 2, &config).unwrap();
                    assert_eq!(alone[0], *texts, "{name}: alone as together");
                }
                // An answer begins a text of its own.
                let ids = tokenizer.encode("no");
                let mut answer = String::new();
                let ended = generator.write(vec![Prompt { ids, is_continued: false }], 1, &config, |piece| {
                    assert!(
                        piece.token.is_none_or(|(token, _)| !tokenizer.specials().contains(token)),
                        "a special token"
                    );
                    answer += piece.text;
                    ControlFlow::Continue(())
                });
                assert!(is_of(&spec, &answer) || ended.unwrap()[0] == Ended::ByLength, "{name}, {spec:?}: {answer:?}");
            }
        }
    }
}

#[test]
fn objects_are_json_and_stop_strings_end_them() {
    let tokenizer: Arc<dyn Tokenizer> = Arc::new(ByteLevelBpeTrainer::with_vocab_size(300).train(LINES).unwrap());
    let generator = generator(&tokenizer);
    let mut n_whole = 0;
    for seed in 0..30 {
        let sampling = SamplingConfig { seed, ..Default::default() };
        let config =
            GenerationConfig { max_tokens: 150, sampling, form: Some(FormSpec::JsonObject), ..Default::default() };
        let text = generator.generate_all(&["a"], 1, &config).unwrap().remove(0).remove(0);
        if text.ended == Ended::ByModel {
            assert!(serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(&text.text).is_ok(), "{text:?}");
            n_whole += 1;
        }
        let stopped = GenerationConfig { stop: vec!["{".into()], ..config };
        let texts = generator.generate_all(&["a"], 1, &stopped).unwrap();
        assert_eq!((&*texts[0][0].text, texts[0][0].ended), ("", Ended::ByCaller));
    }
    assert!(n_whole > 0);
}

/// Of its tokens only those that go on within a word write no space, and after a prompt none begins a text.
#[test]
fn a_form_for_wordpiece_has_its_spaces() {
    let tokenizer: Arc<dyn Tokenizer> = Arc::new(WordPieceTrainer::with_vocab_size(90).train(LINES).unwrap());
    let generator = generator(&tokenizer);
    let text = |regex| {
        let form = Some(FormSpec::regex(regex).unwrap());
        generator.generate_all(&["no"], 1, &GenerationConfig { form, ..Default::default() })
    };
    assert!(is_of(&FormSpec::regex(" (yes|no) (yes|no)!").unwrap(), &text(" (yes|no) (yes|no)!").unwrap()[0][0].text));
    assert!(matches!(text("[{]").unwrap_err(), DecodeError::OutOfForm { n_tokens: 0 }));
}

#[test]
fn what_cannot_be_is_an_error_before_a_step() {
    let opaque: Arc<dyn Tokenizer> = Arc::new(Opaque(Characters::train(["yes"]).framed()));
    let config = |form| GenerationConfig { form: Some(form), ..Default::default() };
    let write = |tokenizer: &Arc<dyn Tokenizer>, form| {
        generator(tokenizer).generate("yes", &config(form), |_| panic!("a step")).unwrap_err()
    };
    let error = write(&opaque, FormSpec::JsonObject);
    assert!(matches!(error, DecodeError::Form(FormError::Tokens)), "{error}");
    let not = FormSpec::JsonSchema(serde_json::from_str(r#"{"not": {}}"#).unwrap());
    let bytes: Arc<dyn Tokenizer> = Arc::new(Bytes::default());
    assert!(write(&bytes, not.clone()).to_string().contains("#/not"));
    assert!(config(not).validate().is_err());
    let letters: Arc<dyn Tokenizer> = Arc::new(Characters::train(["yes"]).framed());
    let error = write(&letters, FormSpec::regex("é").unwrap());
    assert!(matches!(error, DecodeError::OutOfForm { n_tokens: 0 }), "{error}");
}

#[test]
fn forms_are_kept_and_shared() {
    let (forms, tokenizer) = (Forms::default(), Bytes::default());
    let spec = FormSpec::regex("a+").unwrap();
    let first = forms.get(&spec, &tokenizer).unwrap();
    assert!(Arc::ptr_eq(&first, &forms.clone().get(&spec, &tokenizer).unwrap()));
    for n in 1..20 {
        forms.get(&FormSpec::regex(&format!("a{{{n}}}")).unwrap(), &tokenizer).unwrap();
    }
    assert!(!Arc::ptr_eq(&first, &forms.get(&spec, &tokenizer).unwrap()), "the oldest is forgotten");
}
