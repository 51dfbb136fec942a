//! What masked language models read: laws of masks, rows and their order.

use std::collections::HashSet;

use attentive_core::{BatchStream, Endless, Epochs, FrameIds, MaskedBatch};
use attentive_data::{
    DataError, ExampleBatcher, ExampleSet, LabeledText, MaskedSentences, Masking, MaskingConfig, RowKind,
    SentenceCorpus, Subwords, TsvLayout,
};
use proptest::prelude::*;

const IDS: FrameIds = FrameIds { pad: 0, begin: 1, end: 2, mask: 3 };
const VOCAB: usize = 5000;

fn masking(rate: f64, copies: u64, seed: u64) -> Masking {
    Masking::new(MaskingConfig { rate, copies }, IDS, VOCAB, seed)
}

/// Documents of sentences whose tokens count up, so that each token is there once.
fn corpus(documents: &[Vec<usize>]) -> SentenceCorpus {
    let mut corpus = SentenceCorpus::new(IDS.end);
    let mut next = 10;
    for document in documents {
        corpus.push_document(document.iter().map(|&len| {
            next += len as u32;
            (next - len as u32..next).collect::<Vec<u32>>()
        }));
    }
    corpus
}

fn rows(documents: &[Vec<usize>], kind: RowKind, context: usize, seed: u64) -> MaskedSentences {
    MaskedSentences::new(corpus(documents), kind, context, IDS, masking(0.15, 0, seed)).unwrap()
}

/// Rows as they were before tokens were hidden.
fn unmasked(batch: &MaskedBatch) -> Vec<Vec<u32>> {
    let mut ids = batch.ids.ids().to_vec();
    for (&place, &id) in batch.masked.iter().zip(&batch.targets) {
        ids[place as usize] = id;
    }
    let row = |(row, len): (&[u32], &usize)| row[..*len].to_vec();
    ids.chunks(batch.ids.n_cols()).zip(batch.ids.lengths()).map(row).collect()
}

