//! What an encoder says of texts, against its model asked directly.

use std::{cell::RefCell, collections::BTreeMap, sync::Arc};

use attentive_attention::PositionsConfig;
use attentive_backend::BackendKind;
use attentive_bundle::{
    AnswerConfig, EmbeddingConfig, EncodeError, Input, Pair, Pooling, Processor, Sequence, TaggingConfig, TextEncoder,
    TooLong, characters, frame_ids, is_blank,
};
use attentive_core::{TokenId, TokenMatrix};
use attentive_model::{Bert, BertConfig, CanineConfig, EncoderModel, Guessing, HiddenTokens, ModelSpec};
use attentive_testkit::assert_close;
use attentive_tokenizer::{ByteLevelBpeTrainer, Bytes, CodePoints, Segments, Tokenizer, WordPieceTrainer};
use burn::tensor::{Tensor, activation::softmax};

const TEXTS: [&str; 2] = ["the bank of the river is green", "the bank has my money"];

fn word_piece() -> Arc<dyn Tokenizer> {
    Arc::new(WordPieceTrainer::with_vocab_size(60).train(TEXTS).unwrap())
}

fn config(tokenizer: &dyn Tokenizer, labels: &[&str]) -> BertConfig {
    let labels = labels.iter().map(ToString::to_string).collect();
    BertConfig { labels, ..BertConfig::bert_like(tokenizer.vocab_size(), 40, [2, 2, 8]) }
}

fn model_of(config: &BertConfig) -> Bert {
    config.init(&BackendKind::Flex.device().unwrap(), 1).unwrap()
}

fn model(tokenizer: &dyn Tokenizer, labels: &[&str]) -> Bert {
    model_of(&config(tokenizer, labels))
}

fn encoder_of(tokenizer: &Arc<dyn Tokenizer>, config: &BertConfig) -> TextEncoder {
    TextEncoder::new(model_of(config), config, tokenizer.clone()).unwrap()
}

fn encoder(tokenizer: &Arc<dyn Tokenizer>, labels: &[&str]) -> TextEncoder {
    encoder_of(tokenizer, &config(&**tokenizer, labels))
}

fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().try_into_vec().unwrap()
}

#[test]
fn words_of_characters_guessed_in_order_have_the_product_of_their_probabilities() {
    let config = CanineConfig {
        n_buckets: 32,
        max_len: 32,
        alphabet: "abc".to_owned(),
        guessing: Guessing::Autoregressive,
        init_std: 0.3,
        ..CanineConfig::canine_like([1, 2, 16])
    };
    let model = || config.init(&BackendKind::Flex.device().unwrap(), 1).unwrap();
    let tokenizer: Arc<dyn Tokenizer> = Arc::new(CodePoints::default());
    let ids = frame_ids(&*tokenizer).unwrap();
    // As many as there are words of three characters out of four: the beam leaves none out.
    let filled = TextEncoder::new(model(), &config, tokenizer.clone()).unwrap();
    let filled = filled.fill("ab [MASK][MASK][MASK] c<mask>", 64).unwrap();
    assert_eq!(filled.iter().map(Vec::len).collect::<Vec<_>>(), [64, 4]);

    let text: Vec<TokenId> = "ab ___ c_".chars().map(|c| if c == '_' { ids.mask } else { c.into() }).collect();
    let row = [vec![ids.begin], text, vec![ids.end]].concat();
    let (model, row) = (model(), TokenMatrix::from_rows(&[row], 0, 0));
    let segments = vec![0; row.n_cols()];
    let encoding = model.encode(&row, &segments, None);
    for (places, words) in [(&[4, 5, 6][..], &filled[0]), (&[9], &filled[1])] {
        let sum: f64 = words.iter().map(|word| word.probability).sum();
        assert!((sum - 1.0).abs() < 1e-4, "{sum}");
        assert!(words.is_sorted_by(|a, b| a.probability >= b.probability));
        for word in words {
            let tokens: Vec<TokenId> = word.text.chars().map(u32::from).collect();
            // All at once, as in training.
            let hidden = HiddenTokens { ids: &row, segments: &segments, places, tokens: &tokens };
            let vectors = model.vectors_of_hidden(&encoding, hidden, None);
            let p = values(softmax(model.token_scores(vectors).unwrap().logits(), 1));
            let p = p.chunks(4).zip(&tokens).map(|(p, &token)| f64::from(p[model.class_of(token) as usize]));
            let product: f64 = p.product();
            assert!((word.probability - product).abs() < 1e-5, "{word:?}: {product}");
        }
    }
}

