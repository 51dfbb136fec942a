//! What is known of a model without using it.

use attentive_bundle::{Bundle, SharedParams};
use attentive_data::Language;
use attentive_model::Role;
use serde_json::Value;

use crate::{ServeError, config::ModelSource};

/// What is known of a model.
#[derive(Debug, Clone)]
pub(crate) struct Facts {
    /// `translation`, `language-model`, `masked-lm`, `classification`, `token-classification`, `question-answering`, `rerank`
    /// or `embedding`.
    pub(crate) kind: &'static str,
    pub(crate) family: &'static str,
    /// The commands of `attentive` that use it.
    pub(crate) uses: Vec<&'static str>,
    /// Of all models that decide together.
    pub(crate) n_parameters: usize,
    /// Models that decide together.
    pub(crate) n_models: usize,
    pub(crate) languages: Option<Languages>,
    /// Layers of encoder and decoder.
    pub(crate) layers: [usize; 2],
    pub(crate) heads: usize,
    pub(crate) max_len: Option<usize>,
    pub(crate) width: usize,
    /// Whether it was trained on the built-in corpus, from English.
    pub(crate) is_builtin: bool,
    /// Seconds since 1970 at which it was loaded.
    pub(crate) loaded_at: u64,
}

/// The languages of a translation model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Languages {
    pub(crate) source: Vec<String>,
    pub(crate) target: Vec<String>,
    /// Whether the model is told them.
    pub(crate) are_told: bool,
    /// Whether it has to be told those of sources.
    pub(crate) are_sources_told: bool,
    /// Whether sources may be in others too.
    pub(crate) are_open: bool,
}

/// A language that is not known, as BCP 47 has it.
const UNDETERMINED: &str = "und";

/// What the record of training data calls the built-in corpus.
const BUILTIN: &str = "built-in";

impl Facts {
    pub(crate) fn of(bundle: &Bundle<SharedParams>, source: &ModelSource) -> Result<Self, ServeError> {
        let uses = bundle.uses();
        let kind = match bundle.model.role() {
            Role::EncoderDecoder => "translation",
            Role::LanguageModel => "language-model",
            _ => match uses.first() {
                Some(&"answer") => "question-answering",
                Some(&"tag") => "token-classification",
                Some(&"rerank") => "rerank",
                Some(&"classify") => "classification",
                Some(&"fill") => "masked-lm",
                _ => "embedding",
            },
        };
        let config = serde_json::to_value(&bundle.model).unwrap_or(Value::Null);
        let number = |key: &str| config.get(key).and_then(Value::as_u64).map(|n| n as usize);
        let decoder = number("n_decoder_layers").or_else(|| number("n_layers").filter(|_| kind == "language-model"));
        let encoder = number("n_encoder_layers").or_else(|| number("n_layers").filter(|_| kind != "language-model"));
        let is_builtin = kind == "translation" && bundle.record.data.iter().any(|data| data.name == BUILTIN);
        let is_turned = of_data(bundle, "directions") == Some("backward");
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        Ok(Self {
            kind,
            family: bundle.model.family(),
            uses,
            n_parameters: bundle.model.n_params(),
            n_models: 1,
            languages: languages(bundle, source, is_builtin)?,
            layers: [encoder.unwrap_or(0), decoder.unwrap_or(0)],
            heads: number("n_heads").unwrap_or(0),
            max_len: bundle.model.max_len(),
            width: bundle.model.d_model(),
            is_builtin: is_builtin && !is_turned,
            loaded_at: now.map_or(0, |time| time.as_secs()),
        })
    }

    /// Those of the model and of others that decide with it.
    pub(crate) fn together_with<P>(mut self, others: &[Bundle<P>]) -> Self {
        for other in others {
            self.n_models += 1;
            self.n_parameters += other.model.n_params();
            self.max_len = self.max_len.into_iter().chain(other.model.max_len()).min();
        }
        self
    }

    /// Whether it tells what it looks at.
    pub(crate) fn attends(&self) -> bool {
        self.kind == "translation" && self.heads > 0 && self.n_models == 1
    }

    /// Whether it can be measured which of its heads find what "it" is: the built-in corpus tells that.
    pub(crate) fn resolves_pronouns(&self) -> bool {
        self.is_builtin && self.attends()
    }
}

