//! Texts of any length and format, translated sentence by sentence.

use attentive_bundle::Translation;

use crate::{
    app::Turn,
    error::Failure,
    http::pieces,
    models::{Served, TranslationEngine, Wish},
    text::{
        markup::{self, Fragment, Node, Run},
        sentences::{self, Part},
    },
};

/// How texts are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Text,
    Html,
}

/// A text on its way: its sentences are numbers in the list of all.
enum Text<'a> {
    Plain(Vec<Part<'a>>),
    Html(Vec<Node<'a>>),
}

/// Translates texts together, whatever their length: for each its translations, best first.
pub(crate) fn translate(
    turn: &Turn,
    texts: &[String],
    format: Format,
    wish: &Wish,
) -> Result<Vec<Vec<String>>, Failure> {
    let wish = &own_languages(&turn.served, wish)?;
    let cut = Cut::of(turn, wish)?;
    let read: Vec<Text<'_>> = texts
        .iter()
        .map(|text| match format {
            Format::Text => Text::Plain(cut.parts(text)),
            Format::Html => Text::Html(markup::nodes(text)),
        })
        .collect();
    let of_texts: Vec<(Vec<&str>, Wish)> =
        read.iter().zip(texts).map(|(read, text)| (cut.sentences(read), cut.wish_of(read, text, wish))).collect();
    cut.reads(of_texts.iter().flat_map(|(sentences, _)| sentences).copied())?;
    let mut translated = Vec::with_capacity(texts.len());
    for ((text, (_, wish)), own) in read.iter().zip(&of_texts).zip(find_together(&cut, &of_texts)?) {
        let n_best = own.iter().map(Vec::len).max().unwrap_or(1).max(1);
        let mut ranked = Vec::with_capacity(n_best);
        for rank in 0..n_best {
            // A sentence that has fewer gives its last.
            let of_rank: Vec<&Translation> = own.iter().filter_map(|best| best.get(rank).or(best.last())).collect();
            if rank == 0 {
                turn.writes(of_rank.iter().map(|one| one.tokens.len() + usize::from(one.is_finished)).sum());
            }
            ranked.push(match text {
                Text::Plain(parts) => sentences::joined(parts, of_rank.iter().map(|one| &*one.text)),
                Text::Html(nodes) => html(&cut, nodes, &of_rank, wish)?,
            });
        }
        translated.push(ranked);
    }
    Ok(translated)
}

/// The translations of each sentence of texts, those of all texts into one language together.
fn find_together(cut: &Cut<'_>, of_texts: &[(Vec<&str>, Wish)]) -> Result<Vec<Vec<Vec<Translation>>>, Failure> {
    let target = |&idx: &usize| of_texts[idx].1.target.as_deref();
    let mut order: Vec<usize> = (0..of_texts.len()).collect();
    order.sort_by_key(target);
    let mut found = vec![Vec::new(); of_texts.len()];
    for alike in order.chunk_by(|a, b| target(a) == target(b)) {
        let sentences: Vec<&str> = alike.iter().flat_map(|&idx| &of_texts[idx].0).copied().collect();
        let mut of_all = cut.find(&sentences, &of_texts[alike[0]].1)?.into_iter();
        for &idx in alike {
            found[idx] = of_all.by_ref().take(of_texts[idx].0.len()).collect();
        }
    }
    Ok(found)
}

/// A text, and what its sentences were translated to.
pub(crate) struct TranslatedParts<'t> {
    pub(crate) parts: Vec<Part<'t>>,
    /// Translations of each sentence, best first.
    pub(crate) found: Vec<Vec<Translation>>,
    /// Tokens that were read.
    pub(crate) n_read: usize,
}

/// Translates a text of any length; `wish` is that [of the text](TranslationEngine::wish_of).
pub(crate) fn translate_parts<'t>(turn: &Turn, text: &'t str, wish: &Wish) -> Result<TranslatedParts<'t>, Failure> {
    let cut = Cut::of(turn, wish)?;
    let parts = cut.parts(text);
    let sentences = sentences_of(&parts);
    let n_read = cut.reads(sentences.iter().copied())?;
    let found = cut.find(&sentences, wish)?;
    Ok(TranslatedParts { parts, found, n_read })
}

