//! Sets of pictures with classes, and batches of them.

use std::{
    io::Read,
    path::{Path, PathBuf},
    sync::Arc,
};

use attentive_core::{ClassShares, Epochs, ImageBatch};
use attentive_data::{DataError, permutation, seeded_rng};
use rayon::prelude::*;
use sha2::{Digest, Sha256};

use crate::{
    AugmentConfig, CifarKind, ClassFolder, ImageProcessor, Picture, SHAPE_LABELS, Shapes, VisionError, folder::hex, idx,
};

/// The most bytes of an IDX file, decompressed, whatever its header says.
const MAX_IDX: u64 = 1 << 34;

/// The most bytes of a file of CIFAR's, which does not say how many it has, decompressed: those of CIFAR itself have 184 MB
/// together.
const MAX_CIFAR: u64 = 1 << 30;

/// Pictures of one size that are held in memory, 8 bits a value.
#[derive(Debug, Clone)]
pub(crate) struct Packed {
    pub(crate) size: [usize; 2],
    pub(crate) channels: usize,
    /// The channels of a pixel side by side.
    pub(crate) pixels: Vec<u8>,
    pub(crate) classes: Vec<u32>,
    pub(crate) labels: Vec<String>,
}

/// Where pictures are.
#[derive(Debug)]
enum Source {
    /// In files, which are decoded when a batch is made.
    Files(Vec<PathBuf>),
    /// In memory.
    Packed(Packed),
    /// Nowhere: they are drawn.
    Shapes(Shapes),
}

/// Pictures, each with its class.
#[derive(Debug)]
pub struct Pictures {
    source: Source,
    classes: Vec<u32>,
    labels: Vec<String>,
    sha256: String,
}

impl Pictures {
    /// The pictures of a folder.
    pub fn of_folder(folder: ClassFolder) -> Self {
        let ClassFolder { labels, files, sha256, .. } = folder;
        let (files, classes) = files.into_iter().unzip();
        Self { source: Source::Files(files), classes, labels, sha256 }
    }

    /// IDX files of pictures and of labels, plain or compressed.
    ///
    /// # Errors
    /// [`VisionError`] names the file, and what is wrong with it.
    pub fn of_idx(images: &Path, labels: &Path) -> Result<Self, VisionError> {
        let unpacked = |path| unpacked(path, MAX_IDX, |head| idx::n_bytes(head, path));
        let bytes = [unpacked(images)?, unpacked(labels)?];
        let packed = idx::read([&bytes[0], &bytes[1]], [images, labels])?;
        Ok(Self::packed(packed, &bytes))
    }

    /// CIFAR's binary files, plain or compressed, one after another.
    ///
    /// # Errors
    /// [`VisionError`] names the file, and what is wrong with it.
    pub fn of_cifar(files: &[PathBuf], kind: CifarKind) -> Result<Self, VisionError> {
        let mut packed = kind.empty(files.first().ok_or(VisionError::Empty)?);
        let mut all = Vec::with_capacity(files.len());
        for path in files {
            let bytes = unpacked(path, MAX_CIFAR, |_| Ok(MAX_CIFAR))?;
            kind.read(&bytes, path, &mut packed)?;
            all.push(Sha256::digest(&bytes).to_vec());
        }
        Ok(Self::packed(packed, &all))
    }

    fn packed(mut packed: Packed, bytes: &[Vec<u8>]) -> Self {
        let mut sha = Sha256::new();
        bytes.iter().for_each(|bytes| sha.update(bytes));
        let (classes, labels) = (std::mem::take(&mut packed.classes), std::mem::take(&mut packed.labels));
        Self { source: Source::Packed(packed), classes, labels, sha256: hex(&sha.finalize()) }
    }

    /// Built-in pictures.
    pub fn of_shapes(shapes: Shapes) -> Self {
        let classes = (0..shapes.n).map(|idx| shapes.class(idx)).collect();
        let some: Vec<u8> = (0..shapes.n.min(16)).flat_map(|idx| shapes.picture(idx).0.pixels().to_vec()).collect();
        let sha256 = Sha256::new().chain_update(shapes.n.to_le_bytes()).chain_update(some).finalize();
        let labels = SHAPE_LABELS.map(String::from).to_vec();
        Self { source: Source::Shapes(shapes), classes, labels, sha256: hex(&sha256) }
    }

    /// Number of pictures.
    pub fn len(&self) -> usize {
        self.classes.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.classes.is_empty()
    }

    /// Names of the classes.
    pub fn labels(&self) -> &[String] {
        &self.labels
    }

    /// The class of a picture.
    ///
    /// # Panics
    /// If there is no such picture.
    pub fn class(&self, idx: usize) -> u32 {
        self.classes[idx]
    }

    /// SHA-256 of what was read.
    pub fn sha256(&self) -> &str {
        &self.sha256
    }

