//! What a run begins from: nothing, a model that was trained before, or itself.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use attentive_backend::Device;
use attentive_bundle::{Bundle, EmbeddingConfig, Processor, ReadingConfig};
use attentive_data::TokenCache;
use attentive_model::{ModelConfig, ModelSpec};
use attentive_tokenizer::Tokenizer;
use attentive_weights::Tensors;
use toml::Table;

use crate::{
    Context, Log, Result,
    config::{RunRecipe, TaskRecipe},
    resolve, thousands,
};

/// What a run begins from.
#[derive(Debug, Default)]
pub struct Start<'a> {
    /// The file of the tokenizer, or else of the processor, of a run that has begun: a model that it began from is not read
    /// again.
    pub tokenizer: Option<&'a Path>,
    /// The model that is fine-tuned.
    pub pretrained: Option<Bundle>,
    /// Whether the recipe names one, read or not.
    pub fine_tunes: bool,
    /// Where runs find the tokens of a text that others have encoded, with any tokenizer.
    pub cache: Option<&'a TokenCache>,
}

impl<'a> Start<'a> {
    /// What the settings say; those of a model that is fine-tuned become its own.
    ///
    /// # Errors
    /// The model that `pretrained` names can't be read, or is not one that the task trains.
    pub(crate) fn of(
        run: &RunRecipe,
        settings: &mut TaskRecipe,
        tokenizer: Option<&'a Path>,
        cache: Option<&'a TokenCache>,
        log: &dyn Log,
    ) -> Result<Self> {
        let fine_tunes = settings.pretrained().is_some();
        let pretrained = if tokenizer.is_none() { read(&run.dropout, settings)? } else { None };
        run.check_model(settings.model())?;
        if let Some(bundle) = pretrained.as_ref().filter(|bundle| has_own_uses(bundle)) {
            let from = bundle.path.display();
            log.warning(&format!("how {from} makes vectors and reads pairs, [embedding] and [reading], is not kept"));
        }
        if let Some(bundle) = pretrained.as_ref().filter(|bundle| bundle.shortlist.is_some()) {
            log.warning(&format!("the shortlist of {} is not kept: learn another (shortlist)", bundle.path.display()));
        }
        Ok(Self { tokenizer, pretrained, fine_tunes, cache })
    }

    /// The processor, where it is not a tokenizer: the run's, or that of the model that is fine-tuned.
    ///
    /// # Errors
    /// The run's can't be read.
    pub(crate) fn processor(&self) -> Result<Option<Processor>> {
        match self.tokenizer.and_then(Path::parent) {
            Some(run) => Ok(Processor::of_file(run)?),
            None => Ok(self.pretrained.as_ref().map(|bundle| bundle.processor.clone())),
        }
    }

    /// The tokenizer: the run's, the model's, or one that `make` makes; `config` gets the size of its vocabulary, unless the
    /// model had one before.
    ///
    /// # Errors
    /// Those of `make`; the file can't be read, or the model can't take the vocabulary.
    pub(crate) fn tokenizer<C: ModelSpec>(
        &self,
        config: &mut C,
        make: impl FnOnce() -> Result<Box<dyn Tokenizer>>,
    ) -> Result<Arc<dyn Tokenizer>> {
        let tokenizer: Arc<dyn Tokenizer> = match (self.tokenizer, &self.pretrained) {
            (Some(path), _) => attentive_tokenizer::load(path)?.into(),
            (None, Some(bundle)) => bundle.tokenizer()?.clone(),
            (None, None) => make()?.into(),
        };
        // A table of embeddings may have more rows than there are tokens.
        if !self.fine_tunes {
            config.set_vocab_size(tokenizer.vocab_size())?;
        }
        Ok(tokenizer)
    }
}

/// The model that a recipe fine-tunes, if it names one; its sizes become the recipe's, but for the dropout that
/// this says.
fn read(dropout: &BTreeMap<String, f64>, settings: &mut TaskRecipe) -> Result<Option<Bundle>> {
    let Some(path) = settings.pretrained() else { return Ok(None) };
    // `runs/latest`, and any other link, may lead elsewhere later.
    let path = resolve(path);
    let path = path.canonicalize().unwrap_or(path);
    let mut bundle = Bundle::read(&path).with_context(|| format!("pretrained = {}", path.display()))?;
    bundle.unpack();
    if let Some(encoder) = bundle.model.layered_encoder().filter(|_| is_encoder_alone(&bundle)) {
        bundle.params.retain(|name, _| encoder.has(name));
    }
    let model = with_dropout(&bundle.model, dropout)?;
    settings.begin_from(path.clone(), model, &bundle);
    settings.check_model().with_context(|| format!("pretrained = {}", path.display()))?;
    Ok(Some(bundle))
}

/// Whether data2vec has trained a model: its heads and its decoder are as they were drawn.
fn is_encoder_alone(bundle: &Bundle) -> bool {
    let kind = bundle.recipe.get("objective").and_then(|objective| objective.get("kind"));
    kind.and_then(toml::Value::as_str) == Some("data2vec")
}

/// Whether a model has settings of vectors or of pairs, which recipes have no place for.
fn has_own_uses(bundle: &Bundle) -> bool {
    let Bundle { embedding, reading, dense, .. } = bundle;
    *embedding != EmbeddingConfig::default() || *reading != ReadingConfig::default() || !dense.is_empty()
}

