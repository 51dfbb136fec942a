//! Limits, keys, and what becomes of requests: alone and among others, left, refused, and at the end.

use std::{
    fs,
    io::{Read, Write},
    net::TcpStream,
    path::{Path, PathBuf},
    sync::Mutex,
    thread,
    time::{Duration, Instant},
};

use attentive_bundle::Bundle;
use attentive_serve::{Limits, ModelSource, ServeConfig, Server};
use serde_json::{Value, json};

use crate::support::{Answer, Running, config, leave, path};

const SENTENCE: &str = "the animal was tired";

fn with(names: &[&str], change: impl FnOnce(&mut ServeConfig)) -> Running {
    let mut config = config(names);
    change(&mut config);
    Running::new(config)
}

#[track_caller]
fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    for _ in 0..2000 {
        if is_so() {
            return;
        }
        thread::sleep(Duration::from_millis(5));
    }
    panic!("{what} never came about");
}

/// The model writes 60 tokens and more for this text if each is the most probable one, as transformers 5.23 does.
#[test]
fn a_length_that_a_client_asks_for_does_not_depend_on_the_text() {
    let server = with(&["marian"], |config| config.limits.output_tokens = 100);
    let written = |max_tokens: Option<usize>| {
        let body = json!({
            "model": "marian", "prompt": SENTENCE, "temperature": 1, "top_k": 1, "max_tokens": max_tokens,
        });
        server.post("/v1/completions", &body).ok()["usage"]["completion_tokens"].as_u64().unwrap()
    };
    assert!(written(None) < 60);
    assert_eq!([Some(7), Some(60)].map(written), [7, 60]);
}

#[test]
fn an_answer_is_the_same_alone_and_among_64() {
    let server = Running::of(&["marian", "gpt2", "bert-classification"]);
    let requests: Vec<(&str, Value)> = (0..64)
        .map(|n| {
            let text = ["the animal", "a dog", "it", "the cat slept"][n % 4];
            match n % 3 {
                0 => ("/api/translate", json!({ "text": text, "n_best": 1 + n % 2, "attention": n % 2 == 0 })),
                1 => {
                    let body = json!({
                        "model": "gpt2", "prompt": text, "max_tokens": 3 + n % 7, "seed": n, "n": 1 + n % 2, "logprobs": 2,
                    });
                    ("/v1/completions", body)
                }
                _ => ("/predict", json!({ "inputs": text })),
            }
        })
        .collect();
    let ask = |(path, body): &(&str, Value)| {
        let mut answer = server.post(path, body).ok();
        for changing in ["id", "created"] {
            answer.as_object_mut().map(|answer| answer.remove(changing));
        }
        answer
    };
    let alone: Vec<Value> = requests.iter().map(ask).collect();
    let together = Mutex::new(vec![Value::Null; requests.len()]);
    thread::scope(|scope| {
        for (number, request) in requests.iter().enumerate() {
            let (ask, together) = (&ask, &together);
            scope.spawn(move || {
                let answer = ask(request);
                together.lock().unwrap()[number] = answer;
            });
        }
    });
    for ((request, alone), together) in requests.iter().zip(alone).zip(together.into_inner().unwrap()) {
        assert_eq!(alone, together, "{request:?}");
    }
}

#[test]
fn texts_into_several_languages_are_under_one_limit() {
    let texts = ["fra", "de"].map(|target| format!(">>{target}<< the animal was tired"));
    let own = Running::of(&["opus"]).post("/api/translate", &json!({ "text": texts[0] })).ok();
    // Room for one text and its frame.
    let input_tokens = own["source_tokens"].as_array().unwrap().len();
    let server = with(&["opus"], |config| config.limits = Limits { input_tokens, ..Limits::default() });
    let translate = |q: &[String]| server.post("/translate", &json!({ "q": q, "source": "en", "target": "de" }));
    for text in texts.chunks(1) {
        translate(text).ok();
    }
    let refused = translate(&texts);
    assert_eq!(refused.status, 400, "{}", refused.text());
    assert!(refused.text().contains("split them"), "{}", refused.text());
}

