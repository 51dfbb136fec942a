//! Numbers of the command line, and their ranges.

use std::{
    fmt::Display,
    num::{NonZeroU64, NonZeroUsize},
    ops::RangeInclusive,
    str::FromStr,
};

use clap::{ArgAction, Command};

/// The widest beam, and the most guesses.
pub(super) const MAX_BEAM: usize = 1 << 10;
/// The most tokens that may be asked for: beyond what any text has.
pub(super) const MANY_TOKENS: usize = 1 << 24;
/// The longest translation that may be asked for.
pub(super) const LONG: usize = 1 << 16;
/// The most samples, hypotheses or guesses of one text.
pub(super) const MANY: NonZeroUsize = NonZeroUsize::new(1 << 16).expect("not zero");

/// The most samples of a test set.
pub(super) const MANY_RESAMPLED: usize = 1 << 24;
/// The most updates of a drawing or a comparison.
pub(super) const MANY_UPDATES: NonZeroU64 = NonZeroU64::new(100_000_000).expect("not zero");
/// The largest size of a layer.
pub(super) const MANY_VALUES: u64 = 1 << 20;

/// Reads an integer of a range.
pub(crate) fn integer<T>(range: RangeInclusive<T>) -> impl Fn(&str) -> Result<T, String> + Clone
where
    T: FromStr + PartialOrd + Display + Clone,
{
    move |text| {
        let value = text.parse::<T>().ok().filter(|value| range.contains(value));
        value.ok_or_else(|| format!("must be an integer from {} to {}", range.start(), range.end()))
    }
}

/// Reads a finite number; `range` says in words which are right.
fn number(is_right: fn(f64) -> bool, range: &'static str) -> impl Fn(&str) -> Result<f64, String> + Clone {
    move |text| {
        let value = text.parse().ok().filter(|value: &f64| value.is_finite() && is_right(*value));
        value.ok_or_else(|| format!("must be a number {range}"))
    }
}

/// Reads a number of at least 0.
pub(crate) fn at_least_0() -> impl Fn(&str) -> Result<f64, String> + Clone {
    number(|value| value >= 0.0, "of at least 0")
}

/// Reads a number above 0.
pub(super) fn above_0() -> impl Fn(&str) -> Result<f64, String> + Clone {
    number(|value| value > 0.0, "above 0")
}

/// Reads a probability.
pub(super) fn probability() -> impl Fn(&str) -> Result<f64, String> + Clone {
    number(|value| (0.0..=1.0).contains(&value), "from 0 to 1")
}

/// Reads a probability other than 0.
pub(super) fn share() -> impl Fn(&str) -> Result<f64, String> + Clone {
    number(|value| value > 0.0 && value <= 1.0, "above 0 and at most 1")
}

/// Reads a probability other than 1.
pub(super) fn below_1() -> impl Fn(&str) -> Result<f64, String> + Clone {
    number(|value| (0.0..1.0).contains(&value), "of at least 0 and below 1")
}

/// Takes `-1` after an option for its value: its range is what is told then.
pub(super) fn admit_negative(command: Command) -> Command {
    let takes_value = |action: &ArgAction| matches!(action, ArgAction::Set | ArgAction::Append);
    let command = command.mut_args(|arg| match arg.is_positional() || !takes_value(arg.get_action()) {
        true => arg,
        false => arg.allow_negative_numbers(true),
    });
    command.mut_subcommands(admit_negative)
}
