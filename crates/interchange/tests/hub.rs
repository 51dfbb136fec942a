//! Downloads from a hub, which is a server in this process, into the cache of `huggingface_hub`.

use std::{
    fs,
    path::{Path, PathBuf},
};

use attentive_bundle::{Bundle, Pooling};
use attentive_interchange::{Hub, ImportConfig, InterchangeError};

use crate::hub_server::{self, Answer, COMMIT, Server, model_file};

fn import(folder: &Path) -> Result<Bundle, InterchangeError> {
    attentive_interchange::import(folder, &ImportConfig::default()).map(|imported| imported.bundle)
}

/// A cache in a folder of its own.
struct Cache(tempfile::TempDir);

impl Cache {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn hub(&self, endpoint: &str, vars: &[(&str, &str)]) -> Hub {
        let ours = [("HF_ENDPOINT", endpoint), ("HF_HUB_CACHE", self.path().to_str().unwrap())];
        let all: Vec<_> = ours.iter().chain(vars).map(|(name, value)| (*name, (*value).to_owned())).collect();
        Hub::from_vars(|wanted| all.iter().find(|(name, _)| *name == wanted).map(|(_, value)| value.into())).unwrap()
    }

    /// Every file and link in the cache, without the locks.
    fn files(&self) -> Vec<String> {
        let mut open = vec![self.path().to_owned()];
        let mut files = Vec::new();
        while let Some(folder) = open.pop() {
            for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
                match entry.file_type().unwrap().is_dir() {
                    true if entry.file_name() != ".locks" => open.push(entry.path()),
                    true => {}
                    false => files.push(entry.path().strip_prefix(self.path()).unwrap().to_str().unwrap().to_owned()),
                }
            }
        }
        files.sort();
        files
    }
}

fn fetch(hub: &Hub, address: &str) -> Result<PathBuf, InterchangeError> {
    hub.fetch(&address.parse()?, &mut |_| ())
}

#[track_caller]
fn says<T>(result: Result<T, InterchangeError>, parts: &[&str]) {
    let message = result.err().expect("an error").to_string();
    for part in parts {
        assert!(message.contains(part), "{part:?} is not in: {message}");
    }
}

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

#[test]
fn models_are_downloaded_imported_and_then_found_in_the_cache() {
    for name in ["marian", "gpt2"] {
        let (server, cache) = (Server::start(model_file), Cache::new());
        let hub = cache.hub(&server.endpoint, &[]);
        let address = format!("hf://tiny/{name}");
        let mut seen = Vec::new();
        let mut progress = |download: attentive_interchange::Download<'_>| {
            if download.total == Some(download.done) {
                seen.push(download.file.to_owned());
            }
        };
        let folder = hub.fetch(&address.parse().unwrap(), &mut progress).unwrap();
        assert!(seen.contains(&"config.json".to_owned()) && seen.contains(&"model.safetensors".to_owned()), "{seen:?}");
        let [found, expected] = [import(&folder).unwrap(), import(&golden(name)).unwrap()];
        assert_eq!(found.params, expected.params);
        let ids = |bundle: &Bundle| bundle.tokenizer().unwrap().encode("the animal");
        assert_eq!(ids(&found), ids(&expected));
        assert!(!folder.join("pytorch_model.bin").exists(), "one form of the weights is enough");

        // The layout of huggingface_hub.
        let repo = cache.path().join(format!("models--tiny--{name}"));
        assert_eq!(folder, repo.join("snapshots").join(COMMIT));
        assert_eq!(fs::read_to_string(repo.join("refs/main")).unwrap(), COMMIT);
        assert!(repo.join(".no_exist").join(COMMIT).join("vocab.txt").is_file());
        let blob = repo.join("blobs").join(hub_server::etag(&fs::read(golden(name).join("config.json")).unwrap()));
        assert!(blob.is_file());
        #[cfg(unix)]
        {
            let to = fs::read_link(folder.join("config.json")).unwrap();
            assert_eq!(to, Path::new("../../blobs").join(blob.file_name().unwrap()));
        }

        server.requests();
        assert_eq!(fetch(&hub, &address).unwrap(), folder);
        assert_eq!(server.requests(), [format!("HEAD /tiny/{name}/resolve/main/config.json")]);
        assert_eq!(fetch(&hub, &format!("{address}@{COMMIT}")).unwrap(), folder);
        assert!(server.requests().is_empty(), "a commit never changes");

        // Another commit with the same files: they are linked, not kept twice.
        let before = cache.files().iter().filter(|file| file.contains("/blobs/")).count();
        let other = fetch(&hub, &format!("{address}@{}", "b".repeat(40))).unwrap();
        assert_eq!(import(&other).unwrap().params, expected.params);
        assert_eq!(cache.files().iter().filter(|file| file.contains("/blobs/")).count(), before);
    }
}

