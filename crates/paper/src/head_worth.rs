//! What heads are worth to a model's loss, and models without those that are worth least.

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
             without one. The importance is the mean of |∂L/∂ξ| over lines, ξ a factor of what the head adds:",
            nats.exp(),
            thousands(n_targets as u64),
        ));
        for (HeadImportance { head, gradient }, without) in rows {
            let more = without - nats;
            table.row([head.to_string(), format!("{without:.4}"), format!("{more:+.4}"), format!("{gradient:.4}")]);
        }
        Ok([table].into())
    }
}

impl HeadsToPrune {
    /// The model of a folder without the heads, and the heads.
    ///
    /// # Errors
    /// As [`HeadWorth::make`]; or it is not said how many leave, none would leave, or what is left can't be.
    pub fn prune(&self, of: &ModelOfTexts, device: &Device) -> Result<(Bundle, ModelHeads)> {
        let mut bundle = read_model(&of.model)?;
        let heads = match &self.named {
            Some(heads) => heads.clone(),
            None => self.least(of, device)?,
        };
        if heads.is_empty() {
            refuse!("no head would leave {}: a head of each attention stays; prune more", bundle.path.display());
        }
        bundle.prune_heads(&heads)?;
        Ok((bundle, heads))
    }

    /// The least important heads.
    fn least(&self, of: &ModelOfTexts, device: &Device) -> Result<ModelHeads> {
        let bundle = of.read()?;
        let lines = LossOnLines::new(&bundle, &self.lines).map_err(refused)?;
        let importance = lines.importance(&bundle, device).map_err(refused)?;
        let n_pruned = match (self.keep, self.fraction) {
            (Some(n), _) => importance.len().saturating_sub(n),
            (None, Some(share)) => (share * importance.len() as f64) as usize,
            (None, None) => refuse!("say how many heads stay, or which share of them leaves"),
        };
        let attentions = bundle.model.attentions();
        Ok(attentions.map(|all| least_important(&importance, &all, n_pruned)).unwrap_or_default())
    }
}
