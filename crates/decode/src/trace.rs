//! What a beam search did: the hypotheses that it kept, those that it dropped, and why.

use std::{cmp::Ordering, collections::HashMap};

use attentive_core::TokenId;

use crate::{
    Hypothesis,
    candidates::{Candidate, Total},
    rows::RowScores,
    rules::Admitted,
};

/// A record of a beam search, which [`beam_search_traced`](crate::beam_search_traced) makes.
///
/// ```
/// use attentive_core::{DeviceError, NextToken, Scores, TokenId, Want};
/// use attentive_decode::{
///     BeamConfig, BeamTrace, Constraints, DecodeRequest, Dropped, Fate, Rules, beam_search_traced,
/// };
///
/// /// The probabilities after each of `a`, `b` and `</s>`.
/// struct Bigrams([[f32; 3]; 3]);
/// # impl NextToken for Bigrams {
/// #     type State = ();
/// #     fn vocab_size(&self) -> usize {
/// #         3
/// #     }
/// #     fn max_len(&self) -> Option<usize> {
/// #         None
/// #     }
/// #     fn advance(&self, tokens: &[TokenId], _: &mut (), _: Want) -> Result<Scores, DeviceError> {
/// #         Ok(Scores::All(tokens.iter().flat_map(|&token| self.0[token as usize].map(f32::ln)).collect()))
/// #     }
/// #     fn reorder(&self, _: &mut (), _: &[usize]) {}
/// # }
///
/// let model = Bigrams([[0.3, 0.3, 0.4], [0.0, 0.0, 1.0], [0.6, 0.4, 0.0]]);
/// let rules = Rules::default();
/// let request = DecodeRequest { prompt: &[2], prefixes: &[], eos: 2, rules: &rules, max_len: &[10] };
/// let mut trace = BeamTrace::new(3);
/// beam_search_traced(&model, (), &request, &BeamConfig::default(), &Constraints::default(), &mut trace)?;
/// let first = &trace.trees()[0].nodes[..3];
/// assert_eq!([first[0].fate, first[1].fate], [Fate::Kept; 2]); // a and b
/// assert_eq!(first[2].fate, Fate::Dropped(Dropped::Impossible)); // the end
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct BeamTrace {
    width: usize,
    trees: Vec<BeamTree>,
}

impl BeamTrace {
    /// An empty one, which records the `width` most probable continuations of each hypothesis, and all that were kept.
    pub fn new(width: usize) -> Self {
        Self { width, trees: Vec::new() }
    }

    /// The trees of the last search: one for each sentence, and where its beam has groups one for each of them.
    pub fn trees(&self) -> &[BeamTree] {
        &self.trees
    }

    pub(crate) fn recorder(&self, sentence: usize, group: usize) -> Recorder {
        let tree = BeamTree { sentence, group, nodes: Vec::new() };
        Recorder { width: self.width, tree, step: HashMap::new(), finished: Vec::new() }
    }

    /// Takes what was recorded, and says what became of the hypotheses that were left.
    pub(crate) fn end(&mut self, recorded: Vec<Ended>, results: &[Vec<Hypothesis>], eos: TokenId) {
        self.trees = recorded.into_iter().map(|ended| ended.settle(results, eos)).collect();
        self.trees.sort_by_key(|tree| (tree.sentence, tree.group));
    }
}

/// The hypotheses of the search for one sentence, by one group of its beam, as a tree of tokens.
#[derive(Debug, Clone, PartialEq)]
pub struct BeamTree {
    /// Index of the sentence in the request.
    pub sentence: usize,
    /// The group, from 0.
    pub group: usize,
    /// Parents are before their children. The children of one are by falling probability, and after them those that were kept from
    /// outside the width of the record.
    pub nodes: Vec<Node>,
}

/// A token after a hypothesis.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Node {
    /// Index of the hypothesis that it continues; none at the beginning.
    pub parent: Option<usize>,
    /// The token.
    pub token: TokenId,
    /// Its log-probability, in nats.
    pub log_prob: f32,
    /// The log-probability of all tokens up to it, in nats.
    pub total: f64,
    /// What it is ranked by among the hypotheses of its length: `total`, unless repetitions are penalised, for example.
    pub ranked: f64,
    /// The score that ranks it among hypotheses of all lengths, if it ended.
    pub score: Option<f64>,
    /// What became of it.
    pub fate: Fate,
}

/// What became of a hypothesis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It was continued.
    Kept,
    /// It is a result: its rank among the sentence's, from 0.
    Found(usize),
    /// It was dropped.
    Dropped(Dropped),
}

/// Why a hypothesis was dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Dropped {
    /// Enough others of its length were better.
    BelowBeam,
    /// It ended, and enough others that ended have better scores.
    FinishedWorse,
    /// The search was over before it ended.
    Over,
    /// The model excludes the token.
    Impossible,
    /// Another token is forced here.
    NotForced,
    /// The token is never written.
    Suppressed,
    /// The token would repeat an n-gram.
    RepeatedNgram,
    /// The token would complete a sequence that is never written.
    BadWord,
    /// It would end before it is long enough.
    TooShort,
    /// Constraints exclude the token: the text would end without a phrase, have words that are forbidden, or depart from a word
    /// that was begun.
    Constraint,
}

