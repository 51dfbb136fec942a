//! Sentence pairs, streamed from files.

use std::path::{Path, PathBuf};

use attentive_core::TokenId;

use crate::lines::{Line, LineReader};
use crate::report::{CorpusReport, FileReport, Place};
use crate::text_file::check_all;
use crate::{CorpusRules, DataError, Problem, Side, Treatment, TsvLayout};

/// The files of a parallel corpus.
///
/// Each may be plain or compressed: see [`LineReader`].
///
/// ```
/// use attentive_data::{CorpusRules, ParallelFiles};
///
/// # let dir = tempfile::tempdir()?;
/// # let path = |name| dir.path().join(name);
/// std::fs::write(path("a.en"), "the animal\n\nno\n")?;
/// std::fs::write(path("a.de"), "das Tier\ndie Straße\nnein\n")?;
/// let files = ParallelFiles::sides([path("a.en")], [path("a.de")]);
///
/// let rules = CorpusRules::default();
/// let mut pairs = files.pairs(&rules)?;
/// assert_eq!(pairs.next().unwrap()?.target, "das Tier");
/// assert_eq!(pairs.next().unwrap()?.line, 3); // line 2 is empty on one side
/// let report = pairs.finish()?.to_string();
/// assert!(report.starts_with("3 pairs read, 2 kept"));
/// assert!(report.contains("skipped  empty line, once: "));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ParallelFiles {
    /// Line n of the source side translates to line n of the target side; the files of a side are read as
    /// one, and the sides may be divided differently.
    Sides {
        /// Files of the source side, in order.
        source: Vec<PathBuf>,
        /// Files of the target side, in order.
        target: Vec<PathBuf>,
    },
    /// Each line has a source sentence and a target sentence in two of its columns.
    Tsv {
        /// Files, in order.
        files: Vec<PathBuf>,
        /// Which columns.
        layout: TsvLayout,
    },
}

impl ParallelFiles {
    /// One or more files on each side.
    pub fn sides<S, T>(source: impl IntoIterator<Item = S>, target: impl IntoIterator<Item = T>) -> Self
    where
        S: AsRef<Path>,
        T: AsRef<Path>,
    {
        Self::Sides { source: owned(source), target: owned(target) }
    }

    /// One or more files of tab-separated pairs: a source sentence, a tab and a target sentence a line.
    pub fn tsv<P: AsRef<Path>>(files: impl IntoIterator<Item = P>) -> Self {
        Self::tsv_of(files, TsvLayout::default())
    }

    /// One or more tab-separated files with other columns too.
    pub fn tsv_of<P: AsRef<Path>>(files: impl IntoIterator<Item = P>, layout: TsvLayout) -> Self {
        Self::Tsv { files: owned(files), layout }
    }

    /// The same corpus from the target to the source.
    #[must_use]
    pub fn turned(self) -> Self {
        match self {
            Self::Sides { source, target } => Self::Sides { source: target, target: source },
            Self::Tsv { files, layout } => Self::Tsv { files, layout: TsvLayout { turned: !layout.turned, ..layout } },
        }
    }

    /// Whether all files are there and begin as text does, without reading them.
    ///
    /// # Errors
    /// [`DataError::NoFiles`] if a side has none, and those of opening a file.
    pub fn check(&self) -> Result<(), DataError> {
        self.open(0)?;
        match self {
            Self::Sides { source, target } => check_all(source).and_then(|()| check_all(target)),
            Self::Tsv { files, .. } => check_all(files),
        }
    }

    /// Streams the sentence pairs that `rules` admit.
    ///
    /// # Errors
    /// [`DataError::NoFiles`] if a side has none. Files are opened as they are reached.
    pub fn pairs<'a>(&self, rules: &'a CorpusRules) -> Result<Pairs<'a>, DataError> {
        let input = self.open(rules.max_bytes)?;
        Ok(Pairs { input, rules, keeps_blank: false, report: CorpusReport::default(), n_headers: 0, is_done: false })
    }

    /// Size and SHA-256 of every file as [source or tab-separated, target], by reading them once.
    ///
    /// # Errors
    /// Those of reading.
    pub fn digests(&self) -> Result<[Vec<FileReport>; 2], DataError> {
        self.open(0)?.finish()
    }

    pub(crate) fn open(&self, max_bytes: usize) -> Result<Input, DataError> {
        let reader = |files: &[PathBuf], kind, max_bytes| match files {
            [] => Err(DataError::NoFiles { kind }),
            files => Ok(LineReader::new(files, max_bytes)),
        };
        Ok(match self {
            Self::Sides { source, target } => Input {
                source: reader(source, Side::Source.name(), max_bytes)?,
                target: Target::File(reader(target, Side::Target.name(), max_bytes)?),
            },
            Self::Tsv { files, layout } => Input {
                source: reader(files, "tab-separated", layout.max_line_bytes(max_bytes))?,
                target: Target::Column(*layout),
            },
        })
    }
}

