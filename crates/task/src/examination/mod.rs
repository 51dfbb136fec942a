//! The data of each task of text, read part by part: what is in it, and what is odd about it.

mod example;
mod labels;
mod part;

use attentive_data::{
    CorpusReport, CorpusRules, DataError, DocumentUnit, OnProblem, Piece, RowKind, SpanCorruption,
    SpanCorruptionConfig, Treatment,
};
use attentive_speech::LogMel;
use attentive_tokenizer::Tokenizer;

pub use self::labels::examine_labels;
use self::{
    example::{Answer, Reader, Text},
    part::{DOCUMENTS, LINES, Limit, Nouns, PAIRS, Part, RECORDINGS, SENTENCES, TEXTS},
};
use crate::{
    Corpus, LabeledPart, LabeledTexts, Log, RecordingPart, Recordings, Result, TextSource, Texts,
    config::{
        ClassificationRecipe, MaskedLmRecipe, SpanCorruptionRecipe, SpeechRecipe, TaskRecipe, TextRecipe,
        TranslationRecipe,
    },
    thousands,
};

/// Characters of a line within a document that should stand in the data only once: shorter ones, names of speakers for
/// one, come again in any text.
const LONG_LINE: usize = 32;

/// Reads all of a task's text and shows what is in it; returns what is odd.
///
/// # Errors
/// Those of reading the data.
pub fn examine(task: &TaskRecipe, tokenizer: &dyn Tokenizer, log: &dyn Log) -> Result<Vec<String>> {
    let mut warnings = Vec::new();
    let parts = match task {
        TaskRecipe::Translation(recipe) => pairs(recipe, tokenizer, &mut warnings)?,
        TaskRecipe::CausalLm(recipe) if recipe.conversations.is_none() && recipe.objective.dpo().is_none() => {
            documents(&recipe.data, recipe.batch.context, tokenizer, &mut warnings)?
        }
        TaskRecipe::MaskedLm(recipe) => sentences(recipe, tokenizer, &mut warnings)?,
        TaskRecipe::Classification(recipe) => labeled(recipe, tokenizer, &mut warnings)?,
        TaskRecipe::Speech(recipe) => spoken(recipe, tokenizer, &mut warnings)?,
        TaskRecipe::SpanCorruption(recipe) => {
            warnings.extend(sentinels(recipe, tokenizer)?);
            documents(&recipe.data, recipe.batch.context, tokenizer, &mut warnings)?
        }
        // Others have no text: their preparation says what their data is.
        _ => Vec::new(),
    };
    let mut training = None;
    for part in &parts {
        part.show(log);
        warnings.extend(part.warnings(training.as_ref()));
        training.get_or_insert_with(|| part.known());
    }
    Ok(warnings)
}

fn none_of(name: &str) -> String {
    format!("no [data.{name}]: nothing will tell how good the model is")
}

fn pairs(recipe: &TranslationRecipe, tokenizer: &dyn Tokenizer, warnings: &mut Vec<String>) -> Result<Vec<Part>> {
    let corpus = Corpus::open(&recipe.data)?;
    let fate = match recipe.rules.on_over_long {
        Treatment::Refuse => "stop the run: rules.on_over_long",
        Treatment::Skip => "are left out: rules.on_over_long",
        Treatment::Truncate => "are cut off: rules.on_over_long",
    };
    let limit = Limit { tokens: recipe.rules.max_tokens, fate, loses: true };
    let skipping = CorpusRules {
        on_line_count: OnProblem::Skip,
        on_columns: OnProblem::Skip,
        on_invalid_utf8: OnProblem::Skip,
        ..CorpusRules::default()
    };
    let splits = [
        ("train", &corpus.train, &recipe.rules, Some(limit)),
        ("validation", &corpus.validation, &recipe.rules, Some(limit)),
        // Every line of it counts in the end, and stops the scoring if it is bad.
        ("test", &corpus.test, &skipping, None),
    ];
    let mut parts = Vec::new();
    for (name, corpora, rules, limit) in splits {
        if corpora.is_empty() {
            warnings.push(none_of(name));
            continue;
        }
        let mut reader = Reader::new(tokenizer);
        // The lines of several corpora are counted on.
        let (mut before, mut last) = (0, 0);
        for corpus in corpora.iter().filter(|corpus| !corpus.is_again) {
            let report = corpus.pairs.visit(rules, limit.is_none(), |line, given, target| {
                last = before + line;
                reader.push(Text { line: last, given, answer: Some(Answer::Target(target)), is_alone: true });
            })?;
            before = last;
            let files = report.iter().flat_map(CorpusReport::files);
            warnings.extend(files.flat_map(|(_, file)| &file.notes).map(|note| format!("{name}: {note}")));
            for (done, what) in report.iter().flat_map(CorpusReport::remarks) {
                let done = if limit.is_none() { "will be refused when the run begins" } else { done };
                warnings.push(format!("{name}: {what}; {done}"));
            }
        }
        parts.push(Part { name, nouns: &PAIRS, limit, examples: reader.finish(), is_by_line: false });
    }
    Ok(parts)
}

