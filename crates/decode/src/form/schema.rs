//! JSON Schema as a form.

use std::collections::{HashMap, HashSet};

use serde_json::Number;

use super::{
    FormError,
    expr::{Expr, RuleId, Rules},
    fields::{Field, Parts, members},
    formats,
    json::Json,
    numbers::{self, Bound, MAX_WHOLE},
    regex::Pattern,
    strings,
};

/// Keywords that say nothing of what a value is.
const ANNOTATIONS: [&str; 14] = [
    "$anchor",
    "$comment",
    "$defs",
    "$id",
    "$schema",
    "default",
    "definitions",
    "deprecated",
    "description",
    "discriminator",
    "examples",
    "readOnly",
    "title",
    "writeOnly",
];

/// Keywords that say what a value of a type is, by the type.
const OF_TYPES: [(&str, &[&str]); 4] = [
    ("string", &["format", "maxLength", "minLength", "pattern"]),
    ("number", &["exclusiveMaximum", "exclusiveMinimum", "maximum", "minimum"]),
    ("array", &["items", "maxItems", "minItems", "prefixItems", "uniqueItems"]),
    ("object", &["additionalProperties", "maxProperties", "minProperties", "properties", "required"]),
];

/// Keywords that say it all, beside annotations.
const WHOLE: [&str; 6] = ["$ref", "allOf", "anyOf", "const", "enum", "oneOf"];

/// The types, as `type` has them.
const TYPES: [&str; 7] = ["null", "boolean", "integer", "number", "string", "array", "object"];

/// Schemas within others, as many as a reader of JSON takes.
const MAX_DEPTH: usize = 128;

/// Schemas of a `oneOf` and of `prefixItems`, pairs within two of them, and characters of all names that others differ from:
/// each is compared with all others, or takes kilobytes.
const MAX_LISTED: usize = 1 << 10;

/// Comparisons and look-ups to tell the schemas of all `oneOf` apart.
const MAX_COMPARED: usize = 1 << 25;

/// Memory of all patterns and numbers before they are compiled: a class of characters that is written in three bytes takes
/// 5 KiB.
const MAX_BYTES: usize = 1 << 25;

/// An object of any members.
pub(super) fn any_object(rules: &mut Rules) -> Expr {
    Parts::new(rules).object
}

/// The values that a schema describes.
pub(super) fn of(rules: &mut Rules, schema: &Json) -> Result<Expr, FormError> {
    let parts = Parts::new(rules);
    let asked = Asked { root: schema, targets: HashMap::new(), met: HashSet::new(), n_left: MAX_COMPARED };
    let (references, n_characters) = (HashMap::new(), MAX_LISTED);
    Schemas { rules, root: schema, parts, references, asked, n_characters, n_bytes: MAX_BYTES, depth: 0 }
        .value(schema, "#")
}

struct Schemas<'a> {
    rules: &'a mut Rules,
    root: &'a Json,
    parts: Parts,
    /// The rules of schemas that are referred to, by the reference.
    references: HashMap<String, RuleId>,
    asked: Asked<'a>,
    /// Characters that names beside others may still have.
    n_characters: usize,
    /// Memory that patterns and numbers may still take.
    n_bytes: usize,
    depth: usize,
}

/// A keyword's place in the schema.
fn under(path: &str, key: &str) -> String {
    format!("{path}/{}", key.replace('~', "~0").replace('/', "~1"))
}

fn problem(path: &str, problem: impl Into<String>) -> FormError {
    FormError::Schema { path: path.to_owned(), problem: problem.into() }
}

/// Whether a keyword is one of a type.
fn type_of(key: &str) -> Option<&'static str> {
    OF_TYPES.iter().find_map(|&(kind, keys)| keys.contains(&key).then_some(kind))
}

