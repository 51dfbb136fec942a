//! Greedy search.

use std::ops::ControlFlow;

use attentive_core::NextToken;

use crate::{
    DecodeError, DecodeRequest, Hypothesis,
    candidates::TopCandidates,
    lines::{Line, Lines},
    rows::RowScores,
    rules::Admitted,
};

/// Continues each sentence by its most probable token, the lower id in a tie, until it ends.
///
/// The result equals that of [`beam_search`](crate::beam_search) with a beam of 1 and no length penalty.
///
/// # Errors
/// [`DecodeError`] if the request contradicts itself or the model, or the device fails.
///
/// # Panics
/// If the model breaks the contract of [`NextToken`], or `state` does not have one row for each sentence.
pub fn greedy<M: NextToken>(
    model: &M,
    state: M::State,
    request: &DecodeRequest<'_>,
) -> Result<Vec<Hypothesis>, DecodeError> {
    request.validate(model)?;
    let mut lines = Lines::of_request(model, state, request, 1);
    let mut top = TopCandidates::new(1);
    for n_written in 0.. {
        let want = request.rules.want(1, 1, request.is_forced(n_written));
        let choose = |_, _: &Line<'_>, scores: RowScores<'_>, admitted: &Admitted<'_>| top.best_of(scores, admitted);
        if !lines.step(want, choose, |_, _| ControlFlow::Continue(()))? {
            break;
        }
    }
    Ok(lines.lines.into_iter().map(Line::into_hypothesis).collect())
}
