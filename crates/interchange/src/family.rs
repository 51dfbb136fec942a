//! The systems that models come from and go to: one row each.

use std::{fmt, path::Path, str::FromStr};

use attentive_bundle::Bundle;
use attentive_model::Role;

use crate::{
    ExportConfig, InterchangeError, bert, canine, ctranslate2, decision_transformer,
    decoder::{
        Architecture as _, Gemma, Gemma2, Gemma3, GptNeoX, Llama, Mistral, Opt, Phi, Phi3, Qwen2, Qwen3, Starcoder2,
    },
    gpt2,
    layout::FindPlaces,
    reader::Reader,
    seq2seq,
    source::Source,
    t5, vit, whisper,
};

/// Reads a family's model from a folder whose `config.json` is of it.
pub(crate) type Import = fn(&mut Reader<'_>) -> Result<Bundle, InterchangeError>;

/// Writes a model's folder; tells what could not be expressed.
pub(crate) type Export = fn(&Bundle, &ExportConfig, &Path) -> Result<Vec<String>, InterchangeError>;

/// A family of models of another system.
pub(crate) struct Family {
    /// Its name, as users write it; in transformers, the value of `model_type`.
    pub(crate) name: &'static str,
    /// The beginning of its classes' names in transformers, which tells the family if `model_type` is missing.
    pub(crate) class_prefix: &'static str,
    /// Reads a model; `None` if models can only be exported to the system.
    pub(crate) import: Option<Import>,
    /// Writes a model.
    pub(crate) export: Export,
    /// Where the parameters of a model are there; `None` if no adapters are read or written.
    pub(crate) places: Option<FindPlaces>,
}

/// Declares [`Format`] and the table of families, a row for each.
macro_rules! families {
    ($($(#[$doc:meta])* $format:ident = $family:expr, $role:ident: $models:literal;)*) => {
        /// A system to export to.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[non_exhaustive]
        pub enum Format {
            $($(#[$doc])* $format,)*
        }

        impl Format {
            /// Every format.
            pub const ALL: &[Self] = &[$(Self::$format),*];

            pub(crate) fn family(self) -> &'static Family {
                match self {
                    $(Self::$format => &$family,)*
                }
            }

            /// What its models are.
            pub fn role(self) -> Role {
                match self {
                    $(Self::$format => Role::$role,)*
                }
            }

            /// Models that users know it by.
            pub fn models(self) -> &'static str {
                match self {
                    $(Self::$format => $models,)*
                }
            }
        }
    };
}

families! {
    /// `MarianMTModel` of transformers: post-norm.
    Marian = seq2seq::MARIAN, EncoderDecoder: "Marian: OPUS-MT";
    /// `PegasusForConditionalGeneration` of transformers: pre-norm.
    Pegasus = seq2seq::PEGASUS, EncoderDecoder: "Pegasus";
    /// `BartForConditionalGeneration` of transformers.
    Bart = seq2seq::BART, EncoderDecoder: "BART";
    /// `MBartForConditionalGeneration` of transformers: mBART and mBART-50.
    MBart = seq2seq::MBART, EncoderDecoder: "mBART, mBART-50";
    /// `M2M100ForConditionalGeneration` of transformers: M2M100 and NLLB.
    M2M100 = seq2seq::M2M_100, EncoderDecoder: "M2M100, NLLB";
    /// `GPT2LMHeadModel` of transformers.
    Gpt2 = gpt2::FAMILY, LanguageModel: "GPT-2";
    /// `LlamaForCausalLM` of transformers.
    Llama = Llama::FAMILY, LanguageModel: "Llama 1 to 3, SmolLM 1 and 2, TinyLlama";
    /// `MistralForCausalLM` of transformers.
    Mistral = Mistral::FAMILY, LanguageModel: "Mistral 7B";
    /// `Qwen2ForCausalLM` of transformers.
    Qwen2 = Qwen2::FAMILY, LanguageModel: "Qwen 2 and 2.5";
    /// `Qwen3ForCausalLM` of transformers.
    Qwen3 = Qwen3::FAMILY, LanguageModel: "Qwen 3";
    /// `GemmaForCausalLM` of transformers.
    Gemma = Gemma::FAMILY, LanguageModel: "Gemma";
    /// `Gemma2ForCausalLM` of transformers.
    Gemma2 = Gemma2::FAMILY, LanguageModel: "Gemma 2";
    /// `Gemma3ForCausalLM` of transformers.
    Gemma3 = Gemma3::FAMILY, LanguageModel: "Gemma 3; of one that reads pictures, its text model";
    /// `PhiForCausalLM` of transformers.
    Phi = Phi::FAMILY, LanguageModel: "Phi 1, 1.5 and 2";
    /// `Phi3ForCausalLM` of transformers.
    Phi3 = Phi3::FAMILY, LanguageModel: "Phi 3, 3.5 and 4";
    /// `GPTNeoXForCausalLM` of transformers.
    GptNeoX = GptNeoX::FAMILY, LanguageModel: "GPT-NeoX, Pythia";
    /// `Starcoder2ForCausalLM` of transformers.
    Starcoder2 = Starcoder2::FAMILY, LanguageModel: "StarCoder 2";
    /// `OPTForCausalLM` of transformers.
    Opt = Opt::FAMILY, LanguageModel: "OPT";
    /// `BertModel` of transformers, or the class with the model's heads.
    Bert = bert::BERT, Encoder: "BERT, MiniLM, BGE, E5";
    /// `RobertaModel` of transformers, or the class with the model's heads.
    Roberta = bert::ROBERTA, Encoder: "RoBERTa";
    /// `XLMRobertaModel` of transformers, or the class with the model's heads.
    XlmRoberta = bert::XLM_ROBERTA, Encoder: "XLM-RoBERTa, multilingual E5";
    /// `DistilBertModel` of transformers, or the class with the model's heads.
    DistilBert = bert::DISTILBERT, Encoder: "DistilBERT";
    /// `MPNetModel` of transformers, or the class with the model's heads.
    Mpnet = bert::MPNET, Encoder: "MPNet, all-mpnet-base-v2";
    /// `ElectraModel` of transformers, or the class with the model's heads.
    Electra = bert::ELECTRA, Encoder: "ELECTRA";
    /// `AlbertModel` of transformers, or the class with the model's heads.
    Albert = bert::ALBERT, Encoder: "ALBERT";
    /// `ModernBertModel` of transformers, or the class with the model's head.
    ModernBert = bert::MODERN_BERT, Encoder: "ModernBERT, gte-modernbert";
    /// `CanineModel` of transformers, or `CanineForSequenceClassification`.
    Canine = canine::FAMILY, Encoder: "CANINE-C and -S";
    /// `T5ForConditionalGeneration` of transformers.
    T5 = t5::FAMILY, EncoderDecoder: "T5, T5 1.1, ByT5";
    /// `DecisionTransformerModel` of transformers.
    DecisionTransformer = decision_transformer::FAMILY, Policy: "Decision Transformer";
    /// `WhisperForConditionalGeneration` of transformers.
    Whisper = whisper::FAMILY, SpeechRecognizer: "Whisper tiny to large-v3-turbo";
    /// `ViTModel` of transformers, or `ViTForImageClassification`.
    Vit = vit::VIT, ImageEncoder: "ViT";
    /// `DeiTModel` of transformers, or the class with the model's heads.
    Deit = vit::DEIT, ImageEncoder: "DeiT";
    /// CTranslate2: encoder–decoders.
    CTranslate2 = ctranslate2::FAMILY, EncoderDecoder: "any encoder–decoder";
}

impl Format {
    /// The name, as users write it.
    pub fn name(self) -> &'static str {
        self.family().name
    }

    /// Whether models can be imported from this system too.
    pub fn can_import(self) -> bool {
        // Folders of CTranslate2 are known by their files.
        self.family().import.is_some() || self == Self::CTranslate2
    }

    /// The classes of transformers whose folders are read; none of families that know their classes themselves.
    fn classes(self) -> Vec<String> {
        let ends: &[&str] = match (self, self.role()) {
            (Self::Marian, _) => &["MTModel"],
            (Self::Gpt2, _) => &["LMHeadModel"],
            (Self::Gemma3, _) => &["ForCausalLM", "ForConditionalGeneration"],
            (_, Role::LanguageModel) => &["ForCausalLM"],
            (_, Role::EncoderDecoder | Role::SpeechRecognizer) => &["ForConditionalGeneration"],
            _ => &[],
        };
        ends.iter().map(|end| format!("{}{end}", self.family().class_prefix)).collect()
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Format {
    type Err = UnknownName;

    fn from_str(name: &str) -> Result<Self, UnknownName> {
        let found = Self::ALL.iter().copied().find(|format| format.name() == name);
        found.ok_or_else(|| UnknownName {
            what: "format",
            name: name.to_owned(),
            known: names(Self::ALL.iter().map(|format| format.name())),
        })
    }
}

/// A name that is unknown here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown {what} `{name}`; there are {known}")]
pub struct UnknownName {
    /// What it should be the name of.
    pub(crate) what: &'static str,
    /// The name.
    pub(crate) name: String,
    /// The names that there are.
    pub(crate) known: String,
}

/// The families that can be imported.
fn importable() -> impl Iterator<Item = (&'static Family, Import)> {
    Format::ALL.iter().filter_map(|format| Some((format.family(), format.family().import?)))
}

/// The names of the families that can be imported.
pub(crate) fn importable_names() -> impl Iterator<Item = &'static str> {
    importable().map(|(family, _)| family.name)
}

/// What the beginnings of other architectures' names do not say: the architecture here that each is nearest to.
const KIN: [(&str, &str); 13] = [
    ("llama", "baichuan cohere deepseek exaone glm gpt_oss granite internlm minicpm olmo smollm stablelm yi"),
    ("mistral", "ministral mixtral"),
    ("gemma", "paligemma recurrent_gemma"),
    ("gpt_neox", "bloom codegen falcon gptj mpt persimmon"),
    ("gpt2", "biogpt gpt_bigcode"),
    ("bert", "big_bird convbert ernie megatron-bert mobilebert nezha nomic_bert rembert roformer squeezebert"),
    ("roberta", "camembert data2vec-text deberta longformer"),
    ("t5", "longt5 mt5 switch_transformers umt5"),
    ("bart", "blenderbot led mvp plbart prophetnet"),
    ("pegasus", "bigbird_pegasus"),
    ("m2m_100", "nllb seamless"),
    ("whisper", "hubert moonshine speech_to_text wav2vec2"),
    ("vit", "beit clip dinov2 siglip swin"),
];

/// The name of what is nearest to `found`, if anything is: by [`KIN`], else the one that begins most as `found` does, as the
/// names of architectures of one line do.
pub(crate) fn nearest(found: &str, known: impl Iterator<Item = &'static str>) -> Option<&'static str> {
    /// Fewer letters in common say nothing.
    const LEAST: usize = 3;
    let known: Vec<&str> = known.collect();
    let is_kin = |names: &str| names.split(' ').any(|name| found.starts_with(name));
    let of_kin = KIN.iter().find(|(family, names)| known.contains(family) && is_kin(names)).map(|(family, _)| *family);
    let in_common = |name: &str| name.chars().zip(found.chars()).take_while(|(a, b)| a == b).count();
    let begins_so = known.into_iter().filter(|name| in_common(name) >= LEAST);
    of_kin.or_else(|| begins_so.max_by_key(|name| in_common(name)))
}

/// The name and the import of the family that `model_type`, or in its absence one of the `classes`, is of.
pub(crate) fn import_of(model_type: &str, classes: &[String]) -> Option<(&'static str, Import)> {
    let is_of_class = |family: &Family| classes.iter().any(|class| is_class(class, family.class_prefix));
    let mut families = importable();
    let found = match model_type {
        "" => families.find(|(family, _)| is_of_class(family)),
        name => families.find(|(family, _)| family.name == name),
    };
    found.map(|(family, import)| (family.name, import))
}

/// The name and the import of the family that the tensors of a file are of: their names begin with that of the model. A BERT
/// without heads has bare names, as a RoBERTa has, but more than one segment.
pub(crate) fn import_by_tensors(source: &Source) -> Option<(&'static str, Import)> {
    let is_bare = source.shape("embeddings.token_type_embeddings.weight").is_some_and(|shape| shape[0] > 1);
    let is_of = |family: &Family| match family.name {
        "bert" if is_bare => true,
        _ => source.has_any(&format!("{}.", family.class_prefix.to_lowercase())),
    };
    let found = importable().find(|(family, _)| is_of(family));
    found.map(|(family, import)| (family.name, import))
}

/// What `config.json` names as the model's classes, of those that are `known` of the family whose names begin with `prefix`.
/// A class of another project is noted, and another of the family's if its head is to be left out.
///
/// # Errors
/// [`InterchangeError::Unsupported`] if a class of the family is for another task.
pub(crate) fn known_classes<C: Copy>(
    reader: &mut Reader<'_>,
    source: &mut Source,
    prefix: &str,
    known: &[(&'static str, C)],
) -> Result<Vec<C>, InterchangeError> {
    let (mut found, mut problems) = (Vec::new(), Vec::new());
    for name in reader.classes() {
        if let Some(&(_, class)) = known.iter().find(|(known, _)| *known == name) {
            found.push(class);
        } else if !is_class(&name, prefix) {
            reader.notes.push(format!("architectures has {name:?}, a class of its own: its tensors say what it is"));
        } else if reader.options.drop_unknown {
            // What it calls a classifier is another head than ours.
            source.drop_all(|name| name.starts_with("classifier."));
            reader.notes.push(format!("architectures has {name:?}, whose head is left out"));
        } else {
            let known = names(known.iter().map(|&(name, _)| name));
            problems.push(format!("architectures has {name:?}; there are {known}; drop_unknown leaves its head out"));
        }
    }
    match problems.is_empty() {
        true => Ok(found),
        false => Err(InterchangeError::Unsupported { path: reader.config_path(), problems }),
    }
}

/// What an import of this architecture fails by, said of the class that `config.json` names, if that is another than what
/// is read: without its head, with another, or half of it. One that fits is read, whatever it is called.
pub(crate) fn by_class(error: InterchangeError, architecture: &str, reader: &Reader<'_>) -> InterchangeError {
    let Some(format) = Format::ALL.iter().find(|format| format.name() == architecture) else { return error };
    // Half of an encoder–decoder says so itself.
    let is_half = format.role() == Role::EncoderDecoder && reader.setting("is_encoder_decoder") == Some(&false.into());
    let (lacks, exceeds) = match &error {
        InterchangeError::Mismatch { lacks, exceeds, .. } => (*lacks, *exceeds),
        InterchangeError::Unsupported { .. } => (is_half, false),
        _ => return error,
    };
    let (read, classes) = (format.classes(), reader.classes());
    let is_other = |class: &&String| is_class(class, format.family().class_prefix) && !read.contains(class);
    let Some(class) = classes.iter().find(is_other).filter(|_| !read.is_empty()) else { return error };
    let what = match (lacks, exceeds) {
        (true, _) => ", which has what this lacks",
        (false, true) => "; drop_unknown leaves its head out",
        (false, false) => return error,
    };
    let problem = format!("architectures has {class:?}; there is {}{what}", read.join(", "));
    InterchangeError::Unsupported { path: reader.config_path(), problems: vec![problem] }
}

/// Whether a class of transformers is of the family whose classes' names begin with `prefix`.
pub(crate) fn is_class(class: &str, prefix: &str) -> bool {
    const ENDS: [&str; 7] = ["Model", "For", "LMHead", "MT", "DoubleHeads", "EncoderModel", "PreTrained"];
    class.strip_prefix(prefix).is_some_and(|rest| ENDS.iter().any(|end| rest.starts_with(end)))
}

fn names(names: impl Iterator<Item = &'static str>) -> String {
    names.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kin_are_of_architectures_that_are_read_and_are_not_read_themselves() {
        let known: Vec<&str> = importable_names().collect();
        for (family, names) in KIN {
            assert!(known.contains(&family), "{family}");
            for name in names.split(' ') {
                assert_eq!(nearest(name, importable_names()), Some(family), "{name}");
                assert!(known.iter().all(|known| !known.starts_with(name)), "{name}");
            }
        }
    }
}
