//! What is served, where, and within which limits.

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    time::Duration,
};

use attentive_backend::Device;
use attentive_bundle::WeightFormat;
use attentive_decode::Combination;

/// What is served, where, and within which limits.
#[derive(Debug, Clone)]
pub struct ServeConfig {
    /// The models; the first of those that can do what is asked answers where no model is named.
    pub models: Vec<ModelSource>,
    /// A folder of training runs, whose curves are shown.
    pub runs: Option<PathBuf>,
    /// Where to listen; port 0 is any that is free.
    pub address: SocketAddr,
    /// What a client may ask for.
    pub limits: Limits,
    /// A file with a key on each line, one of which a client must give; without it, nobody is asked for one.
    pub keys: Option<PathBuf>,
    /// Origins of other pages whose scripts may ask this server, or `*` for any; none by default.
    pub origins: Vec<String>,
    /// How long requests that run may go on once the server is told to end.
    pub grace: Duration,
    /// Whether signals of the process are for the server: SIGTERM and Ctrl-C end it; SIGHUP, which may come while models are
    /// loaded, has it look for new ones.
    pub signals: bool,
    /// What weights are packed in; without it, as each model's folder says.
    pub precision: Option<WeightFormat>,
    /// Where models run.
    pub device: Device,
}

impl ServeConfig {
    /// The port that a server listens at by default.
    pub const PORT: u16 = 8080;

    /// Models on `device`, for this machine alone, with the usual limits.
    pub fn new(models: Vec<ModelSource>, device: Device) -> Self {
        Self {
            models,
            runs: None,
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, Self::PORT)),
            limits: Limits::default(),
            keys: None,
            origins: Vec::new(),
            grace: Duration::from_secs(30),
            signals: false,
            precision: None,
            device,
        }
    }
}

/// A model's name, folders and languages, and those that decide with it.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelSource {
    /// The name that clients call it by.
    pub name: String,
    /// Its folder.
    pub path: PathBuf,
    /// The folder of an adapter over it, a run's or one of PEFT. Models of one folder have their weights in memory once.
    pub adapter: Option<PathBuf>,
    /// The languages that a translation model reads and writes, as codes (`en`, `de`), where its folder does not say them.
    pub languages: Option<(String, String)>,
    /// The folders of other translation models of the same tokenizer, which decide on each token together with it.
    pub with: Vec<PathBuf>,
    /// The weight of each, its own first; none if all weigh alike.
    pub weights: Vec<f64>,
    /// How their distributions become one.
    pub combination: Combination,
}

impl ModelSource {
    /// A model by its folder, whose last part is its name.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        let name = path.file_name().map_or_else(|| "model".to_owned(), |name| name.to_string_lossy().into_owned());
        let combination = Combination::default();
        Self { name, path, adapter: None, languages: None, with: Vec::new(), weights: Vec::new(), combination }
    }

    /// `DIR`, `NAME=DIR`, or `NAME=DIR+ADAPTER`, as a user writes it.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        match text.split_once('=') {
            // A folder may have such a sign in its path.
            Some(_) if Path::new(text).is_dir() => Ok(Self::new(text)),
            Some((name, folders)) if !name.is_empty() && !folders.is_empty() => {
                Ok(Self { name: name.to_owned(), ..Self::of_folders(folders) })
            }
            None if !text.is_empty() => Ok(Self::of_folders(text)),
            _ => Err("write DIR, or NAME=DIR; NAME=DIR+ADAPTER for a model with an adapter over it".to_owned()),
        }
    }

    /// A model's folder, or that and one of an adapter over it, whose name is the model's then.
    fn of_folders(text: &str) -> Self {
        let (path, adapter) = attentive_interchange::model_and_adapter(Path::new(text));
        Self { path: path.to_owned(), adapter: adapter.map(Path::to_owned), ..Self::new(adapter.unwrap_or(path)) }
    }

    /// Sets the languages of a model: `NAME=FROM:TO` as a user writes it after `--languages`, or `FROM:TO` for all.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn set_languages(models: &mut [Self], text: &str) -> Result<(), String> {
        Self::set(models, ("--languages", text), |model, pair| {
            let pair = pair.split_once(':').filter(|(from, to)| !from.is_empty() && !to.is_empty());
            let (from, to) = pair.ok_or("write FROM:TO, as en:de, or NAME=FROM:TO")?;
            let languages = (from.to_owned(), to.to_owned());
            if model.languages.as_ref().is_some_and(|others| *others != languages) {
                return Err("a model has other languages already: say them once");
            }
            model.languages = Some(languages);
            Ok(())
        })
    }

    /// Lets another model decide with one: `NAME=DIR` as a user writes it after `--with`, or `DIR` for all.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn add_model(models: &mut [Self], text: &str) -> Result<(), String> {
        Self::set(models, ("--with", text), |model, folder| match folder {
            "" => Err("write DIR, or NAME=DIR"),
            _ => {
                model.with.push(folder.into());
                Ok(())
            }
        })
    }

    /// Sets the weights of models that decide together: `NAME=W,W` as a user writes it after `--weights`, or `W,W` for all.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn set_weights(models: &mut [Self], text: &str) -> Result<(), String> {
        Self::set(models, ("--weights", text), |model, weights| {
            let weights = weights.split(',').map(str::parse).collect::<Result<Vec<f64>, _>>();
            let weights = weights.map_err(|_| "write numbers with commas between them, as 2,1, or NAME=2,1")?;
            if !model.weights.is_empty() && model.weights != weights {
                return Err("a model has other weights already: say them once");
            }
            model.weights = weights;
            Ok(())
        })
    }

    /// Does `set` with what a user wrote after a flag, `NAME=WHAT`, to the model of the name, or to all without one.
    fn set(
        models: &mut [Self],
        (flag, text): (&str, &str),
        set: impl Fn(&mut Self, &str) -> Result<(), &'static str>,
    ) -> Result<(), String> {
        let (name, what) = match text.split_once('=') {
            // A folder may have such a sign in its path.
            Some((name, what)) if !Path::new(text).is_dir() => (Some(name), what),
            _ => (None, text),
        };
        let mut meant = models.iter_mut().filter(|model| name.is_none_or(|name| model.name == name)).peekable();
        match name {
            Some(name) if meant.peek().is_none() => Err(format!("{flag} {text}: no model is called {name}")),
            _ => meant.try_for_each(|model| set(model, what)).map_err(|why| format!("{flag} {text}: {why}")),
        }
    }
}

