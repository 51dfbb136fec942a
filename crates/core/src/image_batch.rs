//! Batches of pictures, which models read patch by patch.

use crate::Batch;

/// Pictures of one size, cut into square patches that do not overlap: `[pictures, patches, width]`.
///
/// Patches follow one another row by row. The values of a patch are channel by channel, and row by row within a channel:
/// `width = channels · side²`.
///
/// ```
/// use attentive_core::Patches;
///
/// let patches = Patches::new(vec![0.0; 2 * 6 * 4], 2, [3, 2]);
/// assert_eq!((patches.per_picture(), patches.width()), (6, 4));
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Patches {
    values: Vec<f32>,
    n_pictures: usize,
    grid: [usize; 2],
}

impl Patches {
    /// The values of `n_pictures` pictures of `grid` patches, rows and columns.
    ///
    /// # Panics
    /// If there are no patches, or the values can't be shared out among them.
    pub fn new(values: Vec<f32>, n_pictures: usize, grid: [usize; 2]) -> Self {
        let n_patches = n_pictures * grid[0] * grid[1];
        assert!(
            n_patches > 0 && values.len().is_multiple_of(n_patches),
            "{} values of {n_patches} patches",
            values.len()
        );
        Self { values, n_pictures, grid }
    }

    /// All values: `[pictures · patches · width]`.
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// Number of pictures.
    pub fn n_pictures(&self) -> usize {
        self.n_pictures
    }

    /// Rows and columns of patches of each picture.
    pub fn grid(&self) -> [usize; 2] {
        self.grid
    }

    /// Patches of a picture.
    pub fn per_picture(&self) -> usize {
        self.grid[0] * self.grid[1]
    }

    /// Values of a patch.
    pub fn width(&self) -> usize {
        self.values.len() / (self.n_pictures * self.per_picture())
    }
}

/// The class of a picture, or the two classes of a mixture of pictures (Zhang et al. 2018, "mixup").
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ClassShares {
    /// A class.
    pub class: u32,
    /// The class of the rest; the same where nothing is mixed.
    pub other: u32,
    /// How much of the picture is of `class`, from 0 to 1.
    pub share: f32,
}

impl From<u32> for ClassShares {
    fn from(class: u32) -> Self {
        Self { class, other: class, share: 1.0 }
    }
}

/// Pictures and the class of each.
#[derive(Debug, Clone, PartialEq)]
pub struct ImageBatch {
    /// The pictures.
    pub patches: Patches,
    /// The class of each picture.
    pub classes: Vec<ClassShares>,
    /// Index of each picture in its set, from 0.
    pub indices: Vec<u64>,
}

impl Batch for ImageBatch {
    fn n_rows(&self) -> usize {
        self.classes.len()
    }

    fn n_targets(&self) -> usize {
        self.classes.len()
    }

    fn indices(&self) -> &[u64] {
        &self.indices
    }
}
