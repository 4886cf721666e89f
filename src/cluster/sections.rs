//! What a shell text prints in parts, each under its name: any bytes, in one stream, without a program for each part.
//!
//! A part begins with a line that holds a random word which was drawn for this one text. It is in no argument list, no
//! environment and no file of the host, so nothing that is printed from there can look like the begin of a part. The
//! channel to the host carries any bytes, so nothing is encoded. Pure: the word is handed in. Called by the readers of
//! hosts and by the modules that ask them.

/// What starts the line before a part: the ASCII record separator.
const SEPARATOR: u8 = 0x1e;

/// The random word that parts the output of one text.
#[derive(Debug, Clone)]
pub struct Marker(String);

impl Marker {
    /// Takes a word of letters and digits that nobody else can know.
    pub fn new(word: impl Into<String>) -> Self {
        Self(word.into())
    }

    /// Returns the definition of the shell function `stagger_at NAME`, after which everything printed is of that part.
    pub fn shell(&self) -> String {
        format!(
            "stagger_at() {{ printf '\\036%s %s\\n' {} \"$1\"; }}\n",
            self.0
        )
    }

    /// Parts what such a text printed; what came before the first part is nobody's.
    pub fn parts<'a>(&self, printed: &'a [u8]) -> Vec<Part<'a>> {
        let begin = [&[SEPARATOR], self.0.as_bytes(), b" "].concat();
        let mut found = Vec::new();
        let mut rest = after(printed, &begin).map(|(_, rest)| rest);
        while let Some(part) = rest {
            let (part, next) = match after(part, &begin) {
                Some((part, next)) => (part, Some(next)),
                None => (part, None),
            };
            if let Some((name, content)) = after(part, b"\n")
                && let Ok(name) = std::str::from_utf8(name)
            {
                found.push(Part { name, content });
            }
            rest = next;
        }
        found
    }
}

/// One part of what a text printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part<'a> {
    /// Its name.
    pub name: &'a str,
    /// All that was printed in it, byte for byte.
    pub content: &'a [u8],
}

impl Part<'_> {
    /// Returns it as text, bad UTF-8 replaced.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(self.content).into_owned()
    }
}

/// Returns what stands before and after the first place where `wanted` is.
fn after<'a>(bytes: &'a [u8], wanted: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let at = bytes
        .windows(wanted.len())
        .position(|window| window == wanted)?;
    let (before, rest) = bytes.split_at(at);
    Some((before, rest.get(wanted.len()..).unwrap_or_default()))
}

#[cfg(test)]
pub(crate) mod testing {
    use std::path::Path;
    use std::process::{Command, Stdio};

    /// The shells that a host may have.
    pub(crate) const SHELLS: [&[&str]; 3] = [&["dash"], &["bash"], &["busybox", "sh"]];

    /// Runs a text by a shell that reads it from its input, and returns what it printed.
    #[expect(
        clippy::disallowed_methods,
        reason = "shell texts are tried in real shells"
    )]
    pub(crate) fn printed(shell: &[&str], text: &str, path: Option<&Path>) -> Vec<u8> {
        use std::io::Write as _;
        let (program, arguments) = shell.split_first().unwrap();
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::piped());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        if let Some(path) = path {
            let all = std::env::var_os("PATH").unwrap_or_default();
            let path = format!("{}:{}", path.display(), all.to_string_lossy());
            command.env("PATH", path);
        }
        let mut child = command.spawn().unwrap();
        let mut input = child.stdin.take().unwrap();
        input.write_all(text.as_bytes()).unwrap();
        drop(input);
        let output = child.wait_with_output().unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.success() && errors.is_empty(),
            "{shell:?}: {} {errors}",
            output.status
        );
        output.stdout
    }

    /// Counts the programs that a text starts, by wrappers in front of all that the search path holds.
    #[expect(clippy::disallowed_methods, reason = "the wrappers are made")]
    pub(crate) fn programs_of(text: &str) -> Vec<String> {
        let place = tempfile::tempdir().unwrap();
        let log = place.path().join("log");
        let wrappers = place.path().join("bin");
        std::fs::create_dir(&wrappers).unwrap();
        for directory in ["/usr/sbin", "/usr/bin", "/sbin", "/bin"] {
            for entry in std::fs::read_dir(directory).into_iter().flatten() {
                let real = entry.unwrap().path();
                let name = real.file_name().unwrap().to_string_lossy().into_owned();
                let wrapper = wrappers.join(&name);
                if wrapper.exists() || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
                {
                    continue;
                }
                let text = format!(
                    "#!/bin/dash\necho {name} >>{}\nexec {} \"$@\"\n",
                    log.display(),
                    real.display()
                );
                std::fs::write(&wrapper, text).unwrap();
                let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
                std::fs::set_permissions(&wrapper, mode).unwrap();
            }
        }
        drop(printed(&["/bin/dash"], text, Some(&wrappers)));
        let started = std::fs::read_to_string(&log).unwrap_or_default();
        started.lines().map(str::to_owned).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::testing::{SHELLS, printed};
    use super::*;

    #[test]
    fn parts_are_what_was_printed_byte_for_byte() {
        let marker = Marker::new("abc1");
        let text = format!(
            "{}echo noise; stagger_at one; printf 'a\\0\\377\\n'; stagger_at none; stagger_at two; printf '\\036abc2 one\\nx\\036'\n",
            marker.shell()
        );
        for shell in SHELLS {
            let out = printed(shell, &text, None);
            let parts = marker.parts(&out);
            let parts: Vec<_> = parts.iter().map(|part| (part.name, part.content)).collect();
            let wanted: [(&str, &[u8]); 3] = [
                ("one", b"a\0\xff\n"),
                ("none", b""),
                ("two", b"\x1eabc2 one\nx\x1e"),
            ];
            assert_eq!(parts, wanted, "{shell:?}");
        }
        assert_eq!(marker.parts(b"nothing"), []);
        assert_eq!(marker.parts(b"\x1eabc1 torn"), []);
    }
}
