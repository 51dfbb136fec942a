//! Every reader of files, with the bytes of a file: an error, or something that can be used.

use std::{
    fs,
    io::{self, Read},
    path::{Path, PathBuf},
    sync::OnceLock,
};

use attentive_backend::BackendKind;
use attentive_bundle::{Bundle, DecodingConfig, GenerationConfig, Generator, TextEncoder, Translator};
use attentive_core::TrajectoryProcessor;
use attentive_data::{
    BatchConfig, CorpusRules, DocumentUnit, EncodedCorpus, Epochs, LabeledText, OnProblem, Order, PairBatcher,
    ParallelFiles, Side, SpecialIds, Storage, TextFiles, TokenCache, TsvLayout, open_bytes,
};
use attentive_model::Role;
use attentive_run::Recipe;
use attentive_speech::{FeatureConfig, LogMel, Recording};
use attentive_task::{
    Episodes,
    config::{EpisodesRecipe, Files},
};
use attentive_tokenizer::{Bpe, ByteLevelBpe, Marian, SentencePiece, Tokenizer, TokenizerError, WordPiece};
use attentive_trainer::{Checkpoint, CheckpointDir};
use attentive_vision::{CifarKind, ImageProcessor, Picture, Pictures};
use attentive_weights::{CheckpointItem, Gguf, Npz, WeightsFile};
use sha2::{Digest, Sha256};

use super::{file, folder, golden};

/// What reads the bytes of a file.
pub type Reader = fn(&[u8]);

/// All of them, by the names of their targets.
pub const ALL: [(&str, Reader); 22] = [
    ("audio", audio),
    ("bpe_codes", bpe_codes),
    ("bundle", bundle),
    ("byte_level_files", byte_level_files),
    ("checkpoint", checkpoint),
    ("corpus", corpus),
    ("episodes", episodes),
    ("gguf", gguf),
    ("import", import),
    ("npz", npz),
    ("packed_pictures", packed_pictures),
    ("page_text", page_text),
    ("picture", picture),
    ("pytorch_checkpoint", pytorch_checkpoint),
    ("recipe", recipe),
    ("request", request),
    ("sentencepiece_model", sentencepiece_model),
    ("text", text),
    ("token_file", token_file),
    ("tokenizer_json", tokenizer_json),
    ("vocabulary", vocabulary),
    ("weights", weights),
];

/// What was read can be used: what it makes of a text is ids of its own, and any ids are text or an error.
fn exercise<T: Tokenizer + ?Sized>(tokenizer: Result<Box<T>, TokenizerError>) {
    let Ok(tokenizer) = tokenizer else { return };
    let text = "Not \"to\" be,\tthat is  öffentlich ☃ \u{0301}e\u{0301} 12345 [MASK] <s>";
    let ids = tokenizer.encode(text);
    assert!(ids.iter().all(|&id| (id as usize) < tokenizer.vocab_size()));
    tokenizer.decode(&ids).expect("ids of its own");
    let _ = tokenizer.decode(&[0, 7, u32::MAX]);
    let with_specials = tokenizer.encode_with_specials(text);
    assert!(with_specials.iter().all(|&id| (id as usize) < tokenizer.vocab_size()));
    for (id, range) in tokenizer.encode_with_offsets(text) {
        assert!((id as usize) < tokenizer.vocab_size() && text.get(range).is_some());
    }
}

/// What was read can be used, or is refused in words: a text is translated, continued, or made a vector of.
fn exercise_model(bundle: &Bundle) {
    let device = BackendKind::Flex.device().expect("the CPU");
    match bundle.model.role() {
        Role::EncoderDecoder => {
            let beam = bundle.decoding.beam.min(2);
            let decoding = DecodingConfig { beam, max_len: Some(2), min_len: 0, ..bundle.decoding.clone() };
            if let Ok(translator) = Translator::from_bundle(bundle, &device, None) {
                let _ = translator.translate(&["the animal"], &decoding);
            }
        }
        Role::LanguageModel => {
            let generation = GenerationConfig { max_tokens: 2, min_tokens: 0, ..bundle.generation.clone() };
            if let Ok(generator) = Generator::from_bundle(bundle, &device, None) {
                let _ = generator.generate_all(&["the animal"], 1, &generation);
            }
        }
        Role::Encoder => {
            if let Ok(encoder) = TextEncoder::from_bundle(bundle, &device, None) {
                let _ = encoder.embed("the animal", &bundle.embedding);
            }
        }
        Role::Policy | Role::SpeechRecognizer | Role::ImageEncoder => {}
    }
}

