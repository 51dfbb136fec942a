//! CIFAR's binary files (Krizhevsky 2009; the format is described on the data's page).

use std::{collections::BTreeSet, path::Path};

use serde::{Deserialize, Serialize};

use crate::{VisionError, pictures::Packed};

/// Height and width of a picture.
const SIDE: usize = 32;

/// Which of the two sets files are of.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum CifarKind {
    /// A byte of the class, and the picture.
    #[default]
    #[serde(rename = "cifar-10")]
    Ten,
    /// A byte of the class of classes, one of the class, and the picture.
    #[serde(rename = "cifar-100")]
    Hundred,
}

impl CifarKind {
    /// Classes, bytes before a picture, and the file of the classes' names.
    fn layout(self) -> (usize, usize, &'static str) {
        match self {
            Self::Ten => (10, 1, "batches.meta.txt"),
            Self::Hundred => (100, 2, "fine_label_names.txt"),
        }
    }

    /// The names of the classes in the file that comes with the data, if it is beside `path`; else their numbers.
    fn labels(self, path: &Path) -> Vec<String> {
        let (n, _, file) = self.layout();
        let text = std::fs::read_to_string(path.with_file_name(file)).unwrap_or_default();
        let names: Vec<String> =
            text.lines().map(str::trim).filter(|line| !line.is_empty()).map(String::from).collect();
        let different: BTreeSet<&String> = names.iter().collect();
        match [names.len(), different.len()] == [n; 2] {
            true => names,
            false => (0..n).map(|class| class.to_string()).collect(),
        }
    }

    /// Adds the pictures of a file's bytes to `packed`.
    pub(crate) fn read(self, bytes: &[u8], path: &Path, packed: &mut Packed) -> Result<(), VisionError> {
        const PLANE: usize = SIDE * SIDE;
        let (n_classes, before, _) = self.layout();
        let record = before + 3 * PLANE;
        if bytes.is_empty() || !bytes.len().is_multiple_of(record) {
            let problem = format!(
                "has {} bytes, which are not whole pictures of {record}: it is cut off, or of another set (kind = \"cifar-10\" or \
                 \"cifar-100\")",
                bytes.len()
            );
            return Err(VisionError::damaged(path, problem));
        }
        for (number, record) in bytes.chunks(record).enumerate() {
            let (head, planes) = record.split_at(before);
            let class = u32::from(head[before - 1]);
            if class as usize >= n_classes {
                let problem = format!("has class {class} at picture {number}: the set has {n_classes} classes, from 0");
                return Err(VisionError::damaged(path, problem));
            }
            packed.classes.push(class);
            // Red, green and blue follow one another.
            packed.pixels.extend((0..PLANE).flat_map(|at| [0, 1, 2].map(|channel| planes[channel * PLANE + at])));
        }
        Ok(())
    }

    /// No pictures yet, of classes that have the names beside `path`.
    pub(crate) fn empty(self, path: &Path) -> Packed {
        Packed { size: [SIDE; 2], channels: 3, pixels: Vec::new(), classes: Vec::new(), labels: self.labels(path) }
    }
}
