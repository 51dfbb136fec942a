//! Which scores, and their options, as sacreBLEU names them.

use std::path::PathBuf;

use anyhow::{Context, Result, bail, ensure};
use attentive_metrics::{
    AlignmentErrorRate, AnyScorer, Bleu, BleuTokenizer, Chrf, ErrorRate, ExactMatch, PaperBleu, Scorer, Smoothing, Ter,
};
use attentive_task::{sentence_piece_bleu, sentence_piece_signature};
use clap::{Args, ValueEnum};

use super::Segments;
use crate::commands::{at_least_0, integer};

/// The longest n-grams of chrF, its greatest beta, and the most digits of a score.
const MAX_ORDER: u8 = 100;
const MAX_BETA: u32 = 1000;
const MAX_DIGITS: usize = 50;

/// A score by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum MetricName {
    /// BLEU of plain text, as sacreBLEU computes it.
    Bleu,
    /// Character n-gram F-score.
    Chrf,
    /// chrF with words of up to two.
    #[value(name = "chrf++")]
    ChrfPlusPlus,
    /// Translation edit rate; the lower the better.
    Ter,
    /// BLEU of text that Moses's tokenizer made, as older papers report it.
    PaperBleu,
    /// Word error rate of recognised speech, as jiwer computes it; the lower the better.
    Wer,
    /// Character error rate of recognised speech; the lower the better.
    Cer,
    /// The share of segments that equal a reference.
    Exact,
    /// Alignment error rate of lines of `0-0 1-2`, whose references may have possible pairs, `1p2`; the lower the better.
    Aer,
}

/// Which scores, and their options.
#[derive(Debug, Args)]
#[command(next_help_heading = "Scores")]
pub(crate) struct MetricArgs {
    /// Scores, separated by commas.
    #[arg(short, long, visible_alias = "metrics", value_name = "NAME", value_delimiter = ',', default_value = "bleu")]
    metric: Vec<MetricName>,
    /// BLEU's tokenizer: 13a for raw text, none for text that is tokenised already, intl, char, zh; or flores101,
    /// flores200, spBLEU-1K, spm with --spm-model.
    #[arg(long, value_name = "NAME", default_value = "13a")]
    tokenize: String,
    /// The SentencePiece model of --tokenize flores200 and its like.
    #[arg(long, value_name = "FILE")]
    spm_model: Option<PathBuf>,
    /// BLEU without regard to case.
    #[arg(long)]
    lowercase: bool,
    /// What BLEU puts for a precision of zero: exp, floor, add-k or none.
    #[arg(long, visible_alias = "smooth", value_name = "METHOD", default_value = "exp")]
    smooth_method: String,
    /// The value of floor (0.1 unless given) or add-k (1).
    #[arg(long, value_name = "X", value_parser = at_least_0())]
    smooth_value: Option<f64>,
    /// Do not warn of text that looks tokenised.
    #[arg(long)]
    force: bool,
    /// Split compounds at their hyphens for paper-bleu, as papers on English-German do.
    #[arg(long)]
    split_compounds: bool,
    /// The longest character n-grams of chrF.
    #[arg(long, value_name = "N", default_value_t = 6, value_parser = integer(1..=MAX_ORDER))]
    chrf_char_order: u8,
    /// The longest word n-grams of chrF: 0 unless given, and 2 of chrf++.
    #[arg(long, value_name = "N", value_parser = integer::<u8>(0..=MAX_ORDER))]
    chrf_word_order: Option<u8>,
    /// How many times more recall weighs than precision in chrF.
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = integer(0..=MAX_BETA))]
    chrf_beta: u32,
    /// Count white space among chrF's characters.
    #[arg(long)]
    chrf_whitespace: bool,
    /// chrF without regard to case.
    #[arg(long)]
    chrf_lowercase: bool,
    /// Smooth chrF as chrF++.py, NLTK and Moses do.
    #[arg(long)]
    chrf_eps_smoothing: bool,
    /// TER with regard to case.
    #[arg(long)]
    ter_case_sensitive: bool,
    /// Make TER's words of the characters of Chinese and Japanese.
    #[arg(long)]
    ter_asian_support: bool,
    /// Leave punctuation out of TER.
    #[arg(long)]
    ter_no_punct: bool,
    /// Normalise and tokenise for TER.
    #[arg(long)]
    ter_normalized: bool,
    /// Digits of scores after the point.
    #[arg(short, long, value_name = "N", default_value_t = 2, value_parser = integer(0..=MAX_DIGITS))]
    pub width: usize,
}

