//! The shapes of answers and errors, of every interface.

use serde_json::{Value, json};

use crate::support::{self, Running};

const SENTENCE: &str = "the animal was tired";

#[track_caller]
pub(super) fn is_refused(answer: &support::Answer, status: u16, what: &str) -> Value {
    let body = answer.json();
    assert_eq!(answer.status, status, "{body}");
    assert!(body.to_string().contains(what), "{body}");
    body
}

#[test]
fn libretranslate() {
    let server = Running::of(&["marian", "m2m100"]);
    let one = server.post("/translate", &json!({ "q": SENTENCE, "source": "en", "target": "de" })).ok();
    assert!(one["translatedText"].is_string() && one.get("alternatives").is_none());
    let form = server.send(
        "POST",
        "/translate",
        &[("content-type", "application/x-www-form-urlencoded")],
        b"q=the+animal+was+tired&source=en&target=de",
    );
    assert_eq!(form.ok(), one, "a form as JSON");
    // Types of media have no case; curl calls every body a form.
    let of_type = |header: (&str, &str), body: &str| server.send("POST", "/translate", &[header], body.as_bytes());
    let (form, body) =
        ("q=the+animal+was+tired&source=en&target=de", json!({ "q": SENTENCE, "source": "en", "target": "de" }));
    let kind = ("content-type", "Application/X-WWW-Form-urlencoded ; charset=utf-8");
    assert_eq!([of_type(kind, form).ok(), of_type(kind, &body.to_string()).ok()], [one.clone(), one.clone()]);
    let parts = ("content-type", "multipart/form-data; boundary=x");
    is_refused(&of_type(parts, "--x--"), 400, "multipart/form-data is not read here");
    is_refused(&of_type(("content-encoding", "gzip"), &body.to_string()), 400, "compressed (gzip)");
    assert_eq!(of_type(("content-encoding", "identity"), &body.to_string()).ok(), one);
    let many = json!({ "q": [SENTENCE, ""], "source": "auto", "target": "de", "alternatives": 2 });
    let many = server.post("/translate", &many).ok();
    assert_eq!(many["translatedText"][0], one["translatedText"]);
    assert_eq!(many["translatedText"][1], "");
    assert_eq!(many["alternatives"][0].as_array().unwrap().len(), 2);

    let languages = server.get("/languages").ok();
    let english = languages.as_array().unwrap().iter().find(|language| language["code"] == "en").unwrap();
    assert_eq!(english["name"], "English");
    assert!(english["targets"].as_array().unwrap().contains(&json!("de")));
    let settings = server.get("/frontend/settings").ok();
    assert_eq!((&settings["keyRequired"], &settings["charLimit"]), (&json!(false), &json!(100_000)));

    let wrong = |body: Value| server.post("/translate", &body);
    let error = is_refused(&wrong(json!({ "q": "a", "source": "en", "target": "tlh" })), 400, "tlh");
    assert!(error["error"].is_string(), "{error}");
    is_refused(&wrong(json!({ "q": 1, "source": "en", "target": "de" })), 400, "q: expected a text");
    is_refused(&wrong(json!({ "q": "a", "source": "en", "target": "de", "format": "pdf" })), 400, "pdf");
    is_refused(&wrong(json!({ "q": "a", "source": "en", "target": "de", "alternatives": 99 })), 400, "alternatives");
}

#[test]
fn a_model_that_is_told_the_target_alone_takes_any_source() {
    let server = Running::of(&["told"]);
    let languages = server.get("/languages").ok();
    let targets = |code: &str| {
        let found = languages.as_array().unwrap().iter().find(|language| language["code"] == code);
        found.map(|language| language["targets"].clone()).unwrap_or_default()
    };
    assert_eq!([targets("en"), targets("de"), targets("fr")], [json!(["de"]), json!(["en"]), json!(["de", "en"])]);
    let translate = |source: &str, target: &str| {
        server.post("/translate", &json!({ "q": SENTENCE, "source": source, "target": target }))
    };
    let [german, english] = ["de", "en"].map(|target| translate("auto", target).ok()["translatedText"].clone());
    assert!(german.is_string() && english.is_string());
    assert_eq!(translate("fr", "de").ok()["translatedText"], german);
    is_refused(&translate("en", "fr"), 400, "fr");
    is_refused(&translate("it", "en"), 400, "it");
}

#[test]
fn a_language_that_is_not_said_is_asked_for_as_a_client_can_say_it() {
    let server = Running::of(&["m2m100"]);
    for (path, body) in [
        ("/api/translate", json!({ "text": SENTENCE })),
        ("/api/translate", json!({ "text": SENTENCE, "source": "en" })),
        ("/v1/chat/completions", json!({ "model": "m2m100", "messages": [{ "role": "user", "content": SENTENCE }] })),
    ] {
        let error = is_refused(&server.post(path, &body), 400, "say the target language, or start the server with");
        let field = if path.starts_with("/v1") { "param" } else { "field" };
        assert_eq!(error["error"][field], "target");
    }
}