impl<'a> Schemas<'a> {
    fn value(&mut self, schema: &'a Json, path: &str) -> Result<Expr, FormError> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(problem(path, "schemas are nested too deeply"));
        }
        let value = match schema {
            Json::Bool(true) => Ok(self.parts.value.clone()),
            Json::Bool(false) => Ok(Expr::never()),
            Json::Object(keywords) => self.keywords(schema, keywords, path),
            _ => Err(problem(path, "a schema is an object, true or false")),
        };
        self.depth -= 1;
        value
    }

    fn keywords(&mut self, schema: &'a Json, keywords: &'a [(String, Json)], path: &str) -> Result<Expr, FormError> {
        let is_known =
            |key: &str| key == "type" || ANNOTATIONS.contains(&key) || WHOLE.contains(&key) || type_of(key).is_some();
        if let Some((key, _)) = keywords.iter().find(|(key, _)| !is_known(key)) {
            return Err(problem(&under(path, key), format!("the keyword {key} is not supported")));
        }
        if path != "#" && schema.get("$id").is_some() {
            let text = "$id is supported at the root alone: references below it are to parts of its own schema";
            return Err(problem(&under(path, "$id"), text));
        }
        let Some((whole, value)) = keywords.iter().find(|(key, _)| WHOLE.contains(&&**key)) else {
            return self.typed(schema, keywords, path);
        };
        let takes_type = matches!(&**whole, "const" | "enum");
        let is_beside = |key: &str| key != whole && !ANNOTATIONS.contains(&key) && !(takes_type && key == "type");
        if let Some((key, _)) = keywords.iter().find(|(key, _)| is_beside(key)) {
            return Err(problem(&under(path, key), format!("{key} beside {whole} is not supported")));
        }
        let at = under(path, whole);
        match (&**whole, value) {
            ("$ref", Json::String(reference)) => self.reference(reference, &at),
            ("const", value) => self.constants(std::slice::from_ref(value), schema, path),
            ("enum", Json::Array(values)) => self.constants(values, schema, path),
            ("allOf", Json::Array(schemas)) => match &schemas[..] {
                [schema] => self.value(schema, &under(&at, "0")),
                _ => Err(problem(&at, "allOf of other than one schema is not supported: write them as one")),
            },
            (kind @ ("anyOf" | "oneOf"), Json::Array(schemas)) => {
                if kind == "oneOf" {
                    self.asked.check_disjoint(schemas, &at)?;
                }
                let value = |(index, schema)| self.value(schema, &under(&at, &format!("{index}")));
                Ok(Expr::Choice(schemas.iter().enumerate().map(value).collect::<Result<_, _>>()?))
            }
            _ => Err(problem(&at, format!("{whole} is not as it should be: see JSON Schema"))),
        }
    }

    fn reference(&mut self, reference: &str, path: &str) -> Result<Expr, FormError> {
        if let Some(&rule) = self.references.get(reference) {
            return Ok(Expr::Rule(rule));
        }
        let found = reference.strip_prefix('#').and_then(|pointer| self.root.at(pointer));
        let schema = found.ok_or_else(|| {
            problem(path, format!("there is no {reference:?}: references are to parts of the schema, as #/$defs/name"))
        })?;
        let rule = self.rules.reserve(reference);
        self.references.insert(reference.to_owned(), rule);
        let body = self.value(schema, reference)?;
        self.rules.set(rule, body);
        Ok(Expr::Rule(rule))
    }

    /// These values, if they are of the schema's type; written without white space.
    fn constants(&mut self, values: &'a [Json], schema: &'a Json, path: &str) -> Result<Expr, FormError> {
        let kinds = types(schema, path)?;
        let of_type = |value: &&Json| kinds.is_empty() || kinds.iter().any(|kind| is_of(value, kind));
        Ok(Expr::Choice(values.iter().filter(of_type).map(|value| Expr::text(&value.to_string())).collect()))
    }

    fn typed(&mut self, schema: &'a Json, keywords: &'a [(String, Json)], path: &str) -> Result<Expr, FormError> {
        let mut kinds = types(schema, path)?;
        if kinds.is_empty() {
            // What no type is said of is of those that its keywords are about.
            kinds = OF_TYPES.iter().map(|&(kind, _)| kind).collect();
            kinds.retain(|&kind| keywords.iter().any(|(key, _)| type_of(key) == Some(kind)));
        }
        if kinds.is_empty() {
            return Ok(self.parts.value.clone());
        }
        let of_kind = |kind: &str| match kind {
            "null" => Ok(Expr::text("null")),
            "boolean" => Ok(Expr::Choice(["true", "false"].map(Expr::text).into())),
            "string" => {
                let texts = self.string(schema, path)?;
                self.kept(texts)
            }
            "array" => self.array(schema, path),
            "object" => self.object(schema, path),
            kind => self.kept(number(schema, kind == "integer", path)?),
        };
        Ok(Expr::Choice(kinds.into_iter().map(of_kind).collect::<Result<_, _>>()?))
    }

    /// What is said of texts or numbers, if there is still room for it.
    fn kept(&mut self, expr: Expr) -> Result<Expr, FormError> {
        self.n_bytes = self.n_bytes.checked_sub(expr.n_bytes()).ok_or(FormError::TooLarge)?;
        Ok(expr)
    }

    fn string(&mut self, schema: &'a Json, path: &str) -> Result<Expr, FormError> {
        let text = |key: &str| match schema.get(key) {
            None => Ok(None),
            Some(Json::String(text)) => Ok(Some(text)),
            Some(_) => Err(problem(&under(path, key), format!("{key} is a text"))),
        };
        let [min, max] = ["minLength", "maxLength"].map(|key| count(schema, key, path));
        let (min, max) = (min?.unwrap_or(0), max?);
        let pattern = match (text("pattern")?, text("format")?) {
            (None, None) if min == 0 && max.is_none() => return Ok(self.parts.string.clone()),
            (None, None) => None,
            (Some(pattern), None) => Some(("pattern", pattern.clone())),
            (None, Some(format)) => {
                let unknown = || problem(&under(path, "format"), format!("the format {format} is not supported"));
                Some(("format", formats::pattern(format).ok_or_else(unknown)?))
            }
            (Some(_), Some(_)) => return Err(problem(path, "pattern beside format is not supported")),
        };
        let content = match pattern {
            None => self.parts.character.clone().repeat(min, max),
            Some((key, pattern)) => {
                let pattern = Pattern::new(&pattern).map_err(|cause| problem(&under(path, key), cause))?;
                let (least, most) = pattern.n_characters;
                let fits = least >= min.into() && max.is_none_or(|max| most.is_some_and(|most| most <= max.into()));
                if !fits {
                    let wish = "say the length in the pattern, between ^ and $";
                    return Err(problem(
                        path,
                        format!("minLength and maxLength beside {key} are not supported: {wish}"),
                    ));
                }
                pattern.expr
            }
        };
        Ok(Expr::Sequence(vec![Expr::text("\""), content, Expr::text("\"")]))
    }

    fn array(&mut self, schema: &'a Json, path: &str) -> Result<Expr, FormError> {
        if schema.get("uniqueItems").is_some_and(|unique| *unique != Json::Bool(false)) {
            return Err(problem(&under(path, "uniqueItems"), "uniqueItems is not supported"));
        }
        let first = match schema.get("prefixItems") {
            None => Vec::new(),
            Some(Json::Array(schemas)) if schemas.len() > MAX_LISTED => {
                return Err(problem(&under(path, "prefixItems"), format!("there are more than {MAX_LISTED} schemas")));
            }
            Some(Json::Array(schemas)) => {
                let at = under(path, "prefixItems");
                let item = |(index, schema)| self.value(schema, &under(&at, &format!("{index}")));
                schemas.iter().enumerate().map(item).collect::<Result<_, _>>()?
            }
            Some(_) => return Err(problem(&under(path, "prefixItems"), "prefixItems is a list of schemas")),
        };
        let other = match schema.get("items") {
            None => Some(self.parts.value.clone()),
            Some(Json::Bool(false)) => None,
            Some(Json::Array(_)) => return Err(problem(&under(path, "items"), "a list is written as prefixItems")),
            Some(schema) => {
                let item = self.value(schema, &under(path, "items"))?;
                Some(self.rules.add("an item", item))
            }
        };
        let [min, max] = ["minItems", "maxItems"].map(|key| count(schema, key, path));
        let items = self.parts.items(self.rules, (first, other), min?.unwrap_or(0), max?);
        Ok(self.parts.list("[]", items))
    }

    fn object(&mut self, schema: &'a Json, path: &str) -> Result<Expr, FormError> {
        let at = under(path, "properties");
        let properties = match schema.get("properties") {
            None => &[][..],
            Some(Json::Object(properties)) => properties,
            Some(_) => return Err(problem(&at, "properties are an object of schemas")),
        };
        let required = required(schema, path)?;
        let is_required: HashSet<&str> = required.iter().copied().collect();
        let known: HashSet<&str> = properties.iter().map(|(name, _)| &**name).collect();
        let mut fields = Vec::new();
        for (name, schema) in properties {
            let value = self.value(schema, &under(&at, name))?;
            let member = self.parts.member(Expr::text(&Json::String(name.clone()).to_string()), value);
            fields.push(Field { member, is_required: is_required.contains(&**name) });
        }
        let names: Vec<&str> = properties.iter().map(|(name, _)| &**name).collect();
        let other = match schema.get("additionalProperties") {
            Some(Json::Bool(false)) => None,
            // What the schema does not speak of is left out, if it speaks of something.
            None if !properties.is_empty() => None,
            None => Some(self.parts.value.clone()),
            Some(schema) => {
                let value = self.value(schema, &under(path, "additionalProperties"))?;
                Some(self.rules.add("another value", value))
            }
        };
        let mut all_names = names;
        for &name in required.iter().filter(|&name| !known.contains(name)) {
            let value = match (&other, schema.get("additionalProperties")) {
                (_, None) => self.parts.value.clone(),
                (Some(value), Some(_)) => value.clone(),
                (None, Some(_)) => Expr::never(),
            };
            let member = self.parts.member(Expr::text(&Json::String(name.to_owned()).to_string()), value);
            fields.push(Field { member, is_required: true });
            all_names.push(name);
        }
        let other = match other {
            Some(value) if all_names.is_empty() => Some(self.parts.member(self.parts.string.clone(), value)),
            Some(value) => {
                let too_long = || {
                    let text =
                        format!("names of more than {MAX_LISTED} characters in all, beside others, are not supported");
                    problem(path, text)
                };
                let content =
                    strings::other_than(self.rules, &all_names, &mut self.n_characters).ok_or_else(too_long)?;
                let name = Expr::Sequence(vec![Expr::text("\""), content, Expr::text("\"")]);
                Some(self.parts.member(name, value))
            }
            None => None,
        };
        let [min, max] = ["minProperties", "maxProperties"].map(|key| count(schema, key, path));
        let (min, max) = (min?.unwrap_or(0), max?);
        let content = self.counted(fields, other, (min, max), path)?;
        Ok(self.parts.list("{}", content))
    }

    /// The members of an object, from `min` to `max` of them.
    fn counted(
        &mut self,
        fields: Vec<Field>,
        other: Option<Expr>,
        (min, max): (u32, Option<u32>),
        path: &str,
    ) -> Result<Expr, FormError> {
        if let (true, Some(other)) = (fields.is_empty(), &other) {
            if min > 1 {
                let text = "minProperties above 1 is not supported without properties: the names could be equal";
                return Err(problem(path, text));
            }
            let other = self.rules.add("another member", other.clone());
            return Ok(self.parts.listed(self.rules, other, min, max));
        }
        let n_required = fields.iter().filter(|field| field.is_required).count() as u64;
        let n_most = other.is_none().then_some(fields.len() as u64);
        if u64::from(min) > n_required || max.is_some_and(|max| n_most.is_none_or(|most| most > max.into())) {
            return Err(problem(path, "minProperties and maxProperties beside properties are not supported"));
        }
        Ok(members(self.rules, &self.parts, fields, other))
    }
}

