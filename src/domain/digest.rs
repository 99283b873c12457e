//! Short names for values, equal exactly when the values are.

use std::fmt::Write as _;

use sha2::{Digest, Sha256};

/// How many bytes of the hash are kept: 64 bits tell apart what one repository is ever asked to be,
/// and fit in a status.
const BYTES: usize = 8;

/// The first 16 hexadecimal digits of the SHA-256 of a kind and a text; kinds share no digest.
pub(crate) fn digest(kind: &str, text: &str) -> String {
    let mut sha = Sha256::new();
    sha.update(kind);
    sha.update([0]);
    sha.update(text);
    let mut hex = String::with_capacity(2 * BYTES);
    for byte in sha.finalize().iter().take(BYTES) {
        // Writing to a String cannot fail.
        let _ = write!(hex, "{byte:02x}");
    }
    hex
}

#[cfg(test)]
mod tests {
    use super::digest;

    #[test]
    fn tells_kinds_and_texts_apart_and_stays_as_it_is() {
        // printf 'kind\0text' | sha256sum
        assert_eq!(digest("kind", "text"), "72e76b228ff3fed6");
        assert_ne!(digest("kind", "text"), digest("kindt", "ext"));
    }
}
