//! Tensors of a state dictionary.

use std::{collections::HashMap, ops::Range};

use burn::tensor::DType;

use super::machine::{Id, Pickle, Value};
use crate::{
    FormatError, TensorProblem,
    reader::{Entries, Stored},
};

/// Format of the values of PyTorch's storages, by class; a truth value is a byte of 0 or 1.
const STORAGES: [(&str, DType); 10] = [
    ("DoubleStorage", DType::F64),
    ("FloatStorage", DType::F32),
    ("HalfStorage", DType::F16),
    ("BFloat16Storage", DType::BF16),
    ("LongStorage", DType::I64),
    ("IntStorage", DType::I32),
    ("ShortStorage", DType::I16),
    ("CharStorage", DType::I8),
    ("ByteStorage", DType::U8),
    ("BoolStorage", DType::U8),
];

/// The longest name of a tensor or a storage, in bytes, and the largest number of dimensions: a pickle could refer to a long
/// one again and again.
const MAX_KEY: usize = 1024;
const MAX_DIMS: usize = 8;

/// The names under which training programs keep a state dictionary beside other things.
const WRAPPERS: [&str; 3] = ["state_dict", "model_state_dict", "model"];
/// Where OpenNMT-py keeps the projection to the vocabulary, beside `model`: its tensors are named after it.
const GENERATOR: &str = "generator";

impl Pickle {
    /// The storage with the persistent id at `id`: its key and the format of its values.
    fn storage(&self, id: Id) -> Result<(&str, DType), TensorProblem> {
        // ("storage", class, key, device, number of values)
        if let Some(&[kind, class, key, ..]) = self.tuple(id)
            && let (Value::Text(kind), Value::Global(class), Value::Text(key)) =
                (&self.values[kind], &self.values[class], &self.values[key])
            && kind == "storage"
            && key.len() <= MAX_KEY
        {
            let name = class.rsplit('.').next().unwrap_or_default();
            let known = STORAGES.iter().find(|(known, _)| *known == name);
            return known.map(|&(_, dtype)| (key.as_str(), dtype)).ok_or_else(|| TensorProblem::Kind(class.clone()));
        }
        Err(TensorProblem::Other("its values lie in an object that is not a storage"))
    }

    /// Width of the values of each storage, by key.
    pub(super) fn storage_widths(&self) -> HashMap<&str, usize> {
        let outside = self.values.iter().filter_map(|value| match value {
            Value::Outside(id) => self.storage(*id).ok(),
            _ => None,
        });
        outside.map(|(key, dtype)| (key, dtype.size())).collect()
    }

    /// The texts of a list.
    pub(super) fn texts(&self) -> Result<Vec<&str>, FormatError> {
        let Value::List(items) = self.root() else { return Err("the storages' keys are not a list".into()) };
        let text = |&item: &Id| match &self.values[item] {
            Value::Text(text) if text.len() <= MAX_KEY => Ok(text.as_str()),
            _ => Err("a storage's key is not a short text".into()),
        };
        items.iter().map(text).collect()
    }

    /// The entries of a state dictionary, or of the one in a training program's checkpoint; `place` gives the position of the bytes of a storage.
    pub(super) fn entries(&self, place: &dyn Fn(&str) -> Option<Range<usize>>) -> Result<Entries, FormatError> {
        let Value::Dict(all) = self.root() else { return Err("it does not hold a state dictionary".into()) };
        let entries = self.unwrapped(all)?;
        let entry = |before: &str, entry: &[Id]| match &self.values[entry[0]] {
            Value::Text(name) if name.len() > MAX_KEY => Err(FormatError::from("a tensor's name is too long")),
            Value::Text(name) => Ok((format!("{before}{name}"), self.tensor(entry[1], place))),
            _ => Err("a tensor's name is not a text".into()),
        };
        let is_wrapped = !std::ptr::eq(entries, &all[..]);
        let generator = all.chunks_exact(2).find_map(|entry| match (&self.values[entry[0]], &self.values[entry[1]]) {
            (Value::Text(name), Value::Dict(entries)) if is_wrapped && name == GENERATOR => Some(&entries[..]),
            _ => None,
        });
        let of_generator = generator.unwrap_or_default().chunks_exact(2).map(|of| entry("generator.", of));
        entries.chunks_exact(2).map(|of_model| entry("", of_model)).chain(of_generator).collect()
    }

