//! Laws that hold for any text.

use std::path::Path;
use std::sync::LazyLock;

use attentive_tokenizer::{
    BpeTrainer, ByteLevelBpeTrainer, Bytes, Characters, CodePoints, PreTokenization, SentencePiece, Token, Tokenizer,
    UnigramTrainer, WordPieceTrainer,
};
use proptest::prelude::*;

const LINES: [&str; 6] = [
    "The animal did not cross the street because it was too tired.",
    "the animal did not cross the street , because it was too wide !",
    "\"Don't,\" she said (twice) -- \tand  left\u{a0}the   room.",
    "Der Hund läuft über die Straße; die Straße ist 12,5 m breit.",
    "literal </w> and ￭ and <s> and <0x41> a</w>b ￭c",
    " leading and trailing  ",
];

/// Those that give every text back.
static EXACT: LazyLock<Vec<Box<dyn Tokenizer>>> = LazyLock::new(|| {
    let mut tokenizers: Vec<Box<dyn Tokenizer>> = vec![
        Box::new(ByteLevelBpeTrainer::with_vocab_size(400).train(LINES).unwrap()),
        Box::new(UnigramTrainer::with_vocab_size(400).train(LINES).unwrap()),
        Box::new(Bytes::default()),
        Box::new(CodePoints::default()),
    ];
    for split in [PreTokenization::Spaces, PreTokenization::Punctuation] {
        for suffix in [true, false] {
            let trainer = BpeTrainer::with_merges(200).min_frequency(1);
            let trainer = trainer.pre_tokenization(split).end_of_word_suffix(suffix);
            tokenizers.push(Box::new(trainer.train(LINES).unwrap()));
        }
    }
    tokenizers
});

/// Those that normalise, or have no bytes to fall back on.
static LOSSY: LazyLock<Vec<Box<dyn Tokenizer>>> = LazyLock::new(|| {
    let model = |name: &str| {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
        Box::new(SentencePiece::from_model(&path).unwrap()) as Box<dyn Tokenizer>
    };
    vec![
        Box::new(WordPieceTrainer::with_vocab_size(200).train(LINES).unwrap()),
        Box::new(WordPieceTrainer::with_vocab_size(200).lowercase(false).train(LINES).unwrap()),
        Box::new(Characters::train(LINES)),
        model("sentencepiece.unigram.model"),
        model("sentencepiece.unigram_suffix.model"),
        model("sentencepiece.bpe_bytes.model"),
        model("sentencepiece.bpe_no_prefix.model"),
    ]
});

fn all() -> impl Iterator<Item = &'static dyn Tokenizer> {
    EXACT.iter().chain(LOSSY.iter()).map(|tokenizer| &**tokenizer)
}

/// Any Unicode, ordinary text, and text made of what the vocabularies treat specially. Left out are the characters
/// that stand for something else by definition: SentencePiece's space U+2581, and CANINE's special tokens.
fn text() -> impl Strategy<Value = String> {
    let special = prop::sample::select(vec![
        "</w>", "￭", "<s>", "<pad>", "<0x41>", "<0x", "￭</w>", " ", "  ", "\t", "\n", "\r\n", "\u{a0}", "a", "tired",
        "the", ".", "\"", "'", "don't", "'s", "12", "e\u{301}", "☃", "🙂", "\u{200d}", "ß", "##", "<", "</w", ">",
    ]);
    let text = prop_oneof![
        any::<String>(),
        "[a-zäöüß ,.'\"!?-]{0,60}",
        prop::collection::vec(special, 0..20).prop_map(|parts| parts.concat()),
    ];
    text.prop_map(|text| text.replace(['\u{2581}', '\0', '\u{e000}', '\u{e001}', '\u{e003}'], "_"))
}

fn shown(tokenizer: &dyn Tokenizer, ids: &[u32]) -> Vec<String> {
    ids.iter().map(|&id| tokenizer.token(id).unwrap().into_owned()).collect()
}

