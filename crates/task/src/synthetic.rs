//! Pairs of which a model has written one side.

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    fs::{self, File, OpenOptions, TryLockError},
    io::{ErrorKind, Write},
    iter,
    num::NonZeroUsize,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use attentive_bundle::{DecodingConfig, Input, Search, TranslateError, Translation, Translator, is_blank};
use attentive_collective::Collective;
use attentive_core::EncoderDecoder;
use attentive_data::sha256_of;
use attentive_decode::SamplingConfig;
use attentive_metrics::{Bleu, Scorer};
use serde::{Deserialize, Serialize};

use crate::{Context, Error, Line, Lines, Log, Result, long_lines::nothing_follows, share_blocks, thousands};

/// Lines with their references, if there are any.
type Block = Vec<(Line, Option<String>)>;

/// Lines that are translated together, and after which a run that is killed goes on.
const LINES_AT_ONCE: usize = 512;
/// The time between two words on the progress.
const SAID_EVERY: Duration = Duration::from_secs(5);
/// This version of the program.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Makes parallel text of lines and a model's translations of them.
#[derive(Debug)]
pub struct SyntheticPairs<'a, M> {
    /// The model.
    pub translator: &'a Translator<M>,
    /// How it decodes.
    pub config: &'a DecodingConfig,
    /// How translations are drawn at random; without it, they are searched for.
    pub sampling: Option<&'a SamplingConfig>,
    /// Which side it writes.
    pub synthesis: Synthesis,
    /// What names model and settings: a run that was killed goes on by the same alone.
    pub identity: String,
}

/// Which side of synthetic pairs a model has written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Synthesis {
    /// The target: a student learns what its teacher says (Kim and Rush 2016, "Sequence-Level Knowledge Distillation").
    ///
    /// With references of the lines, the one of several translations is taken that is most like the reference, by BLEU of the
    /// sentence (there §3.3, sequence-level interpolation); without them, the best one.
    Distilled,
    /// The source: the lines are what a model is to write (Sennrich et al. 2016, "Improving Neural Machine Translation Models
    /// with Monolingual Data").
    Backtranslated {
        /// What every source begins with, so that the model can tell them from real ones (Caswell et al. 2019); may be empty.
        tag: String,
    },
}

/// What became of lines.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SyntheticReport {
    /// Lines that were read.
    pub n_lines: u64,
    /// Pairs that were written.
    pub n_pairs: u64,
    /// Lines without a token.
    pub n_blank: u64,
    /// Lines that are longer than the model has positions for, or than is read of a line.
    pub n_too_long: u64,
    /// Lines whose translation is empty.
    pub n_empty: u64,
}

/// How far a run has come.
#[derive(Debug, Serialize, Deserialize)]
struct Progress {
    /// The version that began; early ones did not write theirs.
    #[serde(default)]
    version: Option<String>,
    identity: String,
    report: SyntheticReport,
    /// Bytes of the pairs so far.
    n_bytes: u64,
    /// The hash of the lines so far.
    sha256: String,
}