#[test]
fn limits_are_told() {
    let limits =
        Limits { body_bytes: 2000, characters: 300, texts: 3, input_tokens: 60, output_tokens: 5, ..Limits::default() };
    let server = with(&["marian", "gpt2", "bert-rank"], |config| config.limits = limits);
    let translate = |q: Value| server.post("/translate", &json!({ "q": q, "source": "en", "target": "de" }));
    let refused = |answer: Answer, status: u16, what: &str| {
        assert_eq!(answer.status, status, "{}", answer.text());
        assert!(answer.text().contains(what), "{}", answer.text());
    };
    refused(translate(json!("a".repeat(3000))), 413, "2000 bytes");
    refused(translate(json!("a".repeat(400))), 400, "300");
    refused(translate(json!(["a", "b", "c", "d"])), 400, "4 texts");
    refused(translate(json!("ab ".repeat(99).trim())), 400, "tokens");
    let rerank = |n: usize| server.post("/rerank", &json!({ "query": "a", "texts": vec!["a"; n] }));
    assert_eq!(server.get("/info").ok()["max_client_batch_size"], 3);
    assert_eq!(rerank(3).ok().as_array().map(Vec::len), Some(3), "the query is not one of the texts");
    refused(rerank(4), 413, "4 texts");
    refused(
        server.post("/v1/completions", &json!({ "model": "gpt2", "prompt": "a", "max_tokens": 6 })),
        400,
        "from 1 to 5",
    );
    let short = server.post("/v1/completions", &json!({ "model": "gpt2", "prompt": "a" })).ok();
    assert!(short["usage"]["completion_tokens"].as_u64().unwrap() <= 5);
    translate(json!(SENTENCE)).ok();
    for body in [&b"{"[..], b"\xff\xfe", b"", b"[1]", &[b'['; 1500]] {
        for path in
            ["/translate", "/v1/completions", "/v1/chat/completions", "/embed", "/api/translate", "/api/complete"]
        {
            let answer = server.send("POST", path, &[], body);
            assert_eq!(answer.status, 400, "{path}: {}", answer.text());
            assert!(answer.json()["error"].to_string().len() > 10);
        }
    }
    eventually("no connection but its own", || server.metric("attentive_connections") == 1.0);
}

#[test]
fn keys_are_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("keys");
    fs::write(&file, "a-key-of-24-characters-01\n").unwrap();
    let server = with(&["marian"], |config| config.keys = Some(file));
    let body = json!({ "q": SENTENCE, "source": "en", "target": "de" });
    let bytes = body.to_string();
    let as_key =
        |key: &str| server.send("POST", "/api/translate", &[("authorization", key)], b"{\"text\": \"a\"}").status;
    assert_eq!(as_key("Bearer a-key-of-24-characters-01"), 200);
    assert_eq!([as_key("Bearer wrong"), as_key("Basic a-key-of-24-characters-01"), as_key("")], [401; 3]);
    let without = server.post("/translate", &body);
    assert_eq!((without.status, without.header("www-authenticate")), (403, Some("Bearer")), "as LibreTranslate");
    let mut in_body = body.clone();
    in_body["api_key"] = json!("a-key-of-24-characters-01");
    server.post("/translate", &in_body).ok();
    in_body["api_key"] = json!("");
    let in_both = in_body.to_string();
    let header = [("authorization", "Bearer a-key-of-24-characters-01")];
    server.send("POST", "/translate", &header, in_both.as_bytes()).ok();
    assert_eq!(server.post("/translate", &in_body).status, 403);
    server.send("POST", "/translate", &[("authorization", "Bearer a-key-of-24-characters-01")], bytes.as_bytes()).ok();
    assert_eq!(server.get("/v1/models").json()["error"]["code"], "invalid_api_key");
    for open in ["/", "/health/live", "/metrics", "/docs", "/openapi.json", "/languages"] {
        assert_eq!(server.get(open).status, 200, "{open}");
    }
    let reload = |key: &str| server.send("POST", "/admin/reload", &[("authorization", key)], b"");
    assert_eq!(reload("Bearer no").status, 401);
    assert_eq!(reload("Bearer a-key-of-24-characters-01").ok()["unchanged"], json!(["marian"]));
    assert_eq!(Running::of(&["gpt2"]).send("POST", "/admin/reload", &[], b"").status, 403);
}