proptest! {
    #[test]
    fn decode_inverts_encode(text in text()) {
        for tokenizer in EXACT.iter() {
            let ids = tokenizer.encode(&text);
            prop_assert_eq!(tokenizer.decode_bytes(&ids).unwrap(), text.as_bytes(), "{:?}", shown(&**tokenizer, &ids));
        }
    }

    #[test]
    fn decode_inverts_sampling_which_a_seed_repeats(text in text(), strength in 0.0..2.0, seed: u64) {
        for tokenizer in EXACT.iter() {
            let ids = tokenizer.sample(&text, strength, seed);
            prop_assert_eq!(&ids, &tokenizer.sample(&text, strength, seed));
            prop_assert_eq!(tokenizer.decode(&ids).unwrap(), &*text, "{:?}", shown(&**tokenizer, &ids));
        }
    }

    #[test]
    fn sampling_without_strength_is_encoding(text in text(), seed: u64) {
        for tokenizer in all() {
            prop_assert_eq!(tokenizer.sample(&text, 0.0, seed), tokenizer.encode(&text));
        }
    }

    #[test]
    fn encoding_twice_gives_the_same(text in text()) {
        // The second time, words come from the cache.
        for tokenizer in all() {
            prop_assert_eq!(tokenizer.encode(&text), tokenizer.encode(&text));
        }
    }

    #[test]
    fn offsets_slice_the_text_in_order(text in text()) {
        for tokenizer in all() {
            let spans = tokenizer.encode_with_offsets(&text);
            prop_assert_eq!(spans.iter().map(|(id, _)| *id).collect::<Vec<_>>(), tokenizer.encode(&text));
            let mut from = 0;
            for (_, range) in spans {
                prop_assert!(range.start >= from);
                from = range.start;
                prop_assert!(text.get(range.clone()).is_some(), "{:?} of {:?}", range, text);
            }
        }
    }

    #[test]
    fn words_are_counted_in_order(text in text()) {
        for tokenizer in all() {
            let tokens = tokenizer.encode_with_words(&text);
            let spans: Vec<_> = tokens.iter().map(|token| (token.id, token.range.clone())).collect();
            prop_assert_eq!(spans, tokenizer.encode_with_offsets(&text));
            prop_assert!(tokens.is_sorted_by_key(|token| token.word));
        }
    }

    #[test]
    fn a_plain_word_is_one_word(words in prop::collection::vec("[a-z]{1,8}", 1..6)) {
        for tokenizer in all() {
            let text = words.join(" ");
            let tokens = tokenizer.encode_with_words(&text);
            let starts = words.iter().scan(0, |at, word| { let start = *at; *at += word.len() + 1; Some(start) });
            for (start, word) in starts.zip(&words) {
                let within = |token: &&Token| start < token.range.end && token.range.end <= start + word.len();
                let numbers: Vec<_> = tokens.iter().filter(within).map(|token| token.word).collect();
                prop_assert!(numbers.windows(2).all(|pair| pair[0] == pair[1]), "{text:?}, {word:?}: {tokens:?}");
            }
        }
    }

    #[test]
    fn offsets_are_where_the_tokens_are(text in "[a-z ,.]{0,40}") {
        for tokenizer in all() {
            for (id, range) in tokenizer.encode_with_offsets(&text) {
                let token = tokenizer.token(id).unwrap();
                let plain = token.replace(['▁', 'Ġ'], " ");
                let is_text = !token.starts_with('<') && !token.starts_with('[');
                prop_assert!(!is_text || plain.contains(text[range.clone()].trim()), "{:?} {:?}", &text[range], token);
            }
        }
    }

    #[test]
    fn any_ids_of_the_vocabulary_decode(numbers in prop::collection::vec(any::<u32>(), 0..50)) {
        for tokenizer in all() {
            let vocab_size = tokenizer.vocab_size() as u32;
            let ids: Vec<_> = numbers.iter().map(|number| number % vocab_size).collect();
            prop_assert!(tokenizer.decode(&ids).is_ok());
            prop_assert_eq!(tokenizer.decode(&[vocab_size]).unwrap_err().id, vocab_size);
            prop_assert_eq!(tokenizer.token(vocab_size), None);
        }
    }

    #[test]
    fn encoding_makes_no_special_tokens_but_unk(text in text()) {
        for tokenizer in all() {
            let specials = tokenizer.specials();
            let made = tokenizer.encode(&text).into_iter().find(|&id| specials.contains(id) && specials.unk != Some(id));
            prop_assert_eq!(made, None);
        }
    }
}