#[test]
fn the_languages_of_a_vocabulary_are_targets_as_if_the_text_said_them() {
    let server = Running::of(&["opus"]);
    let languages = json!([{ "code": "und", "name": "und", "targets": ["de", "fra"] }]);
    assert_eq!(server.get("/languages").ok(), languages);
    let best = |body: Value| server.post("/api/translate", &body).ok()["translations"][0].clone();
    let said = |target: &str| best(json!({ "text": format!(">>{target}<< {SENTENCE}") }));
    let told = |target: &str| best(json!({ "text": SENTENCE, "target": target }));
    for (target, code) in [("de", "de"), ("fra", "fra"), ("fr", "fra")] {
        assert_eq!((&told(target)["text"], &told(target)["log_prob"]), (&said(code)["text"], &said(code)["log_prob"]));
    }
    assert_ne!(said("de")["log_prob"], said("fra")["log_prob"]);
    // What the text says counts.
    let both = best(json!({ "text": format!(">>de<< {SENTENCE}"), "source": "tlh", "target": "fra" }));
    assert_eq!(both["log_prob"], said("de")["log_prob"]);
    let body = |target: &str| json!({ "q": SENTENCE, "source": "en", "target": target });
    let french = server.post("/translate", &body("fr")).ok();
    assert_eq!(french["translatedText"], said("fra")["text"]);
    is_refused(&server.post("/translate", &body("it")), 400, "it");

    // Interfaces without a target translate into the one that the server was given, by any name that a client may use.
    for target in ["fra", "fr"] {
        let mut config = support::config(&["opus"]);
        config.models[0].languages = Some(("en".to_owned(), target.to_owned()));
        let server = Running::new(config);
        let languages = json!([{ "code": "en", "name": "English", "targets": ["fra"] }]);
        assert_eq!(server.get("/languages").ok(), languages);
        let told = json!({ "source": ["en"], "target": ["fra"], "told": true });
        assert_eq!(server.get("/api/models").ok()["models"][0]["languages"], told);
        let chat = json!({ "model": "opus", "messages": [{ "role": "user", "content": SENTENCE }] });
        let answer = server.post("/v1/chat/completions", &chat).ok();
        assert_eq!(answer["choices"][0]["message"]["content"], french["translatedText"]);
    }
}

#[test]
fn a_language_that_a_text_says_is_that_of_all_its_sentences() {
    const TEXT: &str = "the animal was tired.  the dog slept.\nthe cat";
    // Scores, as the texts of a random model may be alike.
    let scores = |server: &Running, prompt: &str| {
        let body = json!({ "model": "opus", "prompt": prompt, "logprobs": 1 });
        server.post("/v1/completions", &body).ok()["choices"][0]["logprobs"].clone()
    };
    let server = Running::of(&["opus"]);
    let said = |target: &str| scores(&server, &format!(">>{target}<< {TEXT}"));
    let mut config = support::config(&["opus"]);
    config.models[0].languages = Some(("en".to_owned(), "fra".to_owned()));
    let french = Running::new(config);
    assert_eq!(said("fra"), scores(&french, TEXT));
    assert_eq!(said("de"), scores(&french, &format!(">>de<< {TEXT}")));
    assert_ne!(said("de"), said("fra"));

    // Each text of a request, and each page, says its own.
    for (format, signs) in [("text", [">>", "<<"]), ("html", ["&gt;&gt;", "&lt;&lt;"])] {
        let translate = |q: Value, target: &str| {
            let body = json!({ "q": q, "source": "en", "target": target, "format": format });
            server.post("/translate", &body).ok()["translatedText"].clone()
        };
        let said = |target: &str| signs.join(target) + " " + TEXT;
        let told = ["fra", "de", "fra", "de"].map(|target| translate(json!(TEXT), target));
        assert_eq!(translate(json!([said("fra"), said("de"), said("fra"), TEXT]), "de"), json!(told));
    }
    // Those of one language take their steps together, wherever they are among the others.
    let n_steps = |targets: [&str; 4]| {
        let count = || server.metric("attentive_step_tokens_count{model=\"opus\"}");
        let (before, q) = (count(), targets.map(|target| format!(">>{target}<< {TEXT}")));
        server.post("/translate", &json!({ "q": q, "source": "en", "target": "de" })).ok();
        count() - before
    };
    assert_eq!(n_steps(["fra", "de", "fra", "de"]), n_steps(["fra", "fra", "de", "de"]));
}

#[test]
fn languages_are_detected_among_those_of_the_models() {
    let [english, german] = [
        "Two young people are talking to each other in front of the house.",
        "Zwei junge Leute unterhalten sich vor dem Haus miteinander.",
    ];
    let server = Running::of(&["marian", "m2m100"]);
    let detected = server.post("/detect", &json!({ "q": german })).ok();
    assert_eq!((detected[0]["language"].as_str(), detected.as_array().unwrap().len()), (Some("de"), 1));
    assert!(detected[0]["confidence"].as_f64().is_some_and(|percent| percent > 50.0 && percent <= 100.0));
    let form = [("content-type", "application/x-www-form-urlencoded")];
    let body = format!("q={}", german.replace(' ', "+"));
    assert_eq!(server.send("POST", "/detect", &form, body.as_bytes()).ok(), detected, "a form as JSON");
    assert_eq!(server.post("/detect", &json!({ "q": [english, english] })).ok()[0]["language"], "en");
    is_refused(&server.post("/detect", &json!({ "q": " " })), 400, "blank");
    is_refused(&server.post("/detect", &json!({ "q": "a", "x": 1 })), 400, "unknown field");
    assert_eq!(server.get("/frontend/settings").ok()["language"]["source"]["code"], "auto");

    // What is detected is translated as if it had been said.
    let translate = |q: Value, source: &str, format: &str| {
        server.post("/translate", &json!({ "q": q, "source": source, "target": "fr", "format": format })).ok()
    };
    for (text, language) in [(english, "en"), (german, "de")] {
        for format in ["text", "html"] {
            let text = if format == "html" {
                format!("<b title=\"Добрый день\">{text}</b>")
            } else {
                text.to_owned()
            };
            let answer = translate(json!(text), "auto", format);
            assert_eq!(answer["detectedLanguage"]["language"], language);
            assert_eq!(answer["translatedText"], translate(json!(text), language, format)["translatedText"]);
        }
    }
    let several = translate(json!([german, "a"]), "auto", "text");
    assert_eq!(several["detectedLanguage"].as_array().unwrap().len(), 2, "one for each text");
    assert!(translate(json!(english), "en", "text").get("detectedLanguage").is_none());

    // A model of one language reads it, whatever the text seems to be; how sure that is is told.
    let one = Running::of(&["marian"]);
    let answer = one.post("/translate", &json!({ "q": "12 34", "source": "auto", "target": "de" })).ok();
    assert_eq!(answer["detectedLanguage"], json!({ "language": "en", "confidence": 0.0 }));
    is_refused(&one.post("/translate", &json!({ "q": english, "source": "auto", "target": "tlh" })), 400, "tlh");
    is_refused(&Running::of(&["gpt2"]).post("/detect", &json!({ "q": english })), 404, "nothing says");
}

