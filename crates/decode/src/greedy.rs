//! Greedy search.

use std::ops::ControlFlow;

use attentive_core::NextToken;

use crate::{
    DecodeError, DecodeRequest, Hypothesis,
    candidates::{TopCandidates, Total},
    lines::{Choice, Line, Lines},
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
        let want = request.rules.want(1, request.is_forced(n_written));
        let goes_on = lines.step(
            want,
            |_, _, scores, admitted| {
                top.clear();
                top.consider(scores, Total::default(), 0, admitted);
                top.best().first().map(|best| Choice { token: best.token, added: best.total })
            },
            |_, _| ControlFlow::Continue(()),
        )?;
        if !goes_on {
            break;
        }
    }
    Ok(lines.lines.into_iter().map(Line::into_hypothesis).collect())
}