#[test]
fn other_origins_are_let_in_where_they_are_named() {
    let server = with(&["gpt2"], |config| config.origins = vec!["https://example.org".into()]);
    let origin = |origin: &str| {
        let answer = server.send("GET", "/api/models", &[("origin", origin)], b"");
        answer.header("access-control-allow-origin").map(str::to_owned)
    };
    assert_eq!(origin("https://example.org").as_deref(), Some("https://example.org"));
    assert_eq!(origin("https://example.com"), None);
    // What a browser asks before a client with headers of its own, as that of OpenAI.
    let headers = [
        ("origin", "https://example.org"),
        ("access-control-request-method", "POST"),
        ("access-control-request-headers", "authorization,content-type,x-stainless-lang"),
    ];
    let asked = server.send("OPTIONS", "/v1/completions", &headers, b"");
    assert_eq!((asked.status, asked.header("access-control-allow-headers")), (200, Some(headers[2].1)));
    let answer = server.send("GET", "/v1/models", &headers[..1], b"");
    assert_eq!(answer.header("access-control-expose-headers"), Some("retry-after"));
}

/// A server whose model is busy with one endless text, of which some has been read, and which has no place left.
fn busy(change: impl FnOnce(&mut ServeConfig)) -> (Running, TcpStream) {
    let server = with(&["endless"], |config| {
        config.limits = Limits { running: 1, waiting: 1, output_tokens: 1 << 20, ..Limits::default() };
        change(config);
    });
    let body = json!({ "prompt": "the", "max_tokens": 1 << 20, "alternatives": 0 });
    let mut stream = server.begin("POST", "/api/complete", &[], body.to_string().as_bytes());
    let mut some = [0; 200];
    stream.read_exact(&mut some).unwrap();
    (server, stream)
}

#[test]
fn work_ends_when_its_client_leaves() {
    let (server, stream) = busy(|_| ());
    assert_eq!(server.metric("attentive_running{model=\"endless\"}"), 1.0);
    for side in ["read", "written"] {
        let n_tokens = server.metric(&format!("attentive_tokens_total{{model=\"endless\",side=\"{side}\"}}"));
        assert!(n_tokens > 0.0, "tokens that are {side} count before the text ends");
    }
    leave(&stream);
    eventually("a free model", || server.metric("attentive_running{model=\"endless\"}") == 0.0);
    server.post("/v1/completions", &json!({ "model": "endless", "prompt": "a", "max_tokens": 2 })).ok();
}

#[test]
fn a_full_queue_says_when_to_come_again_and_who_leaves_it_makes_room() {
    let (server, stream) = busy(|_| ());
    let body = json!({ "model": "endless", "prompt": "a", "max_tokens": 2 });
    let waiting = server.begin("POST", "/v1/completions", &[], body.to_string().as_bytes());
    eventually("one that waits", || server.metric("attentive_queue_length{model=\"endless\"}") == 1.0);
    let refused = server.post("/v1/completions", &body);
    assert_eq!(refused.status, 429, "{}", refused.text());
    let n_waits = server.metric("attentive_queue_seconds_count{model=\"endless\"}");
    assert_eq!(n_waits, 1.0, "of the one that is worked on: one still waits, and one was sent away");
    assert!(refused.header("retry-after").unwrap().parse::<u64>().unwrap() >= 1);
    assert_eq!(refused.json()["error"]["code"], "rate_limit_exceeded");
    leave(&waiting);
    eventually("nobody who waits", || server.metric("attentive_queue_length{model=\"endless\"}") == 0.0);
    leave(&stream);
    eventually("an answer", || server.post("/v1/completions", &body).status == 200);
}