#[test]
fn every_file_that_an_import_reads_is_downloaded() {
    // What the models of the tests are compared with.
    let references = ["logits.json", "long.json", "multilingual.json", "outputs.json", "tokens.json"];
    let (server, cache) = (Server::start(model_file), Cache::new());
    let hub = cache.hub(&server.endpoint, &[]);
    for folder in fs::read_dir(golden("")).unwrap().map(|entry| entry.unwrap().path()) {
        let has = |name: &str| folder.join(name).is_file();
        if !has("config.json") || !(has("model.safetensors") || has("pytorch_model.bin")) {
            continue;
        }
        let name = folder.file_name().unwrap().to_str().unwrap();
        let fetched = fetch(&hub, &format!("hf://tiny/{name}")).unwrap();
        for file in fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()) {
            // One form of the weights is enough.
            let is_other = file == "pytorch_model.bin" && has("model.safetensors");
            let is_read = !is_other && !references.contains(&&*file);
            assert!(!is_read || fetched.join(&file).is_file(), "{name}: {file}");
        }
    }
}

#[test]
fn offline_the_cache_alone_is_used() {
    let (server, cache) = (Server::start(model_file), Cache::new());
    let offline = cache.hub(&server.endpoint, &[("HF_HUB_OFFLINE", "1")]);
    says(fetch(&offline, "hf://tiny/marian"), &["hf://tiny/marian@main", "not in the cache", "HF_HUB_OFFLINE"]);
    let folder = fetch(&cache.hub(&server.endpoint, &[]), "hf://tiny/marian@refs/pr/1").unwrap();
    assert_eq!(server.requests()[0], "HEAD /tiny/marian/resolve/refs%2Fpr%2F1/config.json");
    assert_eq!(fetch(&offline, "hf://tiny/marian@refs/pr/1").unwrap(), folder);
    assert_eq!(fetch(&offline, &format!("hf://tiny/marian@{COMMIT}")).unwrap(), folder);
    says(fetch(&offline, "hf://tiny/marian@other"), &["not in the cache"]);
    assert!(server.requests().is_empty());
    import(&folder).unwrap();
}

/// A cache as huggingface_hub writes it, which had only a part of the files.
#[test]
fn what_another_program_has_downloaded_is_taken() {
    let (server, cache) = (Server::start(model_file), Cache::new());
    let repo = cache.path().join("models--tiny--marian");
    let snapshot = repo.join("snapshots").join(COMMIT);
    fs::create_dir_all(&snapshot).unwrap();
    for file in ["config.json", "model.safetensors"] {
        fs::copy(golden("marian").join(file), snapshot.join(file)).unwrap();
    }
    let folder = fetch(&cache.hub(&server.endpoint, &[]), "tiny/marian").unwrap();
    let requests = server.requests();
    assert!(!requests.iter().any(|request| request.starts_with("GET") && request.ends_with("/config.json")));
    assert!(!requests.iter().any(|request| request.contains("model.safetensors")), "{requests:?}");
    import(&folder).unwrap();
}

