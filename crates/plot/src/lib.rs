//! Curves of a training run: line charts as SVG and PNG, and the event files that TensorBoard reads. Maps of matrices.
//!
//! ```
//! use attentive_plot::{Chart, Series, to_png, to_svg};
//!
//! let loss = Series { label: "runs/a".into(), points: vec![(1.0, 6.2), (2.0, 4.1), (3.0, 3.3)] };
//! let charts = [Chart { title: "training loss".into(), x_label: "step".into(), series: vec![loss] }];
//! assert!(to_svg(&charts).starts_with("<svg "));
//! assert!(to_png(&charts).starts_with(b"\x89PNG"));
//! ```

mod axis;
mod canvas;
mod chart;
mod event_file;
mod heat_map;
mod landscape;
mod raster;
mod svg;

pub use axis::{Axis, Scale};
pub use canvas::{to_png, to_svg};
pub use chart::{Chart, Series};
pub use event_file::EventFile;
pub use heat_map::{HeatMap, heat_maps};
pub use landscape::Landscape;
pub use svg::escaped;
