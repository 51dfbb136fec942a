//! ViT and DeiT in and out against transformers (`tests/golden/generate_vit.py`).

use std::{fs, path::Path};

use attentive_backend::BackendKind;
use attentive_bundle::{Bundle, ImageEncoder};
use attentive_core::Patches;
use attentive_interchange::{ExportConfig, Format, ImportConfig, InterchangeError, export, import};
use attentive_model::{Distillation, ImageModel, ImagePooling, ModelConfig, VitConfig};
use attentive_testkit::{Area, Comparison, Golden, largest_error, named};
use attentive_vision::{Filter, ImageProcessor, Picture, Resize};
use burn::tensor::Tensor;
use serde_json::{Value, json};

/// How far a number may be from transformers'.
const ALLOWED: f64 = 1e-4;
const BACKENDS: [BackendKind; 2] = [BackendKind::Flex, BackendKind::NdArray];
const FOLDERS: [(&str, Format); 4] = [
    ("vit", Format::Vit),
    ("vit-classification", Format::Vit),
    ("deit-classification", Format::Deit),
    ("deit-teacher", Format::Deit),
];

fn golden() -> Golden {
    Golden::of(env!("CARGO_MANIFEST_DIR"))
}

fn comparison(what: impl Into<String>, allowed: f64) -> Comparison {
    let version = golden().version("transformers");
    Comparison::new(Area::Weights, what, format!("transformers {version}"), allowed)
}

fn read(folder: &Path) -> Bundle {
    import(folder, &ImportConfig::default()).unwrap().bundle
}

fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().try_into_vec().unwrap()
}

/// Two pictures of the generator, `[2, channels, height, width]`, patch by patch.
fn patches(config: &VitConfig, [height, width]: [usize; 2]) -> Patches {
    let (channels, side) = (config.n_channels, config.patch_size);
    let values = named(&format!("pictures {height} {width}"), 2 * channels * height * width);
    let grid = [height / side, width / side];
    let value = |at: usize| {
        let (within, patch) = (at % config.patch_width(), at / config.patch_width());
        let (picture, patch) = (patch / (grid[0] * grid[1]), patch % (grid[0] * grid[1]));
        let (channel, within) = (within / (side * side), within % (side * side));
        let (row, column) = (patch / grid[1] * side + within / side, patch % grid[1] * side + within % side);
        values[((picture * channels + channel) * height + row) * width + column]
    };
    Patches::new((0..2 * channels * height * width).map(value).collect(), 2, grid)
}

fn compare(comparison: &mut Comparison, name: &str, bundle: &Bundle, kind: BackendKind) {
    let config: VitConfig = bundle.spec().unwrap();
    let model = bundle.model::<VitConfig>(&kind.device().unwrap()).unwrap();
    for case in golden().cases(&format!("{name}/outputs.json")) {
        let size: [usize; 2] = serde_json::from_value(case["size"].clone()).unwrap();
        let encoding = model.encode(&patches(&config, size), None);
        for tensor in case["tensors"].as_object().unwrap().keys() {
            let found = match &**tensor {
                "hidden" => values(encoding.hidden.clone()),
                "pooled" => values(model.pooled(&encoding).unwrap()),
                _ => values(model.mean_label_scores(&encoding).unwrap()),
            };
            let error = largest_error(&found, &Golden::tensor(&case, tensor));
            comparison.case(format!("{name}, {size:?}: {tensor}"), error);
        }
    }
}

#[test]
fn models_that_are_read_compute_what_transformers_computes() {
    for kind in BACKENDS {
        let mut comparison = comparison(format!("vectors and logits of ViTs and DeiTs read, {kind}"), ALLOWED);
        for (name, _) in FOLDERS {
            compare(&mut comparison, name, &read(&golden().path(name)), kind);
        }
        comparison.report();
    }
}