#[test]
fn the_time_to_the_first_piece_is_that_from_the_request() {
    let (server, stream) = busy(|_| ());
    let body = json!({ "model": "endless", "prompt": "a", "max_tokens": 2 });
    let waiting = server.begin("POST", "/v1/completions", &[], body.to_string().as_bytes());
    eventually("one that waits", || server.metric("attentive_queue_length{model=\"endless\"}") == 1.0);
    thread::sleep(Duration::from_millis(100));
    leave(&stream);
    let sum = |name: &str| server.metric(&format!("{name}_sum{{model=\"endless\"}}"));
    let n_first = || server.metric("attentive_first_piece_seconds_count{model=\"endless\"}");
    eventually("a second text", || n_first() == 2.0);
    let (first, queue) = (sum("attentive_first_piece_seconds"), sum("attentive_queue_seconds"));
    assert!(first >= queue && queue >= 0.1, "{first} s, of which {queue} s in the queue");
    drop(waiting);
}

#[test]
fn a_request_has_its_time() {
    let (server, mut stream) = busy(|config| config.limits.time = Duration::from_millis(1500));
    let (began, reader) = (
        Instant::now(),
        thread::spawn(move || {
            let mut rest = Vec::new();
            stream.read_to_end(&mut rest).unwrap();
            String::from_utf8_lossy(&rest).into_owned()
        }),
    );
    let late = server.post("/v1/completions", &json!({ "model": "endless", "prompt": "a", "max_tokens": 2 }));
    assert!(late.status == 503 || late.status == 200, "{}", late.text());
    let rest = reader.join().unwrap();
    assert!(rest.contains("took longer") && rest.contains("[DONE]"), "the stream says why it ends");
    assert!(began.elapsed() < Duration::from_secs(20));
}

#[test]
fn several_prompts_share_the_time_of_a_request() {
    let time = Duration::from_millis(1500);
    let server = with(&["endless"], |config| {
        config.limits = Limits { time, output_tokens: 1 << 20, ..Limits::default() };
    });
    let began = Instant::now();
    let body = json!({ "model": "endless", "prompt": ["a", "b", "c", "d"], "max_tokens": 1 << 20 });
    let late = server.post("/v1/completions", &body);
    assert_eq!(late.status, 503, "{}", late.text());
    assert!(began.elapsed() < 2 * time, "{:?}", began.elapsed());
    eventually("a free model", || server.metric("attentive_running{model=\"endless\"}") == 0.0);
}

#[test]
fn the_end_waits_for_what_runs_and_takes_nothing_new() {
    let mut server = with(&["gpt2"], |_| ());
    let body = json!({ "model": "gpt2", "prompt": "the", "max_tokens": 40, "stream": true, "temperature": 0 });
    let whole = server.post("/v1/completions", &body).events();
    let mut streams: Vec<TcpStream> =
        (0..8).map(|_| server.begin("POST", "/v1/completions", &[], body.to_string().as_bytes())).collect();
    // They have been taken once they answer.
    let mut first = vec![[0; 15]; streams.len()];
    streams.iter_mut().zip(&mut first).for_each(|(stream, first)| stream.read_exact(first).unwrap());
    server.tell_to_end();
    for (stream, first) in streams.iter_mut().zip(first) {
        assert_eq!(&first, b"HTTP/1.1 200 OK");
        let mut rest = String::new();
        stream.read_to_string(&mut rest).unwrap();
        assert!(rest.contains("[DONE]"), "{rest}");
        assert_eq!(rest.matches("data: ").count(), whole.len());
    }
    server.end();
    assert!(TcpStream::connect(server.address).is_err(), "nobody listens");
}

#[test]
fn what_runs_beyond_the_grace_is_told_so() {
    let (mut server, mut stream) = busy(|config| config.grace = Duration::from_millis(100));
    let reader = thread::spawn(move || {
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest);
        String::from_utf8_lossy(&rest).into_owned()
    });
    server.end();
    assert!(reader.join().unwrap().contains("the server is ending"));
}

