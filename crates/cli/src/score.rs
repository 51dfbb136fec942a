//! Translating and scoring whole sets.

use std::time::Duration;

use anyhow::Result;
use attentive_bundle::{DecodingConfig, Translator};
use attentive_core::EncoderDecoder;
use attentive_data::builtin::PronounSentence;
use attentive_metrics::Bleu;
use indicatif::{ProgressBar, ProgressStyle};

/// Sentences between two moves of the progress bar.
const SENTENCES_AT_ONCE: usize = 256;

/// Corpus BLEU as sacreBLEU computes it.
pub(crate) fn bleu_of(tokenizer: &str, lowercase: bool) -> Result<Bleu> {
    Ok(Bleu { tokenizer: tokenizer.parse()?, lowercase, ..Bleu::default() })
}

/// The best translation of each text, with a progress bar on a terminal.
pub(crate) fn translate_all<M: EncoderDecoder>(
    translator: &Translator<M>,
    texts: &[impl AsRef<str>],
    config: &DecodingConfig,
    what: &'static str,
) -> Result<Vec<String>> {
    let bar = ProgressBar::new(texts.len() as u64).with_message(what);
    let style = ProgressStyle::with_template("{msg} {wide_bar} {pos}/{len} sentences, {eta} left")?;
    bar.set_style(style);
    bar.enable_steady_tick(Duration::from_millis(500));
    let mut translations = Vec::with_capacity(texts.len());
    for chunk in texts.chunks(SENTENCES_AT_ONCE) {
        for mut best in translator.translate(chunk, config)? {
            // A search gives at least one hypothesis.
            translations.push(best.swap_remove(0).text);
        }
        bar.inc(chunk.len() as u64);
    }
    bar.finish_and_clear();
    Ok(translations)
}

/// The share of sentences whose translation has the right pronoun.
pub(crate) fn pronoun_accuracy(sentences: &[PronounSentence], translations: &[String]) -> f64 {
    let right = sentences.iter().zip(translations).filter(|(sentence, text)| sentence.pronoun_is_right(text)).count();
    right as f64 / sentences.len().max(1) as f64
}
