//! What settings mean, for editors: the comments of the fields that they are read into.
//!
//! A program does not know its own comments, so they stand in `descriptions.json`, which a test holds against the code: a
//! list of structures, each a map from its fields to what is said of them.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value as Json;

/// Fields of a structure, and what is said of each.
type Fields = BTreeMap<String, String>;

const DESCRIPTIONS: &str = include_str!("descriptions.json");

/// Puts descriptions into a schema, wherever an object has the fields of a known structure.
pub(super) fn describe(schema: &mut Json) {
    let known: Vec<Fields> = serde_json::from_str(DESCRIPTIONS).expect("a test wrote it");
    visit(schema, &mut |properties| {
        let names = own_names(properties);
        let Some(fields) = known.iter().find(|fields| fields.keys().eq(&names)) else { return };
        for (name, description) in fields {
            properties[name]["description"] = description.as_str().into();
        }
    });
}

/// The names of an object's properties but for the tag that it is read by.
fn own_names(properties: &Json) -> BTreeSet<String> {
    let properties = properties.as_object().into_iter().flatten();
    properties.filter(|(_, schema)| schema.get("const").is_none()).map(|(name, _)| name.clone()).collect()
}

/// Calls `f` with the properties of every object in a schema.
fn visit(schema: &mut Json, f: &mut impl FnMut(&mut Json)) {
    if let Some(properties) = schema.get_mut("properties") {
        f(properties);
        properties.as_object_mut().into_iter().flat_map(serde_json::Map::values_mut).for_each(|one| visit(one, f));
    }
    schema.get_mut("anyOf").and_then(Json::as_array_mut).into_iter().flatten().for_each(|one| visit(one, f));
}

#[cfg(test)]
mod tests {
    use std::{
        env, fs,
        path::{Path, PathBuf},
    };

    use super::*;
    use crate::recipe::schema::{parts, schema};

    /// All Rust files below a folder, in order.
    fn sources(folder: &Path) -> Vec<PathBuf> {
        let mut entries: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        entries.sort();
        let inside = |path: PathBuf| if path.is_dir() { sources(&path) } else { vec![path] };
        entries.into_iter().flat_map(inside).filter(|path| path.extension().is_some_and(|end| end == "rs")).collect()
    }

    /// The fields of every structure, and of every variant of an enumeration that has some.
    fn structures(source: &str) -> Vec<Fields> {
        let mut structures = Vec::new();
        let (mut fields, mut comment) = (Fields::new(), Vec::new());
        for line in source.lines().map(str::trim) {
            let field = line.strip_suffix(',').and_then(|line| line.split_once(": "));
            let name = field.and_then(|(before, _)| before.rsplit(' ').next()).filter(|name| {
                !line.starts_with("///")
                    && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
            });
            if let Some(text) = line.strip_prefix("///") {
                comment.push(text.trim());
            } else if let Some(name) = name {
                fields.insert(name.to_owned(), plain(&comment.join(" ")));
                comment.clear();
            } else if line.starts_with('}') || line.ends_with('{') {
                structures.push(std::mem::take(&mut fields));
                comment.clear();
            } else if line.is_empty() {
                comment.clear();
            }
        }
        structures.retain(|fields| !fields.is_empty() && fields.values().any(|text| !text.is_empty()));
        structures
    }

    /// Markdown without its links.
    fn plain(markdown: &str) -> String {
        let mut text = String::new();
        let mut rest = markdown;
        while let Some((before, after)) = rest.split_once("](") {
            text += before;
            rest = after.split_once(')').map_or("", |(_, after)| after);
        }
        (text + rest).replace(['[', ']'], "")
    }

    #[test]
    fn they_are_the_comments_of_the_code() {
        let own = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut wanted = Vec::new();
        for mut part in parts() {
            visit(&mut part, &mut |properties| wanted.push(own_names(properties)));
        }
        let is_wanted = |fields: &Fields| wanted.iter().any(|names| fields.keys().eq(names));
        let mut found: Vec<Fields> = Vec::new();
        for path in sources(&own.join("..")) {
            if path.components().any(|part| part.as_os_str() == "src") {
                let structures = structures(&fs::read_to_string(path).unwrap());
                found.extend(structures.into_iter().filter(|fields| is_wanted(fields)));
            }
        }
        found.sort();
        found.dedup();
        let text = serde_json::to_string_pretty(&found).unwrap() + "\n";
        if env::var_os("ATTENTIVE_WRITE_DESCRIPTIONS").is_some() {
            fs::write(own.join("src/recipe/descriptions.json"), &text).unwrap();
        } else {
            assert!(
                text == DESCRIPTIONS,
                "write it anew: ATTENTIVE_WRITE_DESCRIPTIONS=1 cargo xtask test descriptions"
            );
        }
    }

    #[test]
    fn settings_of_every_crate_have_one() {
        let schema = schema();
        for pointer in
            ["/training/properties/steps", "/batch/properties/max_tokens", "/optimizer/anyOf/0/properties/beta_1"]
        {
            let description = &schema.pointer(&format!("/anyOf/0/properties{pointer}")).unwrap()["description"];
            assert!(description.as_str().is_some_and(|text| text.len() > 5), "{pointer}: {description}");
        }
    }
}
