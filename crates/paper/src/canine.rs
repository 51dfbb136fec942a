//! CANINE-C's pre-training (Clark et al. 2022, Figure 2).

use std::fmt::Write;

use attentive_core::FrameIds;
use attentive_data::{Masking, MaskingConfig};
use attentive_plot::Drawing;
use attentive_task::Result;

use crate::{Exhibit, Table};

/// Characters of the text at the most: more are not read in one drawing.
const LONGEST: usize = 100;
/// The character that hides others, as the released models have it; the frame is not drawn.
const IDS: FrameIds = FrameIds { pad: 0, begin: 0xe000, end: 0xe001, mask: 0xe003 };
/// Side of a character's cell, and the upper edge of each line of cells.
const CELL: f64 = 20.0;
const TEXT: f64 = 40.0;
const READ: f64 = 90.0;
const STEPS: f64 = 190.0;
const LEFT: f64 = 12.0;
/// Vermilion for what is hidden, blue for what is guessed (Okabe and Ito 2008).
const HIDDEN: &str = "#d55e00";
const GUESSED: &str = "#0072b2";

/// What CANINE-C's pre-training makes of a text: which characters are hidden, and in which order they are guessed.
#[derive(Debug, Clone, PartialEq)]
pub struct Canine {
    /// The text, of at most 100 characters.
    pub text: String,
    /// The part of its characters that is hidden.
    pub rate: f64,
    /// The seed of spans and order.
    pub seed: u64,
}

/// 15 % of a sentence, as in the paper.
impl Default for Canine {
    fn default() -> Self {
        Self { text: "CANINE reads characters and not words or their parts.".to_owned(), rate: 0.15, seed: 9 }
    }
}

/// A guess: where, and what is right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Guess {
    place: usize,
    character: char,
}

impl Canine {
    /// What each step reads and guesses; the drawing `canine`.
    ///
    /// # Errors
    /// The text has nothing that could be hidden, or is too long.
    pub fn make(&self) -> Result<Exhibit> {
        let text: Vec<char> = self.text.chars().collect();
        if text.len() > LONGEST {
            refuse!("a text of {} characters does not fit a drawing: give at most {LONGEST}", text.len());
        }
        let guesses = self.guesses(&text);
        if guesses.is_empty() {
            refuse!("the text has nothing but white space: give one with words");
        }
        Ok(Exhibit::from([table(&guesses)]).with_figure("canine", Drawing::Svg(draw(&text, &guesses))))
    }

    /// The hidden characters in the order in which they are guessed, by the code that training hides them with.
    fn guesses(&self, text: &[char]) -> Vec<Guess> {
        let config = MaskingConfig { rate: self.rate, copies: 0 };
        let masking = Masking { shuffled: true, ..Masking::words(config, IDS, self.seed) };
        let mut row: Vec<u32> = text.iter().copied().map(u32::from).collect();
        let places: Vec<usize> = (0..row.len()).collect();
        let hidden = masking.hide(&mut row, &places, 0, 0);
        hidden.into_iter().map(|(place, _)| Guess { place, character: text[place] }).collect()
    }
}

fn table(guesses: &[Guess]) -> Table {
    let caption = "Each step reads the encoder's vector of its place and the character of the step before it, and sees the \
                   steps before it";
    let mut table = Table::new(["step", "place", "character before", "guess"]).under(caption);
    for (step, guess) in guesses.iter().enumerate() {
        let before = match step.checked_sub(1) {
            Some(before) => guesses[before].character.to_string(),
            None => "[CLS]".to_owned(),
        };
        table.row([(step + 1).to_string(), guess.place.to_string(), before, guess.character.to_string()]);
    }
    table
}

