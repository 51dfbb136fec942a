//! Encoders: one thread owns the model, and reads what several requests ask for together.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, mpsc},
    thread,
};

use attentive_backend::Device;
use attentive_bundle::{
    Bundle, Class, EmbeddingConfig, EncodeError, Input, Pair, Stored, TextEncoder, TooLong, WeightFormat,
};

use prometheus::IntCounter;

use crate::{ServeError, error::Failure, ticket::Ticket};

/// Jobs that are looked at together.
const JOBS_AT_ONCE: usize = 64;

/// An encoder in use.
pub(crate) struct EncoderEngine {
    jobs: mpsc::Sender<Job>,
    /// The model's own settings of vectors.
    pub(crate) embedding: EmbeddingConfig,
}

/// A text, and whether it is cut where it is too long.
#[derive(Debug, Clone)]
pub(crate) struct OwnedInput {
    pub(crate) text: String,
    pub(crate) crop: bool,
}

impl OwnedInput {
    /// Inputs of texts, all of which are cut where they are too long, or none.
    pub(crate) fn all(texts: Vec<String>, crop: bool) -> Vec<Self> {
        texts.into_iter().map(|text| Self { text, crop }).collect()
    }
}

/// What is made of each text: an answer, or that it is too long.
type Answers<T> = Result<Vec<Result<T, TooLong>>, Failure>;

/// What a request asks for.
enum Job {
    Embed(Vec<OwnedInput>, EmbeddingConfig, Reply<Vec<f32>>),
    Classify(Vec<OwnedInput>, Reply<Vec<Class>>),
    ScorePairs(Vec<[OwnedInput; 2]>, Reply<f64>),
    Call(Box<dyn FnOnce(&Guarded) + Send>),
}

/// Where an answer goes, and whether it is still wanted.
struct Reply<T> {
    to: mpsc::Sender<Answers<T>>,
    ticket: Arc<Ticket>,
}

impl EncoderEngine {
    /// Gives the bundle's model to a thread of its own.
    pub(crate) fn new(
        bundle: Bundle<Stored>,
        device: &Device,
        precision: Option<WeightFormat>,
        panics: IntCounter,
    ) -> Result<Self, ServeError> {
        let (jobs, waiting) = mpsc::channel();
        let (told, loaded) = mpsc::channel();
        let device = device.clone();
        let embedding = bundle.embedding.clone();
        let work = move || {
            // Made here, as it does not leave its thread.
            let encoder = match TextEncoder::from_bundle(&bundle, &device, precision) {
                Ok(encoder) => encoder,
                Err(error) => return drop(told.send(Err(error))),
            };
            drop(bundle);
            let _ = told.send(Ok(()));
            work(&Guarded { encoder, panics }, &waiting);
        };
        thread::Builder::new().name("encoder".to_owned()).spawn(work).map_err(ServeError::Start)?;
        let ended = || ServeError::Start(std::io::Error::other("a model's thread has ended"));
        loaded.recv().map_err(|_| ended())??;
        Ok(Self { jobs, embedding })
    }

    /// A vector for each text.
    pub(crate) fn embed(
        &self,
        texts: Vec<OwnedInput>,
        how: EmbeddingConfig,
        ticket: &Arc<Ticket>,
    ) -> Result<Vec<Vec<f32>>, Failure> {
        self.ask(ticket, |reply| Job::Embed(texts, how, reply))
    }

    /// The classes of each text, the most probable first.
    pub(crate) fn classify(&self, texts: Vec<OwnedInput>, ticket: &Arc<Ticket>) -> Result<Vec<Vec<Class>>, Failure> {
        self.ask(ticket, |reply| Job::Classify(texts, reply))
    }

    /// How well the second text of each pair fits the first.
    pub(crate) fn score_pairs(&self, pairs: Vec<[OwnedInput; 2]>, ticket: &Arc<Ticket>) -> Result<Vec<f64>, Failure> {
        self.ask(ticket, |reply| Job::ScorePairs(pairs, reply))
    }

    /// What `ask` gets of the encoder.
    pub(crate) fn call<T: Send + 'static>(
        &self,
        ask: impl FnOnce(&TextEncoder) -> Result<T, EncodeError> + Send + 'static,
        ticket: &Arc<Ticket>,
    ) -> Result<T, Failure> {
        let (to, answer) = mpsc::channel();
        let of_job = Arc::clone(ticket);
        let call = move |encoder: &Guarded| {
            let _ = to.send(match of_job.over() {
                Some(over) => Err(over),
                None => encoder.ask(ask),
            });
        };
        self.jobs.send(Job::Call(Box::new(call))).map_err(|_| ended())?;
        answer.recv().map_err(|_| ended())?
    }

    fn ask<T>(&self, ticket: &Arc<Ticket>, job: impl FnOnce(Reply<T>) -> Job) -> Result<Vec<T>, Failure> {
        let (to, answer) = mpsc::channel();
        self.jobs.send(job(Reply { to, ticket: Arc::clone(ticket) })).map_err(|_| ended())?;
        let answers = answer.recv().map_err(|_| ended())??;
        let numbered = answers.into_iter().enumerate();
        let text = |(number, answer): (usize, Result<T, TooLong>)| {
            answer
                .map_err(|long| Failure::invalid(format!("text {} has {long}: shorten it, or have it cut", number + 1)))
        };
        numbered.map(text).collect()
    }
}

