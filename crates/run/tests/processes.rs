//! A run that several processes, here threads, train: the folder of one, written by the first; and what may change on the way.

use std::{cell::RefCell, collections::BTreeMap, fs, ops::ControlFlow, path::Path, rc::Rc};

use attentive_backend::BackendKind;
use attentive_collective::{Alone, Collective, Threads};
use attentive_run::{Ended, Recipe, Result, Run, TrainOptions};
use attentive_task::{
    Log, Resizable, TaskVisitor,
    config::{RunRecipe, TaskRecipe},
    prepare,
};
use attentive_trainer::Event;

/// Writes a corpus, and a recipe whose updates have four micro-batches.
fn write(folder: &Path) {
    let pair = |i: usize| format!("{0}\t{0}\n", ["ab cd", "ef", "gh ab ef", "cd"][i % 4]);
    fs::write(folder.join("pairs.tsv"), (0..60).map(pair).collect::<String>()).unwrap();
    let recipe = "[data.train]\ntsv = 'pairs.tsv'\n[data.validation]\ntsv = 'pairs.tsv'\n[tokenizer]\nmerges = 5\n
        [model]\nd_model = 16\nd_ff = 32\nn_heads = 2\nn_encoder_layers = 1\nn_decoder_layers = 1\n
        [batch]\nmax_tokens = 64\n[schedule]\nkind = 'constant'\nlr = 1e-3\n
        [training]\nsteps = 6\naccumulate = 4\nvalidate_every = 3\ncheckpoint_every = 2\n[evaluation]\nbleu_sentences = 2\n";
    fs::write(folder.join("recipe.toml"), format!("name = 'run'\n{recipe}")).unwrap();
}

fn recipe(folder: &Path, settings: &[&str]) -> Recipe {
    Recipe::load(folder.join("recipe.toml")).unwrap().with(settings).unwrap()
}

/// What each of `size` processes makes of `work`.
fn each<R: Send>(size: usize, work: impl Fn(Rc<dyn Collective>) -> R + Sync) -> Vec<R> {
    Threads::each(size, |peer| work(Rc::new(peer)))
}

fn train(run: Run) -> Result<Ended> {
    run.train(&BackendKind::Flex.device().unwrap(), TrainOptions::default())
}

/// Every file of a run but for times and process ids.
fn files(run: &Path) -> BTreeMap<String, Vec<u8>> {
    let (mut files, mut folders) = (BTreeMap::new(), vec![run.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(run).unwrap().display().to_string();
            let has_times =
                ["clock.toml", "lock", "metrics.jsonl", "training.json"].iter().any(|end| name.ends_with(end));
            match path.is_dir() {
                true => folders.push(path),
                false if has_times => {}
                false => drop(files.insert(name, fs::read(path).unwrap())),
            }
        }
    }
    files
}

#[test]
fn the_folder_is_that_of_one_process() {
    let folder = tempfile::tempdir().unwrap();
    let runs = |size: usize| folder.path().join(format!("runs-{size}"));
    write(folder.path());
    let recipe = || recipe(folder.path(), &[]);
    train(Run::create(runs(1), recipe()).unwrap()).unwrap();
    let expected = files(&runs(1).join("run-1"));
    assert!(expected.contains_key("model.safetensors"));
    for size in [2, 4] {
        let ends = each(size, |peers| train(Run::create_among(peers, runs(size), recipe()).unwrap()).unwrap());
        for end in ends {
            assert!(matches!(end, Ended::Finished { folder, .. } if folder == runs(size).join("run-1")));
        }
        assert!(!runs(size).join("run-2").exists());
        let found = files(&runs(size).join("run-1"));
        let differing = expected.iter().filter(|(name, bytes)| found.get(*name) != Some(bytes)).map(|(name, _)| name);
        assert_eq!((differing.collect::<Vec<_>>(), found.len()), (Vec::new(), expected.len()));
        // Resumed by one more, it has nothing to do, and does it.
        each(3, |peers| train(Run::resume_among(peers, runs(size).join("run-1"), &[]).unwrap()).unwrap());
        assert!(files(&runs(size).join("run-1")) == expected);
    }
}

