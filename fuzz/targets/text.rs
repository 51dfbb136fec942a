//! Text for language models by lines, paragraphs and files, and labelled text.
#![no_main]

use attentive_data::{DocumentUnit, LabeledText, TextFiles, TsvLayout};
use attentive_fuzz::file;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let path = file("a.txt", bytes);
    for unit in [DocumentUnit::Line, DocumentUnit::Paragraph, DocumentUnit::File] {
        let mut documents = TextFiles::new([&path], unit).documents();
        if documents.by_ref().all(|piece| piece.is_ok()) {
            let _ = documents.finish();
        }
    }
    let _ = LabeledText::read(&[&path], TsvLayout::default());
    let _ = LabeledText::read(&[&path], TsvLayout { columns: Some([3, 1]), header: true });
});
