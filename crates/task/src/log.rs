//! Where a task says what it does.

use std::time::Duration;

use attentive_bundle::TrainingRecord;
use attentive_data::FileReport;

/// Takes the lines that a task and a run have to say; neither prints.
///
/// `()` drops them all.
pub trait Log {
    /// A line of what is found and done: `data      30,000 training pairs`.
    fn line(&self, line: &str);

    /// A line of what the user should look at; that it is a warning is for the implementation to say.
    fn warning(&self, line: &str) {
        self.line(line);
    }

    /// Some of a piece of work is done; the last call of a piece has `done == total`.
    fn progress(&self, _what: &str, _done: usize, _total: usize) {}
}

impl Log for () {
    fn line(&self, _: &str) {}
}

/// Leaves out what is not a warning, as where many runs would each speak of themselves.
#[derive(Clone, Copy)]
pub struct WarningsOnly<'a>(pub &'a dyn Log);

impl Log for WarningsOnly<'_> {
    fn line(&self, _: &str) {}

    fn warning(&self, line: &str) {
        self.0.warning(line);
    }

    fn progress(&self, what: &str, done: usize, total: usize) {
        self.0.progress(what, done, total);
    }
}

impl std::fmt::Debug for WarningsOnly<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("WarningsOnly")
    }
}

/// A line of a [`Log`], as `println!` formats it.
macro_rules! say {
    ($log:expr, $($text:tt)*) => { $log.line(&format!($($text)*)) };
}

/// Warns of what a user should know of files.
pub(crate) fn warn_of<'a>(log: &dyn Log, files: impl IntoIterator<Item = &'a FileReport>) {
    files.into_iter().flat_map(|file| &file.notes).for_each(|note| log.warning(note));
}

/// The first of several names, with commas between them, and how many there are more.
pub(crate) fn shortened(names: &[String]) -> String {
    const SHOWN: usize = 10;
    let more = names.len().saturating_sub(SHOWN);
    let end = if more > 0 { format!(" and {more} more") } else { String::new() };
    names[..names.len() - more].join(", ") + &end
}

/// How a model was trained, in words.
pub fn in_words(record: &TrainingRecord) -> String {
    let TrainingRecord { steps, n_targets, seconds, backend, simd, precision, seed, version, .. } = record;
    if *steps == 0 {
        return format!("none here; written by attentive {version}");
    }
    let place = [&**backend, simd, precision].join(" ");
    let (steps, n_targets) = (thousands(*steps), thousands(*n_targets));
    format!(
        "{steps} steps, {n_targets} target tokens, {seconds:.0} s on {}, seed {seed}, attentive {version}",
        place.trim_end()
    )
}

/// `1234567` as `1,234,567`.
///
/// ```
/// assert_eq!(attentive_task::thousands(1_234_567), "1,234,567");
/// ```
pub fn thousands(n: u64) -> String {
    let digits = n.to_string();
    let mut grouped = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// A time as `h:mm:ss`.
///
/// ```
/// assert_eq!(attentive_task::clock(std::time::Duration::from_secs(3725)), "1:02:05");
/// ```
pub fn clock(time: Duration) -> String {
    let seconds = time.as_secs();
    format!("{}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

/// A size in the largest binary unit that leaves 1 or more.
///
/// ```
/// assert_eq!(attentive_task::binary_size(3 << 29), "1.5 GiB");
/// assert_eq!(attentive_task::binary_size(1000), "1000 B");
/// ```
pub fn binary_size(n_bytes: u64) -> String {
    let units = [("GiB", 30), ("MiB", 20), ("KiB", 10)];
    match units.into_iter().find(|(_, bits)| n_bytes >> bits > 0) {
        Some((unit, bits)) => format!("{:.1} {unit}", n_bytes as f64 / (1_u64 << bits) as f64),
        None => format!("{n_bytes} B"),
    }
}
