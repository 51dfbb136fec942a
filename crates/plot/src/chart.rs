//! Line charts.

use crate::{
    Axis, Scale,
    canvas::{Anchor, Canvas, Colour, TextStyle},
};

pub(crate) const WIDTH: f64 = 720.0;
pub(crate) const HEIGHT: f64 = 300.0;
/// Margins for labels: left, right, top, bottom.
const MARGINS: [f64; 4] = [64.0, 16.0, 32.0, 44.0];
/// Largest number of points of a line; more are averaged.
const MAX_POINTS: usize = 600;
/// Largest number of points that a line shows as marks.
const MAX_DOTS: usize = 40;
/// A line of more points is smoothed if it goes up and down by more than this many times its range.
const ROUGH: f64 = 3.0;
/// The part of a line that a point of the smoothed one is the mean of.
const SMOOTHED_OVER: f64 = 0.04;
/// How much of its colour a line keeps under its smoothed one.
const FAINT: f64 = 0.3;
/// The most characters of a name.
const MAX_LABEL: usize = 90;
/// The colours of Okabe and Ito (2008), which colour-blind readers can distinguish.
pub(crate) const COLOURS: [Colour; 7] = [
    [0x00, 0x72, 0xb2],
    [0xd5, 0x5e, 0x00],
    [0x00, 0x9e, 0x73],
    [0xcc, 0x79, 0xa7],
    [0xe6, 0x9f, 0x00],
    [0x56, 0xb4, 0xe9],
    [0x00, 0x00, 0x00],
];
pub(crate) const GRID: Colour = [0xdd; 3];
const TICK: Colour = [0x88; 3];

/// A line of a chart.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    /// Its name.
    pub label: String,
    /// Points from left to right; the line breaks at a point that is not finite. A rough line is drawn faint, and a smoothed
    /// one over it.
    pub points: Vec<(f64, f64)>,
}

/// Lines over one axis.
#[derive(Debug, Clone, PartialEq)]
pub struct Chart {
    /// The quantity that is drawn, with its unit.
    pub title: String,
    /// The quantity on the horizontal axis.
    pub x_label: String,
    /// The lines.
    pub series: Vec<Series>,
}

/// Draws charts one below another. Lines of one name have one colour in all of them.
pub(crate) fn draw(charts: &[Chart], canvas: &mut impl Canvas) {
    let mut names: Vec<&str> = Vec::new();
    for series in charts.iter().flat_map(|chart| &chart.series) {
        if !names.contains(&series.label.as_str()) {
            names.push(&series.label);
        }
    }
    for (idx, chart) in charts.iter().enumerate() {
        // Charts of one quantity stand under one another.
        let alike = charts.iter().filter(|other| other.x_label == chart.x_label);
        let x_axis = Axis::over(alike.flat_map(Chart::points).map(|point| point.0));
        chart.draw(x_axis, idx as f64 * HEIGHT, &names, canvas);
    }
}

/// The end of a name that is too long for a chart, which tells more than its beginning.
fn shortened(label: &str) -> String {
    let n = label.chars().count();
    if n <= MAX_LABEL { label.to_owned() } else { "…".chars().chain(label.chars().skip(n + 1 - MAX_LABEL)).collect() }
}

impl Chart {
    fn points(&self) -> impl Iterator<Item = &(f64, f64)> {
        self.series.iter().flat_map(|series| &series.points)
    }

    /// The colour of each line: that of its name among those of all charts, or of its place where two would have one.
    fn colours(&self, names: &[&str]) -> Vec<Colour> {
        let number = |series: &Series| names.iter().position(|name| *name == series.label).unwrap_or(0) % COLOURS.len();
        let by_name: Vec<usize> = self.series.iter().map(number).collect();
        let differ = (1..by_name.len()).all(|at| !by_name[..at].contains(&by_name[at]));
        let of_line = |(at, by_name): (usize, usize)| COLOURS[if differ { by_name } else { at % COLOURS.len() }];
        by_name.into_iter().enumerate().map(of_line).collect()
    }

