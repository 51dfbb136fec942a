//! HTTP/1.1 as far as downloads need it: one request a connection, over TCP or TLS.
//!
//! A client crate would bring features of shared dependencies that burn does without, and burn would be built again
//! for them; this brings rustls alone.

use std::{
    fmt,
    io::{self, BufRead, BufReader, ErrorKind, Read, Write},
    net::{TcpStream, ToSocketAddrs},
    sync::Arc,
    time::Duration,
};

use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned, crypto::ring, pki_types::ServerName};

/// How long the other side may be silent.
const PATIENCE: Duration = Duration::from_secs(60);
/// The longest head of a response, in bytes.
const MAX_HEAD: u64 = 64 << 10;

/// An `http` or `https` address; its characters are printable ASCII.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Url {
    secure: bool,
    authority: String,
    /// From the slash on, with the query.
    path: String,
}

impl Url {
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (secure, rest) = match text.strip_prefix("https://") {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix("http://")?),
        };
        let rest = rest.split('#').next()?;
        let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
        // A name and a password before the host are not for us, and no line of a request is ended by an address.
        let is_sound = !authority.is_empty() && !authority.contains('@') && rest.bytes().all(|b| b.is_ascii_graphic());
        is_sound.then(|| Self { secure, authority: authority.to_ascii_lowercase(), path })
    }

    /// What a `Location` means here; none that leaves TLS.
    pub(super) fn join(&self, location: &str) -> Option<Self> {
        let scheme = if self.secure { "https" } else { "http" };
        let path = self.path.split('?').next().unwrap_or_default();
        let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
        let absolute = match location {
            _ if location.contains("://") && !location.starts_with('/') => location.to_owned(),
            _ if location.starts_with("//") => format!("{scheme}:{location}"),
            _ if location.starts_with('/') => format!("{scheme}://{}{location}", self.authority),
            _ => format!("{scheme}://{}{folder}/{location}", self.authority),
        };
        Self::parse(&absolute).filter(|to| to.secure || !self.secure)
    }

    /// Whether both are of one scheme, host and port.
    pub(super) fn same_origin(&self, other: &Self) -> bool {
        (self.secure, self.host_and_port()) == (other.secure, other.host_and_port())
    }

    /// The host without an IPv6 address's brackets, and the port; port 0 where it is no number.
    fn host_and_port(&self) -> (&str, u16) {
        let (host, port) = match self.authority.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, port.parse().unwrap_or(0)),
            _ => (&*self.authority, if self.secure { 443 } else { 80 }),
        };
        (host.trim_start_matches('[').trim_end_matches(']'), port)
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}{}", if self.secure { "https" } else { "http" }, self.authority, self.path)
    }
}

/// A response, its body still to be read.
pub(super) struct Response {
    pub(super) status: u16,
    headers: Vec<(String, String)>,
    pub(super) body: Body,
}

impl Response {
    /// The first header of a name, which is matched whatever its case.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(header, _)| header.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }
}

/// Where a body ends (RFC 9112, section 6.3).
enum Framing {
    Length(u64),
    Chunked { left: u64, is_first: bool },
    Close,
    Done,
}

/// A body; reading one that is cut short is an error, [`ErrorKind::UnexpectedEof`].
pub(super) struct Body {
    stream: BufReader<Box<dyn Read>>,
    framing: Framing,
}

impl Body {
    /// The size of the next chunk; 0 ends the body.
    fn next_chunk(&mut self, is_first: bool) -> io::Result<u64> {
        if !is_first {
            line(&mut self.stream)?; // what ends the chunk before
        }
        let head = line(&mut self.stream)?;
        let size = head.split(';').next().unwrap_or_default().trim();
        u64::from_str_radix(size, 16).map_err(|_| invalid(format!("a chunk of {size:?} bytes")))
    }
}

impl Read for Body {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if let Framing::Chunked { left: 0, is_first } = self.framing {
            self.framing = match self.next_chunk(is_first)? {
                0 => Framing::Done,
                left => Framing::Chunked { left, is_first: false },
            };
        }
        let left = match &mut self.framing {
            Framing::Done | Framing::Length(0) => return Ok(0),
            Framing::Close => return self.stream.read(buffer),
            Framing::Length(left) | Framing::Chunked { left, .. } => left,
        };
        let most = buffer.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
        let n = self.stream.read(&mut buffer[..most])?;
        if n == 0 && most > 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        *left -= n as u64;
        Ok(n)
    }
}

