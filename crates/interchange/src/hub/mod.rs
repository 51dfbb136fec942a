//! Models from the hub, `hf://owner/name`.

mod cache;
mod http;
mod url;

use std::{
    env,
    ffi::OsString,
    fmt,
    fs::File,
    io::{self, Read, Seek, Write},
    path::{Path, PathBuf},
    str::FromStr,
};

use sha1::Sha1;
use sha2::{Digest, Sha256};
use ureq::{Body, http::Response};

use crate::{InterchangeError, chat, checkpoint, sentences, tokenizers};
use cache::Repo;
use http::Client;
use url::Url;

const ENDPOINT: &str = "https://huggingface.co";
const CONFIG: &str = "config.json";
/// Files that a model may have next to its weights.
const OPTIONAL: [&str; 22] = [
    tokenizers::OURS,
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "target_vocab.json",
    "merges.txt",
    "encoder.json",
    "vocab.bpe",
    "vocab.txt",
    "source.spm",
    "target.spm",
    "spiece.model",
    "sentencepiece.bpe.model",
    "tokenizer.model",
    "generation_config.json",
    "preprocessor_config.json",
    "processor_config.json",
    chat::TEMPLATE,
    chat::OF_PROCESSOR,
    sentences::MODULES,
];
const MAX_REDIRECTS: usize = 10;

/// A model of the hub: `owner/name`, at a branch, tag or commit.
///
/// ```
/// let model: attentive_interchange::HubModel = "hf://Helsinki-NLP/opus-mt-en-de@main".parse()?;
/// assert_eq!(model.to_string(), "hf://Helsinki-NLP/opus-mt-en-de@main");
/// # Ok::<(), attentive_interchange::InterchangeError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HubModel {
    name: String,
    revision: String,
}

impl FromStr for HubModel {
    type Err = InterchangeError;

    /// Reads `hf://owner/name` or `hf://owner/name@revision`; the revision is `main` by default.
    fn from_str(address: &str) -> Result<Self, InterchangeError> {
        let path = address.strip_prefix("hf://").unwrap_or(address);
        let (name, revision) = path.split_once('@').unwrap_or((path, "main"));
        if name.split('/').count() > 2 || ![name, revision].iter().all(|path| path.split('/').all(is_name)) {
            return Err(InterchangeError::HubAddress { address: address.to_owned() });
        }
        Ok(Self { name: name.to_owned(), revision: revision.to_owned() })
    }
}

impl fmt::Display for HubModel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "hf://{}@{}", self.name, self.revision)
    }
}

/// Whether a text can be one part of a path, and of no other folder.
fn is_name(text: &str) -> bool {
    !text.is_empty()
        && !text.starts_with('.')
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-+".contains(&b))
}

/// Whether a revision is a commit, which never moves.
fn is_commit(revision: &str) -> bool {
    revision.len() == 40 && revision.bytes().all(|b| b.is_ascii_hexdigit())
}

/// How far a download is.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Download<'a> {
    /// The file.
    pub file: &'a str,
    /// Bytes that are there.
    pub done: u64,
    /// Bytes in all, where the server says so.
    pub total: Option<u64>,
}

/// The hub, and the cache of `huggingface_hub` before it.
///
/// ```no_run
/// use attentive_interchange::{Hub, ImportConfig, import};
///
/// let folder = Hub::from_env()?.fetch(&"hf://Helsinki-NLP/opus-mt-en-de".parse()?, &mut |_| ())?;
/// let model = import(&folder, &ImportConfig::default())?;
/// # Ok::<(), attentive_interchange::InterchangeError>(())
/// ```
pub struct Hub {
    client: Client,
    endpoint: Url,
    token: Option<String>,
    cache: PathBuf,
    is_offline: bool,
}

impl fmt::Debug for Hub {
    /// Everything but the token.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { cache, is_offline, .. } = self;
        f.debug_struct("Hub").field("cache", cache).field("is_offline", is_offline).finish_non_exhaustive()
    }
}

impl Hub {
    /// The hub by the variables of `huggingface_hub`, taken from the environment; see [`Hub::from_vars`].
    ///
    /// # Errors
    /// [`InterchangeError::HubSetting`].
    pub fn from_env() -> Result<Self, InterchangeError> {
        Self::from_vars(|name| env::var_os(name))
    }

