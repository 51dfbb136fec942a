//! What holds of the batches of any corpus, configuration, seed and epoch.

use std::collections::HashSet;
use std::sync::Arc;

use attentive_core::TranslationBatch;
use attentive_data::{
    BatchConfig, BatchStream, CorpusBuilder, DataError, EncodedCorpus, Endless, Epochs, OnProblem, Order, PairBatcher,
    Shape, Size, SpecialIds, TokenCount, permutation, seeded_rng,
};
use proptest::prelude::*;

const SPECIALS: SpecialIds = SpecialIds { pad: 0, bos: 1, eos: 2, source_end: 2 };

/// A corpus of these lengths; the ids tell pairs, sides and places apart.
fn corpus_of(lengths: &[(usize, usize)], memory_bytes: u64) -> Arc<EncodedCorpus> {
    let mut builder = CorpusBuilder::spilling(memory_bytes);
    for (line, (source, target)) in (1..).zip(lengths) {
        let ids = |side: usize, n: usize| -> Vec<u32> {
            (0..n).map(|k| (line as usize * 97 + k * 2 + side) as u32).collect()
        };
        builder.push(line, &ids(0, *source), &ids(1, *target)).unwrap();
    }
    Arc::new(builder.finish().unwrap())
}

fn lengths() -> impl Strategy<Value = Vec<(usize, usize)>> {
    prop::collection::vec((0_usize..40, 0_usize..40), 1..150)
}

fn configs() -> impl Strategy<Value = BatchConfig> {
    let count =
        prop::sample::select(vec![TokenCount::Source, TokenCount::Target, TokenCount::Longer, TokenCount::Both]);
    (82_usize..600, prop::option::of(1_usize..20), count, 1_usize..14, 1_usize..9).prop_map(
        |(max_tokens, max_rows, count, n_widths, width_multiple)| BatchConfig {
            max_tokens: Size::Of(max_tokens),
            max_rows,
            count,
            n_widths,
            width_multiple,
            on_oversized: OnProblem::Refuse,
        },
    )
}

fn orders() -> impl Strategy<Value = Order> {
    prop_oneof![Just(Order::Sorted), any::<u64>().prop_map(|seed| Order::Shuffled { seed })]
}

fn shape_of(batch: &TranslationBatch) -> Shape {
    Shape { rows: batch.source.n_rows(), source: batch.source.n_cols(), target: batch.target.n_cols() - 1 }
}

fn all(batches: impl Iterator<Item = Result<TranslationBatch, DataError>>) -> Vec<TranslationBatch> {
    batches.collect::<Result<_, _>>().unwrap()
}