/// Asks for `url`; redirects are answers like others.
///
/// # Errors
/// What the system says, or that the answer is no HTTP.
pub(super) fn send(method: &str, url: &Url, token: Option<&str>) -> io::Result<Response> {
    let mut stream = connect(url)?;
    let token = token.map(|token| format!("Authorization: Bearer {token}\r\n")).unwrap_or_default();
    let (Url { authority, path, .. }, version) = (url, env!("CARGO_PKG_VERSION"));
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: {authority}\r\nUser-Agent: attentive/{version}\r\nAccept: */*\r\n\
         Accept-Encoding: identity\r\n{token}Connection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes())?;
    stream.flush()?;
    let mut stream = BufReader::new(stream as Box<dyn Read>);
    loop {
        let (status, headers) = head(&mut stream)?;
        if (100..200).contains(&status) {
            continue; // more is to come
        }
        let mut response = Response { status, headers, body: Body { stream, framing: Framing::Close } };
        response.body.framing = if method == "HEAD" || matches!(status, 204 | 304) {
            Framing::Done
        } else if response.header("Transfer-Encoding").is_some_and(|value| value.eq_ignore_ascii_case("chunked")) {
            Framing::Chunked { left: 0, is_first: true }
        } else if let Some(length) = response.header("Content-Length") {
            Framing::Length(length.parse().map_err(|_| invalid(format!("a length of {length:?} bytes")))?)
        } else {
            Framing::Close
        };
        return Ok(response);
    }
}

trait Stream: Read + Write {}
impl<T: Read + Write> Stream for T {}

fn connect(url: &Url) -> io::Result<Box<dyn Stream>> {
    let (host, port) = url.host_and_port();
    let mut connected = Err(io::Error::new(ErrorKind::NotFound, "the host has no address"));
    for address in (host, port).to_socket_addrs()? {
        connected = TcpStream::connect_timeout(&address, PATIENCE);
        if connected.is_ok() {
            break;
        }
    }
    let stream = connected?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    if !url.secure {
        return Ok(Box::new(stream));
    }
    let roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
    let connection = ClientConnection::new(Arc::new(config), name).map_err(io::Error::other)?;
    Ok(Box::new(StreamOwned::new(connection, stream)))
}

/// A status and headers.
fn head(stream: &mut impl BufRead) -> io::Result<(u16, Vec<(String, String)>)> {
    let mut stream = stream.take(MAX_HEAD);
    let status = line(&mut stream)?;
    let code = status.strip_prefix("HTTP/1.").and_then(|rest| rest.split(' ').nth(1)?.parse().ok());
    let code = code.ok_or_else(|| invalid(format!("no answer of HTTP/1: {status:?}")))?;
    let mut headers = Vec::new();
    loop {
        let line = line(&mut stream)?;
        if line.is_empty() {
            return Ok((code, headers));
        }
        let (name, value) = line.split_once(':').ok_or_else(|| invalid(format!("no header: {line:?}")))?;
        headers.push((name.to_owned(), value.trim().to_owned()));
    }
}

/// A line without its end.
fn line(stream: &mut impl BufRead) -> io::Result<String> {
    let mut bytes = Vec::new();
    stream.take(MAX_HEAD).read_until(b'\n', &mut bytes)?;
    match bytes.strip_suffix(b"\n") {
        Some(line) => Ok(String::from_utf8_lossy(line.strip_suffix(b"\r").unwrap_or(line)).into_owned()),
        None => Err(ErrorKind::UnexpectedEof.into()),
    }
}

fn invalid(problem: String) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, problem)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap_or_else(|| panic!("{text}"))
    }

    #[test]
    fn locations_are_resolved() {
        let base = url("https://hub.example/a/b?c=d");
        for (location, expected) in [
            ("https://cdn.example/x?y", "https://cdn.example/x?y"),
            ("//cdn.example/x", "https://cdn.example/x"),
            ("/x?to=http://y", "https://hub.example/x?to=http://y"),
            ("x", "https://hub.example/a/x"),
        ] {
            assert_eq!(base.join(location).unwrap().to_string(), expected);
        }
        assert_eq!(base.join("http://hub.example/x"), None, "TLS is not left");
        assert_eq!(base.join("/a b\r\n"), None);
        assert_eq!(base.join("ftp://hub.example/x"), None);
    }

    #[test]
    fn an_origin_is_scheme_host_and_port() {
        let same = |a, b| url(a).same_origin(&url(b));
        assert!(same("https://hub.example", "https://HUB.example:443/x"));
        assert!(same("http://[::1]/", "http://[::1]:80/"));
        assert!(!same("https://hub.example", "http://hub.example"));
        assert!(!same("http://127.0.0.1:1", "http://127.0.0.1:2"));
        assert!(!same("https://hub.example", "https://hub.example.org"));
        assert_eq!(Url::parse("https://name@hub.example"), None);
    }

    fn body(framing: Framing, bytes: &'static [u8]) -> io::Result<Vec<u8>> {
        let mut read = Vec::new();
        Body { stream: BufReader::new(Box::new(bytes)), framing }.read_to_end(&mut read).map(|_| read)
    }

    #[test]
    fn a_body_ends_where_it_says() {
        let chunked = || Framing::Chunked { left: 0, is_first: true };
        assert_eq!(body(Framing::Length(3), b"abcdef").unwrap(), b"abc");
        assert_eq!(body(Framing::Close, b"abc").unwrap(), b"abc");
        assert_eq!(body(chunked(), b"3\r\nabc\r\nA;x=y\r\n0123456789\r\n0\r\n\r\n").unwrap(), b"abc0123456789");
        for (framing, cut) in [(Framing::Length(4), &b"abc"[..]), (chunked(), b"3\r\nab"), (chunked(), b"3\r\nabc\r\n")]
        {
            assert_eq!(body(framing, cut).unwrap_err().kind(), ErrorKind::UnexpectedEof);
        }
        assert_eq!(body(chunked(), b"x\r\n").unwrap_err().kind(), ErrorKind::InvalidData);
    }
}
