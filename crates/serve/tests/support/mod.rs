//! A server on loopback with small random models, and a client that sends what it is told to.

use std::{
    fs,
    io::{Read, Write},
    net::{Shutdown, SocketAddr, TcpStream},
    path::{Path, PathBuf},
    sync::OnceLock,
    thread::{self, JoinHandle},
    time::Duration,
};

use attentive_backend::BackendKind;
use attentive_bundle::Bundle;
use attentive_interchange::ImportConfig;
use attentive_serve::{Limits, ModelSource, ServeConfig, ServeError, Server, Stop};
use serde_json::{Value, json};
use tempfile::TempDir;

/// The models of other tools that are served, by name.
const MODELS: [&str; 7] =
    ["marian", "m2m100", "gpt2", "gguf/llama.gguf", "bert-masked-lm", "bert-classification", "bert-rank"];

/// A folder with the models, imported once.
pub(crate) fn models() -> &'static Path {
    static FOLDER: OnceLock<TempDir> = OnceLock::new();
    let import = || {
        let folder = tempfile::tempdir().unwrap();
        for model in MODELS {
            let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../interchange/tests/golden").join(model);
            let imported = attentive_interchange::import(&golden, &ImportConfig::default()).unwrap();
            if model == "marian" {
                // Its vocabulary has a language; one has none, and another two.
                let with = |entries: &[(usize, &str)]| with_entries(imported.bundle.clone(), entries, folder.path());
                with(&[(2, "spare")]).save(folder.path().join("marian")).unwrap();
                with(&[(36, ">>fra<<")]).save(folder.path().join("opus")).unwrap();
                continue;
            }
            imported.bundle.save(folder.path().join(name(model))).unwrap();
            if model == "m2m100" {
                told(imported.bundle.clone(), folder.path()).save(folder.path().join("told")).unwrap();
            }
            if model == "bert-masked-lm" {
                // Vectors are of fewer tokens than it has positions for.
                let mut short = imported.bundle.clone();
                short.embedding.max_len = Some(4);
                short.save(folder.path().join("short")).unwrap();
            }
            if model == "gpt2" {
                // Texts that nothing but their reader ends.
                let mut endless = imported.bundle;
                endless.generation.min_tokens = 1 << 20;
                endless.save(folder.path().join("endless")).unwrap();
            }
        }
        folder
    };
    FOLDER.get_or_init(import).path()
}

/// A model with other entries of the vocabulary.
fn with_entries(mut bundle: Bundle, entries: &[(usize, &str)], folder: &Path) -> Bundle {
    let path = folder.join("entries.json");
    attentive_tokenizer::save(&**bundle.tokenizer().unwrap(), &path).unwrap();
    let mut file: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    for &(id, entry) in entries {
        file["model"]["marian"]["vocab"][id] = json!(entry);
    }
    fs::write(&path, file.to_string()).unwrap();
    bundle.processor = attentive_tokenizer::load(&path).unwrap().into();
    bundle
}

/// A model that is told the language to translate into, English or German, and reads another one too.
fn told(mut bundle: Bundle, folder: &Path) -> Bundle {
    attentive_tokenizer::save(&**bundle.tokenizer().unwrap(), &folder.join("told.json")).unwrap();
    let mut file: Value = serde_json::from_slice(&fs::read(folder.join("told.json")).unwrap()).unwrap();
    let languages = &mut file["model"]["framed"]["framing"]["languages"];
    languages["sources"] = json!(["de", "en", "fr"]);
    languages["ids"].as_object_mut().unwrap().retain(|name, _| ["de", "en"].contains(&&**name));
    (languages["source"], languages["target"]) = (json!("en"), json!("de"));
    fs::write(folder.join("told.json"), file.to_string()).unwrap();
    bundle.processor = attentive_tokenizer::load(&folder.join("told.json")).unwrap().into();
    bundle
}

fn name(model: &str) -> &str {
    model.trim_end_matches(".gguf").rsplit('/').next().unwrap()
}

/// A source of a model by its name here; Marian's is of English and German.
pub(crate) fn source(name: &str) -> ModelSource {
    let languages = (name == "marian").then(|| ("en".to_owned(), "de".to_owned()));
    ModelSource { languages, ..ModelSource::new(models().join(name)) }
}

