//! Numbers of JSON between bounds.

use super::expr::Expr;

/// Digits before the point, or after it, at most: whole numbers fit into 64 bits.
const MAX_DIGITS: u32 = 18;

/// The greatest whole number that is written.
pub(super) const MAX_WHOLE: i64 = 999_999_999_999_999_999;

fn digits(min: u32, max: u32) -> Expr {
    Expr::range('0', '9').repeat(min, Some(max))
}

fn digit(first: u8, last: u8) -> Expr {
    Expr::range(first.into(), last.into())
}

/// Any whole number, of up to 18 digits.
pub(super) fn any_integer() -> Expr {
    let natural = digit(b'1', b'9').then(digits(0, MAX_DIGITS - 1));
    Expr::text("-").optional().then(Expr::Choice(vec![Expr::text("0"), natural]))
}

/// Any number: up to 18 digits before and after the point, and an exponent of up to two digits, so that it is a finite `f64`.
pub(super) fn any_number() -> Expr {
    let sign = Expr::Characters(vec![('+', '+'), ('-', '-')]).optional();
    let exponent = Expr::Sequence(vec![Expr::Characters(vec![('E', 'E'), ('e', 'e')]), sign, digits(1, 2)]);
    Expr::Sequence(vec![any_integer(), any_fraction(), exponent.optional()])
}

fn any_fraction() -> Expr {
    Expr::text(".").then(digits(1, MAX_DIGITS)).optional()
}

/// The whole numbers from `min` to `max`.
pub(super) fn integers(min: i64, max: i64) -> Expr {
    let (min, max) = (min.max(-MAX_WHOLE), max.min(MAX_WHOLE));
    let mut choice = Vec::new();
    if min < 0 && min <= max {
        choice.push(Expr::text("-").then(naturals((-max).max(1).cast_unsigned(), (-min).cast_unsigned())));
    }
    if max >= 0 {
        choice.push(naturals(min.max(0).cast_unsigned(), max.cast_unsigned()));
    }
    Expr::Choice(choice)
}

/// The whole numbers from `min` to `max`, none below 0.
fn naturals(min: u64, max: u64) -> Expr {
    if min > max {
        return Expr::never();
    }
    let n_digits = |n: u64| n.checked_ilog10().unwrap_or(0) + 1;
    let of_length = |n: u32| {
        let (least, most) = if n == 1 { (0, 9) } else { (10_u64.pow(n - 1), 10_u64.pow(n) - 1) };
        between(least.max(min).to_string().as_bytes(), most.min(max).to_string().as_bytes())
    };
    Expr::Choice((n_digits(min)..=n_digits(max)).map(of_length).collect())
}

/// Numbers of as many digits as both bounds have.
fn between(min: &[u8], max: &[u8]) -> Expr {
    let (Some((&low, min)), Some((&high, max))) = (min.split_first(), max.split_first()) else { return Expr::empty() };
    if low == high {
        return digit(low, low).then(between(min, max));
    }
    let n = min.len();
    if low == b'0' && high == b'9' && min.iter().all(|&digit| digit == b'0') && max.iter().all(|&digit| digit == b'9') {
        return digits(n as u32 + 1, n as u32 + 1);
    }
    let mut choice = vec![
        digit(low, low).then(between(min, &b"9".repeat(n))),
        digit(high, high).then(between(&b"0".repeat(n), max)),
    ];
    if low + 1 < high {
        choice.push(digit(low + 1, high - 1).then(digits(n as u32, n as u32)));
    }
    Expr::Choice(choice)
}

/// A number as it is written, and whether it is excluded itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Bound {
    is_negative: bool,
    whole: u64,
    /// Digits after the point, the last of which is not 0.
    fraction: Vec<u8>,
    pub(super) is_excluded: bool,
}

