//! Corpora without what a model should not learn from.

use std::{
    fs::{self, File},
    io::{BufWriter, Write},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use attentive_backend::Device;
use attentive_bundle::{DecodingConfig, TextScore, TranslateError, TranslationModel, Translator};
use attentive_data::{
    CorpusFilter, CorpusRow, CorpusRows, FilterConfig, FilterReport, FilterRule, JudgedBlock, Language, ParallelFiles,
    Rejection, TsvLayout,
};
use serde::Deserialize;
use serde_json::json;

use crate::{
    Context, Log, Result,
    config::advice,
    folder::open_model,
    log::warn_of,
    synthetic::{beside, finish, on_one_line, place, refuse_overwriting},
    thousands,
};

/// The end of the name of a file that is not whole yet.
const PART: &str = ".part";

/// The time between two words on the progress.
const SAID_EVERY: Duration = Duration::from_secs(5);

/// A corpus that is filtered: its files, the rules, and where the lines go that stay.
#[derive(Debug, Clone, PartialEq)]
pub struct Filtering {
    /// Files of sources, or of a text; with `columns`, tab-separated files of pairs.
    pub source: Vec<PathBuf>,
    /// Files of targets; none for a text, and with `columns`.
    pub target: Vec<PathBuf>,
    /// The columns of source and target, counted from 1.
    pub columns: Option<[usize; 2]>,
    /// Where lines go that stay, as UTF-8: one file for each side, or one for a text, or for pairs as tab-separated lines, in
    /// which tabs of the texts are spaces.
    pub out: Vec<PathBuf>,
    /// Whether files that are there are written over.
    pub force: bool,
    /// The rules.
    pub rules: FilterConfig,
    /// What pairs are scored by.
    pub scoring: Option<PairScoring>,
    /// Where the report goes, as JSON.
    pub report: Option<PathBuf>,
}

/// Scores of pairs by models that translate.
#[derive(Debug, Clone, PartialEq)]
pub struct PairScoring {
    /// A model of this direction, as [`open_model`] takes it: alone, a pair's score is the mean log-probability of
    /// the target's tokens and its end given the source, in nats.
    pub model: PathBuf,
    /// A model of the other direction: a pair's score is then exp(-(|H_A - H_B| + (H_A + H_B) / 2)), from 0 to 1,
    /// where H is the negative of the mean under either model (Junczys-Dowmunt 2018, "Dual Conditional Cross-Entropy
    /// Filtering of Noisy Parallel Corpora", §3).
    pub reverse: Option<PathBuf>,
    /// The least score of a pair that stays.
    pub min_score: Option<f64>,
    /// Where the scores of those go that stay, a line each.
    pub out: Option<PathBuf>,
}

/// The score of a pair under both models: equally probable either way, and probable at all.
fn dual(forward: f64, backward: f64) -> f64 {
    (-((forward - backward).abs() - (forward + backward) / 2.0)).exp()
}

/// Rules from settings, `max_ratio=2` for example; what is not named keeps its usual value. A value is TOML, or else a string.
///
/// # Errors
/// A setting without a value, one that is not known, or a value of another kind.
pub fn filter_rules(settings: &[String]) -> Result<FilterConfig> {
    let mut rules = toml::Table::new();
    for setting in settings {
        let parts = setting.split_once('=').with_context(|| format!("{setting}: expected key=value: max_ratio=2"))?;
        let (key, text) = (parts.0.trim(), parts.1.trim());
        let Some((_, allowed)) = FilterConfig::SETTINGS.into_iter().find(|(name, _)| *name == key) else {
            let names = FilterConfig::SETTINGS.map(|(name, _)| name);
            refuse!("rule {key}: no such setting; {}", advice(key, names));
        };
        let value = toml::from_str::<toml::Table>(&format!("value = {text}")).ok();
        let value = value.and_then(|mut table| table.remove("value")).unwrap_or_else(|| text.into());
        let alone = toml::Table::from_iter([(key.to_owned(), value.clone())]);
        if FilterConfig::deserialize(toml::Value::Table(alone)).is_err() {
            refuse!("rule {key}: {value} must be {allowed}");
        }
        if let Some(before) = rules.insert(key.to_owned(), value.clone()) {
            refuse!("rule {key} is given twice, {before} and {value}: give it once");
        }
    }
    FilterConfig::deserialize(toml::Value::Table(rules)).context("the rules")
}

/// Rules for the languages of a corpus, which they may name themselves.
///
/// # Errors
/// They name another one.
pub fn in_languages(mut rules: FilterConfig, languages: [Option<String>; 2]) -> Result<FilterConfig> {
    let named = [("source_language", &mut rules.source_language), ("target_language", &mut rules.target_language)];
    for ((name, rule), language) in named.into_iter().zip(languages) {
        let Some(language) = language else { continue };
        if let Some(other) = rule.replace(language.clone()).filter(|other| *other != language) {
            refuse!("{name} is given twice, {language} and, by a rule, {other}: give it once");
        }
    }
    Ok(rules)
}

impl Filtering {
    /// Reads the corpus, and writes what stays; `None` if `go_on` ended it, of which nothing is left.
    ///
    /// Files get their names when all are whole: the report last.
    ///
    /// # Errors
    /// A file is there already, or can't be read or written; a rule or a model can't be followed.
    pub fn write(&self, device: &Device, log: &dyn Log, go_on: &dyn Fn() -> bool) -> Result<Option<FilterReport>> {
        let has_pairs = self.columns.is_some() || !self.target.is_empty();
        self.check(has_pairs)?;
        let mut filter = CorpusFilter::new(self.rules.clone())?;
        let mut rows = self.rows()?;
        let scorer = self.scoring.as_ref().map(|scoring| PairScorer::open(scoring, &self.rules, device)).transpose()?;
        let mut outs = Outs::create(self, has_pairs)?;
        let (start, mut said, mut n_read) = (Instant::now(), Instant::now(), 0);
        while let Some(mut block) = filter.next_block(&mut rows)? {
            n_read += block.len() as u64;
            if let Some(scorer) = &scorer {
                scorer.judge(&mut block)?;
            }
            filter.keep(block).iter().try_for_each(|row| outs.write(row))?;
            if said.elapsed() >= SAID_EVERY {
                let rate = n_read as f64 / start.elapsed().as_secs_f64();
                say!(log, "{} lines, {rate:.0} a second", thousands(n_read));
                said = Instant::now();
            }
            if !go_on() {
                return Ok(None);
            }
        }
        outs.finish()?;
        let report = filter.report(&rows);
        warn_of(log, &report.files);
        self.tell(&report)?;
        Ok(Some(report))
    }

    fn rows(&self) -> Result<CorpusRows> {
        let max_bytes = self.rules.max_bytes;
        Ok(match (self.columns, &self.target[..]) {
            (Some(columns), []) => {
                let layout = TsvLayout { columns: Some(columns), header: false, turned: false };
                CorpusRows::of_pairs(&ParallelFiles::tsv_of(&self.source, layout), max_bytes)?
            }
            (Some(_), _) => {
                refuse!("columns are of one tab-separated file, and there are targets: leave out one of them")
            }
            (None, []) => CorpusRows::of_text(&self.source, max_bytes)?,
            (None, target) => CorpusRows::of_pairs(&ParallelFiles::sides(&self.source, target), max_bytes)?,
        })
    }

    /// Refuses files that can't be written, before anything is read.
    fn check(&self, has_pairs: bool) -> Result<()> {
        match (self.out.len(), has_pairs) {
            (1, _) | (2, true) => {}
            (0, _) => refuse!("no file is named for the lines that stay"),
            _ => refuse!("a text of one language is written to one file: leave the other out"),
        }
        if let Some(columns) = self.columns.filter(|columns| columns.contains(&0) || columns[0] == columns[1]) {
            refuse!("columns = {columns:?}: they are two that differ, counted from 1");
        }
        if self.scoring.is_some() && !has_pairs {
            refuse!("a model scores pairs, and this is a text of one language: name its translation, or no model");
        }
        if !has_pairs && self.rules.target_language.is_some() {
            refuse!("a text of one language has no target_language: leave it out");
        }
        let (rules, usual) = (&self.rules, FilterConfig::default());
        let of_pairs = [("max_ratio", rules.max_ratio != usual.max_ratio), ("identical", rules.identical)];
        if let Some((rule, _)) = of_pairs.iter().find(|(_, is_changed)| *is_changed && !has_pairs) {
            refuse!("rule {rule} is of pairs, and this is a text of one language: leave it out");
        }
        let is_told_apart = rules.source_language.is_some() || rules.target_language.is_some();
        if rules.min_confidence != usual.min_confidence && !is_told_apart {
            refuse!("rule min_confidence is of languages: name one, or leave it out");
        }
        if self.scoring.as_ref().and_then(|scoring| scoring.min_score).is_some_and(f64::is_nan) {
            refuse!("min_score = NaN: must be a number");
        }
        let scores = self.scoring.as_ref().and_then(|scoring| scoring.out.as_ref());
        let written: Vec<&PathBuf> = self.out.iter().chain(scores).chain(&self.report).collect();
        for (idx, out) in written.iter().enumerate() {
            let shown = out.display();
            refuse_overwriting(out, self.source.iter().chain(&self.target))?;
            // Its lines are in another file until it is whole.
            let is_report = self.report.as_ref() == Some(*out);
            let part = beside(out, if is_report { ".tmp" } else { PART });
            if let Some(other) = written.iter().find(|other| place(other) == place(&part)) {
                refuse!("{} would be written over on the way to {shown}: name another file", other.display());
            }
            if written[..idx].iter().any(|other| place(other) == place(out)) {
                refuse!("{shown} is named twice, for two things: name another file");
            }
            if out.exists() && !out.is_file() {
                refuse!("can't write {shown}: it is not a file");
            }
            if out.exists() && !self.force {
                refuse!("{shown} is there already: name another file, or let it be written over (--force)");
            }
        }
        Ok(())
    }

    /// Writes the report, with the rules that it is of.
    fn tell(&self, report: &FilterReport) -> Result<()> {
        let Some(path) = &self.report else { return Ok(()) };
        let unwritable = || format!("can't write {}", path.display());
        // Names of files may be no text.
        let report = serde_json::to_value(report).with_context(unwritable)?;
        let shown = |path: &PathBuf| path.display().to_string();
        let scoring = self.scoring.as_ref().map(|PairScoring { model, reverse, min_score, .. }| {
            let reverse = reverse.as_ref().map(shown);
            json!({ "model": shown(model), "reverse_model": reverse, "min_score": min_score })
        });
        let told = json!({ "rules": self.rules, "scoring": scoring, "report": report });
        attentive_weights::write_atomically(path, format!("{told:#}\n").as_bytes()).with_context(unwritable)
    }
}

/// The files of what stays.
struct Outs<'a> {
    sides: Vec<Part<'a>>,
    scores: Option<Part<'a>>,
    /// Whether one file has both sides.
    are_columns: bool,
}

