//! What a picture shows, and where the model looks: `cargo run --release --example classify_image -- MODEL [PICTURE…]`
//!
//! Without a picture, one of the built-in shapes is drawn, saved and read. What the model looks at goes to `NAME.attention.png`.
#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use std::{env, fs, path::PathBuf};

use attentive::{
    prelude::*,
    vision::{Picture, Shapes},
};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args: Vec<PathBuf> = env::args_os().skip(1).map(PathBuf::from).collect();
    let [model, pictures @ ..] = &args[..] else { return Err("usage: classify_image MODEL [PICTURE…]".into()) };
    let encoder = ImageEncoder::from_bundle(&Bundle::open(model)?, &BackendKind::Flex.device()?, None)?;
    let mut pictures = pictures.to_vec();
    if pictures.is_empty() {
        let (picture, _) = Shapes { seed: 7, n: 1 }.picture(0);
        fs::write("shape.png", picture.to_png())?;
        pictures.push("shape.png".into());
    }
    for path in &pictures {
        let picture = Picture::open(path)?;
        println!("{}", path.display());
        for class in encoder.classify(&picture)? {
            println!("  {:.4} {}", class.probability, class.label);
        }
        fs::write(path.with_extension("attention.png"), encoder.attention(&picture)?.draw().to_png())?;
    }
    Ok(())
}
