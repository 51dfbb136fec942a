//! `attentive serve` as its users start it; what it answers is tested by its crate.

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use crate::support::{Folder, contains};

/// A folder with a translation model of another tool, `marian`.
fn folder() -> Folder {
    let folder = Folder::new();
    folder.import("marian", "marian");
    folder
}

fn serve(folder: &Folder, args: &[&str], stdout: Stdio) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_attentive"));
    command.arg("serve").args(args).current_dir(folder.path("")).env_remove("ATTENTIVE_BACKEND");
    command.stdin(Stdio::null()).stdout(stdout).stderr(Stdio::piped()).spawn().unwrap()
}

/// A server's address, and what it said before.
fn listening(server: &mut Child) -> (String, String) {
    let mut said = String::new();
    let mut lines = BufReader::new(server.stdout.take().unwrap());
    loop {
        let start = said.len();
        assert!(lines.read_line(&mut said).unwrap() > 0, "it ended: {said}");
        if let Some(address) = said[start..].strip_prefix("listening at http://") {
            return (address.trim().to_owned(), said[..start].to_owned());
        }
    }
}

/// The answer to a request, its head included.
fn ask(address: &str, request: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    let length = body.len();
    write!(stream, "{request} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}")
        .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

fn signal(server: &Child, name: &str) {
    assert!(Command::new("kill").args([name, &server.id().to_string()]).status().unwrap().success());
}

/// The exit code of a server, and what it said on standard error.
fn ended(server: Child) -> (Option<i32>, String) {
    let output = server.wait_with_output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(!said.contains("panicked"), "{said}");
    (output.status.code(), said)
}

const TRANSLATE: &str = r#"{"q": "the animal", "source": "en", "target": "de"}"#;

#[test]
fn it_answers_looks_for_new_models_and_ends() {
    let folder = folder();
    let args = ["--model", "de=marian", "--languages", "de=en:de", "--port", "0", "--concurrency", "2", "--grace", "5"];
    let mut server = serve(&folder, &args, Stdio::piped());
    let (address, said) = listening(&mut server);
    contains(&said, &["de ", "translation"]);
    let translated = ask(&address, "POST /translate", TRANSLATE);
    contains(&translated, &["HTTP/1.1 200 OK", "translatedText"]);
    contains(&ask(&address, "GET /health/ready", ""), &["HTTP/1.1 200 OK"]);
    contains(&ask(&address, "GET /", ""), &["<!doctype html>"]);

    // Another server finds the port taken.
    let port = address.rsplit(':').next().unwrap();
    let refused = folder.fail(&["serve", "--model", "marian", "--port", port], "");
    contains(&refused, &[&address, "choose another address or port"]);

    // A folder that breaks changes nothing.
    fs::write(folder.path("marian/config.toml"), "nonsense").unwrap();
    signal(&server, "-HUP");
    let is_counted = || ask(&address, "GET /metrics", "").contains("attentive_reloads_total{result=\"failed\"} 1");
    while !is_counted() {
        thread::sleep(Duration::from_millis(5));
    }
    let body = |answer: &str| answer.split("\r\n\r\n").nth(1).map(str::to_owned);
    assert_eq!(body(&ask(&address, "POST /translate", TRANSLATE)), body(&translated));

    signal(&server, "-TERM");
    let (code, said) = ended(server);
    assert_eq!(code, Some(0), "{said}");
    contains(&said, &["de: not loaded again, and goes on as it is"]);
    assert!(TcpStream::connect(&address).is_err(), "nobody listens");
}

/// SIGHUP ends a process that does not hear it.
#[cfg(unix)]
#[test]
fn it_may_be_told_to_look_for_new_models_while_it_loads_them() {
    let folder = folder();
    // A file that the model is read from comes when it is to.
    let pipe = folder.path("marian/training.json");
    let record = fs::read(&pipe).unwrap();
    fs::remove_file(&pipe).unwrap();
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let mut server = serve(&folder, &["--model", "marian", "--languages", "en:de", "--port", "0"], Stdio::piped());
    let mut writer = fs::OpenOptions::new().write(true).open(&pipe).unwrap(); // once it is read
    signal(&server, "-HUP");
    writer.write_all(&record).unwrap();
    drop(writer);
    let (address, _) = listening(&mut server);
    contains(&ask(&address, "POST /translate", TRANSLATE), &["HTTP/1.1 200 OK", "translatedText"]);
    signal(&server, "-TERM");
    let (code, said) = ended(server);
    assert_eq!(code, Some(0), "{said}");
}

#[test]
fn what_it_cannot_serve_is_an_error_that_says_so() {
    let folder = folder();
    folder.write("keys", "short\n");
    for (args, said) in [
        (&["--model", "nowhere"][..], "nowhere"),
        (&["--model", "marian", "--model", "marian"], "two models are called \"marian\""),
        (&["--model", "marian", "--languages", "en"], "write FROM:TO"),
        (&["--model", "marian", "--languages", "other=en:de"], "no model is called other"),
        (&["--model", "marian", "--with", "other=marian"], "no model is called other"),
        (&["--model", "marian", "--with", "marian", "--weights", "2"], "1 weights for 2 models"),
        (&["--model", "marian", "--with", "marian", "--weights", "2;1"], "--weights 2;1: write numbers"),
        (&["--model", "marian", "--api-key-file", "keys"], "16 characters"),
        (&["--model", "marian", "--api-key-file", "nowhere"], "can't read nowhere"),
        (&["--model", "marian", "--runs", "nowhere"], "can't read nowhere"),
        (&["--model", "marian", "--cors-origin", "example.org"], "is not an origin"),
        (&["--model", "marian", "--cors-origin", "https://Example.org"], "in small letters"),
        (&["--model", "marian", "--cors-origin", "https://bücher.example"], "in Punycode"),
        (&["--model", "marian", "--languages", "en:de", "--languages", "marian=de:en"], "say them once"),
        (&["--model", "marian", "--bind", "192.0.2.1"], "can't listen at 192.0.2.1:8080"),
    ] {
        contains(&folder.fail(&[&["serve"], args].concat(), ""), &[said]);
    }
    for args in
        [["--concurrency", "0"], ["--max-texts", "0"], ["--timeout", "NaN"], ["--port", "65536"], ["--model", "a="]]
    {
        let output = folder.run(&["serve", args[0], args[1]], "");
        assert_eq!(output.status.code(), Some(2), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
    contains(&folder.succeed(&["serve", "--help"], ""), &["--model", "--concurrency", "Limits"]);
}

/// Nobody reads where it listens, but it serves.
#[cfg(target_os = "linux")]
#[test]
fn it_serves_where_its_output_can_not_be_written() {
    let folder = folder();
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let args = ["--model", "marian", "--languages", "en:de", "--port", &free.port().to_string()];
    let server = serve(&folder, &args, full.into());
    while TcpStream::connect(free).is_err() {
        thread::sleep(Duration::from_millis(5));
    }
    contains(&ask(&free.to_string(), "POST /translate", TRANSLATE), &["HTTP/1.1 200 OK"]);
    signal(&server, "-TERM");
    let (code, said) = ended(server);
    assert_eq!(code, Some(1), "{said}");
    contains(&said, &["No space left on device"]);
}