/// A configuration of these models, at a free port.
pub(crate) fn config(names: &[&str]) -> ServeConfig {
    let device = BackendKind::Flex.device().unwrap();
    let address = SocketAddr::from(([127, 0, 0, 1], 0));
    let limits = Limits { output_tokens: 40, ..Limits::default() };
    ServeConfig { address, limits, ..ServeConfig::new(names.iter().map(|name| source(name)).collect(), device) }
}

/// A server that runs until it is dropped.
pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    stop: Stop,
    thread: Option<JoinHandle<Result<(), ServeError>>>,
}

impl Running {
    pub(crate) fn new(config: ServeConfig) -> Self {
        let server = Server::new(config, |_| ()).unwrap();
        let (address, stop) = (server.address().unwrap(), server.stopper());
        Self { address, stop, thread: Some(thread::spawn(move || server.run())) }
    }

    pub(crate) fn of(names: &[&str]) -> Self {
        Self::new(config(names))
    }

    /// Tells it to end, and waits until it has.
    pub(crate) fn end(&mut self) {
        self.stop.stop();
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap().unwrap();
        }
    }

    pub(crate) fn tell_to_end(&self) {
        self.stop.stop();
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &[], b"")
    }

    pub(crate) fn post(&self, path: &str, body: &Value) -> Answer {
        self.send("POST", path, &[("content-type", "application/json")], body.to_string().as_bytes())
    }

    pub(crate) fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        let mut stream = self.begin(method, path, headers, body);
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).unwrap();
        Answer::parse(&bytes)
    }

    /// A connection over which a request has been sent.
    pub(crate) fn begin(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(120))).unwrap();
        let mut head = format!("{method} {path} HTTP/1.1\r\nhost: test\r\nconnection: close\r\n");
        for (name, value) in headers {
            head += &format!("{name}: {value}\r\n");
        }
        head += &format!("content-length: {}\r\n\r\n", body.len());
        // A server that refuses a body early closes the connection in the middle of it.
        let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body));
        stream
    }

    /// The value of a metric, by its name with its labels.
    pub(crate) fn metric(&self, name: &str) -> f64 {
        let text = self.get("/metrics").text();
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok());
        line.unwrap_or(0.0)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.stop();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Leaves a request.
pub(crate) fn leave(stream: &TcpStream) {
    let _ = stream.shutdown(Shutdown::Both);
}

/// An answer.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    fn parse(bytes: &[u8]) -> Self {
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").expect("a head");
        let head = std::str::from_utf8(&bytes[..end]).unwrap();
        let mut lines = head.lines();
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let header = |line: &str| {
            let (name, value) = line.split_once(": ").unwrap();
            (name.to_lowercase(), value.to_owned())
        };
        let headers: Vec<(String, String)> = lines.map(header).collect();
        let mut body = bytes[end + 4..].to_vec();
        if headers.iter().any(|(name, value)| name == "transfer-encoding" && value == "chunked") {
            body = unchunked(&body);
        }
        Self { status, headers, body }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| &**value)
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {:?}", self.text()))
    }

    /// The JSON of an answer that is right.
    #[track_caller]
    pub(crate) fn ok(&self) -> Value {
        assert_eq!(self.status, 200, "{}", self.text());
        self.json()
    }

    /// The data of server-sent events.
    pub(crate) fn events(&self) -> Vec<String> {
        self.text().lines().filter_map(|line| line.strip_prefix("data: ")).map(str::to_owned).collect()
    }
}

fn unchunked(mut bytes: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    while let Some(end) = bytes.windows(2).position(|two| two == b"\r\n") {
        let size = usize::from_str_radix(std::str::from_utf8(&bytes[..end]).unwrap().trim(), 16).unwrap();
        if size == 0 {
            break;
        }
        body.extend(&bytes[end + 2..][..size]);
        bytes = &bytes[end + 2 + size + 2..];
    }
    body
}

pub(crate) fn path(name: &str) -> PathBuf {
    models().join(name)
}
