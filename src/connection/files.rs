//! Files as text and back: the calls that put and get a file, and what their answers mean.
//!
//! Pure; the shell functions behind the calls are in `shell`. A small file travels inside its request, a larger one on
//! a channel of its own.

use sha2::{Digest, Sha256};

use super::framing::{Frame, hex};
use super::shell::{printf_word, single_quoted};
use super::{ConnError, Upload};

/// The largest file that travels inside its request: one round trip.
pub(crate) const SMALL: usize = 64 << 10;

/// How a file's content gets to the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// Inside the request.
    Inside,
    /// On the channel's input, after the host said READY.
    Stream,
}

/// Writes the call that puts a file; `token` makes the temporary name one that nobody can guess.
pub(crate) fn put(upload: &Upload<'_>, way: Way, token: &str) -> Result<String, ConnError> {
    check_path(upload.path)?;
    for name in [upload.owner, upload.group].into_iter().flatten() {
        let plain = |c: char| c.is_ascii_alphanumeric() || "._-$@\\".contains(c) || !c.is_ascii();
        if name.is_empty() || name.starts_with('-') || !name.chars().all(plain) {
            return Err(refused(format!("`{name}` is no name of a user or group")));
        }
    }
    if upload.mode.is_some_and(|mode| mode > 0o7777) {
        return Err(refused("the mode has more than permission bits".to_owned()));
    }
    let directory = upload
        .path
        .rsplit_once('/')
        .map_or("", |(directory, _)| directory);
    let (how, content) = match way {
        Way::Inside => ("inside", upload.content),
        Way::Stream => ("stream", &[][..]),
    };
    Ok(format!(
        "_put {} {} {how} {} {} {} '{}' {} {}",
        single_quoted(upload.path),
        single_quoted(&format!("{directory}/.stagger-{token}")),
        printf_word(content),
        upload.content.len(),
        hex(&Sha256::digest(upload.content)),
        upload
            .mode
            .map(|mode| format!("{mode:o}"))
            .unwrap_or_default(),
        single_quoted(upload.owner.unwrap_or_default()),
        single_quoted(upload.group.unwrap_or_default()),
    ))
}

/// Writes the call that fetches a file of at most so many bytes.
pub(crate) fn get(path: &str, max_bytes: u64) -> Result<String, ConnError> {
    check_path(path)?;
    Ok(format!(
        "_get {} {}",
        single_quoted(path),
        max_bytes.saturating_add(1)
    ))
}

/// Reads the answer to [`put`].
pub(crate) fn was_put(path: &str, frame: &Frame) -> Result<(), ConnError> {
    if frame.code == 0 {
        return Ok(());
    }
    Err(refused(format!("cannot write {path}: {}", said(frame))))
}

/// Reads the answer to [`get`].
pub(crate) fn was_got(path: &str, max_bytes: u64, frame: Frame) -> Result<Vec<u8>, ConnError> {
    if frame.code != 0 {
        return Err(refused(format!("cannot read {path}: {}", said(&frame))));
    }
    if u64::try_from(frame.out.len()).unwrap_or(u64::MAX) > max_bytes {
        return Err(refused(format!("{path} is longer than {max_bytes} bytes")));
    }
    Ok(frame.out)
}

fn check_path(path: &str) -> Result<(), ConnError> {
    if path.starts_with('/') && !path.ends_with('/') && !path.contains('\0') {
        return Ok(());
    }
    Err(refused(format!("`{path}` is no absolute path of a file")))
}

fn said(frame: &Frame) -> String {
    let text = String::from_utf8_lossy(&frame.err).trim().to_owned();
    if text.is_empty() {
        format!("exit code {}", frame.code)
    } else {
        text
    }
}

fn refused(message: String) -> ConnError {
    ConnError::Host { message }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn upload<'a>(path: &'a str, owner: Option<&'a str>) -> Upload<'a> {
        Upload {
            path,
            content: b"x",
            mode: Some(0o4750),
            owner,
            group: None,
        }
    }

    #[test]
    fn calls_hold_everything_as_quoted_words() {
        let digest = "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881";
        assert_eq!(
            put(&upload("/a b/c", Some("me")), Way::Inside, "t").unwrap(),
            format!("_put '/a b/c' '/a b/.stagger-t' inside 'x' 1 {digest} '4750' 'me' ''")
        );
        assert_eq!(
            put(&upload("/c", None), Way::Stream, "t").unwrap(),
            format!("_put '/c' '/.stagger-t' stream '' 1 {digest} '4750' '' ''")
        );
        assert_eq!(get("/c", 10).unwrap(), "_get '/c' 11");
    }

    #[test]
    fn bad_paths_and_owners_are_refused() {
        for (path, owner) in [
            ("c", None),
            ("/c/", None),
            ("/c\0", None),
            ("/c", Some("-R")),
            ("/c", Some("a b")),
            ("/c", Some("")),
        ] {
            assert!(
                put(&upload(path, owner), Way::Inside, "t").is_err(),
                "{path} {owner:?}"
            );
        }
    }

    #[test]
    fn answers_are_read() {
        let frame = |code, out: &str, err: &str| Frame {
            code,
            out: out.into(),
            err: err.into(),
        };
        assert_eq!(was_got("/c", 3, frame(0, "abc", "")), Ok(b"abc".to_vec()));
        let long = was_got("/c", 3, frame(0, "abcd", "")).unwrap_err();
        assert_eq!(long.to_string(), "/c is longer than 3 bytes");
        let full = was_put("/c", &frame(1, "", "no space\n")).unwrap_err();
        assert_eq!(full.to_string(), "cannot write /c: no space");
    }
}
