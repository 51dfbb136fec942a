//! Recipes, as `attentive train` reads them.
#![no_main]

use attentive_fuzz::file;
use libfuzzer_sys::fuzz_target;

#[allow(dead_code, unused_imports, reason = "the command uses the rest")]
#[path = "../../crates/cli/src/recipe/mod.rs"]
mod recipe;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(recipe) = recipe::Recipe::load(Some(&file("recipe.toml", bytes)), &[]) {
        let resolved = file("resolved.toml", recipe.to_toml().as_bytes());
        recipe::Recipe::of_run(&resolved, &[]).expect("what was resolved is a recipe");
    }
});
