//! Patterns of paths through a model.

/// Whether a pattern describes a path: `*` stands for any characters, and a part of a model for all that is in it.
pub fn describes(pattern: &str, path: &str) -> bool {
    let rest = |tail: &str| tail.is_empty() || tail.starts_with('.');
    match pattern.split_once('*') {
        None => path.strip_prefix(pattern).is_some_and(rest),
        Some((head, pattern)) => path.strip_prefix(head).is_some_and(|path| {
            let ends = path.char_indices().map(|(at, _)| at).chain([path.len()]);
            ends.into_iter().any(|at| describes(pattern, &path[at..]))
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_describes_paths_and_what_is_in_them() {
        let path = "encoder.layers.0.self_attention.query.weight";
        for pattern in ["encoder", "encoder.*", "*", "*.weight", "encoder.layers.0", "*.self_attention.*", path, "enc*"]
        {
            assert!(describes(pattern, path), "{pattern}");
        }
        for pattern in ["enc", "decoder.*", "*.bias", "encoder.layers.1", "encoder.layers.0.self", "", "query"] {
            assert!(!describes(pattern, path), "{pattern}");
        }
    }
}
