//! HTML whose text is translated and whose tags stay.
//!
//! The text of a block is read as a whole, so that `<b>` does not cut a sentence in two. Tags within it go where the
//! words went that they were around: to each piece of a translation the place in the source that it came from is known.

use std::{collections::HashMap, iter, ops::Range};

use html5gum::{Token, Tokenizer, emitters::default::DefaultEmitter};

/// A part of a page.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Node<'a> {
    /// Tags and what is not translated, as they are.
    Kept(&'a str),
    /// Text of one block.
    Run(Run<'a>),
}

/// The text of a block, without its tags, and these.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Run<'a> {
    /// The text, its entities resolved.
    pub(crate) text: String,
    /// Elements around bytes of the text, outer ones first.
    elements: Vec<Element<'a>>,
    /// What is kept between two bytes of the text.
    points: Vec<(usize, &'a str)>,
}

/// An element within a run.
#[derive(Debug, PartialEq, Eq)]
struct Element<'a> {
    of: Range<usize>,
    open: &'a str,
    close: &'a str,
}

/// A piece of a translation, and the byte of the run's text that it comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fragment {
    pub(crate) text: String,
    pub(crate) source: usize,
}

/// Elements that are within a sentence.
const INLINE: [&[u8]; 25] = [
    b"a", b"abbr", b"b", b"bdi", b"bdo", b"big", b"cite", b"data", b"del", b"dfn", b"em", b"font", b"i", b"ins",
    b"label", b"mark", b"q", b"s", b"small", b"span", b"strong", b"sub", b"sup", b"time", b"u",
];

/// Elements within a sentence whose content is not translated.
const OPAQUE_INLINE: [&[u8]; 6] = [b"code", b"kbd", b"samp", b"var", b"math", b"svg"];

/// Other elements whose content is not translated.
const OPAQUE: [&[u8]; 3] = [b"pre", b"template", b"textarea"];

/// Elements whose content is not read as HTML.
const RAW: [&[u8]; 8] = [b"iframe", b"noembed", b"noframes", b"noscript", b"plaintext", b"script", b"style", b"xmp"];

/// The most elements of a run that are open within one another; a deeper one ends the run, as a block does.
const MAX_DEPTH: usize = 64;

/// Elements without content that are within a sentence.
const VOID_INLINE: [&[u8]; 2] = [b"img", b"wbr"];

/// What a tokenizer sees.
enum Kind {
    Open(Vec<u8>, bool),
    Close(Vec<u8>),
    Text(String),
    Comment,
    Other,
}

/// The parts of a page, which make it again side by side, if each run is written as it is.
pub(crate) fn nodes(html: &str) -> Vec<Node<'_>> {
    let mut builder = Builder { html, nodes: Vec::new(), run: Run::default(), open: Vec::new() };
    let events = events(html);
    let ends = ends(&events);
    let mut at = 0;
    while let Some((kind, range)) = events.get(at) {
        let raw = &html[range.clone()];
        let closed_at = ends[at];
        at += 1;
        match kind {
            Kind::Text(text) => builder.text(text),
            Kind::Comment => builder.point(raw),
            Kind::Open(name, is_no) => {
                let is_inline = of(&INLINE, name) || of(&OPAQUE_INLINE, name);
                let is_opaque = *is_no || of(&OPAQUE, name) || of(&OPAQUE_INLINE, name) || of(&RAW, name);
                // What nothing closes goes on to the end, if it is not HTML.
                let end = closed_at.or(of(&RAW, name).then(|| events.len() - 1));
                if is_opaque && let Some(end) = end {
                    let raw = &html[range.start..events[end].1.end];
                    if is_inline {
                        builder.point(raw);
                    } else {
                        builder.keep(raw);
                    }
                    at = end + 1;
                } else if of(&VOID_INLINE, name) {
                    builder.point(raw);
                } else if is_inline && !is_opaque && builder.open.len() < MAX_DEPTH {
                    builder.open(name, range.clone());
                } else {
                    builder.keep(raw);
                }
            }
            Kind::Close(name) => builder.close(name, range.clone()),
            Kind::Other => builder.keep(raw),
        }
    }
    builder.end();
    builder.nodes
}