fn owned<P: AsRef<Path>>(paths: impl IntoIterator<Item = P>) -> Vec<PathBuf> {
    paths.into_iter().map(|path| path.as_ref().to_owned()).collect()
}

/// The open files.
#[derive(Debug)]
pub(crate) struct Input {
    source: LineReader,
    target: Target,
}

/// Where target sentences are.
#[derive(Debug)]
enum Target {
    /// In lines of their own.
    File(LineReader),
    /// In the source's lines, which are tab-separated.
    Column(TsvLayout),
}

/// What is next in the files.
#[derive(Debug)]
pub(crate) enum InputRow {
    /// A line of each side, or the two columns of one.
    Pair([Line; 2]),
    /// A line that names columns.
    Header,
    /// A line of one side whose other side has ended.
    Unpaired(Line),
    /// A line without the columns that are wanted.
    Unusable(Problem, Line),
}

impl Input {
    /// What is next, or `None` after the last line of both sides.
    pub(crate) fn next_row(&mut self) -> Result<Option<InputRow>, DataError> {
        let source = self.source.next_line()?;
        Ok(match (&mut self.target, source) {
            (Target::File(target), source) => match (source, target.next_line()?) {
                (None, None) => None,
                (Some(source), Some(target)) => Some(InputRow::Pair([source, target])),
                (Some(line), None) | (None, Some(line)) => Some(InputRow::Unpaired(line)),
            },
            (Target::Column(_), None) => None,
            (Target::Column(layout), Some(line)) if !layout.has_text(line.place.line) => Some(InputRow::Header),
            (Target::Column(layout), Some(line)) => Some(match columns(line, *layout) {
                Ok(lines) => InputRow::Pair(lines),
                Err((problem, line)) => InputRow::Unusable(problem, line),
            }),
        })
    }

    pub(crate) fn files(&self) -> [&[FileReport]; 2] {
        let target = match &self.target {
            Target::File(reader) => reader.files(),
            Target::Column(_) => &[],
        };
        [self.source.files(), target]
    }

    fn finish(self) -> Result<[Vec<FileReport>; 2], DataError> {
        let target = match self.target {
            Target::File(reader) => reader.finish()?,
            Target::Column(_) => Vec::new(),
        };
        Ok([self.source.finish()?, target])
    }
}

/// A sentence and its translation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextPair {
    /// Line in the corpus, from 1: the files of a side count as one.
    pub line: u64,
    /// The source sentence.
    pub source: String,
    /// The target sentence.
    pub target: String,
    /// Files and lines of the two.
    pub(crate) places: [Place; 2],
}

impl TextPair {
    /// The sentence of one side.
    pub fn side(&self, side: Side) -> &str {
        match side {
            Side::Source => &self.source,
            Side::Target => &self.target,
        }
    }
}

/// Streams the sentence pairs of [`ParallelFiles`].
///
/// A pair with a problem is left out, truncated or refused, as [`CorpusRules`] say. After the first refused
/// one no pair is yielded any more, but the corpus is read to its end, so that the error at the end,
/// [`DataError::Refused`], reports all of them.
#[derive(Debug)]
pub struct Pairs<'a> {
    input: Input,
    rules: &'a CorpusRules,
    keeps_blank: bool,
    report: CorpusReport,
    /// Lines that name columns.
    n_headers: u64,
    is_done: bool,
}