#[test]
fn words_are_made_of_subwords_that_fit() {
    let subwords = ["a", "b", "ab", "ba", "abb"].map(str::to_owned).to_vec();
    let config = CanineConfig {
        n_buckets: 32,
        max_len: 32,
        guessing: Guessing::Subwords,
        subwords: subwords.clone(),
        init_std: 0.3,
        ..CanineConfig::canine_like([1, 2, 16])
    };
    let model = || config.init(&BackendKind::Flex.device().unwrap(), 1).unwrap();
    let tokenizer: Arc<dyn Tokenizer> = Arc::new(CodePoints::default());
    let ids = frame_ids(&*tokenizer).unwrap();
    let filled = TextEncoder::new(model(), &config, tokenizer).unwrap();
    let filled = filled.fill("ab [MASK][MASK][MASK]", 100).unwrap().remove(0);

    let row = [ids.begin, 97, 98, 32, ids.mask, ids.mask, ids.mask, ids.end];
    let (model, row) = (model(), TokenMatrix::from_rows(&[row], 0, 0));
    let encoding = model.encode(&row, &[0; 8], None);
    let p = values(softmax(model.token_scores(encoding.at(&[4, 5, 6])).unwrap().logits(), 1));
    // Every way to cut a word of three letters.
    let best = |at: usize, rest: &str| {
        fn best(p: &[f32], subwords: &[String], at: usize, rest: &str) -> f64 {
            if rest.is_empty() {
                return 1.0;
            }
            let fitting = subwords.iter().enumerate().filter(|(_, subword)| rest.starts_with(&***subword));
            let whole = fitting.map(|(number, subword)| {
                let p_first = f64::from(p[at * subwords.len() + number]);
                p_first * best(p, subwords, at + subword.len(), &rest[subword.len()..])
            });
            whole.fold(0.0, f64::max)
        }
        best(&p, &subwords, at, rest)
    };
    let words: Vec<String> =
        (0..8).map(|n| (0..3).map(|at| if n >> at & 1 == 0 { 'a' } else { 'b' }).collect()).collect();
    assert_eq!(filled.len(), words.len());
    for word in words {
        let found = filled.iter().find(|candidate| candidate.text == word).unwrap();
        assert!((found.probability - best(0, &word)).abs() < 1e-5, "{found:?}");
    }
    assert!(filled.is_sorted_by(|a, b| a.probability >= b.probability));
}

#[test]
fn masks_are_filled_with_the_most_probable_tokens() {
    let byte_level: Arc<dyn Tokenizer> = Arc::new(ByteLevelBpeTrainer::with_vocab_size(280).train(TEXTS).unwrap());
    for tokenizer in [word_piece(), byte_level] {
        let ids = frame_ids(&*tokenizer).unwrap();
        let filled = encoder(&tokenizer, &[]).fill("the [MASK] has <mask> money", 3).unwrap();
        let framed = |parts: [&str; 3]| {
            let [a, b, c] = parts.map(|part| tokenizer.encode(part));
            [vec![ids.begin], a, vec![ids.mask], b, vec![ids.mask], c, vec![ids.end]].concat()
        };
        let row = framed(["the", " has", " money"]);
        let model = model(&*tokenizer, &[]);
        let hidden = model.forward(&TokenMatrix::from_rows(&[&row], 0, 0), &vec![0; row.len()], None);
        let p = values(softmax(model.token_logits(hidden).unwrap(), 2));
        let places = row.iter().enumerate().filter(|&(_, &id)| id == ids.mask);
        assert_eq!(filled.len(), 2);
        for (candidates, (at, _)) in filled.iter().zip(places) {
            let mut p = p[at * tokenizer.vocab_size()..][..tokenizer.vocab_size()].to_vec();
            p.sort_by(|a, b| b.total_cmp(a));
            let found: Vec<f32> = candidates.iter().map(|candidate| candidate.probability as f32).collect();
            assert!(found.iter().zip(&p).all(|(a, b)| (a - b).abs() < 1e-6), "{found:?} {:?}", &p[..3]);
            assert!(candidates.iter().all(|candidate| !candidate.text.is_empty()));
        }
    }
}

