//! The Transformer of "Attention Is All You Need" and its descendants, from raw text to a model in use.
//!
//! Translate with a model that was trained before:
//!
//! ```no_run
//! use attentive::prelude::*;
//!
//! let device = BackendKind::Flex.device()?;
//! let bundle = Bundle::read("runs/latest")?;
//! let translator = Translator::from_bundle(&bundle, &device, None)?;
//! for translation in translator.translate(&["A man sleeps.", "The animal was tired."], &bundle.decoding)? {
//!     println!("{}", translation.text);
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Train a translator on the built-in English–German corpus; after a kill, `Run::resume("runs/latest", &[])` goes on:
//!
//! ```no_run
//! use attentive::prelude::*;
//!
//! let device = BackendKind::Flex.device()?;
//! let run = Run::create("runs", Recipe::builtin()?.set("training.steps", 1000)?)?;
//! let bundle = run.train(&device, Progress::to(std::io::stderr()).options())?.bundle()?;
//! for score in &bundle.record.scores {
//!     println!("{} {} {:.2}", score.split, score.metric, score.value);
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Which crate for what
//!
//! Each module is a crate that can be used alone, and [`prelude`] holds what most programs name.
//!
//! | for | module |
//! |---|---|
//! | training by a recipe, resuming, runs and their folders | [`run`] |
//! | what is learnt from what: translation, language modelling, hidden tokens, hidden spans, classes of texts and pictures | [`task`] |
//! | a trained model in use: translator, generator, conversation, encoder of texts or pictures | [`bundle`] |
//! | text to ids and back, vocabularies | [`tokenizer`] |
//! | BLEU, chrF, TER, significance, perplexity | [`metrics`] |
//! | models of other systems, in and out | [`interchange`] |
//! | what a model does inside | [`inspect`] |
//! | Transformer, GPT, BERT, CANINE, ViT, T5, RNN: configurations, presets, objectives | [`model`] |
//! | layers: attention, positions, feed-forward, norms | [`attention`] |
//! | a training loop of your own, checkpoints, divergence | [`trainer`], [`optim`] |
//! | processes that train together | [`collective`] |
//! | pictures: files, sizes, random changes, MNIST and CIFAR | [`vision`] |
//! | corpora, batches, contexts | [`data`], and the built-in one, [`corpus`] |
//! | audio files, spectrograms | [`speech`] |
//! | greedy search, beam search, sampling over any model | [`decode`] |
//! | what an agent acts in: CartPole, a grid world | [`environments`] |
//! | models in use on a CPU, in f32 or 4 to 8 bits | [`engine`] |
//! | parameters by name, safetensors | [`weights`] |
//! | devices and operations; CPU kernels | [`backend`], [`kernels`] |
//! | curves of runs | [`plot`] |
//! | the paper's tables and figures, made again | [`paper`] |
//! | the nouns where crates meet | [`core`] |
//!
//! # Features
//!
//! `flex` (the default, the CPU), `ndarray`, `wgpu` and `cuda` choose the backends that are compiled in, `hub` reads models
//! from the hub, `serve` has the server, and `mpi` trains by several processes. Tensors are burn's, which is [`burn`] here, so that a program has the same version of it.
#![recursion_limit = "256"]

mod progress;

pub use attentive_attention as attention;
pub use attentive_backend as backend;
pub use attentive_bundle as bundle;
pub use attentive_collective as collective;
pub use attentive_core as core;
pub use attentive_corpus as corpus;
pub use attentive_data as data;
pub use attentive_decode as decode;
pub use attentive_engine as engine;
pub use attentive_environments as environments;
pub use attentive_inspect as inspect;
pub use attentive_interchange as interchange;
pub use attentive_kernels as kernels;
pub use attentive_metrics as metrics;
pub use attentive_model as model;
pub use attentive_optim as optim;
pub use attentive_paper as paper;
pub use attentive_plot as plot;
pub use attentive_run as run;
#[cfg(feature = "serve")]
pub use attentive_serve as serve;
pub use attentive_speech as speech;
pub use attentive_task as task;
pub use attentive_tokenizer as tokenizer;
pub use attentive_trainer as trainer;
pub use attentive_vision as vision;
pub use attentive_weights as weights;
pub use burn;
pub use progress::Progress;

