//! Generated names, which look like upstream's (`k8s.io/apiserver/pkg/storage/names/generate.go`,
//! `k8s.io/apimachinery/pkg/util/rand`): a prefix and five characters that spell no word.
//!
//! The same seed always gives the same name, so planning twice makes the same names.

use sha2::{Digest, Sha256};

/// No vowels, no 0, 1 and 3: nothing that reads as a word.
const ALPHABET: &[u8; 27] = b"bcdfghjklmnpqrstvwxz2456789";
const SUFFIX_LENGTH: usize = 5;
/// The longest that a generated name may be, in bytes.
const NAME_MAX: usize = 63;

/// Five characters of the seed's making.
#[must_use]
pub fn suffix(seed: &[u8]) -> String {
    safe_text(&Sha256::digest(seed), SUFFIX_LENGTH)
}

/// `prefix` and five characters; a prefix too long for a name is cut.
#[must_use]
pub fn generated(prefix: &str, seed: &[u8]) -> String {
    let mut end = prefix.len().min(NAME_MAX - SUFFIX_LENGTH);
    while !prefix.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}{}", &prefix[..end], suffix(seed))
}

/// The `pod-template-hash` of a template, as text that is safe in a name and a label: up to ten characters of the
/// same alphabet. `collisions` is the Deployment's `status.collisionCount`.
///
/// The hash is ours (SHA-256 over the template's JSON with sorted keys), not upstream's: it only must be stable.
#[must_use]
pub fn template_hash(template: &serde_json::Value, collisions: u64) -> String {
    let mut sha = Sha256::new();
    sha.update(template.to_string().as_bytes());
    if collisions > 0 {
        sha.update(collisions.to_le_bytes());
    }
    safe_text(&sha.finalize(), 10)
}

/// 64 bits of a digest hold 13 characters of this alphabet.
fn safe_text(digest: &[u8], length: usize) -> String {
    let mut rest = u64::from_le_bytes(digest[..8].try_into().expect("a digest has 32 bytes"));
    let base = ALPHABET.len() as u64;
    (0..length)
        .map(|_| {
            let index = usize::try_from(rest % base).expect("below 27");
            rest /= base;
            char::from(ALPHABET[index])
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_always_gives_the_same_name_and_another_seed_another() {
        assert_eq!(generated("web-", b"1"), generated("web-", b"1"));
        assert_ne!(generated("web-", b"1"), generated("web-", b"2"));
    }

    #[test]
    fn a_generated_name_is_the_prefix_and_five_safe_characters() {
        let name = generated("web-", b"seed");
        let suffix = name.strip_prefix("web-").unwrap();
        assert_eq!(suffix.len(), 5);
        assert!(suffix.bytes().all(|b| ALPHABET.contains(&b)), "{suffix}");
    }

    #[test]
    fn a_long_prefix_is_cut_so_that_the_name_stays_a_label() {
        assert_eq!(generated(&"a".repeat(100), b"1").len(), 63);
        assert_eq!(generated(&"ä".repeat(50), b"1").len(), 63);
    }

    #[test]
    fn a_template_hash_tells_templates_and_collisions_apart() {
        let a = serde_json::json!({"spec": 1});
        assert_ne!(template_hash(&a, 0), template_hash(&a, 1));
        assert_ne!(template_hash(&a, 0), template_hash(&serde_json::json!({"spec": 2}), 0));
        assert_eq!(template_hash(&a, 0).len(), 10);
    }
}
