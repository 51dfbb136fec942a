//! Built-in pictures whose class is in no part of them, but in what two corners show together.

use crate::{Picture, random::Random};

/// Height and width of a picture.
const SIDE: usize = 32;

/// Height and width of a corner.
const CORNER: usize = 12;

/// The names of the shapes, which are the classes.
pub const SHAPE_LABELS: [&str; 4] = ["circle", "cross", "square", "triangle"];

/// Small pictures: in a corner stripes, in the opposite one a shape. Where the stripes lie, the class is the shape;
/// where they stand, it is the shape's partner: circle and square, cross and triangle.
///
/// Stripes alone say nothing of the class, and a shape alone leaves two, so that whoever sees the parts of a picture
/// without their relation is right half of the time. Places, colours, noise and dots in the other corners vary.
///
/// ```
/// use attentive_vision::Shapes;
///
/// let shapes = Shapes { seed: 1, n: 100 };
/// let (picture, class) = shapes.picture(7);
/// assert_eq!((picture.size(), picture.channels()), ([32, 32], 3));
/// assert_eq!(shapes.picture(7), (picture, class));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shapes {
    /// The seed that pictures are drawn from.
    pub seed: u64,
    /// Number of pictures.
    pub n: usize,
}

/// A canvas of colours.
struct Canvas(Vec<[f64; 3]>);

impl Canvas {
    /// Paints the points of a square, of `side` pixels from a row and a column on, that are in the figure.
    fn paint(&mut self, [top, left]: [usize; 2], side: usize, colour: [f64; 3], figure: impl Fn(f64, f64) -> bool) {
        let middle = (side as f64 - 1.0) / 2.0;
        for at in 0..side * side {
            let (row, column) = (at / side, at % side);
            if figure(row as f64 - middle, column as f64 - middle) {
                self.0[(top + row) * SIDE + left + column] = colour;
            }
        }
    }
}

impl Shapes {
    /// The class of a picture.
    pub fn class(&self, idx: usize) -> u32 {
        let Scene { shape, stands, .. } = self.scene(idx);
        ((shape + 2 * usize::from(stands)) % SHAPE_LABELS.len()) as u32
    }

    /// A picture and its class.
    pub fn picture(&self, idx: usize) -> (Picture, u32) {
        let Scene { shape, stands, corner, mut random } = self.scene(idx);
        let shade = random.within(20.0, 70.0);
        let mut canvas = Canvas(vec![[shade; 3]; SIDE * SIDE]);
        let colour = |random: &mut Random| std::array::from_fn(|_| random.within(100.0, 255.0));
        for number in 0..4 {
            // Corners are numbered row by row, and so the opposite of the first is the last.
            let first = [number / 2, number % 2].map(|at| at * (SIDE - CORNER));
            let place = |side: usize, random: &mut Random| first.map(|first| first + random.below(CORNER - side + 1));
            match number {
                number if number == corner => {
                    let at = place(8, &mut random);
                    let colour = colour(&mut random);
                    let lies = |along: f64| (along + 4.0).rem_euclid(4.0) < 2.0;
                    canvas.paint(at, 8, colour, |row, column| lies(if stands { column } else { row }));
                }
                number if number == 3 - corner => {
                    let at = place(9, &mut random);
                    let colour = colour(&mut random);
                    canvas.paint(at, 9, colour, |row, column| is_in(shape, row, column));
                }
                _ => {
                    for _ in 0..2 {
                        let at = place(2, &mut random);
                        let colour = colour(&mut random);
                        canvas.paint(at, 2, colour, |_, _| true);
                    }
                }
            }
        }
        let noisy =
            canvas.0.iter().flatten().map(|&value| (value + random.within(-15.0, 15.0)).clamp(0.0, 255.0) as u8);
        (Picture::new([SIDE; 2], 3, noisy.collect()), self.class(idx))
    }

    fn scene(&self, idx: usize) -> Scene {
        let mut random = Random::of(&[self.seed, idx as u64]);
        let (shape, corner) = (random.below(SHAPE_LABELS.len()), random.below(4));
        Scene { shape, corner, stands: random.chance(0.5), random }
    }
}

/// What a picture shows.
struct Scene {
    shape: usize,
    /// The corner of the stripes.
    corner: usize,
    /// Whether the stripes stand.
    stands: bool,
    /// What draws the rest.
    random: Random,
}

/// Whether a point, counted from the middle of 9 × 9, is in a shape.
fn is_in(shape: usize, row: f64, column: f64) -> bool {
    let far = (row * row + column * column).sqrt();
    let outer = row.abs().max(column.abs());
    match shape {
        0 => (2.8..=4.4).contains(&far),
        1 => row.abs() < 1.0 || column.abs() < 1.0,
        2 => outer > 2.5,
        _ => column.abs() <= (row + 4.0) / 2.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_are_balanced_and_no_part_alone_says_them() {
        let shapes = Shapes { seed: 3, n: 4000 };
        let mut counts = [[[0; 4]; 4]; 2];
        for idx in 0..shapes.n {
            let Scene { shape, stands, .. } = shapes.scene(idx);
            let class = shapes.class(idx) as usize;
            assert_eq!(class, shapes.picture(idx).1 as usize);
            counts[usize::from(stands)][shape][class] += 1;
        }
        // Of stripes alone: a quarter of each class. Of a shape alone: half of two.
        for (stands, counts) in counts.iter().enumerate() {
            for class in 0..4 {
                let n: u32 = counts.iter().map(|counts| counts[class]).sum();
                assert!((400..600).contains(&n), "{stands} {class}: {n}");
            }
            for (shape, counts) in counts.iter().enumerate() {
                let class = (shape + 2 * stands) % 4;
                assert!(counts.iter().enumerate().all(|(other, &n)| (other == class) == (n > 0)), "{counts:?}");
            }
        }
    }

    #[test]
    fn pictures_of_another_seed_or_index_differ() {
        let picture = |seed, idx| Shapes { seed, n: 10 }.picture(idx).0;
        assert_ne!(picture(1, 0), picture(2, 0));
        assert_ne!(picture(1, 0), picture(1, 1));
    }
}