fn documents() -> impl Strategy<Value = Vec<Vec<usize>>> {
    prop::collection::vec(prop::collection::vec(1_usize..14, 1..6), 2..9)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_share_asked_for_is_hidden_and_nothing_else_changes(
        len in 2_usize..60, rate in 0.0_f64..1.0, seed in any::<u64>(), epoch in 0_u64..50,
    ) {
        let text: Vec<u32> = (10..10 + len as u32).collect();
        let maskable: Vec<usize> = (0..len).filter(|at| at % 3 > 0).collect();
        let mut row = text.clone();
        let hidden = masking(rate, 0, seed).hide(&mut row, &maskable, epoch, 7);
        let expected = ((maskable.len() as f64 * rate).round() as usize).max(1).min(maskable.len());
        prop_assert_eq!(hidden.len(), expected);
        prop_assert!(hidden.is_sorted() && hidden.iter().all(|&(at, id)| maskable.contains(&at) && id == text[at]));
        let places: HashSet<usize> = hidden.iter().map(|&(at, _)| at).collect();
        prop_assert_eq!(places.len(), hidden.len());
        prop_assert!((0..len).all(|at| places.contains(&at) || row[at] == text[at]));
        prop_assert!(row.iter().all(|&id| (id as usize) < VOCAB));
    }

    #[test]
    fn words_are_hidden_whole_and_spaces_never(text in "[a-c ]{1,60}", rate in 0.0_f64..1.0, seed in any::<u64>()) {
        let ids: Vec<u32> = text.chars().map(u32::from).collect();
        let maskable: Vec<usize> = (0..ids.len()).collect();
        let mut row = ids.clone();
        let masking = Masking::words(MaskingConfig { rate, copies: 0 }, IDS, seed);
        let hidden = masking.hide(&mut row, &maskable, 0, 7);
        prop_assert!(hidden.is_sorted() && hidden.iter().all(|&(at, id)| row[at] == IDS.mask && id == ids[at]));
        let words = text.split(' ').filter(|word| !word.is_empty()).flat_map(|word| word.as_bytes().chunks(16));
        let lengths: Vec<usize> = words.map(<[u8]>::len).collect();
        let n: usize = lengths.iter().sum();
        let wanted = ((n as f64 * rate).round() as usize).max(1).min(n);
        let longest = lengths.iter().max().copied().unwrap_or(0);
        prop_assert!(hidden.len() >= wanted && (hidden.len() < wanted + longest || n == 0), "{} of {n}", hidden.len());
        // What is left of every word is all of it or nothing, but for words that are hidden in parts.
        let left: String = row.iter().map(|&id| if id == IDS.mask { '_' } else { char::from_u32(id).unwrap() }).collect();
        for (before, after) in text.split(' ').zip(left.split(' ')).filter(|(before, _)| before.len() <= 16) {
            prop_assert!(after == before || after.bytes().all(|byte| byte == b'_'), "{left}");
        }
    }

    #[test]
    fn subwords_are_hidden_whole_and_told_at_their_first_place(
        text in "[a-d ]{1,60}", rate in 0.0_f64..1.0, seed in any::<u64>(),
    ) {
        const LIST: [&str; 6] = ["a", "b", "c", "ab", "bc", "abc"];
        let ids: Vec<u32> = text.chars().map(u32::from).collect();
        let maskable: Vec<usize> = (0..ids.len()).collect();
        let masking = Masking::subwords(MaskingConfig { rate, copies: 0 }, IDS, Subwords::new(LIST), seed);
        let mut row = ids.clone();
        let hidden = masking.hide(&mut row, &maskable, 0, 7);
        prop_assert!(hidden.is_sorted());
        // The longest subword from the left, a character after another.
        let (mut at, mut cut) = (0, Vec::new());
        while at < text.len() {
            let longest = LIST.iter().filter(|subword| text[at..].starts_with(**subword)).max_by_key(|s| s.len());
            cut.extend(longest.map(|subword| (at, *subword)));
            at += longest.map_or(1, |subword| subword.len());
        }
        let told: Vec<(usize, &str)> = hidden.iter().map(|&(at, number)| (at, LIST[number as usize])).collect();
        prop_assert!(told.iter().all(|subword| cut.contains(subword)), "{told:?} of {cut:?}");
        let covered = |at: usize| told.iter().any(|&(first, subword)| (first..first + subword.len()).contains(&at));
        prop_assert!((0..ids.len()).all(|at| covered(at) || row[at] == ids[at]));
        for &(first, subword) in &told {
            let left = &row[first..first + subword.len()];
            let is_masked = left.iter().all(|&id| id == IDS.mask);
            let is_subword = LIST.iter().any(|other| other.chars().map(u32::from).eq(left.iter().copied()));
            prop_assert!(is_masked || is_subword, "{left:?}");
        }
        let n: usize = cut.iter().map(|(_, subword)| subword.len()).sum();
        let n_hidden: usize = told.iter().map(|(_, subword)| subword.len()).sum();
        let wanted = ((n as f64 * rate).round() as usize).max(1).min(n);
        prop_assert!(n_hidden >= wanted && n_hidden < wanted + 3, "{n_hidden} of {n}");
    }

    #[test]
    fn the_order_of_guesses_is_drawn_for_each_example_and_epoch(
        text in "[a-c ]{1,60}", seed in any::<u64>(), epoch in 0_u64..50, example in 0_u64..50,
    ) {
        let ids: Vec<u32> = text.chars().map(u32::from).collect();
        let maskable: Vec<usize> = (0..ids.len()).collect();
        let by_place = Masking::words(MaskingConfig { rate: 0.4, copies: 0 }, IDS, seed);
        let hide = |masking: Masking, epoch| {
            let mut row = ids.clone();
            (masking.hide(&mut row, &maskable, epoch, example), row)
        };
        let drawn = Masking { shuffled: true, ..by_place.clone() };
        let (expected, row) = hide(by_place, epoch);
        let (mut hidden, same_row) = hide(drawn.clone(), epoch);
        prop_assert_eq!(&hidden, &hide(drawn, epoch).0);
        hidden.sort_unstable();
        prop_assert_eq!((hidden, same_row), (expected, row));
    }

    #[test]
    fn full_sentences_are_all_there_once_and_fit(documents in documents(), context in 8_usize..30, seed in any::<u64>()) {
        let set = rows(&documents, RowKind::FullSentences, context, seed);
        let batcher = ExampleBatcher::new(set, 3, seed).unwrap();
        let mut seen = Vec::new();
        for batch in batcher.epoch(4).map(Result::unwrap) {
            prop_assert!(batch.follows.is_none() && batch.segments.iter().all(|&segment| segment == 0));
            for row in unmasked(&batch) {
                prop_assert!(row.len() <= context && row[0] == IDS.begin && row.last() == Some(&IDS.end));
                let text = row[1..].iter().copied().filter(|&id| id != IDS.end).collect::<Vec<_>>();
                prop_assert!(text.windows(2).all(|pair| pair[1] == pair[0] + 1));
                seen.extend(text);
            }
        }
        seen.sort_unstable();
        let n: usize = documents.concat().iter().sum();
        prop_assert_eq!(seen, (10..10 + n as u32).collect::<Vec<_>>());
    }

    #[test]
    fn a_second_segment_follows_or_is_of_another_document(
        documents in documents(), context in 8_usize..40, seed in any::<u64>(),
    ) {
        let document_of = |id: u32| {
            let mut end = 10;
            documents.iter().position(|document| {
                end += document.iter().sum::<usize>() as u32;
                id < end
            })
        };
        let set = rows(&documents, RowKind::SentencePairs, context, seed);
        for batch in ExampleBatcher::new(set, 4, seed).unwrap().epoch(2).map(Result::unwrap) {
            let n_cols = batch.ids.n_cols();
            for (row_idx, row) in unmasked(&batch).iter().enumerate() {
                prop_assert!(row.len() <= context);
                let ends: Vec<usize> = (0..row.len()).filter(|&at| row[at] == IDS.end).collect();
                prop_assert_eq!((row[0], ends.len(), ends[1]), (IDS.begin, 2, row.len() - 1));
                let (first, second) = (&row[1..ends[0]], &row[ends[0] + 1..ends[1]]);
                prop_assert!(!first.is_empty() && !second.is_empty());
                let same = document_of(first[0]) == document_of(second[0]);
                prop_assert_eq!(batch.follows.as_ref().unwrap()[row_idx], same);
                prop_assert!(!same || first[first.len() - 1] < second[0]);
                let segments = &batch.segments[row_idx * n_cols..][..row.len()];
                prop_assert!((0..row.len()).all(|at| segments[at] == u8::from(at > ends[0])));
            }
        }
    }

    #[test]
    fn batches_go_on_from_any_place(documents in documents(), n_before in 0_usize..12, seed in any::<u64>()) {
        let batcher = ExampleBatcher::new(rows(&documents, RowKind::SentencePairs, 16, seed), 3, seed).unwrap();
        let mut batches = Endless::new(&batcher);
        (0..n_before).for_each(|_| drop(batches.next_batch().unwrap()));
        let mut again = Endless::new(&batcher);
        again.seek(batches.position()).unwrap();
        for _ in 0..3 {
            prop_assert_eq!(batches.next_batch().unwrap(), again.next_batch().unwrap());
        }
    }
}

