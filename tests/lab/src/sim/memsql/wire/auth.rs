//! `mysql_native_password`. Pure.

use sha1::{Digest as _, Sha1};

/// Returns what a client sends to prove that it knows a password.
pub fn scramble(password: &str, salt: &[u8]) -> Vec<u8> {
    if password.is_empty() {
        return Vec::new();
    }
    let once = Sha1::digest(password.as_bytes());
    let twice = Sha1::digest(once);
    let salted = Sha1::new()
        .chain_update(salt)
        .chain_update(twice)
        .finalize();
    once.iter().zip(salted).map(|(a, b)| a ^ b).collect()
}

/// Tells whether a client has proved that it knows a password.
pub fn is_proved(password: &str, salt: &[u8], proof: &[u8]) -> bool {
    scramble(password, salt) == proof
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proof_holds_for_its_password_and_salt_alone() {
        let salt = b"12345678901234567890";
        let proof = scramble("secret", salt);
        assert_eq!(proof.len(), 20);
        assert!(is_proved("secret", salt, &proof));
        assert!(!is_proved("Secret", salt, &proof));
        assert!(!is_proved("secret", b"02345678901234567890", &proof));
        assert!(!is_proved("secret", salt, b""));
        assert!(is_proved("", salt, b""));
        assert!(!is_proved("", salt, &proof));
    }
}
