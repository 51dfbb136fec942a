//! Texts that grow by one token at a time, independently, in one batch: the step of greedy search and of sampling.

use std::{ops::ControlFlow, slice};

use attentive_core::{NextToken, TokenId, Want};

use crate::{
    DecodeError, DecodeRequest, Hypothesis, Rules,
    candidates::Total,
    form::{Holder, Progress},
    rows::{RowScores, Rows},
    rules::Admitted,
};

/// An unfinished text.
pub(crate) struct Line<'a> {
    /// Its prompt, then the tokens written.
    pub(crate) text: Vec<TokenId>,
    n_prompt: usize,
    /// The beginning that it is forced to have.
    prefix: &'a [TokenId],
    /// Tokens that may be written, the end included.
    max_len: usize,
    /// The row of the model's state that reads it.
    row: usize,
    total: Total,
    /// Of the tokens written, the end included.
    log_probs: Vec<f32>,
    pub(crate) end: Option<End>,
    /// How far it has come in the form that it is held to.
    progress: Option<Progress>,
}

/// The reason why a line ends here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    ByModel,
    /// The form that it is held to lets nothing follow.
    Whole,
    ByLength,
    ByCaller,
    /// No token may follow.
    Stuck,
}

/// The next token of a line.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Choice {
    pub(crate) token: TokenId,
    /// Of the token.
    pub(crate) added: Total,
}

impl<'a> Line<'a> {
    /// An empty line, in row `row`.
    pub(crate) fn new(prompt: &[TokenId], prefix: &'a [TokenId], max_len: usize, row: usize) -> Self {
        let end = (max_len == 0).then_some(End::ByLength);
        let (text, n_prompt) = (prompt.to_vec(), prompt.len());
        let (total, log_probs) = (Total::default(), Vec::new());
        Self { text, n_prompt, prefix, max_len, row, total, log_probs, end, progress: None }
    }

    pub(crate) fn n_written(&self) -> usize {
        self.text.len() - self.n_prompt
    }

    /// Tokens that may still be written.
    pub(crate) fn n_left(&self) -> usize {
        self.max_len.saturating_sub(self.n_written())
    }

    pub(crate) fn admitted<'r>(&self, rules: &'r Rules, ends: &[TokenId]) -> Admitted<'r> {
        rules.admitted(self.n_written(), self.prefix, ends, || self.text.clone())
    }

    pub(crate) fn take(&mut self, Choice { token, added }: Choice, ends: &[TokenId]) {
        self.total.log_prob += added.log_prob;
        self.total.ranked += added.ranked;
        // A sum of one: exact.
        self.log_probs.push(added.log_prob as f32);
        if ends.contains(&token) {
            self.end = Some(End::ByModel);
            return;
        }
        self.text.push(token);
        if self.n_written() >= self.max_len {
            self.end = Some(End::ByLength);
        }
    }

    pub(crate) fn into_hypothesis(mut self) -> Hypothesis {
        let tokens = self.text.split_off(self.n_prompt);
        let Total { log_prob, ranked } = self.total;
        let (token_log_probs, finished) = (self.log_probs, self.end == Some(End::ByModel));
        Hypothesis { tokens, log_prob, token_log_probs, score: ranked, finished }
    }
}

/// Lines that a model continues together; a line that ends leaves its row.
pub(crate) struct Lines<'a, M: NextToken> {
    pub(crate) lines: Vec<Line<'a>>,
    /// Indices of the open lines, by row; lines share a row until their first token.
    open: Vec<usize>,
    rows: Rows<'a, M>,
    rules: &'a Rules,
    /// Tokens that end a text.
    ends: &'a [TokenId],
    /// Holds the lines to a form.
    holder: Option<Holder<'a>>,
}

impl<'a, M: NextToken> Lines<'a, M> {
    /// Lines that are about to read their prompts, in the order of their rows.
    pub(crate) fn new(lines: Vec<Line<'a>>, rows: Rows<'a, M>, rules: &'a Rules, ends: &'a [TokenId]) -> Self {
        let open = (0..lines.len()).filter(|&idx| lines[idx].end.is_none()).collect();
        Self { lines, open, rows, rules, ends, holder: None }
    }

