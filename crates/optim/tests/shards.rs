//! Parameters that processes, here threads, update in parts.

use std::ops::Range;

use attentive_backend::BackendKind;
use attentive_collective::{Threads, piece_of};
use attentive_optim::{AdamConfig, Gradients, Optimizer, Shards, StepSize};
use attentive_testkit::Fixture;
use burn::{
    module::{Module, Param},
    tensor::{Tensor, TensorData},
};

/// Two parameters of several blocks, and one that the loss may leave out.
#[derive(Module, Debug)]
struct Model {
    a: Param<Tensor<2>>,
    b: Param<Tensor<1>>,
    seldom: Param<Tensor<1>>,
}

const N: [usize; 3] = [50_000, 17_000, 3];

fn param<const D: usize>(fixture: &mut Fixture, shape: [usize; D]) -> Param<Tensor<D>> {
    let values = fixture.normal(shape.iter().product());
    let device = BackendKind::Flex.device().unwrap().autodiff();
    Param::from_tensor(Tensor::from_data(TensorData::new(values, shape), &device))
}

impl Model {
    fn new() -> Self {
        let mut fixture = Fixture::new(4);
        Self {
            a: param(&mut fixture, [N[0] / 100, 100]),
            b: param(&mut fixture, [N[1]]),
            seldom: param(&mut fixture, [N[2]]),
        }
    }

    fn gradients(&self, seed: u64, with_seldom: bool) -> Gradients {
        let mut fixture = Fixture::new(seed);
        let [x, y] = [N[0], N[1]]
            .map(|n| Tensor::<1>::from_data(TensorData::new(fixture.normal(n), [n]), &self.b.val().device()));
        let mut loss = (self.a.val().flatten(0, 1) * x).sum() + (self.b.val() * y).sum();
        if with_seldom {
            loss = loss + self.seldom.val().powi_scalar(2).sum();
        }
        Gradients::take(loss.backward(), self)
    }

    fn values(&self) -> Vec<u32> {
        let Self { a, b, seldom } = self;
        let values = [a.val().flatten(0, 1), b.val(), seldom.val()].map(|tensor: Tensor<1>| tensor.into_data());
        values.into_iter().flat_map(|data| data.try_into_vec::<f32>().unwrap()).map(f32::to_bits).collect()
    }
}

#[test]
fn parts_are_all_values_once_and_about_as_many() {
    for size in 1..=8 {
        let mut parts: Vec<(usize, [Range<usize>; 3])> = Threads::each(size, |peer| {
            let shards = Shards::of(&Model::new(), &peer);
            assert_eq!(shards.len(), N.iter().sum::<usize>());
            assert!(shards.part("other").is_empty());
            let rank = attentive_collective::Collective::rank(&peer);
            (piece_of(rank, size), ["a", "b", "seldom"].map(|name| shards.part(name)))
        });
        parts.sort_by_key(|(piece, _)| *piece);
        for (param, n) in N.into_iter().enumerate() {
            let joined: Vec<usize> = parts.iter().flat_map(|(_, parts)| parts[param].clone()).collect();
            assert_eq!(joined, (0..n).collect::<Vec<_>>(), "{size} processes");
        }
        // Half a block more or less at each end.
        for (_, parts) in &parts {
            let n: usize = parts.iter().map(Range::len).sum();
            assert!(n.abs_diff(N.iter().sum::<usize>() / size) <= 1 << 14, "{n} of {size}");
        }
    }
}

/// Updates by one process, and by several, some of which have no gradient of a parameter; in the second one none has.
#[test]
fn shared_updates_are_those_of_one() {
    let has_seldom = |rank: usize, update: u64| rank == 1 && update != 2;
    for size in [2, 4, 8] {
        let config = AdamConfig { weight_decay: 0.1, ..AdamConfig::default() };
        let step = StepSize { scale: 0.3, lr: 0.01 };
        let seed = |rank: usize, update: u64| 100 * update + rank as u64;

        let (mut model, mut adam) = (Model::new(), config.init().unwrap());
        let mut norms = Vec::new();
        for update in 1..=3 {
            let mut sum = attentive_collective::BalancedSum::new(size as u64, Gradients::plus);
            (0..size).for_each(|rank| sum.add(model.gradients(seed(rank, update), has_seldom(rank, update))));
            let gradients = sum.finish().unwrap();
            norms.push(gradients.squared_norms());
            model = attentive_optim::step(&mut adam, model, gradients, step);
        }
        let state = |state: attentive_optim::OptimizerState| -> Vec<(String, Vec<f32>)> {
            state.into_iter().map(|(name, tensor)| (name, tensor.into_data().try_into_vec().unwrap())).collect()
        };
        let (expected, moments) = (model.values(), state(adam.state()));

        let found = Threads::each(size, |peer| {
            let rank = attentive_collective::Collective::rank(&peer);
            let (mut model, mut adam) = (Model::new(), config.init().unwrap());
            let shards = Shards::of(&model, &peer);
            for update in 1..=3 {
                let gradients = model.gradients(seed(rank, update), has_seldom(rank, update));
                let gradients = gradients.reduce(&shards, &peer).unwrap();
                assert_eq!(gradients.squared_norms(), norms[update as usize - 1]);
                model = gradients.step(&mut adam, model, step).unwrap();
            }
            let n_own: usize = adam.state().values().map(|tensor| tensor.dims()[0]).sum();
            let device = BackendKind::Flex.device().unwrap();
            let whole = state(shards.gather_state(&adam.state(), &device, &peer).unwrap());
            let parts = shards.scatter_state(whole.iter().cloned().collect(), &peer).unwrap();
            assert_eq!(parts.into_iter().collect::<Vec<_>>(), state(adam.state()), "each gets back what it gave");
            (model.values(), n_own, whole)
        });
        assert!(found.iter().all(|(values, ..)| *values == expected), "{size} processes");
        assert!(found[0].2 == moments && found[1..].iter().all(|(.., whole)| whole.is_empty()));
        // Moments of all are in memory once.
        let n_moments: usize = moments.iter().map(|(_, values)| values.len()).sum();
        assert_eq!(found.iter().map(|(_, n_own, _)| n_own).sum::<usize>(), n_moments);
    }
}
