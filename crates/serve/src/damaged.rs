//! What is read of a client's bytes, without a server: for tests with damaged ones.

use crate::{
    http,
    text::{
        markup::{Fragment, Node, nodes},
        sentences::{Part, joined, parts},
    },
};

/// Reads a body as every place does that takes one; tells how many take it.
pub fn read_request(bytes: &[u8]) -> usize {
    http::read_as_all(bytes)
}

/// Reads a page, and writes it again with each of its texts in one piece.
pub fn read_page(html: &str) -> String {
    let write = |node: Node<'_>| match node {
        Node::Kept(raw) => raw.to_owned(),
        Node::Run(run) => run.write(&[Fragment { text: run.text.clone(), source: 0 }]),
    };
    nodes(html).into_iter().map(write).collect()
}

/// Cuts a text into sentences of at most `most` bytes, where it can, and puts it together again.
pub fn read_text(text: &str, most: usize) -> String {
    let parts = parts(text, None, &|sentence| sentence.len() <= most.max(4));
    let sentences: Vec<&str> = parts
        .iter()
        .filter_map(|part| match part {
            Part::Sentence(sentence) => Some(*sentence),
            Part::Space(_) => None,
        })
        .collect();
    joined(&parts, sentences)
}