#[test]
fn a_word_s_vector_depends_on_its_sentence() {
    let encoder = encoder(&word_piece(), &[]);
    let [river, money] = TEXTS.map(|text| encoder.embed_word(text, "BANK").unwrap());
    assert_eq!((river.len(), money.len()), (1, 1));
    assert_ne!(river, money);
    assert_eq!(encoder.embed_word(TEXTS[0], "the").unwrap().len(), 2);
    assert!(encoder.embed_word(TEXTS[0], "bankers").unwrap().is_empty());
    // The only word of a text is all that its mean is over.
    assert_eq!(encoder.embed_word("bank", "bank").unwrap(), [encoder.embed("bank", &Pooling::Mean.into()).unwrap()]);
    assert_ne!(
        encoder.embed("bank", &Pooling::Cls.into()).unwrap(),
        encoder.embed("bank", &Pooling::Mean.into()).unwrap()
    );
    assert_eq!(encoder.embed("", &Pooling::Cls.into()).unwrap(), encoder.embed("", &Pooling::Mean.into()).unwrap());
}

#[test]
fn classes_are_told_with_their_probabilities() {
    let classes = encoder(&word_piece(), &["a", "b", "c"]).classify("the river").unwrap();
    assert!((classes.iter().map(|class| class.probability).sum::<f64>() - 1.0).abs() < 1e-6);
    assert!(classes.is_sorted_by(|a, b| a.probability >= b.probability));
    let mut labels: Vec<&str> = classes.iter().map(|class| class.label.as_str()).collect();
    labels.sort_unstable();
    assert_eq!(labels, ["a", "b", "c"]);
}

#[test]
fn a_text_that_is_too_long_is_read_up_to_the_last_position() {
    let tokenizer = word_piece();
    let encoder = encoder(&tokenizer, &["a", "b"]);
    let long = [TEXTS[0]; 20].join(" ");
    let cropped = Input { crop: true, ..Input::from(&long) };
    let (_, spans): (Vec<_>, Vec<_>) = tokenizer.encode_with_offsets(&long).into_iter().unzip();
    let beginning = &long[..spans[37].end]; // 38 tokens and two around them
    assert_eq!(tokenizer.encode(beginning).len(), 38, "the text can be cut there");
    for pooling in [Pooling::Mean, Pooling::Cls] {
        let how = pooling.into();
        assert_eq!(encoder.embed(cropped, &how).unwrap(), encoder.embed(beginning, &how).unwrap());
    }
    assert_eq!(encoder.classify(cropped).unwrap(), encoder.classify(beginning).unwrap());
    assert_eq!(encoder.embed_word(cropped, "river").unwrap(), encoder.embed_word(beginning, "river").unwrap());
    let masked = format!("[MASK] {long}");
    let filled = encoder.fill(Input { crop: true, ..Input::from(&masked) }, 3).unwrap();
    assert_eq!((filled.len(), filled[0].len()), (1, 3));
    // A text that fits is not changed.
    let short = Input { crop: true, ..Input::from(TEXTS[1]) };
    let how = Pooling::Mean.into();
    assert_eq!(encoder.embed(short, &how).unwrap(), encoder.embed(TEXTS[1], &how).unwrap());
}

