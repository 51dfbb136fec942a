//! Forms against what they say: schemas by hand and by a validator, regular expressions by another matcher, and generation by
//! brute force over the vocabulary.

use std::{ops::ControlFlow, sync::Arc};

use attentive_core::{TokenId, mix64};
use attentive_decode::{
    DecodeError, Ended, Form, FormError, FormSpec, GenerateRequest, Held, Rules, SamplingConfig, Vocabulary,
    generate_held,
};
use regex::Regex;
use serde_json::Value;

use crate::models::{Model, Scores};

fn form(spec: &FormSpec) -> Result<Form, FormError> {
    Form::new(spec, Arc::new(Vocabulary::new(Vec::new())))
}

fn schema(text: &str) -> FormSpec {
    FormSpec::JsonSchema(serde_json::from_str(text).unwrap())
}

#[track_caller]
fn check(text: &str, good: &[&str], bad: &[&str]) {
    let form = form(&schema(text)).unwrap();
    good.iter().for_each(|value| assert!(form.matches(value).unwrap(), "{text} is of {value}"));
    bad.iter().for_each(|value| assert!(!form.matches(value).unwrap(), "{text} is not of {value}"));
}

#[test]
fn values_are_of_their_schemas() {
    let any = ["1", "-0.5e+10", r#"{"a": [1, {"b":null}]}"#, "[]", "[ ]", "{ }", r#""\ud83d\ude00é\n""#, "true"];
    check("{}", &any, &["", " 1", "01", "[1,]", "{,}", r#""\ud800""#, "tru", "1 ", "{\"a\":1,}", "\"\n\""]);
    check(r#"{"type": ["string", "null"], "maxLength": 1}"#, &["null", r#""a""#, r#""""#], &[r#""ab""#, "1"]);
    check(r#"{"enum": ["a\"b", 1, {"x": [1, 2]}]}"#, &[r#""a\"b""#, "1", r#"{"x":[1,2]}"#], &["2", "null"]);
    check(r#"{"enum": ["a", 1, null], "type": ["integer", "null"]}"#, &["1", "null"], &[r#""a""#]);
    check(r#"{"maxItems": 0}"#, &["[]", "[ ]"], &["[1]", "1"]);
}

#[test]
fn members_are_in_the_order_of_the_schema() {
    let two = r#""properties": {"b": {"type": "integer"}, "a": {"type": "string"}}"#;
    let good = [r#"{"b":1}"#, r#"{"b": 1, "a": "x"}"#, "{\n  \"b\": 1\n}"];
    let bad = ["{}", r#"{"a":"x","b":1}"#, r#"{"b":1,"c":2}"#, r#"{"b":1.5}"#, r#"{"b":1,}"#];
    check(&format!(r#"{{"type": "object", {two}, "required": ["b"]}}"#), &good, &bad);
    let good = ["{}", r#"{"a":"x","c":null}"#, r#"{"c":null,"d":null}"#, r#"{"aa":null}"#, r#"{"":null}"#];
    let bad = [r#"{"a":null}"#, r#"{"b":null}"#, r#"{"c":1}"#, r#"{"\u0061":null}"#];
    check(&format!(r#"{{{two}, "additionalProperties": {{"type": "null"}}}}"#), &good, &bad);
    check(
        r#"{"type": "object", "required": ["z"]}"#,
        &[r#"{"z":1}"#, r#"{"z":[],"y":2}"#],
        &["{}", r#"{"z":1,"z":2}"#],
    );
    let counted = r#"{"additionalProperties": {"type": "integer"}, "minProperties": 1, "maxProperties": 2}"#;
    check(counted, &[r#"{"a":1}"#, r#"{"a":1,"b":2}"#], &["{}", r#"{"a":1,"b":2,"c":3}"#]);
    let object = form(&FormSpec::JsonObject).unwrap();
    assert!(object.matches("{\"a\":{}}").unwrap() && !object.matches("[]").unwrap());
}

#[test]
fn items_are_counted() {
    let two_or_three = r#"{"items": {"type": "boolean"}, "minItems": 2, "maxItems": 3}"#;
    check(two_or_three, &["[true,false]", "[true, true ,false]"], &["[]", "[true]", "[true,true,true,true]"]);
    let good = ["[1]", "[1,2]", "[1,2,3]", "[1,2,3,3]"];
    let first = r#""prefixItems": [{"const": 1}, {"const": 2}], "items""#;
    check(
        &format!(r#"{{{first}: {{"const": 3}}, "minItems": 1, "maxItems": 4}}"#),
        &good,
        &["[]", "[2]", "[1,3]", "[1,2,3,3,3]"],
    );
    check(&format!("{{{first}: false}}"), &["[]", "[1]", "[1,2]"], &["[2]", "[1,3]", "[1,2,3]"]);
    check(&format!(r#"{{{first}: {{"const": 3}}, "maxItems": 1}}"#), &["[]", "[1]"], &["[2]", "[1,2]"]);
}

#[test]
fn strings_have_lengths_patterns_and_formats() {
    check(r#"{"minLength": 2.0, "maxLength": 3}"#, &[r#""ab""#, r#""é\n\ud83d\ude00""#], &[r#""a""#, r#""abcd""#]);
    check(r#"{"pattern": "^[a-c]+$"}"#, &[r#""abc""#], &[r#""""#, r#""abd""#]);
    check(r#"{"pattern": "b|^x"}"#, &[r#""abc""#, r#""xyz""#, r#""\n\"b""#], &[r#""""#, r#""ac""#]);
    check(r#"{"pattern": "^\\d{3}-\\w$", "maxLength": 5}"#, &[r#""123-x""#], &[r#""12-x""#, r#""123-é""#]);
    check(r#"{"pattern": "^.{3}$"}"#, &[r#""a.b""#], &[r#""a\rb""#, r#""a\nb""#]);
    check(r#"{"pattern": "^[a[b]$"}"#, &[r#""a""#, r#""[""#, r#""b""#], &[r#""]""#]);
    check(r#"{"pattern": "^[a&&b]$"}"#, &[r#""a""#, r#""&""#, r#""b""#], &[r#""c""#]);
    let format = |name: &str| format!(r#"{{"type": "string", "format": "{name}"}}"#);
    check(
        &format("date"),
        &[r#""2024-02-29""#, r#""2023-12-31""#, r#""2000-02-29""#],
        &[r#""2023-02-29""#, r#""1900-02-29""#],
    );
    check(
        &format("date-time"),
        &[r#""2024-02-29T23:59:59.5Z""#, r#""2023-12-31T00:00:00+01:00""#],
        &[r#""2023-02-28""#],
    );
    check(&format("uuid"), &[r#""123e4567-e89b-12d3-a456-426614174000""#], &[r#""123e4567""#]);
    check(&format("ipv4"), &[r#""255.0.10.199""#], &[r#""256.0.0.0""#, r#""1.2.3""#, r#""01.2.3.4""#]);
    check(&format("duration"), &[r#""P1Y2M3DT4H5M6S""#, r#""PT1M""#, r#""P2W""#], &[r#""P""#, r#""P1DT""#]);
    check(&format("email"), &[r#""a.b@example.org""#], &[r#""a""#]);
    check(&format("uri"), &[r#""https://example.org/a?b=c#d""#], &[r#""a""#]);
}

#[test]
fn schemas_refer_to_others() {
    let list = r##"{"$defs": {"n": {"type": "object", "properties": {"v": {"type": "integer"}, "next": {"anyOf":
        [{"$ref": "#/$defs/n"}, {"type": "null"}]}}, "required": ["v", "next"]}}, "$ref": "#/$defs/n"}"##;
    check(list, &[r#"{"v":1,"next":null}"#, r#"{"v":1,"next":{"v":2,"next":null}}"#], &[r#"{"v":1}"#]);
    let tagged = r#"{"oneOf": [
        {"type": "object", "properties": {"k": {"const": "a"}}, "required": ["k"]},
        {"type": "object", "properties": {"k": {"const": "b"}, "v": {"type": "integer"}}, "required": ["k"]}]}"#;
    check(tagged, &[r#"{"k":"a"}"#, r#"{"k":"b","v":1}"#], &[r#"{"k":"a","v":1}"#]);
    // RFC 6901, §6.
    let named = r##"{"$defs": {"a b%25": {"const": 1}, "a b%": {"const": 2}}, "$ref": "#/$defs/a%20b%25"}"##;
    check(named, &["2"], &["1"]);
}

#[test]
fn numbers_are_between_their_bounds() {
    let bounds = [
        "0", "1", "-1", "0.5", "-0.5", "9", "10", "99.95", "100", "-99", "1.05", "0.05", "-0.05", "12.25", "12.3",
        "12", "-12.25", "1e-3", "1e2", "0.125",
    ];
    let wholes = ["0", "1", "2", "9", "10", "11", "12", "13", "98", "99", "100", "101"];
    let fractions =
        ["", ".0", ".05", ".051", ".1", ".25", ".250", ".251", ".249", ".3", ".5", ".95", ".99", ".001", ".125"];
    let numbers = wholes.iter().flat_map(|whole| fractions.map(|fraction| format!("{whole}{fraction}")));
    let numbers: Vec<String> = numbers.flat_map(|number| [format!("-{number}"), number]).collect();
    let all = || bounds.iter().map(Some).chain([None]);
    for (case, (low, high)) in (0..).zip(all().flat_map(|low| all().map(move |high| (low, high)))) {
        let bits = mix64(case);
        let [no_low, no_high, whole] = [0, 1, 2].map(|bit| bits >> bit & 1 == 1);
        let name = |end: &str, is_excluded| if is_excluded { format!("exclusiveM{end}") } else { format!("m{end}") };
        let kind = if whole { "integer" } else { "number" };
        let mut text = format!(r#"{{"type": "{kind}""#);
        low.iter().for_each(|low| text += &format!(r#", "{}": {low}"#, name("inimum", no_low)));
        high.iter().for_each(|high| text += &format!(r#", "{}": {high}"#, name("aximum", no_high)));
        text.push('}');
        let number = |text: &&str| text.parse::<f64>().unwrap();
        let (low, high) = (low.map(number), high.map(number));
        let form = form(&schema(&text)).map_err(|error| assert_eq!(error, FormError::Unsatisfiable, "{text}")).ok();
        for written in &numbers {
            let n: f64 = written.parse().unwrap();
            let is_above = low.is_none_or(|low| n > low || n == low && !no_low);
            let is_below = high.is_none_or(|high| n < high || n == high && !no_high);
            let is_good = is_above && is_below && !(whole && written.contains('.'));
            let found = form.as_ref().is_some_and(|form| form.matches(written).unwrap());
            let is_minus_zero = n == 0.0 && written.starts_with('-'); // may be left out
            assert!(found == is_good || is_minus_zero && !found, "{text}: {written}");
        }
    }
}

#[test]
fn regular_expressions_match_as_another_matcher_does() {
    let texts = ["", "a", "ab", "abc", "aaa", "é", "東京", "a\nb", "1234", "ABC", "_x9", "x-y", "\u{1f431}"];
    let patterns = [
        "a*",
        "(ab|a)c?",
        "[^a]+",
        ".{2}",
        "\\w+",
        "\\d{2,}",
        "(?i)abc",
        "(?s).*",
        "^a|b$",
        "[a-c\\d_]*x?9?",
        "\\p{Han}+",
        "(a|b|c){3}",
        "(?:a?){3}a{3}",
        "\\p{Emoji}",
        "(a*)*b|",
        "^abc$",
        "(?:a|bc?){2,}",
        "((a?){9}b?){9}c",
        "(ab|c|){0,7}",
    ];
    for pattern in patterns {
        let form = form(&FormSpec::Regex(pattern.into())).unwrap();
        let regex = Regex::new(&format!("^(?:{pattern})$")).unwrap();
        for text in texts {
            assert_eq!(form.matches(text).unwrap(), regex.is_match(text), "{pattern} {text:?}");
        }
    }
}

#[test]
fn grammars_are_those_of_llama_cpp() {
    let grammar = "root ::= sum # a comment\nsum ::= term (ws [-+] ws term)*\n\
        term ::= [0-9]{1,2} | \"(\" sum \")\" |\n  \"\\x41\"\nws ::= \" \"?";
    let form = form(&FormSpec::Grammar(grammar.into())).unwrap();
    ["1", "1+2", "(1 - 23)+A", "((1))"].iter().for_each(|text| assert!(form.matches(text).unwrap(), "{text}"));
    ["", "1+", "(1", "123"].iter().for_each(|text| assert!(!form.matches(text).unwrap(), "{text}"));
}

/// Each of these would take minutes, gigabytes, or all of the stack.
#[test]
fn schemas_of_any_size_are_read_or_refused_at_once() {
    let constants: Vec<String> = (0..2000).map(|n| format!(r#"{{"const": {n}}}"#)).collect();
    let lists = |n: usize| {
        (0..2).map(move |list| format!(r#"{{"enum": {:?}}}"#, (list * n..(list + 1) * n).collect::<Vec<_>>()))
    };
    let tree = r##"{"type": "object", "required": ["l", "r"], "properties": {"l": {"$ref": "#/$defs/n"}, "r": {"$ref": "#/$defs/n"}}}"##;
    let long = "a".repeat(100_000);
    let deep =
        (0..60).fold("true".to_owned(), |inner, _| format!(r#"{{"prefixItems": [{}{inner}]}}"#, "true, ".repeat(1023)));
    let object = |last: u32| {
        let members: Vec<String> =
            (0..40_000).map(|n| format!(r#""m{n}": {}"#, if n < 39_999 { 0 } else { last })).collect();
        format!(r#"{{"const": {{{}}}}}"#, members.join(", "))
    };
    let [low, high] = <[String; 2]>::try_from(lists(3000).collect::<Vec<_>>()).unwrap();
    let shared = [r##"{"oneOf": [{"$ref": "#/$defs/a"}, {"$ref": "#/$defs/b"}]}"##; 5].join(", ");
    let names: Vec<String> = (0..2000).map(|n| format!(r#"{{"required": ["{n:04}"]}}"#)).collect();
    for (text, what) in [
        (deep, "too large"),
        (format!(r#"{{"anyOf": [{}]}}"#, names.join(", ")), "more than 1024 characters"),
        (format!(r#"{{"oneOf": [{}, {}]}}"#, object(1), object(2)), "of both 0 and 1"),
        (format!(r##"{{"$defs": {{"a": {low}, "b": {high}}}, "anyOf": [{shared}]}}"##), "of both 0 and 1"),
        (format!(r##"{{"$defs": {{"n": {tree}}}, "oneOf": [{{"$ref": "#/$defs/n"}}, {tree}]}}"##), "of both 0 and 1"),
        (format!(r#"{{"oneOf": [{}]}}"#, constants.join(", ")), "more than 1024 schemas"),
        (format!(r#"{{"oneOf": [{}]}}"#, lists(6000).collect::<Vec<_>>().join(", ")), "of both 0 and 1"),
        (format!(r#"{{"prefixItems": [{}]}}"#, constants.join(", ")), "more than 1024 schemas"),
        (format!(r#"{{"properties": {{"{long}": {{}}}}, "additionalProperties": true}}"#), "more than 1024 characters"),
        (format!(r#"{{"pattern": "{}"}}"#, r"\\pL".repeat(6000)), "16384 at most"),
    ] {
        let message = schema(&text).validate().unwrap_err().to_string();
        assert!(message.contains(what), "{message}");
    }
    let name = "a".repeat(500);
    schema(&format!(r#"{{"properties": {{"{name}": true}}, "additionalProperties": true}}"#)).validate().unwrap();
    let few = lists(50).collect::<Vec<_>>().join(", ");
    schema(&format!(r#"{{"oneOf": [{few}]}}"#)).validate().unwrap();
    let defined: Vec<String> = (0..30_000).map(|n| format!(r#""n{n}": {{"const": {n}}}"#)).collect();
    let references: Vec<String> = (29_500..30_000).map(|n| format!(r##"{{"$ref": "#/$defs/n{n}"}}"##)).collect();
    let text = format!(r#"{{"$defs": {{{}}}, "oneOf": [{}]}}"#, defined.join(", "), references.join(", "));
    schema(&text).validate().unwrap();
    check(&format!(r#"{{"type": {:?}}}"#, vec!["number"; 100_000]), &["1"], &["true"]);
    let alone = schema(&format!(r#"{{"properties": {{"{long}": {{"type": "null"}}}}, "required": ["{long}"]}}"#));
    assert!(form(&alone).unwrap().matches(&format!(r#"{{"{long}":null}}"#)).unwrap());
    // A list of many words is not a form at all, rather than one that fails when a text is begun.
    let words: Vec<String> = (0..9000).map(|n| format!("w{n}")).collect();
    assert!(matches!(schema(&format!(r#"{{"enum": {words:?}}}"#)).validate(), Err(FormError::Ambiguous)));
}

#[test]
fn what_texts_cannot_be_held_to_is_named() {
    let refused = |spec: FormSpec, what: &str| {
        let message = form(&spec).unwrap_err().to_string();
        assert!(message.contains(what), "{message}");
    };
    for (text, what) in [
        (r#"{"not": {}}"#, "#/not: the keyword not is not supported"),
        (r#"{"properties": {"a": {"nullable": true}}}"#, "#/properties/a/nullable"),
        (r##"{"$ref": "#"}"##, "begins with itself"),
        (r#"{"$ref": "http://x"}"#, "there is no \"http"),
        ("false", "no text is of the form"),
        (r##"{"properties": {"n": {"$ref": "#"}}, "required": ["n"]}"##, "no text is of the form"),
        (r#"{"oneOf": [{"type": "integer"}, {"type": "number"}]}"#, "both 0 and 1"),
        (r#"{"pattern": "(?=a)"}"#, "look-around"),
        (r#"{"pattern": "[]a]"}"#, "a class is empty"),
        (r#"{"pattern": "[a--b]"}"#, "a class has --"),
        (r#"{"type": "object", "minProperties": 2}"#, "names could be equal"),
        (r#"{"oneOf": [{"const": 1}, {"const": 1.0}]}"#, "a value may be of both"),
        (r#"{"pattern": "(a|b$)c"}"#, "at the ends alone"),
        (r#"{"pattern": "\\byes"}"#, "nowhere"),
        (r#"{"pattern": "a+", "minLength": 2}"#, "minLength"),
        (r#"{"type": "integer", "multipleOf": 2}"#, "multipleOf"),
        (r#"{"type": "string", "format": "regex"}"#, "the format regex"),
        (r#"{"type": "integer", "minimum": 1, "maximum": 0}"#, "no text is of the form"),
        (r#"{"type": "strin"}"#, "type is one or several of"),
        (r#"{"minItems": 4000000000}"#, "too large"),
        (r#"{"minLength": -1.0}"#, "minLength is a whole number"),
        (
            r##"{"$defs": {"a": {"$id": "http://x", "type": "null"}}, "$ref": "#/$defs/a"}"##,
            "$id is supported at the root",
        ),
        (r#"{"minItems": 3, "maxItems": 2}"#, "no text is of the form"),
        (r#"{"enum": []}"#, "no text is of the form"),
        (r#"{"enum": [1], "minimum": 0}"#, "#/minimum: minimum beside enum"),
    ] {
        refused(schema(text), what);
    }
    for (pattern, what) in [
        ("(", "unclosed group"),
        ("a\\b", "ends alone"),
        ("(){4000000000}(a{1000}){1000000}", "too large"),
        ("[a&&b]", "no text"),
    ] {
        refused(FormSpec::Regex(pattern.into()), what);
    }
    for (grammar, what) in [
        ("", "no rule root"),
        ("root ::= root \"a\" | \"b\"", "root begins with itself"),
        ("root ::= a a\na ::= b\nb ::= \"\" a", "begins with itself"),
        ("root ::= x", "line 1: there is no rule x"),
        ("root ::= \"a", "\" is missing"),
        ("root ::= \"a\"\nroot ::= \"b\"", "line 2: root is defined twice"),
        ("root = \"a\"", "::= is missing"),
        ("root ::= (\"a\"", ") is missing"),
        ("root ::= \"a\"{2,1}", "less"),
    ] {
        refused(FormSpec::Grammar(grammar.into()), what);
    }
}

/// The end of a text.
const END: TokenId = 0;

/// Every token may follow everything, as a hash of what is before says; the last tokens are more probable.
struct Soft {
    vocab_size: usize,
    seed: u64,
}

impl Scores for Soft {
    fn vocab_size(&self) -> usize {
        self.vocab_size
    }

    fn after(&self, prefix: &[TokenId]) -> Vec<f32> {
        let hash = prefix.iter().fold(mix64(self.seed), |hash, &token| mix64(hash ^ (u64::from(token) + 1)));
        let logit = |token: usize| {
            let unit = (mix64(hash.wrapping_add(token as u64)) >> 11) as f64 / (1_u64 << 53) as f64;
            4.0 * unit + if token == 0 || token + 12 > self.vocab_size { 4.0 } else { 0.0 }
        };
        let logits: Vec<f64> = (0..self.vocab_size).map(logit).collect();
        let sum: f64 = logits.iter().map(|logit| logit.exp()).sum();
        logits.iter().map(|logit| (logit - sum.ln()) as f32).collect()
    }
}

/// Tokens that write `texts`, after the end.
fn vocabulary(texts: &[&str]) -> (Arc<Vocabulary>, usize) {
    let tokens: Vec<(Vec<u8>, usize)> = std::iter::once(Vec::new())
        .chain(texts.iter().map(|text| text.as_bytes().to_vec()))
        .map(|text| (text, 0))
        .collect();
    let n = tokens.len();
    (Arc::new(Vocabulary::new(vec![tokens])), n)
}

/// The tokens that are written after each prompt, and why they end.
fn write(
    model: &Model<Soft>,
    form: &Form,
    prompts: &[Vec<TokenId>],
    (n_samples, max_tokens): (usize, usize),
    ends: &[TokenId],
    config: &SamplingConfig,
) -> Result<(Vec<Vec<TokenId>>, Vec<Ended>), DecodeError> {
    let (rules, places) = (Rules::default(), vec![0; prompts.len()]);
    let request = GenerateRequest { prompts, n_samples, max_tokens, ends, rules: &rules };
    let mut texts = vec![Vec::new(); prompts.len() * n_samples];
    let ended = generate_held(model, &request, config, Some(Held { form, places: &places }), |drawn| {
        let log_prob = model.scores.after(&[&prompts[drawn.text / n_samples], &texts[drawn.text][..]].concat());
        assert_eq!(drawn.log_prob, f64::from(log_prob[drawn.token as usize]), "the model's");
        texts[drawn.text].push(drawn.token);
        ControlFlow::Continue(())
    })?;
    Ok((texts, ended))
}

fn model(vocab_size: usize, seed: u64) -> Model<Soft> {
    Model { is_even: false, gives_top: true, ..Model::new(Soft { vocab_size, seed }) }
}

/// All texts of a form that are made of `letters` and no longer than `max`.
fn language(form: &Form, letters: &str, max: usize) -> Vec<String> {
    let mut texts = vec![String::new()];
    let mut at = 0;
    while at < texts.len() {
        if texts[at].chars().count() < max {
            let longer: Vec<String> = letters.chars().map(|c| format!("{}{c}", texts[at])).collect();
            texts.extend(longer);
        }
        at += 1;
    }
    texts.retain(|text| form.matches(text).unwrap());
    texts
}

#[test]
fn tokens_are_drawn_from_the_renormalised_distribution_of_those_that_lead_on() {
    let texts = ["a", "b", "c", "\"", "ab", "ba", "abc", "cc", "\"a", "b\"", "aab", "c\""];
    let (tokens, n) = vocabulary(&texts);
    let configs = [
        SamplingConfig::default(),
        SamplingConfig { temperature: 0.0, ..Default::default() },
        SamplingConfig { top_k: 2, temperature: 1.3, seed: 5, ..Default::default() },
        SamplingConfig { min_p: 0.2, repetition_penalty: 1.2, seed: 9, ..Default::default() },
    ];
    let specs = [
        (FormSpec::Regex("(ab|ba){1,2}c?".into()), "abc"),
        (FormSpec::Regex("a{2}|b(a|c){0,3}".into()), "abc"),
        (schema(r#"{"enum": ["a", "ab", "cc"]}"#), "abc\""),
        (FormSpec::Grammar("root ::= \"a\" root? \"b\" | \"c\"".into()), "abc"),
    ];
    for (case, (spec, letters)) in specs.iter().enumerate() {
        let form = Form::new(spec, Arc::clone(&tokens)).unwrap();
        let all = language(&form, letters, 6);
        // The grammar has longer texts as well: a search that would leave the list ends before.
        let max_tokens = if case == 3 { 3 } else { 9 };
        for (seed, config) in (0..30).zip(configs.iter().cycle()) {
            let model = model(n, seed);
            let prompts = [vec![1, 2], vec![3], vec![2, 2]];
            let (found, ended) = write(&model, &form, &prompts, (3, max_tokens), &[END], config).unwrap();
            for (of, (found, ended)) in found.iter().zip(ended).enumerate() {
                let own = config.of_sample(of as u64 % 3).of_text(&prompts[of / 3]);
                let (mut prefix, mut text, mut expected) = (prompts[of / 3].clone(), String::new(), Ended::ByLength);
                for step in 0..max_tokens {
                    let leads = |token: usize| match token {
                        0 => all.contains(&text),
                        _ => all.iter().any(|whole| whole.starts_with(&format!("{text}{}", texts[token - 1]))),
                    };
                    let masked = model.scores.after(&prefix).into_iter().enumerate();
                    let masked: Vec<f32> =
                        masked.map(|(token, p)| if leads(token) { p } else { f32::NEG_INFINITY }).collect();
                    let token = own.draw(&own.distribution(&masked, &prefix, &[]), step as u64);
                    if token == END {
                        expected = Ended::ByModel;
                        break;
                    }
                    prefix.push(token);
                    text += texts[token as usize - 1];
                    if all.contains(&text) && !all.iter().any(|whole| whole.starts_with(&text) && *whole != text) {
                        expected = Ended::ByModel;
                        break;
                    }
                }
                assert_eq!((&found[..], ended), (&prefix[prompts[of / 3].len()..], expected), "{spec:?} {seed} {of}");
                let (alone, _) =
                    write(&model, &form, &[prompts[of / 3].clone()], (3, max_tokens), &[END], config).unwrap();
                assert_eq!(alone[of % 3], *found, "alone as together");
            }
        }
    }
}

/// Whether a value is of a schema, for the keywords that the schemas below have.
fn is_valid(schema: &Value, value: &Value, root: &Value) -> bool {
    let Some(schema) = schema.as_object() else { return schema.as_bool().unwrap() };
    let size = value.as_array().map(Vec::len).or(value.as_str().map(|text| text.chars().count()));
    schema.iter().all(|(key, wanted)| {
        let limit = wanted.as_u64().unwrap_or_default() as usize;
        match &**key {
            "type" => wanted.as_str() == Some(kind(value)) || wanted == "number" && kind(value) == "integer",
            "enum" => wanted.as_array().unwrap().contains(value),
            "anyOf" => wanted.as_array().unwrap().iter().any(|schema| is_valid(schema, value, root)),
            "$ref" => is_valid(root.pointer(&wanted.as_str().unwrap()[1..]).unwrap(), value, root),
            "items" => value.as_array().unwrap().iter().all(|item| is_valid(wanted, item, root)),
            "minItems" | "minLength" => size.unwrap() >= limit,
            "maxItems" | "maxLength" => size.unwrap() <= limit,
            "minimum" => value.as_f64() >= wanted.as_f64(),
            "maximum" => value.as_f64() <= wanted.as_f64(),
            "exclusiveMinimum" => value.as_f64() > wanted.as_f64(),
            "pattern" => Regex::new(wanted.as_str().unwrap()).unwrap().is_match(value.as_str().unwrap()),
            "required" => wanted.as_array().unwrap().iter().all(|name| value.get(name.as_str().unwrap()).is_some()),
            "properties" => value.as_object().is_some_and(|members| {
                members.iter().all(|(name, value)| {
                    wanted
                        .get(name)
                        .or(schema.get("additionalProperties"))
                        .is_none_or(|schema| is_valid(schema, value, root))
                })
            }),
            "additionalProperties" | "$defs" => true,
            key => panic!("{key}"),
        }
    })
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.as_f64().unwrap().fract() == 0.0 => "integer",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

const SCHEMAS: [&str; 9] = [
    "{}",
    r#"{"type": "object"}"#,
    r#"{"type": "object", "properties": {"name": {"type": "string", "maxLength": 5}, "age": {"type": "integer", "minimum": 0,
        "maximum": 150}, "tags": {"type": "array", "items": {"enum": ["x", "y", 1]}, "minItems": 1, "maxItems": 3}},
        "required": ["name", "age"], "additionalProperties": false}"#,
    r#"{"type": "array", "items": {"type": "number", "exclusiveMinimum": -1.5, "maximum": 0.25}, "maxItems": 4}"#,
    r#"{"type": "string", "pattern": "^[A-Z]{2}\\d{1,3}$"}"#,
    r#"{"type": "string", "pattern": "b+c", "minLength": 2}"#,
    r##"{"$defs": {"tree": {"type": "object", "properties": {"v": {"type": "boolean"}, "l": {"anyOf": [{"$ref": "#/$defs/tree"},
        {"type": "null"}]}}, "required": ["v", "l"]}}, "$ref": "#/$defs/tree"}"##,
    r#"{"type": "object", "properties": {"a": {"type": "null"}, "b": {"type": "null"}}, "additionalProperties":
        {"type": "integer"}}"#,
    r#"{"type": "object", "properties": {"a": {"type": "string", "minLength": 1}, "b\"c": {"enum": [null, {"d": [1, 2]}]}},
        "required": ["b\"c"]}"#,
];

#[test]
fn what_a_model_writes_is_of_the_schema() {
    let mut texts: Vec<String> = (' '..='~').map(String::from).collect();
    texts.extend(
        [
            "true", "false", "null", "\\n", "\": ", "é", "東", "\\u00e9", "\n", "bc", "AB", "{\"", "\": \"", "\", \"",
            "], ", "\"}", "}", "]", "\"",
        ]
        .map(String::from),
    );
    let texts: Vec<&str> = texts.iter().map(|text| &**text).collect();
    let (tokens, n) = vocabulary(&texts);
    let mut n_whole = [0; SCHEMAS.len()];
    for (text, n_whole) in SCHEMAS.iter().zip(&mut n_whole) {
        let form = Form::new(&schema(text), Arc::clone(&tokens)).unwrap();
        let parsed: Value = serde_json::from_str(text).unwrap();
        for seed in 0..40 {
            let config = SamplingConfig { seed, ..Default::default() };
            let (found, ended) = write(&model(n, seed), &form, &[vec![1]], (1, 300), &[END], &config).unwrap();
            let written: String = found[0].iter().map(|&token| texts[token as usize - 1]).collect();
            assert_eq!(form.matches(&written).unwrap(), ended[0] == Ended::ByModel, "{text}: {written}");
            if ended[0] == Ended::ByModel {
                let value: Value = serde_json::from_str(&written).unwrap();
                assert!(is_valid(&parsed, &value, &parsed), "{text}: {written}");
                *n_whole += 1;
            }
        }
    }
    assert!(n_whole.iter().all(|&n| n > 5), "{n_whole:?}");
}

#[test]
fn a_text_ends_where_its_form_does() {
    let (tokens, n) = vocabulary(&["a", "b", "ab"]);
    let model = model(n, 3);
    let ended = |spec: &str, max_tokens, ends: &[TokenId]| {
        let form = Form::new(&FormSpec::Regex(spec.into()), Arc::clone(&tokens)).unwrap();
        let (texts, ended) =
            write(&model, &form, &[vec![1]], (1, max_tokens), ends, &SamplingConfig::default()).unwrap();
        (texts[0].len(), ended[0])
    };
    assert_eq!(ended("aaaa", 4, &[END]), (4, Ended::ByModel), "whole with the last token that it may have");
    assert_eq!(ended("aaaa", 4, &[]), (4, Ended::ByModel), "without an end in the vocabulary");
    assert_eq!(ended("aaaa", 3, &[END]), (3, Ended::ByLength), "cut");
    assert_eq!(ended("a*", 7, &[]), (7, Ended::ByLength));
    assert_eq!(ended("", 7, &[END]), (0, Ended::ByModel));
}

#[test]
fn a_form_that_the_vocabulary_cannot_write_is_an_error() {
    let (tokens, n) = vocabulary(&["a", "b"]);
    let form = Form::new(&FormSpec::Regex("aa(c|é)".into()), tokens).unwrap();
    let error = write(&model(n, 1), &form, &[vec![1], vec![2]], (2, 50), &[END], &SamplingConfig::default());
    assert!(matches!(error, Err(DecodeError::OutOfForm { n_tokens: 2 })), "{error:?}");
}

#[test]
fn what_a_token_writes_depends_on_its_place() {
    // At the beginning, the first space is left out, and `_` writes nothing.
    let at = |place: usize, text: &str| {
        let shown = if place == 0 { text.trim_start() } else { text };
        (shown.as_bytes().to_vec(), if text.is_empty() { place } else { 1 })
    };
    let texts = ["", " ", " a", "a", "b"];
    let places = [0, 1].map(|place| texts.iter().map(|text| at(place, text)).collect()).into();
    let form = Form::new(&FormSpec::Regex("a( a)?b".into()), Arc::new(Vocabulary::new(places))).unwrap();
    for seed in 0..50 {
        let config = SamplingConfig { seed, ..Default::default() };
        let (found, ended) = write(&model(5, seed), &form, &[vec![1]], (1, 9), &[END], &config).unwrap();
        let text: String = found[0].iter().map(|&token| texts[token as usize]).collect();
        assert_eq!(ended[0], Ended::ByModel);
        assert!(["ab", "a ab"].contains(&text.strip_prefix(' ').unwrap_or(&text)), "{text:?}");
    }
}