/// What is asked to tell the schemas of `oneOf` apart.
struct Asked<'a> {
    root: &'a Json,
    /// The schemas that are referred to, by the reference.
    targets: HashMap<&'a str, Option<&'a Json>>,
    /// Pairs within the two schemas that are told apart.
    met: HashSet<[*const Json; 2]>,
    /// Comparisons that may still be made. They are those of the whole schema: a list that is referred to from many places
    /// may be compared from each.
    n_left: usize,
}

impl<'a> Asked<'a> {
    /// Checks that no value is of two of these schemas, as far as that can be told.
    fn check_disjoint(&mut self, schemas: &'a [Json], path: &str) -> Result<(), FormError> {
        if schemas.len() > MAX_LISTED {
            return Err(problem(path, format!("there are more than {MAX_LISTED} schemas: write anyOf")));
        }
        let schemas: Vec<&'a Json> = schemas.iter().map(|schema| self.resolved(schema)).collect();
        for (at, &one) in schemas.iter().enumerate() {
            let is_not_apart = |&other: &&'a Json| {
                self.met.clear();
                !self.is_disjoint(one, other)
            };
            if let Some(other) = schemas[..at].iter().position(is_not_apart) {
                let wish = "give them types or required properties with const that differ, or write anyOf";
                return Err(problem(path, format!("a value may be of both {other} and {at}: {wish}")));
            }
        }
        Ok(())
    }

    /// Whether each of `n` may be compared with each of `m`. Where they may not, nothing is compared any more.
    fn may_compare(&mut self, n: usize, m: usize) -> bool {
        let left = self.n_left.checked_sub(n.saturating_mul(m));
        self.n_left = left.unwrap_or(0);
        left.is_some()
    }

    /// Whether no value is of both schemas, as far as can be told. A pair that was asked about before says nothing new.
    fn is_disjoint(&mut self, one: &'a Json, other: &'a Json) -> bool {
        let [one, other] = [one, other].map(|schema| self.resolved(schema));
        let is_new = self.met.insert([one, other].map(std::ptr::from_ref));
        if !is_new || self.met.len() > MAX_LISTED || !self.may_compare(1, n_parts(one) + n_parts(other)) {
            return false;
        }
        if let (Some(a), Some(b)) = (values(one), values(other)) {
            let [n, m] = [a, b].map(|values| values.iter().map(size_of).sum::<usize>());
            return self.may_compare(n, m) && !a.iter().any(|value| b.iter().any(|other| are_equal(value, other)));
        }
        let [kinds, other_kinds] = [one, other].map(kinds_of);
        if let (Some(a), Some(b)) = (&kinds, &other_kinds)
            && self.may_compare(a.len(), b.len())
            && !a.iter().any(|kind| b.iter().any(|other| overlap(kind, other)))
        {
            return true;
        }
        // Objects that both have a member of one name, and never the same value of it.
        let are_objects =
            [kinds, other_kinds].iter().all(|kinds| kinds.as_ref().is_some_and(|kinds| *kinds == ["object"]));
        let [required, other_required] = [one, other].map(|schema| required(schema, "#").unwrap_or_default());
        let [properties, other_properties] = [one, other].map(|schema| match schema.get("properties") {
            Some(Json::Object(properties)) => &properties[..],
            _ => &[],
        });
        let n_names = other_required.len() + properties.len() + other_properties.len();
        are_objects
            && self.may_compare(required.len(), n_names)
            && required.iter().filter(|name| other_required.contains(name)).any(|name| {
                let [a, b] = [properties, other_properties].map(|all| all.iter().find(|(own, _)| own == name));
                a.zip(b).is_some_and(|((_, a), (_, b))| self.is_disjoint(a, b))
            })
    }

    /// The schema that this one refers to. Each reference is looked up once.
    fn resolved(&mut self, mut schema: &'a Json) -> &'a Json {
        for _ in 0..MAX_DEPTH {
            let reference = schema.get("$ref").and_then(Json::as_str).and_then(|reference| reference.strip_prefix('#'));
            let Some(pointer) = reference else { break };
            let root = self.root;
            let Some(next) = *self.targets.entry(pointer).or_insert_with(|| root.at(pointer)) else { break };
            schema = next;
        }
        schema
    }
}