/// What is computed again may change when a run goes on, and leaves the same weights; how gradients travel may not.
#[test]
fn a_run_goes_on_with_layers_that_run_again() {
    let folder = tempfile::tempdir().unwrap();
    let runs = |name: &str| folder.path().join(name);
    write(folder.path());
    train(Run::create(runs("whole"), recipe(folder.path(), &[])).unwrap()).unwrap();
    let mut stop = |event: &Event<'_>| match event {
        Event::Step(report) if report.step == 3 => ControlFlow::Break(()),
        _ => ControlFlow::Continue(()),
    };
    let run = Run::create(runs("parts"), recipe(folder.path(), &[])).unwrap();
    let options = TrainOptions { callbacks: vec![&mut stop], ..TrainOptions::default() };
    let ended = run.train(&BackendKind::Flex.device().unwrap(), options).unwrap();
    assert!(matches!(ended, Ended::Stopped { step: 3, .. }));
    let parts = runs("parts").join("run-1");
    let refused = Run::resume(&parts, &["training.exchange=bf16".into()]).unwrap_err().to_string();
    assert!(refused.contains("training.exchange can't change"), "{refused}");
    train(Run::resume(&parts, &["training.recompute=layers".into()]).unwrap()).unwrap();
    assert!(fs::read_to_string(parts.join("config.toml")).unwrap().contains("recompute = \"layers\""));
    let [expected, found] = [&runs("whole").join("run-1"), &parts].map(|run| files(run));
    let weights = expected.keys().filter(|name| name.ends_with(".safetensors")).collect::<Vec<_>>();
    assert!(weights.len() > 3 && weights.iter().all(|name| found.get(*name) == expected.get(*name)), "{weights:?}");
}

#[test]
fn several_directions_are_shared_as_one_is() {
    let folder = tempfile::tempdir().unwrap();
    let runs = |size: usize| folder.path().join(format!("runs-{size}"));
    write(folder.path());
    let languages = ["data.source_language=a", "data.target_language=b", "data.directions=both", "data.temperature=3"];
    let recipe = || recipe(folder.path(), &languages);
    train(Run::create(runs(1), recipe()).unwrap()).unwrap();
    each(2, |peers| train(Run::create_among(peers, runs(2), recipe()).unwrap()).unwrap());
    let [alone, shared] = [1, 2].map(|size| files(&runs(size).join("run-1")));
    let differing = alone.iter().filter(|(name, bytes)| shared.get(*name) != Some(bytes)).map(|(name, _)| name);
    assert_eq!((differing.collect::<Vec<_>>(), shared.len()), (Vec::new(), alone.len()));
}

#[test]
fn other_recipes_and_files_are_refused_by_name_and_leave_nothing() {
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    folders.iter().for_each(|folder| write(folder.path()));
    let runs = folders[0].path().join("runs");
    let refused = |other: &(dyn Fn(&Path) -> Recipe + Sync)| -> Vec<String> {
        each(2, |peers| {
            let folder = folders[peers.rank()].path();
            let recipe = if peers.rank() == 0 { recipe(folder, &[]) } else { other(folder) };
            let trained = Run::create_among(peers, &runs, recipe).and_then(train);
            attentive_task::with_causes(&trained.unwrap_err())
        })
    };
    let seed = refused(&|folder| recipe(folder, &["training.seed=2"]));
    assert!(seed.iter().all(|error| error.contains("process 1 of 2 has another setting training.seed")), "{seed:?}");
    let data = refused(&|folder| {
        let recipe = recipe(folder, &[]);
        fs::write(folder.join("pairs.tsv"), "ab\tab\n".repeat(60)).unwrap();
        recipe
    });
    assert!(data.iter().all(|error| error.contains("process 1 of 2 has another train data in")), "{data:?}");
    let absent = refused(&|folder| {
        let recipe = recipe(folder, &[]);
        fs::remove_file(folder.join("pairs.tsv")).unwrap();
        recipe
    });
    assert!(absent[0].starts_with("process 1 of 2: ") && absent[0].contains("pairs.tsv"), "{absent:?}");
    assert!(absent[1].contains("pairs.tsv") && !absent[1].contains("process"), "{absent:?}");
    let few = each(5, |peers| Run::create_among(peers, &runs, recipe(folders[0].path(), &[])).unwrap_err().to_string());
    assert!(few.iter().all(|error| error.contains("training.accumulate")), "{few:?}");
    assert!(!runs.join("run-1").exists());
}

