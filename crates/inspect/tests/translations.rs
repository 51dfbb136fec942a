//! What is shown of translations: words that are aligned, searches as trees, pages; against the definitions.

use std::{collections::BTreeMap, num::NonZeroUsize, path::Path, sync::Arc};

use attentive_backend::{BackendKind, Device};
use attentive_bundle::{Bundle, DecodingConfig, Search, Translator};
use attentive_core::{EncoderDecoder, NextToken, TokenId, TokenMatrix};
use attentive_inspect::{
    AlignBy, Aligner, Alignment, AttentionKind, AttentionPage, AttentionWeights, InspectError, SearchTree,
    TranslationViewer, View,
};
use attentive_model::{ModelSpec, RnnConfig, TransformerConfig};
use attentive_testkit::{Fixture, softmax};
use attentive_tokenizer::{BpeTrainer, Tokenizer};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde_json::Value;

const SOURCE: &str = "to be or  not to be";
const TARGET: &str = "not to be or";
const THRESHOLD: f64 = 0.2;

fn device() -> Device {
    BackendKind::Flex.device().unwrap()
}

fn tokenizer() -> Arc<dyn Tokenizer> {
    // Words are of one piece or of several.
    Arc::new(BpeTrainer::with_merges(4).train([SOURCE]).unwrap())
}

/// Weights large enough to matter.
fn bundle<C: ModelSpec>(config: C, seed: u64) -> Bundle
where
    attentive_model::ModelConfig: From<C>,
{
    let mut params = attentive_weights::params(&config.init(&device(), seed).unwrap());
    for tensor in params.values_mut().filter(|tensor| tensor.shape.len() == 2) {
        tensor.values.iter_mut().for_each(|value| *value *= 3.0);
    }
    Bundle::new("model", config, tokenizer(), params)
}

fn transformer(seed: u64) -> Bundle {
    let n = tokenizer().vocab_size();
    let sizes = TransformerConfig { d_model: 16, d_ff: 24, n_heads: 4, ..TransformerConfig::base(n) };
    bundle(TransformerConfig { n_encoder_layers: 2, n_decoder_layers: 3, ..sizes }, seed)
}

/// The words of a text between white space, as places.
fn words(text: &str) -> Vec<std::ops::Range<usize>> {
    let starts = text.char_indices().filter(|&(at, c)| c != ' ' && (at == 0 || text[..at].ends_with(' ')));
    starts.map(|(at, _)| at..at + text[at..].find(' ').unwrap_or(text.len() - at)).collect()
}

/// Pairs whose share is above the threshold in both directions.
fn pairs(similarity: &[Vec<f64>]) -> Alignment {
    let (n, m) = (similarity.len(), similarity[0].len());
    let row = |i: usize| softmax(&similarity[i], m);
    let column = |j: usize| softmax(&similarity.iter().map(|row| row[j]).collect::<Vec<f64>>(), n);
    let all = (0..n).flat_map(|i| (0..m).map(move |j| (i, j)));
    Alignment::new(all.filter(|&(i, j)| row(i)[j] > THRESHOLD && column(j)[i] > THRESHOLD))
}

#[test]
fn words_are_aligned_by_what_the_decoder_looks_at() {
    let mut n_pairs = 0;
    for seed in 0..4 {
        let bundle = transformer(seed);
        let viewer = TranslationViewer::new(&bundle, &device()).unwrap();
        let views = viewer.look(SOURCE, TARGET).unwrap();
        let weights = &views[2].weights;
        let translation = tokenizer().encode_target(TARGET);
        for (by, layer, row) in [(AlignBy::default(), 2, 0), (AlignBy::Attention { layer: Some(1) }, 1, 1)] {
            let seen = |target: &std::ops::Range<usize>, source: &std::ops::Range<usize>| {
                let tokens = viewer.target_tokens(TARGET, target.clone());
                let keys = viewer.source_tokens(SOURCE, source.clone());
                // The row after the one that writes a token reads it; the last layer is looked at as it writes.
                let of_token = |token: usize| {
                    let of_key = |key: usize| {
                        (0..4).map(|head| f64::from(weights.row(layer, head, token + row)[key])).sum::<f64>() / 4.0
                    };
                    keys.clone().map(of_key).sum::<f64>()
                };
                tokens.clone().map(of_token).sum::<f64>() / tokens.len() as f64
            };
            let of_source = |source: &_| words(TARGET).iter().map(|target| seen(target, source).ln()).collect();
            let mut similarity: Vec<Vec<f64>> = words(SOURCE).iter().map(of_source).collect();
            // Shares among words, without those of the frame.
            for target in 0..similarity[0].len() {
                let all: f64 = similarity.iter().map(|row| row[target].exp()).sum();
                similarity.iter_mut().for_each(|row| row[target] -= all.ln());
            }
            let found = Aligner::new(&bundle, &device(), by).unwrap().align(SOURCE, &translation).unwrap();
            assert_eq!(found, pairs(&similarity), "{by:?}, seed {seed}");
            n_pairs += found.pairs().len();
        }
    }
    assert!(n_pairs > 8, "{n_pairs}");
}

