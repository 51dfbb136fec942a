//! `model.bin`, the weights of CTranslate2.
//!
//! Source: `ModelSpec._serialize` in `ctranslate2/specs/model_spec.py` of CTranslate2 4. Lengths in a file are compared with
//! the bytes that follow before memory is allocated.

use std::{
    cell::Cell,
    collections::{BTreeMap, BTreeSet},
    fs::{self, File},
    io::{Read, Seek, SeekFrom},
    path::{Path, PathBuf},
};

use burn::tensor::DType;

use crate::{
    FormatError, HostTensor, TensorProblem, WeightsError,
    reader::{MAX_GROWTH, to_f32},
};

/// The version of the layout that is read, of CTranslate2 3 and 4.
const VERSION: u32 = 6;
/// The end of the names of scales.
const SCALE: &str = "_scale";
/// CTranslate2's numbers of kinds (`include/ctranslate2/types.h`).
const KINDS: [DType; 6] = [DType::F32, DType::I8, DType::I16, DType::I32, DType::F16, DType::BF16];

/// An open `model.bin`: its settings, and the tensors, each of which is read when it is requested.
///
/// ```no_run
/// use attentive_weights::ModelBin;
///
/// let file = ModelBin::open("model.bin".as_ref())?;
/// println!("{}: {:?} heads", file.spec(), file.setting("encoder/num_heads"));
/// let table = file.tensor("decoder/embeddings/weight")?;
/// # Ok::<(), attentive_weights::WeightsError>(())
/// ```
#[derive(Debug)]
pub struct ModelBin {
    path: PathBuf,
    file: File,
    content: Content,
    /// Bytes of f32 that may still be read.
    budget: Cell<u64>,
}

/// What a file holds.
#[derive(Debug)]
struct Content {
    spec: String,
    revision: u32,
    variables: BTreeMap<String, Variable>,
    /// Other names of variables.
    aliases: BTreeMap<String, String>,
}

/// A tensor, or a number without axes.
#[derive(Debug, Clone)]
struct Variable {
    shape: Vec<usize>,
    kind: DType,
    /// Offset of its first value, in bytes.
    start: u64,
    /// The value, if it is a number without axes.
    number: Option<f32>,
}

impl ModelBin {
    /// Opens a file, reads its settings and lists its tensors.
    ///
    /// # Errors
    /// [`WeightsError`]: the file can't be read, is cut short, or is of another kind. [`WeightsError::Unsupported`]: it has
    /// another version of the layout.
    pub fn open(path: &Path) -> Result<Self, WeightsError> {
        let io = |cause| WeightsError::Io { path: path.to_owned(), cause };
        let bytes = fs::read(path).map_err(io)?;
        let mut items = Items { bytes: &bytes, at: 0 };
        match items.number(4).map(|version| version as u32) {
            Ok(VERSION) => {}
            // The version of another kind of file would be a large number.
            Ok(version @ 1..100) => {
                let cause = format!(
                    "version {version} of CTranslate2's layout is not read here, only {VERSION}; convert the model again \
                     with CTranslate2 4"
                );
                return Err(WeightsError::Unsupported { path: path.to_owned(), cause: cause.into() });
            }
            _ => {
                let cause = "it does not begin as CTranslate2's model.bin does".into();
                return Err(WeightsError::Damaged { path: path.to_owned(), cause });
            }
        }
        let content = items.content().map_err(|cause| WeightsError::Damaged { path: path.to_owned(), cause })?;
        let budget = Cell::new((bytes.len() as u64).saturating_mul(MAX_GROWTH));
        Ok(Self { path: path.to_owned(), file: File::open(path).map_err(io)?, content, budget })
    }

    /// The kind of model: `TransformerSpec` is an encoder–decoder.
    pub fn spec(&self) -> &str {
        &self.content.spec
    }

    /// The revision of the kind's names.
    pub fn revision(&self) -> u32 {
        self.content.revision
    }

