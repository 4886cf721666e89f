//! The frames of the long-lived shell: how a request is closed by marks, and how its answer is found between them.
//!
//! Pure text and bytes. Both streams of the shell carry a mark at the end of each answer: a record separator, the
//! shell's nonce, the request's number; on standard output the exit code as well. The nonce is 128 random bits that are
//! neither in an argument list nor in the environment nor in a file, so no output can look like a mark. Used by
//! `shells` alone.

use rustix::rand::{GetRandomFlags, getrandom};

use super::Fence;
use super::shell::single_quoted;

/// What starts every mark: the ASCII record separator.
const SEPARATOR: u8 = 0x1e;

/// The longest answer of one stream; a longer one ends the session instead of the controller's memory.
const LONGEST_ANSWER: usize = 256 << 20;

/// The random name of one shell; only who knows it can end an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Nonce(String);

impl Nonce {
    /// Draws a new one.
    pub(crate) fn draw() -> std::io::Result<Self> {
        Ok(Self(random_hex::<16>()?))
    }

    /// Returns its 32 hexadecimal digits.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// Returns `N` random bytes as hexadecimal digits.
pub(crate) fn random_hex<const N: usize>() -> std::io::Result<String> {
    let mut bytes = [0_u8; N];
    let mut filled = 0;
    while let Some(rest) = bytes.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        filled += getrandom(rest, GetRandomFlags::empty())?;
    }
    Ok(hex(&bytes))
}

/// Returns bytes as lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .filter_map(|digit| DIGITS.get(usize::from(digit)).copied())
        .map(char::from)
        .collect()
}

