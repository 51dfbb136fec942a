//! Server-sent events of a text that is being written.

use std::{collections::VecDeque, convert::Infallible, sync::Arc};

use axum::response::{
    IntoResponse, Response,
    sse::{Event, KeepAlive, Sse},
};
use futures_util::stream::unfold;
use serde_json::Value;

use super::answer::Interface;
use crate::{
    app::{App, Stream},
    error::{Failure, Kind},
    models::{Outcome, Told},
};

/// What is said of a text that is being written.
pub(super) enum News {
    /// A piece.
    Told(Told),
    /// The end.
    Over(Outcome),
}

/// A stream, and what is still to be sent of what has been said.
struct Sending<F> {
    stream: Stream,
    say: F,
    waiting: VecDeque<Event>,
    is_over: bool,
    interface: Interface,
    app: Arc<App>,
}

/// A stream as server-sent events, as `say` words them; after the last comes `[DONE]`. What fails at once is not a stream.
pub(super) async fn events<F>(
    app: &Arc<App>,
    mut stream: Stream,
    interface: Interface,
    mut say: F,
) -> Result<Response, Failure>
where
    F: FnMut(News) -> Vec<Value> + Send + 'static,
{
    let mut waiting = VecDeque::new();
    if let Some(first) = stream.first().await? {
        waiting.extend(say(News::Told(first)).iter().map(event));
    }
    let sending = Sending { stream, say, waiting, is_over: false, interface, app: Arc::clone(app) };
    let events = unfold(sending, |mut sending| async move {
        loop {
            if let Some(event) = sending.waiting.pop_front() {
                return Some((Ok::<_, Infallible>(event), sending));
            }
            if sending.is_over {
                return None;
            }
            sending.receive().await;
        }
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::default()).into_response())
}

impl<F: FnMut(News) -> Vec<Value>> Sending<F> {
    /// Waits for the next piece, or the end.
    async fn receive(&mut self) {
        if let Some(told) = self.stream.told.recv().await {
            let said = (self.say)(News::Told(told));
            self.waiting.extend(said.iter().map(event));
            return;
        }
        self.is_over = true;
        let said = match self.stream.end().await {
            Ok(outcome) => (self.say)(News::Over(outcome)),
            Err(failure) => {
                if failure.kind == Kind::Broken {
                    (self.app.log)(&failure.message);
                }
                vec![self.interface.body(&failure)]
            }
        };
        self.waiting.extend(said.iter().map(event));
        self.waiting.push_back(Event::default().data("[DONE]"));
    }
}

fn event(value: &Value) -> Event {
    Event::default().data(value.to_string())
}