    /// Draws the chart from `y_0` on.
    fn draw(&self, x_axis: Axis, y_0: f64, names: &[&str], canvas: &mut impl Canvas) {
        let colours = self.colours(names);
        let [left, right, top, bottom] = MARGINS;
        let y_axis = Scale::over(self.points().map(|point| point.1));
        let (ceiling, floor, end) = (y_0 + top, y_0 + HEIGHT - bottom, WIDTH - right);
        let x_of = |x: f64| left + x_axis.place(x) * (end - left);
        let y_of = |y: f64| floor - y_axis.place(y) * (floor - ceiling);

        // Lines that end higher than they begin leave room for the legend at the left.
        let rise = |series: &Series| Some(series.points.last()?.1 - series.points.first()?.1);
        let rises = self.series.iter().filter_map(rise).filter(|rise| rise.is_finite()).sum::<f64>() > 0.0;

        canvas.text(
            (left, ceiling - 12.0),
            &self.title,
            TextStyle { is_bold: true, ..TextStyle::plain(Anchor::Start) },
        );
        for (value, label) in y_axis.ticks() {
            let y = y_of(value);
            canvas.line(&[(left, y), (end, y)], GRID, 1.0);
            canvas.text((left - 6.0, y + 4.0), &label, TextStyle::plain(Anchor::End));
        }
        for (value, label) in x_axis.ticks() {
            let x = x_of(value);
            canvas.line(&[(x, floor), (x, floor + 4.0)], TICK, 1.0);
            canvas.text((x, floor + 18.0), &label, TextStyle::plain(Anchor::Middle));
        }
        canvas.text((f64::midpoint(left, end), floor + bottom - 8.0), &self.x_label, TextStyle::plain(Anchor::Middle));
        for (series, &colour) in self.series.iter().zip(&colours) {
            let points = thinned(&series.points);
            for stretch in points.split(|(x, y)| !x.is_finite() || !y.is_finite()) {
                let places: Vec<(f64, f64)> = stretch.iter().map(|&(x, y)| (x_of(x), y_of(y))).collect();
                match places.len() {
                    0 | 1 => {}
                    _ if is_rough(stretch) => {
                        canvas.line(&places, faint(colour), 1.0);
                        let smooth: Vec<(f64, f64)> = smoothed(stretch).map(|(x, y)| (x_of(x), y_of(y))).collect();
                        canvas.line(&smooth, colour, 1.5);
                    }
                    _ => canvas.line(&places, colour, 1.5),
                }
                // A single point would not be visible.
                if places.len() == 1 || points.len() <= MAX_DOTS {
                    places.iter().for_each(|&place| canvas.dot(place, 2.5, colour));
                }
            }
        }
        // The legend, over the lines: one name for each, nearer to one another where there are many.
        let spacing = f64::min(14.0, (floor - ceiling) / self.series.len().max(1) as f64);
        for (idx, series) in self.series.iter().enumerate() {
            let y = ceiling + spacing * idx as f64 + 8.0;
            let (x, anchor) = if rises { (left + 6.0, Anchor::Start) } else { (end - 6.0, Anchor::End) };
            let style = TextStyle { colour: colours[idx], ..TextStyle::plain(anchor) };
            canvas.text((x, y), &shortened(&series.label), style);
        }
    }
}

/// Whether a line goes up and down so often that its course is hard to see.
fn is_rough(points: &[(f64, f64)]) -> bool {
    let (mut way, mut low, mut high) = (0.0, f64::INFINITY, f64::NEG_INFINITY);
    for pair in points.windows(2) {
        way += (pair[1].1 - pair[0].1).abs();
    }
    for &(_, y) in points {
        (low, high) = (f64::min(low, y), f64::max(high, y));
    }
    points.len() > MAX_DOTS && way > ROUGH * (high - low)
}

/// For each point, the straight line that is nearest to those around it, in least squares, at its place.
fn smoothed(points: &[(f64, f64)]) -> impl Iterator<Item = (f64, f64)> {
    let reach = ((points.len() as f64 * SMOOTHED_OVER) as usize).max(1);
    points.iter().enumerate().map(move |(at, &(x, _))| {
        let around = &points[at.saturating_sub(reach)..(at + reach + 1).min(points.len())];
        let mean = |part: fn(&(f64, f64)) -> f64| around.iter().map(part).sum::<f64>() / around.len() as f64;
        let (mean_x, mean_y) = (mean(|point| point.0), mean(|point| point.1));
        let (products, squares) = around.iter().fold((0.0, 0.0), |(products, squares), (x, y)| {
            (products + (x - mean_x) * (y - mean_y), squares + (x - mean_x).powi(2))
        });
        let slope = if squares > 0.0 { products / squares } else { 0.0 };
        (x, mean_y + slope * (x - mean_x))
    })
}

/// A colour on white, as if it were thin.
fn faint(colour: Colour) -> Colour {
    colour.map(|part| (255.0 - FAINT * (255.0 - f64::from(part))).round() as u8)
}

