//! Span corruption: nothing is lost, as much is hidden as was asked for, and any batch can be made again.

use attentive_core::{Batch, BatchStream, Endless, Epochs, TranslationBatch};
use attentive_data::{
    ContextBatcher, ContextOrder, DataError, SpanBatcher, SpanCorruption, SpanCorruptionConfig, SpecialIds, TokenStream,
};
use proptest::prelude::*;

const END: u32 = 1;
const FIRST_SENTINEL: u32 = 1000;

/// Sentinels 1000, 999, … of a vocabulary whose text ends below them.
fn corruption(rate: f64, mean_span: f64, n_sentinels: u32, seed: u64) -> SpanCorruption {
    let sentinels = (0..n_sentinels).map(|index| FIRST_SENTINEL - index).collect();
    SpanCorruption::new(SpanCorruptionConfig { rate, mean_span }, sentinels, END, seed).unwrap()
}

/// The text whose spans `target` says, in the place of the sentinels of `input`.
fn restored(input: &[u32], target: &[u32]) -> Vec<u32> {
    let is_sentinel = |id: &u32| *id > 800;
    let target = target.strip_suffix(&[END]).unwrap();
    let mut spans = target.split(is_sentinel);
    assert_eq!(spans.next(), Some(&[][..]), "a target begins with a sentinel");
    let input = input.strip_suffix(&[END]).unwrap();
    let text = input.iter().flat_map(|id| if is_sentinel(id) { spans.next().unwrap().to_vec() } else { vec![*id] });
    let text = text.collect();
    assert_eq!(spans.collect::<Vec<_>>(), [&[] as &[u32]], "one sentinel more ends a target");
    text
}

proptest! {
    #[test]
    fn input_and_target_hold_the_text(
        text in prop::collection::vec(2_u32..800, 1..200), rate in 0.0_f64..1.0, mean_span in 0.5_f64..30.0,
        n_sentinels in 2_u32..200, seed in any::<u64>(), epoch in 0_u64..9, example in any::<u64>(),
    ) {
        let n_wanted = corruption(rate, mean_span, 200, seed).spans(text.len(), epoch, example).len();
        let corruption = corruption(rate, mean_span, n_sentinels, seed);
        let (input, target) = corruption.corrupt(&text, epoch, example);
        prop_assert_eq!(restored(&input, &target), text.clone());
        prop_assert_eq!(corruption.corrupt(&text, epoch, example), (input.clone(), target.clone()));

        prop_assert_eq!(corruption.target_len(text.len()), target.len());

        let spans = corruption.spans(text.len(), epoch, example);
        prop_assert!(spans.iter().all(|span| !span.is_empty() && span.end <= text.len()));
        prop_assert!(spans.windows(2).all(|pair| pair[0].end < pair[1].start), "{:?}", spans);
        let n_hidden: usize = spans.iter().map(ExactSizeIterator::len).sum();
        prop_assert_eq!(n_hidden, ((text.len() as f64 * rate).round() as usize).clamp(1, (text.len() - 1).max(1)));
        prop_assert!(spans.len() < n_sentinels as usize);
        let mean = n_hidden as f64 / spans.len() as f64;
        prop_assert_eq!(corruption.stretched_span(text.len()), (spans.len() < n_wanted).then_some(mean));
        prop_assert_eq!([input.len(), target.len()], [text.len() - n_hidden + spans.len() + 1, n_hidden + spans.len() + 2]);
        // Sentinels count down from the first one.
        let order: Vec<u32> = target.into_iter().filter(|&id| id > 800).collect();
        prop_assert!((0..).zip(order).all(|(index, id)| id == FIRST_SENTINEL - index));
    }

    #[test]
    fn batches_go_on_from_any_place(
        n in 20_u32..300, context in 4_usize..40, n_before in 0_usize..9, seed in any::<u64>(),
    ) {
        prop_assume!(n as usize > context);
        let batcher = batcher(n, context, ContextOrder::Shuffled { seed }, seed);
        let mut batches = Endless::new(&batcher);
        (0..n_before).for_each(|_| drop(batches.next_batch().unwrap()));
        let mut again = Endless::new(&batcher);
        again.seek(batches.position()).unwrap();
        for _ in 0..3 {
            prop_assert_eq!(batches.next_batch().unwrap(), again.next_batch().unwrap());
        }
    }
}

fn batcher(n: u32, context: usize, order: ContextOrder, seed: u64) -> SpanBatcher {
    let text = TokenStream::from_texts([""], None, |_| (2..2 + n).collect()).unwrap();
    let contexts = ContextBatcher::new(text, context, 3, order).unwrap();
    SpanBatcher::new(
        contexts,
        corruption(0.15, 3.0, 50, seed),
        SpecialIds { pad: 0, bos: 0, eos: END, source_end: END },
    )
}

#[test]
fn spans_are_as_long_as_asked_for_and_stand_everywhere() {
    let corruption = corruption(0.15, 3.0, 101, 5);
    let (mut n_spans, mut n_hidden, mut hidden_at) = (0, 0, [0; 100]);
    for example in 0..4000 {
        let spans = corruption.spans(100, 0, example);
        assert_eq!(spans.len(), 5);
        for span in spans {
            (n_spans, n_hidden) = (n_spans + 1, n_hidden + span.len());
            span.for_each(|at| hidden_at[at] += 1);
        }
    }
    assert_eq!((n_spans, n_hidden), (20_000, 60_000));
    // 600 each on average; fewer at the ends, which fewer ways of laying spans reach.
    assert!(hidden_at.iter().all(|&n| (150..800).contains(&n)), "{hidden_at:?}");
    assert!(hidden_at[10..90].iter().all(|&n| (500..800).contains(&n)), "{hidden_at:?}");
}

#[test]
fn an_epoch_hides_other_spans_and_pads_nothing() {
    let order = ContextOrder::Sequential;
    let epoch = |n| batcher(91, 30, order, 3).epoch(n).collect::<Result<Vec<TranslationBatch>, _>>().unwrap();
    let (first, second) = (epoch(0), epoch(1));
    assert_eq!(first, epoch(0));
    assert_ne!(first, second);
    for batch in first.iter().chain(&second) {
        assert!(batch.source.lengths().iter().all(|&len| len == batch.source.n_cols()));
        assert!(batch.target.lengths().iter().all(|&len| len == batch.target.n_cols()));
    }
    let text = |batch: &TranslationBatch| -> Vec<u32> {
        (0..batch.n_rows()).flat_map(|row| restored(batch.source.row(row), &batch.target.row(row)[1..])).collect()
    };
    // The last token is a context's next one, and begins none.
    assert_eq!(first.iter().flat_map(text).collect::<Vec<u32>>(), (2..92).collect::<Vec<_>>());
}

#[test]
fn one_sentinel_is_too_few() {
    let error = SpanCorruption::new(SpanCorruptionConfig::default(), vec![9], END, 1).unwrap_err();
    assert!(matches!(error, DataError::FewSentinels { n: 1 }));
}
