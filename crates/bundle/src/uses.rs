//! What a model can be used for.

use attentive_model::{EncoderSpec, FamilyVisitor, ImageEncoderSpec, ModelSpec, Role};

use crate::{Bundle, Params};

/// The commands that an encoder's heads are for, the most particular first.
pub(crate) fn of_encoder<C: EncoderSpec>(spec: &C) -> Vec<&'static str> {
    let uses = [
        ("answer", spec.has_spans()),
        ("tag", !spec.token_labels().is_empty()),
        ("rerank", spec.labels().len() == 1),
        ("classify", !spec.labels().is_empty()),
        ("fill", spec.has_masked_lm()),
        ("embed", true),
        ("similar", true),
    ];
    uses.into_iter().filter_map(|(name, there)| there.then_some(name)).collect()
}

/// The commands that the heads of an encoder of pictures are for.
pub(crate) fn of_image_encoder<C: ImageEncoderSpec>(spec: &C) -> Vec<&'static str> {
    let uses = [("classify", !spec.labels().is_empty()), ("embed", true), ("attention", true)];
    uses.into_iter().filter_map(|(name, there)| there.then_some(name)).collect()
}

impl<P: Params> Bundle<P> {
    /// The commands of `attentive` that run this model, the most particular first: `chat` before `generate`.
    pub fn uses(&self) -> Vec<&'static str> {
        /// Whether there is a chat template, and whether there are tokens for what is hidden.
        struct Uses([bool; 2]);
        impl FamilyVisitor for Uses {
            type Output = Vec<&'static str>;

            fn any<C: ModelSpec>(self, _: &C, role: Role) -> Self::Output {
                let Self([chats, fills]) = self;
                let uses: &[(&'static str, bool)] = match role {
                    Role::EncoderDecoder => &[("translate", true), ("summarize", true), ("fill", fills)],
                    Role::LanguageModel => &[("chat", chats), ("generate", true), ("score", true)],
                    Role::Policy => &[("play", true)],
                    Role::SpeechRecognizer => &[("transcribe", true)],
                    _ => &[],
                };
                uses.iter().filter_map(|&(name, there)| there.then_some(name)).collect()
            }

            fn encoder<C: EncoderSpec>(self, spec: &C) -> Self::Output {
                of_encoder(spec)
            }

            fn image_encoder<C: ImageEncoderSpec>(self, spec: &C) -> Self::Output {
                of_image_encoder(spec)
            }
        }
        // BART's positions are learned. M2M100 and NLLB, with sinusoids, have a mask that they never saw.
        let learnt_from_masks = self.model.max_len().is_some();
        let fills = self.processor.tokenizer().is_some_and(|tokenizer| {
            tokenizer.sentinel(0).is_some() || learnt_from_masks && tokenizer.specials().mask.is_some()
        });
        self.model.visit(Uses([self.chat.is_some(), fills]))
    }
}