/// The text, what the encoder reads of it, and the steps in their order, each joined with its place.
fn draw(text: &[char], guesses: &[Guess]) -> String {
    let step_of = |place: usize| guesses.iter().position(|guess| guess.place == place);
    let of_places = (0..text.len()).map(|place| LEFT + place as f64 * CELL);
    let mut body = String::new();
    let mut add = |part: std::fmt::Arguments<'_>| body.write_fmt(part).expect("in memory");
    let below = STEPS + 4.0 * CELL;
    for (label, y) in [
        ("text", TEXT - 8.0),
        ("what the encoder reads: words are hidden, and numbers are the steps that guess their characters", READ - 8.0),
        (
            "one layer over the hidden characters, in the order of steps: above, the character before; below, the guess",
            below,
        ),
        (
            "⌊ is the row's first token, [CLS]; a step sees itself and what is to its left, and nothing to its right",
            below + CELL,
        ),
    ] {
        add(format_args!("{}", words(LEFT, y, "start", "#000", label)));
    }
    for (place, x) in of_places.enumerate() {
        let step = step_of(place);
        let fill = if step.is_some() { HIDDEN } else { "#fff" };
        add(format_args!("{}", cell(x, TEXT, "#fff", "#000", &text[place].to_string())));
        let (ink, label) = match step {
            Some(step) => ("#fff", (step + 1).to_string()),
            None => ("#000", text[place].to_string()),
        };
        add(format_args!("{}", cell(x, READ, fill, ink, &label)));
    }
    // Steps in the middle, below the text.
    let all = text.len().max(guesses.len()) as f64 * CELL;
    let first = LEFT + (all - guesses.len() as f64 * CELL) / 2.0;
    for (step, guess) in guesses.iter().enumerate() {
        let (x, of_place) = (first + step as f64 * CELL, LEFT + guess.place as f64 * CELL);
        let (from, to) = (READ + CELL, STEPS);
        let middle = CELL / 2.0;
        add(format_args!(
            "<path d=\"M{:.1} {from:.1}C{:.1} {:.1} {:.1} {:.1} {:.1} {to:.1}\" fill=\"none\" stroke=\"#999\"/>\n",
            of_place + middle,
            of_place + middle,
            from + 50.0,
            x + middle,
            to - 60.0,
            x + middle,
        ));
        let before = step.checked_sub(1).map_or("⌊".to_owned(), |before| guesses[before].character.to_string());
        add(format_args!("{}", cell(x, STEPS, "#eee", "#000", &before)));
        add(format_args!("{}", cell(x, STEPS + CELL, GUESSED, "#fff", &guess.character.to_string())));
        add(format_args!("{}", words(x + middle, STEPS + 3.0 * CELL - 4.0, "middle", "#000", &(step + 1).to_string())));
    }
    let (width, height) = ((2.0 * LEFT + all).max(640.0), STEPS + 5.0 * CELL + 12.0);
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.1} {height:.1}\" width=\"{width:.1}\" \
         height=\"{height:.1}\" font-family=\"sans-serif\" font-size=\"12\">\n<rect width=\"100%\" height=\"100%\" \
         fill=\"#fff\"/>\n{body}</svg>\n"
    )
}

fn cell(x: f64, top: f64, fill: &str, ink: &str, label: &str) -> String {
    let rect = format!(
        "<rect x=\"{x:.1}\" y=\"{top:.1}\" width=\"{CELL}\" height=\"{CELL}\" fill=\"{fill}\" stroke=\"#888\"/>\n"
    );
    rect + &words(x + CELL / 2.0, top + 14.5, "middle", ink, label)
}

fn words(x: f64, y: f64, anchor: &str, ink: &str, text: &str) -> String {
    let escaped = attentive_plot::escaped(text);
    format!("<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\" fill=\"{ink}\">{escaped}</text>\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_hidden_character_is_guessed_once_and_words_are_hidden_whole() {
        let canine = Canine::default();
        let text: Vec<char> = canine.text.chars().collect();
        let mut guesses = canine.guesses(&text);
        assert!(!guesses.is_sorted_by_key(|guess| guess.place), "an order that is drawn");
        guesses.sort_by_key(|guess| guess.place);
        for word in guesses.chunk_by(|a, b| a.place + 1 == b.place) {
            let [first, last] = [word[0].place, word[word.len() - 1].place];
            assert!(first == 0 || text[first - 1] == ' ');
            assert!(text.get(last + 1).is_none_or(|&after| after == ' '));
        }
        let exhibit = canine.make().unwrap();
        assert_eq!(exhibit.tables().next().unwrap().rows().len(), guesses.len());
        let svg = exhibit.figures[0].drawing.to_svg();
        assert_eq!(svg.matches("<path ").count(), guesses.len());
        assert_eq!(svg.matches("<rect ").count(), 1 + 2 * text.len() + 2 * guesses.len());
    }

    #[test]
    fn texts_that_cannot_be_drawn_are_refused_and_others_escaped() {
        let of = |text: &str| Canine { text: text.to_owned(), ..Canine::default() }.make();
        assert!(of(" \n").unwrap_err().to_string().contains("white space"));
        assert!(of(&"a".repeat(101)).unwrap_err().to_string().contains("at most 100"));
        let svg = of("<b>&\u{1}").unwrap().figures[0].drawing.to_svg();
        assert!(svg.contains(">&lt;<") && svg.contains(">&amp;<") && !svg.contains('\u{1}'));
    }
}