#[test]
fn processors_are_those_of_the_folders() {
    let processor = |name: &str| read(&golden().path(name)).processor.image().cloned().unwrap();
    assert_eq!(
        processor("vit"),
        ImageProcessor { mean: vec![0.5; 3], std: vec![0.5; 3], ..ImageProcessor::square(12, 3) }
    );
    let cropped = ImageProcessor {
        channels: 3,
        resize: Some(Resize::Exact([16, 16])),
        filter: Filter::Bicubic,
        crop: Some([12, 12]),
        scale: 1.0 / 255.0,
        mean: vec![0.485, 0.456, 0.406],
        std: vec![0.229, 0.224, 0.225],
    };
    assert_eq!(processor("deit-teacher"), cropped);
    let grey = processor("vit-classification");
    assert_eq!((grey.channels, grey.filter, &grey.std[..]), (1, Filter::Bicubic, &[0.25][..]));
}

#[test]
fn models_are_written_as_transformers_writes_them() {
    let mut weights = comparison("weights of ViTs and DeiTs written", 0.0);
    let mut again_read = comparison("vectors and logits of ViTs and DeiTs written and read", ALLOWED);
    for (name, format) in FOLDERS {
        let original = golden().path(name);
        let bundle = read(&original);
        let folder = tempfile::tempdir().unwrap();
        let notes = export(&bundle, format, &ExportConfig::default(), folder.path()).unwrap();
        assert_eq!(notes.len(), usize::from(name == "vit-classification"), "{name}: {notes:?}");
        for file in ["config.json", "preprocessor_config.json"] {
            let json =
                |folder: &Path| -> Value { serde_json::from_slice(&fs::read(folder.join(file)).unwrap()).unwrap() };
            let (written, expected) = (json(folder.path()), json(&original));
            for (key, value) in written.as_object().unwrap() {
                let is_new = key == "do_center_crop" && *value == json!(false);
                assert!(is_new || *value == expected[key], "{name}: {key} is {value}, not {}", expected[key]);
            }
        }
        let tensors = |folder: &Path| attentive_weights::read(&folder.join("model.safetensors")).unwrap();
        let (written, expected) = (tensors(folder.path()), tensors(&original));
        assert_eq!(written.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>(), "{name}");
        for (tensor, values) in &expected {
            weights.equal(format!("{name}: {tensor}"), &written[tensor], values);
        }
        let again = read(folder.path());
        assert_eq!((&again.model, &again.params), (&bundle.model, &bundle.params), "{name}");
        assert_eq!(again.processor.image(), bundle.processor.image(), "{name}");
        compare(&mut again_read, name, &again, BackendKind::Flex);
    }
    weights.report();
    again_read.report();
}

#[test]
fn a_folder_s_model_tells_classes_of_pictures() {
    let folder = tempfile::tempdir().unwrap();
    let saved = folder.path().join("model");
    read(&golden().path("deit-teacher")).save(&saved).unwrap();
    assert!(saved.join("processor.json").is_file() && !saved.join("tokenizer.json").exists());
    let bundle = Bundle::open(&saved).unwrap();
    assert_eq!(bundle.uses(), ["classify", "embed", "attention"]);
    let encoder = ImageEncoder::from_bundle(&bundle, &BackendKind::Flex.device().unwrap(), None).unwrap();
    let picture = Picture::new([20, 30], 3, (0..1800).map(|at| (at * 7) as u8).collect());
    let classes = encoder.classify(&picture).unwrap();
    assert_eq!(classes.len(), 3);
    assert!((classes.iter().map(|class| class.probability).sum::<f64>() - 1.0).abs() < 1e-9);
    assert!(["cat", "dog", "neither"].contains(&&*classes[0].label));
    assert_eq!(encoder.embed(&picture).unwrap().len(), 8);
    let map = encoder.attention(&picture).unwrap();
    assert_eq!((map.grid, map.values.len(), map.picture.size()), ([3, 3], 9, [12, 12]));
    // The rest is what the class token and the distillation token have.
    let of_patches: f32 = map.values.iter().sum();
    assert!(map.values.iter().all(|&share| share > 0.0) && of_patches < 1.0, "{of_patches}");
    // A processor that was changed is noticed.
    fs::write(saved.join("processor.json"), "{}").unwrap();
    assert!(Bundle::open(&saved).unwrap_err().to_string().contains("processor.json"));
}