/// The languages of a translation model: as its user says, as its tokenizer knows them, or those of the built-in corpus.
fn languages(
    bundle: &Bundle<SharedParams>,
    source: &ModelSource,
    is_builtin: bool,
) -> Result<Option<Languages>, ServeError> {
    let refuse = |problem: &str| Err(ServeError::Languages { name: source.name.clone(), problem: problem.to_owned() });
    let of_tokenizer = bundle.tokenizer()?.framing().and_then(|framing| framing.languages.as_ref());
    let is_translation = bundle.model.role() == Role::EncoderDecoder;
    match (&source.languages, of_tokenizer) {
        (Some(_), _) if !is_translation => refuse("it does not translate: leave them out"),
        (Some((from, to)), Some(known)) => {
            // By the names that clients may use.
            let sources: Vec<String> = known.of_sources().into_iter().map(str::to_owned).collect();
            let targets: Vec<String> = known.ids.keys().cloned().collect();
            let own_from = if known.are_open() { Some(&**from) } else { Languages::own(&sources, from) };
            match (own_from, Languages::own(&targets, to)) {
                (Some(from), Some(to)) => {
                    Ok(Some(Languages::told(vec![from.to_owned()], vec![to.to_owned()], known.sources.is_none())))
                }
                // A model of one code may write another language without it.
                (_, None) if known.are_open() && known.ids.len() == 1 => Ok(Some(Languages::untold(from, to))),
                _ => refuse("the model does not know them: leave them out, and clients choose among its own"),
            }
        }
        (Some((from, to)), None) => Ok(Some(Languages::untold(from, to))),
        (None, Some(known)) => {
            let mut sources: Vec<String> = known.of_sources().into_iter().map(str::to_owned).collect();
            if sources.is_empty() {
                sources.push(UNDETERMINED.to_owned());
            }
            let told = Languages::told(sources, known.ids.keys().cloned().collect(), known.sources.is_none());
            Ok(Some(Languages { are_open: known.are_open(), ..told }))
        }
        (None, None) => Ok(of_recipe(bundle, is_builtin)),
    }
}

/// A name among the settings of the data that a model was trained on.
fn of_data<'a>(bundle: &'a Bundle<SharedParams>, key: &str) -> Option<&'a str> {
    bundle.recipe.get("data")?.get(key)?.as_str()
}

/// The languages of a model that was trained in one direction, if its recipe names them or its text is the built-in corpus.
fn of_recipe(bundle: &Bundle<SharedParams>, is_builtin: bool) -> Option<Languages> {
    let (source, target) = match ["source_language", "target_language"].map(|key| of_data(bundle, key)) {
        [Some(source), Some(target)] => (source, target),
        _ if is_builtin => ("en", "de"),
        _ => return None,
    };
    let is_turned = of_data(bundle, "directions") == Some("backward");
    Some(if is_turned { Languages::untold(target, source) } else { Languages::untold(source, target) })
}

impl Languages {
    fn told(source: Vec<String>, target: Vec<String>, are_sources_told: bool) -> Self {
        Self { source, target, are_told: true, are_sources_told, are_open: false }
    }

    fn untold(source: &str, target: &str) -> Self {
        let [source, target] = [source, target].map(|name| vec![name.to_owned()]);
        Self { source, target, are_told: false, are_sources_told: false, are_open: false }
    }

    /// Whether the model translates between these languages.
    pub(crate) fn have(&self, source: Option<&str>, target: &str) -> bool {
        let has = |names: &[String], name: &str| names.iter().any(|known| is_same(known, name));
        has(&self.target, target) && source.is_none_or(|source| self.are_open || has(&self.source, source))
    }

    /// The model's own names of languages that are called otherwise: `deu_Latn` or `de_DE` where `de` is asked for.
    pub(crate) fn own<'a>(names: &'a [String], name: &str) -> Option<&'a str> {
        let exact = names.iter().find(|known| *known == name);
        exact.or_else(|| names.iter().find(|known| is_same(known, name))).map(|name| &**name)
    }
}

/// Whether two names are of one language: the same, or one with a region (`de_DE`) or of three letters (`deu`), and the other
/// without.
fn is_same(known: &str, name: &str) -> bool {
    let language = |name: &str| name.split(['_', '-']).next().unwrap_or_default().to_lowercase();
    let is_code = || Language::named(name).is_some_and(|wanted| Language::named(known) == Some(wanted));
    known.eq_ignore_ascii_case(name)
        || !name.contains(['_', '-']) && (language(known) == name.to_lowercase() || is_code())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn languages_are_found_by_their_codes() {
        let names = ["en_XX", "de_DE", "pt"].map(str::to_owned).to_vec();
        assert_eq!(Languages::own(&names, "de"), Some("de_DE"));
        assert_eq!(Languages::own(&names, "de_DE"), Some("de_DE"));
        assert_eq!(Languages::own(&names, "de_AT"), None);
        let languages = Languages::told(names.clone(), names, true);
        assert!(languages.have(Some("en"), "de") && languages.have(None, "PT"));
        assert!(!languages.have(Some("en"), "fr") && !languages.have(Some("fr"), "de"));
        assert_eq!(Languages::own(&["deu_Latn", "fra"].map(str::to_owned), "fr"), Some("fra"));
        let open = Languages { are_open: true, ..languages };
        assert!(open.have(Some("fr"), "de") && !open.have(Some("de"), "fr"));
    }
}
