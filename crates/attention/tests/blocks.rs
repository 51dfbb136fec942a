//! Attention within blocks against attention over whole rows under a mask.

use attentive_attention::{Blocks, Initializer, Mask, MultiHeadAttentionConfig};
use attentive_backend::BackendKind;
use attentive_testkit::{Fixture, assert_close};
use burn::tensor::{Tensor, TensorData};
use proptest::prelude::*;

const D_MODEL: usize = 6;

fn values(tensor: Tensor<3>) -> Vec<f32> {
    tensor.into_data().try_into_vec().unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn a_block_is_all_that_its_positions_see(
        lengths in prop::collection::vec(0_usize..=11, 1..4), width in 1_usize..14, seed in any::<u64>(),
    ) {
        for kind in [BackendKind::Flex, BackendKind::NdArray] {
            let device = kind.device().unwrap();
            let attention = MultiHeadAttentionConfig::new(D_MODEL, 2).init(&Initializer::new(seed, &device));
            let (rows, seq) = (lengths.len(), 11);
            let x = Fixture::new(seed).normal(rows * seq * D_MODEL);
            let x = Tensor::<3>::from_data(TensorData::new(x, [rows, seq, D_MODEL]), &device);

            let blocks = Blocks::new([rows, seq], width);
            let folded = blocks.fold(x.clone());
            let found = attention.forward(folded.clone(), folded, &blocks.padding(&lengths, &device), None);
            let found = values(blocks.unfold(found));

            let hidden = lengths.iter().flat_map(|&length| {
                (0..seq).flat_map(move |q| (0..seq).map(move |k| k >= length || q / width != k / width))
            });
            let hidden = TensorData::new(hidden.collect::<Vec<bool>>(), [rows, 1, seq, seq]);
            let mask = Mask::none().and_hidden(Tensor::from_data(hidden, &device));
            assert_close(&found, &values(attention.forward(x.clone(), x, &mask, None)), 1e-4, 1e-5);
        }
    }
}