/// Keywords of a schema, and what each of them lists: all that is looked through to tell it from another.
fn n_parts(schema: &Json) -> usize {
    let Json::Object(keywords) = schema else { return 1 };
    let of_keyword = |value: &Json| match value {
        Json::Array(values) => 1 + values.len(),
        Json::Object(members) => 1 + members.len(),
        _ => 1,
    };
    keywords.iter().map(|(_, value)| of_keyword(value)).sum()
}

/// Values within a value, itself among them, and its texts by their lengths: the cost of a comparison with it.
fn size_of(value: &Json) -> usize {
    let of_text = |text: &str| 1 + text.len() / 64;
    match value {
        Json::String(text) => of_text(text),
        Json::Array(values) => 1 + values.iter().map(size_of).sum::<usize>(),
        Json::Object(members) => 1 + members.iter().map(|(name, value)| of_text(name) + size_of(value)).sum::<usize>(),
        _ => 1,
    }
}

/// Whether two values are one to JSON Schema, whose 1 and 1.0 are equal, and whose objects have no order.
fn are_equal(one: &Json, other: &Json) -> bool {
    match (one, other) {
        (Json::Number(a), Json::Number(b)) => a == b || a.as_f64() == b.as_f64(),
        (Json::Array(a), Json::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| are_equal(a, b)),
        (Json::Object(a), Json::Object(b)) => {
            let is_there =
                |(name, value): &(String, Json)| other.get(name).is_some_and(|other| are_equal(value, other));
            a.len() == b.len() && a.iter().all(is_there)
        }
        _ => one == other,
    }
}

