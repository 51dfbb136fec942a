//! Runs: recipes that are trained in folders.

use std::{
    fs::File,
    path::{Path, PathBuf},
    rc::Rc,
};

use attentive_backend::{BackendKind, Device};
use attentive_bundle::Bundle;
use attentive_collective::{Alone, Collective, Exchange};
use attentive_data::{EncodingPeers, Size, TokenCache};
use attentive_task::{
    Log, Resizable, Result, TaskVisitor,
    config::{Problem, RunRecipe, TaskRecipe},
    of_any_task, prepare, resolve, together,
};
use attentive_trainer::{Callback, CheckpointDir, OnDamage};

use crate::{
    Recipe, folder, memory,
    recipe::finished_model,
    session::Session,
    together::{Preparing, first_says, of_recipe, same, same_by_name, text_of_first, version},
};

/// A recipe, and the folder that it is trained in. The folder is locked while this lives.
///
/// The folder holds checkpoints, from which an interrupted run goes on, the logs, and in the end the model.
#[derive(Debug)]
pub struct Run {
    folder: PathBuf,
    recipe: Recipe,
    resumes: bool,
    warning: Option<String>,
    /// Of the first process; the others write nothing.
    lock: Option<File>,
    /// The processes that train it together.
    peers: Rc<dyn Collective>,
}

/// How a run is trained; silently, unless something else is said.
pub struct TrainOptions<'a> {
    /// Where lines of what is done go.
    pub log: &'a dyn Log,
    /// Told of every event; each may stop the run.
    pub callbacks: Vec<&'a mut dyn Callback>,
    /// Bytes of memory that training may take; sizes of batches that are `"auto"` become the most that fits.
    pub memory: Option<u64>,
    /// Whether event files for TensorBoard are written too.
    pub tensorboard: bool,
    /// What is done about damaged checkpoints when the last ones are averaged.
    pub on_damage: OnDamage,
}

impl Default for TrainOptions<'_> {
    fn default() -> Self {
        Self { log: &(), callbacks: Vec::new(), memory: None, tensorboard: false, on_damage: OnDamage::Refuse }
    }
}

impl std::fmt::Debug for TrainOptions<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TrainOptions")
            .field("memory", &self.memory)
            .field("tensorboard", &self.tensorboard)
            .finish_non_exhaustive()
    }
}

/// How a run ended.
#[derive(Debug)]
pub enum Ended {
    /// The model is trained, averaged, written and scored.
    Finished {
        /// The run's folder, which is also the model's.
        folder: PathBuf,
        /// Arguments of the command that use the model, which `latest` beside the folder leads to.
        example: String,
    },
    /// A callback has stopped it; [`Run::resume`] goes on.
    Stopped {
        /// Updates that were made.
        step: u64,
        /// The run's folder.
        folder: PathBuf,
    },
}

impl Ended {
    /// The finished model, read from the run's folder, with its scores in `record`.
    ///
    /// # Errors
    /// [`Error::Refused`](attentive_task::Error::Refused) if the run was stopped; those of reading the folder.
    pub fn bundle(self) -> Result<Bundle> {
        match self {
            Self::Finished { folder, .. } => Ok(Bundle::read(&folder)?),
            Self::Stopped { step, folder } => {
                refuse!("{} was stopped after step {step}: resume it first", folder.display())
            }
        }
    }
}

impl Run {
    /// A new run in a folder of its own, `runs/NAME-1` for example.
    ///
    /// # Errors
    /// The folder can't be made or locked.
    pub fn create(runs: impl AsRef<Path>, recipe: Recipe) -> Result<Self> {
        Self::create_among(Rc::new(Alone), runs, recipe)
    }

