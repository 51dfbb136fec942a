//! The layout of `model.bin`, version 6: `ModelSpec._serialize` in `ctranslate2/specs/model_spec.py`.

use super::variables::{Value, Variables};

const VERSION: u32 = 6;
const SPEC: &str = "TransformerSpec";
const REVISION: u32 = 7;

/// The content of `model.bin`: little-endian numbers, texts with their length before and a zero after them.
pub(super) fn bytes(variables: &Variables) -> Vec<u8> {
    let mut file = Vec::new();
    push_u32(&mut file, VERSION);
    push_text(&mut file, SPEC);
    push_u32(&mut file, REVISION);
    push_u32(&mut file, variables.values.len() as u32);
    for (name, value) in &variables.values {
        push_text(&mut file, name);
        let shape = value.shape();
        file.push(shape.len() as u8);
        shape.iter().for_each(|&size| push_u32(&mut file, size as u32));
        let (kind, content) = value.content();
        file.push(kind);
        push_u32(&mut file, content.len() as u32);
        file.extend(content);
    }
    push_u32(&mut file, variables.aliases.len() as u32);
    for (alias, name) in &variables.aliases {
        push_text(&mut file, alias);
        push_text(&mut file, name);
    }
    file
}

impl Value {
    fn shape(&self) -> &[usize] {
        match self {
            Self::Float(tensor) => &tensor.shape,
            Self::Quantized { shape, .. } => shape,
            Self::Small(_) | Self::Short(_) => &[],
        }
    }

    /// CTranslate2's number of the kind (`include/ctranslate2/types.h`), and the values.
    fn content(&self) -> (u8, Vec<u8>) {
        match self {
            Self::Float(tensor) => (0, tensor.values.iter().flat_map(|value| value.to_le_bytes()).collect()),
            Self::Quantized { values, .. } => (1, values.iter().map(|&value| value as u8).collect()),
            Self::Small(value) => (1, vec![*value as u8]),
            Self::Short(value) => (2, value.to_le_bytes().to_vec()),
        }
    }
}

fn push_u32(file: &mut Vec<u8>, number: u32) {
    file.extend(number.to_le_bytes());
}

fn push_text(file: &mut Vec<u8>, text: &str) {
    file.extend((text.len() as u16 + 1).to_le_bytes());
    file.extend(text.as_bytes());
    file.push(0);
}
