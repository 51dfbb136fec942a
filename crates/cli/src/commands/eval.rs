//! `attentive eval`.

use std::{io::Write, path::PathBuf};

use anyhow::{Context, Result};
use attentive_bundle::{Bundle, Translator};
use attentive_data::{CorpusRules, ParallelFiles};
use attentive_metrics::Scorer;
use clap::Args;

use super::{BackendArgs, DecodingArgs};
use crate::{
    run_dir,
    score::{bleu_of, translate_all},
};

/// Score a model's translations of a test set.
#[derive(Debug, Args)]
pub(crate) struct Eval {
    /// The model's folder.
    #[arg(long, value_name = "DIR", default_value = "runs/latest")]
    model: PathBuf,
    /// Source sentences, a line each; plain, .gz or .zst.
    #[arg(long, value_name = "FILE")]
    source: PathBuf,
    /// Their translations by people.
    #[arg(long, value_name = "FILE")]
    reference: PathBuf,
    /// BLEU's tokenizer: 13a for raw text, none for text that is tokenised already, intl, char, zh.
    #[arg(long, value_name = "NAME", default_value = "13a")]
    tokenize: String,
    /// Compare without regard to case.
    #[arg(long)]
    lowercase: bool,
    /// Also write the translations to a file, a line each.
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    decoding: DecodingArgs,
    #[command(flatten)]
    backend: BackendArgs,
}

impl Eval {
    pub(super) fn run(self) -> Result<()> {
        let bleu = bleu_of(&self.tokenize, self.lowercase)?;
        let bundle = Bundle::read(&run_dir::resolve(&self.model))?;
        let config = self.decoding.over(&bundle.decoding);
        let translator = Translator::from_bundle(bundle, &self.backend.device()?, self.decoding.precision)?;

        let files = ParallelFiles::sides([&self.source], [&self.reference]);
        // A test set is scored as it is: an empty line is a sentence like any other.
        let rules = CorpusRules::strict();
        let (mut sources, mut references) = (Vec::new(), Vec::new());
        for pair in files.pairs(&rules)? {
            let pair = pair?;
            sources.push(pair.source);
            references.push(pair.target);
        }
        let hypotheses = translate_all(&translator, &sources, &config, "translating")?;
        if let Some(path) = &self.output {
            let mut text = Vec::new();
            for line in &hypotheses {
                writeln!(text, "{line}")?;
            }
            std::fs::write(path, text).with_context(|| format!("can't write {}", path.display()))?;
        }
        let score = bleu.corpus(&hypotheses, &[&references[..]])?;
        println!("{score}");
        println!("{}", bleu.signature(1));
        Ok(())
    }
}