/// A model with other rates of dropout, by their keys.
///
/// # Errors
/// The model has no such setting.
fn with_dropout(model: &ModelConfig, dropout: &BTreeMap<String, f64>) -> Result<ModelConfig> {
    let mut table = Table::try_from(model).context("the model's settings")?;
    for (key, &rate) in dropout {
        match table.get_mut(key) {
            Some(value) => *value = rate.into(),
            None => refuse!("model.{key}: a {} has no such setting", model.family()),
        }
    }
    table.try_into().context("the model's settings")
}

/// A model with the parameters that were trained before; those that it has and they do not have are drawn, and named.
///
/// # Errors
/// Those of the configuration.
pub(crate) fn fine_tuned<C: ModelSpec>(
    config: &C,
    pretrained: &Tensors,
    device: &Device,
    seed: u64,
    log: &dyn Log,
) -> Result<C::Model> {
    let model = config.init(device, seed)?;
    let mut params = attentive_weights::params(&model);
    let (mut n_taken, mut drawn) = (0, Vec::new());
    for (name, param) in &mut params {
        match pretrained.get(name).filter(|before| before.shape == param.shape) {
            Some(before) => {
                param.clone_from(before);
                n_taken += param.values.len();
            }
            None => drawn.push(name.clone()),
        }
    }
    say!(
        log,
        "trained   {} parameters are taken from the model that was trained before; its sizes, and its tokenizer or processor, \
         take the place of the recipe's",
        thousands(n_taken as u64)
    );
    if !drawn.is_empty() {
        say!(log, "new       {}", whole_parts(&drawn, &params).join(", "));
    }
    let unused: Vec<&str> = pretrained.keys().filter(|name| !params.contains_key(*name)).map(String::as_str).collect();
    if !unused.is_empty() {
        say!(log, "left out  {}", unused.join(", "));
    }
    Ok(attentive_weights::load(model, params)?)
}

/// Parameters that were trained before, for a model with these labels: the classifier's are put in their order, and left out
/// where its labels are others, so that they are drawn.
pub(crate) fn relabelled(mut params: Tensors, before: &[String], labels: &[String]) -> Tensors {
    if before == labels || labels.is_empty() {
        return params;
    }
    let is_of_classifier =
        |name: &str| ["classifier.", "distillation_classifier."].iter().any(|of| name.starts_with(of));
    let place = |label: &String| before.iter().position(|known| known == label);
    let places: Option<Vec<usize>> = labels.iter().map(place).collect();
    match places.filter(|places| places.len() == before.len()) {
        Some(places) => {
            for (_, param) in params.iter_mut().filter(|(name, _)| is_of_classifier(name)) {
                let rows = param.values.chunks_exact(before.len()); // [d_model, labels], and [labels]
                param.values = rows.flat_map(|row| places.iter().map(move |&place| row[place])).collect();
            }
        }
        None => params.retain(|name, _| !is_of_classifier(name)),
    }
    params
}

/// The names of some parameters of a model; in place of all of a part, the part's.
fn whole_parts<'a>(names: &'a [String], params: &Tensors) -> Vec<&'a str> {
    let part = |name: &'a str| name.split_once('.').map_or(name, |(part, _)| part);
    let is_whole = |of: &str| {
        let is_of = |name: &str| name.strip_prefix(of).is_some_and(|rest| rest.starts_with('.'));
        params.keys().filter(|name| is_of(name)).all(|name| names.contains(name))
    };
    let mut shown: Vec<&str> = names.iter().map(|name| if is_whole(part(name)) { part(name) } else { name }).collect();
    shown.dedup();
    shown
}

#[cfg(test)]
mod tests {
    use attentive_weights::HostTensor;

    use super::*;

    #[test]
    fn a_classifier_keeps_what_it_knows_of_each_label() {
        let tensor = |shape: &[usize], values: &[f32]| HostTensor { shape: shape.to_vec(), values: values.to_vec() };
        let params = |weight: &[f32], bias: &[f32]| {
            let params = [
                ("classifier.bias", tensor(&[3], bias)),
                ("classifier.weight", tensor(&[2, 3], weight)),
                ("distillation_classifier.bias", tensor(&[3], bias)),
                ("pooler.weight", tensor(&[1, 3], &[7.0, 8.0, 9.0])),
            ];
            Tensors::from(params.map(|(name, param)| (name.to_owned(), param)))
        };
        let named = |labels: &[&str]| labels.iter().map(|&label| label.to_owned()).collect::<Vec<_>>();
        let before = named(&["POSITIVE", "NEGATIVE", "ANY"]);
        let trained = || params(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], &[-1.0, -2.0, -3.0]);
        let sorted = relabelled(trained(), &before, &named(&["ANY", "NEGATIVE", "POSITIVE"]));
        assert_eq!(sorted, params(&[3.0, 2.0, 1.0, 6.0, 5.0, 4.0], &[-3.0, -2.0, -1.0]));
        for unchanged in [before.clone(), Vec::new()] {
            assert_eq!(relabelled(trained(), &before, &unchanged), trained());
        }
        for others in [&["ANY", "BAD", "POSITIVE"][..], &["NEGATIVE", "POSITIVE"][..]] {
            let left = relabelled(trained(), &before, &named(others));
            assert_eq!(left.into_keys().collect::<Vec<_>>(), ["pooler.weight"], "{others:?}");
        }
    }
}