    /// As [`create`](Self::create), of processes that train together: each calls it, and the first one makes the folder.
    ///
    /// # Errors
    /// Also where a process has another recipe, or an update does not have a micro-batch for each process.
    pub fn create_among(peers: Rc<dyn Collective>, runs: impl AsRef<Path>, recipe: Recipe) -> Result<Self> {
        same(&*peers, &[version()])?;
        same_by_name(&*peers, &of_recipe(&recipe.to_toml()))?;
        let checked = recipe.run.training.validate_among(peers.size());
        checked.map_err(|error| recipe.origins.locate(Problem::within("training", &error.keys(), &error).into()))?;
        let make = || {
            let folder = folder::create(runs.as_ref(), &recipe.run.name)?;
            let (lock, warning) = folder::lock(&folder)?;
            // From here on, whatever happens, the run can be resumed.
            Bundle::write_config(&folder, &recipe.to_toml())?;
            Ok((folder, Some(lock), warning))
        };
        let made = if peers.rank() == 0 { make() } else { Ok(Default::default()) };
        let (folder, lock, warning) = together(&*peers, made)?;
        let folder = text_of_first(&*peers, folder.display().to_string())?.into();
        Ok(Self { folder, recipe, resumes: false, warning, lock, peers })
    }

    /// An interrupted run, by its folder or `runs/latest`; `settings` change what may change from here on.
    ///
    /// # Errors
    /// The folder holds no run, another process trains in it, or a setting must not change.
    pub fn resume(run: impl AsRef<Path>, settings: &[String]) -> Result<Self> {
        Self::resume_among(Rc::new(Alone), run, settings)
    }

    /// As [`resume`](Self::resume), of processes that train together, as many as there are now: each calls it, and goes by
    /// what the first one reads.
    ///
    /// # Errors
    /// As [`resume`](Self::resume); an update does not have a micro-batch for each process.
    pub fn resume_among(peers: Rc<dyn Collective>, run: impl AsRef<Path>, settings: &[String]) -> Result<Self> {
        let open = || match peers.rank() {
            0 => Self::open(run.as_ref(), settings).map(Some),
            _ => Ok(None),
        };
        same(&*peers, &[version()])?;
        let opened = together(&*peers, open())?;
        let (folder, text) = opened
            .as_ref()
            .map_or_else(Default::default, |run| (run.folder.display().to_string(), run.recipe.to_toml()));
        let (folder, text) = (text_of_first(&*peers, folder)?, text_of_first(&*peers, text)?);
        let run = match opened {
            Some(run) => run,
            None => {
                let (folder, lock, warning) = (PathBuf::from(folder), None, None);
                let recipe = Recipe::of_resolved(&text, &folder.join("config.toml"))?;
                Self { folder, recipe, resumes: true, warning, lock, peers: Rc::new(Alone) }
            }
        };
        let checked = run.recipe.run.training.validate_among(peers.size());
        checked.map_err(|error| Problem::within("training", &error.keys(), &error))?;
        Ok(Self { peers, ..run })
    }

    /// An interrupted run.
    fn open(run: &Path, settings: &[String]) -> Result<Self> {
        let folder = resolve(run);
        folder::check_is_run(&folder)?;
        if folder::is_finished(&folder) && CheckpointDir::new(folder.join(folder::CHECKPOINTS), 1).list()?.is_empty() {
            refuse!("{} is finished and has no checkpoints to go on from; begin a new run", folder.display());
        }
        let recipe = Recipe::of_run(&folder.join("config.toml"), settings)?;
        let (lock, warning) = folder::lock(&folder)?;
        folder::sweep(&folder)?;
        Ok(Self { folder, recipe, resumes: true, warning, lock: Some(lock), peers: Rc::new(Alone) })
    }

    /// The run's folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Its recipe.
    pub fn recipe(&self) -> &Recipe {
        &self.recipe
    }

    /// Whether a size that is left open can be found, before any data is read.
    fn check_auto(&mut self, device: &Device, memory: Option<u64>, log: &dyn Log) -> Result<()> {
        let setting = self.recipe.task.batch_setting();
        let is_auto = *self.recipe.task.batch_size() == Size::Auto;
        if is_auto && self.peers.size() > 1 {
            refuse!("{setting} = \"auto\" is measured by one process: give a number, which several can share");
        }
        if is_auto && memory.is_none() {
            refuse!("{setting} = \"auto\" needs --memory, for example --memory 4GiB");
        }
        if is_auto && !matches!(BackendKind::of(device), Some(BackendKind::Flex | BackendKind::NdArray)) {
            refuse!("{setting} = \"auto\" is measured on the CPU: choose --backend flex, or give a number");
        }
        if memory.is_some() && !is_auto && !self.resumes {
            log.warning(&format!("{setting} is a number, and so --memory changes nothing: set it to \"auto\""));
        }
        Ok(())
    }

