//! Where a recipe's text is.

use std::{borrow::Cow, collections::BTreeSet, fmt, path::PathBuf};

use attentive_data::{Order, ParallelFiles, TsvLayout};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use super::{Problem, path};

/// The parts of a corpus; without files, the built-in one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DataRecipe {
    /// What the model learns from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub train: Option<Parallel>,
    /// What tells during training how good it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validation: Option<Parallel>,
    /// What the finished model is scored on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test: Option<Parallel>,
    /// The language of sources, `en`, where files do not say their own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_language: Option<String>,
    /// The language of targets, `de`, where files do not say their own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_language: Option<String>,
    /// What is translated into what, where files do not say their own. A model that learns several directions is told the
    /// language to translate into, by a token before the source (Johnson et al. 2017).
    #[serde(default, skip_serializing_if = "is_forward")]
    pub directions: Directions,
    /// The T by which several corpora or directions are mixed: pairs of each come by its share to the power of 1/T
    /// (Arivazhagan et al. 2019; there 5), so that small ones come more often; by its share, 1, unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f64>,
    /// Whether the tokens of files are kept beside the runs' folders, in `.tokens`, where later runs find them.
    #[serde(default = "yes", skip_serializing_if = "is_true")]
    pub cache: bool,
    /// The order of training batches.
    #[serde(default, skip_serializing_if = "DataOrder::is_random")]
    pub order: DataOrder,
}

impl Default for DataRecipe {
    fn default() -> Self {
        Self {
            train: None,
            validation: None,
            test: None,
            source_language: None,
            target_language: None,
            directions: Directions::Forward,
            temperature: None,
            cache: true,
            order: DataOrder::Random,
        }
    }
}

/// The order of training batches.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DataOrder {
    /// A random one in each epoch.
    #[default]
    Random,
    /// From short to long sentences in the first epoch, and then at random.
    Length,
}

impl DataOrder {
    fn is_random(&self) -> bool {
        *self == Self::Random
    }

    /// The order of pairs in a run with this seed.
    pub(crate) fn of_pairs(self, seed: u64) -> Order {
        match self {
            Self::Random => Order::Shuffled { seed },
            Self::Length => Order::ShortFirst { seed },
        }
    }
}

/// What is translated into what.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Directions {
    /// Sources into targets.
    #[default]
    Forward,
    /// Targets into sources.
    Backward,
    /// Both ways, by one model.
    Both,
}

impl Directions {
    /// Whether each of them is from the target to the source.
    fn are_turned(self) -> &'static [bool] {
        match self {
            Self::Forward => &[false],
            Self::Backward => &[true],
            Self::Both => &[false, true],
        }
    }
}

fn is_forward(directions: &Directions) -> bool {
    *directions == Directions::Forward
}

/// From which language into which; neither has a name where none is said.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Direction {
    /// The language of sources.
    pub source: Option<String>,
    /// The language of targets.
    pub target: Option<String>,
}

impl Direction {
    fn turned(self) -> Self {
        Self { source: self.target, target: self.source }
    }

    /// The names of both.
    pub fn names(&self) -> Option<[&str; 2]> {
        Some([self.source.as_deref()?, self.target.as_deref()?])
    }
}

/// `en-de`; nothing where neither has a name.
impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.names() {
            Some([source, target]) => write!(f, "{source}-{target}"),
            None => Ok(()),
        }
    }
}

/// The files of a part: those of one corpus, or of several, each with what is to be known of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "expected a table with `source` and `target`, or with `tsv`, or an array of such tables")]
pub enum Parallel {
    /// One.
    One(SplitFiles),
    /// Several, whose pairs are together.
    Many(Vec<SplitFiles>),
}

impl Parallel {
    /// The corpora.
    pub fn corpora(&self) -> &[SplitFiles] {
        match self {
            Self::One(files) => std::slice::from_ref(files),
            Self::Many(corpora) => corpora,
        }
    }
}

/// A corpus read in one direction.
#[derive(Debug, Clone, PartialEq)]
pub struct DirectedFiles {
    /// The files, from source to target.
    pub files: ParallelFiles,
    /// The languages.
    pub direction: Direction,
    /// Whether the corpus has been read in the other direction before.
    pub is_again: bool,
}

pub(super) fn yes() -> bool {
    true
}

pub(super) fn is_true(flag: &bool) -> bool {
    *flag
}

