//! Filters that encode and hash.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use md5::Md5;
use sha1::Sha1;
use sha2::{Digest, Sha224, Sha256, Sha384, Sha512};

use super::super::arguments::Bound;
use super::super::failure::{Fault, failed};
use super::super::key::Key;
use super::super::map::Map;
use super::super::object::Object;
use super::super::password;
use super::super::plugin::Plugin;
use super::super::rendering::Rendering;

pub(super) const FILTERS: &[Plugin] = &[
    Plugin::new(
        "b64decode",
        &["string", "encoding", "urlsafe"],
        1,
        b64decode,
    ),
    Plugin::new(
        "b64encode",
        &["string", "encoding", "urlsafe"],
        1,
        b64encode,
    ),
    Plugin::new("checksum", &["data"], 1, |r, b| hashed(r, b, "sha1")),
    Plugin::new("hash", &["data", "hashtype"], 1, |r, b| {
        let kind = b.text(1)?;
        hashed(r, b, kind.as_deref().unwrap_or("sha1"))
    }),
    Plugin::new("md5", &["data"], 1, |r, b| hashed(r, b, "md5")),
    Plugin::new(
        "password_hash",
        &[
            "password",
            "hashtype",
            "salt",
            "salt_size",
            "rounds",
            "ident",
        ],
        1,
        password_hash,
    ),
    Plugin::new("sha1", &["data"], 1, |r, b| hashed(r, b, "sha1")),
    Plugin::new("to_uuid", &["string", "namespace"], 1, to_uuid),
    Plugin::new("urldecode", &["string"], 1, |r, b| {
        let text = b.printed(r, 0)?.replace('+', " ");
        Ok(Object::from(decoded(&text)))
    }),
    Plugin::new("urlencode", &["value"], 1, urlencode),
    Plugin::new("urlsplit", &["value", "query"], 1, urlsplit),
];

fn b64encode(rendering: &Rendering, bound: &Bound) -> Result<Object, Fault> {
    let text = bound.printed(rendering, 0)?;
    let name = bound.text(1)?;
    let bytes: Vec<u8> = match name.as_deref().unwrap_or("utf-8") {
        "utf-16-le" => text.encode_utf16().flat_map(u16::to_le_bytes).collect(),
        "utf-16-be" => text.encode_utf16().flat_map(u16::to_be_bytes).collect(),
        _ => text.into_bytes(),
    };
    Ok(Object::from(if bound.flag(2, false)? {
        URL_SAFE.encode(bytes)
    } else {
        STANDARD.encode(bytes)
    }))
}

fn b64decode(rendering: &Rendering, bound: &Bound) -> Result<Object, Fault> {
    let text = bound.printed(rendering, 0)?;
    // Python skips what is no character of the alphabet, such as the ends of lines.
    let urlsafe = bound.flag(2, false)?;
    let own: String = text
        .chars()
        .filter(|c| c.is_ascii_alphanumeric() || if urlsafe { "-_=" } else { "+/=" }.contains(*c))
        .collect();
    let engine = if urlsafe { &URL_SAFE } else { &STANDARD };
    let bytes = engine
        .decode(own)
        .map_err(|_| failed("the text is no base64"))?;
    let name = bound.text(1)?;
    let text = match name.as_deref().unwrap_or("utf-8") {
        "utf-16-le" => wide(&bytes, u16::from_le_bytes),
        "utf-16-be" => wide(&bytes, u16::from_be_bytes),
        _ => String::from_utf8(bytes).ok(),
    };
    text.map(Object::from)
        .ok_or_else(|| failed("what was decoded is no text"))
}

fn wide(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Option<String> {
    let (pairs, rest) = bytes.as_chunks::<2>();
    let units: Vec<u16> = pairs.iter().map(|pair| unit(*pair)).collect();
    rest.is_empty()
        .then(|| String::from_utf16(&units).ok())
        .flatten()
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    let mut out = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        let _ = write!(out, "{byte:02x}");
    }
    out
}

fn hashed(rendering: &Rendering, bound: &Bound, kind: &str) -> Result<Object, Fault> {
    let text = bound.printed(rendering, 0)?;
    let digest = match kind.to_lowercase().replace('-', "").as_str() {
        "md5" => hex(&Md5::digest(&text)),
        "sha1" => hex(&Sha1::digest(&text)),
        "sha224" => hex(&Sha224::digest(&text)),
        "sha256" => hex(&Sha256::digest(&text)),
        "sha384" => hex(&Sha384::digest(&text)),
        "sha512" => hex(&Sha512::digest(&text)),
        _ => {
            return Err(failed(format!(
                "there is no hash `{kind}`: md5, sha1, sha224, sha256, sha384, sha512"
            )));
        }
    };
    Ok(Object::from(digest))
}

fn password_hash(rendering: &Rendering, bound: &Bound) -> Result<Object, Fault> {
    let word = bound.printed(rendering, 0)?;
    let kind = bound.text(1)?;
    let method = match kind.as_deref().unwrap_or("sha512") {
        "sha512" | "sha512_crypt" => password::Method::Sha512,
        "sha256" | "sha256_crypt" => password::Method::Sha256,
        other => {
            return Err(failed(format!(
                "there is no password hash `{other}`: sha512, sha256"
            )));
        }
    };
    let salt = match bound.text(2)? {
        Some(salt) => salt.to_string(),
        None => password::salt(bound.count(3, 16)?),
    };
    let rounds = match bound.get(4) {
        Some(_) => Some(bound.count(4, 5000)?),
        None => None,
    };
    password::hash(method, &word, &salt, rounds).map(Object::from)
}

