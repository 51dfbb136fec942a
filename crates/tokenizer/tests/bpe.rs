//! Byte-pair encoding: what is learned, what a text becomes, what a file must hold.

use attentive_tokenizer::{
    Bpe, BpeTrainer, ByteLevelBpeTrainer, Characters, PreTokenization, Tokenizer, TokenizerError, UnigramTrainer,
    UnknownId, WordPieceTrainer,
};

/// The lecture's corpus: hug ×10, pug ×5, pun ×12, bun ×4, hugs ×5.
fn lecture() -> Vec<&'static str> {
    [("hug", 10), ("pug", 5), ("pun", 12), ("bun", 4), ("hugs", 5)]
        .into_iter()
        .flat_map(|(word, count)| std::iter::repeat_n(word, count))
        .collect()
}

fn merges(bpe: &Bpe) -> Vec<String> {
    bpe.merges().map(|(left, right)| format!("{left} {right}")).collect()
}

fn pieces(tokenizer: &dyn Tokenizer, text: &str) -> Vec<String> {
    tokenizer.encode(text).into_iter().map(|id| tokenizer.token(id).unwrap().into_owned()).collect()
}

#[test]
fn the_lecture_s_example_merge_by_merge() {
    let learned = |n| merges(&BpeTrainer::with_merges(n).end_of_word_suffix(false).train(lecture()).unwrap());
    assert_eq!(learned(1), ["u g"]); // 10 + 5 + 5 = 20 times, against 17 p u, 16 u n, 15 h u
    assert_eq!(learned(2), ["u g", "u n"]); // 12 + 4 = 16, against 15 h ug
    assert_eq!(learned(3), ["u g", "u n", "h ug"]); // 10 + 5 = 15
    assert_eq!(learned(4), ["u g", "u n", "h ug", "p un"]); // 12
    assert_eq!(learned(5), ["u g", "u n", "h ug", "p un", "p ug"]); // 5, as is hug s: the greater pair goes first
    assert_eq!(learned(6)[5], "hug s"); // 5
    assert_eq!(learned(7)[6], "b un"); // 4
    assert_eq!(learned(100).len(), 7); // nothing is left to merge

    let bpe = BpeTrainer::with_merges(3).end_of_word_suffix(false).train(lecture()).unwrap();
    assert_eq!(pieces(&bpe, "bug"), ["b", "ug", "</w>"]);
    assert_eq!(pieces(&bpe, "mug"), ["<0x6D>", "ug", "</w>"]); // m was not in the text
    assert_eq!(pieces(&bpe, "thug"), ["<0x74>", "hug", "</w>"]);
}

#[test]
fn the_lecture_s_example_with_the_end_of_word_mark() {
    // `g` at the end of *hug* and *pug* is another symbol than `g` in *hugs*: `u g</w>` counts 15 and `u g` 5, so that
    // `p u` with 17 goes first. subword-nmt learns the same.
    let bpe = BpeTrainer::with_merges(100).train(lecture()).unwrap();
    assert_eq!(
        merges(&bpe),
        ["p u", "h u", "pu n</w>", "hu g</w>", "pu g</w>", "hu g", "hug s</w>", "u n</w>", "b un</w>"]
    );
    assert_eq!(pieces(&bpe, "hug hugs bug"), ["hug</w>", "hugs</w>", "b", "u", "g</w>"]);
}

#[test]
fn a_word_is_one_token_before_a_space_a_full_stop_and_the_end() {
    let lines = ["too tired", "too tired.", "tired, too", "was \"tired\" too"];
    let bpe = BpeTrainer::with_merges(100).train(lines).unwrap();
    assert_eq!(pieces(&bpe, "too tired"), ["too</w>", "tired</w>"]);
    assert_eq!(pieces(&bpe, "too tired."), ["too</w>", "tired</w>", "￭.</w>"]);
    assert_eq!(pieces(&bpe, "tired, \"too\""), ["tired</w>", "￭,</w>", "\"", "too</w>", "￭\"</w>"]);
    assert_eq!(pieces(&bpe, "too  tired "), ["too</w>", "￭", "<0x20>", "</w>", "tired</w>", "￭", "<0x20>", "</w>"]);
}

