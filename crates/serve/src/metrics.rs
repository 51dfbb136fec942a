//! What the server counts and measures, as Prometheus reads it.

use std::time::Duration;

use prometheus::{
    Encoder, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
    TextEncoder, core::Collector, exponential_buckets,
};

/// All metrics; the names of the process's own begin with `attentive_`.
#[derive(Debug)]
pub(crate) struct Metrics {
    registry: Registry,
    requests: IntCounterVec,
    seconds: HistogramVec,
    first_piece_seconds: HistogramVec,
    queue_seconds: HistogramVec,
    tokens: IntCounterVec,
    step_tokens: HistogramVec,
    batch_texts: HistogramVec,
    queued: IntGaugeVec,
    running: IntGaugeVec,
    pub(crate) connections: IntGauge,
    pub(crate) reloads: IntCounterVec,
    pub(crate) panics: IntCounterVec,
}

/// What a model's own thread measures.
#[derive(Debug, Clone)]
pub(crate) struct Meters {
    pub(crate) step_tokens: Histogram,
    pub(crate) batch_texts: Histogram,
    pub(crate) panics: IntCounter,
}

/// The side of a model that tokens pass.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Side {
    Read,
    Written,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        let registry = Registry::new();
        let times = exponential_buckets(0.001, 2.0, 17).expect("growing"); // 1 ms to 65 s
        let sizes = exponential_buckets(1.0, 2.0, 13).expect("growing"); // 1 to 4,096
        let counter = |name, help, labels: &[&str]| {
            add(&registry, IntCounterVec::new(Opts::new(name, help), labels).expect("a metric"))
        };
        let gauge = |name, help| add(&registry, IntGaugeVec::new(Opts::new(name, help), &["model"]).expect("a metric"));
        let histogram = |name, help, buckets: &[f64], label| {
            let opts = HistogramOpts::new(name, help).buckets(buckets.to_vec());
            add(&registry, HistogramVec::new(opts, &[label]).expect("a metric"))
        };
        Self {
            requests: counter(
                "attentive_requests_total",
                "Requests that were answered, by place and status.",
                &["path", "method", "status"],
            ),
            seconds: histogram(
                "attentive_request_seconds",
                "Time from a request to its answer, or to the first piece of one that streams.",
                &times,
                "path",
            ),
            first_piece_seconds: histogram(
                "attentive_first_piece_seconds",
                "Time from a request to the first piece of a text that streams.",
                &times,
                "model",
            ),
            queue_seconds: histogram("attentive_queue_seconds", "Time that a request waited.", &times, "model"),
            tokens: counter("attentive_tokens_total", "Tokens that were read and written.", &["model", "side"]),
            step_tokens: histogram(
                "attentive_step_tokens",
                "Tokens that a decoder read in one step, of all requests together.",
                &sizes,
                "model",
            ),
            batch_texts: histogram(
                "attentive_batch_texts",
                "Texts that an encoder read at once, of all requests together.",
                &sizes,
                "model",
            ),
            queued: gauge("attentive_queue_length", "Requests that wait."),
            running: gauge("attentive_running", "Requests that are worked on."),
            connections: add(
                &registry,
                IntGauge::new("attentive_connections", "Connections that are open.").expect("a metric"),
            ),
            reloads: counter("attentive_reloads_total", "Models that were loaded again.", &["result"]),
            panics: counter(
                "attentive_panics_total",
                "Panics of a model or of the work around it; the model goes on.",
                &["model"],
            ),
            registry,
        }
    }

    pub(crate) fn request(&self, path: &str, method: &str, status: u16, time: Duration) {
        self.requests.with_label_values(&[path, method, &status.to_string()]).inc();
        self.seconds.with_label_values(&[path]).observe(time.as_secs_f64());
    }

    pub(crate) fn first_piece(&self, model: &str, time: Duration) {
        self.first_piece_seconds.with_label_values(&[model]).observe(time.as_secs_f64());
    }

    pub(crate) fn waited(&self, model: &str, time: Duration) {
        self.queue_seconds.with_label_values(&[model]).observe(time.as_secs_f64());
    }

    pub(crate) fn tokens(&self, model: &str, side: Side, n: usize) {
        let side = match side {
            Side::Read => "read",
            Side::Written => "written",
        };
        self.tokens.with_label_values(&[model, side]).inc_by(n as u64);
    }

    /// The meters of a model.
    pub(crate) fn of_model(&self, model: &str) -> Meters {
        Meters {
            step_tokens: self.step_tokens.with_label_values(&[model]),
            batch_texts: self.batch_texts.with_label_values(&[model]),
            panics: self.panics.with_label_values(&[model]),
        }
    }

    /// Sets how many requests of a model wait and run.
    pub(crate) fn queue(&self, model: &str, n_waiting: usize, n_running: usize) {
        self.queued.with_label_values(&[model]).set(n_waiting as i64);
        self.running.with_label_values(&[model]).set(n_running as i64);
    }

    /// All of them, in Prometheus' text format 0.0.4.
    pub(crate) fn text(&self) -> Vec<u8> {
        let mut text = Vec::new();
        TextEncoder::new().encode(&self.registry.gather(), &mut text).expect("a vector takes all");
        text
    }
}

fn add<C: Collector + Clone + 'static>(registry: &Registry, metric: C) -> C {
    registry.register(Box::new(metric.clone())).expect("each name is there once");
    metric
}
