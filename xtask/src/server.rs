//! `attentive serve` as a child of this program.

use std::{
    ffi::OsStr,
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
};

use crate::{Failure, Outcome, app, cargo};

/// What the server prints once it answers.
const LISTENING: &str = "listening at http://";

/// A server that runs until it is dropped.
pub(crate) struct Server {
    child: Child,
    /// Where it listens: `127.0.0.1:8080`.
    pub(crate) address: String,
}

impl Server {
    /// Builds the command with its server, and starts it at a free port.
    pub(crate) fn start(args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Outcome<Self> {
        let mut command = Command::new(app::server_program()?);
        command.args(["serve", "--port", "0"]).args(args).stdout(Stdio::piped());
        let mut child = command.spawn().map_err(|error| cargo::not_started(&command, &error))?;
        let lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        let address = lines.map_while(Result::ok).find_map(|line| Some(line.strip_prefix(LISTENING)?.to_owned()));
        match address {
            Some(address) => Ok(Self { child, address }),
            None => {
                let _ = child.wait();
                Err(Failure::Message("the server ended before it listened".into()))
            }
        }
    }

    /// The process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill().and_then(|()| self.child.wait());
    }
}
