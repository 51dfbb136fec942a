//! Work that is bounded by the text and the file: counts, not times.

use std::fs;

use attentive_tokenizer::{SentencePiece, Tokenizer};

/// A message field of bytes.
fn field(number: u8, content: &[u8]) -> Vec<u8> {
    let mut field = vec![number << 3 | 2];
    let mut len = content.len();
    while len >= 0x80 {
        field.push(len as u8 | 0x80);
        len >>= 7;
    }
    field.push(len as u8);
    field.extend_from_slice(content);
    field
}

fn piece(text: &str, kind: u8) -> Vec<u8> {
    let mut message = field(1, text.as_bytes());
    message.extend([0x15, 0, 0, 0x80, 0xBF, 0x18, kind]); // score −1, kind
    field(1, &message)
}

fn read(parts: &[Vec<u8>]) -> Result<SentencePiece, String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.model");
    fs::write(&path, parts.concat()).unwrap();
    SentencePiece::from_model(&path).map_err(|error| error.to_string())
}

#[test]
fn a_piece_of_a_megabyte_is_refused_and_one_of_the_limit_is_read() {
    let unk = piece("<unk>", 2);
    let error = read(&[unk.clone(), piece(&"a".repeat(1 << 20), 1)]).unwrap_err();
    assert!(error.contains("1048576 bytes") && error.contains("1024"), "{error}");
    let model = read(&[unk, piece(&"a".repeat(1024), 1), piece("a", 1)]).unwrap();
    assert_eq!(model.vocab_size(), 3);
}

/// A double array of one rule: `a` becomes the replacement at 0. The node after `a` has its value at `leaf`.
fn charsmap(replacement: &[u8], leaf: usize) -> Vec<u8> {
    let mut units = vec![0u32; 256 + 2];
    units[0] = 1 << 10; // the children of the root are at 1 ^ byte
    let node = 1 ^ usize::from(b'a');
    units[node] = u32::from(b'a') | 1 << 8 | ((node ^ leaf) as u32) << 10;
    units[leaf] = 1 << 31;
    let mut map = (units.len() as u32 * 4).to_le_bytes().to_vec();
    map.extend(units.iter().flat_map(|unit| unit.to_le_bytes()));
    map.extend_from_slice(replacement);
    map.push(0);
    map
}

#[test]
fn normalised_text_is_bounded_by_the_longest_replacement_that_is_read() {
    let parts =
        |replacement: &[u8]| [piece("<unk>", 2), piece("b", 1), field(3, &field(2, &charsmap(replacement, 256)))];
    let model = read(&parts(&[b'b'; 256])).unwrap();
    // Each `a` becomes 256 times `b`.
    assert_eq!(model.encode("aa").iter().filter(|&&id| id == 1).count(), 512);
    let error = read(&parts(&vec![b'b'; 1 << 20])).unwrap_err();
    assert!(error.contains("replacement of 1048576 bytes"), "{error}");
}

#[test]
fn a_rule_that_leads_in_circles_ends() {
    // After `a` comes the root again: as many `a` as there are would be one rule, looked up again at each of them.
    let model = read(&[piece("<unk>", 2), piece("b", 1), field(3, &field(2, &charsmap(b"b", 1)))]).unwrap();
    let n_rules = model.encode(&"a".repeat(1000)).iter().filter(|&&id| id == 1).count();
    assert_eq!(n_rules, 1000usize.div_ceil(256));
}