    /// Trains to the end, or until a callback stops it.
    ///
    /// # Errors
    /// Those of the recipe, the data and training. The run can be resumed, unless the error says otherwise; a new one that
    /// fails before its training begins leaves no folder.
    pub fn train(mut self, device: &Device, options: TrainOptions<'_>) -> Result<Ended> {
        let log = options.log;
        self.warning.iter().chain(&self.recipe.run.schedule_warning()).for_each(|warning| log.warning(warning));
        let training = &self.recipe.run.training;
        match training.precision {
            precision if !precision.is_on(device) => {
                log.line("note: this device does not multiply bf16; products are f32");
            }
            precision if !precision.is_fast(device) => log.line(
                "note: this CPU has no instructions for training.precision = \"bf16\", which is slower than \"f32\" here",
            ),
            _ => {}
        }
        if training.exchange != Exchange::F32 && self.peers.size() == 1 {
            log.line("note: training.exchange is for several processes: one alone sends nothing");
        }
        let checked = self.check_auto(device, options.memory, log);
        // A run with checkpoints keeps the vocabulary that it began with, and needs no model that it began from.
        let begun = self.resumes && !CheckpointDir::new(self.folder.join(folder::CHECKPOINTS), 1).list()?.is_empty();
        let begun = first_says(&*self.peers, begun)?;
        let processors = ["tokenizer.json", "processor.json"].map(|file| self.folder.join(file));
        let tokenizer = processors.into_iter().find(|path| begun && path.exists());
        if begun && tokenizer.is_none() {
            log.warning(&format!(
                "{} has no tokenizer.json any more, nor processor.json: how its data become numbers is found again, as before \
                 only if they are as they were",
                self.folder.display()
            ));
        }
        let (origins, peers) = (self.recipe.origins.clone(), Rc::clone(&self.peers));
        let Recipe { run, task, .. } = &mut self.recipe;
        let preparing = Preparing::new(Rc::clone(&peers));
        let visitor = Training { folder: &self.folder, device, options, peers: &self.peers, preparing: &preparing };
        // Runs of one folder share the tokens of their texts.
        let others = (peers.size() > 1).then(|| Rc::clone(&preparing) as Rc<dyn EncodingPeers>);
        let cache = TokenCache { peers: others, ..TokenCache::new(self.folder.with_file_name(".tokens"), "") };
        let trained = checked
            .and_then(|()| prepare(run, task, tokenizer.as_deref(), Some(&cache), log, visitor))
            .map_err(|error| preparing.failed(error));
        if let (Err(_), false, Some(lock)) = (&trained, self.resumes, self.lock) {
            folder::discard_unbegun(&self.folder, lock);
        }
        trained.inspect(|_| peers.finish()).map_err(|error| origins.locate(error))
    }
}

/// A run that is about to begin, or to go on.
struct Training<'a, 'o> {
    folder: &'a Path,
    device: &'a Device,
    options: TrainOptions<'o>,
    peers: &'a Rc<dyn Collective>,
    preparing: &'a Preparing,
}

impl TaskVisitor for Training<'_, '_> {
    type Output = Ended;

    fn visit<T: Resizable>(self, mut task: T, run: &mut RunRecipe, settings: &mut TaskRecipe) -> Result<Ended> {
        self.preparing.done()?;
        let finished = finished_model(run, settings)?;
        if let (Size::Auto, Some(limit)) = (*settings.batch_size(), self.options.memory) {
            let setting = settings.batch_setting();
            *settings.batch_size() =
                Size::Of(memory::fit(&mut task, run, (setting, limit), self.device, self.options.log)?);
        }
        let average_last = of_any_task!(&*settings, recipe => recipe.evaluation.average_last);
        let config = crate::recipe::to_toml(run, settings);
        let session = Session {
            settings: run,
            config: &config,
            average_last,
            finished,
            run: self.folder,
            device: self.device.clone(),
            options: self.options,
            peers: Rc::clone(self.peers),
        };
        session.train(&task)
    }
}