/// The wish with the model's own names of languages; those of a model that is not told any are left out.
pub(crate) fn own_languages(served: &Served, wish: &Wish) -> Result<Wish, Failure> {
    use crate::models::Languages;
    let Some(languages) = &served.facts.languages else {
        return match wish.source.as_deref().or(wish.target.as_deref()) {
            None => Ok(wish.clone()),
            Some(name) => {
                let problem = format!(
                    "nothing says which languages the model {:?} is of: leave {name:?} out, or start the server with --languages",
                    served.name
                );
                Err(Failure::field("target", problem))
            }
        };
    };
    let own = |field: &str, names: &[String], wanted: Option<&str>| match wanted {
        None => Ok(None),
        Some(wanted) => match Languages::own(names, wanted) {
            Some(own) => Ok(Some(own.to_owned())),
            None => {
                let some: Vec<&str> = names.iter().take(8).map(|name| &**name).collect();
                let more = if names.len() > some.len() { ", …" } else { "" };
                let known = some.join(", ");
                Err(Failure::field(field, format!("the model has no language {wanted:?}, but {known}{more}")))
            }
        },
    };
    let source = match own("source", &languages.source, wish.source.as_deref()) {
        Err(_) if languages.are_open => wish.source.clone(),
        source => source?,
    };
    let target = own("target", &languages.target, wish.target.as_deref())?;
    let is_told = languages.are_told;
    Ok(Wish { source: source.filter(|_| is_told), target: target.filter(|_| is_told), ..wish.clone() })
}

/// How texts are cut into sentences.
struct Cut<'a> {
    turn: &'a Turn,
    engine: &'a TranslationEngine,
    language: Option<&'a str>,
}

impl<'a> Cut<'a> {
    /// By the language of a wish, or else the model's.
    fn of(turn: &'a Turn, wish: &'a Wish) -> Result<Self, Failure> {
        let engine = turn.served.translation()?;
        Ok(Self { turn, engine, language: wish.source.as_deref().or(turn.served.source_language()) })
    }

    /// The tokens of sentences, which are counted, and refused where those of a request are too many together.
    fn reads<'s>(&self, sentences: impl IntoIterator<Item = &'s str>) -> Result<usize, Failure> {
        let n_read = sentences.into_iter().map(|one| self.engine.n_tokens(one)).sum();
        self.turn.reads_tokens(n_read)?;
        Ok(n_read)
    }

    /// The translations of sentences, best first.
    fn find(&self, sentences: &[&str], wish: &Wish) -> Result<Vec<Vec<Translation>>, Failure> {
        let Turn { app, ticket, .. } = self.turn;
        self.engine.sentences(sentences, wish, &app.config.limits, ticket)
    }

    fn parts<'t>(&self, text: &'t str) -> Vec<Part<'t>> {
        let language = self.language.map(|name| name.split(['_', '-']).next().unwrap_or(name));
        sentences::parts(text, language, &|sentence| self.engine.fits(sentence))
    }

    /// The wish for a text; a page says its language where its first text begins.
    fn wish_of(&self, read: &Text<'_>, text: &str, wish: &Wish) -> Wish {
        let of_run = |node: &Node<'_>| match node {
            Node::Run(run) if !run.text.trim().is_empty() => Some(self.engine.wish_of(&run.text, wish)),
            _ => None,
        };
        match read {
            Text::Plain(_) => self.engine.wish_of(text, wish),
            Text::Html(nodes) => nodes.iter().find_map(of_run).unwrap_or_else(|| wish.clone()),
        }
    }

    /// The sentences of a text, in their order.
    fn sentences<'t>(&self, text: &'t Text<'_>) -> Vec<&'t str> {
        match text {
            Text::Plain(parts) => sentences_of(parts),
            Text::Html(nodes) => {
                let run = |node: &'t Node<'_>| match node {
                    Node::Run(run) => sentences_of(&self.parts(&run.text)),
                    Node::Kept(_) => Vec::new(),
                };
                nodes.iter().flat_map(run).collect()
            }
        }
    }
}

fn sentences_of<'t>(parts: &[Part<'t>]) -> Vec<&'t str> {
    let sentence = |part: &Part<'t>| match part {
        Part::Sentence(sentence) => Some(*sentence),
        Part::Space(_) => None,
    };
    parts.iter().filter_map(sentence).collect()
}