#[test]
fn words_are_aligned_by_what_they_make_probable() {
    let n = tokenizer().vocab_size();
    let rnn = RnnConfig { d_embedding: 12, d_hidden: 16, d_attention: 8, ..RnnConfig::rnn_search(n) };
    let mut n_pairs = 0;
    for bundle in [transformer(1), transformer(2), bundle(rnn, 3)] {
        let (tokenizer, model) = (tokenizer(), bundle.translation_model(&device(), None).unwrap());
        let frame = tokenizer.pair_frame(None, None).unwrap();
        let spans = tokenizer.encode_with_offsets(SOURCE);
        let target = tokenizer.encode_target_with_offsets(TARGET);
        let specials = tokenizer.specials();
        let unknown = specials.unk.or(specials.pad).unwrap();
        let overlap = |a: &std::ops::Range<usize>, b: &std::ops::Range<usize>, text: &str| {
            let (start, end) = (a.start.max(b.start), a.end.min(b.end));
            start < end && !text[start..end].trim().is_empty()
        };
        // The log-probability of each token of the target where a word of the source is not known, row by row.
        let log_probs = |hidden: Option<std::ops::Range<usize>>| -> Vec<f64> {
            let id = |(id, span): &(TokenId, std::ops::Range<usize>)| match &hidden {
                Some(word) if overlap(word, span, SOURCE) => unknown,
                _ => *id,
            };
            let ids: Vec<TokenId> = spans.iter().map(id).collect();
            let row = [&frame.source.before[..], &ids, &frame.source.after].concat();
            let mut state = EncoderDecoder::start(&model, &TokenMatrix::from_rows(&[row], 0, 0));
            let mut before = frame.begin;
            let mut next = |&(id, _): &(TokenId, _)| {
                let all = model.log_probs(&[before], &mut state).unwrap();
                before = id;
                f64::from(all[id as usize])
            };
            target.iter().map(&mut next).collect()
        };
        let whole = log_probs(None);
        let of_source = |source: std::ops::Range<usize>| {
            let without = log_probs(Some(source));
            let of_word = |word: &std::ops::Range<usize>| {
                let fall = |at: usize| whole[at] - without[at];
                (0..target.len()).filter(|&at| overlap(word, &target[at].1, TARGET)).map(fall).sum()
            };
            words(TARGET).iter().map(of_word).collect()
        };
        let similarity: Vec<Vec<f64>> = words(SOURCE).into_iter().map(of_source).collect();
        let aligner = Aligner::new(&bundle, &device(), AlignBy::Probability).unwrap();
        let found = aligner.align(SOURCE, &tokenizer.encode_target(TARGET)).unwrap();
        assert_eq!(found, pairs(&similarity));
        n_pairs += found.pairs().len();
    }
    assert!(n_pairs > 4, "{n_pairs}");
}

#[test]
fn what_can_not_be_aligned_is_told() {
    let bundle = transformer(1);
    for by in [AlignBy::default(), AlignBy::Probability] {
        let aligner = Aligner::new(&bundle, &device(), by).unwrap();
        let translation = tokenizer().encode_target(TARGET);
        assert_eq!(aligner.align("", &translation).unwrap(), Alignment::default());
        assert_eq!(aligner.align(SOURCE, &[]).unwrap(), Alignment::default());
    }
    let aligner = Aligner::new(&bundle, &device(), AlignBy::Attention { layer: Some(3) }).unwrap();
    let error = aligner.align(SOURCE, &tokenizer().encode_target(TARGET)).unwrap_err();
    assert_eq!(error.to_string(), "the decoder has no layer 4: it has 3, counted from 1");
    for bad in ["", "attention:", "attention:0", "attention:x", "probabilities"] {
        assert!(bad.parse::<AlignBy>().is_err(), "{bad}");
    }
}

/// Every element that is opened is closed, in order.
fn assert_well_formed(markup: &str) {
    let mut open = Vec::new();
    for part in markup.split('<').skip(1) {
        let (tag, _) = part.split_once('>').unwrap_or((part, ""));
        assert_eq!(tag.matches('"').count() % 2, 0, "{tag}");
        let name = tag.split_whitespace().next().unwrap();
        match name.strip_prefix('/') {
            Some(name) => assert_eq!(open.pop(), Some(name)),
            None if tag.ends_with('/') || tag.starts_with('!') || name == "meta" => {}
            None => open.push(name),
        }
    }
    assert!(open.is_empty(), "{open:?}");
}

/// Nothing is loaded, and nothing is in attributes that a policy would have to allow.
fn assert_alone(page: &str) {
    let links = page.replace("http://www.w3.org/2000/svg", "");
    assert!(!links.contains("http://") && !links.contains("https://") && !links.contains("src=\""), "{page}");
    assert!(!page.contains(" style=") && !page.contains(" onclick") && !page.contains("javascript:"));
    assert!(page.contains("default-src 'none'") && !page.contains("unsafe-"));
}

