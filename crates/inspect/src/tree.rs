//! A beam search as a tree of tokens, to be looked at.

use std::{collections::BTreeMap, fmt::Write, path::Path};

use attentive_decode::{BeamTrace, BeamTree, Fate, Node};
use attentive_tokenizer::Tokenizer;
use serde_json::{Value, json};

use crate::{
    InspectError, label,
    markup::{escape, policy},
};

/// The style of a page, and of a drawing.
const PAGE_STYLE: &str = include_str!("page/tree.css");
const STYLE: &str = include_str!("page/tree-drawing.css");
/// Height of a row, width of a letter, space between columns, and space around a drawing, in pixels.
const ROW: f64 = 20.0;
const LETTER: f64 = 7.5;
const GAP: f64 = 36.0;
const MARGIN: f64 = 16.0;

/// A beam search as a tree of tokens: the hypotheses that were kept, those that were dropped, and why.
///
/// It is written as text, as an object, as a drawing, or as a page.
#[derive(Debug, Clone, PartialEq)]
pub struct SearchTree {
    source: String,
    groups: Vec<Group>,
}

/// The tree of one group of the beam.
#[derive(Debug, Clone, PartialEq)]
struct Group {
    tree: BeamTree,
    /// What each node's token says.
    labels: Vec<String>,
    /// The nodes after each, and last those that begin the text.
    children: Vec<Vec<usize>>,
    /// The rank of the best result that each node leads to.
    results: Vec<Option<usize>>,
}

impl SearchTree {
    /// The tree of a search for the translation of `source`, whose tokens `tokenizer` names.
    pub fn new(source: &str, trace: &BeamTrace, tokenizer: &dyn Tokenizer) -> Self {
        let group = |tree: &BeamTree| Group::new(tree.clone(), tokenizer);
        Self { source: source.to_owned(), groups: trace.trees().iter().map(group).collect() }
    }

    /// It in the form that the name of a file asks for: `.txt`, `.json`, `.svg` or `.html`.
    ///
    /// # Errors
    /// [`InspectError::TreeForm`] if the name ends otherwise.
    pub fn to_file(&self, name: &Path) -> Result<String, InspectError> {
        match name.extension().and_then(|ending| ending.to_str()).map(str::to_ascii_lowercase).as_deref() {
            Some("txt") => Ok(self.to_text()),
            Some("json") => Ok(format!("{:#}\n", self.to_json())),
            Some("svg") => Ok(self.to_svg()),
            Some("html" | "htm") => Ok(self.to_html()),
            _ => Err(InspectError::TreeForm { name: name.to_owned() }),
        }
    }

    /// A line for each token, under the one that it continues: its probability, the log-probability of the text up to it in
    /// nats, and what became of it, unless it was continued.
    pub fn to_text(&self) -> String {
        let mut text = format!("{}\n", self.source);
        for (number, group) in self.groups.iter().enumerate() {
            if self.groups.len() > 1 {
                text += &format!("\ngroup {}\n", number + 1);
            }
            let roots = group.roots();
            let mut stack: Vec<(usize, String, bool)> = in_turn(roots, "");
            while let Some((node, rails, is_last)) = stack.pop() {
                let corner = if is_last { "└─ " } else { "├─ " };
                text += &format!("{rails}{corner}{}\n", group.line(node));
                let rails = rails + if is_last { "   " } else { "│  " };
                stack.extend(in_turn(&group.children[node], &rails));
            }
        }
        text
    }

    /// An object with the source and the nodes of each group; log-probabilities are in nats, and null where the model excludes
    /// a token.
    pub fn to_json(&self) -> Value {
        let groups: Vec<Value> = self.groups.iter().map(Group::to_json).collect();
        json!({ "source": self.source, "dropped": self.reasons(), "groups": groups })
    }