/// The files of one part: two sides, or tab-separated pairs; plain or compressed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(
    untagged,
    deny_unknown_fields,
    expecting = "expected `source` and `target`, or `tsv`, which may have `columns = [1, 2]` and `header = true`; languages and \
                 directions, and nothing else"
)]
pub enum SplitFiles {
    /// A line of one side translates the same line of the other.
    Sides {
        /// Files of the source language.
        source: Files,
        /// Files of the target language.
        target: Files,
        /// The language of `source`, in place of `data.source_language`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        source_language: Option<String>,
        /// The language of `target`, in place of `data.target_language`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        target_language: Option<String>,
        /// What is translated into what, in place of `data.directions`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        directions: Option<Directions>,
        /// How often its pairs are learnt from, for each time that those of a corpus of weight 1 are; 1 unless given.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        weight: Option<f64>,
    },
    /// Each line is a source sentence, a tab and a target sentence.
    Tsv {
        /// The files.
        tsv: Files,
        /// The columns of source and target, counted from 1, of lines that may have others; without it, a line has these
        /// two and no others.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        columns: Option<[usize; 2]>,
        /// Whether the first line of each file names the columns, and is passed over.
        #[serde(default, skip_serializing_if = "is_false")]
        header: bool,
        /// The language of sources, in place of `data.source_language`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        source_language: Option<String>,
        /// The language of targets, in place of `data.target_language`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        target_language: Option<String>,
        /// What is translated into what, in place of `data.directions`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        directions: Option<Directions>,
        /// How often its pairs are learnt from, for each time that those of a corpus of weight 1 are; 1 unless given.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        weight: Option<f64>,
    },
}

pub(super) fn is_false(flag: &bool) -> bool {
    !flag
}

/// Refuses columns that can't be: `key` is where they are.
pub(super) fn validate_columns(key: &str, columns: Option<[usize; 2]>) -> Result<(), Problem> {
    match columns {
        Some([first, second]) if first == 0 || second == 0 || first == second => {
            let text = format!("[{first}, {second}] must be two different columns, the first of which is 1");
            Err(Problem::at(format!("{key}.columns"), text))
        }
        _ => Ok(()),
    }
}

/// Refuses parts that are given without a training text: the built-in corpus has its own.
pub(super) fn refuse_beside_builtin<const N: usize>(parts: [(&str, bool); N]) -> Result<(), Problem> {
    match parts.into_iter().find(|(_, is_given)| *is_given) {
        Some((part, _)) => {
            let text = "the built-in corpus, which is trained on without data.train, has its own: give data.train too, or leave it out";
            Err(Problem::at(format!("data.{part}"), text))
        }
        None => Ok(()),
    }
}

/// The languages of the built-in corpus.
const BUILTIN: [&str; 2] = ["en", "de"];

impl DataRecipe {
    pub(super) fn has_validation(&self) -> bool {
        self.train.is_none() || self.validation.is_some()
    }

    /// The parts by their names, as far as they are given.
    fn parts(&self) -> impl Iterator<Item = (&'static str, &Parallel)> {
        let parts = [("train", &self.train), ("validation", &self.validation), ("test", &self.test)];
        parts.into_iter().filter_map(|(name, part)| Some((name, part.as_ref()?)))
    }

    /// The corpora of a part in each of their directions, one after another.
    pub fn directed(&self, part: &Parallel) -> Vec<DirectedFiles> {
        let of_corpus = |corpus: &SplitFiles| {
            let (languages, directions) = (self.languages(corpus), self.directions_of(corpus).are_turned());
            let one = |(n, &is_turned): (usize, &bool)| DirectedFiles {
                files: if is_turned { corpus.parallel().turned() } else { corpus.parallel() },
                direction: if is_turned { languages.clone().turned() } else { languages.clone() },
                is_again: n > 0,
            };
            directions.iter().enumerate().map(one).collect::<Vec<_>>()
        };
        part.corpora().iter().flat_map(of_corpus).collect()
    }

    /// The weight of each corpus that is learnt from, in each of its directions, and the temperature, if they are mixed by
    /// such.
    pub fn mixture(&self) -> Option<(Vec<f64>, f64)> {
        let corpora = self.train.as_ref().map_or(&[][..], Parallel::corpora);
        let is_mixed = self.temperature.is_some() || corpora.iter().any(|corpus| weight(corpus).is_some());
        let weights = |corpus: &SplitFiles| {
            let n = self.directions_of(corpus).are_turned().len();
            std::iter::repeat_n(weight(corpus).unwrap_or(1.0), n)
        };
        let weights = match &self.train {
            Some(_) => corpora.iter().flat_map(weights).collect(),
            None => vec![1.0; self.directions.are_turned().len()],
        };
        is_mixed.then(|| (weights, self.temperature.unwrap_or(1.0)))
    }

