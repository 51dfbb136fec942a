//! Folders of sentence-transformers: what stands around the model that makes vectors of texts.

use std::{
    collections::BTreeMap,
    path::{Component, Path, PathBuf},
};

use attentive_bundle::{Bundle, Dense, DenseActivation, EmbeddingConfig, Pooling};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::{
    InterchangeError, checkpoint, files,
    layout::zeros,
    reader::CONFIG,
    score::{self, SETTINGS},
    settings::is_unset,
    source::Source,
};

pub(crate) const MODULES: &str = "modules.json";
const POOLING_FOLDER: &str = "1_Pooling";

/// What the settings of the first module may be called.
const OF_TRANSFORMER: [&str; 7] = [
    "sentence_bert_config.json",
    "sentence_roberta_config.json",
    "sentence_distilbert_config.json",
    "sentence_camembert_config.json",
    "sentence_albert_config.json",
    "sentence_xlm-roberta_config.json",
    "sentence_xlnet_config.json",
];

/// The names that pooling has, and the switches that older files have in their place, in the order in which vectors are
/// put side by side.
const POOLING: [(&str, &str, Pooling); 6] = [
    ("cls", "pooling_mode_cls_token", Pooling::Cls),
    ("max", "pooling_mode_max_tokens", Pooling::Max),
    ("mean", "pooling_mode_mean_tokens", Pooling::Mean),
    ("mean_sqrt_len_tokens", "pooling_mode_mean_sqrt_len_tokens", Pooling::MeanSqrtLen),
    ("weightedmean", "pooling_mode_weightedmean_tokens", Pooling::WeightedMean),
    ("lasttoken", "pooling_mode_lasttoken", Pooling::LastToken),
];

/// The classes of PyTorch that may follow a dense layer; the path to them differs.
const ACTIVATIONS: [(&str, DenseActivation); 3] =
    [("Identity", DenseActivation::Identity), ("Tanh", DenseActivation::Tanh), ("ReLU", DenseActivation::Relu)];

/// A row of `modules.json`.
#[derive(Deserialize)]
struct Module {
    path: String,
    #[serde(rename = "type")]
    class: String,
}

/// What a folder of sentence-transformers says beside its model.
pub(crate) struct Sentences {
    /// Where the model is.
    pub(crate) folder: PathBuf,
    /// How vectors are made.
    pub(crate) embedding: EmbeddingConfig,
    /// The dense layers that vectors go through.
    pub(crate) dense: Vec<Dense>,
    /// What is not followed.
    pub(crate) notes: Vec<String>,
}

impl Sentences {
    /// Reads a folder, if it is one of sentence-transformers.
    ///
    /// # Errors
    /// [`InterchangeError::Unsupported`] lists modules and settings that can't be followed;
    /// [`InterchangeError::Damaged`], [`InterchangeError::Io`].
    pub(crate) fn read(folder: &Path) -> Result<Option<Self>, InterchangeError> {
        let path = folder.join(MODULES);
        let Some(modules) = modules(folder)? else { return Ok(None) };
        if let ([model], true) = (&modules[..], score::is_cross_encoder(folder)?)
            && kind(model) == "Transformer"
            && model.path.is_empty()
        {
            return Ok(None); // a classifier of pairs, which makes no vectors
        }
        let mut reading =
            Reading { folder, embedding: EmbeddingConfig::default(), dense: vec![], problems: vec![], notes: vec![] };
        reading.embedding.frame = true;
        let [model, pooling, others @ ..] = &modules[..] else {
            let problem = "there are fewer than two modules, a Transformer and its Pooling".to_owned();
            return Err(InterchangeError::Unsupported { path, problems: vec![problem] });
        };
        let place = folder.join(&model.path);
        reading.expect(model, &["Transformer"]);
        reading.transformer(&place)?;
        reading.expect(pooling, &["Pooling"]);
        reading.pooling(pooling)?;
        for module in others {
            match kind(module) {
                "Dense" if !reading.embedding.normalize => reading.dense(module)?,
                "Normalize" => reading.embedding.normalize = true,
                // Dropout changes nothing in use.
                _ => reading.expect(module, &["Dense, before Normalize", "Normalize", "Dropout"]),
            }
        }
        reading.settings()?;
        let Reading { embedding, dense, problems, notes, .. } = reading;
        match problems.is_empty() {
            true => Ok(Some(Self { folder: place, embedding, dense, notes })),
            false => Err(InterchangeError::Unsupported { path, problems }),
        }
    }
}