    /// How many hypotheses were dropped for each reason.
    fn reasons(&self) -> BTreeMap<&'static str, usize> {
        let mut reasons = BTreeMap::new();
        for node in self.groups.iter().flat_map(|group| &group.tree.nodes) {
            if let Fate::Dropped(why) = node.fate {
                *reasons.entry(why.name()).or_default() += 1;
            }
        }
        reasons
    }

    /// A drawing: the beginning is on the left, and each row ends with a result or a hypothesis that was dropped. It follows
    /// the reader's choice of light or dark.
    pub fn to_svg(&self) -> String {
        let (body, [width, height]) = self.draw();
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"tree\" viewBox=\"0 0 {width:.0} {height:.0}\" \
             width=\"{width:.0}\" height=\"{height:.0}\" role=\"img\">\n<title>Beam search: {}</title>\n\
             <style>{STYLE}</style>\n{body}</svg>\n",
            escape(&self.source)
        )
    }

    /// A page that needs nothing else: the results, how many hypotheses were dropped for which reason, the drawing, and the same
    /// as a list.
    pub fn to_html(&self) -> String {
        let style = format!("{PAGE_STYLE}{STYLE}");
        let (body, [width, height]) = self.draw();
        let source = escape(&self.source);
        let results: String = self.results().iter().map(|line| format!("<li>{}</li>\n", escape(line))).collect();
        let reason = |(why, n): (&'static str, usize)| format!("<tr><th scope=\"row\">{why}</th><td>{n}</td></tr>\n");
        let reasons: String = self.reasons().into_iter().map(reason).collect();
        let lists: String = self.groups.iter().map(Group::list).collect();
        format!(
            "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta http-equiv=\"Content-Security-Policy\" content=\"{}\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>Beam search: {source}</title>\n\
             <style>{style}</style>\n</head>\n<body>\n<main>\n<h1>Beam search: <bdi>{source}</bdi></h1>\n\
             <ol aria-label=\"Results\">\n{results}</ol>\n\
             <div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"The tree; the list below says the same\">\n\
             <svg class=\"tree\" viewBox=\"0 0 {width:.0} {height:.0}\" width=\"{width:.0}\" height=\"{height:.0}\" \
             aria-hidden=\"true\">\n{body}</svg>\n</div>\n\
             <table>\n<caption>Dropped hypotheses</caption>\n{reasons}</table>\n\
             <details>\n<summary>The tree as a list</summary>\n{lists}</details>\n</main>\n</body>\n</html>\n",
            policy(&style, None)
        )
    }

    /// The results, best first, each with its score.
    fn results(&self) -> Vec<String> {
        let mut found = BTreeMap::new();
        for group in &self.groups {
            for (at, node) in group.tree.nodes.iter().enumerate() {
                if let Fate::Found(rank) = node.fate {
                    found.entry(rank).or_insert_with(|| group.text(at));
                }
            }
        }
        found.into_values().collect()
    }

    /// The drawing's elements, and its width and height.
    fn draw(&self) -> (String, [f64; 2]) {
        let (mut body, mut width, mut top) = (String::new(), 0.0_f64, MARGIN);
        for (number, group) in self.groups.iter().enumerate() {
            if self.groups.len() > 1 {
                put(&mut body, format_args!("<text x=\"{MARGIN}\" y=\"{:.1}\">group {}</text>", top + 8.0, number + 1));
                top += ROW;
            }
            let [right, bottom] = group.draw(&mut body, top);
            (width, top) = (width.max(right), bottom + MARGIN);
        }
        (body, [width.max(200.0) + MARGIN, top])
    }
}

/// Nodes in the order in which a stack gives them, each with its rails and whether it is the last.
fn in_turn(nodes: &[usize], rails: &str) -> Vec<(usize, String, bool)> {
    nodes.iter().rev().enumerate().map(|(at, &node)| (node, rails.to_owned(), at == 0)).collect()
}

fn put(body: &mut String, element: std::fmt::Arguments<'_>) {
    // A string takes all.
    let _ = writeln!(body, "{element}");
}

/// A number with a real minus sign.
fn number(value: f64) -> String {
    if value == f64::NEG_INFINITY { "−∞".to_owned() } else { format!("{value:.3}").replace('-', "−") }
}

fn percent(log_prob: f32) -> String {
    format!("{:.1} %", 100.0 * f64::from(log_prob).exp())
}

impl Group {
    fn new(tree: BeamTree, tokenizer: &dyn Tokenizer) -> Self {
        let n = tree.nodes.len();
        let (mut children, mut results) = (vec![Vec::new(); n + 1], vec![None; n]);
        for (at, node) in tree.nodes.iter().enumerate() {
            children[node.parent.unwrap_or(n)].push(at);
        }
        // Parents are before their children.
        for at in (0..n).rev() {
            if let Fate::Found(rank) = tree.nodes[at].fate {
                results[at] = Some(rank);
            }
            if let (Some(rank), Some(parent)) = (results[at], tree.nodes[at].parent) {
                results[parent] = Some(results[parent].map_or(rank, |best: usize| best.min(rank)));
            }
        }
        let labels = tree.nodes.iter().map(|node| label(tokenizer, node.token)).collect();
        Self { tree, labels, children, results }
    }

    /// The nodes that begin the text.
    fn roots(&self) -> &[usize] {
        self.children.last().map_or(&[], Vec::as_slice)
    }

    /// The labels of a result, and its score.
    fn text(&self, at: usize) -> String {
        let up = std::iter::successors(Some(at), |&at| self.tree.nodes[at].parent);
        let mut labels: Vec<&str> = up.map(|at| self.labels[at].as_str()).collect();
        labels.reverse();
        let node = &self.tree.nodes[at];
        match node.score {
            Some(score) => format!("{} · score {}", labels.join(" "), number(score)),
            None => format!("{} · not finished, log-probability {}", labels.join(" "), number(node.total)),
        }
    }

    /// What became of a node, unless it was continued.
    fn status(&self, at: usize) -> Option<String> {
        let Node { fate, score, .. } = self.tree.nodes[at];
        let score = score.map_or_else(String::new, |score| format!(", score {}", number(score)));
        match fate {
            Fate::Kept => None,
            Fate::Found(rank) => Some(format!("result {}{score}", rank + 1)),
            Fate::Dropped(why) => Some(format!("{}{score}", why.name())),
        }
    }

