//! What templates call that Python has, as Python does it.

use std::{
    borrow::Cow,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use minijinja::{
    Error, ErrorKind, State, Value,
    value::{Kwargs, Rest, ValueKind, from_args},
};
use minijinja_contrib::pycompat;

/// A method that values do not have in the template language, and have in Python.
pub(super) fn method(state: &mut State<'_, '_>, value: &Value, name: &str, args: &[Value]) -> Result<Value, Error> {
    let Some(text) = value.as_str() else { return pycompat::unknown_method_callback(state, value, name, args) };
    let strip = |start: bool, end: bool| {
        let (chars,): (Option<&str>,) = from_args(args)?;
        Ok(Value::from(stripped(text, chars, start, end)))
    };
    let part = || from_args::<(&str,)>(args).map(|(part,)| part);
    match name {
        "strip" => strip(true, true),
        "lstrip" => strip(true, false),
        "rstrip" => strip(false, true),
        "split" if args.is_empty() => {
            Ok(text.split(is_space).filter(|part| !part.is_empty()).map(Value::from).collect())
        }
        "removeprefix" => Ok(Value::from(text.strip_prefix(part()?).unwrap_or(text))),
        "removesuffix" => Ok(Value::from(text.strip_suffix(part()?).unwrap_or(text))),
        "partition" => {
            let part = part()?;
            let parts = text.split_once(part).map_or([text, "", ""], |(before, after)| [before, part, after]);
            Ok(Value::from_iter(parts))
        }
        "rpartition" => {
            let part = part()?;
            let parts = text.rsplit_once(part).map_or(["", "", text], |(before, after)| [before, part, after]);
            Ok(Value::from_iter(parts))
        }
        _ => pycompat::unknown_method_callback(state, value, name, args),
    }
}

/// The filter `trim`.
#[expect(clippy::needless_pass_by_value, reason = "the form of filters")]
pub(super) fn trim(text: Cow<'_, str>, chars: Option<Cow<'_, str>>) -> String {
    stripped(&text, chars.as_deref(), true, true).to_owned()
}

/// Whether Python counts a character as white space: four separators, too, which Unicode does not.
fn is_space(c: char) -> bool {
    c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c)
}

/// `text` without `chars`, or else white space, at its ends.
fn stripped<'a>(mut text: &'a str, chars: Option<&str>, start: bool, end: bool) -> &'a str {
    let goes = |c: char| chars.map_or_else(|| is_space(c), |chars| chars.contains(c));
    if start {
        text = text.trim_start_matches(goes);
    }
    if end {
        text = text.trim_end_matches(goes);
    }
    text
}

/// The filter `tojson` of transformers: `json.dumps`, whose `ensure_ascii` is false.
#[expect(clippy::needless_pass_by_value, reason = "the form of filters")]
pub(super) fn tojson(value: &Value, args: Rest<Value>, kwargs: Kwargs) -> Result<Value, Error> {
    let of = |at: usize, name: &str| match args.get(at) {
        Some(value) => Ok(Some(value.clone())),
        None => kwargs.get::<Option<Value>>(name),
    };
    let is_true = |value: Option<Value>| value.is_some_and(|value| value.is_true());
    let ensure_ascii = is_true(of(0, "ensure_ascii")?);
    let indent = match of(1, "indent")?.filter(|indent| !indent.is_none()) {
        Some(indent) if indent.kind() == ValueKind::String => Some(indent.to_string()),
        Some(indent) => Some(" ".repeat(usize::try_from(i64::try_from(indent)?.max(0)).unwrap_or(0).min(64))),
        None => None,
    };
    let separators = of(2, "separators")?.filter(|separators| !separators.is_none());
    let separator = |at: i64| separators.as_ref().map(|separators| separators.get_item(&Value::from(at))).transpose();
    let between = separator(0)?.map_or_else(|| if indent.is_some() { "," } else { ", " }.to_owned(), |s| s.to_string());
    let after_key = separator(1)?.map_or_else(|| ": ".to_owned(), |separator| separator.to_string());
    let sort_keys = is_true(of(3, "sort_keys")?);
    kwargs.assert_all_used()?;
    let mut json = Json { ensure_ascii, indent, between, after_key, sort_keys, text: String::new(), depth: 0 };
    json.value(value)?;
    Ok(Value::from(json.text))
}

/// A text of JSON that is being written as Python writes it.
struct Json {
    ensure_ascii: bool,
    indent: Option<String>,
    between: String,
    after_key: String,
    sort_keys: bool,
    text: String,
    depth: usize,
}

impl Json {
    fn value(&mut self, value: &Value) -> Result<(), Error> {
        match value.kind() {
            ValueKind::None => self.text.push_str("null"),
            ValueKind::Bool => self.text.push_str(if value.is_true() { "true" } else { "false" }),
            ValueKind::Number => self.text.push_str(&number(value)?),
            ValueKind::String => self.string(value.as_str().unwrap_or_default()),
            ValueKind::Seq | ValueKind::Iterable => {
                let items: Vec<Value> = value.try_iter()?.collect();
                self.items(['[', ']'], &items, Self::value)?;
            }
            ValueKind::Map => {
                let mut keys: Vec<Value> = value.try_iter()?.collect();
                if self.sort_keys {
                    keys.sort();
                }
                self.items(['{', '}'], &keys, |json, key| {
                    match key.kind() {
                        ValueKind::String => json.string(key.as_str().unwrap_or_default()),
                        ValueKind::None | ValueKind::Bool | ValueKind::Number => {
                            json.text.push('"');
                            json.value(key)?;
                            json.text.push('"');
                        }
                        other => return Err(not_json(&format!("a key of the kind {other}"))),
                    }
                    json.text.push_str(&json.after_key.clone());
                    json.value(&value.get_item(key)?)
                })?;
            }
            other => return Err(not_json(&format!("a value of the kind {other}"))),
        }
        Ok(())
    }

