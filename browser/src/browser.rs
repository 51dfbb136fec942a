//! A browser with a page in it: Chromium, driven by its WebDriver.

use std::{fmt::Debug, fs, path::Path, process::Stdio, time::Duration};

use anyhow::{Context, Result, bail, ensure};
use fantoccini::{
    Client, ClientBuilder, Locator,
    actions::{InputSource, MouseActions, PointerAction},
    elements::Element,
    wd::WebDriverCompatibleCommand,
};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};
use tokio::{
    net::{TcpListener, TcpStream},
    process::{Child, Command},
    time::{Instant, sleep},
};
use url::Url;

/// Time that a page may take to show something.
const PATIENCE: Duration = Duration::from_secs(30);

/// A screen, and what its reader asks for.
#[derive(Debug, Clone, Copy)]
pub struct Screen {
    /// The name of its picture.
    pub name: &'static str,
    /// Width and height, in pixels of the page.
    pub size: (u32, u32),
    /// Whether colours are dark.
    pub dark: bool,
}

/// A browser with one page, whose requests and messages are recorded.
#[derive(Debug)]
pub struct Browser {
    client: Client,
    // Ends the driver, and with it the browser.
    _driver: Child,
}

impl Browser {
    /// Starts `driver`, which starts the browser.
    pub async fn start(driver: &str) -> Result<Self> {
        let port = free_port().await?;
        let mut command = Command::new(driver);
        command.arg(format!("--port={port}")).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
        let process = command.spawn().with_context(|| format!("cannot run {driver}"))?;
        listens(port).await.with_context(|| format!("{driver} does not listen"))?;
        // Chromium's sandbox does not work for root, as whom CI runs; the page is our own.
        let args = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars"];
        let capabilities = json!({
            "goog:chromeOptions": { "args": args },
            "goog:loggingPrefs": { "browser": "ALL", "performance": "ALL" },
        });
        let Value::Object(capabilities) = capabilities else { unreachable!("an object") };
        let client = ClientBuilder::new(HttpConnector::new())
            .capabilities(capabilities)
            .connect(&format!("http://127.0.0.1:{port}"))
            .await
            .context("the browser does not start")?;
        Ok(Self { client, _driver: process })
    }

    /// Ends the browser.
    pub async fn close(self) -> Result<()> {
        Ok(self.client.close().await?)
    }

    /// Opens a page as if for the first time.
    pub async fn open(&self, url: &str) -> Result<()> {
        self.client.goto("about:blank").await?;
        Ok(self.client.goto(url).await?)
    }

    /// Runs JavaScript, and returns the value of its `return`.
    pub async fn run(&self, script: &str) -> Result<Value> {
        self.client.execute(script, Vec::new()).await.with_context(|| script.to_owned())
    }

    /// The text of what an expression of JavaScript gives.
    pub async fn text(&self, expression: &str) -> Result<String> {
        let value = self.run(&format!("return String({expression})")).await?;
        Ok(value.as_str().unwrap_or_default().to_owned())
    }