/// The values that a schema lists.
fn values(schema: &Json) -> Option<&[Json]> {
    schema.get("enum").and_then(Json::as_array).or(schema.get("const").map(std::slice::from_ref))
}

/// The types that a schema says, or those of the values that it lists.
fn kinds_of(schema: &Json) -> Option<Vec<&str>> {
    let said = types(schema, "#").ok().filter(|kinds| !kinds.is_empty());
    said.or_else(|| values(schema).map(|values| values.iter().map(kind_of).collect()))
}

fn overlap(one: &str, other: &str) -> bool {
    let is_number = |kind: &str| matches!(kind, "integer" | "number");
    one == other || is_number(one) && is_number(other)
}

/// The types that a schema says; none where it says nothing.
fn types<'a>(schema: &'a Json, path: &str) -> Result<Vec<&'a str>, FormError> {
    let mut said = match schema.get("type") {
        None => return Ok(Vec::new()),
        Some(Json::String(kind)) => vec![&**kind],
        Some(Json::Array(kinds)) if !kinds.is_empty() => kinds.iter().map(|kind| kind.as_str().unwrap_or("")).collect(),
        Some(_) => vec![""],
    };
    let mut seen = HashSet::new();
    said.retain(|&kind| seen.insert(kind));
    match said.iter().all(|kind| TYPES.contains(kind)) {
        true => Ok(said),
        false => Err(problem(&under(path, "type"), format!("type is one or several of {}", TYPES.join(", ")))),
    }
}

