//! What is known of the classes of transformers 5.

use serde_json::{Value, json};

/// Model types and the class that transformers 5 takes for them.
pub(super) const MODEL_TYPES: [(&[&str], &str); 22] = [
    (
        &[
            "align",
            "bark",
            "bert",
            "blip",
            "bros",
            "chinese_clip",
            "convbert",
            "distilbert",
            "electra",
            "ernie",
            "flava",
            "git",
            "grounding-dino",
            "layoutlm",
            "megatron-bert",
            "mm-grounding-dino",
            "nezha",
            "nomic_bert",
            "qdqbert",
            "realm",
            "retribert",
            "squeezebert",
            "tvp",
            "vilt",
            "visual_bert",
            "mobilebert",
            "lxmert",
        ],
        "BertTokenizer",
    ),
    (
        &[
            "blip-2",
            "codegen",
            "dbrx",
            "emu3",
            "gpt2",
            "gpt_neo",
            "gptj",
            "hyperclovax_vision_v2",
            "instructblip",
            "instructblipvideo",
            "jais2",
            "opt",
            "phi",
            "starcoder2",
        ],
        "GPT2Tokenizer",
    ),
    (
        &[
            "bart",
            "bridgetower",
            "clap",
            "data2vec-text",
            "ibert",
            "lilt",
            "longformer",
            "mega",
            "mra",
            "roberta",
            "roberta-prelayernorm",
            "led",
            "mvp",
        ],
        "RobertaTokenizer",
    ),
    (
        &[
            "aimv2",
            "clip",
            "clipseg",
            "groupvit",
            "omdet-turbo",
            "oneformer",
            "owlv2",
            "owlvit",
            "sam3",
            "sam3_video",
            "xclip",
            "altclip",
        ],
        "CLIPTokenizer",
    ),
    (&["gte", "jina_embeddings_v3", "metaclip_2", "trocr", "xlm-roberta", "xmod"], "XLMRobertaTokenizer"),
    (&["camembert"], "CamembertTokenizer"),
    (&["mpnet"], "MPNetTokenizer"),
    (&["mt5", "musicgen", "musicgen_melody", "switch_transformers", "t5", "longt5"], "T5Tokenizer"),
    (&["byt5"], "ByT5Tokenizer"),
    (&["canine"], "CanineTokenizer"),
    (&["marian"], "MarianTokenizer"),
    (&["pegasus"], "PegasusTokenizer"),
    (&["albert", "yoso"], "AlbertTokenizer"),
    (&["gemma", "gemma2", "gemma3", "gemma3_text"], "GemmaTokenizer"),
    (&["xlnet"], "XLNetTokenizer"),
    (&["mbart"], "MBartTokenizer"),
    (&["m2m_100"], "M2M100Tokenizer"),
    (&["deberta-v2"], "DebertaV2Tokenizer"),
    (&["falcon_mamba", "gpt_neox", "mamba", "mamba2", "mpt", "olmo", "olmoe", "rwkv", "xlstm"], "GPTNeoXTokenizer"),
    (
        &[
            "audioflamingo3",
            "colqwen2",
            "cosmos3_omni",
            "dots3_note",
            "fun_asr_nano",
            "hunyuan_vl",
            "internvl",
            "moss_transcribe_diarize",
            "ovis2",
            "qianfan_ocr",
            "qwen2",
            "qwen2_5_omni",
            "qwen2_5_vl",
            "qwen2_audio",
            "qwen2_moe",
            "qwen2_vl",
            "qwen3",
            "qwen3_asr",
            "qwen3_moe",
            "qwen3_next",
            "qwen3_omni_moe",
            "qwen3_vl",
            "qwen3_vl_moe",
        ],
        "Qwen2Tokenizer",
    ),
    (&["whisper"], "WhisperTokenizer"),
    (&["llama"], "LlamaTokenizer"),
];

