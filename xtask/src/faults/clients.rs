//! Clients of `attentive serve` that leave, read slowly, or send what is not a request, while others ask.

use std::{
    fs,
    io::{self, Read, Write},
    net::TcpStream,
    thread,
    time::{Duration, Instant},
};

use super::{
    lab::{Lab, Session, signal},
    outcome::Tally,
    server::{May, Models, TEXTS, differing, eventually, metric, translations, unanswered, while_asked},
};
use crate::{Failure, Outcome, cannot, cargo::root, json::quoted, server::connect};

/// Times that clients leave; in a short form.
const N_LEFT: [usize; 2] = [5, 2];

/// Clients that leave each time: as many of each kind.
const LEAVING: usize = 12;

/// Clients that read slowly; in a short form.
const N_SLOW: [usize; 2] = [4, 2];

/// Tokens of a text that nothing but its reader ends, of one that is read to its end, and of one that is more than the
/// system keeps between a server and a client who does not read.
const ENDLESS: usize = 65_536;
const FEW: usize = 40;
const MANY: usize = 16_384;

/// Golden models of `attentive-interchange` as they are served here, and how they write: without an end of their own.
const UNENDING: [(&str, &str, &str); 2] = [
    ("endless", "gpt2", "{\"min_new_tokens\": 65536}"),
    ("long", "marian", "{\"min_new_tokens\": 4000, \"max_new_tokens\": 4000}"),
];

/// Time within which a server that has nothing to do answers.
const AT_ONCE: Duration = Duration::from_secs(2);

/// Time for which a slow client reads nothing.
const SLEEP: Duration = Duration::from_secs(1);

/// Bytes of a body that a server takes by default.
const MAX_BODY: usize = 1 << 20;

/// The key of a server that asks for one.
const KEY: &str = "a-key-of-24-characters-01";

/// The head of a request that sends JSON.
const JSON: &str = "content-type: application/json\r\n";

/// A request that is not as it should be, and its answer.
struct Case {
    name: &'static str,
    bytes: Vec<u8>,
    status: u16,
    /// Whether the server may close the connection before it has read all, so that its answer may be lost.
    is_cut: bool,
}

/// All faults; fewer in a short form.
pub(super) fn all(lab: &mut Lab, models: &Models, is_short: bool) -> Outcome<Vec<Tally>> {
    for (name, golden, writing) in UNENDING {
        import(lab, name, golden, writing)?;
    }
    models.place(&models.trained)?;
    let n = |numbers: [usize; 2]| numbers[usize::from(is_short)];
    Ok(vec![
        gone(lab, models, n(N_LEFT))?,
        slow(lab, models, n(N_SLOW))?,
        refused(lab, models, "Huge and broken requests", &broken())?,
        refused(lab, models, "Bytes that are not UTF-8", &not_utf8())?,
        wrong_keys(lab, models)?,
    ])
}

/// Imports a golden model with settings of its own.
fn import(lab: &Lab, name: &str, golden: &str, writing: &str) -> Outcome {
    let (from, source) =
        (root().join("crates/interchange/tests/golden").join(golden), lab.path(&format!("golden-{golden}")));
    let copy = || -> io::Result<()> {
        fs::create_dir_all(&source)?;
        for file in fs::read_dir(&from)? {
            let file = file?;
            fs::copy(file.path(), source.join(file.file_name()))?;
        }
        fs::write(source.join("generation_config.json"), writing)
    };
    copy().map_err(|e| cannot("make", &source, &e))?;
    let source = source.display().to_string();
    Session::start(&mut lab.program(&["import", &source, "--out", name]))?.wait()?.succeeded().map(drop)
}

/// Clients that begin a stream, a long translation, many translations or half a request, and close the connection.
fn gone(lab: &mut Lab, models: &Models, n_times: usize) -> Outcome<Tally> {
    let mut tally = Tally::new(
        "Clients gone mid-stream and mid-request",
        "their work stops, the others are answered; then SIGTERM: exit code 0",
    );
    for _ in 0..n_times {
        let mut server = models.start_with(lab, "0", &unending())?;
        let (address, moment) = (server.address.clone(), Duration::from_millis(lab.below(200)));
        let (right, few) = (translations(&address)?, events(&address, FEW)?);
        let mut of_sharers = Vec::new();
        let mut amiss = while_asked(&address, &[&right], May::Answer, || {
            of_sharers = leave(&address, moment, &few)?;
            Ok(())
        })?;
        amiss.append(&mut of_sharers);
        wait_for_rest(&address)?;
        amiss.extend(work_of_the_gone(&address)?);
        let since = Instant::now();
        amiss.extend(differing(&right, &translations(&address)?));
        if since.elapsed() > AT_ONCE {
            amiss.push(format!("afterwards an answer takes {:.1} s", since.elapsed().as_secs_f64()));
        }
        signal("TERM", server.id())?;
        let status = server.wait()?;
        if !status.success() {
            amiss.push(format!("{status}"));
        }
        tally.add(0, amiss);
    }
    Ok(tally)
}

