//! Laws of models that read a picture as a whole.

use attentive_core::{ClassShares, ImageBatch, Patches};
use attentive_model::{ImageClassificationObjective, ImageEncoderSpec, ImageModel};
use attentive_task::Result;
use burn::module::Module;

use super::{
    law::{Bound, Law, largest_difference},
    subject::{Subject, values},
};

/// Patches, and so pictures, that a change is tried on, at the most.
const MAX_TRIED: usize = 16;

/// Tries every law of an encoder of pictures; gradients are those of its classifier.
pub(super) fn laws<M: Module + ImageModel>(subject: &Subject<M>, spec: &impl ImageEncoderSpec) -> Result<Vec<Law>> {
    let law = |name, what, measured, bound| Law { name, what, measured, bound };
    let pictures =
        Pictures { side: spec.image_size() / spec.patch_size(), width: spec.n_channels() * spec.patch_size().pow(2) };
    let sight = "a patch changes the vector of its picture by";
    let company = "other pictures change vectors by";
    let mut laws = vec![
        law("sight", sight, sees_every_patch(&subject.model, &pictures), Bound::Above(0.0)),
        law("company", company, company_changes(&subject.model, &pictures), Bound::AtMost(1e-3)),
    ];
    if !spec.labels().is_empty() {
        let classes =
            vec![0.into(), ClassShares { class: 1.min(spec.labels().len() as u32 - 1), other: 0, share: 0.25 }];
        let batch = ImageBatch { patches: pictures.make(2, 2), classes, indices: vec![0, 1] };
        laws.push(subject.gradients(&ImageClassificationObjective { label_smoothing: 0.1 }, &batch)?);
    }
    Ok(laws)
}

/// Pictures of a model's size.
struct Pictures {
    /// Rows, and columns, of patches.
    side: usize,
    /// Values of a patch.
    width: usize,
}

impl Pictures {
    fn make(&self, seed: usize, n: usize) -> Patches {
        let value = |at: usize| ((at as f64 * 0.37 + seed as f64) * 1.7).sin() as f32;
        Patches::new((0..n * self.side * self.side * self.width).map(value).collect(), n, [self.side; 2])
    }
}

fn vectors(model: &impl ImageModel, pictures: &Patches) -> Vec<f32> {
    values(model.encode(pictures, None).vector)
}

/// Changes some patches in turn: the smallest change of the picture's vector.
fn sees_every_patch(model: &impl ImageModel, pictures: &Pictures) -> f64 {
    let picture = pictures.make(1, 1);
    let expected = vectors(model, &picture);
    let n = picture.per_picture();
    let changed = |patch: usize| {
        let mut values = picture.values().to_vec();
        values[patch * pictures.width..][..pictures.width].iter_mut().for_each(|value| *value += 1.0);
        largest_difference(&vectors(model, &Patches::new(values, 1, picture.grid())), &expected)
    };
    (0..n).step_by(n.div_ceil(MAX_TRIED)).map(changed).fold(f64::INFINITY, f64::min)
}

/// Pictures together, against each alone.
fn company_changes(model: &impl ImageModel, pictures: &Pictures) -> f64 {
    let together = pictures.make(3, 3);
    let per_picture = together.values().len() / 3;
    let expected = vectors(model, &together);
    let d_model = expected.len() / 3;
    let alone = together.values().chunks(per_picture).zip(expected.chunks(d_model)).map(|(picture, expected)| {
        largest_difference(&vectors(model, &Patches::new(picture.to_vec(), 1, together.grid())), expected)
    });
    alone.fold(0.0, f64::max)
}