/// Special tokens that a class has, by role, where the settings do not name them.
///
/// Source: the arguments of the classes of transformers 5. GPT-2's unknown token, which no text becomes, is left out.
pub(super) fn usual_names(class: &str) -> &'static [(&'static str, &'static str)] {
    const BERT: &[(&str, &str)] = &[
        ("unk_token", "[UNK]"),
        ("sep_token", "[SEP]"),
        ("pad_token", "[PAD]"),
        ("cls_token", "[CLS]"),
        ("mask_token", "[MASK]"),
    ];
    const MPNET: &[(&str, &str)] = &[
        ("bos_token", "<s>"),
        ("eos_token", "</s>"),
        ("unk_token", "[UNK]"),
        ("sep_token", "</s>"),
        ("pad_token", "<pad>"),
        ("cls_token", "<s>"),
        ("mask_token", "<mask>"),
    ];
    const ROBERTA: &[(&str, &str)] = &[
        ("bos_token", "<s>"),
        ("eos_token", "</s>"),
        ("unk_token", "<unk>"),
        ("sep_token", "</s>"),
        ("pad_token", "<pad>"),
        ("cls_token", "<s>"),
        ("mask_token", "<mask>"),
    ];
    const GPT_2: &[(&str, &str)] = &[("bos_token", "<|endoftext|>"), ("eos_token", "<|endoftext|>")];
    const CLIP: &[(&str, &str)] = &[
        ("bos_token", "<|startoftext|>"),
        ("eos_token", "<|endoftext|>"),
        ("unk_token", "<|endoftext|>"),
        ("pad_token", "<|endoftext|>"),
    ];
    const T5: &[(&str, &str)] = &[("eos_token", "</s>"), ("unk_token", "<unk>"), ("pad_token", "<pad>")];
    const M2M_100: &[(&str, &str)] =
        &[("bos_token", "<s>"), ("eos_token", "</s>"), ("unk_token", "<unk>"), ("pad_token", "<pad>")];
    const PEGASUS: &[(&str, &str)] =
        &[("eos_token", "</s>"), ("unk_token", "<unk>"), ("pad_token", "<pad>"), ("mask_token", "<mask_2>")];
    match class {
        "MPNetTokenizer" => MPNET,
        class if BERT_LIKE.contains(&class) => BERT,
        "GPT2Tokenizer" | "CodeGenTokenizer" | "WhisperTokenizer" => GPT_2,
        class if ROBERTA_LIKE.contains(&class) => ROBERTA,
        "XLMRobertaTokenizer" | "CamembertTokenizer" | "MBartTokenizer" | "MBart50Tokenizer" | "NllbTokenizer" => {
            ROBERTA
        }
        "M2M100Tokenizer" => M2M_100,
        "CLIPTokenizer" => CLIP,
        "T5Tokenizer" | "MT5Tokenizer" | "ByT5Tokenizer" => T5,
        "PegasusTokenizer" => PEGASUS,
        _ => &[],
    }
}

/// Classes that do what `BertTokenizer` does, MPNet's with names of its own for special tokens.
pub(super) const BERT_LIKE: [&str; 10] = [
    "BertTokenizer",
    "MPNetTokenizer",
    "DistilBertTokenizer",
    "ElectraTokenizer",
    "MobileBertTokenizer",
    "ConvBertTokenizer",
    "LayoutLMTokenizer",
    "LxmertTokenizer",
    "SqueezeBertTokenizer",
    "RetriBertTokenizer",
];

/// Classes that do what `RobertaTokenizer` does.
pub(super) const ROBERTA_LIKE: [&str; 5] =
    ["RobertaTokenizer", "BartTokenizer", "LongformerTokenizer", "LEDTokenizer", "MvpTokenizer"];

/// How many tokens that end a text a class puts between two: 2 in RoBERTa and what does as it does, 1 in BERT.
pub(super) fn n_between(class: &str) -> usize {
    let of_kin = ["MPNetTokenizer", "XLMRobertaTokenizer", "CamembertTokenizer"];
    if of_kin.contains(&class) || ROBERTA_LIKE.contains(&class) { 2 } else { 1 }
}

/// Classes of bytes whose tokenizers are GPT-2's.
const OF_BYTES: [&str; 3] = ["GPT2Tokenizer", "CodeGenTokenizer", "WhisperTokenizer"];

/// Classes that stand for any tokenizer, which is as its `tokenizer.json` says.
pub(super) const OF_ANY_KIND: [&str; 3] = ["PreTrainedTokenizer", "TokenizersBackend", "PythonBackend"];