/// Recordings of any format: what is read is sound, and makes a spectrogram of numbers.
pub fn audio(bytes: &[u8]) {
    if let Ok(Recording { samples, rate }) = Recording::read(&file("sound", bytes)) {
        assert!(rate > 0 && !samples.is_empty() && samples.iter().all(|sample| sample.is_finite()));
        let config = FeatureConfig { window_seconds: 0.1, ..FeatureConfig::default() };
        let frames = LogMel::new(&config).expect("sizes in their ranges").window(&samples);
        assert!(frames.iter().all(|value| value.is_finite()), "a spectrogram of numbers");
    }
}

/// subword-nmt's codes.
pub fn bpe_codes(bytes: &[u8]) {
    exercise(Bpe::from_codes(&file("codes", bytes), ["to be or not to be"]).map(Box::new));
}

/// A bundle's `config.toml`, `training.json` or `processor.json`, beside parts that are whole; the latter two begin with a
/// brace, and the last one says what it reads.
pub fn bundle(bytes: &[u8]) {
    if contains(bytes, "\"reads\"") {
        processor(bytes);
        return;
    }
    static CONFIG: OnceLock<Vec<u8>> = OnceLock::new();
    let folder = folder().join("bundle");
    let config = CONFIG.get_or_init(|| {
        let imported = attentive_interchange::import(&golden("marian"), &Default::default()).expect("a golden model");
        imported.bundle.replace(&folder).expect("room for a model");
        fs::read(folder.join("config.toml")).expect("a file of the model")
    });
    let (config, record) = if bytes.starts_with(b"{") { (&config[..], bytes) } else { (bytes, &b"{}"[..]) };
    fs::write(folder.join("config.toml"), config).expect("room for a temporary file");
    fs::write(folder.join("training.json"), record).expect("room for a temporary file");
    if let Ok(bundle) = Bundle::read(&folder) {
        bundle.model.validate().expect("what is read is valid");
        exercise_model(&bundle);
    }
}

fn contains(bytes: &[u8], part: &str) -> bool {
    bytes.windows(part.len()).any(|some| some == part.as_bytes())
}

/// The `processor.json` of models that listen, see and act.
fn processor(bytes: &[u8]) {
    for name in ["whisper", "vit-classification", "decision-transformer"] {
        let folder = folder().join(format!("processor-of-{name}"));
        if !folder.is_dir() {
            let imported = attentive_interchange::import(&golden(name), &Default::default()).expect("a golden model");
            imported.bundle.replace(&folder).expect("room for a model");
            // Without the sums of its files.
            fs::write(folder.join("training.json"), "{}").expect("room for a temporary file");
        }
        fs::write(folder.join("processor.json"), bytes).expect("room for a temporary file");
        if let Ok(bundle) = Bundle::read(&folder) {
            assert!(bundle.processor.image().is_none_or(|image| image.problem().is_none()));
        }
    }
}

/// A vocabulary as JSON, then a zero byte and merges: the files of GPT-2; without merges, the vocabulary of OPUS-MT.
pub fn byte_level_files(bytes: &[u8]) {
    match bytes.iter().position(|&byte| byte == 0) {
        Some(at) => {
            let (vocab, merges) = (file("vocab.json", &bytes[..at]), file("merges.txt", &bytes[at + 1..]));
            exercise(ByteLevelBpe::from_files(&vocab, &merges).map(Box::new));
        }
        None => {
            let [source, target] = ["marian/source.spm", "marian/target.spm"].map(golden);
            exercise(Marian::from_files(&source, &target, &file("vocab.json", bytes), 0).map(Box::new));
        }
    }
}

