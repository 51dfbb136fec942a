//! Tensors of a state dictionary.

use std::collections::BTreeMap;

use burn::tensor::DType;

use super::machine::{Id, Pickle, Value};
use crate::{HostTensor, Tensors, file::to_f32};

/// How the values of PyTorch's storages are kept, by class.
const STORAGES: [(&str, DType); 9] = [
    ("DoubleStorage", DType::F64),
    ("FloatStorage", DType::F32),
    ("HalfStorage", DType::F16),
    ("BFloat16Storage", DType::BF16),
    ("LongStorage", DType::I64),
    ("IntStorage", DType::I32),
    ("ShortStorage", DType::I16),
    ("CharStorage", DType::I8),
    ("ByteStorage", DType::U8),
];

impl Pickle {
    /// The storage with the persistent id at `id`: its key and how its values are kept.
    fn storage(&self, id: Id) -> Result<(&str, DType), String> {
        // ("storage", class, key, device, number of values)
        match self.tuple(id).as_deref() {
            Some([Value::Text(kind), Value::Global(class), Value::Text(key), ..]) if kind == "storage" => {
                let name = class.rsplit('.').next().unwrap_or_default();
                let known = STORAGES.iter().find(|(known, _)| *known == name);
                known.map(|&(_, dtype)| (key.as_str(), dtype)).ok_or_else(|| format!("{class} can't be read"))
            }
            _ => Err("an object lies outside the pickle that is no storage".to_owned()),
        }
    }

    /// How wide the values of each storage are, by key.
    pub(super) fn storage_widths(&self) -> BTreeMap<&str, usize> {
        let outside = self.values.iter().filter_map(|value| match value {
            Value::Outside(id) => self.storage(*id).ok(),
            _ => None,
        });
        outside.map(|(key, dtype)| (key, dtype.size())).collect()
    }

    /// The texts of a list.
    pub(super) fn texts(&self) -> Result<Vec<&str>, String> {
        let Value::List(items) = self.root() else { return Err("the storages' keys are no list".to_owned()) };
        let text = |&item: &Id| match &self.values[item] {
            Value::Text(text) => Ok(text.as_str()),
            _ => Err("a storage's key is no text".to_owned()),
        };
        items.iter().map(text).collect()
    }

    /// The tensors of a state dictionary; `data` gives the bytes of a storage.
    pub(super) fn tensors<'a>(&self, data: &dyn Fn(&str) -> Option<&'a [u8]>) -> Result<Tensors, String> {
        let Value::Dict(entries) = self.root() else { return Err("it holds no state dictionary".to_owned()) };
        let mut tensors = Tensors::new();
        for entry in entries.chunks_exact(2) {
            let Value::Text(name) = &self.values[entry[0]] else {
                return Err("a tensor's name is no text".to_owned());
            };
            let tensor = self.tensor(entry[1], data).map_err(|problem| format!("{name}: {problem}"))?;
            tensors.insert(name.clone(), tensor);
        }
        Ok(tensors)
    }

    fn tensor<'a>(&self, id: Id, data: &dyn Fn(&str) -> Option<&'a [u8]>) -> Result<HostTensor, String> {
        let (name, arguments) = self.call(id)?;
        let (name, arguments) = match (name, arguments) {
            // A parameter is a tensor and whether it is trained.
            ("torch._utils._rebuild_parameter", [inner, ..]) => self.call(*inner)?,
            direct => direct,
        };
        match (name, arguments) {
            ("torch._utils._rebuild_tensor_v2", &[storage, first, shape, strides, ..]) => {
                let Value::Outside(storage) = self.values[storage] else { return Err("it has no storage".to_owned()) };
                let (key, dtype) = self.storage(storage)?;
                let bytes = data(key).ok_or_else(|| format!("its storage {key} is missing"))?;
                let view = View { first: self.size(first)?, shape: self.sizes(shape)?, strides: self.sizes(strides)? };
                view.of(bytes, dtype)
            }
            _ => Err(format!("it is made by {name}, which is not called here")),
        }
    }

    /// Name and arguments of the call at `id`.
    fn call(&self, id: Id) -> Result<(&str, &[Id]), String> {
        if let Value::Call(callee, arguments) = self.values[id]
            && let (Value::Global(name), Value::Tuple(arguments)) = (&self.values[callee], &self.values[arguments])
        {
            return Ok((name, arguments));
        }
        Err("it is no tensor".to_owned())
    }

    fn size(&self, id: Id) -> Result<usize, String> {
        match self.values[id] {
            Value::Int(number) => usize::try_from(number).map_err(|_| format!("{number} is no size")),
            _ => Err("a size is no number".to_owned()),
        }
    }

    fn sizes(&self, id: Id) -> Result<Vec<usize>, String> {
        match &self.values[id] {
            Value::Tuple(items) => items.iter().map(|&item| self.size(item)).collect(),
            _ => Err("its shape is no tuple".to_owned()),
        }
    }
}

/// A part of a storage.
struct View {
    first: usize,
    shape: Vec<usize>,
    strides: Vec<usize>,
}

impl View {
    fn of(self, bytes: &[u8], dtype: DType) -> Result<HostTensor, String> {
        let Self { first, shape, strides } = self;
        let outside = || "it reaches beyond its storage".to_owned();
        let n_stored = bytes.len() / dtype.size();
        let n_values = shape.iter().try_fold(1_usize, |n, &size| n.checked_mul(size)).ok_or_else(outside)?;
        if strides.len() != shape.len() || n_values > n_stored {
            return Err(outside());
        }
        if n_values == 0 {
            return Ok(HostTensor { shape, values: Vec::new() });
        }
        let reach = shape
            .iter()
            .zip(&strides)
            .try_fold(first, |reach, (&size, &stride)| reach.checked_add((size - 1).checked_mul(stride)?));
        reach.filter(|&last| last < n_stored).ok_or_else(outside)?;
        let stored = to_f32(&bytes[..n_stored * dtype.size()], dtype)?;
        let mut values = Vec::with_capacity(n_values);
        let mut place = vec![0; shape.len()];
        for _ in 0..n_values {
            values.push(stored[first + place.iter().zip(&strides).map(|(at, stride)| at * stride).sum::<usize>()]);
            for axis in (0..shape.len()).rev() {
                place[axis] += 1;
                if place[axis] < shape[axis] {
                    break;
                }
                place[axis] = 0;
            }
        }
        Ok(HostTensor { shape, values })
    }
}
