//! Sizes and times as users write them.

use std::time::Duration;

/// Reads `4GiB`, `500MB` or a number of bytes.
///
/// # Errors
/// What is wrong, in words.
pub fn parse_size(text: &str) -> Result<u64, String> {
    let end = text.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let factor = match unit.trim() {
        "" | "B" => 1.0,
        "kB" | "KB" => 1e3,
        "MB" => 1e6,
        "GB" => 1e9,
        "KiB" => f64::from(1 << 10),
        "MiB" => f64::from(1 << 20),
        "GiB" => f64::from(1 << 30),
        _ => return Err(format!("{unit:?} is not a unit; there are KiB, MiB, GiB, kB, MB, GB")),
    };
    let number: f64 = number.parse().map_err(|_| format!("{text:?} is not a size; 4GiB is one"))?;
    match (number * factor) as u64 {
        0 => Err(format!("{text:?} is no room at all; give 4GiB for example")),
        size => Ok(size),
    }
}

/// A time: `90s`, `60m`, `6h`.
///
/// # Errors
/// What is wrong, in words.
pub fn parse_time(text: &str) -> Result<Duration, String> {
    let units = [('s', 1.0), ('m', 60.0), ('h', 3600.0)];
    let parsed =
        units.into_iter().find_map(|(unit, seconds)| Some(text.strip_suffix(unit)?.parse::<f64>().ok()? * seconds));
    let time = parsed.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    time.filter(|time| !time.is_zero()).ok_or_else(|| "must be a time, as 90s, 60m or 6h".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_units() {
        let read = |text| parse_size(text).ok();
        assert_eq!(read("4GiB"), Some(4 << 30));
        assert_eq!(read("1.5 MiB"), Some(3 << 19));
        assert_eq!((read("500MB"), read("12")), (Some(500_000_000), Some(12)));
        assert_eq!((read("4 gigs"), read("GiB")), (None, None));
        assert_eq!((read("0"), read("0.5"), read("0GiB")), (None, None, None));
    }

    #[test]
    fn times_have_units() {
        assert_eq!(parse_time("90s"), Ok(Duration::from_secs(90)));
        assert_eq!(parse_time("1.5h"), Ok(Duration::from_secs(5400)));
        for text in ["", "60", "m", "-1m", "NaNh", "1d", "1e300h", "0s"] {
            parse_time(text).unwrap_err();
        }
    }
}
