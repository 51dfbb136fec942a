//! What holds of the batches of any corpus, configuration, seed and epoch.

use std::collections::HashSet;
use std::sync::Arc;

use attentive_core::TranslationBatch;
use attentive_data::{
    BatchConfig, BatchStream, CorpusBuilder, DataError, EncodedCorpus, Endless, Epochs, Mixture, OnProblem, Order,
    PairBatcher, Shape, Size, SpecialIds, TokenCount, permutation, seeded_rng,
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
    let random = any::<u64>().prop_map(|seed| Order::Shuffled { seed });
    prop_oneof![Just(Order::Sorted), random, any::<u64>().prop_map(|seed| Order::ShortFirst { seed })]
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
        // In another process: all is made again.
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
    fn parts_are_batched_as_one_corpus_with_their_own_special_tokens(
        lengths in lengths(), config in configs(), order in orders(), cuts in prop::array::uniform2(any::<prop::sample::Index>()),
        memory in any::<bool>(),
    ) {
        let whole = corpus_of(&lengths, u64::MAX);
        let mut cuts = cuts.map(|cut| cut.index(lengths.len() + 1));
        cuts.sort_unstable();
        let part = |range: std::ops::Range<usize>| {
            let mut builder = CorpusBuilder::spilling(if memory { u64::MAX } else { 0 });
            for (line, i) in (1..).zip(range) {
                let pair = whole.pair(i).unwrap();
                builder.push(line, pair.source(), pair.target()).unwrap();
            }
            builder.finish().unwrap()
        };
        let bos = |part: u32| SpecialIds { bos: 10_000_000 + part, source_end: 20_000_000 + part, ..SPECIALS };
        let ranges = [0..cuts[0], cuts[0]..cuts[1], cuts[1]..lengths.len()];
        let parts = (0..).zip(ranges.clone()).map(|(n, range)| (part(range), bos(n)));
        let batcher = PairBatcher::of_parts(parts, &config, order).unwrap();
        let joined = batcher.corpus();
        prop_assert_eq!((joined.n_tokens(), joined.max_id()), (whole.n_tokens(), whole.max_id()));
        prop_assert_eq!(joined.part_lens(), ranges.clone().map(|range| range.len()));
        let expected = PairBatcher::new(whole.clone(), &config, SPECIALS, order).unwrap();
        for (batch, expected) in all(batcher.epoch(1)).iter().zip(all(expected.epoch(1))) {
            prop_assert_eq!(&batch.indices, &expected.indices);
            for (row, &i) in batch.indices.iter().enumerate() {
                let i = i as usize;
                let n = ranges.iter().position(|range| range.contains(&i)).unwrap();
                prop_assert_eq!((joined.part(i), joined.line(i)), (n, (i - ranges[n].start) as u64 + 1));
                let SpecialIds { bos, source_end, .. } = bos(n as u32);
                let (source, target) = (expected.source.row(row), expected.target.row(row));
                let mut told = [source.to_vec(), target.to_vec()];
                *told[0].last_mut().unwrap() = source_end;
                told[1][0] = bos;
                prop_assert_eq!([batch.source.row(row), batch.target.row(row)], [&told[0][..], &told[1][..]]);
            }
        }
    }

    #[test]
    fn a_mixture_of_parts_goes_on_from_anywhere(
        lengths in lengths(), config in configs(), seed: u64, cut in any::<prop::sample::Index>(),
        temperature in 1.0..20.0, weight in 0.1..10.0, stop in 0_usize..60,
    ) {
        let (first, second) = lengths.split_at(cut.index(lengths.len()));
        let batcher = || {
            let parts = [first, second].map(|part| corpus_of(part, u64::MAX));
            let parts = parts.map(|part| (Arc::into_inner(part).unwrap(), SPECIALS));
            let batcher = PairBatcher::of_parts(parts, &config, Order::Shuffled { seed }).unwrap();
            let mixture = Mixture::new(&batcher.corpus().part_lens(), &[weight, 1.0], temperature);
            batcher.mixed(mixture)
        };
        let mut unbroken = Endless::new(batcher());
        let mut n_pairs = [0; 2];
        for _ in 0..stop {
            let batch = unbroken.next_batch().unwrap();
            let shape = shape_of(&batch);
            let widths = [shape.source, shape.target];
            let row = match config.count {
                TokenCount::Source => widths[0],
                TokenCount::Target => widths[1],
                TokenCount::Longer => widths[0].max(widths[1]),
                TokenCount::Both => widths[0] + widths[1],
            };
            prop_assert!(shape.rows * row <= config.max_tokens.or(0), "{:?} is too large", shape);
            batch.indices.iter().for_each(|&i| n_pairs[usize::from(i as usize >= first.len())] += 1);
        }
        let position = unbroken.position();
        if position.batch_idx == 0 {
            let counts = batcher().mixture().unwrap().counts().to_vec();
            prop_assert_eq!(n_pairs.to_vec(), counts.iter().map(|n| n * position.epoch as usize).collect::<Vec<_>>());
        }
        let mut resumed = Endless::new(batcher());
        resumed.seek(position).unwrap();
        for _ in 0..10 {
            prop_assert_eq!(unbroken.next_batch().unwrap(), resumed.next_batch().unwrap());
        }
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