#[test]
fn html_keeps_its_tags_and_texts_their_white_space() {
    let server = Running::of(&["marian"]);
    let html = "<p class=\"x\">the <b>animal</b> was tired. <i>the dog</i> slept</p><!-- c -->\n<script>1 < 2</script>";
    let body = json!({ "q": html, "source": "en", "target": "de", "format": "html" });
    let answer = server.post("/translate", &body).ok();
    let text = answer["translatedText"].as_str().unwrap();
    for kept in ["<p class=\"x\">", "<b>", "</b>", "<i>", "</i>", "</p><!-- c -->\n<script>1 < 2</script>"] {
        assert!(text.contains(kept), "{kept} in {text}");
    }
    let text = "the animal was tired.\n\n\tthe dog slept.  the cat";
    let translated = |text: &str| {
        let answer = server.post("/translate", &json!({ "q": text, "source": "en", "target": "de" })).ok();
        answer["translatedText"].as_str().unwrap().to_owned()
    };
    let parts = ["the animal was tired.", "the dog slept.", "the cat"].map(translated);
    assert_eq!(translated(text), format!("{}\n\n\t{}  {}", parts[0], parts[1], parts[2]));
}

#[test]
fn openai_texts() {
    let server = Running::of(&["gpt2", "llama", "marian"]);
    let models = server.get("/v1/models").ok();
    let names: Vec<&str> =
        models["data"].as_array().unwrap().iter().map(|model| model["id"].as_str().unwrap()).collect();
    assert_eq!(names, ["gpt2", "llama", "marian"]);
    assert_eq!(server.get("/v1/models/llama").ok()["object"], "model");

    let body = json!({ "model": "gpt2", "prompt": "the animal", "max_tokens": 6, "seed": 7, "n": 2, "logprobs": 3 });
    let answer = server.post("/v1/completions", &body).ok();
    assert_eq!(answer["object"], "text_completion");
    let choice = &answer["choices"][1];
    assert_eq!(choice["index"], 1);
    let logprobs = &choice["logprobs"];
    let n = logprobs["tokens"].as_array().unwrap().len();
    assert_eq!((n <= 6, logprobs["token_logprobs"].as_array().unwrap().len()), (true, n));
    for (at, top) in logprobs["top_logprobs"].as_array().unwrap().iter().enumerate() {
        let own = &top[logprobs["tokens"][at].as_str().unwrap()];
        assert!(top.as_object().unwrap().len() <= 4 && *own == logprobs["token_logprobs"][at], "{top}");
    }
    let usage = &answer["usage"];
    let sum = usage["prompt_tokens"].as_u64().unwrap() + usage["completion_tokens"].as_u64().unwrap();
    assert_eq!(usage["total_tokens"], sum);
    assert_eq!(server.post("/v1/completions", &body).ok()["choices"], answer["choices"], "a seed names a text");
    let mut without = body.clone();
    without.as_object_mut().unwrap().remove("logprobs");
    let same = server.post("/v1/completions", &without).ok();
    assert_eq!(same["choices"][1]["text"], choice["text"], "together as one by one");

    let many = json!({ "model": "gpt2", "prompt": "a", "max_tokens": 2, "temperature": 0, "logprobs": 20 });
    let many = server.post("/v1/completions", &many).ok();
    let many = many["choices"][0]["logprobs"]["top_logprobs"].as_array().unwrap().clone();
    assert!(many.iter().all(|top| top.as_object().unwrap().len() == 20), "none is lost: {many:?}");

    let chat = json!({ "model": "marian", "messages": [{ "role": "system", "content": "x" }, { "role": "user", "content": [{ "type": "text", "text": SENTENCE }] }] });
    let translated = server.post("/v1/chat/completions", &chat).ok();
    let libre = server.post("/translate", &json!({ "q": SENTENCE, "source": "en", "target": "de" })).ok();
    assert_eq!(translated["choices"][0]["message"]["content"], libre["translatedText"], "a translator answers");
    assert_eq!(translated["choices"][0]["finish_reason"], "stop");
    let mut twice = chat;
    (twice["max_tokens"], twice["max_completion_tokens"]) = (json!(7), json!(8));
    is_refused(&server.post("/v1/chat/completions", &twice), 400, "max_completion_tokens");
    (twice["max_tokens"], twice["max_completion_tokens"]) = (json!(null), json!(0));
    is_refused(&server.post("/v1/chat/completions", &twice), 400, "max_completion_tokens is 0");

    for (field, value) in [
        ("presence_penalty", json!(0.5)),
        ("logit_bias", json!({ "1": 2 })),
        ("echo", json!(true)),
        ("best_of", json!(3)),
        ("n", json!(0)),
        ("max_tokens", json!(1_000_000)),
        ("temperature", json!(-1)),
        ("stop", json!(["a", ""])),
        ("nonsense", json!(1)),
    ] {
        let mut body = json!({ "model": "gpt2", "prompt": "a" });
        body[field] = value;
        let error = is_refused(&server.post("/v1/completions", &body), 400, field);
        assert_eq!(error["error"]["type"], "invalid_request_error");
    }
    let error = is_refused(&server.post("/v1/completions", &json!({ "model": "x", "prompt": "a" })), 404, "gpt2");
    assert_eq!(error["error"]["code"], "model_not_found");
    // A translator draws nothing without a temperature, but takes nothing that is wrong.
    for (field, value) in
        [("max_tokens", json!(0)), ("max_tokens", json!(1_000_000)), ("temperature", json!(-1)), ("top_p", json!(2))]
    {
        let mut body = json!({ "model": "marian", "prompt": SENTENCE });
        body[field] = value;
        is_refused(&server.post("/v1/completions", &body), 400, field);
    }
    // Nor does GPT-2's folder, whose temperature is 0.
    for (field, model) in [("top_p", "marian"), ("min_p", "marian"), ("top_p", "gpt2")] {
        let mut body = json!({ "model": model, "prompt": "a" });
        body[field] = json!(0.5);
        is_refused(&server.post("/v1/completions", &body), 400, field);
        body["temperature"] = json!(0);
        server.post("/v1/completions", &body).ok();
    }
    // Of several sentences, tokens are told of each, and the most tokens are those of all.
    let text = format!("{SENTENCE}\n{SENTENCE} \n\n{SENTENCE}");
    let translated = |max_tokens: Option<usize>, logprobs: Option<usize>| {
        let body = json!({ "model": "marian", "prompt": text, "max_tokens": max_tokens, "logprobs": logprobs });
        server.post("/v1/completions", &body).ok()
    };
    let (whole, told) = (translated(None, None), translated(None, Some(1)));
    assert_eq!(told["choices"][0]["text"], whole["choices"][0]["text"]);
    assert_eq!(told["usage"], whole["usage"]);
    let libre = server.post("/translate", &json!({ "q": text, "source": "en", "target": "de" })).ok();
    assert_eq!(whole["choices"][0]["text"], libre["translatedText"]);
    for logprobs in [None, Some(0)] {
        let cut = translated(Some(7), logprobs);
        assert_eq!(cut["choices"][0]["finish_reason"], "length");
        assert!(cut["usage"]["completion_tokens"].as_u64().unwrap() <= 9, "7, and ends of sentences: {cut}");
    }
    let several = json!({ "model": "gpt2", "prompt": ["the animal", "a"], "n": 2, "max_tokens": 2 });
    let several = server.post("/v1/completions", &several).ok();
    let indices: Vec<&Value> = several["choices"].as_array().unwrap().iter().map(|choice| &choice["index"]).collect();
    assert_eq!(indices, [0, 1, 2, 3], "of each prompt in turn");
    let no_template = json!({ "model": "gpt2", "messages": [{ "role": "user", "content": "a" }] });
    is_refused(&server.post("/v1/chat/completions", &no_template), 400, "template");
}

