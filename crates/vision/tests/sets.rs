//! Folders, MNIST's and CIFAR's files, batches and random changes.

use std::{fs, io::Write, path::Path, sync::Arc};

use attentive_core::{BatchStream, Endless, Epochs, ImageBatch, Position};
use attentive_vision::{
    AugmentConfig, CifarKind, ClassFolder, ImageProcessor, Picture, PictureBatcher, Pictures, Prefetch, Shapes,
    VisionError,
};
use proptest::prelude::*;

fn png(shade: u8) -> Vec<u8> {
    Picture::new([4, 4], 1, vec![shade; 16]).to_png()
}

/// A folder of these files.
fn folder(files: &[(&str, &[u8])]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
    folder
}

#[test]
fn a_folder_s_classes_are_its_folders_and_what_is_broken_is_named() {
    let (one, two, three) = (png(1), png(2), png(3));
    let cut = &three[..three.len() - 20];
    let folder = folder(&[
        ("dog/b.png", &two),
        ("cat/deep/a.PNG", &one),
        ("cat/empty.jpg", b""),
        ("cat/cut.png", cut),
        ("cat/text.gif", b"not a picture"),
        ("cat/notes.txt", b"notes"),
        ("cat/.hidden.png", b""),
        ("readme.md", b""),
    ]);
    let found = ClassFolder::read(folder.path(), false).unwrap();
    assert_eq!(found.labels, ["cat", "dog"]);
    let files: Vec<String> =
        found.files.iter().map(|(path, class)| format!("{class} {}", path.file_name().unwrap().display())).collect();
    assert_eq!(files, ["0 a.PNG", "1 b.png"]);
    assert_eq!(found.report.others.len(), 2);
    let broken = found.report.broken.join("\n");
    for part in ["cut.png is damaged", "empty.jpg is empty", "text.gif is not a picture of PNG, JPEG, WebP, GIF or BMP"]
    {
        assert!(broken.contains(part), "{part:?} is not in {broken}");
    }
    // Another content is another sum, and headers alone find less.
    let again = ClassFolder::read(folder.path(), true).unwrap();
    assert_ne!(again.sha256, found.sha256);
    assert_eq!(again.report.broken.len(), 2);
    let pictures = Pictures::of_folder(found);
    assert_eq!(pictures.picture(1).unwrap().pixels(), [2; 16]);
}

#[test]
fn folders_without_classes_or_pictures_are_refused() {
    let says = |found: Result<ClassFolder, VisionError>, part: &str| {
        let error = found.unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    };
    says(ClassFolder::read(Path::new("nowhere"), false), "cannot read nowhere");
    says(ClassFolder::read(folder(&[("a.png", &png(1))]).path(), false), "has no folders");
    let broken = folder(&[("cat/a.png", &png(1)), ("dog/b.png", b"")]);
    says(ClassFolder::read(broken.path(), false), "b.png is empty");
    // What is wrong in a class is not said of another one.
    let empty = folder(&[("cat/a.png", &png(1)), ("cat/b.png", b""), ("dog/notes.txt", b"")]);
    says(ClassFolder::read(empty.path(), false), "dog has no picture that can be read: add some");
}

fn idx(axes: &[u32], values: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0, 0, 8, axes.len() as u8];
    axes.iter().for_each(|axis| bytes.extend(axis.to_be_bytes()));
    bytes.extend(values);
    bytes
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    writer.write_all(bytes).unwrap();
    writer.finish().unwrap()
}

#[test]
fn idx_files_are_read_plain_and_compressed() {
    let values: Vec<u8> = (0..24).collect();
    let folder = folder(&[("images", &gzip(&idx(&[2, 3, 4], &values))), ("labels", &idx(&[2], &[7, 0]))]);
    let pictures = Pictures::of_idx(&folder.path().join("images"), &folder.path().join("labels")).unwrap();
    assert_eq!((pictures.len(), pictures.labels().len()), (2, 8));
    assert_eq!([pictures.class(0), pictures.class(1)], [7, 0]);
    let second = pictures.picture(1).unwrap();
    assert_eq!((second.size(), second.pixels()), ([3, 4], &values[12..]));
    // Names of classes that no picture has need not be known.
    let labels = ["0", "7"].map(String::from);
    assert_eq!(pictures.with_labels(&labels).unwrap().class(0), 1);
}

