//! How probable lines are to a language model.

use attentive_bundle::{Generator, TextScore};
use attentive_collective::Collective;
use attentive_core::LanguageModel;

use crate::{Context, Error, Line, Lines, Result, share_blocks};

/// Lines that a process scores in its turn: each is a pass of the model by itself, so that few are worth the exchange.
const LINES_AT_ONCE: usize = 16;

/// What a process tells of a line: its text, the bits of its log-probability, and its numbers of tokens and of bytes.
type Told = (String, u64, usize, usize);

/// Scores lines, shared by processes, each of which calls it; `write` gets each text and its score in the first one, in the order
/// of lines. Returns the number of lines that were written and the sum of their scores, added in that order: the same bits for
/// any number of processes. The others have written none.
///
/// # Errors
/// Those of the lines, of the model in any process and of `write`; a process has ended.
pub fn score_lines<M: LanguageModel, E: From<Error>>(
    peers: &dyn Collective,
    generator: &Generator<M>,
    begin: bool,
    lines: Lines,
    mut write: impl FnMut(&str, &TextScore) -> Result<(), E>,
) -> Result<(u64, TextScore), E> {
    let scored = |block: &Vec<Line>| {
        let mut told: Vec<Told> = Vec::with_capacity(block.len());
        for line in block {
            match generator.score(&line.text, begin).with_context(|| line.at.to_string()) {
                Ok(TextScore { log_prob, n_tokens, n_bytes }) => {
                    told.push((line.text.clone(), log_prob.to_bits(), n_tokens, n_bytes));
                }
                Err(error) => return Ok((told, Some(error))),
            }
        }
        Ok((told, None))
    };
    // Where there are no others, each line is answered at once.
    let blocks = lines.blocks(if peers.size() == 1 { 1 } else { LINES_AT_ONCE });
    let (mut n_lines, mut all) = (0, TextScore { log_prob: 0.0, n_tokens: 0, n_bytes: 0 });
    share_blocks(peers, blocks, scored, |told: Vec<Told>| -> Result<(), E> {
        for (text, log_prob, n_tokens, n_bytes) in told {
            let score = TextScore { log_prob: f64::from_bits(log_prob), n_tokens, n_bytes };
            write(&text, &score)?;
            all.log_prob += score.log_prob;
            all.n_tokens += n_tokens;
            all.n_bytes += n_bytes;
            n_lines += 1;
        }
        Ok(())
    })?;
    Ok((n_lines, all))
}
