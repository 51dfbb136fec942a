//! Translation as a training objective.

use attentive_attention::Dropout;
use attentive_core::{EncoderDecoder, Loss, Objective, TranslationBatch};

use super::Rnn;
use crate::{TranslationObjective, tokens::token_tensor};

impl Objective<Rnn> for TranslationObjective {
    type Batch = TranslationBatch;

    fn loss(&self, model: &Rnn, batch: &TranslationBatch, pass: Option<&Dropout>) -> Loss {
        let (annotations, mut states) = model.encode(&batch.source, pass);
        let target = token_tensor(&batch.target, &model.device());
        let target = target.narrow(1, 0, batch.target.n_cols() - 1);
        let hidden = model.decode(target, &annotations, &mut states, pass).hidden;
        self.of_hidden(hidden, model.projection().weight.val(), None, batch)
    }
}
