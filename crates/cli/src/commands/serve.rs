//! `attentive serve`.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::PathBuf,
    time::Duration,
};

use anyhow::{Error, Result};
use attentive_decode::Combination;
use attentive_serve::{Limits, ModelSource, ServeConfig, Server};
use clap::Args;

use super::{BackendArgs, PrecisionArgs, at_least_0, integer, numbers};

/// Requests, connections and seconds beyond which nobody asks.
const MANY: usize = 1 << 16;

/// Answer over HTTP: as LibreTranslate, OpenAI and text-embeddings-inference do, and with a page of its own.
///
/// Models of any kind that reads text can be served side by side. The page is at the address that is printed; /docs lists
/// what can be asked for.
#[derive(Debug, Args)]
pub(crate) struct Serve {
    /// A model's folder, and one of an adapter over it; with a name, which clients call it by. May be given several times:
    /// where no model is named, the first answers that can do what is asked.
    #[arg(long, value_name = "[NAME=]DIR[+ADAPTER]", value_parser = ModelSource::parse, default_value = "runs/latest")]
    model: Vec<ModelSource>,
    /// The folder of another model of the same tokenizer, which decides on each token together with that of the name, or with each;
    /// may be given several times.
    #[arg(long, value_name = "[NAME=]DIR", help_heading = "Several models")]
    with: Vec<String>,
    /// Weights of models that decide together, the first of them that of --model; by default all alike.
    #[arg(long, value_name = "[NAME=]W,W,…", requires = "with", help_heading = "Several models")]
    weights: Vec<String>,
    /// Take the geometric mean of the models' probabilities, so that each can exclude a token, in place of their mean.
    #[arg(long, requires = "with", help_heading = "Several models")]
    log_linear: bool,
    /// The languages of a translation model, as en:de, where its folder does not say them.
    #[arg(long, value_name = "[NAME=]FROM:TO")]
    languages: Vec<String>,
    /// Show the curves of the trainings in this folder, live.
    #[arg(long, value_name = "DIR")]
    runs: Option<PathBuf>,
    /// The IP address to listen at; 0.0.0.0 for all of this machine's.
    #[arg(long, value_name = "ADDRESS", default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    bind: IpAddr,
    /// The port; 0 for any that is free.
    #[arg(long, value_name = "N", default_value_t = ServeConfig::PORT)]
    port: u16,
    /// A file with a key on each line, one of which clients must give.
    #[arg(long, value_name = "FILE")]
    api_key_file: Option<PathBuf>,
    /// Let scripts of pages of this origin ask, as https://example.org; * for any.
    #[arg(long, value_name = "ORIGIN")]
    cors_origin: Vec<String>,
    /// Seconds for which requests that run may go on, once the server is told to end.
    #[arg(long, value_name = "SECONDS", default_value = "30", value_parser = at_least_0())]
    grace: f64,
    #[command(flatten)]
    limits: LimitArgs,
    #[command(flatten)]
    precision: PrecisionArgs,
    #[command(flatten)]
    backend: BackendArgs,
}

/// What a client may ask for, and what is taken on at once.
#[derive(Debug, Args)]
#[command(next_help_heading = "Limits")]
struct LimitArgs {
    /// Bytes of a request's body.
    #[arg(long, value_name = "N", default_value_t = Limits::default().body_bytes, value_parser = integer::<usize>(1..=1 << 30))]
    max_body: usize,
    /// Characters of all texts of a request.
    #[arg(long, value_name = "N", default_value_t = Limits::default().characters, value_parser = integer::<usize>(1..=1 << 30))]
    max_characters: usize,
    /// Texts of a request.
    #[arg(long, value_name = "N", default_value_t = Limits::default().texts, value_parser = integer(1..=MANY))]
    max_texts: usize,
    /// Tokens that a request may have read.
    #[arg(long, value_name = "N", default_value_t = Limits::default().input_tokens, value_parser = integer::<usize>(1..=1 << 24))]
    max_input_tokens: usize,
    /// Tokens that may be written for each text.
    #[arg(long, value_name = "N", default_value_t = Limits::default().output_tokens, value_parser = integer(1..=numbers::LONG))]
    max_output_tokens: usize,
    /// Requests that one model works on at once.
    #[arg(long, value_name = "N", default_value_t = Limits::default().running, value_parser = integer::<usize>(1..=1024))]
    concurrency: usize,
    /// Requests that wait for one model; beyond them, clients are told to come again (429).
    #[arg(long, value_name = "N", default_value_t = Limits::default().waiting, value_parser = integer(0..=MANY))]
    queue: usize,
    /// Connections that are open at once.
    #[arg(long, value_name = "N", default_value_t = Limits::default().connections, value_parser = integer(1..=MANY))]
    connections: usize,
    /// Seconds for a request, those in the queue included.
    #[arg(long, value_name = "SECONDS", default_value = "60", value_parser = numbers::above_0())]
    timeout: f64,
}

impl LimitArgs {
    fn limits(&self) -> Limits {
        Limits {
            body_bytes: self.max_body,
            characters: self.max_characters,
            texts: self.max_texts,
            input_tokens: self.max_input_tokens,
            output_tokens: self.max_output_tokens,
            running: self.concurrency,
            waiting: self.queue,
            connections: self.connections,
            time: seconds(self.timeout),
        }
    }
}

/// A time, of a day at most.
fn seconds(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds.min(86_400.0))
}

impl Serve {
    pub(super) fn run(self) -> Result<()> {
        let mut models = self.model;
        self.languages.iter().try_for_each(|text| ModelSource::set_languages(&mut models, text)).map_err(Error::msg)?;
        self.with.iter().try_for_each(|text| ModelSource::add_model(&mut models, text)).map_err(Error::msg)?;
        self.weights.iter().try_for_each(|text| ModelSource::set_weights(&mut models, text)).map_err(Error::msg)?;
        let combination = if self.log_linear { Combination::LogLinear } else { Combination::Linear };
        models.iter_mut().for_each(|model| model.combination = combination);
        let config = ServeConfig {
            runs: self.runs,
            address: SocketAddr::from((self.bind, self.port)),
            limits: self.limits.limits(),
            keys: self.api_key_file,
            origins: self.cors_origin,
            grace: seconds(self.grace),
            signals: true,
            precision: self.precision.precision,
            ..ServeConfig::new(models, self.backend.device()?)
        };
        let server = Server::new(config, |line| warning!("{line}"))?;
        for (name, kind) in server.models() {
            report!("{name:<16} {kind}");
        }
        report!("listening at http://{}", server.address()?);
        Ok(server.run()?)
    }
}
