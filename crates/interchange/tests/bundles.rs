//! Models that are read are bundles like all others.

use std::fs;

use attentive_backend::BackendKind;
use attentive_bundle::{Bundle, DecodingConfig, TranslateError, Translator};
use attentive_interchange::{ImportConfig, import};
use attentive_model::Role;

use crate::support::golden;

#[test]
fn every_model_that_is_read_is_saved_and_opened() {
    let device = BackendKind::Flex.device().unwrap();
    let options = ImportConfig { drop_unknown: true, ..ImportConfig::default() };
    let (mut n_read, mut n_translators) = (0, 0);
    for entry in fs::read_dir(golden().path("")).unwrap() {
        let path = entry.unwrap().path();
        let Ok(found) = import(&path, &options) else { continue };
        let bundle = found.bundle;
        let folder = tempfile::tempdir().unwrap();
        bundle.save(folder.path()).unwrap();
        let opened = Bundle::read(folder.path()).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        assert_eq!((&opened.model, &opened.params), (&bundle.model, &bundle.params), "{}", path.display());
        n_read += 1;
        if opened.model.role() != Role::EncoderDecoder {
            continue;
        }
        n_translators += 1;
        // Short sources are filled beside long ones.
        let config = DecodingConfig { max_len: Some(4), min_len: 0, ..opened.decoding.clone() };
        let translator = Translator::from_bundle(&opened, &device, None).unwrap();
        match translator.translate(&["the animal", "a"], &config) {
            Ok(found) => assert_eq!(found.len(), 2),
            Err(TranslateError::Frame(_)) => {}
            Err(error) => panic!("{}: {error}", path.display()),
        }
    }
    assert!(n_read > 80 && n_translators > 15, "{n_read} {n_translators}");
}