impl<'a> Outs<'a> {
    fn create(filtering: &'a Filtering, has_pairs: bool) -> Result<Self> {
        let sides = filtering.out.iter().map(|out| Part::create(out)).collect::<Result<Vec<_>>>()?;
        let scores = filtering.scoring.as_ref().and_then(|scoring| scoring.out.as_deref());
        let are_columns = has_pairs && sides.len() == 1;
        Ok(Self { sides, scores: scores.map(Part::create).transpose()?, are_columns })
    }

    fn write(&mut self, row: &CorpusRow) -> Result<()> {
        let columns: Vec<String> = match self.are_columns {
            true => vec![row.texts.iter().map(|text| on_one_line(text)).collect::<Vec<_>>().join("\t")],
            false => Vec::new(),
        };
        let lines = if self.are_columns { &columns } else { &row.texts };
        self.sides.iter_mut().zip(lines).try_for_each(|(side, line)| side.line(line))?;
        match (&mut self.scores, row.score) {
            (Some(scores), Some(score)) => scores.line(&format!("{score:.6}")),
            _ => Ok(()),
        }
    }

    fn finish(self) -> Result<()> {
        self.sides.into_iter().chain(self.scores).try_for_each(Part::finish)
    }
}

/// A file on its way; dropped before it is whole, it leaves nothing.
struct Part<'a> {
    out: &'a Path,
    part: PathBuf,
    writer: Option<BufWriter<File>>,
}