impl Sentences {
    /// Holds the dense layers against what they are given, of a model whose vectors have `d_model` numbers.
    ///
    /// # Errors
    /// [`InterchangeError::Mismatch`] names the first one that does not fit.
    pub(crate) fn check_widths(&self, d_model: usize, folder: &Path) -> Result<(), InterchangeError> {
        let mut given = d_model * self.embedding.pooling.len();
        for (n, Dense { weight, .. }) in self.dense.iter().enumerate() {
            let [to, from] = weight.shape[..] else { continue };
            if from != given {
                let problem = format!("dense layer {} takes {from} numbers, and is given {given}", n + 1);
                return Err(InterchangeError::misshapen(folder, vec![problem]));
            }
            given = to;
        }
        Ok(())
    }
}

/// The files of a folder, and of those in it, that its modules may have; none without modules.
///
/// # Errors
/// As [`Sentences::read`].
#[cfg(feature = "hub")]
pub(crate) fn files_of(folder: &Path) -> Result<Vec<String>, InterchangeError> {
    let inside = |module: Module| {
        let weights: &[&str] =
            if kind(&module) == "Dense" { &[checkpoint::SAFETENSORS, checkpoint::PICKLE] } else { &[] };
        let files = [CONFIG].into_iter().chain(weights.iter().copied()).filter(|_| !module.path.is_empty());
        files.map(|file| format!("{}/{file}", module.path)).collect::<Vec<_>>()
    };
    Ok(match modules(folder)? {
        Some(modules) => {
            let known = OF_TRANSFORMER.into_iter().chain([SETTINGS]).map(str::to_owned);
            known.chain(modules.into_iter().flat_map(inside)).collect()
        }
        None => Vec::new(),
    })
}

/// The modules of a folder, if it is one of sentence-transformers.
fn modules(folder: &Path) -> Result<Option<Vec<Module>>, InterchangeError> {
    let path = folder.join(MODULES);
    if !path.is_file() {
        return Ok(None);
    }
    let modules: Vec<Module> = files::read_json(&path)?;
    for module in &modules {
        if Path::new(&module.path).components().any(|part| !matches!(part, Component::Normal(_))) {
            let problem = format!("path is {:?}; it must be a folder in this one", module.path);
            return Err(InterchangeError::damaged(&path)(problem));
        }
    }
    Ok(Some(modules))
}

/// Writes what stands around an encoder in a folder; tells what could not be expressed.
///
/// # Errors
/// [`InterchangeError::Io`].
pub(crate) fn write(bundle: &Bundle, folder: &Path) -> Result<Vec<String>, InterchangeError> {
    let EmbeddingConfig { pooling, frame, dense, normalize, max_len, lowercase, prompts, prompt, pool_prompt } =
        &bundle.embedding;
    let layers = dense.iter().map(|_| "Dense").chain(normalize.then_some("Normalize"));
    let classes: Vec<&str> = ["Transformer", "Pooling"].into_iter().chain(layers).collect();
    let place = |idx: usize| if idx == 0 { String::new() } else { format!("{idx}_{}", classes[idx]) };
    let module = |(idx, class): (usize, &&str)| {
        json!({ "idx": idx, "name": format!("{idx}"), "path": place(idx),
                "type": format!("sentence_transformers.models.{class}") })
    };
    files::write_json(&folder.join(MODULES), &classes.iter().enumerate().map(module).collect::<Vec<_>>())?;
    for (idx, (activation, Dense { weight, bias })) in (2..).zip(dense.iter().zip(&bundle.dense)) {
        let folder = folder.join(place(idx));
        let name = ACTIVATIONS.iter().find(|(_, known)| known == activation).map(|(name, _)| *name);
        let place = if *activation == DenseActivation::Identity { "linear" } else { "activation" };
        files::make_folder(&folder)?;
        let config = json!({
            "in_features": weight.shape[1],
            "out_features": weight.shape[0],
            "bias": true,
            "activation_function": name.map(|name| format!("torch.nn.modules.{place}.{name}")),
        });
        files::write_json(&folder.join(CONFIG), &config)?;
        let tensors = [("linear.weight", weight), ("linear.bias", bias)];
        let tensors = tensors.map(|(name, tensor)| (name.to_owned(), tensor.clone())).into();
        attentive_weights::write(&folder.join(checkpoint::SAFETENSORS), &tensors, &BTreeMap::new())?;
    }
    let mut of_pooling = Map::from_iter([
        ("word_embedding_dimension".to_owned(), json!(bundle.model.d_model())),
        ("include_prompt".to_owned(), json!(pool_prompt)),
    ]);
    let switched = POOLING.into_iter().filter(|(.., way)| pooling.contains(way)).map(|(.., way)| way);
    if switched.eq(pooling.iter().copied()) {
        of_pooling.extend(POOLING.map(|(_, switch, way)| (switch.to_owned(), json!(pooling.contains(&way)))));
    } else {
        // Switches have one order.
        let name = |way: &Pooling| POOLING.iter().find(|(.., known)| known == way).map(|(name, ..)| *name);
        of_pooling.insert("pooling_mode".into(), json!(pooling.iter().map(name).collect::<Vec<_>>()));
    }
    files::make_folder(&folder.join(POOLING_FOLDER))?;
    files::write_json(&folder.join(POOLING_FOLDER).join(CONFIG), &of_pooling)?;
    let mut of_text = Map::from_iter([("do_lower_case".to_owned(), json!(lowercase))]);
    of_text.extend(max_len.map(|max_len| ("max_seq_length".to_owned(), json!(max_len))));
    files::write_json(&folder.join(OF_TRANSFORMER[0]), &of_text)?;
    files::write_json(&folder.join(SETTINGS), &json!({ "prompts": prompts, "default_prompt_name": prompt }))?;
    let note = "embedding.frame = false is left out: sentence-transformers pools the frame of a text too";
    Ok((!frame).then(|| note.to_owned()).into_iter().collect())
}