impl<M: EncoderDecoder> SyntheticPairs<'_, M> {
    /// Writes the pairs of all lines of `text` to `out`, tab-separated, source first; `references` are those of the lines, for
    /// distillation. `None` if `go_on` ended it, and for processes other than the first: each calls this, translates blocks of
    /// the lines that the first one reads, and that one writes.
    ///
    /// Beside `out` are its beginning and how far it goes until it is whole; a run that was killed or ended goes on there, with
    /// any number of processes.
    ///
    /// # Errors
    /// The tag is blank, or has a tab or an end of line; references are to choose in a beam of 1; a file can't be read or written, or another process writes it; lines are not UTF-8;
    /// references are not as many as lines; what is there was begun with another model, other settings or other lines; a
    /// process has ended.
    pub fn write(
        &self,
        peers: &dyn Collective,
        mut text: Lines,
        mut references: Option<Lines>,
        out: &Path,
        log: &dyn Log,
        go_on: &dyn Fn() -> bool,
    ) -> Result<Option<SyntheticReport>> {
        if let Synthesis::Backtranslated { tag } = &self.synthesis {
            if on_one_line(tag) != *tag {
                refuse!(
                    "tag = {tag:?}: sources begin with it in a tab-separated file: leave out tabs and ends of lines"
                );
            }
            if !tag.is_empty() && tag.trim().is_empty() {
                refuse!("tag = {tag:?} is blank: give a word, or an empty one for no tag");
            }
        }
        if references.is_some() && self.config.beam == 1 {
            refuse!("references choose among as many translations as the beam is wide, which is 1: widen it");
        }
        let translated = |block: &Block| Ok((self.pairs(block)?, None));
        if peers.rank() > 0 {
            share_blocks(peers, iter::empty(), translated, |_| Ok::<_, Error>(()))?;
            return Ok(None);
        }
        let [part, state] = [".part", ".progress"].map(|end| beside(out, end));
        let unwritable = || format!("can't write {}", part.display());
        let mut file = open_locked(&part, log)?;
        // Held until the pairs have their name and the progress is removed.
        let _lock = file.try_clone().with_context(unwritable)?;
        let identity = format!("{} | {:?} | {:?} | {:?}", self.identity, self.synthesis, self.config, self.sampling);
        let mut progress = match fs::read_to_string(&state) {
            Ok(json) => serde_json::from_str(&json).with_context(|| format!("can't read {}", state.display()))?,
            Err(error) if error.kind() == ErrorKind::NotFound => Progress {
                version: Some(VERSION.to_owned()),
                identity: identity.clone(),
                report: SyntheticReport::default(),
                n_bytes: 0,
                sha256: String::new(),
            },
            Err(error) => return Err(error).with_context(|| format!("can't read {}", state.display())),
        };
        if progress.identity != identity {
            let begun = match progress.version.as_deref() {
                Some(VERSION) => "with another model, other settings or another side to write".to_owned(),
                version => format!(
                    "by {} of attentive, whose model and settings {VERSION} can't compare with its own",
                    version.map_or("an earlier version".to_owned(), |version| format!("version {version}"))
                ),
            };
            refuse!("{} was begun {begun}: remove it and {}, or name another file", part.display(), state.display());
        }
        if file.metadata().with_context(unwritable)?.len() < progress.n_bytes {
            refuse!("{} is shorter than {} says: remove both", part.display(), state.display());
        }
        // What was written after the last word on it is written again.
        file.set_len(progress.n_bytes).with_context(unwritable)?;

        if progress.report.n_lines > 0 {
            log.line(&format!("going on after line {}", thousands(progress.report.n_lines)));
        }
        let (mut n_passed, mut sha256) = (0, String::new());
        while n_passed < progress.report.n_lines {
            let passed =
                block(&mut text, &mut references, LINES_AT_ONCE.min((progress.report.n_lines - n_passed) as usize))?;
            n_passed += passed.len() as u64;
            sha256 = digest(&sha256, &passed);
            if passed.is_empty() {
                break;
            }
        }
        if sha256 != progress.sha256 {
            refuse!(
                "{} was begun with other lines than those that are there now: remove it and {}, or name another file",
                part.display(),
                state.display()
            );
        }
        let (start, before, mut said) = (Instant::now(), progress.report.n_lines, Instant::now());
        // Of blocks that are read and not yet written, the hashes.
        let (hashes, is_ended) = (RefCell::new(VecDeque::new()), Cell::new(false));
        let blocks = iter::from_fn(|| {
            if is_ended.get() {
                return None;
            }
            let block = block(&mut text, &mut references, LINES_AT_ONCE);
            if let Ok(block) = &block {
                sha256 = digest(&sha256, block);
                hashes.borrow_mut().push_back(sha256.clone());
            }
            Some(block).filter(|block| !block.as_ref().is_ok_and(Vec::is_empty))
        });
        share_blocks(peers, blocks, translated, |(pairs, report)| -> Result<()> {
            progress.sha256 = hashes.borrow_mut().pop_front().unwrap_or_default();
            progress.report.add(&report);
            file.write_all(pairs.as_bytes()).and_then(|()| file.sync_data()).with_context(unwritable)?;
            progress.n_bytes += pairs.len() as u64;
            let json = serde_json::to_vec(&progress).context("writing the progress")?;
            attentive_weights::write_atomically(&state, &json)
                .with_context(|| format!("can't write {}", state.display()))?;
            if said.elapsed() >= SAID_EVERY {
                let SyntheticReport { n_lines, n_pairs, .. } = progress.report;
                let rate = (n_lines - before) as f64 / start.elapsed().as_secs_f64();
                let (lines, pairs) = (thousands(n_lines), thousands(n_pairs));
                log.line(&format!("{lines} lines, {pairs} pairs, {rate:.0} lines a second"));
                said = Instant::now();
            }
            is_ended.set(!go_on());
            Ok(())
        })?;
        if is_ended.get() {
            return Ok(None);
        }
        finish(file, &part, out).with_context(|| format!("can't write {}", out.display()))?;
        // Of a text without lines, nothing was told.
        if state.exists() {
            fs::remove_file(&state).with_context(|| format!("can't remove {}", state.display()))?;
        }
        Ok(Some(progress.report))
    }

    /// Several translations only where references choose among them.
    fn search(&self, has_references: bool) -> Search<'_> {
        let n = NonZeroUsize::new(self.config.beam).filter(|_| has_references).unwrap_or(NonZeroUsize::MIN);
        self.sampling.map_or(Search::Best(n), |sampling| Search::Random(sampling, n))
    }

    /// The pairs of a block of lines, as they are written, and what became of the lines.
    fn pairs(&self, block: &Block) -> Result<(String, SyntheticReport)> {
        let has_references = block.iter().any(|(_, reference)| reference.is_some());
        let (mut texts, mut report) = (Vec::new(), SyntheticReport::default());
        for (line, reference) in block {
            report.n_lines += 1;
            if line.is_cut {
                report.n_too_long += 1;
            } else if is_blank(self.translator.tokenizer(), &line.text) {
                report.n_blank += 1;
            } else {
                texts.push((line, reference.as_deref()));
            }
        }
        let find = |texts: &[(&Line, _)]| {
            let inputs: Vec<Input<'_>> = texts.iter().map(|(line, _)| Input::from(*line)).collect();
            self.translator.find(&inputs, &[""; 0], self.config, self.search(has_references))
        };
        let found = match find(&texts) {
            Err(TranslateError::TooLong { texts: too_long }) => {
                report.n_too_long += too_long.len() as u64;
                let is_too_long = |at: usize| too_long.iter().any(|(idx, _)| *idx == at);
                let mut at = 0..;
                texts.retain(|_| !at.next().is_some_and(is_too_long));
                find(&texts)
            }
            found => found,
        };
        let found = found.map_err(|error| match error {
            TranslateError::NothingFollows { texts: refused } => nothing_follows(&texts[refused[0]].0.at),
            error => error.into(),
        })?;
        let mut pairs = String::new();
        for ((line, reference), translations) in texts.into_iter().zip(found) {
            let text = &line.text;
            let best = best(translations, reference)?;
            if best.trim().is_empty() {
                report.n_empty += 1;
                continue;
            }
            let (source, target) = match &self.synthesis {
                Synthesis::Distilled => (on_one_line(text), on_one_line(&best)),
                Synthesis::Backtranslated { tag } if tag.is_empty() => (on_one_line(&best), on_one_line(text)),
                Synthesis::Backtranslated { tag } => (format!("{tag} {}", on_one_line(&best)), on_one_line(text)),
            };
            report.n_pairs += 1;
            pairs += &format!("{source}\t{target}\n");
        }
        Ok((pairs, report))
    }
}