#[test]
fn what_can_t_come_in_or_go_out_is_said() {
    let changed = |change: &dyn Fn(&mut Value, &mut Value)| {
        let folder = tempfile::tempdir().unwrap();
        let original = golden().path("vit-classification");
        for entry in fs::read_dir(original).unwrap() {
            let path = entry.unwrap().path();
            fs::copy(&path, folder.path().join(path.file_name().unwrap())).unwrap();
        }
        let paths = ["config.json", "preprocessor_config.json"].map(|file| folder.path().join(file));
        let [mut config, mut processor] =
            paths.each_ref().map(|path| serde_json::from_slice(&fs::read(path).unwrap()).unwrap());
        change(&mut config, &mut processor);
        fs::write(&paths[0], config.to_string()).unwrap();
        fs::write(&paths[1], processor.to_string()).unwrap();
        import(folder.path(), &ImportConfig::default())
    };
    let says = |found: Result<_, InterchangeError>, part: &str| {
        let error = found.map(|_: attentive_interchange::Imported| ()).unwrap_err().to_string();
        assert!(error.contains(part), "{part:?} is not in {error}");
    };
    says(changed(&|config, _| config["image_size"] = json!([12, 16])), "image_size is [12, 16]; here pictures and");
    says(changed(&|config, _| config["problem_type"] = json!("multi_label_classification")), "problem_type");
    says(
        changed(&|config, _| config["architectures"] = json!(["ViTForMaskedImageModeling"])),
        "ViTForMaskedImageModeling",
    );
    says(changed(&|_, processor| processor["resample"] = json!(9)), "resample is 9");
    says(changed(&|_, processor| processor["image_std"] = json!([0.0])), "std");
    says(
        changed(&|_, processor| processor["size"] = json!({ "longest_edge": 9 })),
        "preprocessor_config.json is damaged",
    );
    // A class that is not ViT's has other defaults.
    let of_class = |class: &str, change: &dyn Fn(&mut Value)| {
        changed(&|_, processor| {
            processor["image_processor_type"] = json!(class);
            processor["do_center_crop"] = json!(true);
            processor["crop_size"] = json!(12);
            change(processor);
        })
    };
    for key in ["size", "crop_size", "resample", "image_mean", "image_std"] {
        let without = of_class("CLIPImageProcessor", &|processor| processor[key] = json!(null));
        says(without, &format!("{key} is missing, and what CLIPImageProcessor does then is not known"));
    }
    let one_side = |class| of_class(class, &|processor| processor["size"] = json!(14));
    says(one_side("BeitImageProcessor"), "whether BeitImageProcessor makes that both sides");
    let shorter = one_side("CLIPFeatureExtractor").unwrap().bundle.processor.image().cloned().unwrap();
    assert_eq!((shorter.resize, shorter.crop), (Some(Resize::Shorter(14)), Some([12; 2])));
    let noted = changed(&|_, processor| processor["do_pad"] = json!(true)).unwrap().notes.join("\n");
    assert!(noted.contains("do_pad = true"), "{noted}");

    let bundle = read(&golden().path("vit"));
    let config: VitConfig = bundle.spec().unwrap();
    let refused = |config: VitConfig, format| {
        let bundle = Bundle { model: ModelConfig::from(config), ..bundle.clone() };
        let folder = tempfile::tempdir().unwrap();
        export(&bundle, format, &ExportConfig::default(), folder.path()).unwrap_err().to_string()
    };
    let mean = VitConfig { pooling: ImagePooling::Mean, ..config.clone() };
    assert!(refused(mean, Format::Vit).contains("pooling"));
    assert!(refused(config.clone(), Format::Deit).contains("take the format vit"));
    let distilled = VitConfig { distillation: Distillation::Token, ..config };
    assert!(refused(distilled, Format::Vit).contains("take the format deit"));
}
