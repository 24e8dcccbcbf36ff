//! Names that controllers give: upstream's look, derived instead of drawn, so that planning twice names alike.

use sha2::{Digest, Sha256};

/// Upstream's alphabet for generated names (`k8s.io/apimachinery/pkg/util/rand`): no vowels, so no words, and no
/// digit that looks like a letter.
const ALPHABET: &[u8; 27] = b"bcdfghjklmnpqrstvwxz2456789";

/// The longest `<prefix>` that leaves room for a suffix (upstream's `maxGeneratedNameLength`).
const LONGEST_PREFIX: usize = 58;

/// Five characters that follow from the parts of a seed.
pub fn suffix(seed: &[&str]) -> String {
    let mut sha = Sha256::new();
    for part in seed {
        sha.update(part.as_bytes());
        sha.update([0]);
    }
    sha.finalize().iter().take(5).map(|byte| char::from(ALPHABET[usize::from(*byte) % 27])).collect()
}

/// `<prefix><five characters>`, the prefix cut as upstream cuts it.
pub fn generated(prefix: &str, seed: &[&str]) -> String {
    let mut end = prefix.len().min(LONGEST_PREFIX);
    while !prefix.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}{}", &prefix[..end], suffix(seed))
}

/// A hash as upstream writes it in names and labels (`rand.SafeEncodeString` of an FNV-1a in decimal).
pub fn safe_hash(text: &[u8]) -> String {
    let mut hash: u32 = 0x811c_9dc5;
    for byte in text {
        hash = (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193);
    }
    hash.to_string().bytes().map(|digit| char::from(ALPHABET[usize::from(digit) % 27])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_names_alike_and_another_differently() {
        assert_eq!(generated("web-", &["uid", "7", "0"]), generated("web-", &["uid", "7", "0"]));
        assert_ne!(generated("web-", &["uid", "7", "0"]), generated("web-", &["uid", "7", "1"]));
        assert_ne!(suffix(&["a", "bc"]), suffix(&["ab", "c"]));
    }

    #[test]
    fn a_long_prefix_leaves_room() {
        assert_eq!(generated(&"a".repeat(80), &["x"]).len(), 63);
    }
}