#[test]
fn many_texts_are_read_in_groups_that_are_told_of() {
    let encoder = encoder(&word_piece(), &[]);
    let texts: Vec<String> = (0..1500).map(|n| "the bank ".repeat(1 + n % 20)).collect();
    let inputs: Vec<Input<'_>> = texts.iter().map(|text| Input { crop: true, ..Input::from(text) }).collect();
    let (how, told) = (Pooling::Mean.into(), RefCell::new(vec![0]));
    let found = encoder.embed_with_progress(&inputs, &how, |n| told.borrow_mut().push(n)).unwrap();
    let told = told.into_inner();
    assert!(told.len() > 2 && told.is_sorted_by(|a, b| a < b), "{told:?}");
    assert_eq!(told.last(), Some(&texts.len()));
    // Each vector is at its text's place, whatever group that was read in.
    let alone: Vec<Vec<f32>> = inputs[..20].iter().map(|&input| encoder.embed(input, &how).unwrap()).collect();
    for (n, vector) in found.iter().enumerate() {
        assert_close(vector.as_ref().unwrap(), &alone[n % 20], 1e-4, 1e-5);
    }
}

#[test]
fn a_blank_text_has_no_tokens() {
    for text in ["", "  ", "\u{3000}\t", "\u{200b}"] {
        assert!(is_blank(&*word_piece(), text), "{text:?}");
    }
    assert!(!is_blank(&*word_piece(), " . "));
}

#[test]
fn what_cannot_be_read_is_named() {
    let encoder = encoder(&word_piece(), &[]);
    assert!(matches!(encoder.fill("the river", 3), Err(EncodeError::NoMask)));
    assert!(matches!(encoder.classify("the river"), Err(EncodeError::NoHead { .. })));
    let error = encoder.embed(&TEXTS.join(" ").repeat(3), &Pooling::Mean.into()).unwrap_err().to_string();
    assert!(error.contains("positions for 40"), "{error}");
    assert!(frame_ids(&Bytes::default()).unwrap_err().to_string().contains("wordpiece"));
}

#[test]
fn names_of_special_tokens_are_text_unless_they_are_asked_for() {
    let tokenizer = word_piece();
    let ids = frame_ids(&*tokenizer).unwrap();
    let special = Processor::from(tokenizer.clone()).reading_specials().tokenizer().unwrap().clone();
    let cls = Pooling::Cls.into();
    let of = |tokenizer: &Arc<dyn Tokenizer>| encoder(tokenizer, &[]).embed("the [SEP] bank", &cls).unwrap();
    let expected = |part: Vec<u32>| {
        let row = [vec![ids.begin], tokenizer.encode("the"), part, tokenizer.encode("bank"), vec![ids.end]].concat();
        values(model(&*tokenizer, &[]).encode(&TokenMatrix::from_rows(&[&row], 0, 0), &vec![0; row.len()], None).cls)
    };
    let differs = |a: &[f32], b: &[f32]| a.iter().zip(b).any(|(a, b)| (a - b).abs() > 1e-6);
    assert!(!differs(&of(&tokenizer), &expected(tokenizer.encode("[SEP]"))));
    assert!(!differs(&of(&special), &expected(vec![ids.end])));
    assert!(differs(&of(&special), &of(&tokenizer)));
}

#[test]
fn texts_are_refused_exactly_where_they_would_be_cut() {
    let tokenizer = word_piece();
    let encoder = encoder(&tokenizer, &[]);
    let prompts = BTreeMap::from([("query".to_owned(), "The Bank ".to_owned())]);
    let text = "of the River is GREEN";
    for (prompt, lowercase) in [(None, false), (Some("query"), false), (Some("query"), true)] {
        let prompt = prompt.map(str::to_owned);
        let whole = EmbeddingConfig { prompts: prompts.clone(), prompt, lowercase, ..EmbeddingConfig::default() };
        for max_len in 2..40 {
            let how = EmbeddingConfig { max_len: Some(max_len), ..whole.clone() };
            let is_whole = encoder.embed(text, &how).unwrap() == encoder.embed(text, &whole).unwrap();
            assert_eq!(how.refuse_cut(&*tokenizer, text).is_ok(), is_whole, "{how:?}");
        }
    }
}

