//! Text for language models: documents, the row of tokens that they become, and the contexts cut from it.

use std::fs;
use std::path::PathBuf;

use attentive_core::{Batch, BatchStream, Endless, Epochs, SequenceBatch, TokenId};
use attentive_data::{ContextBatcher, ContextOrder, DataError, DocumentUnit, Piece, Storage, TextFiles, TokenStream};
use proptest::prelude::*;
use tempfile::TempDir;

fn bytes(text: &str) -> Vec<TokenId> {
    text.bytes().map(u32::from).collect()
}

/// A text that counts: token `i` is `i`.
fn counting(n: u32) -> TokenStream {
    TokenStream::from_texts([""], None, |_| (0..n).collect()).unwrap()
}

fn all(stream: &TokenStream) -> Vec<TokenId> {
    stream.read(0..stream.len()).unwrap().into_owned()
}

fn written(texts: &[&str]) -> (TempDir, Vec<PathBuf>) {
    let dir = tempfile::tempdir().unwrap();
    let paths: Vec<PathBuf> = (0..texts.len()).map(|idx| dir.path().join(format!("{idx}.txt"))).collect();
    texts.iter().zip(&paths).for_each(|(text, path)| fs::write(path, text).unwrap());
    (dir, paths)
}

#[test]
fn documents_of_several_files_have_separators_between_them() {
    let (_dir, paths) = written(&["ab\n\n  \ncd\nef\n", "gh\n"]);
    let ids = |unit| {
        let files = TextFiles::new(&paths, unit);
        let (stream, reports) = TokenStream::from_files(&files, &Storage::default(), Some(0), bytes).unwrap();
        assert_eq!(reports.iter().map(|report| report.n_lines).collect::<Vec<_>>(), [5, 1]);
        String::from_utf8(all(&stream).iter().map(|&id| if id == 0 { b'|' } else { id as u8 }).collect()).unwrap()
    };
    assert_eq!(ids(DocumentUnit::Line), "ab|cd|ef|gh");
    assert_eq!(ids(DocumentUnit::Paragraph), "ab|cd\nef|gh");
    assert_eq!(ids(DocumentUnit::File), "ab\n\n  \ncd\nef\n|gh\n");
}

#[test]
fn a_paragraph_without_end_is_one_document_in_pieces() {
    let line = "x".repeat(1 << 20) + "\n";
    let (_dir, paths) = written(&[&format!("{}\nend\n", line.repeat(40))]);
    let pieces: Vec<Piece> =
        TextFiles::new(&paths, DocumentUnit::Paragraph).documents().collect::<Result<_, _>>().unwrap();
    assert!(pieces.iter().all(|piece| piece.text.len() <= 17 * line.len()));
    let ends: Vec<bool> = pieces.iter().map(|piece| piece.ends_document).collect();
    assert_eq!(ends, [false, false, true, true]);
    let text: String = pieces[..3].iter().map(|piece| piece.text.as_str()).collect();
    assert_eq!(text, line.repeat(40).trim_end());
    assert_eq!((pieces[3].text.as_str(), pieces[3].line), ("end", 42));
}

#[test]
fn ids_on_disk_are_those_in_memory() {
    let text: String = (0..5000).map(|n| format!("line {n}\n")).collect();
    let (_dir, paths) = written(&[&text]);
    for unit in [DocumentUnit::Line, DocumentUnit::File] {
        let files = TextFiles::new(&paths, unit);
        let stream = |memory_bytes| {
            let storage = Storage { memory_bytes, cache: None };
            TokenStream::from_files(&files, &storage, Some(0), bytes).unwrap().0
        };
        let [memory, disk] = [1 << 30, 100].map(stream);
        assert_eq!(all(&memory), all(&disk));
        let batches = |stream| -> Vec<SequenceBatch> {
            let batcher = ContextBatcher::new(stream, 13, 3, ContextOrder::Shuffled { seed: 4 }).unwrap();
            batcher.epoch(1).map(Result::unwrap).collect()
        };
        assert_eq!(batches(memory), batches(disk));
    }
}

#[test]
fn a_split_is_by_tokens() {
    let [train, validation] = counting(10).split(0.9);
    assert_eq!((all(&train), all(&validation)), ((0..9).collect(), vec![9]));
    let [_, of_part] = train.split(0.5);
    assert_eq!(all(&of_part), [4, 5, 6, 7, 8]);
}

#[test]
fn what_cannot_be_read_is_named() {
    let several = |separator| TokenStream::from_texts(["a", "b"], separator, bytes);
    assert!(matches!(several(None), Err(DataError::NoSeparator)));
    assert!(several(Some(0)).is_ok());
    assert!(matches!(TokenStream::from_texts(["", ""], Some(0), |_| vec![]), Ok(stream) if stream.len() == 1));
    assert!(matches!(TokenStream::from_texts([""; 0], Some(0), bytes), Err(DataError::NoText)));

    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("latin-1.txt");
    fs::write(&path, b"one\nt\xfcr\n").unwrap();
    let files = TextFiles::new([&path], DocumentUnit::Line);
    let error = TokenStream::from_files(&files, &Storage::default(), Some(0), bytes).unwrap_err().to_string();
    assert!(error.contains("latin-1.txt:2 is not UTF-8"), "{error}");

    for order in [ContextOrder::Shuffled { seed: 1 }, ContextOrder::RandomOffsets { seed: 1 }] {
        let error = ContextBatcher::new(counting(5), 5, 1, order).unwrap_err().to_string();
        assert!(error.contains("5 tokens"), "{error}");
    }
    assert!(ContextBatcher::new(counting(5), 5, 1, ContextOrder::Sequential).is_ok());
    assert!(ContextBatcher::new(counting(1), 5, 1, ContextOrder::Sequential).is_err());
    assert!(ContextBatcher::new(counting(5), 0, 1, ContextOrder::Sequential).is_err());
}

