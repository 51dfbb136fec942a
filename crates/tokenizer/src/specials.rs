//! Special tokens.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::tokenizer::TokenId;

/// The ids of the special tokens that a vocabulary has.
///
/// [`decode`](crate::Tokenizer::decode) skips them, and [`encode`](crate::Tokenizer::encode) never makes them from
/// text, `unk` excepted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Specials {
    /// Fills the end of shorter sequences of a batch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pad: Option<TokenId>,
    /// Begins a sequence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bos: Option<TokenId>,
    /// Ends a sequence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub eos: Option<TokenId>,
    /// Stands for what the vocabulary lacks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unk: Option<TokenId>,
    /// Hides a token that a masked language model has to guess.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mask: Option<TokenId>,
    /// Begins BERT's input; its output vector stands for the whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cls: Option<TokenId>,
    /// Separates and ends the segments of BERT's input.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sep: Option<TokenId>,
}

/// The names of special tokens by role, as settings have them: `bos_token`, …
pub(crate) type SpecialNames = BTreeMap<String, String>;

impl Specials {
    /// The ids that are set, without order.
    pub fn iter(&self) -> impl Iterator<Item = TokenId> {
        [self.pad, self.bos, self.eos, self.unk, self.mask, self.cls, self.sep].into_iter().flatten()
    }

    /// The token that a generated sequence begins with: `bos`; or BERT's `[CLS]`; or padding, as in T5 and ByT5.
    pub fn begin(&self) -> Option<TokenId> {
        self.bos.or(self.cls).or(self.pad)
    }

    /// The token that a sequence ends with: `eos`, or BERT's `[SEP]`.
    pub fn end(&self) -> Option<TokenId> {
        self.eos.or(self.sep)
    }

    /// The special tokens of a vocabulary by their usual names; `id_of` looks a name up.
    pub(crate) fn named(id_of: impl Fn(&str) -> Option<TokenId>) -> Self {
        let first = |names: &[&str]| names.iter().find_map(|name| id_of(name));
        Self {
            pad: first(&["<pad>", "[PAD]"]),
            bos: first(&["<s>", "<|endoftext|>"]),
            eos: first(&["</s>", "<|endoftext|>"]),
            unk: first(&["<unk>", "[UNK]"]),
            mask: first(&["<mask>", "[MASK]"]),
            cls: first(&["[CLS]"]),
            sep: first(&["[SEP]"]),
        }
    }

    /// The fields by the names that settings have for them.
    fn field(&mut self, role: &str) -> Option<&mut Option<TokenId>> {
        Some(match role {
            "pad_token" => &mut self.pad,
            "bos_token" => &mut self.bos,
            "eos_token" => &mut self.eos,
            "unk_token" => &mut self.unk,
            "mask_token" => &mut self.mask,
            "cls_token" => &mut self.cls,
            "sep_token" => &mut self.sep,
            _ => return None,
        })
    }

    /// These special tokens, but for those that `names` gives by role (`bos_token`, …), where `id_of` knows the name.
    ///
    /// A token that begins or ends both a sequence and BERT's input is `bos` or `eos` alone, as RoBERTa's are.
    pub(crate) fn renamed(mut self, names: &SpecialNames, id_of: impl Fn(&str) -> Option<TokenId>) -> Self {
        for (role, name) in names {
            if let (Some(field), Some(id)) = (self.field(role), id_of(name)) {
                *field = Some(id);
            }
        }
        self.cls = self.cls.filter(|&cls| self.bos != Some(cls));
        self.sep = self.sep.filter(|&sep| self.eos != Some(sep));
        self
    }

    /// Checks that all ids are below `vocab_size`.
    pub(crate) fn check(&self, vocab_size: usize) -> Result<(), String> {
        match self.iter().find(|&id| id as usize >= vocab_size) {
            Some(id) => Err(format!("specials has the id {id}, and vocab has {vocab_size} entries")),
            None => Ok(()),
        }
    }

    /// Whether `id` is a special token.
    pub fn contains(&self, id: TokenId) -> bool {
        self.iter().any(|special| special == id)
    }
}
