//! `attentive tag`.

use anyhow::Result;
use attentive_bundle::{Aggregation, Input, Tag as Found, TaggingConfig, characters};
use attentive_collective::Collective;
use clap::Args;
use serde_json::json;

use super::{EncoderArgs, LINES_AT_ONCE, LongLines, on_one_line, processes};
use crate::{
    input::{self, Line},
    output,
};

/// Tag words and names in lines of text, with the labels that the model learnt.
///
/// Under each line its tags, a line each: label, score, the first character and the one after the last, counted from 0,
/// and the part of the text, separated by tabs. Under a line without tokens there is nothing.
#[derive(Debug, Args)]
pub(crate) struct Tag {
    /// What to tag; without it, the lines of standard input.
    text: Vec<String>,
    /// How tokens become words and names: `simple` joins neighbours of one class, `none` does not; `first`, `average` and
    /// `max` give all tokens of a word one label first.
    #[arg(long, value_name = "HOW", default_value_t = Aggregation::Simple)]
    aggregation: Aggregation,
    /// Print what is outside of all names, of the label O, too.
    #[arg(long)]
    all: bool,
    /// Print a line of JSON for each line, with the places in bytes as well.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    long: LongLines,
    #[command(flatten)]
    encoder: EncoderArgs,
}

impl Tag {
    pub(super) fn run(self) -> Result<()> {
        processes::together(|peers| self.tag(peers))
    }

    /// Tags lines together with other processes, of which the first one speaks.
    fn tag(self, peers: &dyn Collective) -> Result<()> {
        let bundle = self.encoder.bundle()?;
        let encoder = self.encoder.encoder(&bundle)?;
        let how = TaggingConfig { aggregation: self.aggregation, outside: self.all };
        let lines = (input::of_command(self.text).blocks(LINES_AT_ONCE), &**bundle.tokenizer()?);
        let read = |texts: &[Input<'_>]| encoder.tag_all(texts, how);
        let show = |line: &Line, tags: Option<Vec<Found>>| {
            let (text, tags) = (&line.text[..], tags.unwrap_or_default());
            if self.json {
                let tags: Vec<_> = tags.iter().map(|tag| as_json(text, tag)).collect();
                return format!("{}\n", json!({ "text": text, "tags": tags }));
            }
            let of_tag = |Found { label, score, range }: Found| {
                let (place, part) = (characters(text, &range), on_one_line(&text[range]));
                format!("  {}\t{score:.4}\t{}\t{}\t{part}\n", on_one_line(&label), place.start, place.end)
            };
            format!("{}\n{}", on_one_line(text), tags.into_iter().map(of_tag).collect::<String>())
        };
        self.long.share(peers, lines, |_| Ok(()), read, show, output::writer())
    }
}

fn as_json(text: &str, Found { label, score, range }: &Found) -> serde_json::Value {
    let place = characters(text, range);
    json!({ "label": label, "score": score, "text": text[range.clone()], "start": place.start, "end": place.end,
            "bytes": [range.start, range.end] })
}