impl MetricArgs {
    /// The scores asked for, in order, none twice. `effective_order` is what BLEU of single sentences needs.
    pub(crate) fn scorers(&self, effective_order: bool) -> Result<Vec<Box<dyn AnyScorer>>> {
        use MetricName as Name;
        let bleu = Bleu { effective_order, ..self.bleu()? };
        let is_plain = self.tokenize == "13a" && self.smooth_method == "exp" && self.smooth_value.is_none();
        for (is_usual, of, options) in [
            (is_plain, &[Name::Bleu][..], "--tokenize and --smooth-… are for bleu"),
            (!self.lowercase, &[Name::Bleu, Name::PaperBleu], "--lowercase is for bleu and paper-bleu"),
            (!self.split_compounds, &[Name::PaperBleu], "--split-compounds is for paper-bleu"),
            (self.chrf(0) == Chrf::default(), &[Name::Chrf, Name::ChrfPlusPlus], "--chrf-… is for chrf and chrf++"),
            (self.ter() == Ter::default(), &[Name::Ter], "--ter-… is for ter"),
        ] {
            ensure!(is_usual || of.iter().any(|name| self.metric.contains(name)), "{options}: ask for it by --metric");
        }
        let scorer = |name| -> Box<dyn AnyScorer> {
            match name {
                Name::Bleu => Box::new(bleu.clone()),
                Name::Chrf => Box::new(self.chrf(0)),
                Name::ChrfPlusPlus => Box::new(self.chrf(2)),
                Name::Ter => Box::new(self.ter()),
                Name::PaperBleu => Box::new(self.paper_bleu()),
                Name::Wer => Box::new(ErrorRate::words()),
                Name::Cer => Box::new(ErrorRate::characters()),
                Name::Exact => Box::new(ExactMatch),
                Name::Aer => Box::new(AlignmentErrorRate),
            }
        };
        let first = self.metric.iter().enumerate().filter(|&(at, name)| !self.metric[..at].contains(name));
        Ok(first.map(|(_, &name)| scorer(name)).collect())
    }

    /// BLEU alone.
    pub(crate) fn bleu(&self) -> Result<Bleu> {
        let tokenizer = match (sentence_piece_signature(&self.tokenize), &self.spm_model) {
            (Some(name), Some(model)) => sentence_piece_bleu(name, model)?,
            (Some(_), None) => bail!(
                "--tokenize {}: give the SentencePiece model of that name, which sacreBLEU downloads, with --spm-model",
                self.tokenize
            ),
            (None, Some(_)) => bail!("--spm-model is for --tokenize flores101, flores200, spBLEU-1K or spm"),
            (None, None) => self.tokenize.parse::<BleuTokenizer>()?,
        };
        let smoothing =
            Smoothing::from_name(&self.smooth_method, self.smooth_value).context("--smooth-method, --smooth-value")?;
        Ok(Bleu { tokenizer, smoothing, lowercase: self.lowercase, force: self.force, ..Bleu::default() })
    }

    fn chrf(&self, usual_order: u8) -> Chrf {
        Chrf {
            char_order: self.chrf_char_order,
            word_order: self.chrf_word_order.unwrap_or(usual_order),
            beta: self.chrf_beta,
            lowercase: self.chrf_lowercase,
            whitespace: self.chrf_whitespace,
            eps_smoothing: self.chrf_eps_smoothing,
        }
    }

    fn ter(&self) -> Ter {
        Ter {
            normalized: self.ter_normalized,
            no_punct: self.ter_no_punct,
            asian_support: self.ter_asian_support,
            case_sensitive: self.ter_case_sensitive,
        }
    }

    fn paper_bleu(&self) -> PaperBleu {
        PaperBleu { split_compounds: self.split_compounds, lowercase: self.lowercase }
    }

    /// Warns of hypotheses that look tokenised where BLEU makes the tokens itself, and the other way round.
    pub(crate) fn warn(&self, name: &str, hypotheses: &[String]) -> Result<()> {
        let bleu = self.bleu()?;
        if self.metric.contains(&MetricName::Bleu)
            && self.tokenize != "none"
            && let Some(found) = bleu.tokenized_input(hypotheses)
        {
            warning!("warning: {name}: {found}; --force silences this");
        }
        let n_tokenized = hypotheses.iter().filter(|line| line.ends_with(" .")).count();
        let n_plain = hypotheses.iter().filter(|line| line.ends_with('.')).count() - n_tokenized;
        if self.metric.contains(&MetricName::PaperBleu) && !self.force && n_plain > n_tokenized {
            warning!(
                "warning: {name}: paper-bleu counts the tokens of Moses's tokenizer.perl, and {n_plain} lines end in a \
                 full stop that was not set off; --force silences this"
            );
        }
        Ok(())
    }

    /// How the two kinds of BLEU differ, where both are asked for.
    pub(crate) fn explain(&self, hypotheses: &[String], references: &[Segments]) -> Result<Option<String>> {
        if ![MetricName::Bleu, MetricName::PaperBleu].iter().all(|name| self.metric.contains(name)) {
            return Ok(None);
        }
        let streams: Vec<&[String]> = references.iter().map(|stream| &stream.lines[..]).collect();
        let paper = self.paper_bleu();
        let scores = (paper.corpus(hypotheses, &streams)?, self.bleu()?.corpus(hypotheses, &streams)?);
        Ok(Some(paper.explain(&scores.0, &scores.1)))
    }
}
