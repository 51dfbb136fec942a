//! `attentive serve` as a child of this program, and a client of it.

use std::{
    ffi::OsStr,
    io::{self, BufRead, BufReader, Write},
    net::TcpStream,
    process::{Child, Command, ExitStatus, Stdio},
    time::Duration,
};

use crate::{Failure, Outcome, app, cargo};

/// What the server prints once it answers.
const LISTENING: &str = "listening at http://";

/// Time for an answer.
const PATIENCE: Duration = Duration::from_secs(120);

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
        Self::listening(command.args(["serve", "--port", "0"]).args(args))
    }

    /// Starts `attentive serve`, and waits until it listens.
    pub(crate) fn listening(command: &mut Command) -> Outcome<Self> {
        let mut child = command.stdout(Stdio::piped()).spawn().map_err(|error| cargo::not_started(command, &error))?;
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

    /// SIGKILL.
    pub(crate) fn kill(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill().and_then(|()| self.child.wait());
    }

    /// Waits for its end.
    pub(crate) fn wait(&mut self) -> Outcome<ExitStatus> {
        self.child.wait().map_err(|error| Failure::Message(format!("a server that does not end: {error}")))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

/// One that asks a server again and again, over one connection.
pub(crate) struct Client {
    address: String,
    connection: Option<BufReader<TcpStream>>,
}

/// An answer.
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Whether it says when to come again.
    pub(crate) says_when: bool,
    pub(crate) body: String,
}

impl Client {
    pub(crate) fn new(address: &str) -> Self {
        Self { address: address.to_owned(), connection: None }
    }

    /// The translation of a text without quotation marks. [`io::ErrorKind::UnexpectedEof`] is an answer that was cut short; after
    /// any other error, there was none.
    pub(crate) fn translate(&mut self, text: &str) -> io::Result<Answer> {
        let body = format!("{{\"q\":\"{text}\",\"source\":\"en\",\"target\":\"de\"}}");
        self.ask("POST", "/translate", &body)
    }

    pub(crate) fn ask(&mut self, method: &str, place: &str, body: &str) -> io::Result<Answer> {
        let answer = self.exchange(method, place, body);
        if answer.is_err() {
            self.connection = None;
        }
        answer
    }

    fn exchange(&mut self, method: &str, place: &str, body: &str) -> io::Result<Answer> {
        let connection = match &mut self.connection {
            Some(connection) => connection,
            None => self.connection.insert(BufReader::new(connect(&self.address)?)),
        };
        let (address, length) = (&self.address, body.len());
        let request = format!(
            "{method} {place} HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
        );
        connection.get_mut().write_all(request.as_bytes())?;
        let mut line = String::new();
        if connection.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        rest(connection, &line).map_err(|_| io::ErrorKind::UnexpectedEof.into())
    }
}

/// A connection to a server.
pub(crate) fn connect(address: &str) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    Ok(stream)
}

/// The answer that begins with a line.
fn rest(connection: &mut impl BufRead, first: &str) -> io::Result<Answer> {
    let broken = || io::Error::other("not an answer of HTTP");
    let status = first.split(' ').nth(1).and_then(|status| status.parse().ok()).ok_or_else(broken)?;
    let (mut length, mut says_when) = (0, false);
    loop {
        let mut line = String::new();
        if connection.read_line(&mut line)? == 0 {
            return Err(broken());
        }
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        if name.eq_ignore_ascii_case("content-length") {
            length = value.parse().map_err(|_| broken())?;
        }
        says_when |= name.eq_ignore_ascii_case("retry-after");
    }
    let mut body = vec![0; length];
    connection.read_exact(&mut body)?;
    Ok(Answer { status, says_when, body: String::from_utf8(body).map_err(|_| broken())? })
}