fn labeled(recipe: &ClassificationRecipe, tokenizer: &dyn Tokenizer, warnings: &mut Vec<String>) -> Result<Vec<Part>> {
    let texts = LabeledTexts::open(&recipe.data)?;
    warnings.extend(texts.validation.is_none().then(|| none_of("validation")));
    warnings.extend(texts.test.is_none().then(|| none_of("test")));
    for part in texts.parts() {
        warnings.extend(part.files.iter().flat_map(|file| &file.notes).map(|note| format!("{}: {note}", part.name)));
    }
    let limit = Limit { tokens: recipe.batch.context - 2, fate: "are cut off: batch.context", loses: true };
    let read = |part: &LabeledPart| {
        let mut reader = Reader::new(tokenizer);
        for text in &part.texts {
            let answer = Some(Answer::Label(text.label.clone()));
            reader.push(Text { line: text.line, given: text.text.clone(), answer, is_alone: true });
        }
        Part { name: part.name, nouns: &TEXTS, limit: Some(limit), examples: reader.finish(), is_by_line: true }
    };
    Ok(texts.parts().map(read).collect())
}

fn spoken(recipe: &SpeechRecipe, tokenizer: &dyn Tokenizer, warnings: &mut Vec<String>) -> Result<Vec<Part>> {
    let recordings = Recordings::open(&recipe.data, &LogMel::new(&recipe.features)?, 0, &())?;
    warnings.extend(recordings.validation.is_none().then(|| none_of("validation")));
    warnings.extend(recordings.test.is_none().then(|| none_of("test")));
    let tokens = recipe.model.max_len().unwrap_or(usize::MAX).saturating_sub(1);
    let limit = Limit { tokens, fate: "stop the run: model.max_target_len", loses: true };
    let read = |part: &RecordingPart| {
        let mut reader = Reader::new(tokenizer);
        for (line, text) in (1..).zip(&part.texts) {
            reader.push(Text { line, given: text.clone(), answer: None, is_alone: false });
        }
        Part { name: part.name, nouns: &RECORDINGS, limit: Some(limit), examples: reader.finish(), is_by_line: true }
    };
    Ok(recordings.parts().map(read).collect())
}

/// The training text and the validation text, whose examples `read` makes of a piece.
fn text_parts(
    recipe: &TextRecipe,
    tokenizer: &dyn Tokenizer,
    nouns: impl Fn(DocumentUnit) -> &'static Nouns,
    limit: Limit,
    read: impl Fn(Piece, DocumentUnit, &mut Reader<'_>),
    warnings: &mut Vec<String>,
) -> Result<Vec<Part>> {
    let texts = Texts::open(recipe)?;
    let part = |name, source: &TextSource| -> Result<Part, DataError> {
        let (unit, mut reader) = (source.unit(), Reader::new(tokenizer));
        source.pieces().try_for_each(|piece| piece.map(|piece| read(piece, unit, &mut reader)))?;
        let is_by_line = unit == DocumentUnit::Line;
        Ok(Part { name, nouns: nouns(unit), limit: Some(limit), examples: reader.finish(), is_by_line })
    };
    let mut parts = vec![part("train", &texts.train)?];
    match (&texts.validation, texts.held_out) {
        (Some(validation), _) => parts.push(part("validation", validation)?),
        (None, Some(fraction)) => {
            let held_out = parts[0].split_off("validation", fraction);
            parts.push(held_out);
        }
        (None, None) => warnings.push(none_of("validation")),
    }
    for (name, source) in [("train", Some(&texts.train)), ("validation", texts.validation.as_ref())] {
        let files = source.map(TextSource::files).transpose()?.unwrap_or_default();
        warnings.extend(files.iter().flat_map(|file| &file.notes).map(|note| format!("{name}: {note}")));
    }
    Ok(parts)
}

fn documents(
    recipe: &TextRecipe,
    context: usize,
    tokenizer: &dyn Tokenizer,
    warnings: &mut Vec<String>,
) -> Result<Vec<Part>> {
    let nouns = |unit| if unit == DocumentUnit::File { &LINES } else { &DOCUMENTS };
    let limit = Limit { tokens: context, fate: "go on in the next context", loses: false };
    let read = |Piece { text, line, .. }, unit, reader: &mut Reader<'_>| {
        let is_alone = unit != DocumentUnit::File || is_long(&text);
        reader.push(Text { line, given: text, answer: None, is_alone });
    };
    text_parts(recipe, tokenizer, nouns, limit, read, warnings)
}