    fn items(
        &mut self,
        [open, close]: [char; 2],
        items: &[Value],
        write: impl Fn(&mut Self, &Value) -> Result<(), Error>,
    ) -> Result<(), Error> {
        self.text.push(open);
        self.depth += 1;
        for (at, item) in items.iter().enumerate() {
            if at > 0 {
                self.text.push_str(&self.between.clone());
            }
            self.new_line();
            write(self, item)?;
        }
        self.depth -= 1;
        if !items.is_empty() {
            self.new_line();
        }
        self.text.push(close);
        Ok(())
    }

    fn new_line(&mut self) {
        if let Some(indent) = &self.indent {
            self.text.push('\n');
            self.text.push_str(&indent.repeat(self.depth));
        }
    }

    fn string(&mut self, text: &str) {
        let quoted = serde_json::Value::from(text).to_string();
        for c in quoted.chars() {
            if self.ensure_ascii && !(' '..='~').contains(&c) {
                let units = c.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04x}")).collect::<String>();
                self.text.push_str(&units);
            } else {
                self.text.push(c);
            }
        }
    }
}

fn not_json(what: &str) -> Error {
    Error::new(ErrorKind::BadSerialization, format!("tojson: {what} is not JSON"))
}

/// A number as Python's `repr` has it.
fn number(value: &Value) -> Result<String, Error> {
    if value.is_integer() {
        return Ok(value.to_string());
    }
    let number = f64::try_from(value.clone())?;
    if !number.is_finite() {
        let sign = if number.is_sign_negative() { "-" } else { "" };
        return Ok(if number.is_nan() { "NaN".to_owned() } else { format!("{sign}Infinity") });
    }
    let scientific = format!("{number:e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    Ok(if number != 0.0 && !(-4..16).contains(&exponent) {
        format!("{digits}e{}{:02}", if exponent < 0 { '-' } else { '+' }, exponent.abs())
    } else {
        format!("{number:?}")
    })
}

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const DAYS: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];

/// `datetime.strftime` of a time, as that of UTC, with English names.
pub(super) fn strftime(time: SystemTime, format: &str) -> Result<String, Error> {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    let (days, seconds) = (since.as_secs() / 86_400, since.as_secs() % 86_400);
    let (year, day_of_year) = year_of(days);
    let [month, day] = month_of(year, day_of_year);
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    let hour_of_12 = (hour + 11) % 12 + 1;
    // The first day was a Thursday.
    let weekday = ((days + 3) % 7) as usize;
    let (month_name, day_name) = (MONTHS[month as usize - 1], DAYS[weekday]);
    let mut text = String::new();
    let mut rest = format.chars();
    while let Some(c) = rest.next() {
        if c != '%' {
            text.push(c);
            continue;
        }
        let field = match rest.next() {
            Some('Y') => year.to_string(),
            Some('y') => format!("{:02}", year % 100),
            Some('m') => format!("{month:02}"),
            Some('B') => month_name.to_owned(),
            Some('b') => month_name[..3].to_owned(),
            Some('d') => format!("{day:02}"),
            Some('e') => format!("{day:2}"),
            Some('j') => format!("{:03}", day_of_year + 1),
            Some('A') => day_name.to_owned(),
            Some('a') => day_name[..3].to_owned(),
            Some('w') => ((weekday + 1) % 7).to_string(),
            Some('u') => (weekday + 1).to_string(),
            Some('H') => format!("{hour:02}"),
            Some('I') => format!("{hour_of_12:02}"),
            Some('p') => if hour < 12 { "AM" } else { "PM" }.to_owned(),
            Some('M') => format!("{minute:02}"),
            Some('S') => format!("{second:02}"),
            Some('f') => format!("{:06}", since.subsec_micros()),
            Some('F') => format!("{year}-{month:02}-{day:02}"),
            Some('T') => format!("{hour:02}:{minute:02}:{second:02}"),
            // A time without a zone.
            Some('z' | 'Z') => String::new(),
            Some('%') => "%".to_owned(),
            other => {
                let field = other.map_or_else(String::new, String::from);
                let problem = format!("strftime_now: %{field} of {format:?} is not supported");
                return Err(Error::new(ErrorKind::InvalidOperation, problem));
            }
        };
        text.push_str(&field);
    }
    Ok(text)
}

fn is_leap(year: u64) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

/// The year of a day since 1970, and the day in it, from 0.
fn year_of(mut days: u64) -> (u64, u64) {
    // Every 400 years have the same days.
    let (cycles, mut year) = (days / 146_097, 1970);
    days %= 146_097;
    while days >= 365 + u64::from(is_leap(year)) {
        days -= 365 + u64::from(is_leap(year));
        year += 1;
    }
    (year + 400 * cycles, days)
}

/// The month of a day of a year, and the day in it, from 1.
fn month_of(year: u64, mut day: u64) -> [u64; 2] {
    let february = 28 + u64::from(is_leap(year));
    let lengths = [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let mut month = 1;
    for length in lengths {
        if day < length {
            break;
        }
        day -= length;
        month += 1;
    }
    [month, day + 1]
}