/// Lets clients leave in the middle of their requests, and gives what is amiss with texts that share their steps.
fn leave(address: &str, moment: Duration, few: &[String]) -> Outcome<Vec<String>> {
    let half = format!("POST /translate HTTP/1.1\r\nhost: faults\r\n{JSON}content-length: 100\r\n\r\n{{\"q\":");
    let requests = [completion(ENDLESS), translation("fr", 16, 0), translation("de", 256, 16), half.into_bytes()];
    let mut clients = Vec::new();
    for number in 0..LEAVING {
        let mut stream = sent(address, &requests[number % requests.len()])?;
        if number.is_multiple_of(requests.len()) {
            // Its answer has begun.
            stream.read_exact(&mut [0; 200]).map_err(|e| unanswered(&e))?;
        }
        clients.push(stream);
    }
    for (model, ..) in UNENDING {
        eventually("work for those who leave", || Ok(metric(address, &gauge("running", model))? > 0.0))?;
    }
    thread::sleep(moment);
    let found = events(address, FEW)?;
    drop(clients);
    let again = events(address, FEW)?;
    let others = [found, again].into_iter().filter(|found| found.as_slice() != few);
    Ok(others.map(|found| format!("{found:?} in place of {few:?}")).collect())
}

/// Waits until no model has work, and nobody but who asks for the metrics has a connection.
fn wait_for_rest(address: &str) -> Outcome {
    for model in ["served", UNENDING[0].0, UNENDING[1].0] {
        for name in ["running", "queue_length"].map(|what| gauge(what, model)) {
            eventually(&format!("{name} 0"), || Ok(metric(address, &name)? < 1.0))?;
        }
    }
    eventually("the end of connections", || Ok(metric(address, "attentive_connections")? <= 1.0))
}

fn gauge(what: &str, model: &str) -> String {
    format!("attentive_{what}{{model=\"{model}\"}}")
}

/// What was written for clients that left, if it is more than they had asked for by then: most of a stream, or a
/// translation, whose tokens count at its end.
fn work_of_the_gone(address: &str) -> Outcome<Vec<String>> {
    let written =
        |model: &str| metric(address, &format!("attentive_tokens_total{{model=\"{model}\",side=\"written\"}}"));
    let (streamed, translated) = (written(UNENDING[0].0)?, written(UNENDING[1].0)?);
    let mut amiss = Vec::new();
    if streamed < FEW as f64 || streamed > (LEAVING / 4 * ENDLESS / 2) as f64 {
        amiss.push(format!("{streamed} tokens of streams that nobody reads"));
    }
    if translated > 0.0 {
        amiss.push(format!("{translated} tokens of translations that nobody reads"));
    }
    Ok(amiss)
}

/// Clients that read nothing for a while, and then a few bytes at a time, of texts that are longer than what the system
/// keeps.
fn slow(lab: &mut Lab, models: &Models, n_readers: usize) -> Outcome<Tally> {
    let mut tally =
        Tally::new("Clients that read slowly", "the others are answered meanwhile; they have all of it in the end");
    let server = models.start_with(lab, "0", &unending())?;
    let address = &server.address;
    let (right, whole) = (translations(address)?, events(address, MANY)?);
    let mut all = Vec::new();
    let mut amiss = while_asked(address, &[&right], May::Answer, || {
        all = thread::scope(|scope| {
            let readers: Vec<_> = (0..n_readers).map(|_| scope.spawn(|| slowly(address))).collect();
            readers.into_iter().map(|reader| reader.join().expect("no reader panics")).collect::<Outcome<_>>()
        })?;
        Ok(())
    })?;
    for events in all {
        if events != whole {
            amiss.push(format!("{} events in place of {}", events.len(), whole.len()));
        }
        tally.add(0, std::mem::take(&mut amiss));
    }
    Ok(tally)
}

/// The events of a long text, read slowly.
fn slowly(address: &str) -> Outcome<Vec<String>> {
    let mut stream = sent(address, &completion(MANY))?;
    thread::sleep(SLEEP);
    let (mut first, mut some) = (Vec::new(), [0; 64]);
    for _ in 0..20 {
        stream.read_exact(&mut some).map_err(|e| unanswered(&e))?;
        first.extend_from_slice(&some);
        thread::sleep(SLEEP / 40);
    }
    Ok(data(&rest(first, stream)))
}