#[test]
fn a_list_of_nothing_is_refused() {
    let server = Running::of(&["gpt2", "llama", "bert-masked-lm"]);
    for (path, model, field) in [
        ("/v1/completions", "gpt2", "prompt"),
        ("/v1/chat/completions", "llama", "messages"),
        ("/v1/embeddings", "bert-masked-lm", "input"),
    ] {
        let mut body = json!({ "model": model });
        body[field] = json!([]);
        let error = is_refused(&server.post(path, &body), 400, field);
        assert_eq!(
            (&error["error"]["type"], &error["error"]["param"]),
            (&json!("invalid_request_error"), &json!(field))
        );
    }
}

#[test]
fn tokens_of_all_ranks_of_a_translation_are_scored_at_once() {
    let server = Running::of(&["marian"]);
    let n_steps = || server.metric("attentive_step_tokens_count{model=\"marian\"}");
    let translated = |logprobs: Option<usize>| {
        let before = n_steps();
        let body = json!({ "model": "marian", "prompt": SENTENCE, "n": 4, "logprobs": logprobs });
        (server.post("/v1/completions", &body).ok(), n_steps() - before)
    };
    let ((plain, n_plain), (told, n_told)) = (translated(None), translated(Some(0)));
    let body = json!({ "text": SENTENCE, "n_best": 4 });
    let own = server.post("/api/translate", &body).ok();
    let mut longest = 0;
    for rank in 0..4 {
        let (choice, own) = (&told["choices"][rank], &own["translations"][rank]);
        assert_eq!((&choice["text"], &choice["text"]), (&plain["choices"][rank]["text"], &own["text"]));
        let log_probs = choice["logprobs"]["token_logprobs"].as_array().unwrap();
        let end = usize::from(own["finished"] == true);
        assert_eq!(log_probs.len() + end, own["tokens"].as_array().unwrap().len());
        let of_own = own["tokens"].as_array().unwrap().iter().map(|token| &token["log_prob"]);
        assert!(log_probs.iter().zip(of_own).all(|(told, own)| told == own), "{choice} {own}");
        longest = longest.max(log_probs.len());
    }
    assert!(n_told <= n_plain + longest as f64 + 1.0, "{n_told} steps with scores, and {n_plain} without");
}