/// What a client may ask for, and what the server takes on at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a request's body.
    pub body_bytes: usize,
    /// Characters of all texts of a request.
    pub characters: usize,
    /// Texts of a request.
    pub texts: usize,
    /// Tokens that a request may have read.
    pub input_tokens: usize,
    /// Tokens that may be written for each text, of each of its continuations.
    pub output_tokens: usize,
    /// Requests that one model works on at once.
    pub running: usize,
    /// Requests that wait for one model; beyond them, clients are told to come again.
    pub waiting: usize,
    /// Connections that are open at once; others wait to be accepted.
    pub connections: usize,
    /// Time for a request, that in the queue included.
    pub time: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_bytes: 1 << 20,
            characters: 100_000,
            texts: 256,
            input_tokens: 32_768,
            output_tokens: 4_096,
            running: 64,
            waiting: 256,
            connections: 1_024,
            time: Duration::from_secs(60),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_is_named_by_its_folder_or_by_its_user() {
        let parse = |text: &str| ModelSource::parse(text).map(|source| (source.name, source.path, source.adapter));
        assert_eq!(parse("runs/latest"), Ok(("latest".into(), "runs/latest".into(), None)));
        assert_eq!(parse("de=runs/latest"), Ok(("de".into(), "runs/latest".into(), None)));
        for (text, name) in [("law=runs/latest+runs/law-1", "law"), ("runs/latest+runs/law-1", "law-1")] {
            assert_eq!(parse(text), Ok((name.into(), "runs/latest".into(), Some("runs/law-1".into()))));
        }
        for wrong in ["=runs", "de=", ""] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a+b");
        std::fs::create_dir(&path).unwrap();
        let text = path.to_str().unwrap();
        assert_eq!(parse(text), Ok(("a+b".into(), path.clone(), None)));
        assert_eq!(parse(&format!("de={text}")), Ok(("de".into(), path.clone(), None)));
    }

    #[test]
    fn models_that_decide_together_are_of_the_name_that_is_given_or_of_all() {
        let mut models = ["a=runs/1", "b=runs/2"].map(|text| ModelSource::parse(text).unwrap());
        ModelSource::add_model(&mut models, "a=runs/3").unwrap();
        ModelSource::add_model(&mut models, "runs/4").unwrap();
        ModelSource::set_weights(&mut models, "a=2,1,.5").unwrap();
        let folders =
            |model: &ModelSource| model.with.iter().map(|path| path.display().to_string()).collect::<Vec<_>>();
        assert_eq!(models.each_ref().map(folders), [vec!["runs/3", "runs/4"], vec!["runs/4"]]);
        assert_eq!(models.map(|model| model.weights), [vec![2.0, 1.0, 0.5], vec![]]);
    }

    #[test]
    fn what_is_said_of_no_model_is_refused() {
        let mut models = [ModelSource::new("a")];
        for (refused, why) in [
            (ModelSource::set_languages(&mut models, "a=en"), "--languages a=en: write FROM:TO"),
            (ModelSource::add_model(&mut models, "a="), "--with a=: write DIR"),
            (ModelSource::add_model(&mut models, "b=runs"), "no model is called b"),
            (ModelSource::set_weights(&mut models, "a=2;1"), "--weights a=2;1: write numbers"),
        ] {
            assert!(refused.as_ref().is_err_and(|error| error.contains(why)), "{why}: {refused:?}");
        }
        assert_eq!(models, [ModelSource::new("a")]);
    }

    #[test]
    fn what_is_said_twice_of_a_model_is_the_same_or_refused() {
        let mut models = ["a=runs/1", "b=runs/2"].map(|text| ModelSource::parse(text).unwrap());
        for text in ["a=en:de", "en:de"] {
            ModelSource::set_languages(&mut models, text).unwrap();
            ModelSource::set_weights(&mut models, "2,1").unwrap();
        }
        for refused in [
            ModelSource::set_languages(&mut models, "a=de:en"),
            ModelSource::set_languages(&mut models, "en:fr"),
            ModelSource::set_weights(&mut models, "b=1,1"),
        ] {
            assert!(refused.as_ref().is_err_and(|error| error.contains("say them once")), "{refused:?}");
        }
    }
}