fn of(names: &[&[u8]], name: &[u8]) -> bool {
    names.contains(&name)
}

/// The tokens of a page, each with its place; together they are all of it.
fn events(html: &str) -> Vec<(Kind, Range<usize>)> {
    let mut emitter = DefaultEmitter::<usize>::new_with_span();
    emitter.naively_switch_states(true);
    let mut events: Vec<(Kind, Range<usize>)> = Vec::new();
    let mut end = 0;
    let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
    for token in Tokenizer::new_with_emitter(html.as_bytes(), emitter).flatten() {
        let (kind, span) = match token {
            Token::StartTag(tag) => {
                let has = |name: &[u8], value: &str| {
                    let found = tag.attributes.get(name).map(|found| text(found));
                    found.is_some_and(|found| found.split_whitespace().any(|word| word.eq_ignore_ascii_case(value)))
                };
                let is_no = has(b"translate", "no") || has(b"class", "notranslate");
                (Kind::Open(tag.name.to_vec(), is_no), tag.span)
            }
            Token::EndTag(tag) => (Kind::Close(tag.name.to_vec()), tag.span),
            Token::String(string) => (Kind::Text(text(&string)), string.span),
            Token::Comment(comment) => (Kind::Comment, comment.span),
            Token::Doctype(doctype) => (Kind::Other, doctype.span),
            Token::Error(_) => continue,
        };
        let next = html.floor_char_boundary(span.end.min(html.len())).max(end);
        let start = html.floor_char_boundary(span.start.min(next)).max(end);
        // What no token is of belongs to the tag beside it.
        let from = match (&kind, events.last_mut()) {
            (Kind::Text(_), Some((_, before))) => {
                before.end = start;
                start
            }
            _ => end,
        };
        events.push((kind, from..next));
        end = next;
    }
    if end < html.len() {
        events.push((Kind::Other, end..html.len()));
    }
    events
}

/// For each event that opens an element the one that closes it, if there is one.
fn ends(events: &[(Kind, Range<usize>)]) -> Vec<Option<usize>> {
    let mut open: HashMap<&[u8], Vec<usize>> = HashMap::new();
    let mut ends = vec![None; events.len()];
    for (at, (kind, _)) in events.iter().enumerate() {
        match kind {
            Kind::Open(name, _) => open.entry(name.as_slice()).or_default().push(at),
            Kind::Close(name) => {
                if let Some(first) = open.get_mut(name.as_slice()).and_then(Vec::pop) {
                    ends[first] = Some(at);
                }
            }
            _ => {}
        }
    }
    ends
}

/// Makes nodes of what comes one after another.
struct Builder<'a> {
    html: &'a str,
    nodes: Vec<Node<'a>>,
    run: Run<'a>,
    open: Vec<Opened>,
}

/// An element that is open.
struct Opened {
    name: Vec<u8>,
    tag: Range<usize>,
    /// Its place in the run's text.
    at: usize,
    /// Elements and points of the run before it.
    n_before: [usize; 2],
}

impl<'a> Builder<'a> {
    fn text(&mut self, text: &str) {
        self.run.text.push_str(text);
    }

    fn point(&mut self, raw: &'a str) {
        self.run.points.push((self.run.text.len(), raw));
    }

    fn open(&mut self, name: &[u8], tag: Range<usize>) {
        let Run { text, elements, points } = &self.run;
        let n_before = [elements.len(), points.len()];
        self.open.push(Opened { name: name.to_vec(), tag, at: text.len(), n_before });
    }

    fn close(&mut self, name: &[u8], tag: Range<usize>) {
        let is_last = self.open.last().is_some_and(|open| open.name == name);
        let Some(Opened { tag: first, at, n_before: [n_elements, n_points], .. }) = self.open.pop_if(|_| is_last)
        else {
            let html = self.html;
            return self.keep(&html[tag]);
        };
        let run = &mut self.run;
        if run.text.len() > at {
            let element = Element { of: at..run.text.len(), open: &self.html[first], close: &self.html[tag] };
            // Outer elements come first.
            run.elements.insert(n_elements, element);
        } else {
            // Around a picture, for example: all of it stays as it is.
            run.points.truncate(n_points);
            run.points.push((at, &self.html[first.start..tag.end]));
        }
    }

