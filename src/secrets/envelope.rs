//! What an encrypted text looks like: ansible-vault's envelope 1.1 and 1.2, with AES256.
//!
//! Pure: the salt is handed in. The key comes from the password by PBKDF2 (HMAC-SHA256, 10,000 rounds); the text is
//! encrypted in counter mode and is read only if its HMAC is right. Called by the vault and by `stagger vault`.

use aes::Aes256;
use ctr::Ctr128BE;
use ctr::cipher::{KeyIvInit as _, StreamCipher as _};
use hmac::{Hmac, KeyInit as _, Mac as _};
use pbkdf2::pbkdf2_hmac;
use sha2::Sha256;
use zeroize::Zeroizing;

use super::Secret;

/// How an encrypted text begins.
const HEADER: &str = "$ANSIBLE_VAULT;";
/// The label of a password that was given none.
pub const DEFAULT_LABEL: &str = "default";
/// How many bytes of salt there are.
pub const SALT_BYTES: usize = 32;
const ROUNDS: u32 = 10_000;
const KEY_BYTES: usize = 32;
const BLOCK: usize = 16;
const WIDE: usize = 80;

/// Why an encrypted text cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VaultError {
    /// There is no password at all.
    #[error("it is in a vault, and no password is given")]
    NoPassword,
    /// No password opens it.
    #[error("it is in a vault{}, and {} it", labelled(.label), opens_not(*.tried))]
    WrongPassword {
        /// The label it was encrypted with.
        label: String,
        /// How many passwords were tried.
        tried: usize,
    },
    /// It is no envelope that is known here.
    #[error("it is in a vault of another kind: {0}")]
    Unknown(String),
    /// It is damaged.
    #[error("it is in a vault, and damaged: {0}")]
    Damaged(&'static str),
}

fn labelled(label: &str) -> String {
    match label {
        "" | DEFAULT_LABEL => String::new(),
        label => format!(" labelled `{label}`"),
    }
}

fn opens_not(count: usize) -> String {
    match count {
        1 => "the password given does not open".to_owned(),
        count => format!("none of the {count} passwords given opens"),
    }
}

/// An encrypted text, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    /// The label of the password that it was encrypted with; `default` if it has none.
    pub label: String,
    salt: Vec<u8>,
    mac: Vec<u8>,
    text: Vec<u8>,
}

struct Keys {
    cipher: Ctr128BE<Aes256>,
    mac: Hmac<Sha256>,
}

impl Keys {
    fn of(password: &Secret, salt: &[u8]) -> Result<Self, VaultError> {
        let mut derived = Zeroizing::new([0_u8; 2 * KEY_BYTES + BLOCK]);
        pbkdf2_hmac::<Sha256>(
            password.reveal().as_bytes(),
            salt,
            ROUNDS,
            derived.as_mut_slice(),
        );
        let (cipher, rest) = derived.split_at(KEY_BYTES);
        let (mac, start) = rest.split_at(KEY_BYTES);
        let sizes = VaultError::Damaged("a key of another size");
        Ok(Self {
            cipher: Ctr128BE::new_from_slices(cipher, start).map_err(|_| sizes.clone())?,
            mac: Hmac::new_from_slice(mac).map_err(|_| sizes)?,
        })
    }
}

/// Tells whether a content is encrypted.
pub fn is_vaulted(content: &[u8]) -> bool {
    content.starts_with(HEADER.as_bytes())
}

impl Envelope {
    /// Takes an encrypted text apart; blanks around its lines are no part of it.
    pub fn parse(content: &str) -> Result<Self, VaultError> {
        let mut lines = content.lines().map(str::trim);
        let header = lines.next().unwrap_or_default();
        let fields = header
            .strip_prefix(HEADER)
            .ok_or(VaultError::Damaged("it does not begin with $ANSIBLE_VAULT"))?;
        let fields: Vec<&str> = fields.split(';').map(str::trim).collect();
        let label = match fields.as_slice() {
            ["1.1" | "1.2", "AES256"] => DEFAULT_LABEL,
            ["1.2", "AES256", label] => *label,
            _ => return Err(VaultError::Unknown(header.chars().take(60).collect())),
        };
        let body: String = lines.collect();
        let inner = unhex(body.as_bytes())?;
        let mut parts = inner.splitn(3, |byte| *byte == b'\n');
        let mut part = || unhex(parts.next().unwrap_or_default());
        let envelope = Self {
            label: label.to_owned(),
            salt: part()?,
            mac: part()?,
            text: part()?,
        };
        if envelope.salt.is_empty() || envelope.text.is_empty() {
            return Err(VaultError::Damaged("a part of it is missing"));
        }
        Ok(envelope)
    }

    /// Returns the text, if the password is right; nothing if it is not.
    pub fn open(&self, password: &Secret) -> Result<Option<Zeroizing<Vec<u8>>>, VaultError> {
        let mut keys = Keys::of(password, &self.salt)?;
        keys.mac.update(&self.text);
        if keys.mac.verify_slice(&self.mac).is_err() {
            return Ok(None);
        }
        let mut text = Zeroizing::new(self.text.clone());
        keys.cipher.apply_keystream(&mut text);
        let padding = usize::from(text.last().copied().unwrap_or_default());
        let end = text.len().checked_sub(padding);
        match end {
            Some(end) if (1..=BLOCK).contains(&padding) => {
                text.truncate(end);
                Ok(Some(text))
            }
            Some(_) | None => Err(VaultError::Damaged("its end is not as it should be")),
        }
    }
}

