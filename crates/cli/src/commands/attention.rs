//! `attentive attention`.

use std::path::PathBuf;

use anyhow::{Result, ensure};
use attentive_bundle::ImageEncoder;
use attentive_inspect::AttentionPage;
use attentive_paper as paper;
use attentive_plot::Format;
use attentive_vision::Picture;
use clap::Args;

use super::{LanguageArgs, ModelArgs, check_writable, open_model, pictures, refuse_one_file_twice, refuse_overwriting};
use crate::{drawing::DrawingFile, output::write_file};

/// Show what a model of texts looks at: for a word that it reads, layer by layer and head by head, which words it
/// attends to; for each word that a translation model writes, where it comes from. Of a model that reads pictures, draw what it
/// looks at in one.
#[derive(Debug, Args)]
pub(crate) struct Attention {
    /// The sentence, or the path of a picture.
    #[arg(default_value = paper::SENTENCE)]
    text: String,
    /// The word that is followed; by default "it", if the sentence has it.
    #[arg(long, value_name = "WORD")]
    word: Option<String>,
    /// A translation to read instead of the model's own.
    #[arg(long, value_name = "TEXT")]
    target: Option<String>,
    /// The drawing, `.svg` or `.png`: every attention, layer by layer and head by head. Without it and without --html,
    /// attention.svg.
    #[arg(long, value_name = "FILE")]
    out: Option<DrawingFile>,
    /// A page to look at it with a browser: maps of every layer and head, and lines between the words.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Draw what the decoder looks at in the source alone: one map, the mean of its last layer's heads.
    #[arg(long)]
    alignment: bool,
    #[command(flatten)]
    of: ModelArgs,
}

impl Attention {
    pub(super) fn run(self) -> Result<()> {
        let Self { text, word, target, out, html, alignment, of: ModelArgs { model, languages, backend } } = self;
        let usual = DrawingFile { path: "attention.svg".into(), format: Format::Svg };
        let out = out.or(html.is_none().then_some(usual));
        ensure!(!alignment || out.is_some(), "--alignment is of the drawing: name it with --out");
        let files: Vec<&PathBuf> = out.iter().map(|out| &out.path).chain(&html).collect();
        html.iter().try_for_each(|html| check_writable(html))?;
        refuse_one_file_twice(files.iter().copied())?;
        files.iter().try_for_each(|file| refuse_overwriting(file, [&PathBuf::from(&text)]))?;
        let bundle = open_model(&model)?;
        let LanguageArgs { source_language, target_language } = languages;
        let of_texts = [
            ("--word", word.is_some()),
            ("--target", target.is_some()),
            ("--alignment", alignment),
            ("--source-language", source_language.is_some()),
            ("--target-language", target_language.is_some()),
        ];
        if pictures::are_read_by(&bundle, &of_texts)? {
            ensure!(text != paper::SENTENCE, "{} reads pictures: name the file of one", model.display());
            let encoder = ImageEncoder::from_bundle(&bundle, &backend.device()?, None)?;
            let picture = Picture::open(text.as_ref())?;
            let map = encoder.attention(&picture)?;
            if let Some(html) = &html {
                let page = AttentionPage::of_picture(&text, encoder.attention_of_heads(&picture)?);
                write_file(html, page.as_bytes())?;
            }
            match &out {
                Some(DrawingFile { path, format: Format::Svg }) => write_file(path, map.to_svg().as_bytes())?,
                Some(DrawingFile { path, format: Format::Png }) => write_file(path, &map.draw().to_png())?,
                None => {}
            }
            report!("{}", map.title);
            files.iter().for_each(|file| report!("drawn in {}", file.display()));
            return Ok(());
        }
        let is_alignment = alignment;
        let attention = paper::Attention { model, text, word, target, source_language, target_language, is_alignment };
        let (exhibit, page) = attention.make_with_page(&backend.device()?)?;
        html.iter().try_for_each(|html| write_file(html, page.as_bytes()))?;
        report!("{exhibit}");
        for (figure, out) in exhibit.figures.iter().zip(&out) {
            out.write(&figure.drawing)?;
        }
        files.iter().for_each(|file| report!("drawn in {}", file.display()));
        Ok(())
    }
}