/// The files of a checkpoint: the first byte says which one the others are.
pub fn checkpoint(bytes: &[u8]) {
    const FILES: [&str; 4] = ["manifest.toml", "state.toml", "state.json", "clock.toml"];
    let Some((which, rest)) = bytes.split_first() else { return };
    let parent = folder().join("checkpoints");
    let folder = parent.join("step-00000012");
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).expect("a folder for temporary files");
    fs::write(folder.join(FILES[usize::from(*which) % FILES.len()]), rest).expect("room for a temporary file");
    let _ = Checkpoint::read(&folder);
    let _ = CheckpointDir::new(parent, 2).latest();
}

/// Pixels that are decoded here: a file of 32 bytes may say to have as many as Pillow reads, which take half a gigabyte.
const MAX_PIXELS: usize = 1 << 22;

/// A picture of any format, and the patches that become of it.
pub fn picture(bytes: &[u8]) {
    if Picture::size_in(bytes, Path::new("picture")).is_ok_and(|[height, width]| height * width > MAX_PIXELS) {
        return;
    }
    if let Ok(picture) = Picture::decode(bytes, Path::new("picture")) {
        let processor = ImageProcessor::square(8, 3);
        let patches = processor.patches(&[processor.prepare(&picture)], 4).expect("patches fill the picture");
        assert_eq!(patches.per_picture(), 4);
    }
}

/// Two bytes that say how long an IDX file of pictures is, that file, and one of labels; the bytes after the first two are also
/// a file of CIFAR.
pub fn packed_pictures(bytes: &[u8]) {
    let Some((&[high, low], rest)) = bytes.split_first_chunk() else { return };
    let (images, labels) = rest.split_at(usize::from(u16::from_be_bytes([high, low])).min(rest.len()));
    let of_idx = Pictures::of_idx(&file("images", images), &file("labels", labels));
    let of_cifar = [CifarKind::Ten, CifarKind::Hundred].map(|kind| Pictures::of_cifar(&[file("cifar", rest)], kind));
    for pictures in of_cifar.into_iter().chain([of_idx]).flatten() {
        let last = pictures.len() - 1;
        assert!((pictures.class(last) as usize) < pictures.labels().len());
        pictures.picture(last).expect("it is in memory");
    }
}

/// Whether a file has more text than is read here: 135 bytes of Zstandard may have millions of lines.
fn is_large(path: &Path) -> bool {
    const MAX_BYTES: u64 = 1 << 18;
    let Ok(unpacked) = open_bytes(path) else { return false };
    io::copy(&mut unpacked.take(MAX_BYTES + 1), &mut io::sink()).is_ok_and(|n_bytes| n_bytes > MAX_BYTES)
}

/// A corpus, plain or compressed.
pub fn corpus(bytes: &[u8]) {
    let path = file("a.tsv", bytes);
    if is_large(&path) {
        return;
    }
    let files = ParallelFiles::tsv([path]);
    let strict = CorpusRules::default();
    let lenient =
        CorpusRules { on_columns: OnProblem::Skip, on_invalid_utf8: OnProblem::Skip, ..CorpusRules::default() };
    for rules in [strict, lenient] {
        if let Ok(pairs) = files.pairs(&rules) {
            let _ = pairs.finish();
        }
    }
}

