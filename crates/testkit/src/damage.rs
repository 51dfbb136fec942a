use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::Fixture;

/// Bad values for numbers in a header: zero, and far too much.
const EXTREMES: [&[u8]; 6] = [&[0; 8], &[0xff; 8], b"99999999", b"-1", b"\xc3\x28", b"\n\n"];

/// `bytes` as a bad disk, a cut connection or an editor may leave them: some bits flipped, a part cut off, removed,
/// doubled or replaced. The kind of damage depends on `seed` alone.
pub fn damaged(bytes: &[u8], seed: u64) -> Vec<u8> {
    let mut fixture = Fixture::new(seed);
    let mut bytes = bytes.to_vec();
    for _ in 0..=fixture.next_u64() % 3 {
        let len = bytes.len().max(1) as u64;
        // Half of the damage is near the start, where headers are.
        let near = if fixture.next_u64() & 1 == 0 { len } else { len.min(64) };
        let at = (fixture.next_u64() % near) as usize;
        let end = (at + 1 + (fixture.next_u64() % 16) as usize).min(bytes.len());
        let kind = fixture.next_u64() % 6;
        match kind {
            _ if at >= end => bytes.push(fixture.next_u64() as u8),
            0 | 1 => bytes[at] ^= 1 << (fixture.next_u64() % 8),
            2 => bytes.truncate(at),
            3 => drop(bytes.drain(at..end)),
            4 => {
                let part = bytes[at..end].to_vec();
                bytes.splice(at..at, part);
            }
            _ => {
                let extreme = EXTREMES[(fixture.next_u64() % EXTREMES.len() as u64) as usize];
                bytes.splice(at..end, extreme.iter().copied());
            }
        }
    }
    bytes
}

/// Hands `read` `n` damaged forms of `bytes`; it may do anything with them except panic.
///
/// # Panics
/// If `read` panics: the seed of the damage is in the message.
pub fn survives(bytes: &[u8], n: u64, mut read: impl FnMut(&[u8])) {
    for seed in 0..n {
        let damaged = damaged(bytes, seed);
        let outcome = catch_unwind(AssertUnwindSafe(|| read(&damaged)));
        assert!(outcome.is_ok(), "damaged with seed {seed}, it makes its reader panic");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn damage_is_of_many_kinds_and_always_the_same() {
        let bytes: Vec<u8> = (0..200).collect();
        let all: Vec<Vec<u8>> = (0..200).map(|seed| damaged(&bytes, seed)).collect();
        assert_eq!(all[7], damaged(&bytes, 7));
        assert!(all.iter().filter(|damaged| **damaged == bytes).count() < 5);
        assert!(all.iter().any(|damaged| damaged.len() < 100) && all.iter().any(|damaged| damaged.len() > 200));
        survives(&[], 50, |_| {});
    }

    #[test]
    #[should_panic(expected = "damaged with seed 0")]
    fn a_panic_is_reported_with_its_seed() {
        survives(&[1, 2, 3], 10, |_| panic!("as a bad reader would"));
    }
}