/// What most programs name: `use attentive::prelude::*`.
pub mod prelude {
    pub use attentive_backend::{BackendKind, Device};
    pub use attentive_bundle::{
        AnswerConfig, Bundle, Chat, Conversation, DecodingConfig, Denoiser, EmbeddingConfig, GenerationConfig,
        Generator, ImageEncoder, Message, Pair, Policy, Pooling, SpanFiller, TaggingConfig, TextEncoder, Transcriber,
        TranscriptionConfig, Translation, Translator,
    };
    pub use attentive_decode::SamplingConfig;
    pub use attentive_metrics::{Bleu, Chrf, Scorer, Ter};
    pub use attentive_model::{ModelConfig, ModelSpec};
    pub use attentive_run::{Ended, Recipe, Run, TrainOptions};
    pub use attentive_task::Log;
    pub use attentive_tokenizer::{TokenId, Tokenizer};
    pub use attentive_trainer::{Callback, Event};

    pub use crate::Progress;
}

/// The programs of the repository's pages, which a package does not hold, compiled with the tests of documentation.
#[cfg(doctest)]
mod pages {
    macro_rules! pages {
        ($($name:ident: $path:literal,)+) => {
            $(#[doc = include_str!(concat!("../../../", $path))] mod $name {})+
        };
    }

    pages! {
        readme: "README.md",
        guide_add_a_family: "docs/guide/add-a-family.md",
        guide_annotated: "docs/guide/annotated.md",
        guide_chat: "docs/guide/chat.md",
        guide_crates: "docs/guide/crates.md",
        guide_data2vec: "docs/guide/data2vec.md",
        guide_decode: "docs/guide/decode.md",
        guide_encoders: "docs/guide/encoders.md",
        guide_evaluate: "docs/guide/evaluate.md",
        guide_adapt: "docs/guide/adapt.md",
        guide_fine_tune: "docs/guide/fine-tune.md",
        guide_gpu: "docs/guide/gpu.md",
        guide_import: "docs/guide/import.md",
        guide_inspect: "docs/guide/inspect.md",
        guide_language_models: "docs/guide/language-models.md",
        guide_many_machines: "docs/guide/many-machines.md",
        guide_own_layer: "docs/guide/own-layer.md",
        guide_paper: "docs/guide/paper.md",
        guide_reinforcement_learning: "docs/guide/reinforcement-learning.md",
        guide_serve: "docs/guide/serve.md",
        guide_speech: "docs/guide/speech.md",
        guide_tokenizers: "docs/guide/tokenizers.md",
        guide_train: "docs/guide/train.md",
        guide_vision: "docs/guide/vision.md",
        readme_attention: "crates/attention/README.md",
        readme_attentive: "crates/attentive/README.md",
        readme_backend: "crates/backend/README.md",
        readme_bundle: "crates/bundle/README.md",
        readme_collective: "crates/collective/README.md",
        readme_core: "crates/core/README.md",
        readme_corpus: "crates/corpus/README.md",
        readme_data: "crates/data/README.md",
        readme_decode: "crates/decode/README.md",
        readme_engine: "crates/engine/README.md",
        readme_environments: "crates/environments/README.md",
        readme_inspect: "crates/inspect/README.md",
        readme_interchange: "crates/interchange/README.md",
        readme_kernels: "crates/kernels/README.md",
        readme_metrics: "crates/metrics/README.md",
        readme_model: "crates/model/README.md",
        readme_optim: "crates/optim/README.md",
        readme_paper: "crates/paper/README.md",
        readme_plot: "crates/plot/README.md",
        readme_run: "crates/run/README.md",
        readme_serve: "crates/serve/README.md",
        readme_speech: "crates/speech/README.md",
        readme_task: "crates/task/README.md",
        readme_testkit: "crates/testkit/README.md",
        readme_tokenizer: "crates/tokenizer/README.md",
        readme_trainer: "crates/trainer/README.md",
        readme_vision: "crates/vision/README.md",
        readme_weights: "crates/weights/README.md",
    }
}