    /// The hub by the variables of `huggingface_hub`; those that are empty count as not set.
    ///
    /// | variable | is | default |
    /// |---|---|---|
    /// | `HF_ENDPOINT` | where the hub is | `https://huggingface.co` |
    /// | `HF_TOKEN` | the token for models that need one | none |
    /// | `HF_HUB_CACHE` | the cache | `$HF_HOME/hub`, where `HF_HOME` is `$XDG_CACHE_HOME/huggingface` or `~/.cache/huggingface` |
    /// | `HF_HUB_OFFLINE` | `1`, `true`, `yes` or `on`: the cache alone is used | off |
    /// | `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` | the proxy for these addresses, in small letters too | none |
    /// | `NO_PROXY` | hosts that are asked without it: `hub.example,*.example` | none |
    ///
    /// # Errors
    /// [`InterchangeError::HubSetting`].
    pub fn from_vars(var: impl Fn(&str) -> Option<OsString>) -> Result<Self, InterchangeError> {
        let path = |name| var(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let text = |name| path(name).map(|value| value.to_string_lossy().trim().to_owned());
        let wrong = |name, problem| InterchangeError::HubSetting { name, problem };

        let endpoint = text("HF_ENDPOINT").unwrap_or_else(|| ENDPOINT.to_owned());
        let endpoint = Url::parse(endpoint.trim_end_matches('/'))
            .ok_or_else(|| wrong("HF_ENDPOINT", "it is not an address like https://huggingface.co"))?;
        let token = text("HF_TOKEN");
        if token.iter().flat_map(|token| token.bytes()).any(|byte| !byte.is_ascii_graphic()) {
            return Err(wrong("HF_TOKEN", "a token is one word of ASCII"));
        }
        let home = || {
            let cache = path("XDG_CACHE_HOME").or_else(|| env::home_dir().map(|home| home.join(".cache")));
            path("HF_HOME").or_else(|| cache.map(|cache| cache.join("huggingface")))
        };
        let cache = path("HF_HUB_CACHE")
            .or_else(|| home().map(|home| home.join("hub")))
            .ok_or_else(|| wrong("HF_HUB_CACHE", "the home folder is unknown: name a folder for the cache"))?;
        let is_offline = text("HF_HUB_OFFLINE")
            .is_some_and(|value| ["1", "true", "yes", "on"].contains(&value.to_ascii_lowercase().as_str()));
        Ok(Self { client: Client::from_vars(&var)?, endpoint, token, cache, is_offline })
    }

    /// The folder of a model in the cache; what an import needs and the cache lacks is downloaded.
    ///
    /// # Errors
    /// [`InterchangeError`]: the hub refuses or can't be reached, or the cache can't be written.
    pub fn fetch(&self, model: &HubModel, progress: &mut dyn FnMut(Download<'_>)) -> Result<PathBuf, InterchangeError> {
        let repo = Repo::new(&self.cache, &model.name);
        if self.is_offline {
            let commit = repo.commit(&model.revision).unwrap_or_else(|| model.revision.clone());
            let folder = repo.snapshot(&commit);
            return match folder.join(CONFIG).is_file() {
                true => Ok(folder),
                false => Err(InterchangeError::NotCached { model: model.to_string(), cache: self.cache.clone() }),
            };
        }
        let commit = match is_commit(&model.revision) {
            true => model.revision.clone(),
            false => self.commit(model)?,
        };
        let mut fetch = Fetch { hub: self, name: &model.name, repo: &repo, commit: &commit, progress };
        fetch.required(CONFIG)?;
        for weights in [checkpoint::SAFETENSORS, checkpoint::PICKLE] {
            let index = checkpoint::index(weights);
            if fetch.optional(weights)? {
                break;
            }
            if fetch.optional(&index)? {
                for shard in checkpoint::shards(&repo.snapshot(&commit).join(index))? {
                    fetch.required(&shard)?;
                }
                break;
            }
        }
        for file in OPTIONAL {
            fetch.optional(file)?;
        }
        for file in sentences::files_of(&repo.snapshot(&commit))? {
            fetch.optional(&file)?;
        }
        // Last, so that the offline mode finds whole models.
        if !is_commit(&model.revision) {
            repo.set_commit(&model.revision, &commit)?;
        }
        Ok(repo.snapshot(&commit))
    }

    fn url(&self, name: &str, revision: &str, file: &str) -> Result<Url, InterchangeError> {
        let endpoint = self.endpoint.to_string();
        let revision = revision.replace('/', "%2F");
        let address = format!("{}/{name}/resolve/{revision}/{file}", endpoint.trim_end_matches('/'));
        Url::parse(&address).ok_or(InterchangeError::HubAddress { address })
    }

    /// The commit that a model's revision is now.
    fn commit(&self, model: &HubModel) -> Result<String, InterchangeError> {
        let url = self.url(&model.name, &model.revision, CONFIG)?;
        let answer = self.ask("HEAD", &url)?;
        let status = answer.status();
        match answer.commit {
            Some(commit) if status < 400 => Ok(commit),
            _ if status >= 400 => Err(self.refused(&url, status)),
            _ => Err(bad_answer(&url, "it names no commit (X-Repo-Commit): is HF_ENDPOINT a hub?")),
        }
    }

    /// Asks for a file and follows redirects; the token goes to the hub alone.
    fn ask(&self, method: &str, url: &Url) -> Result<Answer, InterchangeError> {
        let (mut commit, mut etag, mut size, mut sha256) = (None, None, None, None);
        let mut at = url.clone();
        for _ in 0..=MAX_REDIRECTS {
            let is_hub = at.same_origin(&self.endpoint);
            let token = self.token.as_deref().filter(|_| is_hub);
            let unreachable =
                |cause: ureq::Error| InterchangeError::Unreachable { url: at.to_string(), cause: cause.into_io() };
            let response = self.client.send(method, &at, token).map_err(unreachable)?;
            if is_hub {
                let header =
                    |name| header(&response, name).map(|value| value.trim_start_matches("W/").trim_matches('"'));
                commit = header("X-Repo-Commit").filter(|commit| is_name(commit)).map(str::to_owned).or(commit);
                // Large files lie elsewhere; their tag is their SHA-256.
                sha256 = header("X-Linked-Etag").map(str::to_owned).or(sha256);
                etag = header("ETag").map(str::to_owned).or(etag);
                size = header("X-Linked-Size").and_then(|size| size.parse().ok()).or(size);
            }
            let is_redirect = matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308);
            if !is_redirect || (method == "HEAD" && commit.is_some()) {
                let etag = sha256.clone().or(etag);
                return Ok(Answer { response, commit, etag, size, sha256 });
            }
            let to = header(&response, "Location").and_then(|location| at.join(location));
            at = to.ok_or_else(|| bad_answer(&at, "it redirects to no address that can be followed"))?;
        }
        Err(bad_answer(url, "it redirects without end"))
    }

    fn refused(&self, url: &Url, status: u16) -> InterchangeError {
        let advice = match (status, &self.token) {
            (404, _) => "no such model, revision or file: look at the name, and at the revision after `@`",
            (401 | 403, None) => "there is no such model, or it needs a token: set HF_TOKEN",
            (401 | 403, Some(_)) => "HF_TOKEN gives no access: ask for it on the model's page, or look at the name",
            (429, _) => "too many requests: wait a while, or set HF_TOKEN",
            _ => "try again later, or use what is cached with HF_HUB_OFFLINE=1",
        };
        InterchangeError::Refused { url: url.to_string(), status, advice }
    }
}

/// The hub's answer about a file.
struct Answer {
    response: Response<Body>,
    commit: Option<String>,
    etag: Option<String>,
    size: Option<u64>,
    sha256: Option<String>,
}

impl Answer {
    fn status(&self) -> u16 {
        self.response.status().as_u16()
    }
}

/// The first header of a name, whatever its case.
fn header<'a>(response: &'a Response<Body>, name: &str) -> Option<&'a str> {
    response.headers().get(name)?.to_str().ok()
}