impl<'a> Part<'a> {
    fn create(out: &'a Path) -> Result<Self> {
        let part = beside(out, PART);
        let file = File::create(&part).with_context(|| format!("can't write {}", part.display()))?;
        Ok(Self { out, part, writer: Some(BufWriter::with_capacity(1 << 16, file)) })
    }

    fn line(&mut self, line: &str) -> Result<()> {
        let Some(writer) = &mut self.writer else { return Ok(()) };
        writeln!(writer, "{line}").with_context(|| format!("can't write {}", self.part.display()))
    }

    fn finish(mut self) -> Result<()> {
        let Some(writer) = self.writer.take() else { return Ok(()) };
        let file = writer.into_inner().map_err(std::io::IntoInnerError::into_error);
        let finished = file.and_then(|file| finish(file, &self.part, self.out));
        if finished.is_err() {
            let _ = fs::remove_file(&self.part); // the failure is reported
        }
        finished.with_context(|| format!("can't write {}", self.out.display()))
    }
}

impl Drop for Part<'_> {
    fn drop(&mut self) {
        if self.writer.take().is_some() {
            let _ = fs::remove_file(&self.part); // only takes space
        }
    }
}

/// The models that score pairs.
struct PairScorer<'a> {
    scoring: &'a PairScoring,
    forward: (Translator<TranslationModel>, DecodingConfig),
    reverse: Option<(Translator<TranslationModel>, DecodingConfig)>,
}