    /// A token, its probability, the log-probability up to it, and what became of it.
    fn line(&self, at: usize) -> String {
        let Node { log_prob, total, .. } = self.tree.nodes[at];
        let status = self.status(at).map_or_else(String::new, |status| format!("  {status}"));
        format!("{}  {}  {}{status}", self.labels[at], percent(log_prob), number(total))
    }

    fn to_json(&self) -> Value {
        let node = |(at, node): (usize, &Node)| {
            let (fate, rank, reason) = match node.fate {
                Fate::Kept => ("kept", None, None),
                Fate::Found(rank) => ("found", Some(rank), None),
                Fate::Dropped(why) => ("dropped", None, Some(why.name())),
            };
            json!({
                "parent": node.parent, "id": node.token, "token": self.labels[at], "log_prob": node.log_prob,
                "total": node.total, "ranked": node.ranked, "score": node.score, "fate": fate, "rank": rank, "reason": reason,
            })
        };
        Value::Array(self.tree.nodes.iter().enumerate().map(node).collect())
    }

    /// Nested lists.
    fn list(&self) -> String {
        enum Open {
            Item(usize),
            End,
        }
        let mut html = "<ul>\n".to_owned();
        let mut stack: Vec<Open> = self.roots().iter().rev().map(|&node| Open::Item(node)).collect();
        while let Some(open) = stack.pop() {
            match open {
                Open::Item(node) if self.children[node].is_empty() => {
                    put(&mut html, format_args!("<li>{}</li>", escape(&self.line(node))));
                }
                Open::Item(node) => {
                    put(&mut html, format_args!("<li>{}<ul>", escape(&self.line(node))));
                    stack.push(Open::End);
                    stack.extend(self.children[node].iter().rev().map(|&node| Open::Item(node)));
                }
                Open::End => html += "</ul></li>\n",
            }
        }
        html + "</ul>\n"
    }

    /// Draws the tree from `top` down; returns its right edge and its lower one.
    fn draw(&self, body: &mut String, top: f64) -> [f64; 2] {
        let n = self.tree.nodes.len();
        let mut depth = vec![0_usize; n];
        let mut widths: Vec<f64> = Vec::new();
        let drawn: Vec<String> = (0..n).map(|at| self.drawn(at)).collect();
        for at in 0..n {
            depth[at] = self.tree.nodes[at].parent.map_or(0, |parent| depth[parent] + 1);
            widths.resize(widths.len().max(depth[at] + 1), 0.0);
            // The text of a leaf has the row to itself.
            if !self.children[at].is_empty() {
                widths[depth[at]] = widths[depth[at]].max(drawn[at].chars().count() as f64 * LETTER);
            }
        }
        let mut left = vec![MARGIN];
        for width in widths {
            left.push(left[left.len() - 1] + width + GAP);
        }
        // Leaves from the top down, and then parents in the middle of their children.
        let (mut y, mut next) = (vec![0.0; n], top + ROW / 2.0);
        let mut stack: Vec<usize> = self.roots().iter().rev().copied().collect();
        while let Some(at) = stack.pop() {
            if self.children[at].is_empty() {
                y[at] = next;
                next += ROW;
            }
            stack.extend(self.children[at].iter().rev());
        }
        for at in (0..n).rev() {
            if let [first, .., last] | [first @ last] = self.children[at][..] {
                y[at] = (y[first] + y[last]) / 2.0;
            }
        }
        let mut right = 0.0_f64;
        for at in 0..n {
            let Node { parent, log_prob, fate, .. } = self.tree.nodes[at];
            let class = match (fate, self.results[at]) {
                (_, Some(0)) => " class=\"best\"",
                (Fate::Dropped(_), _) => " class=\"dropped\"",
                _ => "",
            };
            let x = left[depth[at]];
            if let Some(parent) = parent {
                let from = left[depth[parent]] + drawn[parent].chars().count() as f64 * LETTER;
                let (to, bend, width) = (x - 4.0, x - GAP / 2.0, 1.0 + 2.0 * f64::from(log_prob).exp());
                put(
                    body,
                    format_args!(
                        "<path{class} stroke-width=\"{width:.1}\" d=\"M{from:.1} {:.1}H{:.1}C{bend:.1} {:.1} {bend:.1} \
                         {:.1} {to:.1} {:.1}\"/>",
                        y[parent],
                        x - GAP,
                        y[parent],
                        y[at],
                        y[at]
                    ),
                );
            }
            let text = escape(&drawn[at]);
            put(body, format_args!("<text{class} x=\"{x:.1}\" y=\"{:.1}\">{text}</text>", y[at] + 4.0));
            right = right.max(x + drawn[at].chars().count() as f64 * LETTER);
        }
        [right, next]
    }

    /// A node as it is drawn.
    fn drawn(&self, at: usize) -> String {
        let status = self.status(at).map_or_else(String::new, |status| format!(" · {status}"));
        format!("{} {}{status}", self.labels[at], percent(self.tree.nodes[at].log_prob))
    }
}