/// The class of a module, if it is one of the library's.
fn kind(module: &Module) -> &str {
    let is_own = module.class.starts_with("sentence_transformers.");
    module.class.rsplit('.').next().filter(|_| is_own).unwrap_or_default()
}

/// A folder that is read.
struct Reading<'a> {
    folder: &'a Path,
    embedding: EmbeddingConfig,
    dense: Vec<Dense>,
    problems: Vec<String>,
    notes: Vec<String>,
}

impl Reading<'_> {
    /// Notes a module that is not of one of these classes.
    fn expect(&mut self, module: &Module, kinds: &[&str]) {
        if !kinds.contains(&kind(module)) {
            let Module { path, class } = module;
            self.problems.push(format!("the module {path:?} is {class}; what can stand there is {}", kinds.join(", ")));
        }
    }

    /// The settings of the first module.
    fn transformer(&mut self, folder: &Path) -> Result<(), InterchangeError> {
        let Some(name) = OF_TRANSFORMER.into_iter().find(|name| folder.join(name).is_file()) else { return Ok(()) };
        for (key, value) in files::read_json::<Map<String, Value>>(&folder.join(name))? {
            let is_followed = match &*key {
                "max_seq_length" => {
                    let max_len = value.as_u64().and_then(|n| usize::try_from(n).ok());
                    self.embedding.max_len = max_len;
                    max_len.is_some_and(|max_len| max_len >= 2)
                }
                "do_lower_case" => {
                    self.embedding.lowercase = value == true;
                    value.is_boolean()
                }
                "transformer_task" => value == "feature-extraction",
                "module_output_name" => value == "token_embeddings",
                "modality_config" => {
                    value["text"]["method"] == "forward" && value["text"]["method_output_name"] == "last_hidden_state"
                }
                "unpad_inputs" => true,
                _ => false,
            };
            if !is_followed && !is_unset(&value) {
                self.problems.push(format!("{name}: {key} is {value}, which is not followed here"));
            }
        }
        Ok(())
    }

    /// The settings of pooling.
    fn pooling(&mut self, module: &Module) -> Result<(), InterchangeError> {
        let name = format!("{}/{CONFIG}", module.path);
        let path = self.folder.join(&name);
        let config: Map<String, Value> = if path.is_file() { files::read_json(&path)? } else { Map::new() };
        let modes: Vec<&Value> = match config.get("pooling_mode") {
            Some(Value::Array(modes)) => modes.iter().collect(),
            Some(mode) => vec![mode],
            None => Vec::new(),
        };
        self.embedding.pooling.clear();
        for mode in &modes {
            match POOLING.iter().find(|(known, ..)| mode == known) {
                Some(&(.., pooling)) => self.embedding.pooling.push(pooling),
                None => {
                    let known = POOLING.map(|(known, ..)| known).join(", ");
                    self.problems.push(format!("{name}: pooling_mode has {mode}; there are {known}"));
                }
            }
        }
        for (_, switch, pooling) in POOLING.into_iter().filter(|_| modes.is_empty()) {
            self.embedding.pooling.extend(config.get(switch).filter(|on| *on == true).map(|_| pooling));
        }
        if self.embedding.pooling.is_empty() {
            self.embedding.pooling.push(Pooling::Mean);
        }
        self.embedding.pool_prompt = config.get("include_prompt").is_none_or(|include| include != false);
        let is_known = |key: &str| {
            let others = ["pooling_mode", "include_prompt", "word_embedding_dimension", "embedding_dimension"];
            others.contains(&key) || POOLING.iter().any(|(_, switch, _)| *switch == key)
        };
        for (key, value) in config.iter().filter(|(key, value)| !is_known(key) && **value != false && !is_unset(value))
        {
            self.problems.push(format!("{name}: {key} is {value}, which is not followed here"));
        }
        Ok(())
    }

    /// A dense layer.
    fn dense(&mut self, module: &Module) -> Result<(), InterchangeError> {
        let name = format!("{}/{CONFIG}", module.path);
        let config: Map<String, Value> = files::read_json(&self.folder.join(&name))?;
        let is_usual = |(key, value): (&String, &Value)| match key.as_str() {
            "in_features" | "out_features" | "bias" | "activation_function" => true,
            "module_input_name" | "module_output_name" => value == "sentence_embedding" || value.is_null(),
            _ => *value == false || is_unset(value),
        };
        for (key, value) in config.iter().filter(|&setting| !is_usual(setting)) {
            self.problems.push(format!("{name}: {key} is {value}, which is not followed here"));
        }
        let activation = config.get("activation_function").and_then(Value::as_str).unwrap_or("torch.nn.Tanh");
        let known = ACTIVATIONS.iter().find(|(theirs, _)| activation.rsplit('.').next() == Some(theirs));
        match known.filter(|_| activation.starts_with("torch.nn.")) {
            Some(&(_, ours)) => self.embedding.dense.push(ours),
            None => {
                let known = ACTIVATIONS.map(|(theirs, _)| theirs).join(", ");
                self.problems.push(format!("{name}: activation_function is {activation:?}; there are {known}"));
            }
        }
        let mut source = Source::open(&self.folder.join(&module.path), str::to_owned)?;
        let weight = source.tensor("linear.weight")?;
        let width = weight.shape.first().copied().unwrap_or(0);
        let bias = match source.has("linear.bias") {
            true => source.tensor("linear.bias")?,
            false => zeros(&[width]),
        };
        let place = self.folder.join(&module.path);
        if weight.shape.len() != 2 || weight.values.is_empty() || bias.shape != [width] {
            let found = format!("linear.weight is {:?} and linear.bias {:?}", weight.shape, bias.shape);
            return Err(InterchangeError::damaged(&place)(found));
        }
        for (key, found) in [("out_features", width), ("in_features", weight.shape[1])] {
            if let Some(wanted) = config.get(key).filter(|wanted| wanted.as_u64() != Some(found as u64)) {
                let problem = format!("{key} is {wanted} by {CONFIG}, and linear.weight is {:?}", weight.shape);
                return Err(InterchangeError::damaged(&place)(problem));
            }
        }
        for (name, tensor) in [("linear.weight", &weight), ("linear.bias", &bias)] {
            let tensors = [(format!("{}/{name}", module.path), tensor.clone())].into();
            attentive_weights::check_finite(&tensors)?;
        }
        self.dense.push(Dense { weight, bias });
        Ok(())
    }

    /// The settings of all modules together.
    fn settings(&mut self) -> Result<(), InterchangeError> {
        #[derive(Default, Deserialize)]
        #[serde(default)]
        struct Settings {
            model_type: Option<String>,
            prompts: BTreeMap<String, String>,
            default_prompt_name: Option<String>,
            similarity_fn_name: Option<String>,
            truncate_dim: Option<usize>,
        }
        let path = self.folder.join(SETTINGS);
        if !path.is_file() {
            return Ok(());
        }
        let Settings { model_type, prompts, default_prompt_name, similarity_fn_name, truncate_dim } =
            files::read_json(&path)?;
        if let Some(model_type) = model_type.filter(|model_type| model_type != "SentenceTransformer") {
            self.problems.push(format!("{SETTINGS}: model_type is {model_type:?}; here it is \"SentenceTransformer\""));
        }
        if let Some(dim) = truncate_dim {
            self.problems.push(format!("{SETTINGS}: truncate_dim is {dim}; vectors are not cut here"));
        }
        // Of vectors of length 1, products are cosines.
        let is_cosine = |name: &str| name == "cosine" || name == "dot" && self.embedding.normalize;
        if let Some(name) = similarity_fn_name.filter(|name| !is_cosine(name)) {
            self.notes.push(format!("{SETTINGS}: similarity_fn_name is {name:?}; `similar` compares by cosine"));
        }
        self.embedding.prompt = default_prompt_name.filter(|name| {
            let is_known = prompts.contains_key(name);
            if !is_known {
                self.notes.push(format!(
                    "{SETTINGS}: there is no prompt {name:?}, default_prompt_name: none is put before texts"
                ));
            }
            is_known
        });
        self.embedding.prompts = prompts;
        Ok(())
    }
}
