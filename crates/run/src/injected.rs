//! Faults made on purpose, to see what a run does about them.

use std::{cell::Cell, env, ops::RangeInclusive};

use attentive_backend::{Loss, Objective, Tally};
use attentive_core::{Batch, Dropout};
use attentive_task::{Context, Result};

/// Names which training losses are made NaN: `31-34`, those of this process, counted from 1; or `example:17`, those of
/// batches that hold this example of the training data, counted from 0.
const VARIABLE: &str = "ATTENTIVE_INJECT_NAN";

/// An objective, some of whose losses are NaN where [`VARIABLE`] is set.
pub(crate) struct Injected<O> {
    objective: O,
    nan: Option<Nan>,
    n_losses: Cell<u64>,
}

enum Nan {
    Losses(RangeInclusive<u64>),
    Example(u64),
}

impl Nan {
    fn parse(text: &str) -> Option<Self> {
        match text.split_once(':') {
            Some(("example", idx)) => Some(Self::Example(idx.parse().ok()?)),
            Some(_) => None,
            None => {
                let (first, last) = text.split_once('-')?;
                Some(Self::Losses(first.parse().ok()?..=last.parse().ok()?))
            }
        }
    }
}

impl<O> Injected<O> {
    pub(crate) fn from_env(objective: O) -> Result<Self> {
        let nan = match env::var(VARIABLE) {
            Ok(text) => {
                let nan = Nan::parse(&text);
                Some(nan.with_context(|| format!("{VARIABLE}={text}: expected FIRST-LAST or example:INDEX"))?)
            }
            Err(_) => None,
        };
        Ok(Self { objective, nan, n_losses: Cell::new(0) })
    }
}

impl<M, O: Objective<M>> Objective<M> for Injected<O> {
    type Batch = O::Batch;

    fn loss(&self, model: &M, batch: &O::Batch, pass: Option<&Dropout>) -> Loss {
        self.loss_and_tally(model, batch, pass).0
    }

    fn loss_and_tally(&self, model: &M, batch: &O::Batch, pass: Option<&Dropout>) -> (Loss, Tally) {
        let (loss, tally) = self.objective.loss_and_tally(model, batch, pass);
        self.n_losses.set(self.n_losses.get() + 1);
        let is_hit = match &self.nan {
            Some(Nan::Losses(range)) => range.contains(&self.n_losses.get()),
            Some(Nan::Example(idx)) => batch.indices().contains(idx),
            None => false,
        };
        (if is_hit { Loss { sum: loss.sum * f64::NAN, ..loss } } else { loss }, tally)
    }

    fn after_update(&self, model: M, n_updates: u64) -> M {
        self.objective.after_update(model, n_updates)
    }

    fn is_in_nats(&self, model: &M) -> bool {
        self.objective.is_in_nats(model)
    }
}