/// The namespace of Ansible, in which `to_uuid` makes its identifiers.
const NAMESPACE: &str = "361E6D51-FAEC-444A-9079-341386DA8E2E";

fn to_uuid(rendering: &Rendering, bound: &Bound) -> Result<Object, Fault> {
    let text = bound.printed(rendering, 0)?;
    let namespace = bound.text(1)?;
    let digits: String = namespace
        .as_deref()
        .unwrap_or(NAMESPACE)
        .chars()
        .filter(|c| !"-{}".contains(*c))
        .collect();
    let number = u128::from_str_radix(&digits, 16)
        .ok()
        .filter(|_| digits.len() == 32);
    let number = number.ok_or_else(|| failed("`namespace` must be a UUID"))?;
    let mut sha = Sha1::new();
    sha.update(number.to_be_bytes());
    sha.update(&text);
    let digest = sha.finalize();
    let mut bytes = [0_u8; 16];
    for (own, byte) in bytes.iter_mut().zip(digest.iter()) {
        *own = *byte;
    }
    let mut number = u128::from_be_bytes(bytes);
    number = (number & !(0xf << 76)) | (5 << 76);
    number = (number & !(0x3 << 62)) | (0x2 << 62);
    let digits = format!("{number:032x}");
    let part = |from: usize, to: usize| digits.get(from..to).unwrap_or_default().to_owned();
    let parts = [
        part(0, 8),
        part(8, 12),
        part(12, 16),
        part(16, 20),
        part(20, 32),
    ];
    Ok(Object::from(parts.join("-")))
}

fn encoded(text: &str, in_query: bool) -> String {
    use std::fmt::Write as _;
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' | b'.' | b'-' | b'~' => {
                out.push(char::from(byte));
            }
            b'/' if !in_query => out.push('/'),
            b' ' if in_query => out.push('+'),
            byte => {
                let _ = write!(out, "%{byte:02X}");
            }
        }
    }
    out
}

fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((byte, after)) = rest.split_first() {
        let code = after
            .get(..2)
            .and_then(|digits| std::str::from_utf8(digits).ok());
        let code = code.filter(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()));
        match code.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(own) if *byte == b'%' => {
                bytes.push(own);
                rest = after.get(2..).unwrap_or_default();
            }
            _ => {
                bytes.push(*byte);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn urlencode(rendering: &Rendering, bound: &Bound) -> Result<Object, Fault> {
    let value = bound.value();
    let mut pairs: Vec<(String, Object)> = Vec::new();
    if let Some(map) = value.as_map() {
        for (key, item) in rendering.entries(map)? {
            pairs.push((rendering.key_text(&key)?, item));
        }
    } else if value.is_list() {
        for pair in rendering.present(&value)? {
            let pair = rendering.present(&pair)?;
            let [key, item] = pair.as_slice() else {
                return Err(failed("needs pairs"));
            };
            pairs.push((rendering.print(key)?, item.clone()));
        }
    } else {
        return Ok(Object::from(encoded(&rendering.print(&value)?, false)));
    }
    let mut parts = Vec::with_capacity(pairs.len());
    for (key, item) in pairs {
        let item = encoded(&rendering.print(&item)?, true);
        parts.push(format!("{}={item}", encoded(&key, true)));
    }
    Ok(Object::from(parts.join("&")))
}

fn urlsplit(rendering: &Rendering, bound: &Bound) -> Result<Object, Fault> {
    let url = bound.printed(rendering, 0)?;
    let (rest, fragment) = url.split_once('#').unwrap_or((&url, ""));
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let is_scheme = |text: &&str| {
        text.starts_with(|c: char| c.is_ascii_alphabetic())
            && text
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
    };
    let (scheme, rest) = match rest.split_once(':').filter(|(own, _)| is_scheme(own)) {
        Some((scheme, rest)) => (scheme.to_lowercase(), rest),
        None => (String::new(), rest),
    };
    let (netloc, path) = match rest.strip_prefix("//") {
        Some(rest) => rest.split_at(rest.find('/').unwrap_or(rest.len())),
        None => ("", rest),
    };
    let (user, host) = netloc.rsplit_once('@').unwrap_or(("", netloc));
    let (username, password) = user.split_once(':').unwrap_or((user, ""));
    let (hostname, port) = match host
        .strip_prefix('[')
        .and_then(|inner| inner.split_once(']'))
    {
        Some((hostname, rest)) => (hostname, rest.strip_prefix(':').unwrap_or_default()),
        None => host.split_once(':').unwrap_or((host, "")),
    };
    let text = |text: &str| {
        if text.is_empty() {
            Object::None
        } else {
            Object::from(text)
        }
    };
    let parts = [
        ("fragment", Object::from(fragment)),
        ("hostname", text(&hostname.to_lowercase())),
        ("netloc", Object::from(netloc)),
        ("password", text(password)),
        ("path", Object::from(path)),
        ("port", port.parse().map_or(Object::None, Object::Int)),
        ("query", Object::from(query)),
        ("scheme", Object::from(scheme)),
        ("username", text(username)),
    ];
    match bound.text(1)? {
        None => Ok(Object::Map(Map::new(
            parts.map(|(name, part)| (Key::text(name), part)),
        ))),
        Some(wanted) => {
            let names = parts.each_ref().map(|(name, _)| *name);
            let found = parts.into_iter().find(|(name, _)| *name == wanted.as_ref());
            found.map(|(_, part)| part).ok_or_else(|| {
                failed(format!(
                    "a URL has no part `{wanted}`: {}",
                    names.join(", ")
                ))
            })
        }
    }
}