    /// Ends the run, if there is one, and keeps a tag.
    fn keep(&mut self, raw: &'a str) {
        self.end();
        self.nodes.push(Node::Kept(raw));
    }

    /// Ends the run. A tag within it that nothing closes is kept where it is, between runs.
    fn end(&mut self) {
        let html = self.html;
        let open: Vec<(usize, &str)> = self.open.drain(..).map(|open| (open.at, &html[open.tag])).collect();
        let run = std::mem::take(&mut self.run);
        let (mut rest, mut first) = (run, 0);
        for (at, raw) in open {
            let (before, after) = rest.split(at - first);
            before.push_to(&mut self.nodes);
            self.nodes.push(Node::Kept(raw));
            (rest, first) = (after, at);
        }
        rest.push_to(&mut self.nodes);
    }
}

impl<'a> Run<'a> {
    /// The parts before and after a byte of the text that no element is around.
    fn split(mut self, at: usize) -> (Self, Self) {
        let text = self.text.split_off(at);
        let (before, after): (Vec<_>, Vec<_>) = self.elements.into_iter().partition(|element| element.of.end <= at);
        let moved = |Element { of, open, close }| Element { of: of.start - at..of.end - at, open, close };
        let elements = after.into_iter().map(moved).collect();
        let n_before = self.points.partition_point(|&(place, _)| place <= at);
        let points = self.points.split_off(n_before).into_iter().map(|(place, raw)| (place - at, raw)).collect();
        (Self { text: self.text, elements: before, points: self.points }, Run { text, elements, points })
    }

    fn push_to(self, nodes: &mut Vec<Node<'a>>) {
        if self != Self::default() {
            nodes.push(Node::Run(self));
        }
    }

    /// Whether there is something within the text that has to find its place.
    pub(crate) fn has_tags(&self) -> bool {
        !self.elements.is_empty() || !self.points.is_empty()
    }

    /// The run as HTML again: `fragments` in their order, each within the elements that its source is in.
    ///
    /// An element that no fragment comes from is put around the one that comes from nearest; without fragments, around
    /// nothing.
    pub(crate) fn write(&self, fragments: &[Fragment]) -> String {
        let nothing = [Fragment { text: String::new(), source: 0 }];
        let fragments = if fragments.is_empty() { &nothing[..] } else { fragments };
        let wanted = self.wanted(fragments);
        let mut html = String::new();
        let mut open: Vec<usize> = Vec::new();
        let mut points = self.points.iter().peekable();
        for (fragment, wanted) in fragments.iter().zip(wanted) {
            let text = fragment.text.trim_start();
            let n_same = open.iter().zip(&wanted).take_while(|(a, b)| a == b).count();
            open.drain(n_same..).rev().for_each(|element| html.push_str(self.elements[element].close));
            while let Some(point) = points.next_if(|(at, _)| *at <= fragment.source) {
                self.put(point, &mut html);
            }
            escape(&fragment.text[..fragment.text.len() - text.len()], &mut html);
            for &element in &wanted[n_same..] {
                html.push_str(self.elements[element].open);
                open.push(element);
            }
            escape(text, &mut html);
        }
        open.into_iter().rev().for_each(|element| html.push_str(self.elements[element].close));
        points.for_each(|point| self.put(point, &mut html));
        html
    }

    /// Writes what is kept, after white space where there was some before it.
    fn put(&self, &(at, raw): &(usize, &str), html: &mut String) {
        let has_space = |text: &str| text.ends_with(char::is_whitespace);
        if has_space(&self.text[..at]) && !has_space(html) && !html.is_empty() {
            html.push(' ');
        }
        html.push_str(raw);
    }