    /// The names of the tensors, in order, aliases included.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let all: BTreeSet<&str> =
            self.content.variables.keys().chain(self.content.aliases.keys()).map(String::as_str).collect();
        all.into_iter().filter(|name| self.shape(name).is_some_and(|shape| !shape.is_empty()) && !self.is_scale(name))
    }

    /// The settings, numbers without axes, in order of their names.
    pub fn settings(&self) -> impl Iterator<Item = (&str, f32)> {
        let numbers =
            self.content.variables.iter().filter_map(|(name, variable)| Some((name.as_str(), variable.number?)));
        numbers.filter(|(name, _)| !self.is_scale(name))
    }

    /// The value of a setting.
    pub fn setting(&self, name: &str) -> Option<f32> {
        self.variable(name)?.number
    }

    /// The shape of a tensor; `None` if it is missing.
    pub fn shape(&self, name: &str) -> Option<&[usize]> {
        self.variable(name).map(|variable| &variable.shape[..])
    }

    /// Whether a tensor holds parameters: floating-point numbers, or whole numbers with scales.
    pub fn is_float(&self, name: &str) -> bool {
        self.variable(name).is_some_and(|variable| !is_whole(variable.kind) || self.scale_of(name).is_some())
    }

    /// The kind of numbers of a tensor, by PyTorch's name.
    pub fn kind(&self, name: &str) -> Option<String> {
        self.variable(name).map(|variable| format!("{:?}", variable.kind))
    }

    /// A tensor as f32; whole numbers are divided by their scales, one for each row or one for all.
    ///
    /// # Errors
    /// [`WeightsError::Tensor`] if it is missing, or its scales do not fit; [`WeightsError::TooLarge`] if all tensors read
    /// are many times as large as the file; [`WeightsError::Io`].
    pub fn tensor(&self, name: &str) -> Result<HostTensor, WeightsError> {
        let problem = |problem| WeightsError::Tensor { path: self.path.clone(), name: name.to_owned(), problem };
        let variable = self.variable(name).ok_or_else(|| problem(TensorProblem::Missing))?;
        let made = 4 * variable.shape.iter().product::<usize>() as u64;
        let left = self.budget.get().checked_sub(made).ok_or_else(|| WeightsError::TooLarge {
            path: self.path.clone(),
            name: name.to_owned(),
            growth: MAX_GROWTH,
        })?;
        self.budget.set(left);
        let mut tensor = HostTensor { shape: variable.shape.clone(), values: self.values(variable)? };
        if let Some(scales) = self.scale_of(name).filter(|_| is_whole(variable.kind)) {
            let divisors = self.values(scales)?;
            let n_rows = tensor.shape.first().copied().unwrap_or(1);
            if divisors.is_empty() || ![1, n_rows].contains(&divisors.len()) {
                return Err(problem(TensorProblem::Scales { shape: tensor.shape, scales: scales.shape.clone() }));
            }
            let of_each = (tensor.values.len() / divisors.len()).max(1);
            for (values, divisor) in tensor.values.chunks_mut(of_each).zip(divisors) {
                values.iter_mut().for_each(|value| *value /= divisor);
            }
        }
        Ok(tensor)
    }

    /// The name that a tensor is stored under; tensors of equal values are stored once.
    pub fn stored_name<'a>(&'a self, name: &'a str) -> &'a str {
        self.content.aliases.get(name).map_or(name, String::as_str)
    }

    fn variable(&self, name: &str) -> Option<&Variable> {
        self.content.variables.get(self.stored_name(name))
    }

    /// The scales of a tensor.
    fn scale_of(&self, name: &str) -> Option<&Variable> {
        self.content.variables.get(&(self.stored_name(name).to_owned() + SCALE)).filter(|scales| !is_whole(scales.kind))
    }

    /// Whether the name is that of the scales of a tensor of whole numbers.
    fn is_scale(&self, name: &str) -> bool {
        name.strip_suffix(SCALE).and_then(|of| self.variable(of)).is_some_and(|variable| is_whole(variable.kind))
    }

    fn values(&self, variable: &Variable) -> Result<Vec<f32>, WeightsError> {
        let n_values: usize = variable.shape.iter().product();
        let mut bytes = vec![0; n_values * variable.kind.size()];
        let mut file = &self.file;
        let read = file.seek(SeekFrom::Start(variable.start)).and_then(|_| file.read_exact(&mut bytes));
        read.map_err(|cause| WeightsError::Io { path: self.path.clone(), cause })?;
        Ok(to_f32(bytes, variable.kind))
    }
}