/// Requests that are refused while others are answered.
fn refused(lab: &mut Lab, models: &Models, fault: &str, cases: &[Case]) -> Outcome<Tally> {
    let mut tally = Tally::new(fault, "each has its status, 413, 431 or 400; the others are answered");
    let server = models.start_with(lab, "0", &[])?;
    let address = &server.address;
    let right = translations(address)?;
    let mut found = Vec::new();
    let mut amiss = while_asked(address, &[&right], May::Answer, || {
        for case in cases {
            found.push(case.amiss(address)?);
        }
        Ok(())
    })?;
    amiss.extend(differing(&right, &translations(address)?));
    if models.log()?.contains("panicked") {
        amiss.push("the log tells of a panic".into());
    }
    for mut of_case in found {
        of_case.append(&mut amiss);
        tally.add(0, of_case);
    }
    Ok(tally)
}

/// Keys that are not the server's, at every interface.
fn wrong_keys(lab: &mut Lab, models: &Models) -> Outcome<Tally> {
    let mut tally = Tally::new("Wrong keys", "401, or 403 as LibreTranslate; the log has no key");
    let file = lab.path("keys");
    fs::write(&file, format!("{KEY}\n")).map_err(|e| cannot("write", &file, &e))?;
    let server = models.start_with(lab, "0", &["--api-key-file", &file.display().to_string()])?;
    let address = &server.address;
    let body = format!("{{\"q\":{},\"source\":\"en\",\"target\":\"de\"}}", quoted(TEXTS[0]));
    let translate = |head: &str| request("POST", "/translate", &[JSON, head].concat(), body.as_bytes());
    let known = || read(sent(address, &translate(&format!("authorization: Bearer {KEY}\r\n")))?);
    let right = known()?;
    let mut amiss = Vec::new();
    if !matches!(right, Some((200, _))) {
        amiss.push(format!("with its key: {right:?}"));
    }
    let given = ["", &KEY[1..], &KEY.to_uppercase(), &format!("{KEY}1"), "ä"];
    let heads = given.map(|key| format!("authorization: Bearer {key}\r\n"));
    for head in heads.iter().map(String::as_str).chain(["", "authorization: Basic YTpi\r\n", "authorization: \r\n"]) {
        let at = |name| Case { name, bytes: request("POST", name, head, b"{}"), status: 401, is_cut: false };
        let libre = Case { name: "/translate", bytes: translate(head), status: 403, is_cut: false };
        let cases = [libre, at("/v1/completions"), at("/embed"), at("/api/translate")];
        for case in cases {
            amiss.extend(case.amiss(address)?);
            tally.add(0, std::mem::take(&mut amiss));
        }
    }
    if known()? != right {
        amiss.push("with its key, another answer".into());
    }
    if models.log()?.contains(KEY) {
        amiss.push("the log has a key".into());
    }
    tally.add(0, amiss);
    Ok(tally)
}

impl Case {
    /// What is amiss with its answer.
    fn amiss(&self, address: &str) -> Outcome<Vec<String>> {
        Ok(match read(sent(address, &self.bytes)?)? {
            Some((status, _)) if status == self.status => Vec::new(),
            None if self.is_cut => Vec::new(),
            Some((status, body)) => vec![format!("{}: {status} in place of {}: {body}", self.name, self.status)],
            None => vec![format!("{}: no answer", self.name)],
        })
    }
}

/// Requests that are too long, or cut, or of another form.
fn broken() -> Vec<Case> {
    let post =
        |name, body: &[u8]| Case { name, bytes: request("POST", "/translate", JSON, body), status: 400, is_cut: false };
    let of_head = |name, head: &str, body: &[u8], status| {
        let head = format!("POST /translate HTTP/1.1\r\nhost: faults\r\nconnection: close\r\n{JSON}{head}\r\n");
        Case { name, bytes: [head.as_bytes(), body].concat(), status, is_cut: true }
    };
    let chunk = [&b"100000\r\n"[..], &vec![b' '; MAX_BODY], b"\r\n"].concat();
    vec![
        Case { status: 413, is_cut: true, ..post("a byte too many", &vec![b' '; MAX_BODY + 1]) },
        of_head("a terabyte", "content-length: 1099511627776\r\n", &vec![b' '; 4 * MAX_BODY], 413),
        of_head("chunks without end", "transfer-encoding: chunked\r\n", &chunk.repeat(4), 413),
        of_head("a chunk without a length", "transfer-encoding: chunked\r\n", b"length\r\n", 400),
        of_head("two lengths", "content-length: 1\r\ncontent-length: 2\r\n", b"{}", 400),
        of_head("a head without end", &format!("x: {}", "a".repeat(MAX_BODY)), b"", 431),
        of_head("many lines of a head", &"x: a\r\n".repeat(1000), b"", 431),
        Case { name: "another protocol", bytes: b"\x16\x03\x01 nonsense\r\n\r\n".to_vec(), status: 400, is_cut: true },
        post("nothing", b""),
        post("half an object", b"{\"q\": \"ab\", "),
        post("a list", b"[\"ab\", \"en\", \"de\"]"),
        post("brackets", &vec![b'['; MAX_BODY]),
        post("objects in objects", &b"{\"q\":".repeat(100_000)),
        post(
            "a number without end",
            b"{\"q\": \"ab\", \"source\": \"en\", \"target\": \"de\", \"alternatives\": 1e999}",
        ),
        post("a field twice", b"{\"q\": \"ab\", \"q\": \"cd\", \"source\": \"en\", \"target\": \"de\"}"),
    ]
}

