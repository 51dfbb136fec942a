//! A trie over byte strings.

use crate::tokenizer::TokenId;

/// Finds all entries that a text begins with, in one walk.
#[derive(Clone, Debug)]
pub(crate) struct Trie {
    nodes: Vec<Node>,
    /// The edges of a node lie side by side, sorted by label.
    labels: Vec<u8>,
    targets: Vec<u32>,
}

#[derive(Clone, Debug, Default)]
struct Node {
    first_edge: u32,
    n_edges: u16,
    id: Option<TokenId>,
}

impl Trie {
    /// A trie of `entries`; of equal ones the last counts.
    pub(crate) fn new<'a>(entries: impl IntoIterator<Item = (&'a [u8], TokenId)>) -> Self {
        let mut entries: Vec<_> = entries.into_iter().collect();
        entries.sort_by_key(|&(entry, _)| entry);
        let mut trie = Self { nodes: vec![Node::default()], labels: Vec::new(), targets: Vec::new() };
        // Breadth first: a node, and the entries that begin with its `depth` bytes.
        let mut level = vec![(0, &entries[..])];
        for depth in 0.. {
            let mut next_level = Vec::new();
            for (node, entries) in level {
                let n_ended = entries.partition_point(|(entry, _)| entry.len() == depth);
                let (ended, longer) = entries.split_at(n_ended);
                trie.nodes[node].id = ended.last().map(|&(_, id)| id);
                trie.nodes[node].first_edge = trie.labels.len() as u32;
                for children in longer.chunk_by(|(a, _), (b, _)| a[depth] == b[depth]) {
                    next_level.push((trie.nodes.len(), children));
                    trie.labels.push(children[0].0[depth]);
                    trie.targets.push(trie.nodes.len() as u32);
                    trie.nodes[node].n_edges += 1;
                    trie.nodes.push(Node::default());
                }
            }
            if next_level.is_empty() {
                break;
            }
            level = next_level;
        }
        trie
    }

    /// The entries that `text` begins with, shortest first: their lengths and ids.
    pub(crate) fn prefixes(&self, text: &[u8]) -> impl Iterator<Item = (usize, TokenId)> {
        let mut node = &self.nodes[0];
        let walk = text.iter().zip(1..).map_while(move |(byte, len)| {
            let edges = node.first_edge as usize..node.first_edge as usize + usize::from(node.n_edges);
            let edge = edges.start + self.labels[edges].binary_search(byte).ok()?;
            node = &self.nodes[self.targets[edge] as usize];
            Some((len, node.id))
        });
        walk.filter_map(|(len, id)| Some((len, id?)))
    }

    /// The longest entry that `text` begins with: its length and id.
    pub(crate) fn longest_entry(&self, text: &[u8]) -> Option<(usize, TokenId)> {
        self.prefixes(text).last()
    }

    /// The length of the longest entry that `text` begins with.
    pub(crate) fn longest(&self, text: &[u8]) -> Option<usize> {
        self.longest_entry(text).map(|(len, _)| len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_every_prefix() {
        let trie = Trie::new([(&b"tired"[..], 0), (b"ti", 1), (b"t", 2), (b"too", 3), (b"wide", 4)]);
        let found = |text: &str| trie.prefixes(text.as_bytes()).collect::<Vec<_>>();
        assert_eq!(found("tired, too"), [(1, 2), (2, 1), (5, 0)]);
        assert_eq!(found("tall"), [(1, 2)]);
        assert_eq!(found("xt"), []);
        assert_eq!(trie.longest(b"too"), Some(3));
        assert_eq!(Trie::new([]).longest(b"too"), None);
    }
}
