//! A conversation with a model, a message a line: `cargo run --release --example chat -- MODEL [SYSTEM]`
#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use std::{
    env,
    io::{Write, stdin, stdout},
    ops::ControlFlow,
};

use attentive::prelude::*;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let model = env::args().nth(1).ok_or("usage: chat MODEL [SYSTEM]")?;
    let bundle = Bundle::open(model)?;
    let chat = Chat::from_bundle(&bundle, &BackendKind::Flex.device()?, None)?;
    let mut conversation = Conversation::default();
    conversation.set_system(&env::args().nth(2).unwrap_or_default());
    for line in stdin().lines() {
        conversation.messages.push(Message::user(line?));
        let answer = chat.answer(&mut conversation, &bundle.generation, |piece| {
            print!("{piece}");
            // A reader that is gone ends the answer.
            if stdout().flush().is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })?;
        println!("\n({:?}, {} messages)", answer.ended, conversation.messages.len());
    }
    Ok(())
}