/// What a request consists of.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Body<'a> {
    /// A text of a module: evaluated in a subshell, so that not even a syntax error touches the shell itself.
    Script(&'a str),
    /// A call of the shell's own functions, quoted by us; needs no directory on the host.
    Own(&'a str),
    /// The same, after the directory of the jobs was made or checked.
    InJobs(&'a str),
    /// A call whose input is what follows the request on the channel, up to its end.
    Fed(&'a str),
    /// Any of these, unless a run with a later token has the cluster's lock: then nothing is run, and the answer's code is
    /// [`FENCED`].
    Fenced(&'a Fence, &'a Body<'a>),
}

/// The code of an answer that says that nothing was run: no program and no shell can end with it.
pub(crate) const FENCED: i32 = -1;

/// Writes a request: one brace group and a newline, so that a shell that gets only a part of it runs nothing.
pub(crate) fn request(number: u64, body: Body<'_>) -> String {
    format!("{{ {}; {} }}\n", answered(body), closing(number))
}

/// Writes what runs a body and leaves its code in `_r`.
fn answered(body: Body<'_>) -> String {
    let run = match body {
        Body::Script(text) => format!("( eval {} ) </dev/null", single_quoted(text)),
        Body::Own(call) => format!("( {call} ) </dev/null"),
        Body::Fed(call) => format!("( {call} )"),
        Body::InJobs(call) => format!("_dir && ( {call} ) </dev/null"),
        Body::Fenced(fence, inner) => {
            let path = single_quoted(&fence.path);
            let inner = answered(*inner);
            return format!(
                "if _fence {path} {}; then {inner}; else _r={FENCED}; fi",
                fence.token
            );
        }
    };
    format!("{run}; _r=$?")
}

/// Writes the commands that close an answer; its code is in `_r`.
fn closing(number: u64) -> String {
    format!(
        "printf '\\036%s.{number}.%s\\n' \"$_N\" \"$_r\"; printf '\\036%s.{number}\\n' \"$_N\" >&2;"
    )
}

/// Which stream of the shell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    /// Standard output.
    Out,
    /// Standard error.
    Err,
}

/// An answer: everything between the marks.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Frame {
    /// The exit code.
    pub(crate) code: i32,
    /// What came on standard output.
    pub(crate) out: Vec<u8>,
    /// What came on standard error.
    pub(crate) err: Vec<u8>,
}

/// One stream on its way to its mark.
#[derive(Debug)]
struct Half {
    mark: Vec<u8>,
    bytes: Vec<u8>,
    scanned: usize,
    end: Option<(usize, i32)>,
}

impl Half {
    fn new(mark: String) -> Self {
        Self {
            mark: mark.into_bytes(),
            bytes: Vec::new(),
            scanned: 0,
            end: None,
        }
    }

    /// Looks for the mark in what came since the last look; `coded` marks end in a dot, digits and a newline.
    fn look(&mut self, coded: bool) {
        while self.end.is_none() {
            let rest = self.bytes.get(self.scanned..).unwrap_or_default();
            let Some(found) = rest.iter().position(|byte| *byte == SEPARATOR) else {
                self.scanned = self.bytes.len();
                return;
            };
            let tail = rest.get(found..).unwrap_or_default();
            let seen = tail.len().min(self.mark.len());
            if tail.get(..seen) != self.mark.get(..seen) {
                self.scanned += found + 1;
                continue;
            }
            self.scanned += found;
            let after = tail.get(self.mark.len()..).unwrap_or_default();
            let Some(newline) = after.iter().position(|byte| *byte == b'\n') else {
                return;
            };
            let code = after.get(..newline).unwrap_or_default();
            let code = std::str::from_utf8(code)
                .ok()
                .and_then(|text| text.parse().ok());
            match (coded, code, newline) {
                (true, Some(code), _) => self.end = Some((self.scanned, code)),
                (false, _, 0) => self.end = Some((self.scanned, 0)),
                (true, None, _) | (false, _, _) => self.scanned += 1,
            }
        }
    }
}

/// Collects one answer from both streams.
#[derive(Debug)]
pub(crate) struct FrameReader {
    out: Half,
    err: Half,
}

impl FrameReader {
    /// Waits for the shell's greeting.
    pub(crate) fn hello(nonce: &Nonce) -> Self {
        Self::with(nonce, "hello")
    }

    /// Waits for the answer to a request.
    pub(crate) fn answer(nonce: &Nonce, number: u64) -> Self {
        Self::with(nonce, &number.to_string())
    }

    fn with(nonce: &Nonce, name: &str) -> Self {
        let mark = format!("\x1e{}.{name}", nonce.as_str());
        Self {
            out: Half::new(format!("{mark}.")),
            err: Half::new(mark),
        }
    }

    /// Takes bytes of a stream; false when the answer is longer than is ever kept.
    #[must_use]
    pub(crate) fn feed(&mut self, source: Source, bytes: &[u8]) -> bool {
        let (half, coded) = match source {
            Source::Out => (&mut self.out, true),
            Source::Err => (&mut self.err, false),
        };
        half.bytes.extend_from_slice(bytes);
        half.look(coded);
        half.end.is_some() || half.bytes.len() <= LONGEST_ANSWER
    }

    /// Tells whether both marks have come.
    pub(crate) fn is_complete(&self) -> bool {
        self.out.end.is_some() && self.err.end.is_some()
    }

    /// Returns the answer, if it is complete.
    pub(crate) fn frame(self) -> Option<Frame> {
        let (out_end, code) = self.out.end?;
        let (err_end, _) = self.err.end?;
        let cut = |mut bytes: Vec<u8>, end: usize| {
            bytes.truncate(end);
            bytes
        };
        Some(Frame {
            code,
            out: cut(self.out.bytes, out_end),
            err: cut(self.err.bytes, err_end),
        })
    }

    /// Returns what came so far, for the message about a shell that ended in the middle.
    pub(crate) fn so_far(&self) -> (&[u8], &[u8]) {
        (&self.out.bytes, &self.err.bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn nonce() -> Nonce {
        Nonce("00112233445566778899aabbccddeeff".to_owned())
    }

    fn stream(content: &[u8], mark: &str) -> Vec<u8> {
        let mut bytes = content.to_vec();
        bytes.extend_from_slice(b"\x1e00112233445566778899aabbccddeeff.7");
        bytes.extend_from_slice(mark.as_bytes());
        bytes.push(b'\n');
        bytes
    }

    #[test]
    fn nonces_are_random_and_hexadecimal() {
        let (a, b) = (Nonce::draw().unwrap(), Nonce::draw().unwrap());
        assert_ne!(a, b);
        assert_eq!(a.as_str().len(), 32);
        assert_eq!(hex(&[0, 255, 16]), "00ff10");
    }

    #[test]
    fn what_only_looks_like_a_mark_is_output() {
        let lookalikes: &[&[u8]] = &[
            b"\x1e\x1e\x1e",
            b"\x1e00112233445566778899aabbccddeeff.8.0\n",
            b"\x1e00112233445566778899aabbccddeeff.7.\n",
            b"\x1e00112233445566778899aabbccddeeff.7.x\n",
            b"\x1e00112233445566778899aabbccddeeff.70.0\n",
            b"\x1e0011",
            b"no newline at the end",
        ];
        for content in lookalikes {
            let mut reader = FrameReader::answer(&nonce(), 7);
            assert!(reader.feed(Source::Out, &stream(content, ".3")));
            assert!(!reader.is_complete(), "stderr has not ended");
            assert!(reader.feed(Source::Err, &stream(b"", "")));
            let frame = reader.frame().unwrap();
            assert_eq!(frame.out, *content);
            assert_eq!(frame.code, 3);
        }
    }

    #[test]
    fn an_answer_that_is_too_long_is_refused() {
        let mut reader = FrameReader::answer(&nonce(), 7);
        let chunk = vec![b'x'; LONGEST_ANSWER / 4];
        let fed: Vec<bool> = (0..5).map(|_| reader.feed(Source::Out, &chunk)).collect();
        assert_eq!(fed, [true, true, true, true, false]);
    }

    proptest! {
        #[test]
        fn any_output_in_any_pieces_comes_out_as_it_went_in(
            out in proptest::collection::vec(prop_oneof![Just(0x1e_u8), Just(b'0'), Just(b'\n'), any::<u8>()], 0..300),
            err in proptest::collection::vec(prop_oneof![Just(0x1e_u8), any::<u8>()], 0..300),
            code in 0..256_i32,
            pieces in proptest::collection::vec((any::<bool>(), 1..40_usize), 1..200),
        ) {
            let (whole_out, whole_err) = (stream(&out, &format!(".{code}")), stream(&err, ""));
            let mut reader = FrameReader::answer(&nonce(), 7);
            let (mut left_out, mut left_err) = (whole_out.as_slice(), whole_err.as_slice());
            for (first, size) in pieces {
                let (source, left) = if first { (Source::Out, &mut left_out) } else { (Source::Err, &mut left_err) };
                let (piece, rest) = left.split_at(size.min(left.len()));
                prop_assert!(reader.feed(source, piece));
                *left = rest;
            }
            prop_assert!(reader.feed(Source::Out, left_out));
            prop_assert!(reader.feed(Source::Err, left_err));
            prop_assert_eq!(reader.frame(), Some(Frame { code, out, err }));
        }
    }
}
