//! Orders that must never change: resumed runs and published results depend on them.

use std::collections::HashSet;
use std::sync::Arc;

use attentive_data::{
    BatchConfig, DataError, EncodedCorpus, Epochs, Order, PairBatcher, Size, SpecialIds, TokenCount, permutation,
    seeded_rng,
};
use rand_chacha::rand_core::Rng as _;

/// 4,000 pairs of sentence-like lengths, the target close to the source.
fn sentences() -> Arc<EncodedCorpus> {
    let mut rng = seeded_rng(0, "lengths", 0);
    let mut below = |n: u32| ((u64::from(rng.next_u32()) * u64::from(n)) >> 32) as usize;
    let lengths: Vec<(usize, usize)> = (0..4000)
        .map(|_| {
            let source = 4 + below(8) + below(8) + below(8);
            (source, (source + below(5)).saturating_sub(2))
        })
        .collect();
    let text = lengths.iter().map(|(source, target)| ("s".repeat(*source), "t".repeat(*target)));
    Arc::new(EncodedCorpus::from_text(text, |_, s| s.bytes().map(u32::from).collect()).unwrap())
}

fn batcher(config: &BatchConfig, order: Order) -> PairBatcher {
    PairBatcher::new(sentences(), config, SpecialIds { pad: 0, bos: 1, eos: 2, source_end: 2 }, order).unwrap()
}

#[test]
fn permutations_equal_a_second_implementation() {
    let golden = include_str!("golden/permutations.txt");
    for line in golden.lines() {
        let (name, numbers) = line.split_once(':').unwrap();
        let [seed, purpose, epoch] = name.split(' ').collect::<Vec<_>>()[..] else {
            panic!("{name}");
        };
        let purpose = purpose.trim_matches('-');
        let mut rng = seeded_rng(seed.parse().unwrap(), purpose, epoch.parse().unwrap());
        let expected: Vec<u32> = numbers.split_whitespace().map(|n| n.parse().unwrap()).collect();
        assert_eq!(permutation(expected.len() as u32, &mut rng), expected, "{name}");
    }
    assert_eq!(golden.lines().count(), 8);
}

#[test]
fn permutations_are_uniform() {
    // 24 orders of 4 things, 24,000 draws: each about 1,000 times (standard deviation 31).
    let mut rng = seeded_rng(3, "uniform", 0);
    let mut counts = std::collections::HashMap::new();
    (0..24_000).for_each(|_| *counts.entry(permutation(4, &mut rng)).or_insert(0) += 1);
    assert_eq!(counts.len(), 24);
    assert!(counts.values().all(|count| (840..1160).contains(count)), "{counts:?}");
}

#[test]
fn pinned_batches() {
    let config = BatchConfig { max_tokens: Size::Of(256), ..BatchConfig::default() };
    let batcher = batcher(&config, Order::Shuffled { seed: 7 });
    let mut batches = batcher.epoch(2);
    let mut next = || {
        let batch = batches.next().unwrap().unwrap();
        (batch.source.n_cols(), batch.target.n_cols(), batch.indices)
    };
    assert_eq!(
        next(),
        (17, 17, vec![2887, 3454, 2899, 2023, 860, 1097, 2015, 2201, 1791, 1805, 1929, 2785, 2260, 2851, 1832])
    );
    assert_eq!(next(), (17, 20, vec![1080, 1256, 3523, 1372, 3785, 751, 2893, 3429, 1209, 3892, 862, 3505, 1945]));
}

#[test]
fn short_sentences_come_first_in_the_first_epoch_alone() {
    let config = BatchConfig { max_tokens: Size::Of(512), ..BatchConfig::default() };
    let [by_length, at_random] =
        [Order::ShortFirst { seed: 1 }, Order::Shuffled { seed: 1 }].map(|order| batcher(&config, order));
    let widths = |batcher: &PairBatcher, epoch| -> Vec<usize> {
        batcher.epoch(epoch).map(|batch| batch.unwrap().target.n_cols()).collect()
    };
    let (first, random) = (widths(&by_length, 0), widths(&at_random, 0));
    // What fills no batch of its width comes last.
    let n_turns = |widths: &[usize]| widths.windows(2).filter(|two| two[0] > two[1]).count();
    assert!(n_turns(&first) <= 1 && n_turns(&random) > 20, "{first:?}");
    let batches = |batcher: &PairBatcher, epoch| -> HashSet<_> {
        batcher.epoch(epoch).map(|batch| batch.unwrap().indices).collect()
    };
    assert_eq!(batches(&by_length, 0), batches(&at_random, 0));
    assert_eq!(widths(&by_length, 1), widths(&at_random, 1));
}