#[test]
fn openai_streams() {
    let server = Running::of(&["gpt2", "llama", "marian"]);
    let mut body = json!({ "model": "gpt2", "prompt": "the animal", "max_tokens": 8, "seed": 3 });
    let whole = server.post("/v1/completions", &body).ok();
    body["stream"] = json!(true);
    body["stream_options"] = json!({ "include_usage": true });
    let answer = server.post("/v1/completions", &body);
    assert_eq!(answer.header("content-type"), Some("text/event-stream"));
    let events = answer.events();
    assert_eq!(events.last().unwrap(), "[DONE]");
    let parts: Vec<Value> =
        events[..events.len() - 1].iter().map(|event| serde_json::from_str(event).unwrap()).collect();
    let text: String = parts.iter().filter_map(|part| part["choices"][0]["text"].as_str()).collect();
    assert_eq!(text, whole["choices"][0]["text"].as_str().unwrap());
    let end = &parts[parts.len() - 2]["choices"][0]["finish_reason"];
    assert_eq!(*end, whole["choices"][0]["finish_reason"]);
    assert_eq!(parts.last().unwrap()["usage"], whole["usage"]);
    let before = &parts[..parts.len() - 1];
    assert!(before.iter().all(|part| part.get("usage") == Some(&Value::Null)), "{before:?}");

    for model in ["llama", "marian"] {
        let mut body = json!({
            "model": model, "seed": 1, "max_tokens": 8, "logprobs": true, "top_logprobs": 2,
            "messages": [{ "role": "user", "content": SENTENCE }],
        });
        let whole = server.post("/v1/chat/completions", &body).ok();
        body["stream"] = json!(true);
        let events = server.post("/v1/chat/completions", &body).events();
        let parts: Vec<Value> =
            events[..events.len() - 1].iter().map(|event| serde_json::from_str(event).unwrap()).collect();
        assert_eq!(parts[0]["choices"][0]["delta"]["role"], "assistant");
        let text: String = parts.iter().filter_map(|part| part["choices"][0]["delta"]["content"].as_str()).collect();
        let whole = &whole["choices"][0];
        assert_eq!(text, whole["message"]["content"].as_str().unwrap(), "{model}");
        let tokens: Vec<&Value> =
            parts.iter().filter_map(|part| part["choices"][0]["logprobs"]["content"].as_array()).flatten().collect();
        let of_whole: Vec<&Value> = whole["logprobs"]["content"].as_array().unwrap().iter().collect();
        assert_eq!(tokens, of_whole, "{model}");
        assert!(of_whole.iter().all(|token| token["top_logprobs"].as_array().unwrap().len() == 2));
    }
    let nothing = json!({ "model": "marian", "stream": true, "messages": [{ "role": "user", "content": "" }] });
    let events = server.post("/v1/chat/completions", &nothing).events();
    let part = |n: usize| serde_json::from_str::<Value>(&events[n]).unwrap()["choices"][0].clone();
    assert_eq!((&part(0)["delta"]["role"], &part(1)["finish_reason"]), (&json!("assistant"), &json!("stop")));
    body["stream_options"] = json!({ "include_usage": null });
    let without = server.post("/v1/completions", &body).events();
    assert_eq!(without.len(), parts.len(), "null is what is not set");
    assert!(!without.concat().contains("usage"), "{without:?}");
    let long = json!({ "model": "gpt2", "prompt": SENTENCE.repeat(2) });
    is_refused(&server.post("/v1/completions", &long), 400, "the model has positions for 16: shorten it");
    // What fails at once has a status of its own.
    let wrong = json!({ "model": "gpt2", "prompt": "a", "stream": true, "max_tokens": 0 });
    is_refused(&server.post("/v1/completions", &wrong), 400, "max_tokens");
}

#[test]
fn texts_are_held_to_a_form() {
    let server = Running::of(&["gpt2", "llama", "marian"]);
    let schema = r#"{"type": "object", "properties": {"b": {"enum": ["x", "y"]}, "a": {"type": "integer", "maximum": 9,
        "minimum": 0}}, "required": ["b", "a"], "additionalProperties": false}"#;
    let schema: Value = serde_json::from_str(schema).unwrap();
    let format = json!({ "type": "json_schema", "json_schema": { "name": "pair", "strict": true, "schema": schema } });
    let mut chat = json!({
        "model": "llama", "seed": 1, "n": 2, "max_tokens": 40, "response_format": format,
        "messages": [{ "role": "user", "content": SENTENCE }],
    });
    // The vocabulary of this model has letters alone: nothing that it could write is JSON.
    is_refused(&server.post("/v1/chat/completions", &chat), 400, "the vocabulary lacks what it asks for");
    let body =
        json!({ "model": "gpt2", "prompt": "a", "max_tokens": 40, "response_format": { "type": "json_object" } });
    let choice = server.post("/v1/completions", &body).ok()["choices"][0].clone();
    let object = serde_json::from_str::<Value>(choice["text"].as_str().unwrap());
    assert!(choice["finish_reason"] == "length" || object.is_ok_and(|object| object.is_object()), "{choice}");
    for (format, what) in [
        (json!({ "type": "json_schema", "json_schema": { "schema": { "not": {} } } }), "#/not: the keyword not"),
        (json!({ "type": "json_schema", "json_schema": {} }), "schema"),
        (json!({ "type": "regex" }), "regex"),
        // As other servers have it, and a field that is not one.
        (json!({ "type": "json_object", "schema": { "type": "object" } }), "unknown field `schema`"),
        (json!({ "type": "text", "json_schema": { "schema": true } }), "unknown field `json_schema`"),
    ] {
        chat["response_format"] = format;
        let error = is_refused(&server.post("/v1/chat/completions", &chat), 400, what);
        assert_eq!(error["error"]["type"], "invalid_request_error");
        assert!(error["error"]["param"].as_str().is_some_and(|field| field.starts_with("response_format")), "{error}");
    }
    let translated = json!({ "model": "marian", "prompt": SENTENCE, "response_format": { "type": "json_object" } });
    is_refused(&server.post("/v1/completions", &translated), 400, "response_format");
}

