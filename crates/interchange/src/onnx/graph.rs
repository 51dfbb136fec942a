//! A graph that is being written.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::File,
    io::{self, BufWriter, Read, Write},
    path::Path,
    rc::Rc,
};

use attentive_weights::{Source, WeightsError};
use prost::Message;

use super::proto::{
    AttributeProto, Dimension, EXTERNAL, FLOAT, GraphProto, INT64, ModelProto, NodeProto, OperatorSetIdProto, Size,
    StringStringEntryProto, TensorProto, TensorShapeProto, TensorType, TypeProto, ValueInfoProto,
};

/// The operators, of 2022: LayerNormalization is among them. ONNX Runtime 1.13 knows them, and all after it.
const OPSET: i64 = 17;
/// The format of ONNX 1.12.
const IR_VERSION: i64 = 8;
/// Bytes of weights from which on they are in a file of their own: a message may have 2 GiB.
const INLINE: usize = 1 << 30;

/// A value of the graph, by its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Value(Rc<str>);

/// The size of a dimension of an input or output.
#[derive(Debug, Clone, Copy)]
pub(super) enum Dim {
    Fixed(usize),
    Named(&'static str),
}

/// A setting of an operator.
pub(super) enum Setting<'a> {
    Int(&'a str, i64),
    Ints(&'a str, &'a [i64]),
    Float(&'a str, f64),
}

/// A graph over the parameters of a model, each of which it takes once.
pub(super) struct Graph<'a> {
    params: &'a dyn Source,
    graph: GraphProto,
    /// The shape of each parameter that was taken.
    taken: BTreeMap<String, Vec<usize>>,
    /// Tables that positions make.
    constants: BTreeSet<String>,
    n_values: usize,
    problems: Vec<String>,
    failure: Option<WeightsError>,
}

impl<'a> Graph<'a> {
    pub(super) fn new(name: &str, params: &'a dyn Source) -> Self {
        Self {
            params,
            graph: GraphProto { name: name.to_owned(), ..GraphProto::default() },
            taken: BTreeMap::new(),
            constants: BTreeSet::new(),
            n_values: 0,
            problems: Vec::new(),
            failure: None,
        }
    }

    /// An input of integers or of floats.
    pub(super) fn input(&mut self, name: &str, is_integer: bool, dims: &[Dim]) -> Value {
        let info = value_info(name, if is_integer { INT64 } else { FLOAT }, dims);
        self.graph.input.push(info);
        Value(name.into())
    }

    /// Makes a value an output.
    pub(super) fn output(&mut self, name: &str, value: &Value, dims: &[Dim]) {
        self.graph.output.push(value_info(name, FLOAT, dims));
        self.node("Identity", &[value], &[], &Value(name.into()));
    }

    /// A parameter, of a shape that it must have.
    pub(super) fn param(&mut self, name: &str, shape: &[usize]) -> Value {
        if self.taken.insert(name.to_owned(), shape.to_vec()).is_none() {
            match self.params.shape(name) {
                Some(found) if found == shape => match self.params.tensor(name) {
                    Ok(tensor) => self.tensor(name, shape, &tensor.values),
                    Err(failure) => self.failure = self.failure.take().or(Some(failure)),
                },
                Some(found) => self.problems.push(format!("{name} is {found:?}, not {shape:?}")),
                None => self.problems.push(format!("missing: {name}")),
            }
        }
        Value(name.into())
    }

    /// The values of a parameter, for a table that is made of it.
    pub(super) fn values(&mut self, name: &str, shape: &[usize]) -> Vec<f32> {
        self.taken.insert(name.to_owned(), shape.to_vec());
        let found = self.params.tensor(name).ok().filter(|tensor| tensor.shape == shape);
        found.map_or_else(
            || {
                self.problems.push(format!("missing: {name}, {shape:?}"));
                vec![0.0; shape.iter().product()]
            },
            |tensor| tensor.into_owned().values,
        )
    }

    /// A table of a name of its own.
    pub(super) fn table(&mut self, name: &str, shape: &[usize], values: &[f32]) -> Value {
        if self.constants.insert(name.to_owned()) {
            self.tensor(name, shape, values);
        }
        Value(name.into())
    }

    fn tensor(&mut self, name: &str, shape: &[usize], values: &[f32]) {
        let raw_data = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.initializer(name, FLOAT, shape, raw_data);
    }