    /// The path of a picture that is a file.
    pub fn path(&self, idx: usize) -> Option<&Path> {
        match &self.source {
            Source::Files(files) => files.get(idx).map(PathBuf::as_path),
            Source::Packed(_) | Source::Shapes(_) => None,
        }
    }

    /// A picture.
    ///
    /// # Errors
    /// As [`Picture::open`].
    ///
    /// # Panics
    /// If there is no such picture.
    pub fn picture(&self, idx: usize) -> Result<Picture, VisionError> {
        Ok(match &self.source {
            Source::Files(files) => Picture::open(&files[idx])?,
            Source::Packed(Packed { size, channels, pixels, .. }) => {
                let n = size[0] * size[1] * channels;
                Picture::new(*size, *channels, pixels[idx * n..][..n].to_vec())
            }
            Source::Shapes(shapes) => shapes.picture(idx).0,
        })
    }

    /// The same pictures with classes as they are numbered in `labels`.
    ///
    /// # Errors
    /// The names of classes that `labels` does not have.
    pub fn with_labels(mut self, labels: &[String]) -> Result<Self, Vec<String>> {
        let place = |label: &String| labels.iter().position(|other| other == label).ok_or_else(|| label.clone());
        let places: Vec<Result<usize, String>> = self.labels.iter().map(place).collect();
        // Packed files may have more names than pictures.
        let is_used = |class: usize| self.classes.iter().any(|&of| of as usize == class);
        let unknown =
            places.iter().enumerate().filter(|(class, _)| is_used(*class)).filter_map(|(_, place)| place.clone().err());
        let unknown: Vec<String> = unknown.collect();
        if !unknown.is_empty() {
            return Err(unknown);
        }
        for class in &mut self.classes {
            *class = places[*class as usize].clone().unwrap_or_default() as u32;
        }
        self.labels = labels.to_vec();
        Ok(self)
    }

    /// The indices of two parts, the second with this share of the pictures, drawn by a seed.
    pub fn split(&self, share: f64, seed: u64) -> [Vec<u32>; 2] {
        let mut order = permutation(self.len() as u32, &mut seeded_rng(seed, "pictures held out", 0));
        let n = ((self.len() as f64 * share).round() as usize).min(self.len());
        let mut held_out = order.split_off(self.len() - n);
        order.sort_unstable();
        held_out.sort_unstable();
        [order, held_out]
    }
}

/// The bytes of a file, decompressed: few more than `promised` says of its beginning, as a small file must not fill the memory.
fn unpacked(
    path: &Path,
    most: u64,
    promised: impl FnOnce(&[u8]) -> Result<u64, VisionError>,
) -> Result<Vec<u8>, VisionError> {
    /// The longest header, an IDX file's of 255 axes.
    const HEAD: u64 = 4 + 4 * 255;
    let mut bytes = Vec::new();
    let read = |cause| DataError::Read { path: path.to_owned(), after_line: 0, cause };
    let mut file = attentive_data::open_bytes(path)?;
    file.by_ref().take(HEAD).read_to_end(&mut bytes).map_err(read)?;
    if bytes.is_empty() {
        return Err(VisionError::damaged(path, "is empty: copy it again"));
    }
    let n_bytes = promised(&bytes)?.min(most);
    file.take((n_bytes + 1).saturating_sub(HEAD)).read_to_end(&mut bytes).map_err(read)?;
    match bytes.len() as u64 {
        n if n > most => Err(VisionError::damaged(path, format!("has more than {most} bytes: cut it up"))),
        _ => Ok(bytes),
    }
}

/// Cuts pictures into batches, in an order drawn for each epoch; files are decoded when their batch is made.
#[derive(Debug, Clone)]
pub struct PictureBatcher {
    pictures: Arc<Pictures>,
    /// The pictures that are read.
    members: Arc<[u32]>,
    processor: ImageProcessor,
    patch_size: usize,
    augment: AugmentConfig,
    rows: usize,
    seed: u64,
}

/// An epoch of a [`PictureBatcher`], laid out: the pictures in their order.
#[derive(Debug)]
pub struct PictureEpoch {
    number: u64,
    order: Vec<u32>,
}

impl PictureBatcher {
    /// Batches of `rows` pictures, of those of `members`, in orders drawn from `seed`, without random changes.
    ///
    /// # Errors
    /// [`VisionError::Empty`] without pictures or rows, [`VisionError::Patches`] if patches do not fill what the
    /// processor makes.
    ///
    /// # Panics
    /// If a member does not exist.
    pub fn new(
        pictures: Arc<Pictures>,
        members: Vec<u32>,
        processor: ImageProcessor,
        patch_size: usize,
        rows: usize,
        seed: u64,
    ) -> Result<Self, VisionError> {
        if members.is_empty() || rows == 0 {
            return Err(VisionError::Empty);
        }
        assert!(members.iter().all(|&member| (member as usize) < pictures.len()), "a member that does not exist");
        let batcher = Self {
            pictures,
            members: members.into(),
            processor,
            patch_size,
            augment: AugmentConfig::default(),
            rows,
            seed,
        };
        batcher.of_one_size()?;
        Ok(batcher)
    }