/// A file of settings of a folder of transformers, whose other files are whole: a `config.json`, or what a Whisper or a
/// ViT has beside it.
pub fn import(bytes: &[u8]) {
    /// A family as a configuration names it, and the golden folder of it.
    const FAMILIES: [(&str, &str); 31] = [
        ("vit", "vit-classification"),
        ("deit", "deit-classification"),
        ("marian", "marian"),
        ("pegasus", "pegasus"),
        ("bart", "bart"),
        ("mbart", "mbart"),
        ("m2m_100", "m2m100"),
        ("t5", "t5"),
        ("whisper", "whisper"),
        ("bert", "bert-masked-lm"),
        ("roberta", "roberta-masked-lm"),
        ("xlm-roberta", "xlm-roberta-masked-lm"),
        ("albert", "albert-masked-lm"),
        ("canine", "canine"),
        ("distilbert", "distilbert-masked-lm"),
        ("electra", "electra-generator"),
        ("modernbert", "modernbert-masked-lm"),
        ("mpnet", "mpnet-masked-lm"),
        ("gemma", "gemma"),
        ("gemma2", "gemma2"),
        ("gemma3_text", "gemma3"),
        ("gpt_neox", "gpt-neox"),
        ("llama", "llama"),
        ("mistral", "mistral"),
        ("opt", "opt"),
        ("phi", "phi"),
        ("phi3", "phi3"),
        ("qwen2", "qwen2"),
        ("qwen3", "qwen3"),
        ("starcoder2", "starcoder2"),
        ("decision_transformer", "decision-transformer"),
    ];
    /// What another file of settings names, the golden folder of its family, and the file.
    const OTHERS: [(&str, &str, &str); 3] = [
        ("feature_extractor", "whisper", "processor_config.json"),
        ("max_initial_timestamp_index", "whisper", "generation_config.json"),
        ("image_mean", "vit-classification", "preprocessor_config.json"),
    ];
    let text = String::from_utf8_lossy(bytes);
    let is_named = |name: &str| text.contains(&format!("\"{name}\""));
    let other = OTHERS.iter().find(|(part, ..)| is_named(part)).map(|&(_, name, file)| (name, file));
    let family = || FAMILIES.iter().find(|(family, _)| is_named(family)).map_or("gpt2", |&(_, name)| name);
    let (name, of_settings) = other.unwrap_or_else(|| (family(), "config.json"));
    let folder = folder().join(name);
    if !folder.is_dir() {
        fs::create_dir(&folder).expect("a folder for temporary files");
        for file in fs::read_dir(golden(name)).expect("a golden folder") {
            let path = file.expect("a file of it").path();
            fs::copy(&path, folder.join(path.file_name().expect("a file's name"))).expect("room for a copy");
        }
    }
    let path = folder.join(of_settings);
    fs::write(&path, bytes).expect("room for a temporary file");
    if let Ok(imported) = attentive_interchange::import(&folder, &Default::default()) {
        exercise_model(&imported.bundle);
    }
    fs::copy(golden(name).join(of_settings), path).expect("room for a copy");
}

/// PyTorch's pickles: a state dictionary with what is beside it, the names of its storages, and the storages.
pub fn pytorch_checkpoint(bytes: &[u8]) {
    /// What `torch.save` wrote before version 1.6, before the state: a number, a version, the sizes of C's types.
    const PREFIX: &[u8] = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.\x80\x02M\xe9\x03.\x80\x02}q\x00.";
    read_weights(&file("pytorch_model.bin", &[PREFIX, bytes].concat()));
}

/// safetensors, and PyTorch's zip archives.
pub fn weights(bytes: &[u8]) {
    read_weights(&file("model.safetensors", bytes));
}

fn read_weights(path: &Path) {
    /// Values of a checkpoint that are looked at: they may be in one another without end.
    const VISITED: usize = 1000;
    if let Ok(file) = WeightsFile::open(path) {
        let mut left: Vec<CheckpointItem<'_>> = file.checkpoint().into_iter().collect();
        for _ in 0..VISITED {
            let Some(item) = left.pop() else { break };
            left.extend(item.items().into_iter().flatten().chain(item.fields().into_values()).take(VISITED));
        }
    }
    if let Ok(tensors) = attentive_weights::read(path) {
        assert!(tensors.values().all(|tensor| tensor.values.len() == tensor.shape.iter().product::<usize>()));
    }
}

/// GGUF: metadata, and every tensor that can be read.
pub fn gguf(bytes: &[u8]) {
    let Ok(mut file) = Gguf::open(&file("model.gguf", bytes)) else { return };
    let readable = file.tensors().filter(|(_, entry)| entry.kind.is_ok()).map(|(name, _)| name.to_owned());
    for name in readable.collect::<Vec<_>>() {
        let tensor = file.read(&name).expect("its place was checked");
        assert_eq!(tensor.to_f32().len(), tensor.shape.iter().product::<usize>());
    }
}

/// NumPy's archives, and every array that can be read.
pub fn npz(bytes: &[u8]) {
    let Ok(file) = Npz::open(&file("model.npz", bytes)) else { return };
    for tensor in file.names().filter_map(|name| file.tensor(name).ok()) {
        assert_eq!(tensor.values.len(), tensor.shape.iter().product::<usize>());
    }
}