/// The download of one commit.
struct Fetch<'a> {
    hub: &'a Hub,
    name: &'a str,
    repo: &'a Repo,
    commit: &'a str,
    progress: &'a mut dyn FnMut(Download<'_>),
}

impl Fetch<'_> {
    fn required(&mut self, file: &str) -> Result<(), InterchangeError> {
        match self.optional(file)? {
            true => Ok(()),
            false => Err(self.hub.refused(&self.hub.url(self.name, self.commit, file)?, 404)),
        }
    }

    /// Brings a file into the cache; false if the commit has none.
    fn optional(&mut self, file: &str) -> Result<bool, InterchangeError> {
        let Self { hub, repo, commit, .. } = *self;
        if repo.snapshot(commit).join(file).is_file() {
            return Ok(true);
        }
        if repo.lacks(commit, file) {
            return Ok(false);
        }
        let url = hub.url(self.name, commit, file)?;
        let answer = hub.ask("GET", &url)?;
        match answer.status() {
            200 => {}
            404 => {
                // Only of a commit that is there can a file be missing for good.
                if answer.commit.as_deref() == Some(commit) {
                    repo.set_lacking(commit, file)?;
                }
                return Ok(false);
            }
            status => return Err(hub.refused(&url, status)),
        }
        let etag = answer.etag.clone().filter(|etag| is_name(etag));
        let etag = etag.ok_or_else(|| bad_answer(&url, "it names no version of the file (ETag)"))?;
        repo.store(commit, file, &etag, |out| self.download(file, &url, answer, out))?;
        Ok(true)
    }

    /// Copies a body to a file, and holds it against what the hub said of it.
    fn download(&mut self, file: &str, url: &Url, answer: Answer, out: &mut File) -> Result<(), InterchangeError> {
        let Answer { response, size, sha256, etag, .. } = answer;
        let total = size.or_else(|| header(&response, "Content-Length")?.parse().ok());
        let mut body = response.into_body().into_reader();
        let mut digest = Sha256::new();
        let mut done = 0;
        let mut buffer = vec![0; 1 << 16];
        loop {
            (self.progress)(Download { file, done, total });
            let n = match body.read(&mut buffer) {
                Ok(0) => break,
                Ok(n) => n,
                Err(cause) if cause.kind() == io::ErrorKind::Interrupted => continue,
                Err(cause) => return Err(cut(url, done, total, &cause)),
            };
            done += n as u64;
            if let Some(total) = total.filter(|&total| done > total) {
                return Err(bad_answer(
                    url,
                    format!("it is longer than the {total} bytes that the hub says; try again"),
                ));
            }
            out.write_all(&buffer[..n]).map_err(InterchangeError::io(Path::new(file)))?;
            digest.update(&buffer[..n]);
        }
        if total.is_some_and(|total| total != done) {
            return Err(cut(url, done, total, &io::ErrorKind::UnexpectedEof.into()));
        }
        let found = format!("{:x}", digest.finalize());
        if let Some(expected) = sha256.filter(|expected| expected.len() == found.len()) {
            return same_digest(url, "SHA-256", &found, &expected);
        }
        // Small files are named by git's hash of them.
        match etag.filter(|etag| is_commit(etag)) {
            Some(expected) => {
                let found = git_hash(out, done).map_err(InterchangeError::io(Path::new(file)))?;
                same_digest(url, "git hash", &found, &expected)
            }
            None => Ok(()),
        }
    }
}

/// Git's name of a file of `size` bytes: the SHA-1 of a header and the content.
fn git_hash(file: &mut File, size: u64) -> io::Result<String> {
    let mut digest = Sha1::new_with_prefix(format!("blob {size}\0"));
    file.rewind()?;
    io::copy(file, &mut digest)?;
    Ok(format!("{:x}", digest.finalize()))
}

fn same_digest(url: &Url, kind: &str, found: &str, expected: &str) -> Result<(), InterchangeError> {
    if found.eq_ignore_ascii_case(expected) {
        return Ok(());
    }
    Err(bad_answer(url, format!("the file's {kind} is {found}, not {expected}: it is damaged; try again")))
}

fn bad_answer(url: &Url, problem: impl Into<String>) -> InterchangeError {
    InterchangeError::HubAnswer { url: url.to_string(), problem: problem.into() }
}

fn cut(url: &Url, done: u64, total: Option<u64>, cause: &io::Error) -> InterchangeError {
    let total = total.map_or_else(|| "unknown".to_owned(), |total| total.to_string());
    bad_answer(url, format!("the download broke off after {done} of {total} bytes ({cause}); run it again"))
}