#[test]
fn four_in_five_become_the_mask_and_one_in_ten_stays() {
    let masking = masking(0.15, 0, 1);
    let text: Vec<u32> = (1000..1400).collect();
    let places: Vec<usize> = (0..text.len()).collect();
    let (mut n, mut masked, mut kept) = (0, 0, 0_usize);
    for example in 0..1000 {
        let mut row = text.clone();
        for (at, id) in masking.hide(&mut row, &places, 0, example) {
            n += 1;
            masked += usize::from(row[at] == IDS.mask);
            kept += usize::from(row[at] == id);
        }
    }
    assert_eq!(n, 60_000);
    // Five standard deviations of 60,000 draws: 490 and 368.
    assert!(masked.abs_diff(48_000) < 490, "{masked}");
    assert!(kept.abs_diff(6_000) < 368, "{kept}");
}

#[test]
fn static_masks_come_again_and_dynamic_ones_do_not() {
    let hide = |copies, epoch| {
        let mut row: Vec<u32> = (100..200).collect();
        let places: Vec<usize> = (0..100).collect();
        masking(0.15, copies, 5).hide(&mut row, &places, epoch, 3);
        row
    };
    assert_eq!(hide(10, 2), hide(10, 12));
    assert_ne!(hide(10, 2), hide(10, 3));
    assert_ne!(hide(0, 2), hide(0, 12));
}

#[test]
fn half_of_the_pairs_follow() {
    let set = rows(&vec![vec![6; 8]; 400], RowKind::SentencePairs, 32, 9);
    let batches: Vec<MaskedBatch> =
        ExampleBatcher::new(set, 16, 9).unwrap().epoch(0).collect::<Result<_, _>>().unwrap();
    let follows: Vec<bool> = batches.into_iter().flat_map(|batch| batch.follows.unwrap()).collect();
    let share = follows.iter().filter(|&&follows| follows).count() as f64 / follows.len() as f64;
    // A document's last sentence alone has nothing to follow it.
    assert!((0.35..0.55).contains(&share), "{share} of {}", follows.len());
}