#[test]
fn strings_end_texts() {
    let server = Running::of(&["gpt2"]);
    let body = json!({ "model": "gpt2", "prompt": "the animal", "max_tokens": 12, "temperature": 0 });
    let text = server.post("/v1/completions", &body).ok()["choices"][0]["text"].as_str().unwrap().to_owned();
    let stop: String = text.chars().skip(2).take(2).collect();
    let mut stopped = body;
    stopped["stop"] = json!(stop);
    let answer = server.post("/v1/completions", &stopped).ok();
    let end = text.find(&stop).unwrap();
    assert_eq!(answer["choices"][0]["text"], text[..end], "up to {stop:?} in {text:?}");
    assert_eq!(answer["choices"][0]["finish_reason"], "stop");
}

#[test]
fn tokens_are_told_where_they_are_though_a_string_may_begin_there() {
    let server = Running::of(&["llama", "marian"]);
    for model in ["llama", "marian"] {
        let mut body =
            json!({ "model": model, "prompt": "the animal", "max_tokens": 12, "temperature": 0, "logprobs": 0 });
        let plain = server.post("/v1/completions", &body).ok()["choices"][0].clone();
        let begins: String = plain["text"].as_str().unwrap().chars().skip(2).take(2).collect();
        body["stop"] = json!(begins + "☃");
        assert_eq!(server.post("/v1/completions", &body).ok()["choices"][0], plain);
        body["stream"] = json!(true);
        let parts = server.post("/v1/completions", &body).events();
        let parts = parts.iter().filter_map(|part| serde_json::from_str::<Value>(part).ok());
        let offsets = parts
            .flat_map(|part| part["choices"][0]["logprobs"]["text_offset"].as_array().cloned().unwrap_or_default());
        assert_eq!(json!(offsets.collect::<Vec<Value>>()), plain["logprobs"]["text_offset"]);
    }
}

#[test]
fn vectors_and_classes() {
    let server = Running::of(&["bert-masked-lm", "bert-classification", "bert-rank"]);
    let vectors = server.post("/embed", &json!({ "inputs": [SENTENCE, "the dog"] })).ok();
    assert_eq!(server.metric("attentive_batch_texts_sum{model=\"bert-masked-lm\"}"), 2.0);
    let length: f64 = vectors[0].as_array().unwrap().iter().map(|x| x.as_f64().unwrap().powi(2)).sum();
    assert!((length - 1.0).abs() < 1e-5, "{length}");
    let body = json!({ "model": "bert-masked-lm", "input": [SENTENCE, "the dog"] });
    let floats = server.post("/v1/embeddings", &body).ok();
    assert_eq!(floats["data"][1]["object"], "embedding");
    let base64 = json!({ "model": "bert-masked-lm", "input": [SENTENCE, "the dog"], "encoding_format": "base64" });
    let base64 = server.post("/v1/embeddings", &base64).ok();
    let mut unset = body;
    unset["encoding_format"] = Value::Null;
    assert_eq!(server.post("/v1/embeddings", &unset).ok(), floats, "null is what is not set");
    let width = floats["data"][0]["embedding"].as_array().unwrap().len();
    assert_eq!(base64["data"][0]["embedding"].as_str().unwrap().len(), (4 * width).div_ceil(3) * 4);

    let classes = server.post("/predict", &json!({ "inputs": SENTENCE })).ok();
    let sum: f64 = classes.as_array().unwrap().iter().map(|class| class["score"].as_f64().unwrap()).sum();
    assert!((sum - 1.0).abs() < 1e-9);
    let several = server.post("/predict", &json!({ "inputs": [[SENTENCE], ["the dog"]] })).ok();
    assert_eq!(several[0], classes);
    let order = server
        .post("/rerank", &json!({ "query": "animal", "texts": ["a", "b", "c"], "return_text": true, "truncate": null }))
        .ok();
    let order = order.as_array().unwrap();
    assert!(order.windows(2).all(|two| two[0]["score"].as_f64() >= two[1]["score"].as_f64()));
    assert_eq!(order.len(), 3);

    // Raw scores are what the soft-max and the sigmoid are of.
    let scores = |list: &Value, key: &str| -> Vec<(String, f64)> {
        let score = |one: &Value| (one[key].to_string(), one["score"].as_f64().unwrap());
        list.as_array().unwrap().iter().map(score).collect()
    };
    let is_near = |found: &[(String, f64)], expected: &[(String, f64)]| {
        found.len() == expected.len() && found.iter().zip(expected).all(|(a, b)| a.0 == b.0 && (a.1 - b.1).abs() < 1e-6)
    };
    let raw = server.post("/predict", &json!({ "inputs": SENTENCE, "raw_scores": true })).ok();
    let raw = scores(&raw, "label");
    let sum: f64 = raw.iter().map(|(_, score)| score.exp()).sum();
    let softmax: Vec<_> = raw.into_iter().map(|(label, score)| (label, score.exp() / sum)).collect();
    assert!(is_near(&softmax, &scores(&classes, "label")), "{softmax:?} {classes}");
    let pairs = |raw: bool| {
        let body = json!({ "query": "animal", "texts": ["street", "the animal", "tired"], "raw_scores": raw });
        scores(&server.post("/rerank", &body).ok(), "index")
    };
    let raw = pairs(true);
    assert!(!is_near(&raw, &pairs(false)));
    let sigmoid: Vec<_> = raw.into_iter().map(|(index, score)| (index, 1.0 / (1.0 + (-score).exp()))).collect();
    assert!(is_near(&sigmoid, &pairs(false)), "{sigmoid:?}");
}