fn orders() -> impl Strategy<Value = ContextOrder> {
    prop_oneof![
        Just(ContextOrder::Sequential),
        any::<u64>().prop_map(|seed| ContextOrder::Shuffled { seed }),
        any::<u64>().prop_map(|seed| ContextOrder::RandomOffsets { seed }),
    ]
}

proptest! {
    #[test]
    fn every_target_is_the_token_after(n in 12_u32..200, context in 1_usize..11, rows in 1_usize..6, order in orders()) {
        let batcher = ContextBatcher::new(counting(n), context, rows, order).unwrap();
        let mut n_rows = 0;
        for batch in batcher.epoch(2) {
            let batch = batch.unwrap();
            n_rows += batch.n_rows();
            let seq = batch.ids.n_cols();
            for row in 0..batch.n_rows() {
                let ids = batch.ids.row(row);
                prop_assert_eq!(u64::from(ids[0]), batch.indices[row]);
                for (at, &id) in ids.iter().enumerate() {
                    prop_assert_eq!(id, ids[0] + at as u32);
                    prop_assert_eq!(batch.targets[row * seq + at], id + 1);
                    prop_assert!(!batch.ignored[row * seq + at]);
                }
            }
        }
        prop_assert_eq!(n_rows, batcher.n_contexts());
    }

    #[test]
    fn an_epoch_says_every_token_but_the_first_once(n in 2_u32..200, context in 1_usize..11, rows in 1_usize..6) {
        let targets = |order, epoch| -> Vec<TokenId> {
            let Ok(batcher) = ContextBatcher::new(counting(n), context, rows, order) else { return Vec::new() };
            let batches = batcher.epoch(epoch).map(Result::unwrap);
            let mut said: Vec<TokenId> = batches
                .flat_map(|batch| batch.targets.into_iter().zip(batch.ignored).filter_map(|(id, skip)| (!skip).then_some(id)))
                .collect();
            said.sort_unstable();
            said
        };
        prop_assert_eq!(targets(ContextOrder::Sequential, 0), (1..n).collect::<Vec<_>>());
        // A random order leaves out less than a context at either end; the last context may overlap the one before.
        let n_whole = (n as usize - 1) / context * context;
        for epoch in 0..3 {
            let mut said = targets(ContextOrder::Shuffled { seed: 5 }, epoch);
            prop_assert_eq!(said.len(), n_whole);
            said.dedup();
            prop_assert!(said.len() + context > n_whole);
            prop_assert!(said.windows(2).all(|pair| pair[0] + 1 == pair[1]), "{:?}", said);
        }
    }

    #[test]
    fn going_on_from_a_position_is_never_having_stopped(
        n in 12_u32..100, context in 1_usize..11, rows in 1_usize..6, order in orders(), taken in 0_usize..40,
    ) {
        let batcher = ContextBatcher::new(counting(n), context, rows, order).unwrap();
        let mut batches = Endless::new(&batcher);
        (0..taken).for_each(|_| drop(batches.next_batch().unwrap()));
        let position = batches.position();
        prop_assert_eq!(position.epoch as usize * batcher.n_batches() + position.batch_idx as usize, taken);
        let mut again = Endless::new(&batcher);
        again.seek(position).unwrap();
        for _ in 0..9 {
            prop_assert_eq!(again.next_batch().unwrap(), batches.next_batch().unwrap());
        }
    }
}

#[test]
fn epochs_and_seeds_differ() {
    let starts = |order, epoch| -> Vec<u64> {
        let batcher = ContextBatcher::new(counting(1000), 7, 4, order).unwrap();
        batcher.epoch(epoch).flat_map(|batch| batch.unwrap().indices).collect()
    };
    for order in [|seed| ContextOrder::Shuffled { seed }, |seed| ContextOrder::RandomOffsets { seed }] {
        assert_eq!(starts(order(1), 0), starts(order(1), 0));
        assert_ne!(starts(order(1), 0), starts(order(1), 1));
        assert_ne!(starts(order(1), 0), starts(order(2), 0));
    }
    // Wherever a document begins, it begins at any place of a context sooner or later.
    let mut phases: Vec<u64> =
        (0..60).flat_map(|epoch| starts(ContextOrder::Shuffled { seed: 3 }, epoch)).map(|at| at % 7).collect();
    phases.sort_unstable();
    phases.dedup();
    assert_eq!(phases, (0..7).collect::<Vec<_>>());
    // Offsets reach both ends of the text.
    let offsets: Vec<u64> = (0..40).flat_map(|epoch| starts(ContextOrder::RandomOffsets { seed: 3 }, epoch)).collect();
    assert_eq!((offsets.iter().min(), offsets.iter().max()), (Some(&0), Some(&992)));
}
