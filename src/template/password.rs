//! Password hashes of `/etc/shadow`: SHA-crypt, as specified by Ulrich Drepper.

use sha2::{Digest, Sha256, Sha512};

use super::failure::{Fault, failed};
use super::random;

/// Which hash it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Method {
    Sha256,
    Sha512,
}

const ALPHABET: &[u8; 64] = b"./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// How often the hash goes round if nothing else is said, as passlib has it.
fn usual_rounds(method: Method) -> usize {
    match method {
        Method::Sha256 => 535_000,
        Method::Sha512 => 656_000,
    }
}

/// Makes a salt of random characters.
pub(crate) fn salt(size: usize) -> String {
    let size = u32::try_from(size.min(16)).unwrap_or(16);
    (0..size)
        .filter_map(|_| ALPHABET.get(random::unseeded(64)).copied())
        .map(char::from)
        .collect()
}

/// Hashes a password.
pub(crate) fn hash(
    method: Method,
    password: &str,
    salt: &str,
    rounds: Option<usize>,
) -> Result<String, Fault> {
    let known = |byte: u8| ALPHABET.contains(&byte);
    if salt.is_empty() || salt.len() > 16 || !salt.bytes().all(known) {
        return Err(failed(
            "`salt` must be 1 to 16 letters, digits, points or slashes",
        ));
    }
    let rounds = rounds.unwrap_or_else(|| usual_rounds(method));
    if !(1000..=999_999_999).contains(&rounds) {
        return Err(failed("`rounds` must be at least 1000"));
    }
    let (id, encoded) = match method {
        Method::Sha256 => {
            let digest = crypt::<Sha256>(password.as_bytes(), salt.as_bytes(), rounds);
            (5, encode(&digest, 10, [0, 10, 20], [2, 0, 1], &[31, 30]))
        }
        Method::Sha512 => {
            let digest = crypt::<Sha512>(password.as_bytes(), salt.as_bytes(), rounds);
            (6, encode(&digest, 21, [0, 21, 42], [1, 2, 0], &[63]))
        }
    };
    let count = if rounds == 5000 {
        String::new()
    } else {
        format!("rounds={rounds}$")
    };
    Ok(format!("${id}${count}{salt}${encoded}"))
}

fn crypt<D: Digest>(password: &[u8], salt: &[u8], rounds: usize) -> Vec<u8> {
    let repeat = |bytes: &[u8], length: usize| -> Vec<u8> {
        bytes.iter().copied().cycle().take(length).collect()
    };
    let inner = D::new()
        .chain_update(password)
        .chain_update(salt)
        .chain_update(password)
        .finalize();
    let mut start = D::new()
        .chain_update(password)
        .chain_update(salt)
        .chain_update(repeat(&inner, password.len()));
    let mut bits = password.len();
    while bits > 0 {
        if bits & 1 == 1 {
            start.update(&inner);
        } else {
            start.update(password);
        }
        bits >>= 1;
    }
    let mut last = start.finalize().to_vec();
    let whole = D::digest(password.repeat(password.len()));
    let password = repeat(&whole, password.len());
    let times = 16 + usize::from(last.first().copied().unwrap_or(0));
    let whole = D::digest(salt.repeat(times));
    let salt = repeat(&whole, salt.len());
    for round in 0..rounds {
        let odd = round % 2 == 1;
        let mut next = D::new();
        next.update(if odd { &password } else { &last });
        if round % 3 != 0 {
            next.update(&salt);
        }
        if round % 7 != 0 {
            next.update(&password);
        }
        next.update(if odd { &last } else { &password });
        last = next.finalize().to_vec();
    }
    last
}

/// Writes a digest in the scattered order of the specification.
fn encode(
    digest: &[u8],
    groups: usize,
    first: [usize; 3],
    turn: [usize; 3],
    rest: &[usize],
) -> String {
    let byte = |index: usize| digest.get(index).copied().map_or(0, u32::from);
    let mut out = String::new();
    let mut write = |mut number: u32, count: usize| {
        for _ in 0..count {
            let index = usize::try_from(number & 63).unwrap_or(0);
            out.extend(ALPHABET.get(index).copied().map(char::from));
            number >>= 6;
        }
    };
    let mut group = first;
    for _ in 0..groups {
        let [a, b, c] = group;
        write(byte(a) << 16 | byte(b) << 8 | byte(c), 4);
        group = turn.map(|from| group.get(from).map_or(0, |index| index + 1));
    }
    let number = rest
        .iter()
        .fold(0, |number, index| number << 8 | byte(*index));
    write(number, rest.len() + 1);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_those_of_the_specification() {
        let cases = [
            (
                Method::Sha256,
                "Hello world!",
                "saltstring",
                5000,
                "$5$saltstring$5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc5",
            ),
            (
                Method::Sha512,
                "Hello world!",
                "saltstring",
                5000,
                "$6$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/O817G3uBnIFNjnQJuesI68u4OTLiBFdcbYEdFCoEOfaS35inz1",
            ),
            (
                Method::Sha512,
                "Hello world!",
                "saltstringsaltst",
                10000,
                "$6$rounds=10000$saltstringsaltst$OW1/O6BYHV6BcXZu8QVeXbDWra3Oeqh0sbHbbMCVNSnCM/UrjmM0Dp8vOuZeHBy/YTBmSK6H9qs/y3RnOaw5v.",
            ),
        ];
        for (method, password, salt, rounds, expected) in cases {
            assert_eq!(
                hash(method, password, salt, Some(rounds)).unwrap(),
                expected
            );
        }
        assert!(hash(Method::Sha512, "x", "", None).is_err());
        assert!(hash(Method::Sha512, "x", "a b", None).is_err());
        assert!(hash(Method::Sha512, "x", "ab", Some(1)).is_err());
        let salt = salt(16);
        assert_eq!(salt.len(), 16);
    }
}
