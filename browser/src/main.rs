//! The page of `attentive serve` in Chromium: what a reader does with it, and pictures of it.
//!
//! `attentive-browser PROGRAM RUNS PICTURES NAME=DIR…` serves the models and the folder of runs, and writes pictures. The
//! first model translates; of the others, `gpt2` and `bert` are used if they are there. With `--right`, the translator is
//! held to the lecture's two sentences.

use std::{env, path::Path, process::Stdio};

use anyhow::{Context, Result, bail};
use browser::{Browser, Screen, free_port, listens};
use tokio::process::{Child, Command};

mod browser;
mod checks;

/// The screens of which pictures are taken.
const SCREENS: [Screen; 3] = [
    Screen { name: "light", size: (1200, 1240), dark: false },
    Screen { name: "dark", size: (1200, 1240), dark: true },
    Screen { name: "phone", size: (390, 960), dark: false },
];

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let mut args: Vec<String> = env::args().skip(1).collect();
    let right = args.iter().any(|arg| arg == "--right");
    args.retain(|arg| arg != "--right");
    let [program, runs, pictures, models @ ..] = &args[..] else {
        bail!("usage: attentive-browser [--right] PROGRAM RUNS PICTURES NAME=DIR…");
    };
    let (mut server, origin) = serve(program, runs, models).await?;
    let driver = env::var("CHROMEDRIVER").unwrap_or_else(|_| "chromedriver".into());
    let browser = Browser::start(&driver).await?;
    let page = Page { browser, origin, models, right };
    page.translator(Path::new(pictures)).await?;
    page.others().await?;
    server.kill().await?;
    checks::says_that_nobody_answers(&page.browser).await?;
    say("says that nobody answers");
    page.browser.close().await
}

/// The server with its models, and its address.
async fn serve(program: &str, runs: &str, models: &[String]) -> Result<(Child, String)> {
    let port = free_port().await?;
    let mut command = Command::new(program);
    command.args(["serve", "--runs", runs, "--port", &port.to_string()]);
    command.args(models.iter().flat_map(|model| ["--model", model]));
    let server = command.stdin(Stdio::null()).kill_on_drop(true).spawn();
    let server = server.with_context(|| format!("cannot run {program}"))?;
    listens(port).await.with_context(|| format!("{program} serve does not start"))?;
    Ok((server, format!("http://127.0.0.1:{port}/")))
}

struct Page<'a> {
    browser: Browser,
    origin: String,
    models: &'a [String],
    right: bool,
}

impl Page<'_> {
    /// Opens the page with what its address says after `#`.
    async fn open(&self, hash: &str) -> Result<()> {
        self.browser.open(&format!("{}{hash}", self.origin)).await
    }

    /// After each check: nothing was asked of another server, and nothing went wrong.
    async fn passed(&self, what: &str) -> Result<()> {
        self.browser.asked_only(&self.origin).await.with_context(|| what.to_owned())?;
        self.browser.has_no_errors().await.with_context(|| what.to_owned())?;
        say(what);
        Ok(())
    }

    async fn translator(&self, pictures: &Path) -> Result<()> {
        let browser = &self.browser;
        browser.show_on(SCREENS[0]).await?;
        self.open("").await?;
        checks::opens_with_an_example(browser).await?;
        self.passed("opens with an example").await?;
        checks::swaps_the_word(browser, self.right).await?;
        self.passed("swaps the word").await?;
        checks::translates_what_is_typed(browser).await?;
        self.passed("translates what is typed").await?;
        checks::follows_pointer_and_keyboard(browser).await?;
        self.passed("follows pointer and keyboard").await?;
        checks::opens_a_map(browser).await?;
        self.passed("opens a map").await?;
        checks::shows_all_heads(browser).await?;
        self.passed("shows all heads").await?;
        checks::can_be_read_aloud(browser).await?;
        self.passed("can be read aloud").await?;
        for screen in SCREENS {
            browser.show_on(screen).await?;
            self.open("").await?;
            checks::opens_with_an_example(browser).await?;
            checks::names_the_choice_of_models(browser).await?;
            browser.picture(pictures, screen).await?;
            self.passed(&format!("picture: {}", screen.name)).await?;
        }
        Ok(())
    }

    async fn others(&self) -> Result<()> {
        let browser = &self.browser;
        browser.show_on(SCREENS[0]).await?;
        if self.serves("gpt2") {
            self.open("#model=gpt2").await?;
            checks::completes(browser).await?;
            self.passed("completes").await?;
        }
        if self.serves("bert") {
            self.open("#model=bert").await?;
            checks::fills_and_compares(browser).await?;
            self.passed("fills and compares").await?;
        }
        self.open("#view=runs").await?;
        checks::draws_curves(browser).await?;
        self.passed("draws curves").await?;
        self.open("").await?;
        checks::opens_with_an_example(browser).await
    }

    fn serves(&self, name: &str) -> bool {
        self.models.iter().any(|model| model.starts_with(&format!("{name}=")))
    }
}

fn say(what: &str) {
    println!("page: {what}");
}
