//! Recipes, as `attentive train` reads them.
#![no_main]

use attentive_fuzz::file;
use attentive_run::Recipe;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(recipe) = Recipe::load(file("recipe.toml", bytes)) {
        let resolved = file("resolved.toml", recipe.to_toml().as_bytes());
        Recipe::of_run(&resolved, &[]).expect("what was resolved is a recipe");
    }
});
