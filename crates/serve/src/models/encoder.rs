//! Encoders: one thread owns the model, and reads what several requests ask for together.

use std::{
    collections::VecDeque,
    ops::Range,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, mpsc},
    thread,
};

use attentive_backend::Device;
use attentive_bundle::{
    Bundle, Class, EmbeddingConfig, EncodeError, Input, Pair, Sequence, SharedParams, TextEncoder, TooLong,
    WeightFormat,
};
use attentive_tokenizer::Tokenizer;

use crate::{
    ServeError,
    error::{Failure, Kind},
    metrics::Meters,
    ticket::Ticket,
};

/// Jobs that are looked at together.
const JOBS_AT_ONCE: usize = 64;

/// Bytes of texts that are read together, a text at least: between such parts it is asked who still waits.
const BYTES_AT_ONCE: usize = 1 << 14;

/// An encoder in use.
pub(crate) struct EncoderEngine {
    jobs: mpsc::Sender<Job>,
    tokenizer: Arc<dyn Tokenizer>,
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

/// A text to classify, or two that are read as one.
#[derive(Debug, Clone)]
pub(crate) struct ToClassify {
    pub(crate) first: String,
    pub(crate) second: Option<String>,
    pub(crate) crop: bool,
    pub(crate) scale: Scale,
}

impl ToClassify {
    fn sequence(&self) -> Sequence<'_> {
        let Self { first, second, crop, .. } = self;
        match second {
            Some(second) => Sequence::Two(Pair { first, second, crop: *crop }),
            None => Sequence::One(Input { text: first, crop: *crop }),
        }
    }
}

/// What scores are told as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scale {
    /// What the model says.
    Raw,
    /// Probabilities, or what else the model's folder makes of its scores.
    Usual,
}

/// What is made of each text: an answer, or that it is too long.
type Answers<T> = Result<Vec<Result<T, TooLong>>, Failure>;

/// What a request asks for.
enum Job {
    Embed(Vec<OwnedInput>, EmbeddingConfig, Reply<Vec<f32>>),
    Classify(Vec<ToClassify>, Reply<Vec<Class>>),
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
        bundle: Bundle<SharedParams>,
        device: &Device,
        precision: Option<WeightFormat>,
        meters: Meters,
    ) -> Result<Self, ServeError> {
        let (jobs, waiting) = mpsc::channel();
        let (told, loaded) = mpsc::channel();
        let device = device.clone();
        let (tokenizer, embedding) = (Arc::clone(bundle.tokenizer()?), bundle.embedding.clone());
        let work = move || {
            // Made here, as it does not leave its thread.
            let encoder = match TextEncoder::from_bundle(&bundle, &device, precision) {
                Ok(encoder) => encoder,
                Err(error) => return drop(told.send(Err(error))),
            };
            drop(bundle);
            let _ = told.send(Ok(()));
            work(&Guarded { encoder, meters }, &waiting);
        };
        thread::Builder::new().name("encoder".to_owned()).spawn(work).map_err(ServeError::Start)?;
        let ended = || ServeError::Start(std::io::Error::other("a model's thread has ended"));
        loaded.recv().map_err(|_| ended())??;
        Ok(Self { jobs, tokenizer, embedding })
    }

    /// A vector for each text; one that is not to be cut is refused where the model's own settings would cut it.
    pub(crate) fn embed(
        &self,
        texts: Vec<OwnedInput>,
        how: EmbeddingConfig,
        ticket: &Arc<Ticket>,
    ) -> Result<Vec<Vec<f32>>, Failure> {
        for (number, input) in texts.iter().enumerate().filter(|(_, input)| !input.crop) {
            how.refuse_cut(&*self.tokenizer, &input.text).map_err(|long| too_long(number, long))?;
        }
        self.ask(ticket, |reply| Job::Embed(texts, how, reply))
    }

    /// The classes of each text or pair, the most probable first. How well the second text of a pair fits the first is the
    /// probability of the single class of a model that tells that.
    pub(crate) fn classify(&self, texts: Vec<ToClassify>, ticket: &Arc<Ticket>) -> Result<Vec<Vec<Class>>, Failure> {
        self.ask(ticket, |reply| Job::Classify(texts, reply))
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
        numbered.map(|(number, answer)| answer.map_err(|long| too_long(number, long))).collect()
    }
}