    /// Height and width of all pictures, prepared.
    fn of_one_size(&self) -> Result<[usize; 2], VisionError> {
        let patch_size = self.patch_size;
        let [height, width] = self.processor.size().unwrap_or_default();
        let is_filled = |side: usize| patch_size > 0 && side > 0 && side.is_multiple_of(patch_size);
        match is_filled(height) && is_filled(width) {
            true => Ok([height, width]),
            false => Err(VisionError::Patches { height, width, patch_size }),
        }
    }

    /// The same pictures, changed at random in each epoch.
    #[must_use]
    pub fn augmented(self, augment: AugmentConfig) -> Self {
        Self { augment, ..self }
    }

    /// The same pictures in batches of so many, one at least.
    #[must_use]
    pub fn with_rows(&self, rows: usize) -> Self {
        Self { rows: rows.max(1), ..self.clone() }
    }

    /// Pictures of a batch.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Number of pictures.
    pub fn n_pictures(&self) -> usize {
        self.members.len()
    }

    /// The set that the pictures are of.
    pub fn pictures(&self) -> &Pictures {
        &self.pictures
    }

    /// Pictures of an epoch together.
    fn together(&self, epoch: u64, indices: &[u32]) -> Result<ImageBatch, VisionError> {
        let prepare = |&idx: &u32| {
            let picture = self.pictures.picture(idx as usize)?;
            Ok::<_, VisionError>(match self.augment == AugmentConfig::default() {
                true => self.processor.prepare(&picture),
                false => self.augment.apply(&picture, &self.processor, [self.seed, epoch, u64::from(idx)]),
            })
        };
        let prepared = indices.par_iter().map(prepare).collect::<Result<Vec<Picture>, VisionError>>()?;
        let patches = self.processor.patches(&prepared, self.patch_size)?;
        let mut classes: Vec<ClassShares> =
            indices.iter().map(|&idx| self.pictures.class(idx as usize).into()).collect();
        let first = indices.first().copied().unwrap_or_default();
        let patches = self.augment.mix(patches, &mut classes, [self.seed, epoch, u64::from(first)]);
        Ok(ImageBatch { patches, classes, indices: indices.iter().map(|&idx| u64::from(idx)).collect() })
    }

    /// A batch that takes as much memory as any.
    ///
    /// # Panics
    /// Never: the size was checked when this was made.
    pub fn largest(&self) -> ImageBatch {
        let n = self.rows.min(self.members.len());
        let size = self.of_one_size().expect("checked when it was made");
        let black = Picture::new(size, self.processor.channels, vec![0; size[0] * size[1] * self.processor.channels]);
        let patches = self.processor.patches(&vec![black; n], self.patch_size).expect("checked when it was made");
        ImageBatch { patches, classes: vec![0.into(); n], indices: vec![0; n] }
    }
}

impl Epochs for PictureBatcher {
    type Batch = ImageBatch;
    type Order = PictureEpoch;
    type Error = VisionError;

    fn lay_out(&self, epoch: u64) -> Result<PictureEpoch, VisionError> {
        let order = permutation(self.members.len() as u32, &mut seeded_rng(self.seed, "pictures", epoch));
        Ok(PictureEpoch { number: epoch, order: order.into_iter().map(|idx| self.members[idx as usize]).collect() })
    }

    fn len(&self, epoch: &PictureEpoch) -> u64 {
        epoch.order.len().div_ceil(self.rows) as u64
    }

    fn batch(&self, epoch: &PictureEpoch, batch_idx: u64) -> Result<ImageBatch, VisionError> {
        let first = batch_idx as usize * self.rows;
        let last = (first + self.rows).min(epoch.order.len());
        self.together(epoch.number, &epoch.order[first..last])
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn a_small_file_does_not_fill_the_memory() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let mut writer = flate2::write::GzEncoder::new(file.reopen().unwrap(), flate2::Compression::fast());
        writer.write_all(&[0; 1 << 20]).unwrap();
        writer.finish().unwrap();
        let read = |most, promised| unpacked(file.path(), most, |_| Ok(promised));
        assert_eq!(read(1 << 30, 2000).unwrap().len(), 2001, "one more than there should be");
        assert_eq!(read(1 << 20, u64::MAX).unwrap().len(), 1 << 20);
        let error = read(2000, u64::MAX).unwrap_err().to_string();
        assert!(error.ends_with("has more than 2000 bytes: cut it up"), "{error}");
    }
}