#[test]
fn pairs_have_the_scores_of_sentence_transformers() {
    let golden = concat!(env!("CARGO_MANIFEST_DIR"), "/../interchange/tests/golden/bert-rank/outputs.json");
    let golden: Value = serde_json::from_slice(&std::fs::read(golden).unwrap()).unwrap();
    let case = &golden[0];
    let server = Running::of(&["bert-rank", "bert-classification"]);
    let predict = |model: &str, inputs: &Value, is_raw: bool| {
        server.post("/predict", &json!({ "model": model, "inputs": inputs, "raw_scores": is_raw }))
    };
    let all = predict("bert-rank", &case["pairs"], false).ok();
    let raw = predict("bert-rank", &case["pairs"], true).ok();
    let is_near = |found: &Value, expected: &Value| (found.as_f64().unwrap() - expected.as_f64().unwrap()).abs() < 1e-5;
    let n_pairs = case["pairs"].as_array().unwrap().len();
    assert_eq!((all.as_array().unwrap().len(), raw.as_array().unwrap().len()), (n_pairs, n_pairs));
    for at in 0..n_pairs {
        assert!(is_near(&all[at][0]["score"], &case["scores"][at]), "{}", all[at]);
        assert!(is_near(&raw[at][0]["score"], &case["logits"][at][0]), "{}", raw[at]);
    }
    // A pair by itself, and texts and pairs mixed.
    let pair = &case["pairs"][0];
    assert_eq!(predict("bert-rank", pair, false).ok(), all[0]);
    let mixed = predict("bert-classification", &json!([[SENTENCE], pair]), false).ok();
    assert_eq!(mixed[0], predict("bert-classification", &json!(SENTENCE), false).ok());
    assert_eq!(mixed[1], predict("bert-classification", pair, false).ok());
    assert_ne!(mixed[1], predict("bert-classification", &case["pairs"][0][0], false).ok());
    is_refused(&predict("bert-rank", &json!([["a", "b", "c"]]), false), 422, "one or two");
}

#[test]
fn failures_are_those_of_text_embeddings_inference() {
    let server = Running::of(&["bert-masked-lm", "bert-rank"]);
    let of = |path: &str, body: Value, status: u16, name: &str| {
        let body = is_refused(&server.post(path, &body), status, "error");
        assert_eq!((&body["error_type"], body["error"].is_string()), (&json!(name), true), "{body}");
    };
    of("/embed", json!({ "inputs": 1 }), 422, "Validation");
    of("/embed", json!({ "inputs": "a", "prompt_name": "none" }), 422, "Validation");
    of("/embed", json!(["a"]), 400, "Validation");
    of("/embed", json!({ "inputs": [] }), 400, "Empty");
    of("/predict", json!({ "inputs": [] }), 400, "Empty");
    of("/rerank", json!({ "query": "a", "texts": [] }), 400, "Empty");
    of("/embed", json!({ "inputs": vec!["a"; 257] }), 413, "Validation");
    of("/predict", json!({ "model": "bert-rank", "inputs": SENTENCE.repeat(99) }), 413, "Validation");
    of("/embed", json!({ "model": "none", "inputs": "a" }), 424, "Backend");
    let without = Running::of(&["gpt2"]).post("/rerank", &json!({ "query": "a", "texts": ["b"] }));
    assert_eq!(is_refused(&without, 424, "no model here scores pairs")["error_type"], "Backend");
}

#[test]
fn texts_are_cut_only_where_that_is_asked_for() {
    let server = Running::of(&["short"]);
    assert_eq!(server.get("/info").ok()["max_input_length"], 4);
    let embed = |text: &str, truncate: Value| server.post("/embed", &json!({ "inputs": text, "truncate": truncate }));
    for truncate in [json!(false), Value::Null] {
        is_refused(&embed("the animal was", truncate), 413, "has 5 tokens, and the model reads 4");
    }
    assert_eq!(embed("the animal was", json!(true)).ok(), embed("the animal", json!(false)).ok());
    is_refused(&server.post("/v1/embeddings", &json!({ "model": "short", "input": SENTENCE })), 400, "reads 4");
}