/// Where a part of a `tokenizer.json` is not that of its class, as far as it is known here:
/// the key, and what the class has.
///
/// transformers 5 builds the tokenizers of these classes from the vocabulary and the settings, and leaves the rest of the
/// file aside; before it, and in the library itself, the file counts.
pub(super) fn contradictions(
    class: &str,
    flag: impl Fn(&str) -> Option<bool>,
    unk: Option<&str>,
    file: &Value,
) -> Vec<(&'static str, Value)> {
    let prefix_space = flag("add_prefix_space");
    let byte_level = || json!({"type": "ByteLevel", "add_prefix_space": prefix_space.unwrap_or(false)});
    let pieces =
        |puts_space: bool| json!({"type": "Metaspace", "prepend_scheme": if puts_space { "always" } else { "never" }});
    let words_of = |pieces: Value| json!({"type": "Sequence", "pretokenizers": [{"type": "WhitespaceSplit"}, pieces]});
    let sequence = |key: &str, types: &[&str]| {
        let parts: Vec<_> = types.iter().map(|kind| json!({ "type": kind })).collect();
        json!({"type": "Sequence", key: parts})
    };
    let mut parts = Vec::new();
    match class {
        class if BERT_LIKE.contains(&class) => {
            let normalizer = json!({
                "type": "BertNormalizer",
                "clean_text": true,
                "lowercase": flag("do_lower_case").unwrap_or(true),
                "handle_chinese_chars": flag("tokenize_chinese_chars").unwrap_or(true),
                "strip_accents": flag("strip_accents"),
            });
            let decoder = json!({"type": "WordPiece", "prefix": "##", "cleanup": true});
            parts.extend([("normalizer", normalizer), ("pre_tokenizer", json!({"type": "BertPreTokenizer"}))]);
            parts.push(("decoder", decoder));
            let words = json!({"continuing_subword_prefix": "##", "max_input_chars_per_word": 100});
            parts.extend([("model", words)].into_iter().chain(unk.map(|unk| ("model", json!({ "unk_token": unk })))));
        }
        class if ROBERTA_LIKE.contains(&class) || OF_BYTES.contains(&class) => {
            let decoder = json!({"type": "ByteLevel"});
            parts.extend([("normalizer", Value::Null), ("pre_tokenizer", byte_level()), ("decoder", decoder)]);
        }
        "GPTNeoXTokenizer" => {
            parts.extend([("normalizer", json!({"type": "NFC"})), ("pre_tokenizer", byte_level())]);
        }
        "Qwen2Tokenizer" => {
            let split = json!({"type": "Sequence", "pretokenizers": [{"type": "Split"}, byte_level()]});
            parts.extend([("normalizer", json!({"type": "NFC"})), ("pre_tokenizer", split)]);
        }
        "CLIPTokenizer" => {
            parts.push(("normalizer", sequence("normalizers", &["NFC", "Replace", "Lowercase"])));
            parts.push(("pre_tokenizer", sequence("pretokenizers", &["Split", "ByteLevel"])));
        }
        "T5Tokenizer" | "MBartTokenizer" => parts.push(("pre_tokenizer", words_of(pieces(true)))),
        "XLMRobertaTokenizer" | "CamembertTokenizer" => {
            parts.push(("pre_tokenizer", words_of(pieces(prefix_space != Some(false)))));
        }
        "GemmaTokenizer" => {
            let space = json!({"String": " "});
            parts.push(("normalizer", json!({"type": "Replace", "pattern": space, "content": "\u{2581}"})));
            parts.push(("pre_tokenizer", json!({"type": "Split", "pattern": space, "behavior": "MergedWithPrevious"})));
        }
        "PegasusTokenizer" | "MBart50Tokenizer" | "NllbTokenizer" => parts.push(("pre_tokenizer", pieces(true))),
        "LlamaTokenizer" => {
            let scheme = match (prefix_space, flag("legacy")) {
                (Some(false), _) => "never",
                (_, Some(true)) => "always",
                _ => "first",
            };
            let words = json!({"type": "Metaspace", "prepend_scheme": scheme, "split": false});
            parts.extend([("normalizer", Value::Null), ("pre_tokenizer", words)]);
        }
        _ => {
            let found = does(&file["normalizer"], "Lowercase");
            let said = flag("do_lower_case").filter(|&said| said != found);
            parts.extend(said.map(|said| ("normalizer", json!({ "lowercase": said }))));
            let found = does(&file["normalizer"], "StripAccents");
            let said = flag("keep_accents").filter(|&keeps| keeps == found);
            parts.extend(said.map(|keeps| ("normalizer", json!({ "strip_accents": !keeps }))));
            if ["AlbertTokenizer", "XLNetTokenizer"].contains(&class) {
                let puts_space = class == "XLNetTokenizer" || prefix_space != Some(false);
                parts.push(("pre_tokenizer", words_of(pieces(puts_space))));
            }
        }
    }
    parts.into_iter().filter(|(key, of_class)| !has(&file[key], of_class)).collect()
}

/// Whether a normaliser does what this kind does.
fn does(normalizer: &Value, kind: &str) -> bool {
    let parts = normalizer["normalizers"].as_array().into_iter().flatten();
    normalizer["type"] == kind || parts.into_iter().any(|part| does(part, kind))
}

/// How pieces begin in a pre-tokeniser, which old files say by another name.
fn scheme(pieces: &Value) -> Option<&str> {
    let of_old = || if pieces["add_prefix_space"] == false { "never" } else { "always" };
    (pieces["type"] == "Metaspace").then(|| pieces["prepend_scheme"].as_str().unwrap_or_else(of_old))
}

/// Whether a pre-tokeniser puts a space before a text, where it can.
pub(super) fn puts_space(pre_tokenizer: &Value) -> Option<bool> {
    match pre_tokenizer["type"].as_str()? {
        "ByteLevel" => pre_tokenizer["add_prefix_space"].as_bool(),
        "Sequence" => pre_tokenizer["pretokenizers"].as_array()?.iter().find_map(puts_space),
        _ => scheme(pre_tokenizer).map(|scheme| scheme != "never"),
    }
}

/// Whether each setting of `of_class` is one of `found`.
fn has(found: &Value, of_class: &Value) -> bool {
    match of_class {
        Value::Object(settings) => settings.iter().all(|(key, value)| match (found.get(key), scheme(found)) {
            (None, Some(scheme)) if key == "prepend_scheme" => value == scheme,
            (found, _) => has(found.unwrap_or(&Value::Null), value),
        }),
        Value::Array(parts) => found.as_array().is_some_and(|found| {
            found.len() == parts.len() && found.iter().zip(parts).all(|(found, part)| has(found, part))
        }),
        other => found == other,
    }
}
