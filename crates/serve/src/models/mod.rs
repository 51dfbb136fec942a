//! The models that are served.

pub(crate) mod attention;
mod encoder;
mod facts;
mod handle;
mod language;
mod translation;

use std::{
    fs, iter,
    path::Path,
    sync::{Arc, Mutex, PoisonError, RwLock},
    time::SystemTime,
};

use attentive_bundle::{Bundle, SharedParams};
use attentive_model::Role;
use attentive_run::resolve;
use attentive_tokenizer::Tokenizer;

pub(crate) use encoder::{EncoderEngine, OwnedInput, Scale, ToClassify};
pub(crate) use facts::{Facts, Languages};
pub(crate) use language::{Ask, LanguageEngine, Outcome, Task, Told};
pub(crate) use translation::{PairTokens, ScoredToken, TranslationEngine, Wish};

use crate::{
    ServeError,
    config::{ModelSource, ServeConfig},
    error::{Failure, Kind},
    metrics::{Meters, Metrics},
    queue::Queue,
};

/// A model in use, and all that is known of it.
pub(crate) struct Served {
    pub(crate) name: String,
    pub(crate) facts: Facts,
    pub(crate) queue: Arc<Queue>,
    pub(crate) tokenizer: Arc<dyn Tokenizer>,
    pub(crate) engine: Engine,
    /// The model of its folder, without an adapter.
    base: Bundle<SharedParams>,
    /// Of its folder, and of its adapter's and of those that decide with it.
    stamps: Vec<Stamp>,
}

/// What a model is used by.
pub(crate) enum Engine {
    Translation(Box<TranslationEngine>),
    Language(Box<LanguageEngine>),
    Encoder(EncoderEngine),
}

/// When a folder's files were written, by which a change is seen.
type Stamp = Vec<(String, u64, Option<SystemTime>)>;

/// All models, in the order in which they were named.
pub(crate) struct Models {
    sources: Vec<ModelSource>,
    served: RwLock<Vec<Arc<Served>>>,
    /// Held while models are loaded again, so that each is loaded once.
    reloading: Mutex<()>,
}

/// What came of looking for new models.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Reloaded {
    pub(crate) loaded: Vec<String>,
    pub(crate) unchanged: Vec<String>,
    /// Models that could not be loaded, which go on as they are, and why.
    pub(crate) failed: Vec<(String, String)>,
}

impl Models {
    /// Loads all models of a configuration.
    pub(crate) fn load(config: &ServeConfig, metrics: &Metrics) -> Result<Self, ServeError> {
        let sources = config.models.clone();
        for (number, source) in sources.iter().enumerate() {
            if sources[..number].iter().any(|other| other.name == source.name) {
                return Err(ServeError::Twice { name: source.name.clone() });
            }
        }
        let mut served = Vec::with_capacity(sources.len());
        for source in &sources {
            let queue = Queue::new(config.limits.running, config.limits.waiting);
            let model = Served::load(source, config, metrics, queue, &served)?;
            served.push(Arc::new(model));
        }
        Ok(Self { sources, served: RwLock::new(served), reloading: Mutex::default() })
    }

    /// Loads each model again of which a folder has changed, beside the one in use, and puts it in its place. Requests that run
    /// keep the model that they began with.
    pub(crate) fn reload(&self, config: &ServeConfig, metrics: &Metrics) -> Reloaded {
        let _alone = self.reloading.lock().unwrap_or_else(PoisonError::into_inner);
        let mut reloaded = Reloaded::default();
        for (source, old) in self.sources.iter().zip(self.all()) {
            let name = source.name.clone();
            if stamps(source) == old.stamps {
                reloaded.unchanged.push(name);
                continue;
            }
            match Served::load(source, config, metrics, Arc::clone(&old.queue), &self.all()) {
                Ok(new) => {
                    let mut served = self.served.write().unwrap_or_else(PoisonError::into_inner);
                    if let Some(place) = served.iter_mut().find(|served| served.name == name) {
                        *place = Arc::new(new);
                    }
                    metrics.reloads.with_label_values(&["loaded"]).inc();
                    reloaded.loaded.push(name);
                }
                Err(error) => {
                    metrics.reloads.with_label_values(&["failed"]).inc();
                    reloaded.failed.push((name, error.to_string()));
                }
            }
        }
        reloaded
    }