fn kind_of(value: &Json) -> &'static str {
    match value {
        Json::Null => "null",
        Json::Bool(_) => "boolean",
        Json::Number(number) if number.as_f64().is_some_and(|number| number.fract() == 0.0) => "integer",
        Json::Number(_) => "number",
        Json::String(_) => "string",
        Json::Array(_) => "array",
        Json::Object(_) => "object",
    }
}

fn is_of(value: &Json, kind: &str) -> bool {
    let own = kind_of(value);
    own == kind || own == "integer" && kind == "number"
}

/// The names that an object must have, each once.
fn required<'a>(schema: &'a Json, path: &str) -> Result<Vec<&'a str>, FormError> {
    let names = match schema.get("required") {
        None => return Ok(Vec::new()),
        Some(Json::Array(names)) => names.iter().map(Json::as_str).collect::<Option<Vec<&str>>>(),
        Some(_) => None,
    };
    let mut names = names.ok_or_else(|| problem(&under(path, "required"), "required is a list of names"))?;
    let mut seen = HashSet::new();
    names.retain(|&name| seen.insert(name));
    Ok(names)
}

/// A number of characters, items or members.
fn count(schema: &Json, key: &str, path: &str) -> Result<Option<u32>, FormError> {
    let Some(value) = schema.get(key) else { return Ok(None) };
    // 1.0 is whole, too.
    let whole = |number: &Number| {
        number.as_u64().or(number.as_f64().filter(|n| *n >= 0.0 && n.fract() == 0.0).map(|n| n as u64))
    };
    let number = if let Json::Number(number) = value { whole(number) } else { None };
    let count = number.and_then(|number| u32::try_from(number).ok());
    count.map(Some).ok_or_else(|| problem(&under(path, key), format!("{key} is a whole number from 0 on")))
}

