//! The paths of optimizers over a function of two values.

use attentive_backend::Device;
use attentive_optim::{AdamConfig, Optimizer, OptimizerConfig, ParamInfo, StepSize};
use attentive_plot::{Drawing, Landscape};
use attentive_task::Result;
use burn::tensor::Tensor;

use crate::{Exhibit, Table};

/// Updates by each optimizer.
const N_STEPS: usize = 300;
/// Where each begins: on a steep slope of the function.
const START: [f32; 2] = [1.0, 1.5];
/// The least value is 0, here.
const MINIMUM: [f64; 2] = [3.0, 0.5];
/// What is drawn of the function, across and upwards.
const X: [f64; 2] = [-1.0, 5.0];
const Y: [f64; 2] = [-1.0, 2.0];
/// Learning rates that each optimizer is tried with.
const RATES: [f64; 9] = [1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 0.1, 0.3, 1.0];

/// The optimizers on the function of Beale (1958), whose slopes differ a thousandfold between places; each with the best of a
/// few learning rates.
#[derive(Debug, Clone, Copy, Default)]
pub struct OptimizerPaths;

/// Places of one optimizer, and its learning rate.
struct Walk {
    rate: f64,
    places: Vec<(f64, f64)>,
}

fn beale(x: f64, y: f64) -> f64 {
    residuals(x, y).iter().map(|residual| residual * residual).sum()
}

fn residuals(x: f64, y: f64) -> [f64; 3] {
    [1.5 - x + x * y, 2.25 - x + x * y.powi(2), 2.625 - x + x * y.powi(3)]
}

fn slope(x: f64, y: f64) -> [f64; 2] {
    let [a, b, c] = residuals(x, y);
    [
        2.0 * (a * (y - 1.0) + b * (y.powi(2) - 1.0) + c * (y.powi(3) - 1.0)),
        2.0 * (a * x + b * 2.0 * x * y + c * 3.0 * x * y.powi(2)),
    ]
}

impl OptimizerPaths {
    /// Where each optimizer ends; the drawing `optimizer-paths`, which moves.
    ///
    /// # Errors
    /// The device fails.
    pub fn make(&self, device: &Device) -> Result<Exhibit> {
        let optimizers = [
            ("SGD", OptimizerConfig::Sgd {}),
            ("momentum 0.9", OptimizerConfig::Momentum { decay: 0.9 }),
            ("AdaGrad", OptimizerConfig::AdaGrad { epsilon: 1e-8 }),
            ("RMSProp, decay 0.98", OptimizerConfig::RmsProp { decay: 0.98, epsilon: 1e-8 }),
            ("Adam, §5.3", OptimizerConfig::Adam(AdamConfig::default())),
        ];
        let mut table = Table::new(["optimizer", "learning rate", "value", "distance"]).under(format!(
            "Beale's function after {N_STEPS} updates from ({}, {}): its value, and the distance from its minimum",
            START[0], START[1]
        ));
        let mut paths = Vec::new();
        for (name, config) in optimizers {
            let Walk { rate, places } = best(name, &config, device)?;
            let (x, y) = places[places.len() - 1];
            let distance = (x - MINIMUM[0]).hypot(y - MINIMUM[1]);
            table.row([name.to_owned(), rate.to_string(), format!("{:.2e}", beale(x, y)), format!("{distance:.3}")]);
            paths.push((name.to_owned(), places));
        }
        let landscape = Landscape {
            title: "Beale's function: paths to its minimum at (3, 0.5)".to_owned(),
            x: X,
            y: Y,
            height: &beale,
            levels: (-6..12).map(|level| f64::from(level).exp2()).collect(),
            paths,
            seconds: 8.0,
        };
        Ok(Exhibit::from([table]).with_figure("optimizer-paths", Drawing::Svg(landscape.to_svg())))
    }
}

/// The walk that ends lowest, of those that stay within the drawing.
fn best(name: &'static str, config: &OptimizerConfig, device: &Device) -> Result<Walk> {
    let mut best: Option<(f64, Walk)> = None;
    for rate in RATES {
        let places = walk(config, rate, device)?;
        let stays = places.iter().all(|(x, y)| (X[0]..=X[1]).contains(x) && (Y[0]..=Y[1]).contains(y));
        let end = places.last().filter(|_| stays).map_or(f64::INFINITY, |&(x, y)| beale(x, y));
        if best.as_ref().is_none_or(|(lowest, _)| end < *lowest) {
            best = Some((end, Walk { rate, places }));
        }
    }
    match best {
        Some((end, walk)) if end.is_finite() => Ok(walk),
        _ => refuse!("{name} leaves the drawing at every learning rate"),
    }
}

/// The places of an optimizer, the first one among them.
fn walk(config: &OptimizerConfig, rate: f64, device: &Device) -> Result<Vec<(f64, f64)>> {
    let mut optimizer = config.init()?;
    let mut values = Tensor::<1>::from_floats(START, device);
    let mut places = vec![(f64::from(START[0]), f64::from(START[1]))];
    for _ in 0..N_STEPS {
        let (x, y) = places[places.len() - 1];
        let gradient = Tensor::<1>::from_floats(slope(x, y).map(|part| part as f32), device);
        optimizer.begin();
        let param = ParamInfo { name: "place", shape: &[2] };
        values = optimizer.update(param, values, gradient, StepSize { scale: 1.0, lr: rate });
        let place: Vec<f32> = values.to_data().convert::<f32>().try_into_vec().unwrap_or_default();
        let [x, y] = place[..] else { refuse!("the optimizer gave {} values for two", place.len()) };
        places.push((f64::from(x), f64::from(y)));
    }
    Ok(places)
}

#[cfg(test)]
mod tests {
    use attentive_backend::BackendKind;

    use super::*;

    #[test]
    fn the_slope_is_that_of_the_function() {
        for (x, y) in [(1.0, 1.5), (3.0, 0.5), (-0.3, 0.7), (4.0, -1.0)] {
            let h = 1e-6;
            let along_x = (beale(x + h, y) - beale(x - h, y)) / (2.0 * h);
            let along_y = (beale(x, y + h) - beale(x, y - h)) / (2.0 * h);
            let [dx, dy] = slope(x, y);
            assert!((dx - along_x).abs() < 1e-5 * (1.0 + dx.abs()) && (dy - along_y).abs() < 1e-5 * (1.0 + dy.abs()));
        }
        assert_eq!((beale(3.0, 0.5), slope(3.0, 0.5)), (0.0, [0.0; 2]));
    }

    #[test]
    fn all_go_down_and_adam_arrives() {
        let exhibit = OptimizerPaths.make(&BackendKind::Flex.device().unwrap()).unwrap();
        let table = exhibit.tables().next().unwrap();
        let start = beale(f64::from(START[0]), f64::from(START[1]));
        for row in table.rows() {
            assert!(row[2].parse::<f64>().unwrap() < 0.1 * start, "{row:?}");
        }
        assert!(table.rows()[4][3].parse::<f64>().unwrap() < 0.2);
        assert_eq!(exhibit.figures[0].drawing.to_svg().matches("<circle").count(), 5);
    }
}
