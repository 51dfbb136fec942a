//! The names that transformers has for activations.

use attentive_attention::Activation;

/// Names and functions; the first name of a function is the one that is written.
const NAMES: [(&str, Activation); 8] = [
    ("relu", Activation::Relu),
    ("gelu", Activation::Gelu),
    ("gelu_python", Activation::Gelu),
    ("gelu_new", Activation::GeluTanh),
    ("gelu_pytorch_tanh", Activation::GeluTanh),
    ("gelu_fast", Activation::GeluTanh),
    ("swish", Activation::Silu),
    ("silu", Activation::Silu),
];

/// The function with this name.
pub(crate) fn ours(name: &str) -> Option<Activation> {
    NAMES.iter().find(|(known, _)| *known == name).map(|&(_, activation)| activation)
}

/// The name of a function.
pub(crate) fn theirs(activation: Activation) -> &'static str {
    NAMES.iter().find(|(_, known)| *known == activation).expect("every activation has a name").0
}

/// The problem of a name that is unknown here, the value of `key`.
pub(crate) fn unknown(key: &str, name: &str) -> String {
    format!("{key} is {name:?}; there are {}", NAMES.map(|(name, _)| name).join(", "))
}
