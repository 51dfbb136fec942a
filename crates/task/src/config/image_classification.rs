//! Recipes of `task = "image-classification"`.

use std::path::PathBuf;

use attentive_data::Size;
use attentive_model::{FamilyVisitor, ImageClassificationObjective, ImageEncoderSpec, ModelConfig, ModelSpec, Role};
use attentive_vision::{AugmentConfig, CifarKind, Filter, ImageProcessor, Resize};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Files, Input, ObjectiveRecipe, Problem,
    data::{is_false, refuse_beside_builtin},
    presets::require_role,
    validate_model,
};

/// The class of a picture.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ImageClassificationRecipe {
    /// Where the pictures are; without it, built-in shapes whose class two corners say together.
    #[serde(default)]
    pub data: PicturesRecipe,
    /// The folder of a model that was trained before: its sizes, its parameters, and how it makes numbers of pictures
    /// are taken, whatever the recipe says of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "super::path")]
    pub pretrained: Option<PathBuf>,
    /// How pictures become numbers.
    #[serde(default)]
    pub image: ImageRecipe,
    /// Random changes of the pictures that the model learns from; none by default.
    #[serde(default)]
    pub augment: AugmentConfig,
    /// The model; its labels are the data's.
    pub model: ModelConfig,
    /// How pictures become batches.
    pub batch: PictureBatchRecipe,
    /// What is minimised.
    #[serde(default)]
    pub objective: ObjectiveRecipe<ImageClassificationObjective>,
    /// Which checkpoints make the model.
    #[serde(default)]
    pub evaluation: super::masked_lm::EvaluationRecipe,
}

/// The parts of the pictures.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PicturesRecipe {
    /// What the model learns from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub train: Option<PictureFiles>,
    /// Pictures that the model learns from, drawn by the run's seed; all unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub examples: Option<usize>,
    /// What tells during training how good it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validation: Option<PictureFiles>,
    /// In the place of `validation`, a share of the training pictures that is held out, drawn by the run's seed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validation_fraction: Option<f64>,
    /// What the finished model is scored on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test: Option<PictureFiles>,
}

/// The pictures of one part.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(
    untagged,
    deny_unknown_fields,
    expecting = "expected `folder`, which may have `headers_only = true`, `images` and `labels`, or `cifar`, which may have \
                 `kind = \"cifar-100\"`, and nothing else"
)]
pub enum PictureFiles {
    /// A folder with a folder for each class: PNG, JPEG, WebP, GIF, BMP. Pictures that can't be read are left out, and
    /// named.
    Folder {
        /// The folder.
        #[schemars(schema_with = "super::path")]
        folder: PathBuf,
        /// Whether no more than sizes are read before training begins: for pictures that take too long to decode once
        /// more.
        #[serde(default, skip_serializing_if = "is_false")]
        headers_only: bool,
    },
    /// MNIST's files, IDX; plain or compressed.
    Idx {
        /// The pictures.
        #[schemars(schema_with = "super::path")]
        images: PathBuf,
        /// Their labels.
        #[schemars(schema_with = "super::path")]
        labels: PathBuf,
    },
    /// CIFAR's binary files; plain or compressed.
    Cifar {
        /// The files, one after another.
        cifar: Files,
        /// The set.
        #[serde(default)]
        kind: CifarKind,
    },
}

/// How pictures become numbers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ImageRecipe {
    /// How new pixels are made of old ones when a picture is resized.
    pub filter: Filter,
    /// Whether a picture keeps its proportions and its middle is cut out; else it is made as high and as wide as the
    /// model reads.
    pub crop: bool,
    /// What is subtracted from values between 0 and 1: one number, or one for each channel.
    pub mean: Vec<f64>,
    /// What the difference is divided by, likewise.
    pub std: Vec<f64>,
}

impl Default for ImageRecipe {
    /// Values from -1 to 1, as ViT's.
    fn default() -> Self {
        Self { filter: Filter::Bilinear, crop: false, mean: vec![0.5], std: vec![0.5] }
    }
}

impl ImageRecipe {
    /// The processor of pictures for a model.
    pub fn processor(&self, spec: &impl ImageEncoderSpec) -> ImageProcessor {
        let side = spec.image_size();
        ImageProcessor {
            resize: Some(if self.crop { Resize::Shorter(side) } else { Resize::Exact([side; 2]) }),
            crop: self.crop.then_some([side; 2]),
            filter: self.filter,
            mean: self.mean.clone(),
            std: self.std.clone(),
            ..ImageProcessor::square(side, spec.n_channels())
        }
    }
}

/// How pictures become batches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PictureBatchRecipe {
    /// Pictures of a batch; "auto" with `train --memory`.
    pub rows: Size,
}

impl PicturesRecipe {
    pub(super) fn has_validation(&self) -> bool {
        self.train.is_none() || self.validation.is_some() || self.validation_fraction.is_some()
    }

    fn validate(&self) -> Result<(), Problem> {
        let Self { train, validation, validation_fraction, test, .. } = self;
        if train.is_none() {
            return refuse_beside_builtin([
                ("validation", validation.is_some()),
                ("validation_fraction", validation_fraction.is_some()),
                ("test", test.is_some()),
            ]);
        }
        if validation.is_some() && validation_fraction.is_some() {
            let text = "[data] has both validation and validation_fraction; give one";
            return Err(Problem::among(["data.validation_fraction", "data.validation"], text));
        }
        Ok(())
    }
}

impl ImageClassificationRecipe {
    pub(crate) fn validate(&self) -> Result<(), Problem> {
        self.data.validate()?;
        if let Some((setting, problem)) = self.augment.problem() {
            return Err(Problem::at(format!("augment.{setting}"), problem));
        }
        if self.pretrained.is_some() { Ok(()) } else { self.check_model() }
    }

    /// Holds the model against the task.
    pub(super) fn check_model(&self) -> Result<(), Problem> {
        require_role(Role::ImageEncoder, &self.model, "image-classification")?;
        validate_model(&self.model)?;
        if let Some(data2vec) = self.objective.data2vec() {
            data2vec.validate(Input::Pictures, &self.model)?;
        }
        match self.model.visit(ProcessorOf(&self.image)).and_then(|processor| processor.problem()) {
            Some(problem) => Err(Problem::at("image", problem)),
            None => Ok(()),
        }
    }
}

/// The processor that a recipe says for a model, if the model reads pictures.
struct ProcessorOf<'a>(&'a ImageRecipe);

impl FamilyVisitor for ProcessorOf<'_> {
    type Output = Option<ImageProcessor>;

    fn any<C: ModelSpec>(self, _spec: &C, _role: Role) -> Self::Output {
        None
    }

    fn image_encoder<C: ImageEncoderSpec>(self, spec: &C) -> Self::Output {
        Some(self.0.processor(spec))
    }
}