    /// Holds all lines to a form, each from a place of its vocabulary on.
    pub(crate) fn hold(&mut self, mut holder: Holder<'a>, place: impl Fn(usize) -> usize) -> Result<(), DecodeError> {
        for (at, line) in self.lines.iter_mut().enumerate() {
            line.progress = Some(holder.begin(place(at))?);
        }
        self.holder = Some(holder);
        Ok(())
    }

    /// `n` lines of each sentence of a request.
    pub(crate) fn of_request(model: &'a M, state: M::State, request: &'a DecodeRequest<'a>, n: usize) -> Self {
        let line = |sentence: usize| {
            let (prompt, prefix) = (request.prompt_of(sentence), request.prefix_of(sentence));
            Line::new(prompt, prefix, request.max_len[sentence], sentence)
        };
        let lines = (0..request.n_sentences()).flat_map(|sentence| (0..n).map(move |_| line(sentence))).collect();
        let rows = Rows::new(model, state, request.n_sentences(), request.prompt.to_vec());
        Self::new(lines, rows, request.rules, slice::from_ref(&request.eos))
    }

    /// Gives every open line its next token, if there is one: `choose` selects it, `on_token` gets it unless it is the
    /// end. Returns whether lines were open.
    pub(crate) fn step(
        &mut self,
        want: Want,
        mut choose: impl FnMut(usize, &Line<'_>, RowScores<'_>, &Admitted<'_>) -> Option<Choice>,
        mut on_token: impl FnMut(usize, Choice) -> ControlFlow<()>,
    ) -> Result<bool, DecodeError> {
        if self.open.is_empty() {
            return Ok(false);
        }
        let scores = self.rows.advance(want)?;
        for &idx in &self.open {
            let line = &mut self.lines[idx];
            let mut admitted = line.admitted(self.rules, self.ends);
            if let (Some(holder), Some(progress)) = (&mut self.holder, &mut line.progress) {
                admitted.form = Some(holder.allowed(progress, self.ends)?);
            }
            let Some(choice) = choose(idx, line, scores.row(line.row), &admitted) else {
                line.end = Some(End::Stuck);
                continue;
            };
            line.take(choice, self.ends);
            if let (Some(holder), Some(progress)) = (&mut self.holder, &mut line.progress)
                && line.end != Some(End::ByModel)
                && holder.take(progress, choice.token)?
            {
                line.end = Some(End::Whole);
            }
            if line.end != Some(End::ByModel) && on_token(idx, choice).is_break() {
                line.end = Some(End::ByCaller);
            }
        }
        let lines = &mut self.lines;
        self.open.retain(|&idx| lines[idx].end.is_none());
        let mut kept = (Vec::with_capacity(self.open.len()), Vec::with_capacity(self.open.len()));
        for (row, &idx) in self.open.iter().enumerate() {
            let line = &mut lines[idx];
            kept.0.push(std::mem::replace(&mut line.row, row));
            kept.1.push(line.text[line.text.len() - 1]);
        }
        if !self.open.is_empty() {
            self.rows.keep(&kept.0, kept.1);
        }
        Ok(true)
    }

    /// Whether the model has no positions for the tokens that are to be read next.
    pub(crate) fn is_full(&self) -> bool {
        !self.open.is_empty() && self.rows.is_full()
    }

    pub(crate) fn n_rows(&self) -> usize {
        self.rows.n_rows()
    }

    /// Continues with an empty state, which then reads the last `n` tokens of every line.
    pub(crate) fn reread(&mut self, state: M::State, n: usize) {
        let mut of_rows: Vec<&Line<'_>> = self.open.iter().map(|&idx| &self.lines[idx]).collect();
        of_rows.dedup_by_key(|line| line.row);
        let tokens = of_rows.iter().flat_map(|line| &line.text[line.text.len() - n..]).copied().collect();
        self.rows.restart(state, tokens);
    }
}