#[test]
fn refusals_say_what_to_do() {
    let (server, cache) = (Server::start(model_file), Cache::new());
    let hub = cache.hub(&server.endpoint, &[]);
    says(fetch(&hub, "hf://tiny/none"), &["/tiny/none/resolve/main/config.json", "answers 404", "no such model"]);
    says(fetch(&hub, "hf://tiny/marian@none"), &["/resolve/none/", "404", "revision"]);
    says(fetch(&hub, "hf://private/marian"), &["answers 401", "set HF_TOKEN"]);
    let wrong = cache.hub(&server.endpoint, &[("HF_TOKEN", "wrong")]);
    says(fetch(&wrong, "hf://private/marian"), &["answers 403", "HF_TOKEN gives no access"]);
    assert!(cache.files().is_empty(), "{:?}", cache.files());
    let right = cache.hub(&server.endpoint, &[("HF_TOKEN", hub_server::TOKEN)]);
    import(&fetch(&right, "hf://private/marian").unwrap()).unwrap();

    for address in ["hf://", "hf://a/b/c", "hf://../x", "hf://a/b@", "hf://a/b@../../x", "hf://a b", "hf://a/b?c"] {
        says(fetch(&hub, address), &[address, "hf://owner/name@revision"]);
    }
    let nobody = cache.hub("http://127.0.0.1:1", &[]);
    says(fetch(&nobody, "hf://tiny/gpt2"), &["http://127.0.0.1:1/tiny/gpt2", "can't be reached", "HF_HUB_OFFLINE=1"]);
    let plain = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let secure = cache.hub(&format!("https://{}", plain.local_addr().unwrap()), &[]);
    std::thread::spawn(move || {
        let (mut stream, _) = plain.accept().unwrap();
        std::io::Write::write_all(&mut stream, b"HTTP/1.1 200 OK\r\n\r\n").unwrap();
    });
    says(fetch(&secure, "hf://tiny/gpt2"), &["https://127.0.0.1", "can't be reached"]);
    let odd = Server::start(|_| Answer::new(200, b"<html>".to_vec()));
    says(fetch(&cache.hub(&odd.endpoint, &[]), "hf://tiny/gpt2"), &["no commit", "HF_ENDPOINT"]);
    let settings =
        |name: &'static str, value: &'static str| Hub::from_vars(move |var| (var == name).then(|| value.into()));
    says(settings("HF_ENDPOINT", "hub.example"), &["HF_ENDPOINT", "https://huggingface.co"]);
    says(settings("HF_TOKEN", "two\r\nlines"), &["HF_TOKEN"]);
}

/// Large files are on another host, by an absolute address; small ones follow a relative one.
#[test]
fn redirects_are_followed_and_the_token_stays_at_home() {
    let elsewhere = Server::start(|request| match request.token {
        Some(_) => Answer::new(400, Vec::new()),
        None => model_file(request),
    });
    let cdn = elsewhere.endpoint.clone();
    let server = Server::start(move |request| {
        let resolved = model_file(request);
        if request.path.ends_with("/model.safetensors") {
            let to = format!("{cdn}/tiny/marian/resolve/{COMMIT}/model.safetensors");
            let sha256 = hub_server::sha256(&resolved.body);
            let size = resolved.body.len().to_string();
            let linked = [("X-Repo-Commit", COMMIT), ("X-Linked-Etag", &sha256), ("X-Linked-Size", &size)];
            return linked.iter().fold(Answer::new(302, Vec::new()).with("Location", &to), |answer, (name, value)| {
                answer.with(name, value)
            });
        }
        match request.path.strip_prefix("/moved") {
            Some(path) if request.token == Some(hub_server::TOKEN.to_owned()) => {
                model_file(&hub_server::Request { path: path.to_owned(), ..request.clone() })
            }
            _ => Answer::new(307, Vec::new()).with("Location", &format!("/moved{}", request.path)),
        }
    });
    let cache = Cache::new();
    let hub = cache.hub(&server.endpoint, &[("HF_TOKEN", hub_server::TOKEN)]);
    let folder = fetch(&hub, "hf://tiny/marian").unwrap();
    import(&folder).unwrap();
    assert_eq!(elsewhere.requests(), [format!("GET /tiny/marian/resolve/{COMMIT}/model.safetensors")]);
    let weights = hub_server::sha256(&fs::read(golden("marian/model.safetensors")).unwrap());
    assert!(cache.path().join("models--tiny--marian/blobs").join(weights).is_file(), "named by its SHA-256");

    let circle = Server::start(|request| Answer::new(302, Vec::new()).with("Location", &request.path));
    says(fetch(&cache.hub(&circle.endpoint, &[]), "hf://tiny/gpt2"), &["redirects without end"]);
}

#[test]
fn a_download_that_breaks_off_or_is_damaged_leaves_nothing() {
    let faults: [fn(Answer) -> Answer; 5] = [
        |answer| Answer { cut: Some(100), ..answer },
        |answer| Answer { cut: Some(100), is_chunked: true, ..answer },
        |answer| answer.with("X-Linked-Etag", &"0".repeat(64)),
        |answer| Answer { headers: Vec::new(), ..answer }.with("X-Repo-Commit", COMMIT).with("ETag", &"0".repeat(40)),
        |answer| answer.with("X-Linked-Size", "100"),
    ];
    let messages = ["after 100 of", "broke off", "SHA-256", "git hash", "longer than the 100 bytes"];
    for (fault, expected) in faults.into_iter().zip(messages) {
        let server = Server::start(move |request| match request.path.ends_with("/model.safetensors") {
            true => fault(model_file(request)),
            false => model_file(request),
        });
        let cache = Cache::new();
        says(fetch(&cache.hub(&server.endpoint, &[]), "hf://tiny/gpt2"), &["model.safetensors", expected, "again"]);
        let files = cache.files();
        assert_eq!(files.iter().filter(|file| file.contains("/blobs/")).count(), 1, "config.json alone: {files:?}");
        assert!(!files.iter().any(|file| file.contains("incomplete") || file.contains("refs")), "{files:?}");

        // Once more, from a server that works.
        let server = Server::start(model_file);
        import(&fetch(&cache.hub(&server.endpoint, &[]), "hf://tiny/gpt2").unwrap()).unwrap();
    }
}

