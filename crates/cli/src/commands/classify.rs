//! `attentive classify`.

use std::io::Write;

use anyhow::{Result, ensure};
use attentive_bundle::{Class, Input, Pair, is_blank};
use clap::Args;

use super::{EncoderArgs, LongLines, SpecialsArgs, encoder::for_each_line, on_one_line, pictures};
use crate::{
    input::{self, Line},
    output,
};

/// Tell the class of lines of text, or of pairs of texts; of a model that reads pictures, lines are their paths.
///
/// One line for each: the most probable label, its probability, then the text, separated by tabs. The line of a text
/// without tokens is empty. A model with a single label gives its score.
#[derive(Debug, Args)]
pub(crate) struct Classify {
    /// What to classify; without it, the lines of standard input.
    text: Vec<String>,
    /// Lines are pairs of texts, with a tab between them.
    #[arg(long)]
    pair: bool,
    /// Print every class with its probability, a line each, under its text.
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    long: LongLines,
    #[command(flatten)]
    specials: SpecialsArgs,
    #[command(flatten)]
    encoder: EncoderArgs,
}

impl Classify {
    pub(super) fn run(mut self) -> Result<()> {
        let lines = input::of_command(std::mem::take(&mut self.text));
        let bundle = self.encoder.bundle()?;
        if pictures::are_read_by(&bundle, &[("--pair", self.pair), ("--specials", self.specials.specials)])? {
            let (encoder, mut out) = (self.encoder.image_encoder(&bundle)?, output::stdout());
            let read = |pictures: &_| encoder.classify_all(pictures);
            let shown = pictures::for_each(lines, read, |line, classes| self.print(&mut out, &line.text, &classes));
            return shown.and(Ok(out.flush()?));
        }
        let bundle = self.specials.over(bundle);
        let encoder = self.encoder.encoder(&bundle)?;
        let tokenizer = &**bundle.tokenizer()?;
        let check = |line: &Line| {
            let is_right = !self.pair || line.text.contains('\t') || is_blank(tokenizer, &line.text);
            ensure!(is_right, "{} has no tab, which is between the two texts of a pair: write one", line.at);
            Ok(())
        };
        let read = |texts: &[Input<'_>]| match self.pair {
            true => encoder.classify_pairs(&texts.iter().map(pair).collect::<Vec<_>>()),
            false => encoder.classify_all(texts),
        };
        for_each_line(lines, tokenizer, &self.long, check, read, |out, line, classes| {
            self.print(out, &line.text, &classes.unwrap_or_default())
        })
    }

    fn print(&self, out: &mut impl Write, text: &str, classes: &[Class]) -> Result<()> {
        let text = on_one_line(text);
        if self.all {
            writeln!(out, "{text}")?;
            for class in classes {
                writeln!(out, "  {:.4}\t{}", class.probability, on_one_line(&class.label))?;
            }
            return Ok(());
        }
        match classes.first() {
            Some(best) => writeln!(out, "{}\t{:.4}\t{text}", on_one_line(&best.label), best.probability)?,
            None => writeln!(out)?,
        }
        Ok(())
    }
}

/// The two texts of a line.
fn pair<'a>(&Input { text, crop }: &Input<'a>) -> Pair<'a> {
    let (first, second) = text.split_once('\t').unwrap_or((text, ""));
    Pair { first, second, crop }
}