    fn initializer(&mut self, name: &str, data_type: i32, shape: &[usize], raw_data: Vec<u8>) {
        self.graph.initializer.push(TensorProto {
            dims: shape.iter().map(|&size| size as i64).collect(),
            data_type,
            name: name.to_owned(),
            raw_data: Some(raw_data),
            ..TensorProto::default()
        });
    }

    /// A number.
    pub(super) fn float(&mut self, value: f64) -> Value {
        self.table(&format!("float_{:08x}", (value as f32).to_bits()), &[], &[value as f32])
    }

    /// A list of integers.
    pub(super) fn ints(&mut self, values: &[i64]) -> Value {
        let name = format!("ints_{}", values.iter().map(i64::to_string).collect::<Vec<_>>().join("_"));
        if self.constants.insert(name.clone()) {
            self.initializer(
                &name,
                INT64,
                &[values.len()],
                values.iter().flat_map(|value| value.to_le_bytes()).collect(),
            );
        }
        Value(name.into())
    }

    /// An integer.
    pub(super) fn int(&mut self, value: i64) -> Value {
        let name = format!("int_{value}");
        if self.constants.insert(name.clone()) {
            self.initializer(&name, INT64, &[], value.to_le_bytes().to_vec());
        }
        Value(name.into())
    }