    /// For each of some fragments, one at least, the elements that it is put into, outer ones first.
    fn wanted(&self, fragments: &[Fragment]) -> Vec<Vec<usize>> {
        let nesting = Nesting::of(&self.elements);
        let mut wanted: Vec<Vec<usize>> = fragments.iter().map(|fragment| nesting.around(fragment.source)).collect();
        let mut has_place = vec![false; self.elements.len()];
        wanted.iter().flatten().for_each(|&number| has_place[number] = true);
        let mut sources: Vec<(usize, usize)> =
            fragments.iter().enumerate().map(|(at, fragment)| (fragment.source, at)).collect();
        sources.sort_unstable();
        sources.dedup_by_key(|&mut (source, _)| source); // the first fragment of each stays
        for (number, element) in self.elements.iter().enumerate() {
            if has_place[number] {
                continue;
            }
            let start = element.of.start;
            let after = sources.partition_point(|&(source, _)| source <= start);
            let beside = &sources[after.saturating_sub(1)..sources.len().min(after + 1)];
            let nearest = beside.iter().min_by_key(|&&(source, at)| (source.abs_diff(start), at));
            if let Some(&(_, nearest)) = nearest {
                let path = nesting.path(Some(number));
                path.iter().for_each(|&number| has_place[number] = true);
                wanted[nearest].extend(path);
            }
        }
        for numbers in &mut wanted {
            numbers.sort_unstable();
            numbers.dedup();
        }
        wanted
    }
}

/// How elements are within one another.
struct Nesting {
    /// The element that each is in.
    parents: Vec<Option<usize>>,
    /// From which byte on which element is the innermost.
    innermost: Vec<(usize, Option<usize>)>,
}