/// Recipes of all that is validated and scored by shares: translations, losses, guesses, distances, classes, transcriptions.
const TASKS: [&str; 8] = [
    "data.train.tsv = 'pairs.tsv'\ndata.validation.tsv = 'pairs.tsv'\ndata.test.tsv = 'test.tsv'\n
        tokenizer.merges = 5\nbatch.max_tokens = 64\nevaluation.bleu_sentences = 7\n
        [model]\nd_model = 16\nd_ff = 32\nn_heads = 2\nn_encoder_layers = 1\nn_decoder_layers = 1\n
        positions = { learned = { max_len = 12 } }\n",
    "task = 'causal-lm'\ndata.train.text = 'text.txt'\ndata.validation.text = 'text.txt'\ntokenizer.kind = 'bytes'\n
        batch = { context = 40, rows = 3 }\ngeneration.max_tokens = 5\n
        [model]\npreset = 'gpt-2'\nd_model = 16\nd_ff = 32\nn_heads = 2\nn_layers = 1\n",
    "task = 'masked-lm'\ndata.train.text = 'text.txt'\ndata.validation.text = 'text.txt'\n
        tokenizer = { kind = 'wordpiece', vocab_size = 60 }\nbatch = { context = 16, rows = 3, examples = 'full-sentences' }\n
        [model]\nd_model = 16\nd_ff = 32\nn_heads = 2\nn_layers = 1\nnext_sentence = false\n",
    "task = 'masked-lm'\ndata.train.text = 'text.txt'\ndata.validation.text = 'text.txt'\n
        tokenizer = { kind = 'wordpiece', vocab_size = 60 }\nbatch = { context = 16, rows = 3, examples = 'full-sentences' }\n
        objective = { kind = 'data2vec', tau = 0.9, tau_end = 0.99, tau_steps = 4 }\n
        [model]\nd_model = 16\nd_ff = 32\nn_heads = 2\nn_layers = 2\nmasked_lm = false\nnext_sentence = false\n
        pooler = false\n",
    "task = 'span-corruption'\ndata.train.text = 'text.txt'\ndata.validation.text = 'text.txt'\ntokenizer.kind = 'bytes'\n
        batch = { context = 40, rows = 3 }\ncorruption.mean_span = 4.0\n
        [model]\npreset = 'byt5-small'\nd_model = 32\nd_ff = 48\nn_heads = 2\nd_k = 16\nd_v = 16\n
        n_encoder_layers = 1\nn_decoder_layers = 1\n",
    "task = 'classification'\ndata.train.tsv = 'classes.tsv'\ndata.validation.tsv = 'classes.tsv'\n
        data.test.tsv = 'classes.tsv'\ntokenizer = { kind = 'wordpiece', vocab_size = 60 }\n
        batch = { context = 10, rows = 3 }\n[model]\nd_model = 16\nd_ff = 32\nn_heads = 2\nn_layers = 1\n",
    "task = 'speech-recognition'\ndata.morse = { sizes = [8, 7, 5], sound = { seconds = 1.0 } }\nbatch.rows = 2\n
        features = { sampling_rate = 4000, n_fft = 128, hop_length = 64, n_mels = 8, window_seconds = 1.0 }\n
        tokenizer.kind = 'characters'\nevaluation.transcribed = 5\n
        [model]\nd_model = 16\nd_ff = 32\nn_heads = 2\nn_encoder_layers = 1\nn_decoder_layers = 1\n",
    "task = 'trajectories'\ndata.episodes = 12\nbatch = { context = 2, rows = 3 }\nevaluation.episodes = 0\n
        [model]\npreset = 'decision-transformer'\nd_model = 4\nd_ff = 4\nn_layers = 1\n",
];