#[test]
fn our_own() {
    let server = Running::of(&["marian", "gpt2", "bert-masked-lm", "bert-classification"]);
    let models = server.get("/api/models").ok();
    let marian = &models["models"][0];
    assert_eq!(marian["kind"], "translation");
    assert_eq!(marian["languages"], json!({ "source": ["en"], "target": ["de"], "told": false }));
    assert_eq!((&marian["attention"], &marian["pronouns"]), (&json!(true), &json!(false)));
    assert!(marian["beam"].as_u64().is_some_and(|n| n >= 1) && models["models"][1]["beam"].is_null());

    let body = json!({ "text": SENTENCE, "n_best": 3, "attention": true, "alignment": true });
    let answer = server.post("/api/translate", &body).ok();
    let translations = answer["translations"].as_array().unwrap();
    assert_eq!(translations.len(), 3);
    assert!(translations.windows(2).all(|two| two[0]["score"].as_f64() >= two[1]["score"].as_f64()));
    let best = &translations[0];
    let sum: f64 = best["tokens"].as_array().unwrap().iter().map(|token| token["log_prob"].as_f64().unwrap()).sum();
    let log_prob = best["log_prob"].as_f64().unwrap();
    assert!((sum - log_prob).abs() < 1e-3, "{sum} is not {log_prob}");
    let (source, tokens) = (answer["source_tokens"].as_array().unwrap(), best["tokens"].as_array().unwrap());
    let text: String =
        source.iter().filter(|token| token["special"] == false).map(|token| token["text"].as_str().unwrap()).collect();
    assert_eq!(text, SENTENCE);
    for (name, rows, columns) in [
        ("encoder", source.len(), source.len()),
        ("decoder", tokens.len(), tokens.len()),
        ("cross", tokens.len(), source.len()),
    ] {
        let map = &answer["attention"][name];
        assert_eq!((&map["rows"], &map["columns"]), (&json!(rows), &json!(columns)), "{name}");
        let size = map["layers"].as_u64().unwrap() * map["heads"].as_u64().unwrap() * (rows * columns) as u64 * 2;
        assert_eq!(map["weights"].as_str().unwrap().len() as u64, size.div_ceil(3) * 4);
        assert_eq!(map["row_labels"].as_array().unwrap().len(), rows);
    }
    assert!(!best["alignment"].as_array().unwrap().is_empty());
    let some = json!({ "text": SENTENCE, "attention": { "layers": [0], "heads": [0] } });
    assert_eq!(server.post("/api/translate", &some).ok()["attention"]["cross"]["heads"], 1);
    let beyond = json!({ "text": SENTENCE, "attention": { "layers": [99] } });
    is_refused(&server.post("/api/translate", &beyond), 400, "layers");
    let blank = server.post("/api/translate", &json!({ "text": "  ", "attention": true })).ok();
    assert_eq!((&blank["translations"][0]["text"], &blank["attention"]), (&json!(""), &Value::Null));

    let events = server
        .post("/api/complete", &json!({ "prompt": "the", "max_tokens": 4, "seed": 1, "alternatives": 3 }))
        .events();
    let first: Value = serde_json::from_str(&events[0]).unwrap();
    assert_eq!(first["alternatives"].as_array().unwrap().len(), 3);
    assert!(first["token"]["log_prob"].as_f64().unwrap() <= 0.0);
    let end: Value = serde_json::from_str(&events[events.len() - 2]).unwrap();
    assert!(["stop", "length"].contains(&end["ended"].as_str().unwrap()));

    let text = |more: Value| {
        let mut body = json!({ "prompt": "the the the", "max_tokens": 9, "temperature": 0, "alternatives": 0 });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let events = server.post("/api/complete", &body).events();
        let pieces = events.iter().filter_map(|event| serde_json::from_str::<Value>(event).ok());
        pieces.filter_map(|piece| Some(piece["token"]["text"].as_str()?.to_owned())).collect::<String>()
    };
    assert_eq!(text(json!({ "draft_ngrams": 2 })), text(json!({})));
    let drafted = |more: Value| server.post("/api/complete", &more);
    is_refused(&drafted(json!({ "prompt": "the", "draft_ngrams": 0 })), 400, "draft_ngrams");
    is_refused(&drafted(json!({ "prompt": "the", "draft_ngrams": 2, "alternatives": 3 })), 400, "alternatives");

    let filled = server.post("/api/fill", &json!({ "text": "the [MASK] was [MASK]", "n": 4 })).ok();
    assert_eq!(filled["masks"].as_array().unwrap().len(), 2);
    assert_eq!(filled["masks"][0]["candidates"].as_array().unwrap().len(), 4);
    is_refused(&server.post("/api/fill", &json!({ "text": "nothing" })), 400, "MASK");
    let classes = server.post("/api/classify", &json!({ "texts": ["a", "b"] })).ok();
    assert_eq!(classes["results"].as_array().unwrap().len(), 2);
    let vectors = server.post("/api/embed", &json!({ "texts": ["the dog", "a dog"], "word": "dog" })).ok();
    assert!((vectors["similarities"][0][0].as_f64().unwrap() - 1.0).abs() < 1e-6);
    is_refused(&server.post("/api/embed", &json!({ "texts": ["x"], "word": "dog" })), 400, "dog");
    let tokens = server.post("/api/tokenize", &json!({ "model": "gpt2", "text": "Ein Käse" })).ok();
    assert_eq!(tokens["tokens"].as_array().unwrap().last().unwrap()["end"], 8);
    let scored = server.post("/api/score", &json!({ "text": "the animal" })).ok();
    let sum: f64 = scored["tokens"].as_array().unwrap().iter().map(|token| token["log_prob"].as_f64().unwrap()).sum();
    assert!((sum - scored["log_prob"].as_f64().unwrap()).abs() < 1e-9);
    let pair = server.post("/api/score", &json!({ "text": SENTENCE, "target": best["text"] })).ok();
    assert_eq!(pair["model"], "marian");
    let error = is_refused(&server.post("/api/heads", &json!({ "model": "marian" })), 404, "built-in");
    assert_eq!(error["error"]["type"], "not-found");
    is_refused(&server.post("/api/heads", &json!({})), 404, "no model here was trained on the built-in corpus");
}