impl Bound {
    /// Of a number of JSON; none if it has more digits than are written.
    pub(super) fn new(number: &serde_json::Number, is_excluded: bool) -> Option<Self> {
        let text = number.to_string();
        let (is_negative, text) = match text.strip_prefix('-') {
            Some(text) => (true, text),
            None => (false, &*text),
        };
        let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
        let exponent: i32 = exponent.parse().ok().filter(|exponent: &i32| exponent.unsigned_abs() <= 2 * MAX_DIGITS)?;
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let all = [whole, fraction].concat();
        let point = whole.len() as i32 + exponent;
        let padded = match point {
            ..0 => "0".repeat(point.unsigned_abs() as usize) + &all,
            _ => format!("{all:0<width$}", width = point as usize),
        };
        let (whole, fraction) = padded.split_at(point.max(0) as usize);
        let whole = if whole.is_empty() { 0 } else { whole.parse().ok()? };
        let fraction = fraction.trim_end_matches('0').as_bytes().to_vec();
        let is_short = whole <= MAX_WHOLE.cast_unsigned() && fraction.len() < MAX_DIGITS as usize;
        is_short.then_some(Self { is_negative, whole, fraction, is_excluded })
    }

    fn is_zero(&self) -> bool {
        self.whole == 0 && self.fraction.is_empty()
    }

    /// The least whole number from it on.
    pub(super) fn ceil(&self) -> i64 {
        let whole = self.whole.cast_signed();
        match (self.is_negative, self.fraction.is_empty()) {
            (true, true) => i64::from(self.is_excluded) - whole,
            (true, false) => -whole,
            (false, true) => whole + i64::from(self.is_excluded),
            (false, false) => whole + 1,
        }
    }

    /// The greatest whole number up to it.
    pub(super) fn floor(&self) -> i64 {
        let opposite = Self { is_negative: !self.is_negative, ..self.clone() };
        -opposite.ceil()
    }
}

/// The numbers between two bounds, without exponents.
pub(super) fn numbers(min: Option<&Bound>, max: Option<&Bound>) -> Expr {
    let zero = Bound { is_negative: false, whole: 0, fraction: Vec::new(), is_excluded: false };
    let is_positive = |bound: &Bound| !bound.is_negative && !bound.is_zero();
    let is_negative = |bound: &Bound| bound.is_negative && !bound.is_zero();
    // An excluded zero bounds the half that it is the end of.
    let nearest = |bound: Option<&Bound>, is_inside: &dyn Fn(&Bound) -> bool| {
        bound.filter(|bound| is_inside(bound) || bound.is_zero()).unwrap_or(&zero).clone()
    };
    let mut choice = Vec::new();
    if max.is_none_or(|max| !is_negative(max) && (!max.is_zero() || !max.is_excluded)) {
        choice.push(magnitudes(&nearest(min, &is_positive), max));
    }
    if min.is_none_or(is_negative) {
        // Without a bound above, -0 is a number as well.
        let least = nearest(max.filter(|max| !is_positive(max)), &is_negative);
        choice.push(Expr::text("-").then(magnitudes(&least, min)));
    }
    Expr::Choice(choice)
}

/// The magnitudes from `min` to `max`, signs left out.
fn magnitudes(min: &Bound, max: Option<&Bound>) -> Expr {
    let whole = |n: u64| Expr::Bytes(n.to_string().into_bytes());
    let most = max.map_or(MAX_WHOLE.cast_unsigned() + 1, |max| max.whole);
    if let Some(max) = max.filter(|max| max.whole == min.whole) {
        return whole(min.whole).then(within(min, max));
    }
    if min.whole > most {
        return Expr::never();
    }
    let mut choice = vec![whole(min.whole).then(fraction_from(&min.fraction, min.is_excluded))];
    if most > min.whole + 1 {
        choice.push(naturals(min.whole + 1, most - 1).then(any_fraction()));
    }
    if let Some(max) = max {
        choice.push(whole(max.whole).then(fraction_to(&max.fraction, max.is_excluded)));
    }
    Expr::Choice(choice)
}

/// Digits, not all of them 0.
fn not_zero() -> Expr {
    let zeros = Expr::text("0").repeat(0, Some(MAX_DIGITS - 1));
    Expr::Sequence(vec![zeros, digit(b'1', b'9'), digits(0, MAX_DIGITS - 1)])
}

fn point(digits: Expr) -> Expr {
    Expr::text(".").then(digits)
}