/// A page with its sentences translated.
fn html(cut: &Cut<'_>, nodes: &[Node<'_>], translations: &[&Translation], wish: &Wish) -> Result<String, Failure> {
    let mut html = String::new();
    let mut translations = translations.iter();
    for node in nodes {
        match node {
            Node::Kept(raw) => html.push_str(raw),
            Node::Run(run) => html.push_str(&run.write(&fragments(cut, run, &mut translations, wish)?)),
        }
    }
    Ok(html)
}

/// The pieces of a run's translation, each with where it comes from.
fn fragments<'t>(
    cut: &Cut<'_>,
    run: &Run<'_>,
    translations: &mut impl Iterator<Item = &'t &'t Translation>,
    wish: &Wish,
) -> Result<Vec<Fragment>, Failure> {
    let mut fragments = Vec::new();
    let mut at = 0;
    for part in cut.parts(&run.text) {
        match part {
            Part::Space(space) => {
                fragments.push(Fragment { text: space.to_owned(), source: at });
                at += space.len();
            }
            Part::Sentence(sentence) => {
                if let Some(translation) = translations.next() {
                    let pieces = if run.has_tags() {
                        aligned(cut, sentence, translation, wish)?
                    } else {
                        vec![Fragment { text: translation.text.clone(), source: 0 }]
                    };
                    fragments.extend(pieces.into_iter().map(|piece| Fragment { source: at + piece.source, ..piece }));
                }
                at += sentence.len();
            }
        }
    }
    Ok(fragments)
}

/// The words of a translation, each with the byte of the sentence that the model looked at most as it wrote it; of a model
/// that does not tell, the one as far from the beginning.
fn aligned(cut: &Cut<'_>, sentence: &str, translation: &Translation, wish: &Wish) -> Result<Vec<Fragment>, Failure> {
    let engine = cut.engine;
    let pair = engine.pair(sentence, &translation.tokens, wish)?;
    let columns = pair.around[0]..pair.source.len() - pair.around[1];
    let views =
        if TranslationEngine::can_look(&pair) { engine.views(&pair, &cut.turn.ticket)? } else { Default::default() };
    let columns_of_rows = views.aligned(columns.clone());
    let starts: Vec<usize> =
        engine.tokenizer().encode_with_offsets(sentence).into_iter().map(|(_, range)| range.start).collect();
    // Row n is what is looked at as token n is written. A text's words are told by its tokens' texts.
    let mut places = Vec::new(); // of each byte of the translation
    for (n, text) in pieces(engine.tokenizer(), &[], &pair.target).into_iter().enumerate() {
        let column = columns_of_rows.get(n).and_then(|column| column.checked_sub(columns.start));
        let place = column.and_then(|column| starts.get(column).copied());
        places.extend(std::iter::repeat_n(place, text.len()));
    }
    let even = |at: usize| at * sentence.len() / translation.text.len().max(1);
    let place = |at: usize| places.get(at).copied().flatten().unwrap_or_else(|| even(at));
    Ok(words(&translation.text)
        .into_iter()
        .map(|(start, text)| {
            let first = start + text.len() - text.trim_start().len();
            let source = sentence.floor_char_boundary(skip_space(sentence, place(first)));
            Fragment { text: text.to_owned(), source }
        })
        .collect())
}

/// The first byte from `at` on that is not white space, or `at`.
fn skip_space(text: &str, at: usize) -> usize {
    let rest = text.get(at..).unwrap_or_default();
    at + rest.len() - rest.trim_start().len()
}

/// The words of a text, each with the white space before it; marks are words of their own.
fn words(text: &str) -> Vec<(usize, &str)> {
    let mut words = Vec::new();
    let (mut start, mut in_word, mut after_space) = (0, false, true);
    for (at, c) in text.char_indices() {
        let is_word = c.is_alphanumeric();
        if !after_space && (c.is_whitespace() || in_word != is_word) {
            words.push((start, &text[start..at]));
            start = at;
        }
        (in_word, after_space) = (is_word, c.is_whitespace());
    }
    if start < text.len() {
        words.push((start, &text[start..]));
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_all_of_a_text() {
        let text = " Das Tier, das (zu) müde war. ";
        let words = words(text);
        assert_eq!(words.iter().map(|(_, word)| *word).collect::<String>(), text);
        let found: Vec<&str> = words.iter().map(|(_, word)| word.trim()).collect();
        assert_eq!(
            found,
            ["Das", "Tier", ",", "das", "(", "zu", ")", "müde", "war", ".", ""],
            "the last is white space"
        );
    }
}
