//! `attentive inspect`.

use std::path::PathBuf;

use anyhow::Result;
use attentive_bundle::{Adapter, Bundle, EmbeddingConfig, ReadingConfig};
use attentive_model::{ModelConfig, Role};
use attentive_run::resolve;
use attentive_task::{Sizes, in_words, thousands};
use clap::Args;
use toml::Table;

/// Show what a model is made of, where it came from, and what it costs.
#[derive(Debug, Args)]
pub(crate) struct Inspect {
    /// The model's folder; DIR+ADAPTER for one with an adapter over it.
    #[arg(default_value = "runs/latest")]
    model: PathBuf,
    /// Show a model that is not there instead, without making it: base, big, a row of Table 3, rnnsearch, gpt-2, gpt-3-175b, canine, …
    #[arg(long, value_name = "NAME", conflicts_with = "model")]
    preset: Option<String>,
    /// Also list every parameter with its shape.
    #[arg(long, conflicts_with = "preset")]
    params: bool,
}

impl Inspect {
    pub(super) fn run(self) -> Result<()> {
        if let Some(name) = &self.preset {
            say!("preset       {name}")?;
            return show_model(&attentive_task::config::preset(name)?);
        }
        let (folder, over) = attentive_interchange::model_and_adapter(&self.model);
        let mut bundle = Bundle::read(resolve(folder))?;
        bundle.unpack();
        say!("model        {}", bundle.path.display())?;
        show_model(&bundle.model)?;
        if let Some(tokenizer) = bundle.processor.tokenizer() {
            say!("tokenizer    {} entries", thousands(tokenizer.vocab_size() as u64))?;
        }
        if let Some(processor) = bundle.processor.trajectory() {
            say!("processor    {processor}")?;
        }
        if let Some((adapter, settings)) = Adapter::read(&bundle.path)? {
            show_adapter(&adapter, "merged into the model", &Table::try_from(settings)?, self.params)?;
        }
        if let Some(folder) = over {
            let adapter = attentive_interchange::merge_adapter(&mut bundle, &resolve(folder))?;
            show_adapter(&adapter, &format!("over it: {}", folder.display()), &Table::new(), self.params)?;
        }
        let embedding = Some(&bundle.embedding).filter(|&embedding| *embedding != EmbeddingConfig::default());
        let reading = Some(&bundle.reading).filter(|&reading| *reading != ReadingConfig::default());
        let tables = [
            ("embedding", embedding.map(Table::try_from).transpose()?),
            ("reading", reading.map(Table::try_from).transpose()?),
        ];
        for (name, table) in tables {
            for (key, value) in table.into_iter().flatten() {
                say!("{name:<12} {key} = {value}")?;
            }
        }
        let record = &bundle.record;
        say!("training     {}", in_words(record))?;
        if record.steps > 0 {
            say!("averaged     steps {:?}", record.averaged_steps)?;
        }
        let unit = if bundle.model.role() == Role::ImageEncoder { "pictures" } else { "lines" };
        for data in &record.data {
            let n = thousands(data.n_lines);
            say!("data         {:<10} {} ({n} {unit}, sha256 {})", data.split, data.name, data.sha256)?;
        }
        for score in &record.scores {
            let n_places = if score.value.abs() <= 1.0 { 3 } else { 2 };
            say!("score        {:<10} {} {:.n_places$} {}", score.split, score.metric, score.value, score.signature)?;
        }
        if self.params {
            for (name, tensor) in &bundle.params {
                say!("param        {name} {:?}", tensor.shape)?;
            }
        }
        Ok(())
    }
}

/// What was trained beside a model, and where it is.
fn show_adapter(adapter: &Adapter, place: &str, settings: &Table, lists_params: bool) -> Result<()> {
    say!("adapter      {} parameters, {place}", thousands(adapter.n_params() as u64))?;
    for (key, value) in settings {
        say!("  {key} = {value}")?;
    }
    say!("  on {} linear maps", adapter.changes.len())?;
    if lists_params {
        for (path, change) in &adapter.changes {
            say!("change       {path} {:?} {:?}", change.down.shape, change.up.shape)?;
        }
        for (name, param) in &adapter.params {
            say!("whole        {name} {:?}", param.shape)?;
        }
    }
    Ok(())
}

/// Sizes and costs, from the configuration alone.
fn show_model(model: &ModelConfig) -> Result<()> {
    say!("family       {} ({})", model.family(), model.summary())?;
    for (key, value) in Table::try_from(model)?.iter().filter(|(key, _)| *key != "family") {
        say!("  {key} = {value}")?;
    }
    Ok(say!("{}", Sizes::of(model))?)
}