/// Of translations, the first, or the one that is most like a reference.
fn best(mut translations: Vec<Translation>, reference: Option<&str>) -> Result<String> {
    let mut best = (0, f64::NEG_INFINITY);
    let bleu = Bleu { effective_order: true, ..Bleu::default() };
    if let Some(reference) = reference.filter(|_| translations.len() > 1) {
        for (idx, translation) in translations.iter().enumerate() {
            let score = bleu.sentence(&translation.text, &[reference])?.score;
            if score > best.1 {
                best = (idx, score);
            }
        }
    }
    Ok(translations.swap_remove(best.0).text)
}

/// The next lines with their references, if there are any: `n` of them, or what is left.
fn block(text: &mut Lines, references: &mut Option<Lines>, n: usize) -> Result<Block> {
    let mut block = Vec::new();
    while block.len() < n {
        let line = text.next().transpose()?;
        let reference = references.as_mut().map(|references| references.next().transpose()).transpose()?;
        match (line, reference) {
            (None, None | Some(None)) => break,
            (Some(line), None) => block.push((line, None)),
            (Some(line), Some(Some(reference))) => block.push((line, Some(reference.text))),
            (Some(line), Some(None)) => refuse!("{} has no reference: the references end before it", line.at),
            (None, Some(Some(reference))) => {
                refuse!("{} is a reference of no line: the text ends before it", reference.at)
            }
        }
    }
    Ok(block)
}

