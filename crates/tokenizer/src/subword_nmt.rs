//! Text as subword-nmt cuts it.

use crate::Tokenizer;

/// The words of `text`, cut where a tokenizer's tokens meet, with `@@ ` at each cut, and the white space around them.
///
/// Source: `BPE.process_line` of subword-nmt's `apply_bpe.py`. Tokens that stand for parts of one character, which
/// subword-nmt does not know, are one piece.
///
/// ```
/// use attentive_tokenizer::{BpeTrainer, PreTokenization, subword_nmt};
///
/// let tokenizer = BpeTrainer::with_merges(1).pre_tokenization(PreTokenization::Spaces).train(["hug pug"])?;
/// assert_eq!(subword_nmt(&tokenizer, "hug bug"), "h@@ ug b@@ ug");
/// # Ok::<(), attentive_tokenizer::TokenizerError>(())
/// ```
pub fn subword_nmt(tokenizer: &dyn Tokenizer, text: &str) -> String {
    let spans = tokenizer.encode_with_offsets(text);
    let is_edge = |c| matches!(c, '\r' | '\n' | ' ');
    let body = text.trim_matches(is_edge);
    let start = text.len() - text.trim_start_matches(is_edge).len();
    let mut cuts = spans.iter().map(|(_, range)| range.start).filter(|&at| at > start).peekable();
    let mut line = text[..start].to_owned();
    for (at, c) in body.char_indices() {
        let at = start + at;
        let mut is_cut = false;
        while cuts.next_if(|&cut| cut <= at).is_some_and(|cut| {
            is_cut |= cut == at;
            true
        }) {}
        if c == ' ' {
            if !line.ends_with(' ') {
                line.push(' ');
            }
            continue;
        }
        if is_cut && !line.ends_with(' ') {
            line.push_str("@@ ");
        }
        line.push(c);
    }
    line + &text[start + body.len()..]
}