/// The numbers between the bounds of a schema.
fn number(schema: &Json, is_integer: bool, path: &str) -> Result<Expr, FormError> {
    let bound = |key: &str| match schema.get(key) {
        None => Ok(None),
        Some(Json::Number(number)) => {
            let limit = (MAX_WHOLE + 1) as f64;
            let value = number.as_f64().unwrap_or(0.0);
            let is_beyond = if key.ends_with("aximum") { value >= limit } else { value <= -limit };
            let too_long =
                || problem(&under(path, key), format!("{key} has more than 17 digits before or after the point"));
            let bound = Bound::new(number, key.starts_with("exclusive"));
            if is_beyond { Ok(None) } else { bound.map(Some).ok_or_else(too_long) }
        }
        Some(_) => Err(problem(&under(path, key), format!("{key} is a number"))),
    };
    let (least, above) = (bound("minimum")?, bound("exclusiveMinimum")?);
    let (most, below) = (bound("maximum")?, bound("exclusiveMaximum")?);
    if is_integer {
        let min = least.iter().chain(&above).map(Bound::ceil).max();
        let max = most.iter().chain(&below).map(Bound::floor).min();
        return Ok(match (min, max) {
            (None, None) => numbers::any_integer(),
            (min, max) => numbers::integers(min.unwrap_or(-MAX_WHOLE), max.unwrap_or(MAX_WHOLE)),
        });
    }
    match (least, above, most, below) {
        (None, None, None, None) => Ok(numbers::any_number()),
        (Some(_), Some(_), _, _) | (_, _, Some(_), Some(_)) => {
            Err(problem(path, "minimum beside exclusiveMinimum, or maximum beside exclusiveMaximum, is not supported"))
        }
        (least, above, most, below) => Ok(numbers::numbers(least.or(above).as_ref(), most.or(below).as_ref())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Before anything is compiled, which has a bound of its own.
    #[test]
    fn patterns_of_all_schemas_have_one_bound() {
        let pattern = format!(r#"{{"pattern": "{}"}}"#, r"\\pL".repeat(1000));
        let read = |n: usize| {
            let schema: Json =
                serde_json::from_str(&format!(r#"{{"anyOf": [{}]}}"#, vec![&*pattern; n].join(", "))).unwrap();
            of(&mut Rules::default(), &schema).map(drop)
        };
        assert_eq!(read(3), Ok(()));
        assert_eq!(read(10), Err(FormError::TooLarge));
    }
}
