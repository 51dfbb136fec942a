//! Models of several bundles as one.

use attentive_core::TokenId;
use attentive_decode::{Combination, Ensemble};
use attentive_tokenizer::Tokenizer;
use burn::tensor::Device;

use crate::{Bundle, BundleError, Params, TextModel, TranslationModel, WeightFormat};

impl TranslationModel {
    /// The models of several bundles of one tokenizer, which decide on each token together, with the weight of each, or all
    /// alike without weights; of one bundle, its own model. Weights are packed at `precision`, or as each bundle says.
    ///
    /// # Errors
    /// [`BundleError`] as [`Bundle::translation_model`]; also if there is no bundle, tokenizers differ, or weights are not as many
    /// positive numbers.
    pub fn of_bundles(
        bundles: &[Bundle<impl Params>],
        device: &Device,
        precision: Option<WeightFormat>,
        (weights, combination): (&[f64], Combination),
    ) -> Result<Self, BundleError> {
        if let ([bundle], []) = (bundles, weights) {
            return bundle.translation_model(device, precision);
        }
        let models = members(bundles, |bundle| bundle.translation_model(device, precision))?;
        Ok(Self::of(Ensemble::new(models, weights, combination)?))
    }
}

impl TextModel {
    /// The language models of several bundles as one, as [`TranslationModel::of_bundles`] does it for encoder–decoders.
    ///
    /// # Errors
    /// [`BundleError`] as [`Bundle::text_model`], and as there.
    pub fn of_bundles(
        bundles: &[Bundle<impl Params>],
        device: &Device,
        precision: Option<WeightFormat>,
        (weights, combination): (&[f64], Combination),
    ) -> Result<Self, BundleError> {
        if let ([bundle], []) = (bundles, weights) {
            return bundle.text_model(device, precision);
        }
        let models = members(bundles, |bundle| bundle.text_model(device, precision))?;
        Ok(Self::of(Ensemble::new(models, weights, combination)?))
    }
}

/// The models of bundles, each made by `model`, if their tokenizers are one.
fn members<P: Params, M>(
    bundles: &[Bundle<P>],
    model: impl Fn(&Bundle<P>) -> Result<M, BundleError>,
) -> Result<Vec<M>, BundleError> {
    let mut models = Vec::with_capacity(bundles.len());
    let tokenizers = bundles.iter().map(Bundle::tokenizer).collect::<Result<Vec<_>, _>>()?;
    for (bundle, tokenizer) in bundles.iter().zip(&tokenizers) {
        if let Some(id) = other_token(&***tokenizer, &**tokenizers[0]) {
            let (path, first) = (bundle.path.clone(), bundles[0].path.clone());
            return Err(BundleError::OtherTokenizer { path, first, id });
        }
        // Texts, which the first one reads for all, may have a vocabulary, merges or scores of their own.
        if !is_same(&***tokenizer, &**tokenizers[0]) {
            let (path, first) = (bundle.path.clone(), bundles[0].path.clone());
            return Err(BundleError::OtherReading { path, first });
        }
        models.push(model(bundle)?);
    }
    Ok(models)
}

/// The first id that two tokenizers have different tokens for.
pub(crate) fn other_token(a: &dyn Tokenizer, b: &dyn Tokenizer) -> Option<TokenId> {
    (0..a.vocab_size().max(b.vocab_size()) as TokenId).find(|&id| a.token(id) != b.token(id))
}

/// Whether two tokenizers are the same in their files. Those that have none are not, unless they are one.
fn is_same(a: &dyn Tokenizer, b: &dyn Tokenizer) -> bool {
    let file = |tokenizer: &dyn Tokenizer| serde_json::to_value(tokenizer.to_model()?).ok();
    std::ptr::addr_eq(a, b) || file(a).is_some_and(|mine| Some(mine) == file(b))
}