fn is_long(line: &str) -> bool {
    line.trim().chars().nth(LONG_LINE).is_some()
}

fn sentences(recipe: &MaskedLmRecipe, tokenizer: &dyn Tokenizer, warnings: &mut Vec<String>) -> Result<Vec<Part>> {
    let context = recipe.batch.context;
    let limit = match recipe.batch.examples {
        RowKind::SentencePairs => Limit { tokens: context - 3, fate: "lose their rest: batch.context", loses: true },
        RowKind::FullSentences => Limit { tokens: context - 2, fate: "go on in the next row", loses: false },
    };
    let read = |piece: Piece, unit, reader: &mut Reader<'_>| {
        for (line, text) in (piece.line..).zip(piece.text.lines()).filter(|(_, text)| !text.trim().is_empty()) {
            let is_alone = unit == DocumentUnit::Line || is_long(text);
            reader.push(Text { line, given: text.to_owned(), answer: None, is_alone });
        }
    };
    let parts = text_parts(&recipe.data, tokenizer, |_| &SENTENCES, limit, read, warnings)?;
    if recipe.batch.examples == RowKind::SentencePairs {
        warnings.extend(lonely(&Texts::open(&recipe.data)?.train)?);
    }
    Ok(parts)
}

/// Documents of one sentence, which no other one can follow.
fn lonely(text: &TextSource) -> Result<Option<String>> {
    let TextSource::Files(files) = text else { return Ok(None) };
    let (mut n_documents, mut n_lonely, mut n_sentences) = (0, 0, 0);
    for piece in files.documents() {
        let piece = piece?;
        n_sentences += piece.text.lines().filter(|line| !line.trim().is_empty()).count();
        if piece.ends_document {
            n_documents += 1;
            n_lonely += u64::from(n_sentences < 2);
            n_sentences = 0;
        }
    }
    let what = "documents have a single sentence: none is ever shown to follow it";
    Ok((2 * n_lonely > n_documents).then(|| format!("train: {} {what}", share(n_lonely, n_documents))))
}

/// Contexts that want more hidden spans than there are sentinels to stand for them.
fn sentinels(recipe: &SpanCorruptionRecipe, tokenizer: &dyn Tokenizer) -> Result<Option<String>> {
    let SpanCorruptionConfig { rate, mean_span } = recipe.corruption;
    let context = recipe.batch.context;
    let sentinels: Vec<u32> = (0..).map_while(|index| tokenizer.sentinel(index)).collect();
    let n_wanted = (rate * context as f64 / mean_span).round() as usize;
    let n_sentinels = sentinels.len();
    let n_spans = SpanCorruption::new(recipe.corruption, sentinels, 0, 0)?.spans(context, 0, 0).len();
    Ok((n_wanted > n_spans && n_spans + 1 == n_sentinels).then(|| {
        format!(
            "corruption: a context wants {n_wanted} hidden spans, and {n_sentinels} sentinels are enough for {n_spans}, \
             longer than corruption.mean_span = {mean_span}: shorten batch.context"
        )
    }))
}

/// `12 of 1,000 (1.2 %)`.
fn share(n: u64, of: u64) -> String {
    format!("{} of {} ({:.1} %)", thousands(n), thousands(of), 100.0 * n as f64 / of.max(1) as f64)
}
