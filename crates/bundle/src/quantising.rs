//! Models whose weights are bytes.

use crate::{Bundle, BundleError, WeightFormat, packs};

impl Bundle {
    /// Has the model's weights written, and used, as bytes: a scale for each output of a linear layer and each word of an
    /// embedding. The scores of the record, which are those of the weights before, go. Returns a note, if weights are rounded a
    /// second time.
    ///
    /// # Errors
    /// [`BundleError::NoBytes`] if the family has no such weights.
    pub fn quantize(&mut self) -> Result<Option<&'static str>, BundleError> {
        if !packs(&self.model) {
            return Err(BundleError::NoBytes { path: self.path.clone(), family: self.model.family() });
        }
        let is_int8 = self.decoding.precision == WeightFormat::Int8;
        let note = "its weights are in blocks of few bits already, as a GGUF file has them: they are rounded a second time, and the \
                    file may become larger";
        let is_in_blocks = !self.blocks.is_empty();
        self.decoding.precision = WeightFormat::Int8;
        self.record.scores.clear();
        Ok(if is_in_blocks { Some(note) } else { is_int8.then_some("its precision is int8 already") })
    }
}