#[test]
fn epochs_differ_in_batches_and_not_in_shapes() {
    let batcher =
        batcher(&BatchConfig { max_tokens: Size::Of(512), ..BatchConfig::default() }, Order::Shuffled { seed: 1 });
    let epoch = |epoch| -> Vec<_> { batcher.epoch(epoch).map(|batch| batch.unwrap().indices).collect() };
    let [first, second] = [epoch(0), epoch(1)];
    assert_eq!(first, epoch(0));
    assert_eq!(first.len(), second.len());
    let first: HashSet<_> = first.into_iter().collect();
    assert!(second.iter().all(|batch| !first.contains(batch)));
}

#[test]
fn sorted_batches_widen_and_do_not_change() {
    let batcher = batcher(&BatchConfig::default(), Order::Sorted);
    let widths = |epoch| -> Vec<_> { batcher.epoch(epoch).map(|batch| batch.unwrap().target.n_cols()).collect() };
    assert!(widths(0).is_sorted());
    assert_eq!(widths(0), widths(1));
}

#[test]
fn buckets_pad_little_in_few_shapes() {
    for (max_tokens, n_widths, most_padding, most_shapes) in [(512, 4, 0.20, 16), (512, 12, 0.08, 80)] {
        let config = BatchConfig { max_tokens: Size::Of(max_tokens), n_widths, ..BatchConfig::default() };
        let batcher = batcher(&config, Order::Shuffled { seed: 1 });
        let plan = batcher.plan();
        assert!(plan.padding() < most_padding && plan.shapes().len() <= most_shapes, "{plan}");
    }
    // In one width a side, padding is what shuffling without buckets pays.
    let plan = batcher(&BatchConfig { n_widths: 1, ..BatchConfig::default() }, Order::Sorted).plan().clone();
    assert!(plan.padding() > 0.4, "{plan}");
}

#[test]
fn tokens_are_counted_as_asked() {
    let n_batches = |count| {
        let config = BatchConfig { max_tokens: Size::Of(1024), count, ..BatchConfig::default() };
        batcher(&config, Order::Sorted).plan().n_batches()
    };
    let [source, target, longer, both] =
        [TokenCount::Source, TokenCount::Target, TokenCount::Longer, TokenCount::Both].map(n_batches);
    assert!(longer >= source.max(target) && both > longer);
}

#[test]
fn settings_out_of_range_and_empty_corpora_are_errors() {
    let corpus = sentences();
    let specials = SpecialIds { pad: 0, bos: 1, eos: 2, source_end: 2 };
    let error = |config: BatchConfig| match PairBatcher::new(corpus.clone(), &config, specials, Order::Sorted) {
        Err(error) => error.to_string(),
        Ok(_) => panic!("{config:?} is accepted"),
    };
    assert_eq!(
        error(BatchConfig { max_tokens: Size::Of(0), ..Default::default() }),
        "max_tokens = 0: must be at least 1"
    );
    assert_eq!(error(BatchConfig { max_rows: Some(0), ..Default::default() }), "max_rows = 0: must be at least 1");
    assert_eq!(error(BatchConfig { n_widths: 65, ..Default::default() }), "n_widths = 65: must be from 1 to 64");
    let error = error(BatchConfig { max_tokens: Size::Of(20), ..Default::default() });
    assert!(error.contains("max_tokens") && error.contains("on_oversized"), "{error}");

    let nothing: [(&str, &str); 0] = [];
    let empty = Arc::new(EncodedCorpus::from_text(nothing, |_, _| Vec::new()).unwrap());
    let error = PairBatcher::new(empty, &BatchConfig::default(), specials, Order::Sorted).unwrap_err();
    assert!(matches!(error, DataError::NoPairs));
}
