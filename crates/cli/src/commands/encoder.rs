//! What commands have in common that ask an encoder about lines.

use std::path::PathBuf;

use anyhow::Result;
use attentive_bundle::{Bundle, ImageEncoder, SharedParams, TextEncoder};
use clap::Args;

use super::{BackendArgs, PrecisionArgs, open_model};

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
        Ok(open_model(&self.model)?)
    }

    pub(super) fn image_encoder(&self, bundle: &Bundle<SharedParams>) -> Result<ImageEncoder> {
        Ok(ImageEncoder::from_bundle(bundle, &self.backend.device()?, self.precision.precision)?)
    }

    pub(super) fn encoder(&self, bundle: &Bundle<SharedParams>) -> Result<TextEncoder> {
        Ok(TextEncoder::from_bundle(bundle, &self.backend.device()?, self.precision.precision)?)
    }
}