#[test]
fn a_model_that_changes_is_swapped_and_one_that_breaks_stays() {
    let folder = tempfile::tempdir().unwrap();
    let model = folder.path().join("model");
    let copy = |from: &str| {
        let _ = fs::remove_dir_all(&model);
        fs::create_dir(&model).unwrap();
        for file in fs::read_dir(path(from)).unwrap().map(Result::unwrap) {
            fs::copy(file.path(), model.join(file.file_name())).unwrap();
        }
    };
    copy("bert-masked-lm");
    let keys = folder.path().join("keys");
    fs::write(&keys, "a-key-of-24-characters-01\n").unwrap();
    let server = with(&[], |config| {
        config.models = vec![ModelSource::new(&model)];
        config.keys = Some(keys);
    });
    let key = ("authorization", "Bearer a-key-of-24-characters-01");
    let reload = || server.send("POST", "/admin/reload", &[key], b"").ok();
    let kind = || server.send("GET", "/api/models", &[key], b"").ok()["models"][0]["kind"].clone();
    assert_eq!((reload()["unchanged"].clone(), kind()), (json!(["model"]), json!("masked-lm")));
    copy("bert-classification");
    assert_eq!((reload()["loaded"].clone(), kind()), (json!(["model"]), json!("classification")));
    fs::write(model.join("config.toml"), "nonsense").unwrap();
    assert_eq!((reload()["failed"].clone(), kind()), (json!(["model"]), json!("classification")));
    fs::remove_dir_all(&model).unwrap();
    let gone = reload();
    assert_eq!(gone["failed"], json!(["model"]));
    assert!(!gone.to_string().contains(folder.path().to_str().unwrap()), "no path in an answer");
    server.send("POST", "/predict", &[key], b"{\"inputs\": \"a\"}").ok();
}

/// The folder of an adapter of PEFT.
fn peft(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../interchange/tests/golden").join(name)
}

#[test]
fn adapters_over_one_folder_answer_as_merged_models_and_are_swapped() {
    let folder = tempfile::tempdir().unwrap();
    let changing = folder.path().join("adapter");
    let copy = |from: &str| {
        let _ = fs::remove_dir_all(&changing);
        fs::create_dir(&changing).unwrap();
        for file in ["adapter_config.json", "adapter_model.safetensors"] {
            fs::copy(peft(from).join(file), changing.join(file)).unwrap();
        }
    };
    copy("peft-gpt2");
    let merged = |name: &str| {
        let mut bundle = Bundle::read(path("gpt2")).unwrap();
        let adapter = attentive_interchange::read_adapter(&peft(name), &bundle).unwrap();
        adapter.merge(&mut bundle.params).unwrap();
        bundle.save(folder.path().join(name)).unwrap();
        ModelSource::new(folder.path().join(name))
    };
    let over = |name: &str, adapter: PathBuf| ModelSource {
        name: name.to_owned(),
        adapter: Some(adapter),
        ..ModelSource::new(path("gpt2"))
    };
    let keys = folder.path().join("keys");
    fs::write(&keys, "a-key-of-24-characters-01\n").unwrap();
    let server = with(&["gpt2"], |config| {
        config.models.extend([over("first", changing.clone()), over("second", peft("peft-gpt2-dora"))]);
        config.models.extend(["peft-gpt2", "peft-gpt2-dora"].map(merged));
        config.keys = Some(keys);
    });
    let key = ("authorization", "Bearer a-key-of-24-characters-01");
    let models = server.send("GET", "/v1/models", &[key], b"").ok();
    let names: Vec<&Value> = models["data"].as_array().unwrap().iter().map(|model| &model["id"]).collect();
    assert_eq!(names, ["gpt2", "first", "second", "peft-gpt2", "peft-gpt2-dora"]);
    let write = |model: &str| {
        let body = json!({ "model": model, "prompt": "the animal", "max_tokens": 6, "temperature": 0, "logprobs": 1 });
        let answer = server.send("POST", "/v1/completions", &[key], body.to_string().as_bytes()).ok();
        let choice = &answer["choices"][0];
        let log_probs = choice["logprobs"]["token_logprobs"].as_array().unwrap().iter();
        (choice["text"].clone(), log_probs.map(|log_prob| log_prob.as_f64().unwrap()).collect::<Vec<f64>>())
    };
    let apart = |a: &str, b: &str| {
        let ((_, a), (_, b)) = (write(a), write(b));
        a.iter().zip(&b).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
    };
    for (with_adapter, merged) in [("first", "peft-gpt2"), ("second", "peft-gpt2-dora")] {
        assert_eq!(write(with_adapter).0, write(merged).0);
        assert!(apart(with_adapter, merged) < 1e-4, "{with_adapter}: {}", apart(with_adapter, merged));
        assert!(apart("gpt2", with_adapter) > 1e-3, "{with_adapter}: {}", apart("gpt2", with_adapter));
    }
    let before = write("gpt2");
    copy("peft-gpt2-dora");
    let reloaded = server.send("POST", "/admin/reload", &[key], b"").ok();
    assert_eq!(reloaded["loaded"], json!(["first"]));
    assert_eq!((write("first"), write("gpt2")), (write("second"), before));
}