/// At most [`MAX_POINTS`] points, each the mean of those that it replaces.
fn thinned(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let mean = |chunk: &[(f64, f64)]| {
        let n = chunk.len() as f64;
        let (x, y) = chunk.iter().fold((0.0, 0.0), |(x, y), point| (x + point.0, y + point.1));
        (x / n, y / n)
    };
    points.chunks(points.len().div_ceil(MAX_POINTS).max(1)).map(mean).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Drawing;

    fn to_svg(charts: &[Chart]) -> String {
        Drawing::Charts(charts.to_vec()).to_svg()
    }

    fn chart(points: Vec<(f64, f64)>) -> Chart {
        let series = vec![Series { label: "a<b & c".into(), points }];
        Chart { title: "loss".into(), x_label: "step".into(), series }
    }

    /// The paths of the series.
    fn paths(charts: &[Chart]) -> Vec<String> {
        let svg = to_svg(charts);
        let lines = svg.lines().filter(|line| line.contains("stroke-width=\"1.5\""));
        lines.map(|line| line.split('"').nth(1).unwrap().to_owned()).collect()
    }

    #[test]
    fn corners_of_the_data_are_corners_of_the_frame() {
        // From 0 to 10 and from 0 to 100: the axes end where the data does.
        assert_eq!(paths(&[chart(vec![(0.0, 0.0), (10.0, 100.0)])]), ["M64.0 256.0L704.0 32.0"]);
    }

    #[test]
    fn lines_break_where_a_value_is_no_number() {
        let points = vec![(0.0, 0.0), (1.0, 1.0), (2.0, f64::NAN), (3.0, 1.0), (4.0, 2.0), (5.0, f64::NAN), (6.0, 2.0)];
        let svg = to_svg(&[chart(points.clone())]);
        assert_eq!(paths(&[chart(points)]).len(), 2);
        assert_eq!(svg.matches("<circle ").count(), 5);
        assert!(!svg.contains("NaN"));
    }

    #[test]
    fn a_rough_line_is_faint_under_a_smoothed_one() {
        let strokes = |points: Vec<(f64, f64)>| {
            let svg = to_svg(&[chart(points)]);
            ["#b3d5e8", "#0072b2"].map(|colour| svg.matches(&format!("stroke=\"{colour}\"")).count())
        };
        let line = |y: fn(f64) -> f64| (0..100).map(|x| (f64::from(x), y(f64::from(x)))).collect::<Vec<_>>();
        // Up and down around a slope; a peak, as a schedule has.
        assert_eq!(strokes(line(|x| x + 60.0 * (x % 2.0))), [1, 1]);
        assert_eq!(strokes(line(|x| x.min(120.0 - 2.0 * x))), [0, 1]);
        let straight = line(|x| 3.0 - 2.0 * x);
        assert!(smoothed(&straight).zip(&straight).all(|(is, was)| (is.1 - was.1).abs() < 1e-9));
        let mean = smoothed(&line(|x| x % 2.0)).nth(50).unwrap().1;
        assert!((mean - 0.5).abs() < 0.1, "{mean}");
    }

    #[test]
    fn the_legend_is_where_lines_are_low() {
        let anchor = |points| {
            let svg = to_svg(&[chart(points)]);
            let legend = svg.lines().find(|line| line.contains("a&lt;b")).unwrap();
            legend.split("text-anchor=\"").nth(1).unwrap().split('"').next().unwrap().to_owned()
        };
        assert_eq!(anchor(vec![(0.0, 0.0), (1.0, 1.0)]), "start");
        assert_eq!(anchor(vec![(0.0, 1.0), (1.0, 0.0)]), "end");
    }

    #[test]
    fn lines_of_one_name_have_one_colour_in_all_charts() {
        let named = |names: &[&str]| {
            let series = |name: &&str| Series { label: (*name).into(), points: vec![(0.0, 0.0), (1.0, 1.0)] };
            Chart { series: names.iter().map(series).collect(), ..chart(Vec::new()) }
        };
        let svg = to_svg(&[named(&["a", "b"]), named(&["b"])]);
        let of_line = |line: &str, key: &str| line.split(key).nth(1).map(|rest| rest[..8].to_owned());
        let strokes: Vec<_> = svg.lines().filter(|line| line.contains("stroke-width=\"1.5\"")).collect();
        let colours: Vec<_> = strokes.iter().map(|line| of_line(line, "stroke=")).collect();
        assert!(colours.len() == 3 && colours[0] != colours[1] && colours[1] == colours[2], "{colours:?}");
    }

    #[test]
    fn a_long_name_is_shown_by_its_end() {
        assert_eq!(shortened("runs/a"), "runs/a");
        let long = shortened(&format!("{}/the-end", "ü".repeat(200)));
        assert!(long.starts_with("…ü") && long.ends_with("ü/the-end") && long.chars().count() == MAX_LABEL, "{long}");
    }

    #[test]
    fn charts_of_one_quantity_have_one_axis() {
        let [long, short] = [10.0, 4.0].map(|end| chart(vec![(0.0, 0.0), (end, 1.0)]));
        let other = Chart { x_label: "seconds".into(), ..short.clone() };
        let ends = ["M64.0 256.0L704.0 32.0", "M64.0 556.0L320.0 332.0", "M64.0 856.0L704.0 632.0"];
        assert_eq!(paths(&[long, short, other]), ends);
    }

    #[test]
    fn text_is_escaped_and_long_series_are_thinned() {
        let long = chart((0..100_000).map(|i| (f64::from(i), 1.0)).collect());
        let svg = to_svg(&[long.clone(), chart(Vec::new())]);
        assert!(svg.contains("a&lt;b &amp; c") && !svg.contains("a<b"));
        assert!(svg.len() < 30_000, "{}", svg.len());
        assert!(Drawing::from(long).to_png().unwrap().len() < 200_000);
    }
}