#[test]
fn damaged_idx_files_are_named() {
    let images = idx(&[2, 1, 1], &[1, 2]);
    let huge = idx(&[u32::MAX; 4], &[]);
    let labels = &idx(&[2], &[0, 1])[..];
    let bomb = gzip(&idx(&[1, 1, 2], &[0; 1 << 20]));
    let cases: [(&[u8], &[u8], &str); 10] = [
        (b"", b"", "images is empty"),
        (b"PNG", labels, "images is not an IDX file"),
        (&[0, 0, 13, 1, 0, 0, 0, 0], labels, "images is an IDX file of other numbers than bytes"),
        (&images[..images.len() - 1], labels, "images has 1 values, and its header says 2"),
        (&images[..9], labels, "images ends in its header"),
        (&bomb, labels, "images has more values than the 2 that its header says"),
        (&images, &gzip(&idx(&[2], &[0; 1 << 20])), "labels has more values than the 2 that its header says"),
        (&huge, labels, "images has the axes [4294967295, 4294967295, 4294967295, 4294967295]"),
        (&idx(&[u32::MAX; 3], &[]), labels, "images has 0 values, and its header says"),
        (&images, &idx(&[3], &[0, 1, 2]), "labels has the axes [3], and"),
    ];
    for (images, labels, part) in cases {
        let folder = folder(&[("images", images), ("labels", labels)]);
        let error =
            Pictures::of_idx(&folder.path().join("images"), &folder.path().join("labels")).unwrap_err().to_string();
        assert!(error.contains(part), "{part:?} is not in {error}");
    }
    let cut = folder(&[("images", &gzip(&images)[..12]), ("labels", &idx(&[2], &[0, 1]))]);
    let error = Pictures::of_idx(&cut.path().join("images"), &cut.path().join("labels")).unwrap_err().to_string();
    assert!(error.contains("gzip -t") && !error.contains("line"), "{error}");
}

#[test]
fn cifar_s_planes_become_pixels() {
    let record: Vec<u8> = [3].into_iter().chain((0..3072_u32).map(|at| (at / 1024 * 50 + at % 7) as u8)).collect();
    let names = "a\nb\nc\nd\ne\nf\ng\nh\ni\nj\n\n";
    let folder = folder(&[("batch.bin", &[&record[..], &record].concat()), ("batches.meta.txt", names.as_bytes())]);
    let pictures = Pictures::of_cifar(&[folder.path().join("batch.bin")], CifarKind::Ten).unwrap();
    assert_eq!((pictures.len(), &*pictures.labels()[3], pictures.class(1)), (2, "d", 3));
    let expected = [9, 1024 + 9, 2048 + 9].map(|at| record[1 + at]);
    assert_eq!(pictures.picture(1).unwrap().pixel(0, 9), expected);
    let error = Pictures::of_cifar(&[folder.path().join("batch.bin")], CifarKind::Hundred).unwrap_err().to_string();
    assert!(error.contains("not whole pictures of 3074"), "{error}");
}

fn batcher(rows: usize) -> PictureBatcher {
    let pictures = Arc::new(Pictures::of_shapes(Shapes { seed: 1, n: 20 }));
    PictureBatcher::new(pictures, (3..20).collect(), ImageProcessor::square(32, 3), 8, rows, 5).unwrap()
}

fn changes() -> AugmentConfig {
    AugmentConfig { crop: Some([0.3, 1.0]), shift: 2, flip: 0.5, operations: 2, magnitude: 7.0, mixup: 0.4 }
}

