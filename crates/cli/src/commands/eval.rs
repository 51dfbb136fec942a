//! `attentive eval`.

use std::{num::NonZeroUsize, path::PathBuf};

use anyhow::{Context, Result, bail};
use attentive_bundle::{Search, Translator, WeightFormat};
use attentive_collective::Collective;
use attentive_metrics::{AnyScorer, BitsPerByte, DEFAULT_SEED, Likelihood, Metric, Perplexity, RefCount, Statistics};
use attentive_task::{LineFile, Log, Segments, likelihood_by, likelihood_of, of_first, share_blocks};
use clap::Args;
use serde_json::{Value, json};

use super::{
    DecodingArgs, LINES_AT_ONCE, LongLines, ModelArgs, check_new_file,
    numbers::{MANY_RESAMPLED, integer},
    open_model, processes, refuse_overwriting,
    translate::EnsembleArgs,
};
use crate::{
    input,
    metric::{MetricArgs, check_aligned, segments, streams},
    terminal::Terminal,
};

/// Score a model's translations of a test set, or translations that there are.
///
/// A text without tokens has an empty translation. Scores equal those of sacreBLEU 2.6, with its signatures. Of a model, also
/// how well it foresees the references: perplexity per target token, and bits per byte of the first reference, line ends
/// included.
#[derive(Debug, Args)]
pub(crate) struct Eval {
    /// Source sentences, a line each; plain or compressed; `-` is standard input.
    #[arg(long, value_name = "FILE")]
    source: Option<PathBuf>,
    /// Score these translations, a line each, in place of the model's; `-` is standard input.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["source", "output", "overwrite", "model",
        "source_language", "target_language", "EnsembleArgs", "beam", "length_penalty", "beam_rules", "min_length", "max_length",
        "no_repeat_ngram", "repetition_penalty", "batch_tokens", "no_shortlist", "precision", "on_long"])]
    hypotheses: Option<PathBuf>,
    /// Translations by people; may be given several times.
    #[arg(long, value_name = "FILE", required = true)]
    reference: Vec<PathBuf>,
    /// Also write the translations to a file, a line each.
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Write over a file that is there.
    #[arg(long, requires = "output")]
    overwrite: bool,
    /// Score every sentence by itself, a line each, in place of the whole.
    #[arg(long, conflicts_with_all = ["json", "confidence"])]
    sentence_level: bool,
    /// Also give the 95 % interval of each score, by bootstrap resampling.
    #[arg(long)]
    confidence: bool,
    /// Samples of the bootstrap.
    #[arg(long, value_name = "N", requires = "confidence", conflicts_with = "sentence_level", default_value_t = 1000, value_parser = integer(1..=MANY_RESAMPLED))]
    confidence_n: usize,
    /// What its random numbers start from.
    #[arg(long, value_name = "N", default_value_t = DEFAULT_SEED, env = "SACREBLEU_SEED", value_parser = integer(0..=u64::MAX))]
    seed: u64,
    /// Write JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    long: LongLines,
    #[command(flatten)]
    metrics: MetricArgs,
    #[command(flatten)]
    decoding: DecodingArgs,
    #[command(flatten)]
    of: ModelArgs,
    #[command(flatten)]
    ensemble: EnsembleArgs,
}

impl Eval {
    pub(super) fn run(self) -> Result<()> {
        processes::together(|peers| match &self.hypotheses {
            Some(_) if peers.rank() > 0 => Ok(()),
            _ => self.eval(peers),
        })
    }

    /// Translates together with other processes, of which the first one scores.
    fn eval(&self, peers: &dyn Collective) -> Result<()> {
        if self.source.is_none() && self.hypotheses.is_none() {
            bail!(
                "nothing to score: give the sentences to translate with --source FILE, or translations that exist with \
                 --hypotheses FILE, or --hypotheses - for those of standard input"
            );
        }
        // The others may come after the file is made.
        if let Some(output) = self.output.as_ref().filter(|_| peers.rank() == 0) {
            refuse_overwriting(output, self.source.iter().chain(&self.reference))?;
            check_new_file(output, ("--overwrite", self.overwrite))?;
        }
        let scorers = self.metrics.scorers(self.sentence_level)?;
        let references = self.reference.iter().map(segments).collect::<Result<Vec<_>>>()?;
        let (hypotheses, likelihoods) = match &self.hypotheses {
            Some(path) => {
                let Segments { name, lines } = segments(path)?;
                check_aligned(&name, &lines, &references)?;
                self.metrics.warn(&name, &lines)?;
                (lines, None)
            }
            None => {
                let (lines, likelihoods) = self.translate(&references, peers)?;
                if peers.rank() > 0 {
                    return Ok(());
                }
                self.metrics.warn("the translations", &lines)?;
                (lines, likelihoods)
            }
        };
        let mut results = Vec::new();
        for scorer in &scorers {
            let statistics = scorer.statistics(&hypotheses, &streams(&references))?;
            let signature = scorer.signature(RefCount::Fixed(references.len()));
            if self.sentence_level {
                self.print_sentences(&**scorer, &statistics)?;
                continue;
            }
            let sums = statistics.sums();
            let digits = self.metrics.width;
            let line = scorer.line(&sums, digits);
            let (interval, signature) = if self.confidence {
                let interval = scorer.interval(&statistics, self.confidence_n, self.seed)?;
                (Some(interval), signature.with_bootstrap(self.confidence_n, self.seed))
            } else {
                (None, signature)
            };
            results.push(json!({
                "name": scorer.name(),
                "score": scorer.value(&sums),
                "signature": signature.to_string(),
                "line": line,
                "mean": interval.map(|interval| interval.mean),
                "ci": interval.map(|interval| interval.half_width),
            }));
            if !self.json {
                say!("{line}")?;
                if let Some(interval) = interval {
                    say!("95 % interval: {interval:.digits$}")?;
                }
                say!("{signature}")?;
            }
        }
        let explanation = self.metrics.explain(&hypotheses, &references)?;
        if self.json {
            let [perplexity, bits_per_byte] = likelihoods.map_or([None; 2], |found| found.map(Some));
            let json: Value = json!({
                "scores": results,
                "explanation": explanation,
                "perplexity": perplexity,
                "bits_per_byte": bits_per_byte,
                "n_segments": hypotheses.len(),
            });
            say!("{}", serde_json::to_string_pretty(&json)?)?;
        } else if !self.sentence_level {
            if let Some(text) = &explanation {
                say!("{text}")?;
            }
            if let Some([perplexity, bits_per_byte]) = likelihoods {
                say!("perplexity {perplexity:.3} per target token, {bits_per_byte:.4} bits per byte")?;
            }
        }
        Ok(())
    }