/// The failure of a text that is too long, by its number from 0.
fn too_long(number: usize, TooLong { n_tokens, max_len }: TooLong) -> Failure {
    let number = number + 1;
    Failure::new(
        Kind::TooLong,
        format!("text {number} has {n_tokens} tokens, and the model reads {max_len}: shorten it, or have it cut"),
    )
}

fn ended() -> Failure {
    Failure::broken(&std::io::Error::other("an encoder's thread has ended"))
}

/// An encoder whose panics are failures of what was asked for.
struct Guarded {
    encoder: TextEncoder,
    meters: Meters,
}

impl Guarded {
    fn ask<T>(&self, ask: impl FnOnce(&TextEncoder) -> Result<T, EncodeError>) -> Result<T, Failure> {
        self.attempt(ask).unwrap_or_else(|panic| {
            self.meters.panics.inc();
            Err(panic)
        })
    }

    /// What `ask` gets, or its panic, which is not counted.
    fn attempt<T>(
        &self,
        ask: impl FnOnce(&TextEncoder) -> Result<T, EncodeError>,
    ) -> Result<Result<T, Failure>, Failure> {
        // An encoder is read alone.
        match catch_unwind(AssertUnwindSafe(|| ask(&self.encoder))) {
            Ok(answer) => Ok(answer.map_err(Failure::from)),
            Err(panic) => Err(Failure::of_panic(&*panic)),
        }
    }
}

/// Answers jobs until nobody can ask any more, those of one kind that wait together at once.
fn work(encoder: &Guarded, waiting: &mpsc::Receiver<Job>) {
    while let Ok(first) = waiting.recv() {
        let jobs: Vec<Job> = [first].into_iter().chain(waiting.try_iter().take(JOBS_AT_ONCE - 1)).collect();
        let mut embeds: Vec<(EmbeddingConfig, Batch<OwnedInput, Vec<f32>>)> = Vec::new();
        let mut classes = Batch::default();
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
                Job::Classify(texts, reply) => classes.add(texts, reply),
                Job::Call(call) => call(encoder),
            }
        }
        for (how, batch) in embeds {
            batch.answer(encoder, |encoder, texts| encoder.embed_all(&inputs(texts), &how));
        }
        classes.answer(encoder, classify);
    }
}

/// The classes of texts and pairs, each in its own scale.
fn classify(encoder: &TextEncoder, texts: &[ToClassify]) -> Result<Vec<Result<Vec<Class>, TooLong>>, EncodeError> {
    let scores = encoder.label_scores(&texts.iter().map(ToClassify::sequence).collect::<Vec<_>>())?;
    let classes = |(text, scores): (&ToClassify, Result<Vec<f32>, TooLong>)| match text.scale {
        Scale::Raw => scores.map(|scores| encoder.raw_classes(&scores)),
        Scale::Usual => scores.map(|scores| encoder.classes(&scores)),
    };
    Ok(texts.iter().zip(scores).map(classes).collect())
}

fn inputs(texts: &[OwnedInput]) -> Vec<Input<'_>> {
    texts.iter().map(|OwnedInput { text, crop }| Input { text, crop: *crop }).collect()
}

/// What is read as one.
trait Read {
    /// Of its texts.
    fn bytes(&self) -> usize;
}

impl Read for OwnedInput {
    fn bytes(&self) -> usize {
        self.text.len()
    }
}

impl Read for ToClassify {
    fn bytes(&self) -> usize {
        self.first.len() + self.second.as_ref().map_or(0, String::len)
    }
}

