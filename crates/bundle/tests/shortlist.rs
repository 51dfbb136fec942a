//! A shortlist in a model's folder.

use std::{fs, path::Path, sync::Arc};

use attentive_backend::BackendKind;
use attentive_bundle::{Bundle, BundleError, Shortlist};
use attentive_model::{ModelSpec, TransformerConfig};
use attentive_tokenizer::{BpeTrainer, Tokenizer};

fn bundle() -> Bundle {
    let tokenizer: Box<dyn Tokenizer> = Box::new(BpeTrainer::with_merges(5).train(["to be or not to be"]).unwrap());
    let small =
        TransformerConfig { d_model: 4, d_ff: 6, n_heads: 2, ..TransformerConfig::base(tokenizer.vocab_size()) };
    let config = TransformerConfig { n_encoder_layers: 1, n_decoder_layers: 1, ..small };
    let params = attentive_weights::params(&config.init(&BackendKind::Flex.device().unwrap(), 1).unwrap());
    Bundle::new("", config, tokenizer, params)
}

fn with(shortlist: Shortlist) -> Bundle {
    Bundle { shortlist: Some(Arc::new(shortlist)), ..bundle() }
}

/// The error of a bundle with this shortlist.
fn refused(shortlist: Shortlist, folder: &Path) -> BundleError {
    with(shortlist).replace(folder).unwrap();
    Bundle::open(folder).unwrap_err()
}

#[test]
fn a_shortlist_is_kept_in_the_folder_and_gives_way_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model");
    let shortlist = Shortlist::new(vec![4, 2], [(3, vec![6, 5]), (7, vec![1])]);
    with(shortlist.clone()).save(&path).unwrap();
    for read in [Bundle::read(&path).unwrap().shortlist, Bundle::open(&path).unwrap().shortlist] {
        assert_eq!(read.as_deref(), Some(&shortlist));
    }
    let with_it = Bundle::sum(&path).unwrap();
    bundle().replace(&path).unwrap();
    assert!(Bundle::open(&path).unwrap().shortlist.is_none() && !path.join("shortlist.json").exists());
    assert_ne!(Bundle::sum(&path).unwrap(), with_it, "the sum of a model is that of its shortlist too");
}

#[test]
fn a_shortlist_that_was_changed_or_is_of_another_vocabulary_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let n = bundle().model.vocab_size() as u32;
    for (shortlist, says) in [
        (Shortlist::new(vec![n], []), "target token"),
        (Shortlist::new(vec![], [(0, vec![1, n])]), "target token"),
        (Shortlist::new(vec![], [(n, vec![1])]), "source token"),
    ] {
        let error = refused(shortlist, folder.path());
        assert!(matches!(&error, BundleError::Damaged { path, .. } if path.ends_with("shortlist.json")), "{error}");
        assert!(error.to_string().contains(&format!("the {says} {n}")), "{error}");
    }
    with(Shortlist::new(vec![n - 1], [])).replace(folder.path()).unwrap();
    let path = folder.path().join("shortlist.json");
    fs::write(&path, "{}").unwrap();
    let error = Bundle::open(folder.path()).unwrap_err();
    assert!(matches!(&error, BundleError::Changed { path: found } if *found == path), "{error}");
    fs::remove_file(&path).unwrap();
    let error = Bundle::open(folder.path()).unwrap_err();
    assert!(matches!(&error, BundleError::MissingPart { path: found } if *found == path), "{error}");
}
