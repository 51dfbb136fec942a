//! Published sizes.

use super::{Distillation, VitConfig};
use crate::Preset;

/// ViT and DeiT, for pictures of 224 pixels.
///
/// Sources: Dosovitskiy et al. 2021, Table 1, for B, L and H; Steiner et al. 2022, Table 2, for Ti and S; Touvron et
/// al. 2021, Table 1, for DeiT, here with the distillation token.
pub(super) fn presets() -> Vec<Preset<VitConfig>> {
    let (tiny, small, base) = ([12, 3, 192], [12, 6, 384], [12, 12, 768]);
    let (large, huge) = ([24, 16, 1024], [32, 16, 1280]);
    let vit = |name, patch_size, sizes, millions| {
        Preset::published(name, VitConfig::vit_like(224, patch_size, sizes), millions)
    };
    let deit = |name, sizes, millions| {
        let config = VitConfig { distillation: Distillation::Head, ..VitConfig::vit_like(224, 16, sizes) };
        Preset::published(name, config, millions)
    };
    vec![
        vit("vit-ti-16", 16, tiny, 5.8),
        vit("vit-s-16", 16, small, 22.2),
        vit("vit-s-32", 32, small, 22.2),
        vit("vit-b-16", 16, base, 86.0),
        vit("vit-b-32", 32, base, 86.0),
        vit("vit-l-16", 16, large, 307.0),
        vit("vit-l-32", 32, large, 307.0),
        vit("vit-h-14", 14, huge, 632.0),
        deit("deit-ti", tiny, 5.0),
        deit("deit-s", small, 22.0),
        deit("deit-b", base, 86.0),
    ]
}
