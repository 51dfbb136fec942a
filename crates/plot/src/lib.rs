//! Curves of a training run as line charts, and matrices as maps, both as SVG and PNG; the event files that TensorBoard reads.
//!
//! ```
//! use attentive_plot::{Chart, Drawing, Series};
//!
//! let loss = Series { label: "runs/a".into(), points: vec![(1.0, 6.2), (2.0, 4.1), (3.0, 3.3)] };
//! let drawing = Drawing::from(Chart { title: "training loss".into(), x_label: "step".into(), series: vec![loss] });
//! assert!(drawing.to_svg().starts_with("<svg "));
//! assert!(drawing.to_png()?.starts_with(b"\x89PNG"));
//! # Ok::<(), attentive_plot::DrawingError>(())
//! ```

mod axis;
mod canvas;
mod chart;
mod drawing;
mod event_file;
mod heat_map;
mod landscape;
mod raster;
mod svg;

pub use axis::{Axis, Scale};
pub use chart::{Chart, Series};
pub use drawing::{Drawing, DrawingError, Format};
pub use event_file::EventFile;
pub use heat_map::HeatMap;
pub use landscape::Landscape;
pub use svg::escaped;
