//! Short names for texts.

use std::fmt::Write as _;

use sha2::{Digest, Sha256};

/// How many bytes of the hash are kept: 64 bits tell apart what one repository is ever asked to be, and fit in a
/// status.
const BYTES: usize = 8;

/// The first 16 hexadecimal digits of the SHA-256 of a text.
pub(crate) fn digest(text: &str) -> String {
    let mut hex = String::with_capacity(2 * BYTES);
    for byte in Sha256::digest(text).iter().take(BYTES) {
        // Writing to a String cannot fail.
        let _ = write!(hex, "{byte:02x}");
    }
    hex
}

#[cfg(test)]
mod tests {
    use super::digest;

    #[test]
    fn is_the_beginning_of_sha_256() {
        assert_eq!(digest("abc"), "ba7816bf8f01cfea");
    }
}