#[test]
fn an_adapter_of_another_model_is_refused_at_start() {
    let mut config = config(&["gpt2"]);
    config.models[0].adapter = Some(peft("peft-llama"));
    let error = Server::new(config, |_| ()).unwrap_err().to_string();
    assert!(error.contains("peft-llama") && error.contains("model.layers.0.mlp"), "{error}");
}

#[test]
fn runs_are_shown_while_they_go_on() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("copy-1");
    fs::create_dir(&run).unwrap();
    fs::write(run.join("config.toml"), "task = \"translation\"\n[training]\nsteps = 20\n").unwrap();
    let line = |step: u64| format!("{{\"event\":\"step\",\"step\":{step},\"nll_nats\":2.5,\"lr\":0.1}}\n");
    fs::write(run.join("metrics.jsonl"), line(1) + &line(2) + "{\"event\":\"st").unwrap();
    fs::write(run.join("lock"), "1").unwrap();
    let server = with(&["gpt2"], |config| config.runs = Some(folder.path().to_owned()));
    let runs = server.get("/api/runs").ok();
    let found = &runs["runs"][0];
    assert_eq!((&found["name"], &found["step"], &found["max_steps"]), (&json!("copy-1"), &json!(2), &json!(20)));
    assert_eq!((&found["state"], &found["task"]), (&json!("stopped"), &json!("translation")));
    let lock = fs::File::open(run.join("lock")).unwrap();
    lock.lock().unwrap();
    assert_eq!(server.get("/api/runs").ok()["runs"][0]["state"], "running");
    drop(lock);
    let curves = server.get("/api/runs/copy-1/curves").ok();
    let loss = curves["series"].as_array().unwrap().iter().find(|series| series["name"] == "training loss").unwrap();
    assert_eq!((&loss["unit"], &loss["points"][1]), (&json!("nats per target"), &json!([2.0, 2.5])));
    for name in ["nothing", "..", "..%2F..", "%2Fetc"] {
        assert_eq!(server.get(&format!("/api/runs/{name}/curves")).status, 404, "{name}");
    }
}

#[test]
fn a_slow_or_broken_client_harms_nobody() {
    let server = Running::of(&["gpt2"]);
    let _silent = TcpStream::connect(server.address).unwrap();
    let mut half = TcpStream::connect(server.address).unwrap();
    half.write_all(b"POST /api/complete HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{").unwrap();
    let body = json!({ "prompt": "the", "max_tokens": 40 }).to_string();
    let _unread = server.begin("POST", "/api/complete", &[], body.as_bytes());
    let mut wrong = TcpStream::connect(server.address).unwrap();
    wrong.write_all(b"\x16\x03\x01 nonsense\r\n\r\n").unwrap();
    server.post("/v1/completions", &json!({ "model": "gpt2", "prompt": "a" })).ok();
    assert_eq!(server.get("/health/ready").status, 200);
}