/// Fractions from one on, or beyond it.
fn fraction_from(fraction: &[u8], is_excluded: bool) -> Expr {
    match (fraction.is_empty(), is_excluded) {
        (true, false) => any_fraction(),
        (true, true) => point(not_zero()),
        (false, _) => point(digits_from(fraction, is_excluded)),
    }
}

fn digits_from(fraction: &[u8], is_excluded: bool) -> Expr {
    let Some((&first, rest)) = fraction.split_first() else {
        return if is_excluded { not_zero() } else { digits(0, MAX_DIGITS) };
    };
    let mut choice = vec![digit(first, first).then(digits_from(rest, is_excluded))];
    if first < b'9' {
        choice.push(digit(first + 1, b'9').then(digits(0, MAX_DIGITS - 1)));
    }
    Expr::Choice(choice)
}

/// Fractions up to one, or below it.
fn fraction_to(fraction: &[u8], is_excluded: bool) -> Expr {
    let zeros = || point(Expr::text("0").repeat(1, Some(MAX_DIGITS))).optional();
    match (fraction.is_empty(), is_excluded) {
        (true, false) => zeros(),
        (true, true) => Expr::never(),
        (false, _) => point(digits_to(fraction, is_excluded)).optional(),
    }
}

fn digits_to(fraction: &[u8], is_excluded: bool) -> Expr {
    let Some((&first, rest)) = fraction.split_first() else {
        return if is_excluded { Expr::never() } else { Expr::text("0").repeat(0, Some(MAX_DIGITS)) };
    };
    // A number that ends before the last digit, which is not 0, is less.
    let after = if rest.is_empty() { digits_to(rest, is_excluded) } else { digits_to(rest, is_excluded).optional() };
    let mut choice = vec![digit(first, first).then(after)];
    if first > b'0' {
        choice.push(digit(b'0', first - 1).then(digits(0, MAX_DIGITS - 1)));
    }
    Expr::Choice(choice)
}

/// Fractions between those of two bounds of the same whole number.
fn within(min: &Bound, max: &Bound) -> Expr {
    let ends = can_end(&min.fraction, min.is_excluded, &max.fraction, max.is_excluded);
    let more = point(digits_within((&min.fraction, min.is_excluded), (&max.fraction, max.is_excluded), 0));
    if ends { more.optional() } else { more }
}

/// Whether a number that has the digits of both bounds up to here is between them.
fn can_end(min: &[u8], min_excluded: bool, max: &[u8], max_excluded: bool) -> bool {
    min.iter().all(|&digit| digit == b'0') && !min_excluded && (max.iter().any(|&digit| digit != b'0') || !max_excluded)
}

/// At least one digit, the number being that of both bounds up to here.
fn digits_within(min: (&[u8], bool), max: (&[u8], bool), depth: u32) -> Expr {
    let split = |fraction: &[u8]| fraction.split_first().map_or((b'0', Vec::new()), |(&d, rest)| (d, rest.to_vec()));
    let ((low, min_rest), (high, max_rest)) = (split(min.0), split(max.0));
    if low > high || depth >= MAX_DIGITS {
        return Expr::never();
    }
    if low == high {
        if min.0.is_empty() && max.0.is_empty() {
            // Nothing but zeros is equal to both.
            let is_none = min.1 || max.1;
            return if is_none { Expr::never() } else { Expr::text("0").repeat(1, Some(MAX_DIGITS)) };
        }
        let more = digits_within((&min_rest, min.1), (&max_rest, max.1), depth + 1);
        let ends = can_end(&min_rest, min.1, &max_rest, max.1);
        return digit(low, low).then(if ends { more.optional() } else { more });
    }
    let least = digits_from(&min_rest, min.1);
    let to = digits_to(&max_rest, max.1);
    let most = if max_rest.is_empty() { to } else { to.optional() };
    let mut choice = vec![digit(low, low).then(least), digit(high, high).then(most)];
    if low + 1 < high {
        choice.push(digit(low + 1, high - 1).then(digits(0, MAX_DIGITS - 1)));
    }
    Expr::Choice(choice)
}
