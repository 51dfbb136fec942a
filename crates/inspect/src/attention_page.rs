//! What a model looks at, as a page that needs nothing else.

use attentive_bundle::PatchAttention;
use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde_json::{Value, json};

use crate::{
    AttentionKind, AttentionWeights, View,
    markup::{escape, policy},
};

const PAGE: &str = include_str!("page/attention.html");
const STYLE: &str = include_str!("page/attention.css");
const SCRIPT: &str = include_str!("page/attention.js");

/// A page of every layer and head: a grid of small maps, the chosen one large, and lines between the words, for one head or for
/// all. It loads nothing, works by keyboard and with a screen reader, and follows the reader's choice of light or dark.
///
/// Weights are rounded to 1/255.
#[derive(Debug, Clone, Copy)]
pub struct AttentionPage<'a> {
    /// The page's name: the model's, for example.
    pub title: &'a str,
    /// Texts that were read and written, each with what it is: `source`, `translation`.
    pub texts: &'a [(&'a str, &'a str)],
    /// What the model looks at; of a picture, one view of what the vector that represents it looks at, whose rows and columns
    /// are those of the patches.
    pub views: &'a [View],
    /// The picture, PNG, if the model reads pictures.
    pub picture: Option<&'a [u8]>,
}

impl AttentionPage<'_> {
    /// The page.
    pub fn to_html(&self) -> String {
        let picture = self.picture.map(|png| format!("data:image/png;base64,{}", BASE64_STANDARD.encode(png)));
        let maps: Vec<Value> = self.views.iter().map(|view| self.map(view)).collect();
        let data = json!({ "maps": maps, "picture": picture });
        let text =
            |(what, text): &(&str, &str)| format!("<dt>{}</dt><dd dir=\"auto\">{}</dd>", escape(what), escape(text));
        let texts: String = self.texts.iter().map(text).collect();
        // No text of the model's ends the element that holds the data.
        let data = data.to_string().replace('<', "\\u003c");
        let title = escape(self.title);
        let mut page = String::with_capacity(PAGE.len() + STYLE.len() + SCRIPT.len() + data.len());
        for part in PAGE.split_inclusive(['{', '}']) {
            match part.strip_suffix(['{', '}']).unwrap_or(part) {
                "policy" => page += &policy(STYLE, Some(SCRIPT)),
                "title" => page += &title,
                "style" => page += STYLE,
                "texts" => page += &texts,
                "data" => page += &data,
                "script" => page += SCRIPT,
                own => page += own,
            }
        }
        page
    }

    /// The page of a picture, called `title`.
    pub fn of_picture(title: &str, seen: PatchAttention) -> String {
        let PatchAttention { picture, grid: [rows, columns], n_heads, layers } = seen;
        let numbers = |n: usize| (1..=n).map(|number| number.to_string()).collect();
        let weights = AttentionWeights::new(layers, [n_heads, rows, columns]);
        let view = View { kind: AttentionKind::Encoder, weights, queries: numbers(rows), keys: numbers(columns) };
        AttentionPage { title, texts: &[], views: &[view], picture: Some(&picture.to_png()) }.to_html()
    }

    fn map(&self, View { kind, weights, queries, keys }: &View) -> Value {
        let translates = self.views.iter().any(|view| view.kind == AttentionKind::Cross);
        let verb = if translates && *kind != AttentionKind::Encoder { "writing" } else { "reading" };
        let title = match kind {
            AttentionKind::Encoder => "Self-attention of the encoder",
            AttentionKind::Decoder => "Self-attention of the decoder",
            AttentionKind::Cross => "Attention of the decoder to the encoder",
        };
        let byte = |&weight: &f32| (weight.clamp(0.0, 1.0) * 255.0).round() as u8;
        let bytes: Vec<u8> = weights.heads().flat_map(|(layer, head)| weights.head(layer, head)).map(byte).collect();
        json!({
            "name": kind.name(), "title": title, "verb": verb, "rows": queries, "columns": keys,
            "layers": weights.n_layers(), "heads": weights.n_heads(), "weights": BASE64_STANDARD.encode(bytes),
        })
    }
}
