//! `attentive similar`.

use std::{io::Write, path::PathBuf};

use anyhow::{Context, Result, bail};
use attentive_bundle::{Nearest, TextEncoder, is_blank};
use clap::Args;

use super::{
    BackendArgs, LINES_AT_ONCE, LongLines, PrecisionArgs, SpecialsArgs, numbers::LONG, on_one_line, open_model,
};
use crate::{
    input::{self, Line},
    output,
};

/// Find the lines that are nearest to a text, by the cosine of their vectors.
///
/// Prints the cosine, the line's number and the line, with tabs between them, the nearest first; where several texts are
/// looked for, the text before them. Prompts that the model has for queries and for documents are put before each.
#[derive(Debug, Args)]
pub(crate) struct Similar {
    /// The model's folder; DIR+ADAPTER for one with an adapter over it.
    #[arg(long, value_name = "DIR", default_value = "runs/latest")]
    model: PathBuf,
    /// What is looked for; may be given several times.
    #[arg(long, value_name = "TEXT", required_unless_present = "queries")]
    query: Vec<String>,
    /// A file of what is looked for, a text a line.
    #[arg(long, value_name = "FILE")]
    queries: Option<PathBuf>,
    /// Lines to find of each.
    #[arg(long, value_name = "K", default_value_t = 10, value_parser = super::integer(1..=LONG))]
    top: usize,
    /// Files whose lines are searched; without any, standard input.
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
    #[command(flatten)]
    long: LongLines,
    #[command(flatten)]
    specials: SpecialsArgs,
    #[command(flatten)]
    precision: PrecisionArgs,
    #[command(flatten)]
    backend: BackendArgs,
}

impl Similar {
    pub(super) fn run(self) -> Result<()> {
        let bundle = self.specials.over(open_model(&self.model)?);
        let encoder = TextEncoder::from_bundle(&bundle, &self.backend.device()?, self.precision.precision)?;
        let tokenizer = &**bundle.tokenizer()?;
        let [of_queries, of_documents] = [bundle.embedding.of_queries(), bundle.embedding.of_documents()];
        let of_file = self.queries.iter().flat_map(|file| input::open(std::slice::from_ref(file), "queries"));
        let of_file: Vec<Line> = of_file.collect::<Result<_, _>>()?;
        let of_file = of_file.iter().map(|line| (line.at.to_string(), &line.text));
        let all: Vec<_> = self.query.iter().map(|query| ("--query".into(), query)).chain(of_file).collect();
        if let Some((at, blank)) = all.iter().find(|(_, query)| is_blank(tokenizer, query)) {
            bail!("{at}: {blank:?} has no tokens; name what is looked for");
        }
        let queries: Vec<&str> = all.iter().map(|(_, query)| query.as_str()).collect();
        let vectors = encoder.embed_all(&queries.iter().map(Into::into).collect::<Vec<_>>(), &of_queries)?;
        let search =
            |(vector, query)| Ok(Nearest::new(Result::with_context(vector, || format!("{query:?}"))?, self.top));
        let mut searches = vectors.into_iter().zip(&queries).map(search).collect::<Result<Vec<_>>>()?;
        let ended = input::open(&self.files, "lines").blocks(LINES_AT_ONCE).try_for_each(|block| -> Result<()> {
            let block = block?;
            let (vectors, refused) =
                self.long.read_all(tokenizer, &block, |texts| encoder.embed_all(texts, &of_documents))?;
            for (line, vector) in block.iter().zip(vectors).filter_map(|(line, vector)| Some((line, vector?))) {
                searches.iter_mut().for_each(|search| search.push(&vector, || (line.at.clone(), line.text.clone())));
            }
            refused.map_or(Ok(()), |error| Err(error.into()))
        });
        let mut out = output::stdout();
        for (query, search) in queries.iter().zip(&searches) {
            for ((at, line), cosine) in search.found() {
                if queries.len() > 1 {
                    write!(out, "{}\t", on_one_line(query))?;
                }
                let place = if self.files.len() > 1 { at.to_string() } else { at.number.to_string() };
                writeln!(out, "{cosine:.4}\t{place}\t{}", on_one_line(line))?;
            }
        }
        Ok(out.flush()?).and(ended) // after the lines before the one that is refused
    }
}
