//! The ranges of numbers, which are found out by asking: where the reader of recipes begins to refuse them.

use serde_json::Value as Json;
use toml::{Table, Value};

use super::{
    Recipe, TASKS,
    layers::{Layers, lay_over},
    origins::Origins,
};

/// What every recipe has to say.
const NEEDED: &str = r#"
name = "any"
tokenizer.merges = 1
schedule = { kind = "constant", lr = 1.0 }
training.steps = 1
"#;

/// What the recipe of every task but translation has to say.
const BATCH: &str = "batch = { context = 16, rows = 1 }";

/// A distance below which no limit is looked for.
const NEAR: f64 = 1e-9;

/// Numbers from far below to where a range may begin, each with what it means that it is the first one to be read; no
/// keyword where that is no limit that is known here.
const LOWER: [(f64, &str, f64); 6] = [
    (-NEAR, "", 0.0),
    (0.0, "minimum", 0.0),
    (NEAR, "exclusiveMinimum", 0.0),
    (1.0 - NEAR, "", 0.0),
    (1.0, "minimum", 1.0),
    (1.0 + NEAR, "exclusiveMinimum", 1.0),
];

/// The same from far above.
const UPPER: [(f64, &str, f64); 3] =
    [(1.0 + NEAR, "", 0.0), (1.0, "maximum", 1.0), (1.0 - NEAR, "exclusiveMaximum", 1.0)];

/// The largest number that the smallest integers of a range are looked for below.
const LEAST: i64 = 16;

/// A recipe that is whole, to lay settings over.
pub(super) struct Whole(Table);

impl Whole {
    /// The least that is read as a recipe of a task.
    pub(super) fn of_task(task: &str) -> Self {
        let own = if task == TASKS[0] { "" } else { BATCH };
        let mut table: Table = format!("{NEEDED}{own}").parse().expect("TOML");
        table.insert("task".into(), task.into());
        Self(table)
    }

    /// Puts the range of a number, which `within` puts into its place, into its schema.
    pub(super) fn narrow(&self, schema: &mut Json, within: &dyn Fn(Value) -> Table) {
        let refusal = |value: Value| self.refusal(within(value));
        match schema["type"].as_str() {
            Some("number") => {
                for (far, ladder) in [(-1.0, &LOWER[..]), (1e30, &UPPER[..])] {
                    let Some(refused) = refusal(far.into()) else { continue };
                    let first = ladder.iter().find(|rung| !is_alike(refusal(rung.0.into()).as_deref(), &refused));
                    if let Some(&(_, keyword, limit)) = first.filter(|(_, keyword, _)| !keyword.is_empty()) {
                        schema[keyword] = (limit as i64).into();
                    }
                }
            }
            Some("integer") => {
                if let Some(refused) = refusal(0.into())
                    && let Some(least) = (1..LEAST).find(|&n| !is_alike(refusal(n.into()).as_deref(), &refused))
                {
                    schema["minimum"] = least.into();
                }
                if let Some(refused) = refusal(i64::MAX.into())
                    && let Some(most) = told_limit(&refused)
                    && is_alike(refusal(most.saturating_add(1).into()).as_deref(), &refused)
                    && !is_alike(refusal(most.into()).as_deref(), &refused)
                {
                    schema["maximum"] = most.into();
                }
            }
            _ => {}
        }
    }

    /// What settings are refused for when everything else is right; nothing if they are not.
    fn refusal(&self, settings: Table) -> Option<String> {
        let mut table = self.0.clone();
        lay_over(&mut table, settings);
        loop {
            let layers = Layers { table: table.clone(), origins: Origins::default() };
            let error = format!("{:#}", Recipe::resolve(layers).err()?);
            // What the table around a setting needs beside it, which the error may be put down to.
            let Some((path, key)) = error.split_once(": missing field `") else { return Some(error) };
            let key = key.split('`').next().unwrap_or_default();
            let mut around = &mut table;
            for name in path.split('.') {
                if !around.get(name).is_some_and(Value::is_table) {
                    break;
                }
                around = around.get_mut(name).and_then(Value::as_table_mut).expect("just seen");
            }
            if around.insert(key.to_owned(), 1.into()).is_some() {
                return Some(error);
            }
        }
    }
}

/// Whether two refusals differ in numbers alone.
fn is_alike(refusal: Option<&str>, other: &str) -> bool {
    let words = |text: &str| text.replace(|c: char| c.is_ascii_digit() || ".-+e".contains(c), "");
    refusal.is_some_and(|refusal| words(refusal) == words(other))
}

/// The limit that a refusal tells: "at most 64", "from 1 to 64".
fn told_limit(refusal: &str) -> Option<i64> {
    let (_, limit) = refusal.rsplit_once("at most ").or_else(|| refusal.rsplit_once(" to "))?;
    limit.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}