/// Lines that a process says.
#[derive(Default)]
struct Said(RefCell<Vec<String>>);

impl Log for Said {
    fn line(&self, line: &str) {
        self.0.borrow_mut().push(line.to_owned());
    }
}

/// Validates and scores a model with initial weights; tells the bits of all numbers by name, and what was said.
struct Scoring(Rc<dyn Collective>);

impl TaskVisitor for Scoring {
    type Output = (Vec<(String, u64)>, Vec<String>);

    fn visit<T: Resizable>(self, task: T, run: &mut RunRecipe, _: &mut TaskRecipe) -> Result<Self::Output> {
        let (said, seed) = (Said::default(), run.training.seed);
        let model = || task.init(&BackendKind::Flex.device().unwrap(), seed, &());
        let mut evaluate = task.evaluator(&*self.0, &said).unwrap();
        let validation = evaluate.evaluate(&model()?).unwrap();
        drop(evaluate);
        let mut numbers = vec![("nll".to_owned(), validation.nll_nats), ("quality".to_owned(), validation.quality())];
        numbers.extend(validation.scores);
        let scores = task.score(model()?, &*self.0, &said)?;
        numbers.extend(scores.into_iter().map(|score| (format!("{} {}", score.split, score.metric), score.value)));
        let bits = numbers.into_iter().map(|(name, value)| (name, value.to_bits())).collect();
        Ok((bits, said.0.into_inner()))
    }
}

/// Whatever the number of processes, also one that is no power of two; process 0 says what one alone says.
#[test]
fn validation_and_scores_are_those_of_one_process() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path());
    let words = ["old", "wide", "tired", "red", "small", "late"];
    let sentence = |i: usize| format!("the {} fox sees the {} hen {}", words[i % 6], words[i / 6 % 6], words[i % 5]);
    let text: Vec<String> = (0..40).map(sentence).collect();
    fs::write(folder.path().join("text.txt"), text.join("\n") + "\n").unwrap();
    let class = |(i, text): (usize, &String)| format!("{text}\t{}\n", ["up", "down"][i * i % 3 % 2]);
    fs::write(folder.path().join("classes.tsv"), text.iter().enumerate().map(class).collect::<String>()).unwrap();
    let long = "ab cd ".repeat(9) + "ef";
    let pair = |i: usize| format!("{0}\t{0}\n", ["ab cd", "ef", "gh ab", long.as_str()][i % 4]);
    fs::write(folder.path().join("test.tsv"), (0..7).map(pair).collect::<String>()).unwrap();
    for task in TASKS {
        let rest = "schedule = { kind = 'constant', lr = 1e-3 }\ntraining = { steps = 1 }\n";
        fs::write(folder.path().join("recipe.toml"), format!("name = 'run'\n{rest}{task}")).unwrap();
        let scored = |peers: Rc<dyn Collective>| {
            let Recipe { mut run, mut task, .. } = recipe(folder.path(), &[]);
            prepare(&mut run, &mut task, None, None, &(), Scoring(peers)).unwrap()
        };
        let (numbers, said) = scored(Rc::new(Alone));
        let is_translation = task.contains("bleu_sentences");
        assert_eq!(said.iter().any(|line| line.contains("sentence 4 has")), is_translation, "{said:?}");
        for size in 2..=4 {
            let found = each(size, scored);
            for (rank, (found, _)) in found.iter().enumerate() {
                assert_eq!(*found, numbers, "{task}process {rank} of {size}");
            }
            assert_eq!(found[0].1, said, "{task}{size} processes");
        }
    }
}