    /// The model's translations; and its perplexity and bits per byte on the first reference.
    fn translate(&self, references: &[Segments], peers: &dyn Collective) -> Result<(Vec<String>, Option<[f64; 2]>)> {
        let open = |folder: &PathBuf| self.of.languages.over(open_model(folder)?);
        let bundles = [&self.of.model].into_iter().chain(&self.ensemble.with).map(open).collect::<Result<Vec<_>>>()?;
        let config = self.decoding.over(&bundles[0].decoding)?;
        let (device, precision) = (self.of.backend.device()?, self.decoding.weights.precision);
        let translator = || Translator::from_ensemble(&bundles, &device, precision, self.ensemble.together());
        let path = self.source.as_ref().context("--source is missing")?;
        let sources = of_first(peers, || Ok(Segments::read_whole(path, input::warn)?.lines))?;
        check_aligned(&path.display().to_string(), &sources, references)?;

        let several = (bundles.len() > 1).then(translator).transpose()?;
        let targets = &references[0].lines;
        let found = if self.sentence_level {
            None
        } else {
            let found = match &several {
                None => likelihood_of(peers, &bundles[0], &device, &sources, targets, config.batch_tokens)?,
                Some(translator) => likelihood_by(translator, &sources, targets, &config)?,
            };
            let precision = precision.unwrap_or(config.precision);
            if found.is_none() && peers.rank() == 0 {
                let or_blank = if several.is_some() { "blank, or " } else { "" };
                warning!("warning: no perplexity: a sentence is {or_blank}longer than the model reads at once");
            } else if precision != WeightFormat::F32 && several.is_none() && peers.rank() == 0 {
                warning!("note: the perplexity is that of the weights as saved; {precision} is for the translations");
            }
            found
        };
        let likelihoods = found.and_then(|found| {
            let n_bytes = targets.iter().map(|line| line.len() as u64 + 1).sum();
            let (mut perplexity, mut bits) = (Perplexity::default(), BitsPerByte::default());
            perplexity.add(found);
            bits.add(Likelihood { n_units: n_bytes, ..found });
            Some([perplexity.value()?, bits.value()?])
        });

        let translator = several.map_or_else(translator, Ok)?;
        let log = Terminal::default();
        let mut output = self.output.as_deref().filter(|_| peers.rank() == 0).map(LineFile::create).transpose()?;
        let mut hypotheses = Vec::with_capacity(sources.len());
        let translated = |first: &usize| {
            let block = &sources[*first..sources.len().min(first + LINES_AT_ONCE)];
            let place = |idx: usize| format!("{}:{}", path.display(), first + idx + 1);
            let search = Search::Best(NonZeroUsize::MIN);
            let (found, refused) = self.long.translate(&translator, block, "", (&config, search), place)?;
            Ok((found.into_iter().map(|mut best| best.swap_remove(0).text).collect(), refused))
        };
        let blocks = (0..sources.len()).step_by(LINES_AT_ONCE).map(Ok);
        share_blocks(peers, blocks, translated, |found: Vec<String>| -> Result<()> {
            if let Some(output) = &mut output {
                output.write(&found)?;
            }
            hypotheses.extend(found);
            log.progress("translating", hypotheses.len(), sources.len());
            Ok(())
        })?;
        Ok((hypotheses, likelihoods))
    }

    /// A line for each sentence, with the signature after the name, as sacreBLEU's `--sentence-level` writes it.
    fn print_sentences(&self, scorer: &dyn AnyScorer, statistics: &Statistics) -> Result<()> {
        let named = format!("{}|{} = ", scorer.name(), scorer.signature(statistics.n_refs()));
        for row in statistics.rows() {
            say!("{}", scorer.line(row, self.metrics.width).replacen(&format!("{} = ", scorer.name()), &named, 1))?;
        }
        Ok(())
    }
}
