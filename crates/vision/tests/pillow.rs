//! Pictures against Pillow and transformers' processors (`tests/golden/generate.py`).

use std::path::Path;

use attentive_testkit::{Area, Comparison, Golden, largest_error};
use attentive_vision::{Filter, ImageProcessor, Picture, Resize};
use serde::Deserialize;
use serde_json::{Value, json};

fn golden() -> Golden {
    Golden::of(env!("CARGO_MANIFEST_DIR"))
}

fn comparison(what: &str, package: &str, allowed: f64) -> Comparison {
    let against = format!("{package} {}", golden().version(&package.to_lowercase()));
    Comparison::new(Area::Numbers, what, against, allowed)
}

fn field<T: for<'de> Deserialize<'de>>(case: &Value, name: &str) -> T {
    T::deserialize(&case[name]).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The picture that `pixels` of the generator makes.
fn picture([height, width]: [usize; 2], channels: usize) -> Picture {
    let value = |n: usize| ((n * n * 31 + n * 17) >> 3) as u8;
    let mut values: Vec<u8> = (0..height * width * channels).map(value).collect();
    for (at, pixel) in values.chunks_mut(channels).enumerate() {
        let (row, column) = (at / width, at % width);
        if row < height / 3 && column < width / 3 {
            pixel.fill(255);
        }
        if row >= height - height / 3 && column < width / 2 {
            pixel.fill(0);
        }
    }
    Picture::new([height, width], channels, values)
}

#[test]
fn pictures_are_resized_as_pillow_does() {
    let mut comparison = comparison("pixels of pictures resized", "Pillow", 0.0);
    for case in golden().cases("resized.json") {
        let filter: Filter = field(&case, "filter");
        let (old, new): ([usize; 2], [usize; 2]) = (field(&case, "old"), field(&case, "new"));
        let picture = picture(old, field(&case, "channels"));
        let resized = match field::<Option<[f64; 4]>>(&case, "box") {
            Some([left, top, right, bottom]) => picture.resized_part([[top, bottom], [left, right]], new, filter),
            None => picture.resized(new, filter),
        };
        let name = format!("{old:?} to {new:?}, {}, {}", case["filter"], case["box"]);
        comparison.equal(name, &resized.pixels(), &&field::<Vec<u8>>(&case, "pixels")[..]);
    }
    comparison.report();
}

/// The processors of the generator, in our words.
fn processors() -> Value {
    let (mean, std) = ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]);
    let scale = 1.0 / 255.0;
    let half = json!([0.5]);
    json!({
        "vit": { "channels": 3, "resize": { "exact": [8, 8] }, "scale": scale, "mean": half, "std": half },
        "vit-up": { "channels": 3, "resize": { "exact": [8, 8] }, "filter": "bicubic", "scale": scale, "mean": mean, "std": std },
        "deit": {
            "channels": 3, "resize": { "exact": [10, 10] }, "filter": "bicubic", "crop": [8, 8], "scale": scale, "mean": mean, "std": std,
        },
        "deit-small": { "channels": 3, "crop": [9, 6], "scale": scale, "mean": half, "std": half },
        "shorter": {
            "channels": 3, "resize": { "shorter": 8 }, "filter": "bicubic", "crop": [8, 8], "scale": scale, "mean": mean, "std": std,
        },
        "shorter-tall": { "channels": 3, "resize": { "shorter": 6 }, "filter": "bicubic", "scale": scale, "mean": half, "std": half },
        "raw": { "channels": 3, "scale": scale, "mean": [0.0], "std": [1.0] },
    })
}

#[test]
fn pixel_values_are_those_of_transformers() {
    let mut comparison = comparison("pixel values of processors of images", "transformers", 1e-6);
    let processors = processors();
    for case in golden().cases("processed.json") {
        let name: String = field(&case, "name");
        let processor: ImageProcessor = field(&processors, &name);
        assert_eq!(processor.problem(), None, "{name}");
        let prepared = processor.prepare(&picture(field(&case, "old"), 3));
        let [height, width] = prepared.size();
        assert_eq!([3, height, width], field::<[usize; 3]>(&case, "shape"), "{name}");
        comparison.case(name, largest_error(&processor.values(&prepared), &Golden::tensor(&case, "values")));
    }
    comparison.report();
}