    /// The state dictionary that a training program's checkpoint holds beside what else it saves, a loss for example; a
    /// dictionary with parameters of its own, whose names have dots, is one itself.
    fn unwrapped<'a>(&'a self, entries: &'a [Id]) -> Result<&'a [Id], FormatError> {
        let (mut inner, mut has_params) = (Vec::new(), false);
        for entry in entries.chunks_exact(2) {
            match (&self.values[entry[0]], &self.values[entry[1]]) {
                (Value::Text(name), Value::Dict(entries)) if WRAPPERS.contains(&name.as_str()) => {
                    inner.push((name, entries));
                }
                (Value::Text(name), Value::Call(..)) => has_params |= name.contains('.'),
                _ => {}
            }
        }
        match inner[..] {
            [(_, inner)] if !has_params => Ok(inner),
            [(one, _), (other, _), ..] if !has_params => {
                Err(format!("it holds two state dictionaries, {one} and {other}: save one of them alone").into())
            }
            _ => Ok(entries),
        }
    }

    fn tensor(&self, id: Id, place: &dyn Fn(&str) -> Option<Range<usize>>) -> Result<Stored, TensorProblem> {
        let (name, arguments) = self.call(id)?;
        let (name, arguments) = match (name, arguments) {
            // A parameter is a tensor and a flag whether it is trained.
            ("torch._utils._rebuild_parameter", [inner, ..]) => self.call(*inner)?,
            direct => direct,
        };
        match (name, arguments) {
            ("torch._utils._rebuild_tensor_v2", &[storage, first, shape, strides, ..]) => {
                let Value::Outside(storage) = self.values[storage] else {
                    return Err(TensorProblem::Other("it does not have a storage"));
                };
                let (key, dtype) = self.storage(storage)?;
                let place = place(key).ok_or_else(|| TensorProblem::Storage(key.to_owned()))?;
                view(place, dtype, self.size(first)?, self.sizes(shape)?, self.sizes(strides)?)
            }
            _ => Err(TensorProblem::Call(name.to_owned())),
        }
    }

    /// Name and arguments of the call at `id`.
    fn call(&self, id: Id) -> Result<(&str, &[Id]), TensorProblem> {
        if let Value::Call(callee, arguments) = self.values[id]
            && let (Value::Global(name), Value::Tuple(arguments)) = (&self.values[callee], &self.values[arguments])
        {
            return Ok((name, arguments));
        }
        Err(TensorProblem::Other("it is not made by a call"))
    }

    fn size(&self, id: Id) -> Result<usize, TensorProblem> {
        match self.values[id] {
            Value::Int(number) => usize::try_from(number).map_err(|_| TensorProblem::Other("a size is negative")),
            _ => Err(TensorProblem::Other("a size is not a number")),
        }
    }

    fn sizes(&self, id: Id) -> Result<Vec<usize>, TensorProblem> {
        match &self.values[id] {
            Value::Tuple(items) if items.len() > MAX_DIMS => Err(TensorProblem::Other("it has more than 8 dimensions")),
            Value::Tuple(items) => items.iter().map(|&item| self.size(item)).collect(),
            _ => Err(TensorProblem::Other("its shape is not a tuple")),
        }
    }
}

/// A part of the storage at `place`, from its value `first` on.
fn view(
    place: Range<usize>,
    dtype: DType,
    first: usize,
    shape: Vec<usize>,
    strides: Vec<usize>,
) -> Result<Stored, TensorProblem> {
    let n_stored = place.len() / dtype.size();
    let n_values = shape.iter().try_fold(1_usize, |n, &size| n.checked_mul(size)).ok_or(TensorProblem::Outside)?;
    if strides.len() != shape.len() {
        return Err(TensorProblem::Outside);
    }
    if n_values > 0 {
        let step =
            |reach: usize, (&size, &stride): (&usize, &usize)| reach.checked_add((size - 1).checked_mul(stride)?);
        let last = shape.iter().zip(&strides).try_fold(first, step);
        last.filter(|&last| last < n_stored).ok_or(TensorProblem::Outside)?;
    }
    let mut expected = 1_usize;
    let is_row_major = shape.iter().zip(&strides).rev().all(|(&size, &stride)| {
        let follows = size == 1 || stride == expected;
        expected = expected.wrapping_mul(size);
        follows
    });
    let start = (place.start + if n_values > 0 { first * dtype.size() } else { 0 }) as u64;
    Ok(Stored { dtype, shape, start, strides: (!is_row_major).then_some(strides), blocks: None })
}