#[test]
fn two_texts_are_two_segments() {
    let word_piece = WordPieceTrainer::with_vocab_size(60).train(TEXTS).unwrap();
    let [first, second] = TEXTS;
    let Segments { ids, segment_ids } = word_piece.with_segments(first, Some(second));
    let tokenizer: Arc<dyn Tokenizer> = Arc::new(word_piece);
    let config = config(&*tokenizer, &["a", "b", "c"]);
    let encoding = model_of(&config).encode(&TokenMatrix::from_rows(&[ids], 0, 0), &segment_ids, None);
    let expected = values(softmax(model_of(&config).label_scores(&encoding, None).unwrap(), 1));
    let encoder = encoder_of(&tokenizer, &config);
    let pair = Pair { first, second, crop: false };
    let mut classes = encoder.classify_pairs(&[pair]).unwrap().remove(0).unwrap();
    classes.sort_by(|a, b| a.label.cmp(&b.label));
    for (class, expected) in classes.iter().zip(expected) {
        assert!((class.probability - f64::from(expected)).abs() < 1e-6, "{classes:?}");
    }
    // What they are made of, of a pair and of a text.
    let logits = values(model_of(&config).label_scores(&encoding, None).unwrap());
    let said = encoder.label_scores(&[Sequence::Two(pair)]).unwrap().remove(0).unwrap();
    assert!(said.len() == 3 && said.iter().zip(&logits).all(|(a, b)| (a - b).abs() < 1e-6), "{said:?} {logits:?}");
    let greatest = said.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    assert_eq!(encoder.raw_classes(&said)[0].probability, f64::from(greatest));
    let said = encoder.label_scores(&[Sequence::One(first.into())]).unwrap().remove(0).unwrap();
    assert_eq!(encoder.classes(&said), encoder.classify(first).unwrap());
    // Of one segment, where the model has no more.
    let one = encoder_of(&tokenizer, &BertConfig { n_segments: 1, ..config });
    assert!(one.classify_pairs(&[pair]).unwrap()[0].is_ok());
}

#[test]
fn long_pairs_lose_the_end_of_the_longer_text() {
    let tokenizer = word_piece();
    let encoder = encoder(&tokenizer, &["a", "b"]);
    // Each mark is a token.
    let [short, long, kept, half, most] = [5, 100, 32, 18, 19].map(|n| "! ".repeat(n));
    let classes =
        |first: &str, second: &str, crop| encoder.classify_pairs(&[Pair { first, second, crop }]).unwrap().remove(0);
    assert_eq!(classes(&short, &long, false), Err(TooLong { n_tokens: 108, max_len: 40 }));
    // The model has 40 positions, of which the frame takes three.
    assert_eq!(classes(&short, &long, true), classes(&short, &kept, false));
    assert_eq!(classes(&long, &short, true), classes(&kept, &short, false));
    assert_eq!(classes(&long, &long, true), classes(&half, &most, false));
    let config = BertConfig { positions: PositionsConfig::Learned { max_len: 2 }, ..config(&*tokenizer, &["a", "b"]) };
    let frameless = encoder_of(&tokenizer, &config).classify_pairs(&[Pair { first: "a", second: "b", crop: true }]);
    assert_eq!(frameless.unwrap().remove(0), Err(TooLong { n_tokens: 3, max_len: 2 }));
}

#[test]
fn a_model_without_a_head_is_named_with_what_it_is_for() {
    let encoder = encoder(&word_piece(), &[]);
    let of_tags = encoder.tag("the river", TaggingConfig::default()).unwrap_err().to_string();
    assert!(of_tags.contains("tells classes of tokens: it is a bert, for fill, embed, similar;"), "{of_tags}");
    let answer = encoder.answer("bank?", "the river", &AnswerConfig::default());
    assert!(matches!(answer, Err(EncodeError::NoHead { .. })));
}

#[test]
fn characters_are_counted_from_the_beginning() {
    let text = "naïve ☃ end";
    let at = text.find('☃').unwrap();
    assert_eq!(characters(text, &(at..at + 3)), 6..7);
    assert_eq!(characters(text, &(0..text.len())), 0..11);
    assert_eq!(characters(text, &(0..0)), 0..0);
}
