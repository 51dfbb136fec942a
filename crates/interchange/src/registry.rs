//! The table of all architectures, for pages.

use std::fmt::Write;

use attentive_model::Role;

use crate::{Format, gguf};

/// Commands for models of a role, of which those with a mark need a head, or a chat template.
fn uses(role: Role) -> &'static str {
    match role {
        Role::EncoderDecoder => "`translate`, `summarize`, and `fill` with BART, mBART and T5",
        Role::LanguageModel => "`generate`, `score`, `chat` with a template",
        Role::Policy => "`play`",
        Role::SpeechRecognizer => "`transcribe`",
        Role::ImageEncoder => "`embed`, `attention`; with a classifier `classify`",
        _ => "`embed`, `similar`; with their heads `fill`, `classify`, `tag`, `answer`, `rerank`",
    }
}

/// Programs whose own checkpoints come in, their files, and what must be beside these.
const CHECKPOINTS: [[&str; 3]; 3] = [
    ["Marian", "`model.npz`", "vocabularies, SentencePiece models"],
    [
        "fairseq",
        "`checkpoint_best.pt`, `model.pt`",
        "`dict.*.txt`; codes of subword-nmt or fastBPE, or SentencePiece models",
    ],
    ["OpenNMT-py", "`.pt`", "codes of subword-nmt, or SentencePiece models"],
];

/// Every architecture that comes in or goes out, as tables in Markdown.
pub fn architectures() -> String {
    let roles = [
        (Role::EncoderDecoder, "Encoder–decoders"),
        (Role::LanguageModel, "Decoders"),
        (Role::Encoder, "Encoders"),
        (Role::Policy, "Policies"),
        (Role::SpeechRecognizer, "Recognisers of speech"),
        (Role::ImageEncoder, "Encoders of pictures"),
    ];
    let mut page = String::new();
    for (role, title) in roles {
        let rows = Format::ALL.iter().filter(|format| format.role() == role);
        // Text is written without fail.
        let _ = writeln!(page, "### {title}\n\n{}.\n", uses(role));
        let _ = writeln!(page, "| architecture, `--format` | models | in | out |\n|---|---|---|---|");
        for format in rows {
            let comes_in = if format.can_import() { "yes" } else { "no" };
            let _ = writeln!(page, "| `{format}` | {} | {comes_in} | yes |", format.models());
        }
        page.push('\n');
    }
    let _ =
        writeln!(page, "### Checkpoints of training programs\n\nEncoder–decoders come in, with what is beside them.\n");
    let _ = writeln!(page, "| program | file | beside it |\n|---|---|---|");
    for [program, file, beside] in CHECKPOINTS {
        let _ = writeln!(page, "| {program} | {file} | {beside} |");
    }
    page.push('\n');
    let names = gguf::names().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    let _ = writeln!(page, "### GGUF files\n\nDecoders of these architectures come in: {names}.");
    page
}