    /// The directions of the built-in corpus, and whether each is from German.
    pub fn builtin_directions(&self) -> Vec<(Direction, bool)> {
        let [source, target] = BUILTIN.map(|name| Some(name.to_owned()));
        let direction = Direction { source, target };
        let one = |&is_turned: &bool| match is_turned {
            true => (direction.clone().turned(), true),
            false => (direction.clone(), false),
        };
        self.directions.are_turned().iter().map(one).collect()
    }

    /// The directions that are learnt, each once, in their order; one alone may have no names.
    pub fn learnt(&self) -> Vec<Direction> {
        let all: Vec<Direction> = match &self.train {
            Some(train) => self.directed(train).into_iter().map(|directed| directed.direction).collect(),
            None => self.builtin_directions().into_iter().map(|(direction, _)| direction).collect(),
        };
        let mut seen = BTreeSet::new();
        all.into_iter().filter(|direction| seen.insert(direction.clone())).collect()
    }

    /// The languages of a corpus, as its files have them.
    fn languages(&self, corpus: &SplitFiles) -> Direction {
        let (SplitFiles::Sides { source_language, target_language, .. }
        | SplitFiles::Tsv { source_language, target_language, .. }) = corpus;
        Direction {
            source: source_language.clone().or_else(|| self.source_language.clone()),
            target: target_language.clone().or_else(|| self.target_language.clone()),
        }
    }

    fn directions_of(&self, corpus: &SplitFiles) -> Directions {
        let (SplitFiles::Sides { directions, .. } | SplitFiles::Tsv { directions, .. }) = corpus;
        directions.unwrap_or(self.directions)
    }

    pub(super) fn validate(&self) -> Result<(), Problem> {
        if self.train.is_none() {
            refuse_beside_builtin([("validation", self.validation.is_some()), ("test", self.test.is_some())])?;
            self.validate_builtin()?;
        }
        for (part, parallel) in self.parts() {
            for (key, corpus) in keyed(part, parallel) {
                if let SplitFiles::Tsv { columns, .. } = corpus {
                    validate_columns(&key, *columns)?;
                }
                self.validate_languages(&key, corpus)?;
                if part != "train" && weight(corpus).is_some() {
                    let text = "what the model is judged by is taken as it is: leave it out";
                    return Err(Problem::at(format!("{key}.weight"), text));
                }
            }
            if parallel.corpora().is_empty() {
                return Err(Problem::at(format!("data.{part}"), "it has no files: name some, or leave it out"));
            }
        }
        self.validate_directions()?;
        self.validate_mixture()
    }

    /// Refuses what mixes one corpus in one direction.
    fn validate_mixture(&self) -> Result<(), Problem> {
        match self.mixture() {
            Some((weights, _)) if weights.len() < 2 => {
                let key = if self.temperature.is_some() { "data.temperature" } else { "data.train.weight" };
                Err(Problem::at(
                    key,
                    "data.train is one corpus in one direction, with which nothing is mixed: leave it out",
                ))
            }
            _ => Ok(()),
        }
    }

    fn validate_builtin(&self) -> Result<(), Problem> {
        let said = [("source_language", &self.source_language), ("target_language", &self.target_language)];
        let other =
            said.into_iter().zip(BUILTIN).find(|((_, name), own)| name.as_ref().is_some_and(|name| name != own));
        match other {
            Some(((key, _), own)) => {
                let text = format!("the built-in corpus, which is trained on without data.train, has {own:?} there");
                Err(Problem::at(format!("data.{key}"), text))
            }
            None => Ok(()),
        }
    }