#[test]
fn what_cannot_be_is_refused() {
    let set = |documents: &[Vec<usize>], context| {
        MaskedSentences::new(corpus(documents), RowKind::SentencePairs, context, IDS, masking(0.15, 0, 1))
    };
    assert!(set(&[vec![3], vec![4]], 7).unwrap_err().to_string().contains("context = 7"));
    assert!(set(&[vec![3, 4]], 16).unwrap_err().to_string().contains("full-sentences"));
    let empty = MaskedSentences::new(corpus(&[]), RowKind::FullSentences, 16, IDS, masking(0.15, 0, 1)).unwrap();
    assert!(empty.epoch(0).is_empty());
    assert!(matches!(ExampleBatcher::new(empty, 4, 1), Err(DataError::NoText)));
}

#[test]
fn labels_stand_behind_a_tab() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("texts.tsv");
    std::fs::write(&path, "good\tyes\r\n\nwith\ta tab\t no \n").unwrap();
    let (texts, report) = LabeledText::read(&[&path], TsvLayout::default()).unwrap();
    let read: Vec<(&str, &str)> = texts.iter().map(|text| (text.text.as_str(), text.label.as_str())).collect();
    assert_eq!(read, [("good", "yes"), ("with\ta tab", "no")]);
    assert_eq!([texts[0].line, texts[1].line], [1, 3]);
    assert_eq!(report[0].n_lines, 3);
    std::fs::write(&path, "good\tyes\nno label\n").unwrap();
    assert!(
        LabeledText::read(&[&path], TsvLayout::default()).unwrap_err().to_string().contains("texts.tsv:2 has no label")
    );
}

#[test]
fn labels_of_files_with_other_columns() {
    let folder = tempfile::tempdir().unwrap();
    let read = |content: &str, layout: TsvLayout| {
        let path = folder.path().join("texts.tsv");
        std::fs::write(&path, content).unwrap();
        let texts = LabeledText::read(&[&path, &path], layout).map_err(|error| error.to_string())?.0;
        Ok::<_, String>(texts.into_iter().map(|text| (text.text, text.label, text.line)).collect::<Vec<_>>())
    };
    let row = |text: &str, label: &str, line| (text.to_owned(), label.to_owned(), line);
    // As CoLA: source, label, mark of the source, sentence; a quotation mark is text.
    let cola = "gj04\t1\t\tOur friends won't buy \"this.\ngj04\t0\t*\tThey drank the pub.\n";
    let expected = [row("Our friends won't buy \"this.", "1", 1), row("They drank the pub.", "0", 2)];
    assert_eq!(read(cola, TsvLayout::of_columns(4, 2)).unwrap()[..2], expected);
    // As SST-2: names of the columns in the first line of each file.
    let sst2 = "sentence\tlabel\nhide new secretions\t0\ncontains no wit\t1\n";
    let texts = read(sst2, TsvLayout { header: true, ..TsvLayout::default() }).unwrap();
    let [first, second] = [("hide new secretions", "0"), ("contains no wit", "1")];
    let lines = [(first, 2), (second, 3), (first, 5), (second, 6)];
    assert_eq!(texts, lines.map(|((text, label), line)| row(text, label, line)));
    let error = read("a\tb\tc\nd\te\n", TsvLayout::of_columns(3, 2)).unwrap_err();
    assert!(error.contains("texts.tsv:2 has 2 tab-separated columns, and columns = [3, 2] are wanted"), "{error}");
    let error = read("a\tb\t \n", TsvLayout::of_columns(1, 3)).unwrap_err();
    assert!(error.contains("texts.tsv:1 has no label"), "{error}");
}

#[test]
fn built_in_documents_hold_every_sentence_once() {
    let corpus = attentive_corpus::BuiltinConfig { n_train: 2000, ..Default::default() }.generate();
    let sentences: Vec<String> = corpus.train.into_iter().map(|pair| pair.source).collect();
    let documents = attentive_corpus::documents(&sentences);
    let mut told: Vec<&str> = documents.concat();
    assert!(documents.len() < sentences.len() / 3, "{} documents", documents.len());
    told.sort_unstable();
    let mut expected: Vec<&str> = sentences.iter().map(String::as_str).collect();
    expected.sort_unstable();
    assert_eq!(told, expected);
}