fn is_whole(kind: DType) -> bool {
    matches!(kind, DType::I8 | DType::I16 | DType::I32)
}

/// The items of a file, one after another.
struct Items<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Items<'a> {
    fn take(&mut self, n: usize) -> Result<&'a [u8], FormatError> {
        let rest = &self.bytes[self.at..];
        let taken = rest.get(..n).ok_or_else(|| {
            format!("byte {}: it is cut short: {n} bytes should follow, and {} do", self.at, rest.len())
        })?;
        self.at += n;
        Ok(taken)
    }

    /// A little-endian number of `n` bytes, 4 at most.
    fn number(&mut self, n: usize) -> Result<usize, FormatError> {
        Ok(self.take(n)?.iter().rev().fold(0, |number, &byte| number << 8 | usize::from(byte)))
    }

    /// A text with its length before it and a zero after it.
    fn text(&mut self) -> Result<String, FormatError> {
        let at = self.at;
        let length = self.number(2)?;
        match self.take(length)?.split_last() {
            Some((0, text)) => {
                String::from_utf8(text.to_vec()).map_err(|_| format!("byte {at}: a text is not UTF-8").into())
            }
            _ => Err(format!("byte {at}: a text does not end with a zero").into()),
        }
    }

    /// All that follows the version.
    fn content(&mut self) -> Result<Content, FormatError> {
        let (spec, revision) = (self.text()?, self.number(4)? as u32);
        let (mut variables, mut aliases) = (BTreeMap::new(), BTreeMap::new());
        for _ in 0..self.number(4)? {
            let name = self.text()?;
            let variable = self.variable(&name)?;
            if variables.insert(name.clone(), variable).is_some() {
                return Err(format!("{name} is there twice").into());
            }
        }
        for _ in 0..self.number(4)? {
            let (alias, name) = (self.text()?, self.text()?);
            if !variables.contains_key(&name) || variables.contains_key(&alias) || aliases.contains_key(&alias) {
                return Err(format!("{alias} can't be another name of {name}").into());
            }
            aliases.insert(alias, name);
        }
        match self.at == self.bytes.len() {
            true => Ok(Content { spec, revision, variables, aliases }),
            false => Err(format!("byte {}: more follows than was announced", self.at).into()),
        }
    }

    fn variable(&mut self, name: &str) -> Result<Variable, FormatError> {
        let n_axes = self.number(1)?;
        let shape: Vec<usize> = (0..n_axes).map(|_| self.number(4)).collect::<Result<_, _>>()?;
        let kind = self.number(1)?;
        let kind = *KINDS.get(kind).ok_or_else(|| format!("{name}: {kind} is not a kind of numbers"))?;
        let n_bytes = self.number(4)?;
        let n_values = shape.iter().try_fold(1_usize, |n, &size| n.checked_mul(size));
        // CTranslate2 writes 32 bits of this length, whatever the tensor.
        let wanted =
            n_values.and_then(|n| n.checked_mul(kind.size())).filter(|&wanted| wanted as u32 as usize == n_bytes);
        let wanted = wanted.ok_or_else(|| format!("{name}: {n_bytes} bytes are not {shape:?} of {kind:?}"))?;
        let start = self.at as u64;
        let bytes = self.take(wanted)?;
        let number = shape.is_empty().then(|| to_f32(bytes.to_vec(), kind)[0]);
        Ok(Variable { shape, kind, start, number })
    }
}