#[test]
fn files_are_decoded_as_pillow_does() {
    let mut lossless = comparison("pixels of files without losses", "Pillow", 0.0);
    // Decoders of JPEG round in different places.
    let mut jpeg = comparison("pixels of JPEG files", "Pillow", 2.0);
    let mut grey = comparison("grey of colours", "Pillow", 0.0);
    for case in golden().cases("files.json") {
        let name: String = field(&case, "file");
        let picture = Picture::open(&golden().path(&name)).unwrap();
        assert_eq!(picture.size(), field::<[usize; 2]>(&case, "size"), "{name}");
        let expected: Vec<u8> = field(&case, "pixels");
        assert_eq!(picture.pixels().len(), expected.len(), "{name}");
        if name.ends_with("jpg") {
            jpeg.case(&name, largest_error(picture.pixels(), &expected));
        } else {
            lossless.equal(&name, &picture.pixels(), &&expected[..]);
            grey.equal(&name, &picture.with_channels(1).pixels(), &&field::<Vec<u8>>(&case, "grey")[..]);
        }
    }
    lossless.report();
    jpeg.report();
    grey.report();
}

#[test]
fn a_picture_that_is_cut_off_is_refused_in_every_format() {
    for case in golden().cases("files.json") {
        let name: String = field(&case, "file");
        let bytes = std::fs::read(golden().path(&name)).unwrap();
        for n in [0, 1, 5, bytes.len() / 2, bytes.len() - bytes.len() / 4] {
            let error = Picture::decode(&bytes[..n], Path::new(&name)).expect_err(&name).to_string();
            assert!(error.starts_with(&name) && !error.contains('\n'), "{error}");
        }
    }
    let error = Picture::open(&golden().path("cut.jpg")).unwrap_err().to_string();
    assert!(error.contains("cut.jpg ends in the middle"), "{error}");
}

/// Small files whose headers say more than a thousand million pixels, or nearly as many as WebP can.
#[test]
fn pictures_of_too_many_pixels_are_refused_in_every_format() {
    let cases: [(&str, usize, &[u8], &str); 4] = [
        ("rgb.gif", 6, &[0xff; 4], "65535 × 65535"),
        ("rgb.bmp", 18, &[0x40, 0x9c, 0, 0, 0x40, 0x9c, 0, 0], "40000 × 40000"),
        // Of the header of its frame, after its mark, its length and the bits of a value.
        ("smooth.jpg", 163, &[0xff; 4], "65535 × 65535"),
        ("rgb.webp", 21, &[0xfe, 0xbf, 0xff, 0x0f], "16383 × 16383"),
    ];
    for (name, at, size, says) in cases {
        let mut bytes = std::fs::read(golden().path(name)).unwrap();
        bytes[at..at + size.len()].copy_from_slice(size);
        let error = Picture::decode(&bytes, Path::new(name)).unwrap_err().to_string();
        assert_eq!(error, format!("{name} has {says} pixels, more than 178956970: make it smaller, or remove it"));
    }
}

#[test]
fn what_follows_a_jpeg_picture_is_left_out() {
    let name = Path::new("motion.jpg");
    let bytes = std::fs::read(golden().path("smooth.jpg")).unwrap();
    let picture = Picture::decode(&bytes, name).unwrap();
    // As telephones add a film, in which any marks may be.
    for film in [&b"\xff\xda\0\x08 film"[..], b"\xff\xd8\xff\xda", b"\0\0\0\x18ftypmp42"] {
        assert_eq!(Picture::decode(&[&bytes[..], film].concat(), name).unwrap(), picture);
    }
    // Its marks do not end a picture that is cut off.
    let cut = [&bytes[..bytes.len() - 60], b"\xff\xe1\0\x04\xff\xd9"].concat();
    let error = Picture::decode(&cut, name).unwrap_err().to_string();
    assert!(error.contains("motion.jpg ends in the middle"), "{error}");
}

#[test]
fn patches_are_the_values_in_the_order_of_a_convolution() {
    let processor = ImageProcessor { resize: Some(Resize::Exact([4, 6])), ..ImageProcessor::square(1, 3) };
    let prepared = processor.prepare(&picture([4, 6], 3));
    let values = processor.values(&prepared);
    let patches = processor.patches(&[prepared.clone(), prepared], 2).unwrap();
    assert_eq!((patches.grid(), patches.n_pictures(), patches.width()), ([2, 3], 2, 12));
    for (at, &value) in patches.values().iter().enumerate() {
        let (patch, within) = (at / 12 % 6, at % 12);
        let (channel, row, column) = (within / 4, within % 4 / 2 + patch / 3 * 2, within % 2 + patch % 3 * 2);
        assert_eq!(value, values[(channel * 4 + row) * 6 + column], "{at}");
    }
    let error = processor.patches(&[processor.prepare(&picture([4, 6], 3))], 4).unwrap_err().to_string();
    assert_eq!(error, "pictures of 4 × 6 pixels are not made of patches of 4: change the size, or the crop");
}
