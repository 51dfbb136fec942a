//! Pictures for Transformers: from files to the patches that a model reads.
//!
//! [`Picture::open`] decodes PNG, JPEG, WebP, GIF and BMP within limits. An [`ImageProcessor`] resizes as Pillow does,
//! crops, and scales values, as transformers' processors of images do. [`Pictures`] are a folder with a folder for each
//! class, MNIST's IDX files, CIFAR's binary files, or built-in [`Shapes`]; a [`PictureBatcher`] makes batches of them,
//! decoding files as it goes, with [`AugmentConfig`]'s random changes. No tensors.
//!
//! ```
//! use attentive_vision::{ImageProcessor, Picture};
//!
//! let grey = Picture::new([2, 2], 1, vec![0, 85, 170, 255]);
//! let processor = ImageProcessor::square(4, 1);
//! let pixels = processor.values(&processor.prepare(&grey));
//! assert_eq!((pixels.len(), pixels[0], pixels[15]), (16, -1.0, 1.0));
//! ```

mod affine;
mod augment;
mod cifar;
mod drawing;
mod error;
mod folder;
mod idx;
mod picture;
mod pictures;
mod prefetch;
mod processor;
mod random;
mod resize;
mod shapes;

pub use augment::AugmentConfig;
pub use cifar::CifarKind;
pub use drawing::{overlay, to_svg};
pub use error::VisionError;
pub use folder::{ClassFolder, FolderReport};
pub use picture::{Picture, is_picture_name};
pub use pictures::{PictureBatcher, Pictures};
pub use prefetch::Prefetch;
pub use processor::{ImageProcessor, Resize};
pub use resize::Filter;
pub use shapes::{SHAPE_LABELS, Shapes};
