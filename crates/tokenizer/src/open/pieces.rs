//! SentencePiece models whose ids the class of transformers arranges anew.

use std::path::Path;

use super::classes::{need, with_settings};
use super::settings::Settings;
use super::{Frame, Opened};
use crate::error::TokenizerError;
use crate::sentencepiece::{PieceKind, SentencePiece, SentencePieceFile};
use crate::specials::Specials;
use crate::tokenizer::{TokenId, Tokenizer};

/// By the class; `None` if it is not known here.
pub(super) fn open(settings: &mut Settings, class: &str) -> Result<Option<Opened>, TokenizerError> {
    let (name, arrange, encloses): (_, Arrange, _) = match class {
        "XLMRobertaTokenizer" => ("sentencepiece.bpe.model", xlm_roberta, true),
        "CamembertTokenizer" => ("sentencepiece.bpe.model", camembert, true),
        "T5Tokenizer" | "MT5Tokenizer" => ("spiece.model", t5, false),
        "PegasusTokenizer" => ("spiece.model", pegasus, false),
        _ => return Ok(None),
    };
    if settings.flag("add_prefix_space") == Some(false) {
        return Err(
            settings.unsupported("add_prefix_space is false, which SentencePiece models do not have".to_owned())
        );
    }
    let [path] = need(settings, [name])?;
    let file = SentencePiece::from_model(&path)?.file;
    let file = arrange(settings, file).map_err(|problem| settings.unsupported(format!("{name}: {problem}")))?;
    let model = SentencePiece::new(file).map_err(TokenizerError::invalid(&path))?;
    let frame = move |tokenizer: &dyn Tokenizer| {
        let Specials { bos, eos, .. } = *tokenizer.specials();
        Some(Frame { before: if encloses { vec![bos?] } else { Vec::new() }, after: vec![eos?] })
    };
    with_settings(settings, Box::new(model), frame).map(Some)
}

/// A model in a folder that names no class.
pub(super) fn without_class(settings: &mut Settings, path: &Path) -> Result<Opened, TokenizerError> {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    if settings.folder.join("vocab.json").is_file() {
        let problem =
            format!("vocab.json gives the pieces of {name} ids of its own; give tokenizer.json, or the class");
        return Err(settings.unsupported(problem));
    }
    if name == "sentencepiece.bpe.model" {
        let problem = format!(
            "the classes with a {name} count its pieces in different ways: say tokenizer_class in \
             tokenizer_config.json, or model_type in config.json"
        );
        return Err(settings.unsupported(problem));
    }
    settings.notes.push(format!("nothing says the class of the tokenizer; ids are those of {name}"));
    with_settings(settings, Box::new(SentencePiece::from_model(path)?), |_| None)
}

/// Puts the pieces of a model in the order of a class.
type Arrange = fn(&Settings, SentencePieceFile) -> Result<SentencePieceFile, String>;
type Pieces = Vec<(String, f32, PieceKind)>;

fn control(name: &str) -> (String, f32, PieceKind) {
    (name.to_owned(), 0.0, PieceKind::Control)
}

fn unknown(name: &str) -> (String, f32, PieceKind) {
    (name.to_owned(), 0.0, PieceKind::Unknown)
}

/// `file` with `head` in the place of its first `n` pieces, which must be special ones, and `tail` after the last.
fn arranged(mut file: SentencePieceFile, head: Pieces, n: usize, tail: Pieces) -> Result<SentencePieceFile, String> {
    let is_special = |kind: PieceKind| matches!(kind, PieceKind::Control | PieceKind::Unknown);
    if file.pieces.len() < n || !file.pieces[..n].iter().all(|&(_, _, kind)| is_special(kind)) {
        return Err(format!("its first {n} pieces are not special tokens, as the class expects"));
    }
    let head_has_unknown = head.iter().any(|&(_, _, kind)| kind == PieceKind::Unknown);
    let rest =
        file.pieces.split_off(n).into_iter().filter(|(_, _, kind)| !(head_has_unknown && *kind == PieceKind::Unknown));
    let rest: Pieces = rest.collect();
    file.pieces = [head, rest, tail].concat();
    let id_of =
        |name: &str| (0..).zip(&file.pieces).find(|(_, (piece, ..))| piece == name).map(|(id, _)| id as TokenId);
    file.specials = Specials::named(id_of);
    Ok(file)
}

/// fairseq's order, which is one ahead of the model's.
fn xlm_roberta(_: &Settings, file: SentencePieceFile) -> Result<SentencePieceFile, String> {
    let head = vec![control("<s>"), control("<pad>"), control("</s>"), unknown("<unk>")];
    arranged(file, head, 3, vec![control("<mask>")])
}

fn camembert(_: &Settings, file: SentencePieceFile) -> Result<SentencePieceFile, String> {
    let head = ["<s>NOTUSED", "<pad>", "</s>NOTUSED"].map(control);
    let head = [head.as_slice(), &[unknown("<unk>"), control("<unk>NOTUSED")]].concat();
    arranged(file, head, 1, vec![control("<mask>")])
}

fn t5(settings: &Settings, file: SentencePieceFile) -> Result<SentencePieceFile, String> {
    let n = settings.config.get("extra_ids").and_then(serde_json::Value::as_u64).unwrap_or(100);
    let n = usize::try_from(n).ok().filter(|&n| n <= 10_000).ok_or("extra_ids is more than 10,000")?;
    Ok(file.with_sentinels(n, 0))
}

/// Masks and names without use between the first two pieces and the others.
fn pegasus(settings: &Settings, mut file: SentencePieceFile) -> Result<SentencePieceFile, String> {
    let offset = settings.config.get("offset").and_then(serde_json::Value::as_u64).unwrap_or(103);
    if offset != 103 {
        return Err(format!("offset is {offset}, and 103 is read"));
    }
    let unused: Pieces = (2..offset).map(|n| control(&format!("<unk_{n}>"))).collect();
    let head = [vec![control("<pad>"), control("</s>"), control("<mask_1>"), control("<mask_2>")], unused].concat();
    let first_two: Vec<_> = file.pieces.iter().take(2).map(|(piece, ..)| piece.as_str()).collect();
    if first_two != ["<pad>", "</s>"] {
        return Err("its first pieces are not <pad> and </s>, as Pegasus's are".to_owned());
    }
    file.specials = Specials::default();
    let mut file = arranged(file, head, 2, Vec::new())?;
    file.specials.mask = (0..).zip(&file.pieces).find(|(_, (piece, ..))| piece == "<mask_2>").map(|(id, _)| id);
    Ok(file)
}
