//! Classes, vectors and attention of pictures.

use std::fmt;

use attentive_core::{DeviceError, Patches};
use attentive_model::{FamilyVisitor, ImageEncoderSpec, ImageEncoding, ImageModel, ModelSpec, Role};
use attentive_vision::{ImageProcessor, Picture, overlay, to_svg};
use burn::tensor::{Device, Tensor};

use crate::{Bundle, BundleError, Class, EncodeError, Params, WeightFormat, text_encoder::softmax, uses};

/// Pictures that are read together.
const AT_ONCE: usize = 16;

/// A model that reads pictures, with what makes numbers of them.
///
/// ```no_run
/// use attentive_backend::BackendKind;
/// use attentive_bundle::{Bundle, ImageEncoder};
/// use attentive_vision::Picture;
///
/// let encoder = ImageEncoder::from_bundle(&Bundle::open("runs/latest")?, &BackendKind::Flex.device()?, None)?;
/// for class in encoder.classify(&Picture::open("cat.png".as_ref())?)? {
///     println!("{:.3} {}", class.probability, class.label);
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct ImageEncoder {
    model: Box<dyn ImageModel>,
    processor: ImageProcessor,
    patch_size: usize,
    labels: Vec<String>,
    family: &'static str,
    uses: Vec<&'static str>,
}

/// How much each patch of a picture has to do with the vector that represents it.
#[derive(Debug, Clone, PartialEq)]
pub struct AttentionMap {
    /// The most probable class and its probability; without a classifier, what is drawn.
    pub title: String,
    /// The picture as the model saw it: resized, cropped.
    pub picture: Picture,
    /// Rows and columns of patches.
    pub grid: [usize; 2],
    /// Shares of attention, patches row by row; they sum to 1, less what tokens that are not patches have.
    pub values: Vec<f32>,
}

/// What the vector that represents a picture looks at, in every layer and head.
#[derive(Debug, Clone, PartialEq)]
pub struct PatchAttention {
    /// The picture as the model saw it: resized, cropped.
    pub picture: Picture,
    /// Rows and columns of patches.
    pub grid: [usize; 2],
    /// Heads of a layer.
    pub n_heads: usize,
    /// `[heads, patches]` of each layer, from the input up: what the class token looks at, or all patches, as their mean.
    pub layers: Vec<Vec<f32>>,
}

impl AttentionMap {
    /// The picture, and beside it the map over it.
    pub fn draw(&self) -> Picture {
        overlay(&self.picture, self.grid, &self.values)
    }

    /// The drawing and the title as an SVG document.
    pub fn to_svg(&self) -> String {
        to_svg(&self.draw(), &self.title)
    }
}

impl ImageEncoder {
    /// The model of a bundle on `device`; its weights are not packed, so that `precision` can be f32 alone.
    ///
    /// # Errors
    /// [`BundleError`] if the model does not read pictures, or its processor makes others than it reads;
    /// [`BundleError::WeightFormat`].
    pub fn from_bundle<P: Params>(
        bundle: &Bundle<P>,
        device: &Device,
        precision: Option<WeightFormat>,
    ) -> Result<Self, BundleError> {
        match precision.filter(|&format| format != WeightFormat::F32) {
            Some(format) => Err(BundleError::WeightFormat { format }),
            None => bundle.model.visit(Reading { bundle, device }),
        }
    }

    /// Names of the classes; none without a classifier.
    pub fn labels(&self) -> &[String] {
        &self.labels
    }

    /// What makes numbers of pictures.
    pub fn processor(&self) -> &ImageProcessor {
        &self.processor
    }

    /// Every class with its probability, the most probable first.
    ///
    /// # Errors
    /// As [`classify_all`](Self::classify_all).
    pub fn classify(&self, picture: &Picture) -> Result<Vec<Class>, EncodeError> {
        Ok(self.classify_all(std::slice::from_ref(picture))?.remove(0))
    }

    /// The classes of each of `pictures`, in their order.
    ///
    /// # Errors
    /// [`EncodeError::NoHead`] if the model has no classifier, [`EncodeError::Vision`] if a picture is not made of
    /// patches.
    pub fn classify_all(&self, pictures: &[Picture]) -> Result<Vec<Vec<Class>>, EncodeError> {
        if self.labels.is_empty() {
            let uses = self.uses.join(", ");
            return Err(EncodeError::NoHead { does: "tells classes of pictures", family: self.family, uses });
        }
        let scores = self.read(pictures, |encoding| self.model.mean_label_scores(encoding))?;
        Ok(scores.iter().map(|scores| self.classes(scores)).collect())
    }

    fn classes(&self, scores: &[f32]) -> Vec<Class> {
        let class = |(label, probability): (&String, f64)| Class { label: label.clone(), probability };
        let mut classes: Vec<Class> = self.labels.iter().zip(softmax(scores)).map(class).collect();
        classes.sort_by(|a, b| b.probability.total_cmp(&a.probability));
        classes
    }

    /// The vector of each of `pictures`: the class token's, or the mean of all patches', before the pooler.
    ///
    /// # Errors
    /// [`EncodeError::Vision`] if a picture is not made of patches.
    pub fn embed_all(&self, pictures: &[Picture]) -> Result<Vec<Vec<f32>>, EncodeError> {
        self.read(pictures, |encoding| Some(encoding.vector.clone()))
    }

    /// The vector of a picture.
    ///
    /// # Errors
    /// As [`embed_all`](Self::embed_all).
    pub fn embed(&self, picture: &Picture) -> Result<Vec<f32>, EncodeError> {
        Ok(self.embed_all(std::slice::from_ref(picture))?.remove(0))
    }