/// Episodes of agents, as JSON lines and as NumPy's archives.
pub fn episodes(bytes: &[u8]) {
    for name in ["episodes.jsonl", "episodes.npz"] {
        let recipe = EpisodesRecipe { train: Some(Files::One(file(name, bytes))), ..EpisodesRecipe::default() };
        let Ok(Episodes { train, shape, .. }) = Episodes::open(&recipe, &()) else { continue };
        assert!(train.iter().all(|episode| shape.check(episode).is_ok()));
        let processor = TrajectoryProcessor::of(&train, shape.actions, 4);
        assert!(processor.problem().is_none_or(|problem| problem.contains("finite") || problem.contains("above 0")));
    }
}

/// Recipes, as `attentive train` reads them.
pub fn recipe(bytes: &[u8]) {
    if let Ok(recipe) = Recipe::load(file("recipe.toml", bytes)) {
        let resolved = file("resolved.toml", recipe.to_toml().as_bytes());
        Recipe::of_run(&resolved, &[]).expect("what was resolved is a recipe");
    }
}

/// SentencePiece's `.model`.
pub fn sentencepiece_model(bytes: &[u8]) {
    exercise(SentencePiece::from_model(&file("a.model", bytes)).map(Box::new));
}

/// Text for language models by lines, paragraphs and files, and labelled text.
pub fn text(bytes: &[u8]) {
    let path = file("a.txt", bytes);
    if is_large(&path) {
        return;
    }
    for unit in [DocumentUnit::Line, DocumentUnit::Paragraph, DocumentUnit::File] {
        let mut documents = TextFiles::new([&path], unit).documents();
        if documents.by_ref().all(|piece| piece.is_ok()) {
            let _ = documents.finish();
        }
    }
    let _ = LabeledText::read(&[&path], TsvLayout::default());
    let _ = LabeledText::read(&[&path], TsvLayout { header: true, ..TsvLayout::of_columns(3, 1) });
}

/// Token files: the ids of a corpus on disk. All but the magic, the key and the hash, which no bytes would hit by chance.
pub fn token_file(bytes: &[u8]) {
    /// Bytes of the magic and the key.
    const PREFIX: usize = 48;
    static WHOLE: OnceLock<(PathBuf, Vec<u8>)> = OnceLock::new();
    let corpus = || {
        let letters = |_: Side, text: &str| text.chars().map(|c| 3 + u32::from(c) % 50).collect();
        let cache = TokenCache::new(folder().join("cache"), "letters");
        let storage = Storage { memory_bytes: 0, cache: Some(cache) };
        let files = ParallelFiles::tsv([folder().join("two.tsv")]);
        EncodedCorpus::from_files(&files, &CorpusRules::default(), &storage, letters)
    };
    let (path, whole) = WHOLE.get_or_init(|| {
        file("two.tsv", b"ein Wort\ta word\nzwei\ttwo\n");
        corpus().expect("a corpus of two pairs");
        let mut files = fs::read_dir(folder().join("cache")).expect("the cache was made");
        let path = files.next().expect("a token file").expect("it can be read").path();
        let whole = fs::read(&path).expect("it can be read");
        (path, whole)
    });
    fs::write(path, [&whole[..PREFIX], &Sha256::digest(bytes), bytes].concat()).expect("room for a temporary file");
    if let Ok((corpus, _)) = corpus() {
        let specials = SpecialIds { pad: 0, bos: 1, eos: 2, source_end: 2 };
        let batcher = PairBatcher::new(corpus.into(), &BatchConfig::default(), specials, Order::Shuffled { seed: 1 });
        if let Ok(batcher) = batcher {
            let _ = batcher.epoch(0).try_for_each(|batch| batch.map(drop));
        }
    }
}

/// Bodies of requests to the server.
pub fn request(bytes: &[u8]) {
    attentive_serve::read_request(bytes);
}

/// Texts that the server cuts into sentences, which are all of a text, and pages whose tags stay.
pub fn page_text(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    assert_eq!(attentive_serve::read_text(&text, bytes.len() % 50), text);
    attentive_serve::read_page(&text);
}

/// `tokenizer.json` of every kind.
pub fn tokenizer_json(bytes: &[u8]) {
    exercise(attentive_tokenizer::load(&file("tokenizer.json", bytes)));
}

/// BERT's vocabulary.
pub fn vocabulary(bytes: &[u8]) {
    exercise(WordPiece::from_vocab(&file("vocab.txt", bytes), true).map(Box::new));
}