fn ended() -> Failure {
    Failure::broken(&std::io::Error::other("an encoder's thread has ended"))
}

/// An encoder whose panics are failures of what was asked for.
struct Guarded {
    encoder: TextEncoder,
    panics: IntCounter,
}

impl Guarded {
    fn ask<T>(&self, ask: impl FnOnce(&TextEncoder) -> Result<T, EncodeError>) -> Result<T, Failure> {
        // An encoder is read alone.
        match catch_unwind(AssertUnwindSafe(|| ask(&self.encoder))) {
            Ok(answer) => answer.map_err(Failure::from),
            Err(panic) => {
                self.panics.inc();
                Err(Failure::of_panic(&*panic))
            }
        }
    }
}

/// Answers jobs until nobody can ask any more, those of one kind that wait together at once.
fn work(encoder: &Guarded, waiting: &mpsc::Receiver<Job>) {
    while let Ok(first) = waiting.recv() {
        let jobs: Vec<Job> = [first].into_iter().chain(waiting.try_iter().take(JOBS_AT_ONCE - 1)).collect();
        let mut embeds: Vec<(EmbeddingConfig, Batch<OwnedInput, Vec<f32>>)> = Vec::new();
        let (mut classify, mut pairs) = (Batch::default(), Batch::default());
        for job in jobs {
            match job {
                Job::Embed(texts, how, reply) => match embeds.iter_mut().find(|(other, _)| *other == how) {
                    Some((_, batch)) => batch.add(texts, reply),
                    None => {
                        let mut batch = Batch::default();
                        batch.add(texts, reply);
                        embeds.push((how, batch));
                    }
                },
                Job::Classify(texts, reply) => classify.add(texts, reply),
                Job::ScorePairs(texts, reply) => pairs.add(texts, reply),
                Job::Call(call) => call(encoder),
            }
        }
        for (how, batch) in embeds {
            batch.answer(|texts| encoder.ask(|encoder| encoder.embed_all(&inputs(texts), &how)));
        }
        classify.answer(|texts| encoder.ask(|encoder| encoder.classify_all(&inputs(texts))));
        pairs.answer(|texts| encoder.ask(|encoder| encoder.score_pairs(&as_pairs(texts))));
    }
}

fn as_pairs(texts: &[[OwnedInput; 2]]) -> Vec<Pair<'_>> {
    texts.iter().map(|[first, second]| Pair { first: &first.text, second: &second.text, crop: first.crop }).collect()
}

fn inputs(texts: &[OwnedInput]) -> Vec<Input<'_>> {
    texts.iter().map(|OwnedInput { text, crop }| Input { text, crop: *crop }).collect()
}

/// Texts of several requests, and how many are of each.
struct Batch<I, T> {
    texts: Vec<I>,
    replies: Vec<(usize, Reply<T>)>,
}

impl<I, T> Default for Batch<I, T> {
    fn default() -> Self {
        Self { texts: Vec::new(), replies: Vec::new() }
    }
}

impl<I, T> Batch<I, T> {
    /// Adds a request, unless it is over.
    fn add(&mut self, texts: Vec<I>, reply: Reply<T>) {
        match reply.ticket.over() {
            Some(over) => drop(reply.to.send(Err(over))),
            None => {
                self.replies.push((texts.len(), reply));
                self.texts.extend(texts);
            }
        }
    }

    /// Hands each request its part of the answers; where they fail together, each is tried by itself.
    fn answer(self, ask: impl Fn(&[I]) -> Answers<T>) {
        let Self { texts, replies } = self;
        if replies.is_empty() {
            return;
        }
        match ask(&texts) {
            Ok(answers) => {
                let mut answers = answers.into_iter();
                for (n, reply) in replies {
                    let _ = reply.to.send(Ok(answers.by_ref().take(n).collect()));
                }
            }
            Err(failure) if replies.len() == 1 => {
                replies.into_iter().for_each(|(_, reply)| drop(reply.to.send(Err(failure.clone()))));
            }
            Err(_) => {
                let mut rest = &texts[..];
                for (n, reply) in replies {
                    let (own, others) = rest.split_at(n);
                    rest = others;
                    let _ = reply.to.send(ask(own));
                }
            }
        }
    }
}