    /// A row of numbers for each picture.
    fn read(
        &self,
        pictures: &[Picture],
        of: impl Fn(&ImageEncoding) -> Option<Tensor<2>>,
    ) -> Result<Vec<Vec<f32>>, EncodeError> {
        let prepared: Vec<Picture> = pictures.iter().map(|picture| self.processor.prepare(picture)).collect();
        let mut rows = Vec::with_capacity(prepared.len());
        // Pictures of different sizes can't be read together.
        for alike in prepared.chunk_by(|a, b| a.size() == b.size()) {
            for some in alike.chunks(AT_ONCE) {
                let encoding = self.model.encode(&self.patches(some)?, None);
                let values = of(&encoding).map(host).transpose()?.unwrap_or_default();
                rows.extend(values.chunks(values.len() / some.len()).map(<[f32]>::to_vec));
            }
        }
        Ok(rows)
    }

    fn patches(&self, prepared: &[Picture]) -> Result<Patches, EncodeError> {
        Ok(self.processor.patches(prepared, self.patch_size)?)
    }

    /// What the vector of a picture is made of, through all layers: attention rollout (Abnar and Zuidema 2020, §3). The
    /// weights of a layer are the mean of its heads', half of each token's attention is its own by the residual
    /// connection, and layers are multiplied.
    ///
    /// # Errors
    /// As [`embed_all`](Self::embed_all).
    pub fn attention(&self, picture: &Picture) -> Result<AttentionMap, EncodeError> {
        let picture = self.processor.prepare(picture);
        let patches = self.patches(std::slice::from_ref(&picture))?;
        let (encoding, layers) = self.model.encode_with_weights(&patches);
        let title = match self.model.mean_label_scores(&encoding) {
            Some(scores) => {
                let Class { label, probability } = self.classes(&host(scores)?).remove(0);
                format!("{label} {probability:.4}")
            }
            None => "attention".to_owned(),
        };
        let [_, n_tokens, _] = encoding.hidden.dims();
        let layers = layers.into_iter().map(|weights| host(weights.mean_dim(1)));
        let layers = layers.collect::<Result<Vec<Vec<f32>>, DeviceError>>()?;
        let before = self.model.n_tokens_before();
        // A row vector that is multiplied by the layers from the last down: of the class token, or of all patches.
        let mut row = vec![0.0; n_tokens];
        match before {
            0 => row.fill(1.0 / n_tokens as f64),
            _ => row[0] = 1.0,
        }
        for weights in layers.iter().rev() {
            let mut below: Vec<f64> = row.iter().map(|share| 0.5 * share).collect();
            for (share, weights) in row.iter().zip(weights.chunks(n_tokens)) {
                below.iter_mut().zip(weights).for_each(|(sum, &weight)| *sum += 0.5 * share * f64::from(weight));
            }
            row = below;
        }
        let values = row[before..].iter().map(|&share| share as f32).collect();
        Ok(AttentionMap { title, grid: patches.grid(), picture, values })
    }

    /// What the vector of a picture looks at in every layer and head.
    ///
    /// # Errors
    /// As [`embed_all`](Self::embed_all).
    pub fn attention_of_heads(&self, picture: &Picture) -> Result<PatchAttention, EncodeError> {
        let picture = self.processor.prepare(picture);
        let patches = self.patches(std::slice::from_ref(&picture))?;
        let (_, layers) = self.model.encode_with_weights(&patches);
        let before = self.model.n_tokens_before();
        let n_heads = layers.first().map_or(0, |layer| layer.dims()[1]);
        let of_vector = |weights: Tensor<4>| {
            let rows = if before > 0 { weights.narrow(2, 0, 1) } else { weights.mean_dim(2) }; // [1, heads, 1, tokens]
            let n_patches = rows.dims()[3] - before;
            host(rows.narrow(3, before, n_patches))
        };
        let layers = layers.into_iter().map(of_vector).collect::<Result<Vec<Vec<f32>>, DeviceError>>()?;
        Ok(PatchAttention { picture, grid: patches.grid(), n_heads, layers })
    }
}

/// A tensor's values.
fn host<const D: usize>(tensor: Tensor<D>) -> Result<Vec<f32>, DeviceError> {
    tensor.try_into_vec_as::<f32>().map_err(DeviceError::new)
}

/// A bundle's encoder on its way to a device.
struct Reading<'a, P> {
    bundle: &'a Bundle<P>,
    device: &'a Device,
}

impl<P: Params> FamilyVisitor for Reading<'_, P> {
    type Output = Result<ImageEncoder, BundleError>;

    fn any<C: ModelSpec>(self, _spec: &C, _role: Role) -> Self::Output {
        Err(self.bundle.other_role(Role::ImageEncoder))
    }

    fn image_encoder<C: ImageEncoderSpec>(self, spec: &C) -> Self::Output {
        let wrong = |problem: String| BundleError::Pictures { path: self.bundle.path.clone(), problem };
        let processor = self.bundle.processor.image();
        let processor = processor
            .ok_or_else(|| wrong("the model has no processor.json, which says how pictures become numbers".into()))?;
        if processor.channels != spec.n_channels() {
            let (made, read) = (processor.channels, spec.n_channels());
            return Err(wrong(format!("processor.json makes pictures of {made} channels, and the model reads {read}")));
        }
        Ok(ImageEncoder {
            model: Box::new(self.bundle.model::<C>(self.device)?),
            processor: processor.clone(),
            patch_size: spec.patch_size(),
            labels: spec.labels().to_vec(),
            family: C::FAMILY,
            uses: uses::of_image_encoder(spec),
        })
    }
}

impl fmt::Debug for ImageEncoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ImageEncoder")
            .field("processor", &self.processor)
            .field("labels", &self.labels)
            .finish_non_exhaustive()
    }
}
