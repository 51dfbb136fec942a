//! How a text is drawn: settings of all places that let a model write.

use std::{
    hash::{BuildHasher, RandomState},
    time::SystemTime,
};

use attentive_bundle::GenerationConfig;
use attentive_decode::{DecodeError, FormSpec, Json, SamplingConfig};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::body::{Texts, null_is_false};
use crate::{config::Limits, error::Failure};

/// The most strings that end a text.
const MAX_STOPS: usize = 16;

/// The most probable tokens that are told in the place of one.
pub(super) const MAX_TOP: usize = 20;

/// The most continuations of a prompt.
const MAX_N: usize = 16;

/// How a text is drawn, and where it ends; what is not given is the model's own setting.
#[derive(Debug, Clone, Default)]
pub(super) struct Settings {
    /// The field that says it, and its number.
    pub(super) max_tokens: Option<(&'static str, usize)>,
    pub(super) n: Option<usize>,
    pub(super) stop: Option<Texts>,
    pub(super) seed: Option<i64>,
    pub(super) temperature: Option<f64>,
    pub(super) top_p: Option<f64>,
    pub(super) top_k: Option<usize>,
    pub(super) min_p: Option<f64>,
    pub(super) repetition_penalty: Option<f64>,
    pub(super) form: Option<FormSpec>,
}

/// What a text is held to.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum ResponseFormat {
    // With braces, as serde passes over unknown fields of a variant without.
    /// Nothing.
    Text {},
    /// An object of JSON.
    JsonObject {},
    /// What a schema describes.
    JsonSchema { json_schema: NamedSchema },
}

/// A JSON Schema as the interface has it.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NamedSchema {
    /// Not read.
    #[allow(dead_code, reason = "part of the interface, without an effect on answers")]
    name: Option<String>,
    /// Not read.
    #[allow(dead_code, reason = "part of the interface, without an effect on answers")]
    description: Option<String>,
    /// Not read: texts are always held to the schema.
    #[allow(dead_code, reason = "part of the interface, without an effect on answers")]
    strict: Option<bool>,
    /// The schema.
    #[schemars(with = "Value")]
    schema: Json,
}

impl ResponseFormat {
    /// The form, if there is one.
    pub(super) fn form(&self) -> Option<FormSpec> {
        match self {
            Self::Text {} => None,
            Self::JsonObject {} => Some(FormSpec::JsonObject),
            Self::JsonSchema { json_schema } => Some(FormSpec::JsonSchema(json_schema.schema.clone())),
        }
    }
}

/// How streams are sent.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct StreamOptions {
    /// Whether the last part tells the numbers of tokens.
    #[serde(default, deserialize_with = "null_is_false")]
    pub(super) include_usage: bool,
}

impl Settings {
    pub(super) fn n(&self) -> Result<usize, Failure> {
        match self.n.unwrap_or(1) {
            n @ 1..=MAX_N => Ok(n),
            n => Err(Failure::field("n", format!("n is {n}, and from 1 to {MAX_N} here"))),
        }
    }

    /// The strings that end a text.
    pub(super) fn stop(&self) -> Result<Vec<String>, Failure> {
        let stop = self.stop.clone().map_or_else(Vec::new, |stop| stop.into_list().0);
        if stop.len() > MAX_STOPS {
            return Err(Failure::field(
                "stop",
                format!("there are {} stop strings, and up to {MAX_STOPS} here", stop.len()),
            ));
        }
        if stop.iter().any(String::is_empty) {
            return Err(DecodeError::EmptyStop.into());
        }
        Ok(stop)
    }

    /// The tokens that may be written, if that was said.
    pub(super) fn max_tokens(&self, limits: &Limits) -> Result<Option<usize>, Failure> {
        let max = limits.output_tokens;
        match self.max_tokens {
            Some((field, n)) if !(1..=max).contains(&n) => {
                Err(Failure::field(field, format!("{field} is {n}, and from 1 to {max} here")))
            }
            given => Ok(given.map(|(_, n)| n)),
        }
    }

    /// The model's own settings, and these over them.
    pub(super) fn over(
        &self,
        own: &GenerationConfig,
        usual_tokens: usize,
        limits: &Limits,
    ) -> Result<GenerationConfig, Failure> {
        if self.temperature.is_none() && own.sampling.temperature == 0.0 {
            self.refuse_limits()?;
        }
        let max_tokens = self.max_tokens(limits)?.unwrap_or(usual_tokens.min(limits.output_tokens));
        let mut stop = own.stop.clone();
        stop.extend(self.stop()?);
        let config = GenerationConfig {
            max_tokens,
            min_tokens: own.min_tokens.min(max_tokens),
            stop,
            sampling: self.sampling(&own.sampling),
            form: None,
            ..own.clone()
        };
        config.validate()?;
        // A form takes time to compile, which is done on the thread that writes.
        Ok(GenerationConfig { form: self.form.clone(), ..config })
    }

    /// Refuses what would change how a text is drawn where none is: a translation without a temperature is the best that the
    /// search finds.
    pub(super) fn refuse_undrawn(&self) -> Result<(), Failure> {
        // At temperature 0 the most probable token is taken, whatever else could be drawn.
        if self.temperature.is_none() {
            self.refuse_limits()?;
        }
        let is_drawn = self.temperature.is_some_and(|temperature| temperature > 0.0);
        match self.repetition_penalty {
            Some(penalty) if penalty != 1.0 && !is_drawn => Err(undrawn("repetition_penalty")),
            _ => Ok(()),
        }
    }

    /// Refuses limits of what is drawn.
    fn refuse_limits(&self) -> Result<(), Failure> {
        self.sampling(&SamplingConfig::default()).limit().map_or(Ok(()), |name| Err(undrawn(name)))
    }

    /// How tokens are drawn; without a seed, in another way each time.
    pub(super) fn sampling(&self, own: &SamplingConfig) -> SamplingConfig {
        SamplingConfig {
            temperature: self.temperature.unwrap_or(own.temperature),
            top_k: self.top_k.unwrap_or(own.top_k),
            top_p: self.top_p.unwrap_or(own.top_p),
            min_p: self.min_p.unwrap_or(own.min_p),
            repetition_penalty: self.repetition_penalty.unwrap_or(own.repetition_penalty),
            seed: self.seed.map_or_else(random, i64::cast_unsigned),
            ..own.clone()
        }
    }
}

/// Settings of the interface that would change an answer, and that there are none of here.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Unsupported<'a> {
    pub(super) presence_penalty: Option<f64>,
    pub(super) frequency_penalty: Option<f64>,
    pub(super) logit_bias: Option<&'a Map<String, Value>>,
}

impl Unsupported<'_> {
    pub(super) fn refuse(&self) -> Result<(), Failure> {
        for (name, value) in
            [("presence_penalty", self.presence_penalty), ("frequency_penalty", self.frequency_penalty)]
        {
            if value.is_some_and(|value| value != 0.0) {
                return Err(Failure::field(name, format!("{name} is not supported: take repetition_penalty")));
            }
        }
        match self.logit_bias {
            Some(bias) if !bias.is_empty() => Err(Failure::field("logit_bias", "logit_bias is not supported")),
            _ => Ok(()),
        }
    }
}

/// The failure of a setting that changes how a text is drawn, where none is.
fn undrawn(name: &str) -> Failure {
    Failure::field(name, format!("{name} changes how a text is drawn: give a temperature above 0 with it"))
}

/// A number that is another one each time.
pub(super) fn random() -> u64 {
    RandomState::new().hash_one(SystemTime::now())
}
