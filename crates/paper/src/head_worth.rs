//! What heads are worth to a model's loss, and models without those that are worth least.

use std::fmt;

use attentive_backend::Device;
use attentive_bundle::Bundle;
use attentive_inspect::{HeadImportance, LossOnLines, MeanLoss, least_important, silence};
use attentive_model::ModelHeads;
use attentive_task::{Result, read_model, thousands};

use crate::{Exhibit, ModelOfTexts, Table, refused};

/// For every head of a model, the loss on some lines without it, and the gradient of the loss by a factor of what it adds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeadWorth {
    /// The model.
    pub of: ModelOfTexts,
    /// Texts; of a translation model, with a tab and a translation each; of a classifier, with a tab and a label.
    pub lines: Vec<String>,
}

/// Which heads leave a model: those that are named, or else the least important ones on lines.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct HeadsToPrune {
    /// These.
    pub named: Option<ModelHeads>,
    /// All but so many.
    pub keep: Option<usize>,
    /// This share of all.
    pub fraction: Option<f64>,
    /// The lines, as [`HeadWorth::lines`].
    pub lines: Vec<String>,
}

/// A model without some of its heads.
#[derive(Debug)]
pub struct Pruned {
    /// The model.
    pub bundle: Bundle,
    /// The heads that left.
    pub heads: ModelHeads,
    /// What is to be told: lines that are left out, and heads that were to leave and stay.
    note: String,
}

impl HeadWorth {
    /// The table, the head first that is worth most.
    ///
    /// # Errors
    /// The folder has no model whose heads have names and that has a loss on lines, or a line is not for it.
    pub fn make(&self, device: &Device) -> Result<Exhibit> {
        let bundle = self.of.read()?;
        let lines = LossOnLines::new(&bundle, &self.lines).map_err(refused)?;
        let importance = lines.importance(&bundle, device).map_err(refused)?;
        let MeanLoss { nats, n_targets } = lines.loss(&bundle, device).map_err(refused)?;
        let mut rows: Vec<(HeadImportance, f64)> = Vec::with_capacity(importance.len());
        for one in importance {
            let mut silent = bundle.clone();
            silence(&mut silent, &ModelHeads::from_iter([one.head])).map_err(refused)?;
            rows.push((one, lines.loss(&silent, device).map_err(refused)?.nats));
        }
        rows.sort_by(|a, b| b.1.total_cmp(&a.1));
        let columns = ["head", "loss without it, in nats", "more", "importance by gradient, in nats"];
        let mut table = Table::new(columns).under(format!(
            "What each head is worth: {nats:.4} nats a target, perplexity {:.3}, over {} targets with all heads, and the loss \
             without one{}. The importance is the mean of |∂L/∂ξ| over lines, ξ a factor of what the head adds:",
            nats.exp(),
            thousands(n_targets as u64),
            left_out(lines.n_left_out()),
        ));
        for (HeadImportance { head, gradient }, without) in rows {
            let more = without - nats;
            table.row([head.to_string(), format!("{without:.4}"), format!("{more:+.4}"), format!("{gradient:.4}")]);
        }
        Ok([table].into())
    }
}

impl HeadsToPrune {
    /// The model of a folder without the heads.
    ///
    /// # Errors
    /// As [`HeadWorth::make`]; or it is not said how many leave, none would leave, or what is left can't be.
    pub fn prune(&self, of: &ModelOfTexts, device: &Device) -> Result<Pruned> {
        let mut bundle = read_model(&of.model)?;
        let (heads, note) = match &self.named {
            Some(heads) => (heads.clone(), String::new()),
            None => self.least(of, device)?,
        };
        if heads.is_empty() {
            refuse!("no head is named that would leave {}", bundle.path.display());
        }
        bundle.prune_heads(&heads)?;
        Ok(Pruned { bundle, heads, note })
    }

    /// The least important heads, and what is to be told of them.
    fn least(&self, of: &ModelOfTexts, device: &Device) -> Result<(ModelHeads, String)> {
        let bundle = of.read()?;
        let lines = LossOnLines::new(&bundle, &self.lines).map_err(refused)?;
        let importance = lines.importance(&bundle, device).map_err(refused)?;
        let n_heads = importance.len();
        let n_asked = match (self.keep, self.fraction) {
            (Some(n), _) => n_heads.saturating_sub(n),
            (None, Some(share)) => (share * n_heads as f64) as usize,
            (None, None) => refuse!("say how many heads stay, or which share of them leaves"),
        };
        let path = bundle.path.display();
        if n_asked == 0 {
            refuse!("no head would leave {path}, which has {n_heads}: prune more");
        }
        let attentions = bundle.model.attentions();
        let heads = attentions.map(|all| least_important(&importance, &all, n_asked)).unwrap_or_default();
        let (n_left, mut note) = (n_heads - heads.len(), left_out(lines.n_left_out()));
        if heads.len() < n_asked {
            let why = "a head of each attention stays, and heads that share keys and values leave together";
            if heads.is_empty() {
                refuse!("no head can leave {path}, and {n_asked} of {n_heads} were to: {why}");
            }
            note += &format!("; {n_asked} were to leave, and {n_left} stay: {why}");
        }
        Ok((heads, note))
    }
}

impl fmt::Display for Pruned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { heads, note, .. } = self;
        write!(f, "pruned {} heads, {heads}{note}", heads.len())
    }
}

/// What is told of lines that nothing is to be predicted in.
fn left_out(n_lines: usize) -> String {
    if n_lines == 0 { String::new() } else { format!("; {n_lines} lines without a target are left out") }
}
