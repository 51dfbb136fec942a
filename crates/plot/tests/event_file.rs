//! Event files against TensorBoard's own writer.

use attentive_plot::EventFile;

#[test]
fn the_bytes_are_those_of_tensorboards_writer() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.out.tfevents");
    let mut file = EventFile::create(&path, 1, 1.5).unwrap();
    let scalars =
        [(1, "train/loss", 6.25), (2, "train/loss", 0.1), (300, "validation/bleu", 31.5), (70_000, "lr", 1e-30)];
    for (step, name, value) in scalars {
        file.scalar(2.5, step, name, value).unwrap();
    }
    assert_eq!(std::fs::read(path).unwrap(), include_bytes!("golden/events.out.tfevents"));
}
