//! `attentive classify`.

use anyhow::Result;
use attentive_bundle::{Class, Input, Pair, is_blank};
use attentive_collective::Collective;
use attentive_task::{Error, share_pictures};
use clap::Args;

use super::{EncoderArgs, LINES_AT_ONCE, LongLines, SpecialsArgs, on_one_line, pictures, processes};
use crate::{
    input::{self, Line, Lines},
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
    pub(super) fn run(self) -> Result<()> {
        processes::together(|peers| self.classify(peers))
    }

    /// Classifies lines together with other processes, of which the first one speaks.
    fn classify(&self, peers: &dyn Collective) -> Result<()> {
        let lines = Lines::of_command(self.text.clone(), input::warn);
        let bundle = self.encoder.bundle()?;
        if pictures::are_read_by(&bundle, &[("--pair", self.pair), ("--specials", self.specials.specials)])? {
            let encoder = self.encoder.image_encoder(&bundle)?;
            let read = |pictures: &_| encoder.classify_all(pictures);
            let show = |line: &Line, classes: Vec<Class>| self.shown(&line.text, &classes);
            return share_pictures(peers, lines, read, show, output::writer());
        }
        let bundle = self.specials.over(bundle);
        let encoder = self.encoder.encoder(&bundle)?;
        let tokenizer = &**bundle.tokenizer()?;
        let check = |line: &Line| match self.pair && !line.text.contains('\t') && !is_blank(tokenizer, &line.text) {
            true => Err(Error::Refused(format!(
                "{} has no tab, which is between the two texts of a pair: write one",
                line.at
            ))),
            false => Ok(()),
        };
        let read = |texts: &[Input<'_>]| match self.pair {
            true => encoder.classify_pairs(&texts.iter().map(pair).collect::<Vec<_>>()),
            false => encoder.classify_all(texts),
        };
        let show = |line: &Line, classes: Option<Vec<Class>>| self.shown(&line.text, &classes.unwrap_or_default());
        let lines = (lines.blocks(LINES_AT_ONCE), tokenizer);
        self.long.share(peers, lines, check, read, show, output::writer())
    }

    fn shown(&self, text: &str, classes: &[Class]) -> String {
        let text = on_one_line(text);
        if self.all {
            let of_class = |class: &Class| format!("  {:.4}\t{}\n", class.probability, on_one_line(&class.label));
            return format!("{text}\n{}", classes.iter().map(of_class).collect::<String>());
        }
        let best = |best: &Class| format!("{}\t{:.4}\t{text}", on_one_line(&best.label), best.probability);
        classes.first().map_or_else(String::new, best) + "\n"
    }
}

/// The two texts of a line.
fn pair<'a>(&Input { text, crop }: &Input<'a>) -> Pair<'a> {
    let (first, second) = text.split_once('\t').unwrap_or((text, ""));
    Pair { first, second, crop }
}