/// Encrypts a text; a label other than the default one makes an envelope 1.2, as `ansible-vault` does.
pub fn encrypt(
    plain: &[u8],
    label: &str,
    password: &Secret,
    salt: &[u8; SALT_BYTES],
) -> Result<String, VaultError> {
    let keys = Keys::of(password, salt)?;
    let Keys {
        mut cipher,
        mut mac,
    } = keys;
    let padding = BLOCK - plain.len() % BLOCK;
    let mut text = plain.to_vec();
    text.resize(plain.len() + padding, u8::try_from(padding).unwrap_or(0));
    cipher.apply_keystream(&mut text);
    mac.update(&text);
    let mac = mac.finalize().into_bytes();
    let inner = [salt.as_slice(), mac.as_slice(), text.as_slice()].map(hex);
    let body = hex(inner.join("\n").as_bytes());
    let mut envelope = match label {
        "" | DEFAULT_LABEL => format!("{HEADER}1.1;AES256\n"),
        label => format!("{HEADER}1.2;AES256;{label}\n"),
    };
    let mut rest = body.as_str();
    while !rest.is_empty() {
        let (line, after) = rest.split_at(rest.len().min(WIDE));
        envelope.push_str(line);
        envelope.push('\n');
        rest = after;
    }
    Ok(envelope)
}

fn hex(bytes: &[u8]) -> String {
    let digit = |value: u8| char::from_digit(u32::from(value), 16).unwrap_or('0');
    let digits = bytes
        .iter()
        .flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]);
    digits.collect()
}

fn unhex(digits: &[u8]) -> Result<Vec<u8>, VaultError> {
    let value = |digit: &u8| char::from(*digit).to_digit(16);
    let pair = |pair: &[u8]| match pair {
        [high, low] => u8::try_from(value(high)? * 16 + value(low)?).ok(),
        _ => None,
    };
    let bytes: Option<Vec<u8>> = digits.chunks(2).map(pair).collect();
    bytes.ok_or(VaultError::Damaged("it holds what is no hexadecimal digit"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Written by ansible-core 2.19.14, `ansible-vault encrypt`, password `pw1`.
    const BY_ANSIBLE: [(&str, &str, &[u8]); 3] = [
        (
            include_str!("../../tests/fixtures/vault/vars.yml"),
            DEFAULT_LABEL,
            b"a: 1\nb: hunter33\n",
        ),
        (
            include_str!("../../tests/fixtures/vault/labelled.txt"),
            "prod",
            "plain ä text\n".as_bytes(),
        ),
        (
            include_str!("../../tests/fixtures/vault/sixteen.txt"),
            DEFAULT_LABEL,
            b"0123456789abcdef",
        ),
    ];

    #[test]
    fn what_ansible_wrote_is_read() {
        for (text, label, plain) in BY_ANSIBLE {
            assert!(is_vaulted(text.as_bytes()));
            let envelope = Envelope::parse(text).unwrap();
            assert_eq!(envelope.label, label);
            let opened = envelope.open(&Secret::new("pw1")).unwrap().unwrap();
            assert_eq!(opened.as_slice(), plain);
            assert_eq!(envelope.open(&Secret::new("pw2")), Ok(None));
            let indented = text.replace('\n', "\n    ");
            assert_eq!(Envelope::parse(&indented), Ok(envelope));
        }
    }

    /// Its counterpart: `ansible-vault view` of ansible-core 2.19.14 reads this very text.
    #[test]
    fn what_is_written_is_what_ansible_reads() {
        let salt: [u8; SALT_BYTES] = std::array::from_fn(|n| u8::try_from(n).unwrap());
        let password = Secret::new("pw1");
        let written = encrypt("stagger wrote ä\n".as_bytes(), "prod", &password, &salt).unwrap();
        assert_eq!(written, include_str!("../../tests/fixtures/vault/ours.txt"));
    }

    #[test]
    fn what_is_no_envelope_or_damaged_is_said_so() {
        let good = BY_ANSIBLE[0].0;
        let flipped = good.replacen("\n3", "\n4", 1);
        let half: String = good.chars().take(300).collect();
        for (text, told) in [
            ("x".to_owned(), "does not begin"),
            (
                good.replace("1.1", "1.0"),
                "another kind: $ANSIBLE_VAULT;1.0;AES256",
            ),
            (good.replace("AES256", "AES"), "another kind"),
            (good.replace("\n3", "\nx"), "no hexadecimal digit"),
            ("$ANSIBLE_VAULT;1.1;AES256\n".to_owned(), "missing"),
        ] {
            let error = Envelope::parse(&text).unwrap_err();
            assert!(error.to_string().contains(told), "{told}: {error}");
        }
        for text in [flipped, half] {
            let opened = Envelope::parse(&text).map(|one| one.open(&Secret::new("pw1")));
            assert!(!matches!(opened, Ok(Ok(Some(_)))), "{text}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(16))]
        #[test]
        fn every_text_comes_back(plain in prop::collection::vec(any::<u8>(), 0..100), label in "[a-z_0-9]{0,8}", salt in any::<[u8; SALT_BYTES]>()) {
            let password = Secret::new("correct horse");
            let written = encrypt(&plain, &label, &password, &salt).unwrap();
            let envelope = Envelope::parse(&written).unwrap();
            let opened = envelope.open(&password).unwrap().unwrap();
            prop_assert_eq!(opened.as_slice(), plain.as_slice());
        }

        #[test]
        fn no_text_panics(text in "(\\$ANSIBLE_VAULT;1.[12];AES256(;a)?\n)?[0-9a-f\n]{0,200}") {
            drop(Envelope::parse(&text));
        }
    }
}