    /// Refuses languages of a corpus, whose settings are at `key`, of which only one is said, or that are the same.
    fn validate_languages(&self, key: &str, corpus: &SplitFiles) -> Result<(), Problem> {
        let keys = |name: &str| [format!("{key}.{name}"), format!("data.{name}")];
        let (SplitFiles::Sides { directions, .. } | SplitFiles::Tsv { directions, .. }) = corpus;
        match self.languages(corpus) {
            Direction { source: Some(source), target: Some(target) } if source == target => {
                let text = format!("{key} is from {source:?} into {target:?}: two languages have two names");
                Err(Problem::among(keys("target_language"), text))
            }
            Direction { source: None, target: Some(_) } => Err(Problem::among(
                keys("target_language"),
                format!("{key} has a target_language, and no source_language"),
            )),
            Direction { source: Some(_), target: None } => Err(Problem::among(
                keys("source_language"),
                format!("{key} has a source_language, and no target_language"),
            )),
            Direction { source: None, .. } if self.directions_of(corpus) == Directions::Both => {
                let text = format!(
                    "{key} is learnt in both directions, which are told apart by the names of their languages: give \
                     data.source_language and data.target_language, \"en\" and \"de\" for example"
                );
                Err(Problem::among(keys("directions"), text))
            }
            Direction { source: None, .. } if directions.is_some() => {
                let text =
                    format!("{key} has directions of its own, which are those of languages: give source_language too");
                Err(Problem::among(keys("directions"), text))
            }
            _ => Ok(()),
        }
    }

    /// Refuses directions that nobody could tell apart, and those that are not learnt.
    fn validate_directions(&self) -> Result<(), Problem> {
        let learnt = self.learnt();
        let names = || learnt.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        if learnt.len() > 1 && learnt.iter().any(|direction| direction.names().is_none()) {
            let text =
                "some of its corpora say their languages, and others do not: several directions are told apart by them";
            return Err(Problem::at("data.train", text));
        }
        for (part, parallel) in self.parts() {
            let other = self.directed(parallel).into_iter().find(|directed| !is_learnt(&learnt, &directed.direction));
            if let Some(DirectedFiles { direction, .. }) = other {
                let what = direction
                    .names()
                    .map_or_else(|| "does not say its languages".into(), |_| format!("has {direction}"));
                return Err(Problem::at(format!("data.{part}"), format!("it {what}, and data.train has {}", names())));
            }
        }
        Ok(())
    }
}

/// Whether a model of these directions can be asked for another: one that is told languages, for any pair of them.
fn is_learnt(learnt: &[Direction], direction: &Direction) -> bool {
    match learnt {
        [only] => only == direction || only.names().is_none(),
        _ => {
            learnt.iter().any(|known| known.source == direction.source)
                && learnt.iter().any(|known| known.target == direction.target)
        }
    }
}

fn weight(corpus: &SplitFiles) -> Option<f64> {
    let (SplitFiles::Sides { weight, .. } | SplitFiles::Tsv { weight, .. }) = corpus;
    *weight
}

/// The corpora of a part, each with the key of its table.
fn keyed<'a>(part: &'a str, parallel: &'a Parallel) -> impl Iterator<Item = (String, &'a SplitFiles)> {
    let is_one = matches!(parallel, Parallel::One(_));
    let key = move |idx: usize| if is_one { format!("data.{part}") } else { format!("data.{part}[{idx}]") };
    parallel.corpora().iter().enumerate().map(move |(idx, corpus)| (key(idx), corpus))
}

/// One file, or several that follow one another.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged, expecting = "expected the path of a file, or an array of paths")]
pub enum Files {
    /// One file.
    One(PathBuf),
    /// Several.
    Many(Vec<PathBuf>),
}

impl JsonSchema for Files {
    fn schema_name() -> Cow<'static, str> {
        "Files".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let path = path(generator);
        json_schema!({ "anyOf": [path, { "type": "array", "items": path }] })
    }
}

impl Files {
    /// Their paths, one after another.
    pub fn paths(&self) -> &[PathBuf] {
        match self {
            Self::One(path) => std::slice::from_ref(path),
            Self::Many(paths) => paths,
        }
    }
}