    pub(crate) fn all(&self) -> Vec<Arc<Served>> {
        self.served.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The model of this name, or without one the first that `can` do what is asked, which is `what`.
    pub(crate) fn find(
        &self,
        name: Option<&str>,
        what: &str,
        can: impl Fn(&Served) -> bool,
    ) -> Result<Arc<Served>, Failure> {
        let all = self.all();
        match name {
            None => {
                let missing = || Failure::new(Kind::NoModel, format!("no model here {what}"));
                all.into_iter().find(|served| can(served)).ok_or_else(missing)
            }
            Some(name) => {
                let names: Vec<&str> = all.iter().map(|served| &*served.name).collect();
                let unknown = || Failure {
                    field: Some("model".to_owned()),
                    ..Failure::new(Kind::NoModel, format!("there is no model {name:?} here, but {}", names.join(", ")))
                };
                let served = all.iter().find(|served| served.name == name).ok_or_else(unknown)?;
                if !can(served) {
                    let problem = format!("the model {name:?} is a {} and not one that {what}", served.facts.kind);
                    return Err(Failure::field("model", problem));
                }
                Ok(Arc::clone(served))
            }
        }
    }
}

impl Served {
    /// Loads a model, with the weights that it has in common with those of `others` that are of its folder as it is now.
    fn load(
        source: &ModelSource,
        config: &ServeConfig,
        metrics: &Metrics,
        queue: Arc<Queue>,
        others: &[Arc<Self>],
    ) -> Result<Self, ServeError> {
        let path = resolve(&source.path);
        // Before it is read: a change under way is seen the next time.
        let stamps = stamps(source);
        let known = others.iter().find(|other| other.base.path == path && other.stamps[0] == stamps[0]);
        let base = known.map_or_else(|| Bundle::open_shared(&path), |other| Ok(other.base.clone()))?;
        let mut bundles = bundles(source, &base)?;
        let facts = Facts::of(&bundles[0], source)?.together_with(&bundles[1..]);
        tell_languages(&mut bundles, source, &facts)?;
        let tokenizer = Arc::clone(bundles[0].tokenizer()?);
        let engine = Engine::new(bundles, source, facts.kind, config, metrics.of_model(&source.name))?;
        Ok(Self { name: source.name.clone(), facts, queue, tokenizer, engine, base, stamps })
    }

    /// The translation model that this is.
    pub(crate) fn translation(&self) -> Result<&TranslationEngine, Failure> {
        match &self.engine {
            Engine::Translation(engine) => Ok(engine),
            _ => Err(self.is_not("translates")),
        }
    }

    /// The language model that this is.
    pub(crate) fn language(&self) -> Result<&LanguageEngine, Failure> {
        match &self.engine {
            Engine::Language(engine) => Ok(engine),
            _ => Err(self.is_not("continues texts")),
        }
    }

    /// The encoder that this is.
    pub(crate) fn encoder(&self) -> Result<&EncoderEngine, Failure> {
        match &self.engine {
            Engine::Encoder(engine) => Ok(engine),
            _ => Err(self.is_not("reads texts as a whole")),
        }
    }

    /// The language of sources, where there is one alone.
    pub(crate) fn source_language(&self) -> Option<&str> {
        match &self.facts.languages.as_ref()?.source[..] {
            [one] => Some(one),
            _ => None,
        }
    }

    fn is_not(&self, what: &str) -> Failure {
        Failure::field("model", format!("the model {:?} is a {} and not one that {what}", self.name, self.facts.kind))
    }