/// Requests with bytes that are not UTF-8, or escapes that are no characters.
fn not_utf8() -> Vec<Case> {
    let of_text = |name, text: &[u8]| {
        let body = [&b"{\"source\":\"en\",\"target\":\"de\",\"q\":\""[..], text, b"\"}"].concat();
        Case { name, bytes: request("POST", "/translate", JSON, &body), status: 400, is_cut: false }
    };
    let form = request(
        "POST",
        "/translate",
        "content-type: application/x-www-form-urlencoded\r\n",
        b"q=\xff&source=en&target=de",
    );
    vec![
        of_text("no first byte", b"ab \xff\xfe cd"),
        of_text("half a character", b"ab \xe2\x82"),
        of_text("a character at length", b"\xc0\xaf"),
        of_text("half of a pair", b"\xed\xa0\x80"),
        of_text("an escape of half of a pair", b"\\ud800"),
        Case { name: "a form", bytes: form, status: 400, is_cut: false },
        Case { name: "a name", bytes: request("GET", "/v1/models/%ff", "", b""), status: 400, is_cut: false },
        Case {
            name: "a place",
            bytes: b"GET /\xff HTTP/1.1\r\nhost: faults\r\n\r\n".to_vec(),
            status: 400,
            is_cut: true,
        },
    ]
}

/// The arguments of a server that has the models that do not end, too.
fn unending() -> [&'static str; 8] {
    let [(endless, ..), (long, ..)] = UNENDING;
    ["--max-output-tokens", "65536", "--languages", "long=en:fr", "--model", endless, "--model", long]
}

/// A request whose answer is a stream of so many tokens.
fn completion(n_tokens: usize) -> Vec<u8> {
    let body = format!("{{\"prompt\":\"the\",\"max_tokens\":{n_tokens},\"alternatives\":5}}");
    request("POST", "/api/complete", JSON, body.as_bytes())
}

/// A request for the translation of so many texts at once, with alternatives of each.
fn translation(target: &str, n_texts: usize, n_alternatives: usize) -> Vec<u8> {
    let texts = vec![quoted(TEXTS[0]); n_texts].join(",");
    let body =
        format!("{{\"q\":[{texts}],\"source\":\"en\",\"target\":\"{target}\",\"alternatives\":{n_alternatives}}}");
    request("POST", "/translate", JSON, body.as_bytes())
}

/// A request, after which the server closes the connection.
fn request(method: &str, place: &str, head: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let first = format!("{method} {place} HTTP/1.1\r\nhost: faults\r\nconnection: close\r\n");
    [first.as_bytes(), head.as_bytes(), format!("content-length: {length}\r\n\r\n").as_bytes(), body].concat()
}

/// A connection over which bytes have been sent, or those of them that the server took.
fn sent(address: &str, bytes: &[u8]) -> Outcome<TcpStream> {
    let mut stream = connect(address).map_err(|e| unanswered(&e))?;
    // A server that refuses a request early closes the connection in the middle of it.
    let _ = stream.write_all(bytes);
    Ok(stream)
}

/// The status of an answer and its body, if there is one.
fn read(stream: TcpStream) -> Outcome<Option<(u16, String)>> {
    let text = rest(Vec::new(), stream);
    if text.is_empty() {
        return Ok(None);
    }
    let status = text.split(' ').nth(1).and_then(|status| status.parse().ok());
    let status = status.ok_or_else(|| Failure::Message(format!("not an answer of HTTP: {text}")))?;
    Ok(Some((status, text.split_once("\r\n\r\n").map_or("", |(_, body)| body).to_owned())))
}

/// All that comes until the server closes the connection, after what came before.
fn rest(mut bytes: Vec<u8>, mut stream: TcpStream) -> String {
    // What comes before an error is looked at.
    let _ = stream.read_to_end(&mut bytes);
    String::from_utf8_lossy(&bytes).into_owned()
}

/// What the endless model writes, up to so many tokens.
fn events(address: &str, n_tokens: usize) -> Outcome<Vec<String>> {
    Ok(data(&rest(Vec::new(), sent(address, &completion(n_tokens))?)))
}

/// The data of server-sent events.
fn data(answer: &str) -> Vec<String> {
    answer.lines().filter(|line| line.starts_with("data: ")).map(str::to_owned).collect()
}
