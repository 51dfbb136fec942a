//! From a module to named tensors and back.

use std::collections::BTreeMap;

use burn::{
    module::{Module, ModuleMapper, ModuleVisitor, Param},
    tensor::{Tensor, TensorData},
};

use crate::{DeviceTensor, HostTensor, Tensors, WeightsError};

/// Name and shape of a parameter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParamShape {
    /// Path through the module.
    pub name: String,
    /// Shape.
    pub shape: Vec<usize>,
}

/// Every parameter's name and shape, in the module's order.
pub fn param_shapes<M: Module>(model: &M) -> Vec<ParamShape> {
    shapes(model, false)
}

/// Name and shape of every parameter that has gradients, in the module's order: none of a model on a device without them.
pub fn trained_shapes<M: Module>(model: &M) -> Vec<ParamShape> {
    shapes(model, true)
}

fn shapes<M: Module>(model: &M, only_trained: bool) -> Vec<ParamShape> {
    struct Shapes {
        path: Vec<String>,
        only_trained: bool,
        found: Vec<ParamShape>,
    }
    impl ModuleVisitor for Shapes {
        fn enter_module(&mut self, name: &str, _: &str) {
            self.path.push(name.to_owned());
        }
        fn exit_module(&mut self, _: &str, _: &str) {
            self.path.pop();
        }
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            if !self.only_trained || param.val().is_require_grad() {
                self.found.push(ParamShape { name: self.path.join("."), shape: param.lazy_shape().to_vec() });
            }
        }
    }
    let mut shapes = Shapes { path: Vec::new(), only_trained, found: Vec::new() };
    model.visit(&mut shapes);
    shapes.found
}

/// Every parameter of `model`, on its device.
pub fn device_params<M: Module>(model: &M) -> BTreeMap<String, DeviceTensor> {
    struct Params(Vec<String>, BTreeMap<String, DeviceTensor>);
    impl ModuleVisitor for Params {
        fn enter_module(&mut self, name: &str, _: &str) {
            self.0.push(name.to_owned());
        }
        fn exit_module(&mut self, _: &str, _: &str) {
            self.0.pop();
        }
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            self.1.insert(self.0.join("."), DeviceTensor::new(param.val()));
        }
    }
    let mut params = Params(Vec::new(), BTreeMap::new());
    model.visit(&mut params);
    params.1
}

/// Copies every parameter of `model` to the host.
pub fn params<M: Module>(model: &M) -> Tensors {
    into_host(device_params(model))
}

/// Copies parameters to the host; not a part of [`params`], which is compiled again for each model.
fn into_host(params: BTreeMap<String, DeviceTensor>) -> Tensors {
    params.into_iter().map(|(name, tensor)| (name, tensor.into_host())).collect()
}

/// Loads the parameters `tensors` into `model`, on its device.
///
/// # Errors
/// [`WeightsError::Mismatch`] lists every missing, extra or differently shaped tensor.
pub fn load<M: Module>(model: M, mut tensors: Tensors) -> Result<M, WeightsError> {
    let problems = mismatches(&param_shapes(&model), &tensors);
    if problems.is_empty() {
        Ok(model.map(&mut Loader { path: Vec::new(), tensors: &mut tensors }))
    } else {
        Err(WeightsError::Mismatch { problems })
    }
}

/// All differences between `tensors` and the parameters of a model.
fn mismatches(expected: &[ParamShape], tensors: &Tensors) -> Vec<String> {
    let differing = expected.iter().filter_map(|ParamShape { name, shape }| match tensors.get(name) {
        None => Some(format!("missing: {name} {shape:?}")),
        Some(tensor) if tensor.shape != *shape => {
            Some(format!("{name}: the model has {shape:?}, the file has {:?}", tensor.shape))
        }
        Some(_) => None,
    });
    let extra = tensors.keys().filter(|name| !expected.iter().any(|param| param.name == **name));
    differing.chain(extra.map(|name| format!("not in the model: {name}"))).collect()
}

struct Loader<'a> {
    path: Vec<String>,
    tensors: &'a mut Tensors,
}

impl ModuleMapper for Loader<'_> {
    fn enter_module(&mut self, name: &str, _: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.pop();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let name = self.path.join(".");
        with_values(param, self.tensors.remove(&name).expect("names were compared"))
    }
}

/// A parameter with other values of its shape, on its device, trained if it was.
pub fn with_values<const D: usize>(param: Param<Tensor<D>>, values: HostTensor) -> Param<Tensor<D>> {
    let HostTensor { shape, values } = values;
    param.map(|old| {
        let value = Tensor::from_data(TensorData::new(values, shape), &old.device().inner());
        if old.is_autodiff() { Tensor::from_inner(value).set_require_grad(old.is_require_grad()) } else { value }
    })
}
