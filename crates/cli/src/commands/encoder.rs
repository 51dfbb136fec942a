//! What commands have in common that ask an encoder about lines.

use std::{io::Write, path::PathBuf};

use anyhow::Result;
use attentive_bundle::{Bundle, EncodeError, ImageEncoder, Input, SharedParams, TextEncoder, TooLong};
use attentive_tokenizer::Tokenizer;
use clap::Args;

use super::{BackendArgs, LINES_AT_ONCE, LongLines, PrecisionArgs, open_model};
use crate::{
    input::{Line, Lines},
    output::{self, Output},
};

/// An encoder in use.
#[derive(Debug, Args)]
pub(super) struct EncoderArgs {
    /// The model's folder; DIR+ADAPTER for one with an adapter over it.
    #[arg(long, value_name = "DIR", default_value = "runs/latest")]
    model: PathBuf,
    #[command(flatten)]
    precision: PrecisionArgs,
    #[command(flatten)]
    backend: BackendArgs,
}

impl EncoderArgs {
    pub(super) fn bundle(&self) -> Result<Bundle<SharedParams>> {
        open_model(&self.model)
    }

    pub(super) fn image_encoder(&self, bundle: &Bundle<SharedParams>) -> Result<ImageEncoder> {
        Ok(ImageEncoder::from_bundle(bundle, &self.backend.device()?, self.precision.precision)?)
    }

    pub(super) fn encoder(&self, bundle: &Bundle<SharedParams>) -> Result<TextEncoder> {
        Ok(TextEncoder::from_bundle(bundle, &self.backend.device()?, self.precision.precision)?)
    }
}

/// Gives `show` every line and what `read` says of it, nothing of one without tokens or that is skipped; up to the first
/// line that `check` refuses.
pub(super) fn for_each_line<T>(
    lines: Lines,
    tokenizer: &dyn Tokenizer,
    long: &LongLines,
    check: impl Fn(&Line) -> Result<()>,
    read: impl Fn(&[Input<'_>]) -> Result<Vec<Result<T, TooLong>>, EncodeError>,
    mut show: impl FnMut(&mut Output, Line, Option<T>) -> Result<()>,
) -> Result<()> {
    let mut out = output::stdout();
    for block in lines.blocks(LINES_AT_ONCE) {
        let mut block = block?;
        let bad = block.iter().enumerate().find_map(|(idx, line)| Some((idx, check(line).err()?)));
        block.truncate(bad.as_ref().map_or(block.len(), |(idx, _)| *idx));
        let (found, refused) = long.read_all(tokenizer, &block, &read)?;
        block.into_iter().zip(found).try_for_each(|(line, answer)| show(&mut out, line, answer))?;
        out.flush()?;
        if let Some(error) = refused.map(Into::into).or(bad.map(|(_, error)| error)) {
            return Err(error);
        }
    }
    Ok(())
}