    /// Waits until an expression of JavaScript is true.
    pub async fn wait(&self, expression: &str) -> Result<()> {
        let started = Instant::now();
        // What is not there yet has no properties either.
        let script = format!("try {{ return Boolean({expression}) }} catch {{ return false }}");
        while self.run(&script).await? != json!(true) {
            if started.elapsed() > PATIENCE {
                let page = self.text("document.body.innerText").await?;
                bail!("after {} s there is not yet: {expression}\nThe page says:\n{page}", PATIENCE.as_secs());
            }
            sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }

    /// The first element that a selector finds.
    pub async fn find(&self, selector: &str) -> Result<Element> {
        self.client.find(Locator::Css(selector)).await.with_context(|| format!("no `{selector}`"))
    }

    /// Clicks on an element.
    pub async fn click(&self, selector: &str) -> Result<()> {
        self.find(selector).await?.click().await.with_context(|| format!("a click on `{selector}`"))
    }

    /// Presses keys, one after another, where the keyboard is.
    pub async fn press(&self, keys: &str) -> Result<()> {
        Ok(self.client.active_element().await?.send_keys(keys).await?)
    }

    /// Moves the pointer onto an element.
    pub async fn hover(&self, selector: &str) -> Result<()> {
        let element = self.find(selector).await?;
        let onto = PointerAction::MoveToElement { element, duration: None, x: 0.0, y: 0.0 };
        let away = PointerAction::MoveTo { duration: None, x: 1.0, y: 1.0 };
        let mouse = MouseActions::new("mouse".to_owned()).then(away).then(onto);
        Ok(self.client.perform_actions(mouse).await?)
    }

    /// Changes the screen.
    pub async fn show_on(&self, screen: Screen) -> Result<()> {
        let scheme = if screen.dark { "dark" } else { "light" };
        // Pictures are taken when everything has come to rest.
        let features = json!([
            { "name": "prefers-color-scheme", "value": scheme },
            { "name": "prefers-reduced-motion", "value": "reduce" },
        ]);
        self.devtools("Emulation.setEmulatedMedia", json!({ "features": features })).await?;
        let (width, height) = screen.size;
        let metrics = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600 });
        self.devtools("Emulation.setDeviceMetricsOverride", metrics).await.map(drop)
    }

    /// Writes a picture of the screen as a PNG file.
    pub async fn picture(&self, folder: &Path, screen: Screen) -> Result<()> {
        let path = folder.join(format!("page-{}.png", screen.name));
        fs::write(&path, self.client.screenshot().await?).with_context(|| path.display().to_string())
    }

    /// What a screen reader is told: the role and the name of each element that has both.
    pub async fn accessibility_tree(&self) -> Result<Vec<(String, String)>> {
        let tree = self.devtools("Accessibility.getFullAXTree", json!({})).await?;
        let nodes = tree["nodes"].as_array().context("no accessibility tree")?;
        let shown = nodes.iter().filter(|node| node["ignored"] != json!(true));
        let text = |value: &Value| value["value"].as_str().unwrap_or_default().to_owned();
        Ok(shown.map(|node| (text(&node["role"]), text(&node["name"]))).collect())
    }

    /// Fails if the page has asked another server than `origin` for something since the last time.
    pub async fn asked_only(&self, origin: &str) -> Result<()> {
        for entry in self.log("performance").await? {
            let event: Value = serde_json::from_str(entry["message"].as_str().unwrap_or_default())?;
            let message = &event["message"];
            let url = message["params"]["request"]["url"].as_str().unwrap_or_default();
            if message["method"] == "Network.requestWillBeSent" && url != "about:blank" {
                ensure!(url.starts_with(origin), "the page asks {url}, which is not on its own server");
            }
        }
        Ok(())
    }

    /// Fails if the page has written an error on its console since the last time.
    pub async fn has_no_errors(&self) -> Result<()> {
        let errors: Vec<Value> =
            self.log("browser").await?.into_iter().filter(|entry| entry["level"] == "SEVERE").collect();
        ensure!(errors.is_empty(), "errors on the console: {errors:?}");
        Ok(())
    }

    async fn log(&self, kind: &str) -> Result<Vec<Value>> {
        let entries = self.post("se/log", json!({ "type": kind })).await?;
        Ok(entries.as_array().cloned().unwrap_or_default())
    }

    async fn devtools(&self, command: &str, params: Value) -> Result<Value> {
        self.post("goog/cdp/execute", json!({ "cmd": command, "params": params })).await.context(command.to_owned())
    }

    async fn post(&self, path: &'static str, body: Value) -> Result<Value> {
        Ok(self.client.issue_cmd(Post { path, body }).await?)
    }
}

/// A command of Chromium's driver that WebDriver does not have.
#[derive(Debug)]
struct Post {
    path: &'static str,
    body: Value,
}

impl WebDriverCompatibleCommand for Post {
    fn endpoint(&self, base: &Url, session: Option<&str>) -> Result<Url, url::ParseError> {
        base.join(&format!("session/{}/{}", session.unwrap_or_default(), self.path))
    }

    fn method_and_body(&self, _: &Url) -> (http::Method, Option<String>) {
        (http::Method::POST, Some(self.body.to_string()))
    }
}

/// A port of this machine that nothing listens at.
pub async fn free_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0").await?.local_addr()?.port())
}

/// Waits until something listens at a port.
pub async fn listens(port: u16) -> Result<()> {
    let started = Instant::now();
    while TcpStream::connect(("127.0.0.1", port)).await.is_err() {
        ensure!(started.elapsed() < PATIENCE, "nothing listens at port {port} after {} s", PATIENCE.as_secs());
        sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}
