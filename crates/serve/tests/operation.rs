//! What the server says of itself: its description, its health, its page.

use attentive_serve::ServeConfig;
use serde_json::json;

use crate::{
    interfaces::is_refused,
    support::{self, Running},
};

const SENTENCE: &str = "the animal was tired";

#[test]
fn what_is_described_is_there() {
    let keys = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(keys.path(), "a-key-of-24-characters-01\n").unwrap();
    let server = Running::new(ServeConfig { keys: Some(keys.path().to_owned()), ..support::config(&["marian"]) });
    let described = server.get("/openapi.json").ok();
    for (path, operations) in described["paths"].as_object().unwrap() {
        let path = path.replace("{name}", "marian");
        for (method, operation) in operations.as_object().unwrap() {
            let header = ("content-type", "application/json");
            let key = ("authorization", "Bearer a-key-of-24-characters-01");
            let answer = server.send(&method.to_uppercase(), &path, &[header, key], b"{}");
            assert!(answer.status != 405 && !answer.text().contains("there is nothing here"), "{method} {path}");
            if answer.status == 200 && method == "get" {
                let kind = answer.header("content-type").unwrap().split(';').next().unwrap();
                assert!(operation["responses"]["200"]["content"].get(kind).is_some(), "{path}: {kind}");
            }
            // Where a key is never asked for, and where it always is.
            let without = server.send(&method.to_uppercase(), &path, &[header], b"{}");
            let asks = [401, 403].contains(&without.status);
            match operation["security"].as_array().unwrap().len() {
                0 => assert!(!asks, "{path}"),
                1 => assert!(asks, "{path}"),
                _ => {}
            }
        }
    }
}

#[test]
fn operation() {
    let server = Running::of(&["marian"]);
    assert_eq!(server.get("/health/live").status, 200);
    assert_eq!(server.get("/health/ready").status, 200);
    server.post("/translate", &json!({ "q": SENTENCE, "source": "en", "target": "de" })).ok();
    assert_eq!(server.metric("attentive_requests_total{method=\"POST\",path=\"/translate\",status=\"200\"}"), 1.0);
    assert!(server.metric("attentive_tokens_total{model=\"marian\",side=\"written\"}") > 0.0);
    assert!(server.metric("attentive_step_tokens_count{model=\"marian\"}") > 0.0);
    assert_eq!(server.metric("attentive_queue_length{model=\"marian\"}"), 0.0);
    let page = server.get("/");
    assert!(page.text().starts_with("<!doctype html>"));
    assert!(page.header("content-security-policy").unwrap().starts_with("default-src 'self'"));
    let tag = page.header("etag").unwrap();
    assert_eq!(server.send("GET", "/", &[("if-none-match", tag)], b"").status, 304);
    assert_eq!(server.get("/openapi.json").ok()["openapi"], "3.1.0");
    assert!(server.get("/docs").text().contains("/api/translate"));
    is_refused(&server.get("/nothing"), 404, "/docs");
    // An error is worded by the interface whose place it is.
    let error = |method: &str, path: &str| is_refused(&server.send(method, path, &[], b""), 405, "method");
    assert!(error("GET", "/translate")["error"].is_string());
    assert_eq!(error("GET", "/v1/completions")["error"]["type"], "invalid_request_error");
    assert_eq!(error("GET", "/embed")["error_type"], "Validation");
    assert_eq!(error("PUT", "/").get("error_type"), Some(&json!("Validation")), "a place of two interfaces");
    for (method, path) in [("GET", "/api/translate"), ("POST", "/metrics")] {
        assert_eq!(error(method, path)["error"]["type"], "wrong-method");
    }
    is_refused(&server.get("/v1/nothing"), 404, "invalid_request_error");
    is_refused(&server.get("/api/runs"), 404, "--runs");
    for place in ["/v1/models/%ff", "/api/runs/%ff/curves"] {
        is_refused(&server.get(place), 400, "not UTF-8");
    }
    is_refused(&server.post("/translate", &json!([SENTENCE, "en", "de"])), 400, "not an object");
    assert!(server.get("/metrics").text().contains("attentive_panics_total{model=\"marian\"} 0"));
    assert_eq!(page.header("access-control-allow-origin"), None);
}
