//! Line charts as SVG.

use std::fmt::Write;

use crate::Axis;

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 300.0;
/// Room for labels: left, right, top, bottom.
const MARGINS: [f64; 4] = [64.0, 16.0, 32.0, 44.0];
/// Points of a line; more of them are averaged.
const MAX_POINTS: usize = 600;
/// The colours of Okabe and Ito (2008), which the colour-blind tell apart.
const COLOURS: [&str; 7] = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000"];

/// A line of a chart.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    /// What it is called.
    pub label: String,
    /// Points from left to right; where one is not finite, the line breaks.
    pub points: Vec<(f64, f64)>,
}

/// Lines over one axis.
#[derive(Debug, Clone, PartialEq)]
pub struct Chart {
    /// What is drawn, with its unit.
    pub title: String,
    /// What it is drawn over.
    pub x_label: String,
    /// The lines.
    pub series: Vec<Series>,
}

/// Charts beneath one another, as one SVG document.
pub fn page(charts: &[Chart]) -> String {
    let height = HEIGHT * charts.len() as f64;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" height=\"{height}\" \
         font-family=\"sans-serif\" font-size=\"12\">\n<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n"
    );
    for (idx, chart) in charts.iter().enumerate() {
        svg += &format!("<g transform=\"translate(0 {})\">\n{}</g>\n", idx as f64 * HEIGHT, chart.draw());
    }
    svg + "</svg>\n"
}

impl Chart {
    fn draw(&self) -> String {
        let [left, right, top, bottom] = MARGINS;
        let points = || self.series.iter().flat_map(|series| &series.points);
        let (x_axis, y_axis) = (Axis::over(points().map(|p| p.0)), Axis::over(points().map(|p| p.1)));
        let x_of = |x: f64| left + x_axis.place(x) * (WIDTH - left - right);
        let y_of = |y: f64| HEIGHT - bottom - y_axis.place(y) * (HEIGHT - top - bottom);
        let (floor, middle) = (HEIGHT - bottom, f64::midpoint(left, WIDTH - right));

        let mut svg = text(left, top - 12.0, "start", &self.title, " font-weight=\"bold\"");
        for (value, label) in y_axis.ticks() {
            let y = y_of(value);
            svg += &line([left, y, WIDTH - right, y], "#ddd");
            svg += &text(left - 6.0, y + 4.0, "end", &label, "");
        }
        for (value, label) in x_axis.ticks() {
            let x = x_of(value);
            svg += &line([x, floor, x, floor + 4.0], "#888");
            svg += &text(x, floor + 18.0, "middle", &label, "");
        }
        svg += &text(middle, HEIGHT - 8.0, "middle", &self.x_label, "");
        for (idx, series) in self.series.iter().enumerate() {
            let colour = COLOURS[idx % COLOURS.len()];
            let mut path = String::new();
            let mut is_down = false;
            for (x, y) in thinned(&series.points) {
                if x.is_finite() && y.is_finite() {
                    let command = if is_down { 'L' } else { 'M' };
                    write!(path, "{command}{:.1} {:.1}", x_of(x), y_of(y)).expect("a string takes all");
                    is_down = true;
                } else {
                    is_down = false;
                }
            }
            svg += &format!("<path d=\"{path}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.5\"/>\n");
            // The legend, from the right, a line each.
            let y = top + 14.0 * idx as f64 + 8.0;
            svg += &text(WIDTH - right - 6.0, y, "end", &series.label, &format!(" fill=\"{colour}\""));
        }
        svg
    }
}

/// At most [`MAX_POINTS`], each the mean of those that it stands for.
fn thinned(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let mean = |chunk: &[(f64, f64)]| {
        let n = chunk.len() as f64;
        let (x, y) = chunk.iter().fold((0.0, 0.0), |(x, y), point| (x + point.0, y + point.1));
        (x / n, y / n)
    };
    points.chunks(points.len().div_ceil(MAX_POINTS).max(1)).map(mean).collect()
}

fn line([x_1, y_1, x_2, y_2]: [f64; 4], colour: &str) -> String {
    format!("<path d=\"M{x_1:.1} {y_1:.1}L{x_2:.1} {y_2:.1}\" stroke=\"{colour}\"/>\n")
}

fn text(x: f64, y: f64, anchor: &str, content: &str, attributes: &str) -> String {
    let content = content.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    format!("<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\"{attributes}>{content}</text>\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chart(points: Vec<(f64, f64)>) -> Chart {
        let series = vec![Series { label: "a<b & c".into(), points }];
        Chart { title: "loss".into(), x_label: "step".into(), series }
    }

    /// What the path of the only series says.
    fn path(chart: Chart) -> String {
        let svg = page(&[chart]);
        let path = svg.lines().find(|line| line.contains("stroke-width")).unwrap();
        path.split('"').nth(1).unwrap().to_owned()
    }

    #[test]
    fn corners_of_the_data_are_corners_of_the_frame() {
        // From 0 to 10 and from 0 to 100: the axes end where the data does.
        assert_eq!(path(chart(vec![(0.0, 0.0), (10.0, 100.0)])), "M64.0 256.0L704.0 32.0");
    }

    #[test]
    fn lines_break_where_a_value_is_no_number() {
        let path = path(chart(vec![(0.0, 0.0), (1.0, 1.0), (2.0, f64::NAN), (3.0, 1.0), (4.0, 2.0)]));
        assert_eq!(path.matches('M').count(), 2);
        assert!(!path.contains("NaN"));
    }

    #[test]
    fn text_is_escaped_and_long_series_are_thinned() {
        let long = chart((0..100_000).map(|i| (f64::from(i), 1.0)).collect());
        let svg = page(&[long.clone(), chart(Vec::new())]);
        assert!(svg.contains("a&lt;b &amp; c") && !svg.contains("a<b"));
        assert!(svg.len() < 30_000, "{}", svg.len());
        assert_eq!(svg.matches("<g ").count(), svg.matches("</g>").count());
    }
}