#[test]
fn frequent_runs_of_white_space_and_punctuation_are_merged() {
    let bpe = BpeTrainer::with_merges(100).train(["if x:\n    y ...", "if z:\n    w ..."]).unwrap();
    assert_eq!(pieces(&bpe, "if x:\n    y"), ["if</w>", "x</w>", "￭:", "\n   </w>", "y</w>"]);
    assert_eq!(pieces(&bpe, "y ..."), ["y</w>", "...</w>"]);
}

#[test]
fn text_that_looks_like_marks_and_special_tokens_stays_text() {
    let lines = ["a</w> ￭ <s> <0x41> a", "a</w>b ￭c ￭c <s>x <s>x <0x41>y <0x41>y"];
    for split in [PreTokenization::Spaces, PreTokenization::Punctuation] {
        let bpe = BpeTrainer::with_merges(1000).min_frequency(1).pre_tokenization(split).train(lines).unwrap();
        for text in lines {
            let ids = bpe.encode(text);
            assert!(ids.iter().all(|&id| !bpe.specials().contains(id)));
            assert_eq!(bpe.decode(&ids).unwrap(), text);
        }
    }
}

#[test]
fn a_vocabulary_size_is_kept_and_must_hold_the_characters() {
    let bpe = BpeTrainer::with_vocab_size(280).train(lecture()).unwrap();
    assert_eq!(bpe.vocab_size(), 280);
    let error = BpeTrainer::with_vocab_size(100).train(lecture()).unwrap_err();
    assert!(matches!(error, TokenizerError::VocabTooSmall { vocab_size: 100, required: 272 }), "{error}");
}

#[test]
fn the_order_of_lines_does_not_matter() {
    let mut lines = lecture();
    let forwards = BpeTrainer::with_merges(9).train(&lines).unwrap();
    lines.reverse();
    let backwards = BpeTrainer::with_merges(9).train(&lines).unwrap();
    assert_eq!(merges(&forwards), merges(&backwards));
    assert_eq!(forwards.encode("hugs and puns"), backwards.encode("hugs and puns"));
}

#[test]
fn unknown_ids_are_an_error_that_names_them() {
    let bpe = BpeTrainer::with_merges(0).train(["a"]).unwrap();
    assert_eq!(bpe.decode(&[1000]), Err(UnknownId { id: 1000, vocab_size: 264 }));
}

#[test]
fn special_tokens_decode_to_nothing() {
    let bpe = BpeTrainer::with_merges(10).train(["too tired"]).unwrap();
    let specials = bpe.specials();
    let ids =
        [vec![specials.bos.unwrap()], bpe.encode("too tired"), vec![specials.eos.unwrap(), specials.pad.unwrap()]];
    assert_eq!(bpe.decode(&ids.concat()).unwrap(), "too tired");
}

#[test]
fn nothing_to_learn_from_gives_bytes() {
    let none: [&str; 0] = [];
    assert_eq!(BpeTrainer::with_merges(10).train(none).unwrap().vocab_size(), 262);
    assert_eq!(ByteLevelBpeTrainer::with_vocab_size(300).train(none).unwrap().vocab_size(), 261);
    assert_eq!(WordPieceTrainer::with_vocab_size(10).train(none).unwrap().vocab_size(), 5);
    assert_eq!(UnigramTrainer::with_vocab_size(300).train(none).unwrap().vocab_size(), 260);
    assert_eq!(Characters::train(none).vocab_size(), 1);
}

#[test]
fn dropout_of_all_merges_leaves_characters_and_of_some_leaves_more_tokens() {
    let bpe = BpeTrainer::with_merges(100).train(lecture()).unwrap();
    let shown = |ids: Vec<u32>| ids.into_iter().map(|id| bpe.token(id).unwrap().into_owned()).collect::<Vec<_>>();
    assert_eq!(shown(bpe.sample("hugs pug", 1.0, 0)), ["h", "u", "g", "s</w>", "p", "u", "g</w>"]);

    // *hugs* is made by three merges, each due only after the one before: h u, hu g, hug s</w>. Each goes through with
    // a probability of 0.9, and with none due the word stays as it is.
    let n_tokens = |p: f64| (0..20_000).map(|seed| bpe.sample("hugs", p, seed).len()).sum::<usize>() as f64 / 20_000.0;
    let expected = 0.9 * 0.9 * 0.9 + 2.0 * 0.9 * 0.9 * 0.1 + 3.0 * 0.9 * 0.1 + 4.0 * 0.1;
    assert!((n_tokens(0.1) - expected).abs() < 0.02, "{} {expected}", n_tokens(0.1)); // five standard errors
}
