//! Standard output and standard error, which may be full, closed, or have lost their reader.
//!
//! What a command is asked for is said with [`say!`] or through [`stdout`]: where it can't be written, the command ends
//! at once. What a command tells of its work is said with [`report!`]: the work goes on. In both cases the first
//! failure is remembered, and [`end`] makes the exit code of it: a reader that has seen enough, such as `head`, is not a
//! failure. Warnings and errors go to standard error with [`warning!`], whose own failures have nowhere to go.

use std::{
    error::Error,
    fmt, fs,
    io::{self, Write},
    path::Path,
    process::ExitCode,
    sync::OnceLock,
};

use anyhow::Context;
use attentive_weights::write_atomically;

/// The first failure of standard output.
static FAILURE: OnceLock<io::Error> = OnceLock::new();

/// Writes a line of the command's result; gives an `io::Result`.
macro_rules! say {
    () => { say!("") };
    ($($text:tt)*) => { $crate::output::line(format_args!($($text)*)) };
}

/// Writes a line about the command's work, which goes on where the line can't be written.
macro_rules! report {
    // The failure is remembered: the exit code tells of it.
    ($($text:tt)*) => { drop($crate::output::line(format_args!($($text)*))) };
}

/// Writes a line to standard error, if it can be written.
macro_rules! warning {
    ($($text:tt)*) => { $crate::output::aside(format_args!($($text)*)) };
}

/// The command's own standard output, locked. Its errors are known to [`is_lost`].
#[derive(Debug)]
pub(crate) struct Output(io::StdoutLock<'static>);

/// Standard output for a command whose result is a stream.
pub(crate) fn stdout() -> Output {
    Output(io::stdout().lock())
}

/// Writes texts to standard output as they come.
pub(crate) fn writer() -> impl FnMut(String) -> anyhow::Result<()> {
    let mut out = stdout();
    move |text| Ok(out.write_all(text.as_bytes()).and_then(|()| out.flush())?)
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes).map_err(lost)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush().map_err(lost)
    }
}

/// What an error of [`Output`] holds, so that it is told from those of other files.
#[derive(Debug)]
struct Lost;

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("can't write standard output")
    }
}

impl Error for Lost {}

/// Remembers a failure; what is only to be tried again is none.
pub(crate) fn lost(error: io::Error) -> io::Error {
    let kind = error.kind();
    if kind == io::ErrorKind::Interrupted {
        return error;
    }
    let _ = FAILURE.set(error); // the first one stays
    io::Error::new(kind, Lost)
}

/// Whether a command ended because standard output can't be written.
pub(crate) fn is_lost(error: &anyhow::Error) -> bool {
    let of_output = |error: &io::Error| error.get_ref().is_some_and(<dyn Error + Send + Sync>::is::<Lost>);
    error.chain().filter_map(|cause| cause.downcast_ref()).any(of_output)
}

/// [`say!`]'s line.
pub(crate) fn line(text: fmt::Arguments<'_>) -> io::Result<()> {
    writeln!(stdout(), "{text}")
}

/// [`warning!`]'s line.
pub(crate) fn aside(text: fmt::Arguments<'_>) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// Writes a file in one step; a pipe or a device as it is.
pub(crate) fn write_file(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let written = if is_special(path) { fs::write(path, bytes) } else { write_atomically(path, bytes) };
    written.with_context(|| format!("can't write {}", path.display()))
}

/// Whether a path leads to a pipe or a device.
pub(crate) fn is_special(path: &Path) -> bool {
    path.exists() && !path.is_file()
}

/// The exit code of a command that would end with `code`, after the last of its output is written.
pub(crate) fn end(code: ExitCode) -> ExitCode {
    let _ = stdout().flush(); // remembered as any other failure
    match FAILURE.get() {
        Some(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            warning!("error: can't write standard output: {error}");
            if code == ExitCode::SUCCESS { ExitCode::FAILURE } else { code }
        }
        _ => code,
    }
}