impl Nesting {
    fn of(elements: &[Element<'_>]) -> Self {
        let (mut parents, mut innermost) = (Vec::with_capacity(elements.len()), vec![(0, None)]);
        let mut open: Vec<usize> = Vec::new();
        for (number, element) in elements.iter().enumerate() {
            while let Some(last) = open.pop_if(|last| elements[*last].of.end <= element.of.start) {
                innermost.push((elements[last].of.end, open.last().copied()));
            }
            parents.push(open.last().copied());
            innermost.push((element.of.start, Some(number)));
            open.push(number);
        }
        while let Some(last) = open.pop() {
            innermost.push((elements[last].of.end, open.last().copied()));
        }
        Self { parents, innermost }
    }

    /// The elements around a byte of the text, outer ones first.
    fn around(&self, at: usize) -> Vec<usize> {
        let n_before = self.innermost.partition_point(|&(from, _)| from <= at);
        self.path(self.innermost[..n_before].last().and_then(|&(_, innermost)| innermost))
    }

    /// An element after those that it is in.
    fn path(&self, element: Option<usize>) -> Vec<usize> {
        let mut path: Vec<usize> = iter::successors(element, |&number| self.parents[number]).collect();
        path.reverse();
        path
    }
}

/// Writes text so that it is text in HTML.
pub(crate) fn escape(text: &str, html: &mut String) {
    for c in text.chars() {
        match c {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '\u{a0}' => html.push_str("&nbsp;"),
            c => html.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Each word of a run by itself, in its place.
    fn same(run: &Run<'_>) -> Vec<Fragment> {
        let mut fragments = Vec::new();
        let mut start = 0;
        for (at, c) in run.text.char_indices().chain([(run.text.len(), ' ')]) {
            if c.is_whitespace() && at > start {
                let text = &run.text[start..at];
                let space = if text.trim().is_empty() { 0 } else { text.len() - text.trim_start().len() };
                let source = start + space;
                fragments.push(Fragment { text: text.to_owned(), source });
                start = at;
            }
        }
        fragments
    }

    fn write(html: &str, fragments: impl Fn(&Run<'_>) -> Vec<Fragment>) -> String {
        let node = |node: &Node<'_>| match node {
            Node::Kept(raw) => (*raw).to_owned(),
            Node::Run(run) => run.write(&fragments(run)),
        };
        nodes(html).iter().map(node).collect()
    }

    #[test]
    fn a_page_whose_words_stay_is_the_same() {
        for html in [
            "<!doctype html><html><body class=\"a\"><p>The <b>animal</b> slept.</p>\n<p>It was <i>too <u>tired</u></i> again.</p></body></html>",
            "a &lt; b &amp; c",
            "<p>before <br> after</p><script>if (a < b) { x() }</script>",
            "no tags",
            "see <a href=\"/x?a=1&amp;b=2\">this <em>page</em></a> and <code>a &lt; b</code> there",
            "a <a href=\"#\"><img src=\"x\"></a> b <b><i></i></b> c",
            "<p class=notranslate>left alone</p><p translate=\"no\">and <b>this</b></p>",
            "one <!-- not seen --> two",
            "",
        ] {
            assert_eq!(write(html, same), html);
        }
    }

    #[test]
    fn the_text_of_a_block_is_one_text() {
        let nodes = nodes("<p>The <b>animal</b> did <i>not</i> cross.</p>");
        let texts: Vec<&str> = nodes
            .iter()
            .filter_map(|node| match node {
                Node::Run(run) => Some(&*run.text),
                Node::Kept(_) => None,
            })
            .collect();
        assert_eq!(texts, ["The animal did not cross."]);
    }

    #[test]
    fn tags_go_where_their_words_went() {
        // did not cross: ging nicht hinüber
        let html = "He did <b>not</b> <a href=\"#\">cross</a>.";
        let fragments = |_: &Run<'_>| {
            let words = [("Er", 0), (" kam", 11), (" nicht", 7), (" rüber", 11), (".", 16)];
            words.map(|(text, source)| Fragment { text: text.to_owned(), source }).to_vec()
        };
        assert_eq!(write(html, fragments), "Er <a href=\"#\">kam</a> <b>nicht</b> <a href=\"#\">rüber</a>.");
    }

    #[test]
    fn an_element_that_nothing_came_from_is_not_lost() {
        let html = "a <i><b>b</b></i> c";
        let fragments = |_: &Run<'_>| vec![Fragment { text: "x".into(), source: 0 }];
        assert_eq!(write(html, fragments), "<i><b>x</b></i>");
    }

    #[test]
    fn elements_are_not_lost_where_nothing_is_written() {
        assert_eq!(write("<p>see <a href=\"#\">it</a><br>x</p>", |_| Vec::new()), "<p><a href=\"#\"></a><br></p>");
    }

    #[test]
    fn elements_are_as_deep_as_a_reader_could_mean_them() {
        let html = format!("a {}b c{} <code>d</code><code>e", "<b>".repeat(200), "</b>".repeat(200));
        assert_eq!(write(&html, same), html);
        let deepest = |node: &Node<'_>| match node {
            Node::Run(run) => run.wanted(&same(run)).iter().map(Vec::len).max().unwrap_or(0),
            Node::Kept(_) => 0,
        };
        assert!(nodes(&html).iter().map(deepest).max() <= Some(MAX_DEPTH));
    }

    #[test]
    fn what_a_model_writes_is_text() {
        let fragments = |_: &Run<'_>| vec![Fragment { text: "<script>&".into(), source: 0 }];
        assert_eq!(write("<p>x</p>", fragments), "<p>&lt;script&gt;&amp;</p>");
    }

    proptest! {
        #[test]
        fn any_page_is_taken_and_keeps_its_tags(html in "(<b>|</b>|<i x='>'>|</i>|<p>|</p>|<br/>|<code>|</code>|<!--|-->|&amp;|&|<|[a-z ä]|<script>|</script>){0,40}") {
            let written = write(&html, same);
            for tag in ["<p>", "<br/>", "</p>"] {
                let count = |text: &str| text.matches(tag).count();
                prop_assert!(count(&written) >= count(&html).min(count(&written)), "{}", written);
            }
            for node in nodes(&html) {
                let Node::Run(Run { text, elements, .. }) = node else { continue };
                for at in 0..=text.len() {
                    let around = (0..elements.len()).filter(|&number| elements[number].of.contains(&at));
                    prop_assert_eq!(Nesting::of(&elements).around(at), around.collect::<Vec<usize>>());
                }
            }
            // What was written is read as the same parts.
            let texts = |html: &str| nodes(html).into_iter().filter_map(|node| match node {
                Node::Run(run) => Some(run.text.split_whitespace().collect::<String>()),
                Node::Kept(_) => None,
            }).collect::<String>();
            prop_assert_eq!(texts(&written), texts(&html));
        }
    }
}
