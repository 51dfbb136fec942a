//! What a run would meet, before it begins.

use std::path::Path;

use attentive_backend::Device;
use attentive_data::Size;
use attentive_model::ModelSpec;
use attentive_task::{
    LabeledTexts, Log, Resizable, Result, TaskVisitor, binary_size, clock,
    config::{RunRecipe, TaskRecipe},
    examine, examine_labels, of_any_task, prepare, thousands,
};

use crate::{Cost, Recipe};

impl Recipe {
    /// Examines the recipe on a device, as far as it goes: its data, the model, and what time, memory and disk space the run
    /// would take in the folder of runs. What is found goes to the log, what is odd to `warnings`.
    ///
    /// # Errors
    /// What the run would end with before its first update.
    pub fn examine(&mut self, device: &Device, runs: &Path, log: &dyn Log, warnings: &mut Vec<String>) -> Result<()> {
        // Labels need no tokens, and may be what training is refused for.
        if let TaskRecipe::Classification(of_task) = &self.task {
            warnings.extend(examine_labels(&LabeledTexts::open(&of_task.data)?, log));
        }
        let Recipe { run, task, origins, .. } = self;
        let examination = Examination { device, runs, log, warnings };
        prepare(run, task, None, None, log, examination).map_err(|error| origins.locate(error))
    }
}

/// What is done with a task that can be trained.
struct Examination<'a> {
    device: &'a Device,
    runs: &'a Path,
    log: &'a dyn Log,
    warnings: &'a mut Vec<String>,
}

impl TaskVisitor for Examination<'_> {
    type Output = ();

    fn visit<T: Resizable>(self, task: T, run: &mut RunRecipe, settings: &mut TaskRecipe) -> Result<()> {
        let Self { device, runs, log, warnings } = self;
        warnings.extend(run.schedule_warning());
        if let Some(tokenizer) = task.processor().tokenizer() {
            warnings.extend(examine(settings, &**tokenizer, log)?);
        }
        let cost = Cost::measure(&task, run, device, log)?;
        log.line(&format!("model     {} parameters: {}", thousands(cost.n_params), task.spec().describe()));
        let average_last = of_any_task!(&*settings, recipe => recipe.evaluation.average_last);
        warnings.extend(told(&cost, run, average_last, runs, log));
        if *settings.batch_size() == Size::Auto {
            let setting = settings.batch_setting();
            warnings.push(format!("{setting} = \"auto\": time and memory are those of small batches"));
        }
        Ok(())
    }
}

/// Tells what a run costs; returns what is odd.
fn told(cost: &Cost, run: &RunRecipe, average_last: usize, runs: &Path, log: &dyn Log) -> Option<String> {
    let steps = u32::try_from(run.training.steps).unwrap_or(u32::MAX);
    log.line(&format!(
        "time      {:.3} s an update, {:.0} target tokens/s: {} for {} updates, validation apart",
        cost.time.as_secs_f64(),
        cost.targets_per_second,
        clock(cost.time.saturating_mul(steps)),
        thousands(run.training.steps)
    ));
    log.line(&match cost.peak_bytes {
        Some(bytes) => format!("memory    {} at the most, in the updates that were tried", binary_size(bytes)),
        None => "memory    not told by this system".to_owned(),
    });
    if let Some(file) = runs.ancestors().find(|path| path.exists()).filter(|path| !path.is_dir()) {
        return Some(format!("disk: {} is a file, and runs need a folder", file.display()));
    }
    let (needed, free) = (cost.kept_bytes(run, average_last), free_bytes(runs));
    let runs = runs.display();
    log.line(&format!(
        "disk      {} a checkpoint, {} for all that are kept, {} free in {runs}",
        binary_size(cost.checkpoint_bytes(run)),
        binary_size(needed),
        free.map_or("an unknown number of bytes".into(), binary_size),
    ));
    let free = free.filter(|&free| free < needed)?;
    Some(format!("disk: {} are free in {runs} and the run will want {}", binary_size(free), binary_size(needed)))
}

/// Free space where a folder is or will be.
fn free_bytes(folder: &Path) -> Option<u64> {
    let there = folder.ancestors().find(|path| path.exists()).unwrap_or(Path::new("."));
    fs4::available_space(there).ok()
}