impl<'a> PairScorer<'a> {
    fn open(scoring: &'a PairScoring, rules: &FilterConfig, device: &Device) -> Result<Self> {
        let (source, target) = (rules.source_language.as_deref(), rules.target_language.as_deref());
        let forward = translator(&scoring.model, [source, target], device)?;
        let reverse = scoring.reverse.as_ref().map(|model| translator(model, [target, source], device)).transpose()?;
        Ok(Self { scoring, forward, reverse })
    }

    /// Scores the pairs with which nothing is wrong so far.
    fn judge(&self, block: &mut JudgedBlock) -> Result<()> {
        let mut right: Vec<(&mut CorpusRow, &mut Option<Rejection>)> = block.right().collect();
        let pairs: Vec<(&str, &str)> = right.iter().map(|(row, _)| (&*row.texts[0], &*row.texts[1])).collect();
        let (translator, config) = &self.forward;
        let mut scores = means(translator.score(&pairs, config)?);
        if let Some((translator, config)) = &self.reverse {
            let turned: Vec<(&str, &str)> = pairs.iter().map(|&(source, target)| (target, source)).collect();
            let backward = means(translator.score(&turned, config)?);
            scores = scores.into_iter().zip(backward).map(|(a, b)| Some(dual(a?, b?))).collect();
        }
        for ((row, verdict), score) in right.iter_mut().zip(scores) {
            row.score = score;
            **verdict = match (score, self.scoring.min_score) {
                (None, _) => Some(Rejection { rule: FilterRule::Unreadable, measured: String::new() }),
                (Some(score), Some(min)) if score < min || score.is_nan() => {
                    Some(Rejection { rule: FilterRule::Score, measured: format!("{score:.4}") })
                }
                _ => None,
            };
        }
        Ok(())
    }
}

/// The mean log-probability of a token, in nats.
fn means(scores: Vec<Option<TextScore>>) -> Vec<Option<f64>> {
    let mean = |score: TextScore| score.log_prob / score.n_tokens.max(1) as f64;
    scores.into_iter().map(|score| score.map(mean)).collect()
}

/// A model that translates between two languages, if it is told them.
fn translator(
    folder: &Path,
    languages: [Option<&str>; 2],
    device: &Device,
) -> Result<(Translator<TranslationModel>, DecodingConfig)> {
    let bundle = open_model(folder)?;
    let mut translator = Translator::from_bundle(&bundle, device, None)?;
    let known = translator.tokenizer().framing().and_then(|framing| framing.languages.as_ref());
    if let Some(known) = known {
        // By the model's own names: `de_DE` for `de`.
        let own = |name: &str| {
            let is_it = |known: &&String| Language::named(known).is_some_and(|it| Some(it) == Language::named(name));
            known.ids.get_key_value(name).map(|(known, _)| known).or_else(|| known.ids.keys().find(is_it)).cloned()
        };
        let [source, target] = languages.map(|name| name.map(|name| own(name).unwrap_or_else(|| name.to_owned())));
        translator = translator.between(source.as_deref(), target.as_deref()).map_err(TranslateError::from)?;
    }
    Ok((translator, bundle.decoding.clone()))
}