impl Dropped {
    /// It in a few words: `below the beam`.
    pub fn name(self) -> &'static str {
        match self {
            Self::BelowBeam => "below the beam",
            Self::FinishedWorse => "finished worse",
            Self::Over => "search over",
            Self::Impossible => "impossible",
            Self::NotForced => "not the forced token",
            Self::Suppressed => "never written",
            Self::RepeatedNgram => "n-gram repeated",
            Self::BadWord => "bad word",
            Self::TooShort => "too short to end",
            Self::Constraint => "constraint",
        }
    }
}

impl BeamTree {
    /// The tokens up to a node, its own and the end included.
    ///
    /// # Panics
    /// If there is no such node.
    pub fn tokens(&self, node: usize) -> Vec<TokenId> {
        let up = std::iter::successors(Some(node), |&node| self.nodes[node].parent);
        let mut tokens: Vec<TokenId> = up.map(|node| self.nodes[node].token).collect();
        tokens.reverse();
        tokens
    }

    /// The nodes that continue `parent`, or begin the text, in their order.
    pub fn children(&self, parent: Option<usize>) -> impl Iterator<Item = usize> {
        (0..self.nodes.len()).filter(move |&node| self.nodes[node].parent == parent)
    }
}

/// Records one search.
pub(crate) struct Recorder {
    width: usize,
    tree: BeamTree,
    /// The nodes of this step, by parent and token.
    step: HashMap<(Option<usize>, TokenId), usize>,
    /// The nodes of the best hypotheses that ended, best first.
    finished: Vec<usize>,
}

/// A search that is over, and the nodes that it was left with.
pub(crate) struct Ended {
    tree: BeamTree,
    left: Vec<usize>,
}

impl Recorder {
    pub(crate) fn begin_step(&mut self) {
        self.step.clear();
    }

    /// Records what may follow a hypothesis and what may not, before the beam chooses.
    pub(crate) fn see(&mut self, parent: Option<usize>, scores: RowScores<'_>, total: Total, admitted: &Admitted<'_>) {
        let mut seen: Vec<(TokenId, f32)> = match scores {
            RowScores::All(row) => (0..).zip(row.iter().copied()).collect(),
            RowScores::Top { ids, log_probs } => ids.iter().copied().zip(log_probs.iter().copied()).collect(),
        };
        let is_possible = |next: f32| !next.is_nan() && next > f32::NEG_INFINITY;
        let order = |a: &(TokenId, f32), b: &(TokenId, f32)| -> Ordering {
            let by_probability =
                if is_possible(a.1) && is_possible(b.1) { b.1.total_cmp(&a.1) } else { Ordering::Equal };
            is_possible(b.1).cmp(&is_possible(a.1)).then(by_probability).then(a.0.cmp(&b.0))
        };
        if self.width < seen.len() {
            seen.select_nth_unstable_by(self.width, order);
            seen.truncate(self.width);
        }
        seen.sort_unstable_by(order);
        for (token, next) in seen {
            let why = admitted.excludes(token).or((!is_possible(next)).then_some(Dropped::Impossible));
            let fate = Fate::Dropped(why.unwrap_or(Dropped::BelowBeam));
            let ranked = total.ranked + admitted.ranked(token, next);
            let total = total.log_prob + f64::from(next);
            self.push(Node { parent, token, log_prob: next, total, ranked, score: None, fate });
        }
    }

    /// The node of a candidate that is taken, whose `total` ranks it.
    pub(crate) fn take(&mut self, parent: Option<usize>, candidate: &Candidate, total: Total) -> usize {
        let Candidate { token, next, .. } = *candidate;
        let found = self.step.get(&(parent, token)).copied();
        let Total { log_prob, ranked } = total;
        let node = Node { parent, token, log_prob: next, total: log_prob, ranked, score: None, fate: Fate::Kept };
        match found {
            Some(found) => {
                self.tree.nodes[found] = node;
                found
            }
            None => self.push(node),
        }
    }

    /// A node ended with a score, which has this rank among those that did; the best `n_kept` stay.
    pub(crate) fn finish(&mut self, node: usize, score: f64, rank: usize, n_kept: usize) {
        self.tree.nodes[node].score = Some(score);
        self.finished.insert(rank, node);
        for worse in self.finished.drain(n_kept.min(self.finished.len())..) {
            self.tree.nodes[worse].fate = Fate::Dropped(Dropped::FinishedWorse);
        }
    }

    /// Ends the record of a search that was left with the hypotheses `live`.
    pub(crate) fn end(self, live: impl Iterator<Item = usize>) -> Ended {
        Ended { tree: self.tree, left: self.finished.into_iter().chain(live).collect() }
    }

    fn push(&mut self, node: Node) -> usize {
        let at = self.tree.nodes.len();
        self.step.insert((node.parent, node.token), at);
        self.tree.nodes.push(node);
        at
    }
}

impl Ended {
    /// Says of each node that was left whether it is a result.
    fn settle(self, results: &[Vec<Hypothesis>], eos: TokenId) -> BeamTree {
        let Self { mut tree, left } = self;
        for node in left {
            let mut tokens = tree.tokens(node);
            let finished = tokens.last() == Some(&eos);
            if finished {
                tokens.pop();
            }
            let is_it = |found: &Hypothesis| found.finished == finished && found.tokens == tokens;
            let rank = results[tree.sentence].iter().position(is_it);
            let worse = if tree.nodes[node].score.is_some() { Dropped::FinishedWorse } else { Dropped::Over };
            tree.nodes[node].fate = rank.map_or(Fate::Dropped(worse), Fate::Found);
        }
        tree
    }
}