#[test]
fn a_tree_has_every_node_in_every_form() {
    let bundle = transformer(1);
    let translator = Translator::from_bundle(&bundle, &device(), None).unwrap();
    let config = DecodingConfig { beam: 3, max_len: Some(6), min_len: 2, no_repeat_ngram: 2, ..Default::default() };
    let search = Search::Best(NonZeroUsize::new(2).unwrap());
    let source = "to be <or> \"not\" & to be";
    let (found, trace) = translator.trace(source.into(), "", &config, search, 5).unwrap();
    assert_eq!(found, translator.find(&[source.into()], &[""; 0], &config, search).unwrap().remove(0));
    let tree = SearchTree::new(source, &trace, translator.tokenizer());
    let nodes = &trace.trees()[0].nodes;

    let json: Value = serde_json::from_str(&tree.to_file(Path::new("a.json")).unwrap()).unwrap();
    let objects = json["groups"][0].as_array().unwrap();
    assert_eq!(objects.len(), nodes.len());
    let mut reasons = BTreeMap::new();
    for object in objects.iter().filter(|object| object["fate"] == "dropped") {
        *reasons.entry(object["reason"].as_str().unwrap().to_owned()).or_insert(0) += 1;
    }
    assert_eq!(json["dropped"], serde_json::to_value(&reasons).unwrap());
    // The results are paths of the tree.
    for (rank, found) in found.iter().enumerate() {
        let mut at = objects.iter().position(|object| object["rank"] == rank).unwrap();
        let mut tokens = vec![objects[at]["id"].as_u64().unwrap() as TokenId];
        while let Some(parent) = objects[at]["parent"].as_u64() {
            at = parent as usize;
            tokens.insert(0, objects[at]["id"].as_u64().unwrap() as TokenId);
        }
        tokens.truncate(found.tokens.len());
        assert_eq!(tokens, found.tokens);
    }

    let text = tree.to_file(Path::new("a.txt")).unwrap();
    assert_eq!(text.lines().count(), 1 + nodes.len());
    assert!(text.contains("result 1"), "{text}");
    let svg = tree.to_file(Path::new("a.SVG")).unwrap();
    assert_well_formed(&svg);
    assert_eq!(svg.matches("</text>").count(), nodes.len());
    let html = tree.to_file(Path::new("a.html")).unwrap();
    assert_well_formed(&html);
    assert_alone(&html);
    assert_eq!(html.matches("</li>").count(), nodes.len() + found.len());
    let error = tree.to_file(Path::new("a.png")).unwrap_err();
    assert!(matches!(error, InspectError::TreeForm { .. }), "{error}");

    let blank = translator.trace("".into(), "", &config, search, 5).unwrap().1;
    let empty = SearchTree::new("", &blank, translator.tokenizer());
    assert_well_formed(&empty.to_svg());
    assert_eq!(empty.to_text(), "\n");
}

#[test]
fn a_page_holds_every_weight_and_nothing_from_elsewhere() {
    let labels = |n: usize| -> Vec<String> { (0..n).map(|at| format!("</script>{at}")).collect() };
    let mut fixture = Fixture::new(3);
    let mut view = |kind, [rows, columns]: [usize; 2]| {
        let mut layer = || -> Vec<f32> {
            let scores: Vec<f64> = fixture.normal(8 * rows * columns).into_iter().map(f64::from).collect();
            softmax(&scores, columns).into_iter().map(|weight| weight as f32).collect()
        };
        let weights = AttentionWeights::new((0..6).map(|_| layer()).collect(), [8, rows, columns]);
        View { kind, weights, queries: labels(rows), keys: labels(columns) }
    };
    // The lecture's sentence is of 15 tokens, in a model of the paper's base size.
    let views = [
        view(AttentionKind::Encoder, [15, 15]),
        view(AttentionKind::Decoder, [16, 16]),
        view(AttentionKind::Cross, [16, 15]),
    ];
    let texts = [("source", "a <b> & \"c\""), ("translation", "{data}")];
    let page = AttentionPage { title: "<runs>", texts: &texts, views: &views, picture: None }.to_html();
    assert!(page.len() < 100_000, "{}", page.len());
    assert_alone(&page);
    assert_eq!(page.matches("</script>").count(), 2);
    assert!(page.contains("<h1>&lt;runs&gt;</h1>") && page.contains("a &lt;b&gt; &amp; &quot;c&quot;"));
    let data = page.split_once("id=\"data\">").unwrap().1.split_once("</script>").unwrap().0;
    let data: Value = serde_json::from_str(data).unwrap();
    for (map, view) in data["maps"].as_array().unwrap().iter().zip(&views) {
        let bytes = BASE64_STANDARD.decode(map["weights"].as_str().unwrap()).unwrap();
        let all: Vec<f32> =
            view.weights.heads().flat_map(|(layer, head)| view.weights.head(layer, head)).copied().collect();
        assert_eq!(bytes.len(), all.len());
        assert!(bytes.iter().zip(&all).all(|(&byte, weight)| (f32::from(byte) / 255.0 - weight).abs() < 1.0 / 500.0));
        assert_eq!(map["rows"].as_array().unwrap().len(), view.queries.len());
        assert_eq!(map["verb"], if view.kind == AttentionKind::Encoder { "reading" } else { "writing" });
    }
}