/// Texts of several requests.
struct Batch<I, T> {
    texts: Vec<I>,
    requests: VecDeque<Request<T>>,
}

/// A request, and the answers that it has so far.
struct Request<T> {
    /// Which of the batch's texts are its own.
    texts: Range<usize>,
    reply: Reply<T>,
    answers: Answers<T>,
}

impl<I, T> Default for Batch<I, T> {
    fn default() -> Self {
        Self { texts: Vec::new(), requests: VecDeque::new() }
    }
}

impl<I: Read, T> Batch<I, T> {
    /// Adds a request.
    fn add(&mut self, texts: Vec<I>, reply: Reply<T>) {
        let first = self.texts.len();
        self.texts.extend(texts);
        self.requests.push_back(Request { texts: first..self.texts.len(), reply, answers: Ok(Vec::new()) });
    }

    /// Reads the texts in parts and hands each request its answers, unless nobody waits for them any more; where those of
    /// several requests fail together, each is tried by itself.
    fn answer(
        self,
        encoder: &Guarded,
        ask: impl Fn(&TextEncoder, &[I]) -> Result<Vec<Result<T, TooLong>>, EncodeError>,
    ) {
        let Self { texts, mut requests } = self;
        let ask = |of: &TextEncoder, texts: &[I]| {
            encoder.meters.batch_texts.observe(texts.len() as f64);
            ask(of, texts)
        };
        let mut next = 0;
        loop {
            while let Some(Request { reply, answers, .. }) = requests.pop_front_if(|first| first.texts.end <= next) {
                let _ = reply.to.send(answers);
            }
            let end = part_end(&texts, next);
            if end == next {
                return;
            }
            // Whose texts are in this part, and which they are.
            let mut wanted: Vec<(&mut Request<T>, Range<usize>)> = Vec::new();
            for request in requests.iter_mut().take_while(|request| request.texts.start < end) {
                if request.answers.is_ok()
                    && let Some(over) = request.reply.ticket.over()
                {
                    request.answers = Err(over);
                }
                if request.answers.is_ok() {
                    let own = request.texts.start.max(next)..request.texts.end.min(end);
                    wanted.push((request, own));
                }
            }
            let is_whole = wanted.iter().map(|(_, own)| own.len()).sum::<usize>() == end - next;
            // A failure is told, and a panic counted, where it is tried by itself.
            let together = (wanted.len() > 1 && is_whole)
                .then(|| encoder.attempt(|encoder| ask(encoder, &texts[next..end])).ok()?.ok())
                .flatten();
            let mut together = together.map(Vec::into_iter);
            for (request, own) in wanted {
                let found = match &mut together {
                    Some(all) => Ok(all.by_ref().take(own.len()).collect()),
                    None => encoder.ask(|encoder| ask(encoder, &texts[own])),
                };
                match (found, &mut request.answers) {
                    (Ok(found), Ok(answers)) => answers.extend::<Vec<_>>(found),
                    (Err(failure), answers) => *answers = Err(failure),
                    (Ok(_), Err(_)) => {}
                }
            }
            next = end;
        }
    }
}

/// Where the part that begins with a text ends.
fn part_end<I: Read>(texts: &[I], first: usize) -> usize {
    let mut n_bytes = 0;
    let fits = |text: &&I| {
        let is_first = n_bytes == 0;
        n_bytes += text.bytes().max(1);
        is_first || n_bytes <= BYTES_AT_ONCE
    };
    first + texts[first..].iter().take_while(fits).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_of_a_size_and_have_a_text_each() {
        let texts = OwnedInput::all([1, 1 << 20, 3, 0, 1 << 13, 1 << 13].map(|n| "a".repeat(n)).into(), false);
        let mut ends = vec![0];
        while ends.last() != Some(&texts.len()) {
            ends.push(part_end(&texts, ends[ends.len() - 1]));
        }
        assert_eq!(ends, [0, 1, 2, 5, 6]);
        assert_eq!(part_end(&texts, 6), 6);
    }
}