impl SplitFiles {
    /// The files as the data crate takes them.
    pub fn parallel(&self) -> ParallelFiles {
        match self {
            Self::Sides { source, target, .. } => ParallelFiles::sides(source.paths(), target.paths()),
            Self::Tsv { tsv, columns, header, .. } => ParallelFiles::tsv_of(
                tsv.paths(),
                TsvLayout { columns: *columns, header: *header, ..TsvLayout::default() },
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data(text: &str) -> DataRecipe {
        toml::from_str(text).unwrap()
    }

    fn refusal(text: &str) -> String {
        data(text).validate().unwrap_err().to_string()
    }

    #[test]
    fn each_corpus_is_read_in_its_directions() {
        let recipe = data(
            "source_language = 'en'\ntarget_language = 'de'\ndirections = 'both'\n[[train]]\nsource = 'a'\ntarget = 'b'\n\
             [[train]]\ntsv = 'c'\nsource_language = 'fr'\ndirections = 'backward'\n[test]\ntsv = 'd'",
        );
        recipe.validate().unwrap();
        let of = |part: &Option<Parallel>| recipe.directed(part.as_ref().unwrap());
        let shown: Vec<_> = of(&recipe.train).iter().map(|one| (one.direction.to_string(), one.is_again)).collect();
        let expected = [("en-de", false), ("de-en", true), ("de-fr", false)];
        assert_eq!(shown, expected.map(|(direction, is_again)| (direction.to_owned(), is_again)));
        let files = of(&recipe.train).into_iter().map(|one| one.files).collect::<Vec<_>>();
        let turned = TsvLayout { turned: true, ..TsvLayout::default() };
        let expected = [
            ParallelFiles::sides(["a"], ["b"]),
            ParallelFiles::sides(["b"], ["a"]),
            ParallelFiles::tsv_of(["c"], turned),
        ];
        assert_eq!(files, expected);
        assert_eq!(of(&recipe.test).len(), 2);
        assert_eq!(recipe.learnt().iter().map(ToString::to_string).collect::<Vec<_>>(), ["en-de", "de-en", "de-fr"]);
        let toml = toml::Table::try_from(&recipe).unwrap().to_string();
        assert_eq!(data(&toml), recipe, "{toml}");
    }

    #[test]
    fn one_direction_needs_no_names() {
        for text in ["", "directions = 'backward'", "[train]\ntsv = 'a'\n[test]\ntsv = 'b'"] {
            data(text).validate().unwrap();
            assert_eq!(data(text).learnt().len(), 1, "{text}");
        }
        assert_eq!(data("directions = 'both'").learnt().len(), 2, "the built-in corpus has its own");
    }

    #[test]
    fn directions_that_can_not_be_told_apart_are_refused() {
        let says = |text: &str, expected: &str| assert!(refusal(text).contains(expected), "{text}: {}", refusal(text));
        says("directions = 'both'\n[train]\ntsv = 'a'", "give data.source_language and data.target_language");
        says("source_language = 'en'\n[train]\ntsv = 'a'", "data.train has a source_language, and no target_language");
        says("target_language = 'en'\n[train]\ntsv = 'a'", "data.train has a target_language, and no source_language");
        says("source_language = 'en'\ntarget_language = 'en'\n[train]\ntsv = 'a'", "two languages have two names");
        says("source_language = 'fr'", "the built-in corpus, which is trained on without data.train, has \"en\" there");
        let german = "source_language = 'en'\ntarget_language = 'de'\n";
        says(&format!("[[train]]\ntsv = 'a'\n{german}[[train]]\ntsv = 'b'"), "others do not");
        says(&format!("[train]\ntsv = 'a'\n{german}[test]\ntsv = 'b'"), "data.test: it does not say its languages");
        says(&format!("{german}[train]\ntsv = 'a'\n[test]\ntsv = 'b'\ndirections = 'backward'"), "it has de-en");
        says("[train]\ntsv = 'a'\ndirections = 'backward'", "data.train has directions of its own");
    }

    #[test]
    fn weights_are_those_of_corpora_in_each_direction() {
        let german = "source_language = 'en'\ntarget_language = 'de'\n";
        let two = format!(
            "temperature = 5.0\n[[train]]\ntsv = 'a'\nweight = 2.0\ndirections = 'both'\n{german}[[train]]\ntsv = 'b'\n{german}"
        );
        data(&two).validate().unwrap();
        assert_eq!(data(&two).mixture(), Some((vec![2.0, 2.0, 1.0], 5.0)));
        assert_eq!(data("directions = 'both'\ntemperature = 2.0").mixture(), Some((vec![1.0; 2], 2.0)));
        assert_eq!(data(&two.replace("temperature = 5.0", "").replace("weight = 2.0", "")).mixture(), None);
        let says = |text: &str, expected: &str| assert!(refusal(text).contains(expected), "{text}: {}", refusal(text));
        says("temperature = 2.0\n[train]\ntsv = 'a'", "data.temperature: data.train is one corpus");
        says("[train]\ntsv = 'a'\nweight = 2.0", "data.train.weight: data.train is one corpus");
        says("[train]\ntsv = 'a'\n[test]\ntsv = 'b'\nweight = 2.0", "data.test.weight: what the model is judged by");
    }
}
