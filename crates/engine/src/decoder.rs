//! A decoder that reads a source, and its memory of the rows that it writes.

use std::sync::Arc;

use attentive_core::{Scores, TokenId, Turn, Want};

use crate::{
    attention::Span,
    embedding::{Embedding, Projection},
    layer::Norm,
    restriction::{Among, Restriction},
    stack::{Memory, NewTokens, Past, Scratch, SourceRun, Stack},
};

/// A decoder from tokens to the scores of those that follow.
#[derive(Debug)]
pub(crate) struct Decoder {
    pub(crate) embedding: Embedding,
    /// Norm of what the stack reads.
    pub(crate) norm: Option<Norm>,
    pub(crate) stack: Stack,
    pub(crate) projection: Projection,
}

/// A decoder's memory of each row.
#[derive(Debug, Clone)]
pub struct State {
    /// Shared by its clones.
    memory: Arc<Memory>,
    /// The sentence, or recording, of `memory` that each row is written of.
    sentence_of_row: Vec<usize>,
    /// The tokens that each sentence is written of, if not of all.
    restriction: Option<Arc<Restriction>>,
    past: Past,
    scratch: Scratch,
}

impl State {
    /// Makes row `i` continue the old row `parents[i]`.
    pub(crate) fn reorder(&mut self, parents: &[usize]) {
        self.past.reorder(parents);
        self.sentence_of_row = parents.iter().map(|&parent| self.sentence_of_row[parent]).collect();
    }

    /// What the rows are held to, if they are to anything.
    fn among(&self) -> Option<Among> {
        let restriction = Arc::clone(self.restriction.as_ref()?);
        Some(Among { restriction, sentence_of_row: self.sentence_of_row.clone() })
    }
}

impl Decoder {
    /// States of so many rows each, which share out the sentences of `memory`.
    pub(crate) fn start(&self, memory: Memory, rows: &[usize]) -> Vec<State> {
        let memories = memory.split(rows).into_iter();
        let state = |(memory, &rows): (Memory, &usize)| {
            let (memory, past) = (Arc::new(memory), self.stack.past(rows));
            let sentence_of_row = (0..rows).collect();
            State { memory, sentence_of_row, restriction: None, past, scratch: Scratch::default() }
        };
        memories.zip(rows).map(state).collect()
    }

    /// Holds the sentences of a state to some tokens each, as [`NextToken::restrict`](attentive_core::NextToken::restrict).
    pub(crate) fn restrict(&self, state: &mut State, allowed: &[Vec<TokenId>]) {
        assert_eq!(allowed.len(), state.sentence_of_row.len(), "restrict: one list of tokens for each row");
        assert!(state.sentence_of_row.iter().copied().eq(0..allowed.len()), "restrict: a state that was not reordered");
        state.restriction = Some(Arc::new(Restriction::new(&self.projection, allowed)));
    }

    /// One step of one state, as [`NextToken::advance`](attentive_core::NextToken::advance).
    pub(crate) fn advance(&self, tokens: &[TokenId], state: &mut State, want: Want) -> Scores {
        self.advance_together(&mut [Turn { tokens, state, want }]).swap_remove(0)
    }

    /// One step of one state, with the attention of the last token of each row to its source, as
    /// [`NextToken::advance_attending`](attentive_core::NextToken::advance_attending).
    pub(crate) fn advance_attending(
        &self,
        tokens: &[TokenId],
        state: &mut State,
        want: Want,
    ) -> (Scores, Vec<Vec<f32>>) {
        let new = tokens.len().checked_div(state.sentence_of_row.len()).unwrap_or(0).max(1);
        state.scratch.attention = Some(Vec::new());
        let scores = self.advance(tokens, state, want);
        let attention = state.scratch.attention.take().unwrap_or_default();
        (scores, attention.into_iter().skip(new - 1).step_by(new).collect())
    }

    /// One step of several states.
    pub(crate) fn advance_together(&self, turns: &mut [Turn<'_, State>]) -> Vec<Scores> {
        let Some(first) = turns.first_mut() else { return Vec::new() };
        let mut scratch = std::mem::take(&mut first.state.scratch);
        let n_tokens: usize = turns.iter().map(|turn| turn.tokens.len()).sum();
        let wants: Vec<(usize, Want)> =
            turns.iter().map(|turn| (turn.state.sentence_of_row.len(), turn.want)).collect();
        let among: Vec<Option<Among>> = turns.iter().map(|turn| turn.state.among()).collect();
        let scores = self.projection.scores_among(&mut scratch, &wants, &among, |scratch| {
            scratch.x.clear();
            let (mut new_tokens, mut sources) = (Vec::<NewTokens<'_>>::new(), Vec::<SourceRun<'_>>::new());
            let mut first = 0;
            for Turn { tokens, state: State { memory, sentence_of_row, past, .. }, .. } in &mut *turns {
                let next = past.next(&self.stack, tokens, &mut scratch.encodings);
                self.embedding.append(Some(&self.projection), tokens, &scratch.encodings, &mut scratch.x);
                for rows in sentence_of_row.chunk_by(|a, b| a == b) {
                    let len = rows.len() * next.new;
                    sources.push((Span { first, len }, memory, rows[0]));
                    first += len;
                }
                new_tokens.push(next);
            }
            scratch.normalize(self.norm.as_ref());
            self.stack.advance(scratch, &mut new_tokens, &sources);
            scratch.keep_last(&new_tokens, self.embedding.d_model);
        });
        turns[0].state.scratch = scratch.after(n_tokens);
        scores
    }
}
