//! IDX files, MNIST's format (LeCun et al. 1998; its description came with the files).

use std::path::Path;

use crate::{VisionError, pictures::Packed};

/// A header: zeros, the kind of numbers, which is 8 for bytes, and the number of axes, whose sizes follow.
fn header(bytes: &[u8], path: &Path) -> Result<(Vec<usize>, usize), VisionError> {
    let damaged = |problem: &str| VisionError::damaged(path, problem);
    let [0, 0, kind, n_axes, rest @ ..] = bytes else {
        return Err(damaged("is not an IDX file, which begins with two zeros"));
    };
    if *kind != 8 {
        return Err(damaged("is an IDX file of other numbers than bytes"));
    }
    let sizes = rest.get(..4 * usize::from(*n_axes)).ok_or_else(|| damaged("ends in its header: copy it again"))?;
    let sizes = sizes.as_chunks::<4>().0.iter().map(|size| u32::from_be_bytes(*size) as usize).collect();
    Ok((sizes, 4 + 4 * usize::from(*n_axes)))
}

/// The bytes that a file with this beginning has by its header.
pub(crate) fn n_bytes(head: &[u8], path: &Path) -> Result<u64, VisionError> {
    let (axes, start) = header(head, path)?;
    let n_values = axes.iter().try_fold(1_u64, |product, &size| product.checked_mul(size as u64));
    Ok(n_values.and_then(|n| n.checked_add(start as u64)).unwrap_or(u64::MAX))
}

/// The values after a header of these axes.
fn body<'a>(bytes: &'a [u8], start: usize, axes: &[usize], path: &Path) -> Result<&'a [u8], VisionError> {
    let expected = axes.iter().try_fold(1_usize, |product, &size| product.checked_mul(size));
    let found = bytes.len() - start;
    match expected {
        Some(expected) if expected == found => Ok(&bytes[start..]),
        // The rest has not been read.
        Some(expected) if expected < found => {
            let problem = format!("has more values than the {expected} that its header says: copy it again");
            Err(VisionError::damaged(path, problem))
        }
        expected => {
            let expected = expected.map_or_else(|| "more than any file".to_owned(), |expected| expected.to_string());
            Err(VisionError::damaged(
                path,
                format!("has {found} values, and its header says {expected}: copy it again"),
            ))
        }
    }
}

/// Pictures, `[n, height, width]` or `[n, height, width, channels]`, and the label of each, `[n]`, of two files' bytes.
pub(crate) fn read(
    [images, labels]: [&[u8]; 2],
    [images_path, labels_path]: [&Path; 2],
) -> Result<Packed, VisionError> {
    let (axes, start) = header(images, images_path)?;
    let (n, size, channels) = match axes[..] {
        [n, height, width] => (n, [height, width], 1),
        [n, height, width, channels @ (1 | 3)] => (n, [height, width], channels),
        _ => {
            let problem = format!("has the axes {axes:?}; pictures have 3: number, height and width");
            return Err(VisionError::damaged(images_path, problem));
        }
    };
    let pixels = body(images, start, &axes, images_path)?;
    if pixels.is_empty() {
        return Err(VisionError::damaged(images_path, "has no pictures"));
    }
    let (axes, start) = header(labels, labels_path)?;
    let classes = body(labels, start, &axes, labels_path)?;
    if axes != [n] {
        let problem = format!("has the axes {axes:?}, and {} has {n} pictures", images_path.display());
        return Err(VisionError::damaged(labels_path, problem));
    }
    let n_labels = usize::from(classes.iter().copied().max().unwrap_or_default()) + 1;
    Ok(Packed {
        size,
        channels,
        pixels: pixels.to_vec(),
        classes: classes.iter().map(|&class| u32::from(class)).collect(),
        labels: (0..n_labels).map(|label| label.to_string()).collect(),
    })
}