#[test]
fn an_epoch_has_every_picture_once_in_an_order_of_its_own() {
    let batches = batcher(4);
    let order = |epoch| -> Vec<u64> { batches.epoch(epoch).flat_map(|batch| batch.unwrap().indices).collect() };
    let (first, second) = (order(0), order(1));
    assert_ne!(first, second);
    let mut sorted = first;
    sorted.sort_unstable();
    assert_eq!(sorted, (3..20).collect::<Vec<u64>>());
}

#[test]
fn batches_made_ahead_are_those_made_in_time() {
    let mut ahead = Prefetch::new(batcher(4).augmented(changes()));
    let mut expected = Endless::new(batcher(4).augmented(changes()));
    for n in 0..12 {
        assert_eq!(ahead.position(), expected.position());
        assert_eq!(ahead.n_batches().unwrap(), 5);
        assert_eq!(ahead.next_batch().unwrap(), expected.next_batch().unwrap());
        if n % 5 == 3 {
            let position = Position { epoch: n, batch_idx: 2 };
            ahead.seek(position).unwrap();
            expected.seek(position).unwrap();
        }
    }
}

/// A process makes the pictures of its own batches alone.
#[test]
fn batches_made_ahead_are_shared_as_those_made_in_time() {
    let mut ahead = Prefetch::new(batcher(4).augmented(changes()));
    let mut expected = Endless::new(batcher(4).augmented(changes()));
    ahead.share(1..3, 4);
    expected.share(1..3, 4);
    for _ in 0..12 {
        assert_eq!(ahead.next_batch().unwrap(), expected.next_batch().unwrap());
        assert_eq!(ahead.position(), expected.position());
    }
}

#[test]
fn a_file_that_breaks_later_ends_the_stream_with_its_name() {
    let folder = folder(&[("a/1.png", &png(1)), ("b/2.png", &png(2))]);
    let pictures = Arc::new(Pictures::of_folder(ClassFolder::read(folder.path(), false).unwrap()));
    let batches = PictureBatcher::new(pictures, vec![0, 1], ImageProcessor::square(4, 1), 2, 2, 1).unwrap();
    fs::write(folder.path().join("b/2.png"), b"").unwrap();
    let error = Prefetch::new(batches).next_batch().unwrap_err().to_string();
    assert!(error.ends_with("2.png is empty: copy it again, or remove it"), "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// The size of batches decides which pictures are mixed, and nothing else.
    #[test]
    fn changes_are_a_function_of_seed_epoch_and_picture(rows in 1_usize..9, epoch in 0_u64..4) {
        let alone = AugmentConfig { mixup: 0.0, ..changes() };
        let by_picture = |rows: usize| {
            let batches: Vec<ImageBatch> = batcher(rows).augmented(alone.clone()).epoch(epoch).map(Result::unwrap).collect();
            let mut pictures: Vec<(u64, Vec<f32>)> = batches.iter().flat_map(|batch| {
                let n = batch.patches.values().len() / batch.indices.len();
                batch.indices.iter().copied().zip(batch.patches.values().chunks(n).map(<[f32]>::to_vec)).collect::<Vec<_>>()
            }).collect();
            pictures.sort_by_key(|(idx, _)| *idx);
            pictures
        };
        prop_assert_eq!(by_picture(rows), by_picture(4));
    }

    #[test]
    fn a_mixture_is_as_much_of_a_class_as_of_its_picture(epoch in 0_u64..6) {
        let mixed = AugmentConfig { mixup: 0.5, ..AugmentConfig::default() };
        let plain: Vec<ImageBatch> = batcher(4).epoch(epoch).map(Result::unwrap).collect();
        for (batch, plain) in batcher(4).augmented(mixed).epoch(epoch).map(Result::unwrap).zip(plain) {
            let n = plain.indices.len();
            let per_picture = plain.patches.values().len() / n;
            for (row, shares) in batch.classes.iter().enumerate() {
                prop_assert_eq!([shares.class, shares.other], [plain.classes[row].class, plain.classes[n - 1 - row].class]);
                let [own, other] = [row, n - 1 - row].map(|row| plain.patches.values()[row * per_picture]);
                let value = batch.patches.values()[row * per_picture];
                prop_assert!((value - (shares.share * own + (1.0 - shares.share) * other)).abs() < 1e-5);
            }
        }
    }

    /// Every operation keeps size and channels, at any size and strength.
    #[test]
    fn changes_keep_the_size(height in 1_usize..12, width in 1_usize..12, grey in any::<bool>(), seed in any::<u64>()) {
        let channels = if grey { 1 } else { 3 };
        let pixels = (0..height * width * channels).map(|at| (at * 37) as u8).collect();
        let picture = Picture::new([height, width], channels, pixels);
        let processor = ImageProcessor { resize: None, ..ImageProcessor::square(1, channels) };
        let strong = AugmentConfig { operations: 6, magnitude: 10.0, shift: 3, ..changes() };
        let changed = strong.apply(&picture, &processor, [seed, 0, 0]);
        prop_assert_eq!((changed.size(), changed.channels()), ([height, width], channels));
    }

    /// Any bytes are a picture or an error that names the file.
    #[test]
    fn no_bytes_make_a_decoder_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), kind in 0_usize..6) {
        let heads: [&[u8]; 6] = [b"", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0", b"GIF89a", b"BM", b"RIFF\x20\0\0\0WEBPVP8 "];
        let file = [heads[kind], &bytes].concat();
        if let Err(error) = Picture::decode(&file, Path::new("x.png")) {
            prop_assert!(error.to_string().starts_with("x.png") || error.to_string().starts_with("cannot read x.png"));
        }
    }
}