#[test]
fn proxies_of_the_environment_are_asked() {
    let (proxy, cache) = (Server::start(model_file), Cache::new());
    let hub =
        cache.hub("http://hub.invalid", &[("HTTP_PROXY", &proxy.endpoint), ("HTTPS_PROXY", "http://127.0.0.1:1")]);
    import(&fetch(&hub, "hf://tiny/gpt2").unwrap()).unwrap();
    assert_eq!(proxy.requests()[..2], ["CONNECT hub.invalid:80", "HEAD /tiny/gpt2/resolve/main/config.json"]);
    let direct =
        cache.hub("http://hub.invalid", &[("all_proxy", &proxy.endpoint), ("NO_PROXY", "x.example, *.invalid")]);
    says(fetch(&direct, "hf://tiny/marian"), &["http://hub.invalid/tiny/marian", "can't be reached"]);
    assert!(proxy.requests().is_empty());
    let wrong = Hub::from_vars(|var| (var == "HTTPS_PROXY").then(|| "gopher://proxy".into()));
    says(wrong, &["HTTPS_PROXY", "proxy"]);
}

#[test]
fn pickles_and_shards_are_found_where_there_is_no_single_file() {
    let server = Server::start(|request| match request.path.rsplit('/').next().unwrap() {
        "model.safetensors" | "model.safetensors.index.json" if request.path.contains("gpt2") => Answer::missing(),
        "model.safetensors" if request.path.contains("/resolve/") => Answer::missing(),
        "model.safetensors.index.json" => {
            let index = br#"{"weight_map": {"a": "part-1.safetensors", "b": "../part-1.safetensors"}}"#;
            Answer::new(200, index.to_vec()).tagged()
        }
        "part-1.safetensors" => Answer::new(200, fs::read(golden("marian/model.safetensors")).unwrap()).tagged(),
        _ => model_file(request),
    });
    let cache = Cache::new();
    for name in ["gpt2", "marian"] {
        let folder = fetch(&cache.hub(&server.endpoint, &[]), &format!("hf://tiny/{name}")).unwrap();
        assert_eq!(import(&folder).unwrap().params, import(&golden(name)).unwrap().params);
        assert_eq!(folder.join("pytorch_model.bin").exists(), name == "gpt2");
    }
}

#[test]
fn modules_of_sentence_transformers_come_along() {
    let server = Server::start(|request| {
        let file = request.path.split("/resolve/").nth(1).and_then(|rest| rest.split_once('/')).map(|(_, file)| file);
        let body: &[u8] = match file {
            Some("modules.json") => {
                br#"[{"path": "", "type": "sentence_transformers.models.Transformer"},
                     {"path": "1_Pooling", "type": "sentence_transformers.models.Pooling"},
                     {"path": "2_Normalize", "type": "sentence_transformers.models.Normalize"}]"#
            }
            Some("1_Pooling/config.json") => br#"{"pooling_mode_max_tokens": true}"#,
            Some("sentence_bert_config.json") => br#"{"max_seq_length": 7}"#,
            Some("2_Normalize/config.json") => return Answer::missing(),
            _ => return model_file(request),
        };
        Answer::new(200, body.to_vec()).tagged()
    });
    let cache = Cache::new();
    let folder = fetch(&cache.hub(&server.endpoint, &[]), "hf://tiny/bert-model").unwrap();
    let embedding = import(&folder).unwrap().embedding;
    assert_eq!((embedding.pooling, embedding.max_len, embedding.normalize), (vec![Pooling::Max], Some(7), true));
    #[cfg(unix)]
    assert!(fs::read_link(folder.join("1_Pooling/config.json")).unwrap().starts_with("../../../blobs"));
}
