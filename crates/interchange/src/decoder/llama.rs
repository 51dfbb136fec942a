//! Llama 1 to 3, and what has their layers: SmolLM, TinyLlama, Vicuna.

use attentive_model::GptConfig;
use serde_json::{Map, Value, json};

use super::{Architecture, Usual, extend, keys::Keys, names::Names, read_llama_like, write_llama_like};
use crate::InterchangeError;

pub(crate) struct Llama;

impl Architecture for Llama {
    const MODEL_TYPE: &'static str = "llama";
    const CLASS_PREFIX: &'static str = "Llama";
    const NAMES: Names = Names::LLAMA;

    fn read(keys: &mut Keys<'_>) -> Result<GptConfig, InterchangeError> {
        let config = read_llama_like(keys, &Usual::LLAMA)?;
        let _ = keys.find::<usize>("pretraining_tp")?; // how it was shared out among devices
        let [of_attention, of_mlp] = [keys.get("attention_bias", false)?, keys.get("mlp_bias", false)?];
        keys.must(of_attention == of_mlp, "attention_bias and mlp_bias differ; here all layers have biases or none");
        Ok(GptConfig { bias: of_attention, ..config })
    }

    fn write(config: &GptConfig) -> Map<String, Value> {
        let mut settings = write_llama_like(config);
        extend(&mut settings, json!({ "attention_bias": config.bias, "mlp_bias": config.bias }));
        settings
    }
}