/// The hash of lines and of those before them.
fn digest(before: &str, block: &[(Line, Option<String>)]) -> String {
    let of_pair = |(line, reference): &(Line, Option<String>)| format!("{}\n{reference:?}\n", line.text);
    sha256_of(iter::once(before.to_owned()).chain(block.iter().map(of_pair)))
}

/// The pairs so far, which no other process writes while the file is open.
fn open_locked(part: &Path, log: &dyn Log) -> Result<File> {
    let shown = part.display();
    let file = OpenOptions::new().read(true).append(true).create(true).open(part);
    let file = file.with_context(|| format!("can't write {shown}"))?;
    match file.try_lock() {
        // Where another process had it until now, the file may have another name.
        Ok(()) if part.exists() => {}
        Ok(()) | Err(TryLockError::WouldBlock) => {
            refuse!("another process writes {shown}: wait for it, or stop it with Ctrl-C")
        }
        Err(TryLockError::Error(cause)) => {
            let what = "this file system has no locks";
            log.warning(&format!("{shown}: {what} ({cause}): let one process at a time write it"));
        }
    }
    Ok(file)
}

/// A text without what would end its column.
pub(crate) fn on_one_line(text: &str) -> String {
    text.replace(['\t', '\n', '\r'], " ")
}

/// A path with this end.
pub(crate) fn beside(out: &Path, end: &str) -> PathBuf {
    let mut name = out.as_os_str().to_owned();
    name.push(end);
    name.into()
}

/// Refuses to write a file that is read, too, or one that is called so until it is whole.
///
/// # Errors
/// [`Error::Refused`](crate::Error::Refused) names the file.
pub fn refuse_overwriting<'a>(out: &Path, read: impl IntoIterator<Item = &'a PathBuf>) -> Result<()> {
    let read: Vec<PathBuf> = read.into_iter().filter_map(|file| file.canonicalize().ok()).collect();
    for written in ["", ".part", ".progress", ".tmp"].map(|end| beside(out, end)) {
        if written.canonicalize().is_ok_and(|file| read.contains(&file)) {
            refuse!("{} is read, and would be written over: name another file", written.display());
        }
    }
    Ok(())
}

/// Refuses to write two things to one file, however its path is spelled; what is not a file, as `/dev/null`, takes both.
///
/// # Errors
/// Two of the paths are of one file.
pub fn refuse_one_file_twice<'a>(outs: impl IntoIterator<Item = &'a PathBuf>) -> Result<()> {
    let mut places = Vec::new();
    for out in outs.into_iter().filter(|out| out.is_file() || !out.exists()) {
        let place = place(out);
        if places.contains(&place) {
            refuse!("{} is named twice, for two things: name another file", out.display());
        }
        places.push(place);
    }
    Ok(())
}

/// Where a file is, or is to be.
pub(crate) fn place(path: &Path) -> PathBuf {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let of_new = || Some(folder.canonicalize().ok()?.join(path.file_name()?));
    path.canonicalize().ok().or_else(of_new).unwrap_or_else(|| path.to_owned())
}

/// Gives the file of all pairs its name.
pub(crate) fn finish(file: File, part: &Path, out: &Path) -> std::io::Result<()> {
    file.sync_all()?;
    drop(file);
    attentive_weights::replace_file(part, out)
}

impl SyntheticReport {
    /// Counts the lines of another one too.
    fn add(&mut self, other: &Self) {
        let Self { n_lines, n_pairs, n_blank, n_too_long, n_empty } = other;
        self.n_lines += n_lines;
        self.n_pairs += n_pairs;
        self.n_blank += n_blank;
        self.n_too_long += n_too_long;
        self.n_empty += n_empty;
    }

    /// What was left out, and why.
    pub fn left_out(&self) -> String {
        let reasons = [
            (self.n_blank, "blank"),
            (self.n_too_long, "longer than the model has positions for"),
            (self.n_empty, "with an empty translation"),
        ];
        let parts = reasons.into_iter().filter(|(n, _)| *n > 0).map(|(n, why)| format!("{} {why}", thousands(n)));
        let parts: Vec<String> = parts.collect();
        if parts.is_empty() { "nothing".into() } else { parts.join(", ") }
    }
}
