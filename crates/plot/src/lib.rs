//! Curves of a training run: line charts as SVG, and the event files that TensorBoard reads. Maps of matrices.
//!
//! ```
//! use attentive_plot::{Chart, Series, page};
//!
//! let loss = Series { label: "runs/a".into(), points: vec![(1.0, 6.2), (2.0, 4.1), (3.0, 3.3)] };
//! let svg = page(&[Chart { title: "training loss".into(), x_label: "step".into(), series: vec![loss] }]);
//! assert!(svg.starts_with("<svg ") && svg.contains("training loss"));
//! ```

mod axis;
mod chart;
mod event_file;
mod heat_map;

pub use axis::Axis;
pub use chart::{Chart, Series, page};
pub use event_file::EventFile;
pub use heat_map::{HeatMap, heat_maps};