impl Pairs<'_> {
    /// Yields pairs of which a side is blank too, whatever the rules say of them: for scores of translations, where a blank
    /// source has an empty translation.
    #[must_use]
    pub fn keeping_blank(self) -> Self {
        Self { keeps_blank: true, ..self }
    }

    /// The findings so far; complete once the iterator has ended.
    pub fn report(&self) -> &CorpusReport {
        &self.report
    }

    /// Reads what is left, and reports on all of it.
    ///
    /// # Errors
    /// Those of iterating, [`DataError::Refused`] among them.
    pub fn finish(mut self) -> Result<CorpusReport, DataError> {
        self.try_for_each(|pair| pair.map(drop))?;
        // Problems may have been noted after the last pair.
        self.verdict().map_or(Ok(()), Err)?;
        Ok(self.report)
    }

    /// Holds the token ids of a yielded pair against the rules, and says whether the pair is kept.
    pub(crate) fn admit(&mut self, ids: &mut [Vec<TokenId>; 2], places: &[Place; 2]) -> bool {
        let mut is_kept = true;
        for (ids, place) in ids.iter_mut().zip(places) {
            // A tokenizer's normalisation may leave nothing.
            if ids.is_empty() {
                self.note(Problem::Empty, place);
                is_kept = false;
            } else if ids.len() > self.rules.max_tokens {
                is_kept &= self.note(Problem::TooManyTokens, place) == Treatment::Truncate;
                ids.truncate(self.rules.max_tokens);
            }
        }
        self.report.n_kept -= u64::from(!is_kept);
        is_kept
    }

    fn note(&mut self, problem: Problem, place: &Place) -> Treatment {
        self.report.note(problem, place, self.rules)
    }

    fn next_pair(&mut self) -> Result<Option<TextPair>, DataError> {
        while let Some(row) = self.input.next_row()? {
            let [source, target] = match row {
                InputRow::Pair(lines) => lines,
                InputRow::Header => {
                    self.n_headers += 1;
                    continue;
                }
                InputRow::Unpaired(line) => {
                    self.note(Problem::LineCount, &line.place);
                    continue;
                }
                InputRow::Unusable(Problem::Empty, line) if self.keeps_blank => [line.clone(), line],
                InputRow::Unusable(problem, line) => {
                    self.report.n_read += 1;
                    self.note(problem, &line.place);
                    continue;
                }
            };
            self.report.n_read += 1;
            let places = [source.place.clone(), target.place.clone()];
            // Both are checked, so that both are reported.
            let texts = (self.text(source), self.text(target));
            if let (Some(source), Some(target)) = texts
                && !self.report.is_refused()
            {
                self.report.n_kept += 1;
                return Ok(Some(TextPair { line: self.n_headers + self.report.n_read, source, target, places }));
            }
        }
        Ok(None)
    }

    /// The text of a line that the rules admit.
    fn text(&mut self, line: Line) -> Option<String> {
        let Line { place, mut bytes, mut is_over_long } = line;
        if bytes.len() > self.rules.max_bytes {
            bytes.truncate(self.rules.max_bytes);
            is_over_long = true;
        }
        if is_over_long {
            if self.note(Problem::TooManyBytes, &place) != Treatment::Truncate {
                return None;
            }
            // The cut may have split the last character.
            if let Err(error) = std::str::from_utf8(&bytes)
                && error.error_len().is_none()
            {
                bytes.truncate(error.valid_up_to());
            }
        }
        let Ok(text) = String::from_utf8(bytes) else {
            self.note(Problem::InvalidUtf8, &place);
            return None;
        };
        if text.trim().is_empty() && !self.keeps_blank {
            self.note(Problem::Empty, &place);
            return None;
        }
        Some(text)
    }

    fn end(&mut self) -> Option<DataError> {
        let [source, target] = self.input.files();
        self.report.source = source.to_vec();
        self.report.target = target.to_vec();
        self.verdict()
    }

    fn verdict(&self) -> Option<DataError> {
        let are_fixed = self.rules.are_fixed;
        self.report.is_refused().then(|| DataError::Refused { report: Box::new(self.report.clone()), are_fixed })
    }
}

impl Iterator for Pairs<'_> {
    type Item = Result<TextPair, DataError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.is_done {
            return None;
        }
        let next = self.next_pair().transpose().or_else(|| self.end().map(Err));
        self.is_done = !matches!(next, Some(Ok(_)));
        next
    }
}

/// The source and the target of a tab-separated line.
fn columns(line: Line, layout: TsvLayout) -> Result<[Line; 2], (Problem, Line)> {
    let part = |(bytes, is_last): (&[u8], bool)| Line {
        place: line.place.clone(),
        bytes: bytes.to_owned(),
        is_over_long: line.is_over_long && is_last,
    };
    if let Ok(parts) = layout.split(&line.bytes) {
        return Ok(parts.map(part));
    }
    let problem = if line.bytes.trim_ascii().is_empty() && !line.bytes.contains(&b'\t') {
        Problem::Empty
    } else if line.is_over_long && (layout.columns.is_some() || !line.bytes.contains(&b'\t')) {
        // A column comes after the cut.
        Problem::TooManyBytes
    } else {
        Problem::Columns
    };
    Err((problem, line))
}