/// A PNG header that says 100,000 × 100,000 pixels.
#[test]
fn a_picture_of_too_many_pixels_is_refused_before_it_is_decoded() {
    let mut bomb = png(0);
    bomb[16..24].copy_from_slice(&[0, 1, 0x86, 0xa0, 0, 1, 0x86, 0xa0]);
    let mut sum = flate2::Crc::new();
    sum.update(&bomb[12..29]);
    bomb[29..33].copy_from_slice(&sum.sum().to_be_bytes());
    let error = Picture::decode(&bomb, Path::new("bomb.png")).unwrap_err().to_string();
    assert_eq!(error, "bomb.png has 100000 × 100000 pixels, more than 178956970: make it smaller, or remove it");
}

/// A file of holes, which takes no room on the disk.
#[test]
fn a_picture_of_a_side_that_its_reader_does_not_take_is_not_called_damaged() {
    let (width, height) = (70_000_u32, 1_u32);
    let mut bmp = b"BM".to_vec();
    bmp.extend([54 + 3 * width, 0, 54, 40, width, height].iter().flat_map(|n| n.to_le_bytes()));
    bmp.extend([1_u16, 24].iter().flat_map(|n| n.to_le_bytes()));
    bmp.extend([0_u8; 24]);
    bmp.resize(54 + 3 * width as usize, 7);
    match Picture::decode(&bmp, Path::new("wide.bmp")) {
        Ok(picture) => assert_eq!(picture.size(), [1, 70_000]),
        Err(error) => {
            let error = error.to_string();
            assert!(error.contains("wide.bmp is larger than its format is read here"), "{error}");
        }
    }
}

#[test]
fn a_file_larger_than_any_picture_is_refused_before_it_is_read() {
    let folder = folder(&[("cat/a.png", &png(1)), ("dog/b.png", &png(2))]);
    let huge = folder.path().join("dog/huge.png");
    fs::File::create(&huge).unwrap().set_len(1 << 32).unwrap();
    let error = Picture::open(&huge).unwrap_err().to_string();
    assert!(error.contains("huge.png has 4294967296 bytes, and no picture that is read has more than"), "{error}");
    let found = ClassFolder::read(folder.path(), false).unwrap();
    assert_eq!((found.files.len(), &found.report.broken[..]), (2, &[error][..]));
}
