//! A hub of HTTP/1.1 on this machine.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    path::Path,
    sync::{Arc, Mutex},
    thread,
};

use sha1::Sha1;
use sha2::{Digest, Sha256};

/// The commit that every branch stands at.
pub(crate) const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";
/// The token that private models need.
pub(crate) const TOKEN: &str = "hf_test";

#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) token: Option<String>,
}

pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    pub(crate) is_chunked: bool,
    /// Ends the connection after so many bytes of the body.
    pub(crate) cut: Option<usize>,
}

impl Answer {
    pub(crate) fn new(status: u16, body: Vec<u8>) -> Self {
        Self { status, headers: Vec::new(), body, is_chunked: false, cut: None }
    }

    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// With the commit, and the tag of the body.
    pub(crate) fn tagged(self) -> Self {
        let etag = format!("\"{}\"", etag(&self.body));
        self.with("x-repo-commit", COMMIT).with("etag", &etag)
    }

    pub(crate) fn missing() -> Self {
        Self::new(404, b"Entry not found".to_vec()).with("X-Repo-Commit", COMMIT)
    }

    fn write(&self, request: &Request, mut stream: &TcpStream) -> std::io::Result<()> {
        write!(stream, "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 {} Some reason\r\n", self.status)?;
        for (name, value) in &self.headers {
            write!(stream, "{name}: {value}\r\n")?;
        }
        let sent = &self.body[..self.cut.unwrap_or(self.body.len())];
        match self.is_chunked {
            true => write!(stream, "Transfer-Encoding: chunked\r\n\r\n")?,
            false => write!(stream, "Content-Length: {}\r\n\r\n", self.body.len())?,
        }
        if request.method == "HEAD" {
            return Ok(());
        }
        if !self.is_chunked {
            return stream.write_all(sent);
        }
        for chunk in sent.chunks(70) {
            write!(stream, "{:x}\r\n", chunk.len())?;
            stream.write_all(chunk)?;
            write!(stream, "\r\n")?;
        }
        if self.cut.is_none() { write!(stream, "0\r\n\r\n") } else { Ok(()) }
    }
}

/// A server until the end of the test's process.
pub(crate) struct Server {
    pub(crate) endpoint: String,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Server {
    pub(crate) fn start(answer: impl Fn(&Request) -> Answer + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&requests);
        thread::spawn(move || {
            for stream in listener.incoming().map(Result::unwrap) {
                let mut request = read(&stream);
                log.lock().unwrap().push(format!("{} {}", request.method, request.path));
                if request.method == "CONNECT" {
                    // A proxy, which has every host on its own machine.
                    write!(&stream, "HTTP/1.1 200 Connected\r\n\r\n").unwrap();
                    request = read(&stream);
                    log.lock().unwrap().push(format!("{} {}", request.method, request.path));
                }
                // A client that has seen enough hangs up.
                let _ = answer(&request).write(&request, &stream);
            }
        });
        Self { endpoint, requests }
    }

    /// What was asked for since the last call.
    pub(crate) fn requests(&self) -> Vec<String> {
        std::mem::take(&mut self.requests.lock().unwrap())
    }
}

fn read(stream: &TcpStream) -> Request {
    let mut lines = BufReader::new(stream).lines().map(Result::unwrap);
    let line = lines.next().unwrap_or_default();
    let mut words = line.split(' ').map(str::to_owned);
    let (method, path) = (words.next().unwrap(), words.next().unwrap_or_default());
    let headers: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
    let token = headers
        .iter()
        .find_map(|line| {
            line.to_ascii_lowercase()
                .starts_with("authorization: bearer ")
                .then(|| &line["authorization: bearer ".len()..])
        })
        .map(str::to_owned);
    Request { method, path, token }
}

/// The golden folders as models `tiny/…`, and as `private/…` for those who have the token; branch `none` is not there.
pub(crate) fn model_file(request: &Request) -> Answer {
    let parts: Vec<&str> = request.path.trim_start_matches('/').split('/').collect();
    let [owner, name, "resolve", revision, file] = parts[..] else { return Answer::new(404, Vec::new()) };
    match (owner, &request.token) {
        ("private", None) => return Answer::new(401, Vec::new()),
        ("private", Some(token)) if token != TOKEN => return Answer::new(403, Vec::new()),
        _ => {}
    }
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    if !folder.is_dir() || revision == "none" {
        return Answer::new(404, b"Not found".to_vec());
    }
    match fs::read(folder.join(file)) {
        Ok(body) => Answer::new(200, body).tagged(),
        Err(_) => Answer::missing(),
    }
}

pub(crate) fn sha256(bytes: &[u8]) -> String {
    format!("{:x}", Sha256::digest(bytes))
}

/// Git's name of a file, which is the tag of small ones.
pub(crate) fn etag(bytes: &[u8]) -> String {
    let digest = Sha1::new_with_prefix(format!("blob {}\0", bytes.len())).chain_update(bytes);
    format!("{:x}", digest.finalize())
}