    /// Whether the model can do this: a command of `attentive`, `classify` for example.
    pub(crate) fn can(&self, what: &str) -> bool {
        self.facts.uses.contains(&what)
    }
}

impl Engine {
    /// What uses a model, of this kind, with those that decide with it.
    fn new(
        mut bundles: Vec<Bundle<SharedParams>>,
        source: &ModelSource,
        kind: &'static str,
        config: &ServeConfig,
        meters: Meters,
    ) -> Result<Self, ServeError> {
        let (device, precision) = (&config.device, config.precision);
        match bundles[0].model.role() {
            Role::EncoderDecoder => {
                let together = (&source.weights[..], source.combination);
                let engine = TranslationEngine::new(bundles, together, device, precision, meters)?;
                Ok(Self::Translation(Box::new(engine)))
            }
            _ if bundles.len() > 1 || !source.weights.is_empty() => {
                Err(ServeError::Together { name: source.name.clone(), kind })
            }
            Role::LanguageModel => {
                let engine = LanguageEngine::new(&bundles[0], device, precision, meters)?;
                Ok(Self::Language(Box::new(engine)))
            }
            Role::Encoder => Ok(Self::Encoder(EncoderEngine::new(bundles.swap_remove(0), device, precision, meters)?)),
            Role::Policy | Role::SpeechRecognizer | Role::ImageEncoder => {
                Err(ServeError::Kind { path: resolve(&source.path), family: bundles[0].model.family() })
            }
        }
    }
}

/// The model of a folder, `base`, with the adapter that is over it, and then those that decide with it.
fn bundles(source: &ModelSource, base: &Bundle<SharedParams>) -> Result<Vec<Bundle<SharedParams>>, ServeError> {
    let first = match &source.adapter {
        Some(folder) => attentive_interchange::with_adapter(base, &resolve(folder))
            .map_err(|cause| ServeError::Adapter(Box::new(cause)))?,
        None => base.clone(),
    };
    let mut bundles = vec![first];
    for folder in &source.with {
        bundles.push(Bundle::open_shared(resolve(folder))?);
    }
    Ok(bundles)
}

/// Makes the languages that the user gives the usual ones of models, by the first one's own names.
fn tell_languages(bundles: &mut [Bundle<SharedParams>], source: &ModelSource, facts: &Facts) -> Result<(), ServeError> {
    let told = facts.languages.as_ref().filter(|known| known.are_told && source.languages.is_some());
    let Some((from, to)) = told.and_then(|known| known.source.first().zip(known.target.first())) else {
        return Ok(());
    };
    for (number, bundle) in bundles.iter_mut().enumerate() {
        match bundle.processor.clone().between(Some(from), Some(to)) {
            Ok(usual) => bundle.processor = usual,
            // One that does not know them has another tokenizer, which is refused later.
            Err(_) if number > 0 => {}
            Err(error) => {
                return Err(ServeError::Languages { name: source.name.clone(), problem: error.to_string() });
            }
        }
    }
    Ok(())
}

/// Those of a model's folder, and then of its adapter's and of those that decide with it.
fn stamps(source: &ModelSource) -> Vec<Stamp> {
    let folders = iter::once(&source.path).chain(&source.adapter).chain(&source.with);
    folders.map(|folder| stamp(&resolve(folder))).collect()
}

/// The names, sizes and times of a folder's files, sorted.
fn stamp(path: &Path) -> Stamp {
    let file = |entry: fs::DirEntry| {
        let data = fs::metadata(entry.path()).ok().filter(fs::Metadata::is_file)?;
        // The lock and the log of a run change while it goes on; its model does not.
        let name = entry.file_name().to_string_lossy().into_owned();
        let is_part = ["toml", "json", "safetensors", "jinja", "bin"].iter().any(|end| name.ends_with(end));
        (is_part && !name.starts_with('.')).then(|| (name, data.len(), data.modified().ok()))
    };
    let mut files: Stamp = fs::read_dir(path).into_iter().flatten().flatten().filter_map(file).collect();
    files.sort();
    files
}