proptest! {
    #[test]
    fn an_epoch_holds_every_pair_once_and_unchanged(
        lengths in lengths(), config in configs(), order in orders(), epoch in 0_u64..5,
    ) {
        let corpus = corpus_of(&lengths, u64::MAX);
        let batches = all(PairBatcher::new(corpus.clone(), &config, SPECIALS, order).unwrap().epoch(epoch));
        let mut seen = HashSet::new();
        for batch in &batches {
            prop_assert_eq!(batch.indices.len(), batch.source.n_rows());
            for (row, i) in batch.indices.iter().enumerate() {
                prop_assert!(seen.insert(*i), "pair {} comes twice", i);
                let pair = corpus.pair(*i as usize).unwrap();
                prop_assert_eq!(batch.source.row(row), [pair.source(), &[SPECIALS.eos]].concat());
                prop_assert_eq!(batch.target.row(row), [&[SPECIALS.bos], pair.target(), &[SPECIALS.eos]].concat());
            }
        }
        prop_assert_eq!(seen.len(), lengths.len());
    }

    #[test]
    fn no_batch_exceeds_its_limits(lengths in lengths(), config in configs(), order in orders()) {
        let batcher = PairBatcher::new(corpus_of(&lengths, u64::MAX), &config, SPECIALS, order).unwrap();
        for batch in all(batcher.epoch(0)) {
            let Shape { rows, source, target } = shape_of(&batch);
            let n_tokens = rows * match config.count {
                TokenCount::Source => source,
                TokenCount::Target => target,
                TokenCount::Longer => source.max(target),
                TokenCount::Both => source + target,
            };
            prop_assert!(n_tokens <= config.max_tokens.or(0), "{:?}", shape_of(&batch));
            prop_assert!(rows <= config.max_rows.unwrap_or(rows));
        }
    }

    #[test]
    fn a_plan_tells_what_comes(lengths in lengths(), config in configs(), seed: u64, epoch in 0_u64..5) {
        let order = Order::Shuffled { seed };
        let batcher = PairBatcher::new(corpus_of(&lengths, u64::MAX), &config, SPECIALS, order).unwrap();
        let batches = all(batcher.epoch(epoch));
        let plan = batcher.plan();
        prop_assert_eq!((plan.n_batches(), plan.n_pairs(), plan.n_skipped()), (batches.len(), lengths.len(), 0));
        let mut shapes = plan.shapes().clone();
        let (mut n_real, mut n_padded) = (0, 0);
        for batch in &batches {
            let shape = shape_of(batch);
            let count = shapes.get_mut(&shape).filter(|count| **count > 0);
            prop_assert!(count.is_some(), "{:?} was not planned", shape);
            *count.unwrap() -= 1;
            n_padded += shape.rows * (shape.source + shape.target);
            n_real += batch.source.n_tokens() + batch.target.n_tokens() - shape.rows;
        }
        prop_assert!((plan.padding() - (1.0 - n_real as f64 / n_padded as f64)).abs() < 1e-12);
    }

    #[test]
    fn resuming_anywhere_equals_not_having_stopped(
        lengths in lengths(), config in configs(), order in orders(), stop in 0_usize..200,
    ) {
        let corpus = corpus_of(&lengths, u64::MAX);
        let batcher = PairBatcher::new(corpus.clone(), &config, SPECIALS, order).unwrap();
        let mut unbroken = Endless::new(&batcher);
        (0..stop).for_each(|_| drop(unbroken.next_batch().unwrap()));
        let position = unbroken.position();
        prop_assert_eq!(position.epoch as usize * batcher.plan().n_batches() + position.batch_idx as usize, stop);
        // In another process: all is made anew.
        let mut resumed = Endless::new(PairBatcher::new(corpus, &config, SPECIALS, order).unwrap());
        resumed.seek(position).unwrap();
        for _ in 0..20 {
            prop_assert_eq!(unbroken.next_batch().unwrap(), resumed.next_batch().unwrap());
        }
    }

    #[test]
    fn disk_equals_memory(lengths in lengths(), config in configs(), seed: u64) {
        let batches = |memory_bytes| {
            let corpus = corpus_of(&lengths, memory_bytes);
            all(PairBatcher::new(corpus, &config, SPECIALS, Order::Shuffled { seed }).unwrap().epoch(1))
        };
        prop_assert_eq!(batches(u64::MAX), batches(0));
    }

    #[test]
    fn oversized_pairs_are_refused_or_left_out(lengths in lengths(), max_tokens in 1_usize..40) {
        let corpus = corpus_of(&lengths, u64::MAX);
        let fits = |(source, target): &(usize, usize)| source.max(target) < &max_tokens;
        let n_fit = lengths.iter().filter(|pair| fits(pair)).count();
        let max_tokens = Size::Of(max_tokens);
        let config = |on_oversized| BatchConfig { max_tokens, on_oversized, ..BatchConfig::default() };
        let new = |on| PairBatcher::new(corpus.clone(), &config(on), SPECIALS, Order::Sorted);
        match new(OnProblem::Skip) {
            Ok(batcher) => {
                prop_assert_eq!(batcher.plan().n_skipped(), lengths.len() - n_fit);
                prop_assert_eq!(all(batcher.epoch(0)).iter().map(|b| b.indices.len()).sum::<usize>(), n_fit);
            }
            Err(error) => prop_assert!(n_fit == 0 && matches!(error, DataError::NoPairs)),
        }
        match new(OnProblem::Refuse) {
            Ok(_) => prop_assert_eq!(n_fit, lengths.len()),
            Err(DataError::Oversized { line, .. }) => {
                prop_assert_eq!(lengths.iter().position(|pair| !fits(pair)), Some(line as usize - 1));
            }
            Err(error) => prop_assert!(false, "{}", error),
        }
    }

    #[test]
    fn a_permutation_holds_each_number_once(n in 0_u32..500, seed: u64) {
        let mut order = permutation(n, &mut seeded_rng(seed, "test", 0));
        order.sort_unstable();
        prop_assert!(order.into_iter().eq(0..n));
    }
}