    /// The result of an operator.
    pub(super) fn op(&mut self, op_type: &str, inputs: &[&Value], settings: &[Setting<'_>]) -> Value {
        let result = Value(format!("{}_{}", op_type.to_lowercase(), self.n_values).into());
        self.n_values += 1;
        self.node(op_type, inputs, settings, &result);
        result
    }

    fn node(&mut self, op_type: &str, inputs: &[&Value], settings: &[Setting<'_>], result: &Value) {
        let attribute = settings.iter().map(|setting| match *setting {
            Setting::Float(name, value) => {
                AttributeProto { name: name.into(), f: Some(value as f32), r#type: 1, ..AttributeProto::default() }
            }
            Setting::Int(name, value) => {
                AttributeProto { name: name.into(), i: Some(value), r#type: 2, ..AttributeProto::default() }
            }
            Setting::Ints(name, values) => {
                AttributeProto { name: name.into(), ints: values.to_vec(), r#type: 7, ..AttributeProto::default() }
            }
        });
        self.graph.node.push(NodeProto {
            input: inputs.iter().map(|input| input.0.to_string()).collect(),
            output: vec![result.0.to_string()],
            name: format!("{op_type}_{}", self.graph.node.len()),
            op_type: op_type.to_owned(),
            attribute: attribute.collect(),
        });
    }

    pub(super) fn add(&mut self, a: &Value, b: &Value) -> Value {
        self.op("Add", &[a, b], &[])
    }

    pub(super) fn sub(&mut self, a: &Value, b: &Value) -> Value {
        self.op("Sub", &[a, b], &[])
    }

    pub(super) fn mul(&mut self, a: &Value, b: &Value) -> Value {
        self.op("Mul", &[a, b], &[])
    }

    /// `factor · x`; `x` where the factor is 1.
    pub(super) fn scaled(&mut self, x: &Value, factor: f64) -> Value {
        if factor == 1.0 {
            return x.clone();
        }
        let factor = self.float(factor);
        self.mul(x, &factor)
    }

    /// `c · tanh(x / c)`; `x` without a bound.
    pub(super) fn bounded(&mut self, x: &Value, cap: Option<f64>) -> Value {
        let Some(cap) = cap else { return x.clone() };
        let x = self.scaled(x, 1.0 / cap);
        let x = self.op("Tanh", &[&x], &[]);
        self.scaled(&x, cap)
    }

    pub(super) fn matmul(&mut self, a: &Value, b: &Value) -> Value {
        self.op("MatMul", &[a, b], &[])
    }

    pub(super) fn transpose(&mut self, x: &Value, order: &[i64]) -> Value {
        self.op("Transpose", &[x], &[Setting::Ints("perm", order)])
    }

    /// The same values in another shape, whose size 0 stands for the one that is there, and −1 for the rest.
    pub(super) fn reshape(&mut self, x: &Value, shape: &[i64]) -> Value {
        let shape = self.ints(shape);
        self.op("Reshape", &[x, &shape], &[])
    }

    pub(super) fn unsqueeze(&mut self, x: &Value, axes: &[i64]) -> Value {
        let axes = self.ints(axes);
        self.op("Unsqueeze", &[x, &axes], &[])
    }

    pub(super) fn concat(&mut self, parts: &[&Value], axis: i64) -> Value {
        self.op("Concat", parts, &[Setting::Int("axis", axis)])
    }

    /// Rows `ids` of a table.
    pub(super) fn gather(&mut self, table: &Value, ids: &Value, axis: i64) -> Value {
        self.op("Gather", &[table, ids], &[Setting::Int("axis", axis)])
    }

    /// `x[…, from..to]` of an axis.
    pub(super) fn slice(&mut self, x: &Value, axis: i64, from: i64, to: i64) -> Value {
        let [from, to, axis] = [from, to, axis].map(|at| self.ints(&[at]));
        self.op("Slice", &[x, &from, &to, &axis], &[])
    }

    /// The size of an axis, as an integer.
    pub(super) fn size(&mut self, x: &Value, axis: i64) -> Value {
        let shape = self.op("Shape", &[x], &[]);
        let axis = self.int(axis);
        self.gather(&shape, &axis, 0)
    }

    /// The integers from one to before another.
    pub(super) fn range(&mut self, from: &Value, to: &Value) -> Value {
        let step = self.int(1);
        self.op("Range", &[from, to, &step], &[])
    }

    /// The parameters that were taken.
    pub(super) fn taken(&self) -> impl Iterator<Item = &str> {
        self.taken.keys().map(String::as_str)
    }

    /// The weights and tables.
    #[cfg(test)]
    pub(super) fn initializers(&self) -> &[TensorProto] {
        &self.graph.initializer
    }

    /// Writes the graph; weights of a GiB and more go into `file_data` beside it.
    ///
    /// # Errors
    /// A parameter is missing, of another shape, or can't be read; or the file can't be written.
    pub(super) fn write(mut self, folder: &Path, file: &str) -> Result<(), WriteError> {
        if let Some(failure) = self.failure {
            return Err(WriteError::Weights(failure));
        }
        if !self.problems.is_empty() {
            return Err(WriteError::Weights(WeightsError::Mismatch { problems: self.problems }));
        }
        let size = |tensor: &TensorProto| tensor.raw_data.as_ref().map_or(0, Vec::len);
        if self.graph.initializer.iter().map(size).sum::<usize>() >= INLINE {
            self.write_data(folder, &format!("{file}_data"))?;
        }
        let model = ModelProto {
            ir_version: IR_VERSION,
            producer_name: "attentive".into(),
            producer_version: env!("CARGO_PKG_VERSION").into(),
            graph: Some(self.graph),
            opset_import: vec![OperatorSetIdProto { domain: String::new(), version: OPSET }],
        };
        attentive_weights::write_atomically(&folder.join(file), &model.encode_to_vec())?;
        Ok(())
    }

    /// Moves the values of tensors that are not small into a file, each from a whole page on, so that it can be mapped.
    pub(super) fn write_data(&mut self, folder: &Path, name: &str) -> io::Result<()> {
        const PAGE: u64 = 4096;
        let mut out = BufWriter::new(File::create(folder.join(name))?);
        let mut at = 0_u64;
        for tensor in &mut self.graph.initializer {
            let Some(values) = tensor.raw_data.take_if(|values| values.len() as u64 >= PAGE) else { continue };
            let start = at.next_multiple_of(PAGE);
            io::copy(&mut io::repeat(0).take(start - at), &mut out)?;
            out.write_all(&values)?;
            at = start + values.len() as u64;
            let place =
                [("location", name.to_owned()), ("offset", start.to_string()), ("length", values.len().to_string())];
            tensor.external_data = place.map(|(key, value)| StringStringEntryProto { key: key.into(), value }).into();
            tensor.data_location = Some(EXTERNAL);
        }
        out.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()
    }
}

/// Why a graph is not written.
#[derive(Debug, thiserror::Error)]
pub(super) enum WriteError {
    #[error(transparent)]
    Weights(#[from] WeightsError),
    #[error(transparent)]
    Io(#[from] io::Error),
}

fn value_info(name: &str, elem_type: i32, dims: &[Dim]) -> ValueInfoProto {
    let size = |dim: &Dim| match *dim {
        Dim::Fixed(size) => Size::Fixed(size as i64),
        Dim::Named(name) => Size::Named(name.to_owned()),
    };
    let shape = TensorShapeProto { dim: dims.iter().map(|dim| Dimension { value: Some(size(dim)) }).collect() };
    let tensor_type = Some(TensorType { elem_type, shape: Some(shape) });
    ValueInfoProto { name: name.to_owned(), r#type: Some(TypeProto { tensor_type }) }
}
