//! Jobs as text and back: what a job's command file holds, how it is launched and asked for, what the answers mean.
//!
//! Pure; the shell functions behind these calls are in `shell`, the session in `shells`. A job's text is written to a
//! file that only its user can read and is started from there, so that nothing of it stands in an argument list.

use std::time::Duration;

use super::framing::Frame;
use super::shell::{printf_word, single_quoted, single_quoted_bytes};
use super::{ConnError, End, Job, JobCommand, JobEnd, JobId};

/// How much of each stream of a job is kept; what is longer is marked as cut.
pub(crate) const LONGEST_OUTPUT: usize = 16 << 20;

/// The part of a job's first line that writes down who it is, before anything that the user wrote.
const WHO: &str =
    r#"read -r __sg </proc/self/stat; printf '%-479s\n' "$__sg" 1<>"$0.id"; unset __sg;"#;

/// Writes the call that claims and runs a job; with a time nobody waits for it, and it is killed when that is over.
pub(crate) fn launch(job: &Job, time: Option<Duration>) -> Result<String, ConnError> {
    let (command, text) = command_file(job)?;
    let input = job.input.as_ref().map_or("", |input| input.reveal());
    if let Some(directory) = &job.directory {
        no_nul("the directory", directory.as_bytes())?;
    }
    Ok(format!(
        "_job {} {} {} {} {} {} {} {}",
        single_quoted(job.id.as_str()),
        u8::from(job.outlives_session),
        single_quoted(job.directory.as_deref().unwrap_or_default()),
        printf_word(&command),
        printf_word(&text),
        printf_word(input.as_bytes()),
        LONGEST_OUTPUT + 1,
        time.map_or_else(|| "''".to_owned(), |time| time.as_secs().max(1).to_string()),
    ))
}

/// Writes the call that asks how a job stands, with its output after what is already known.
pub(crate) fn ask(id: &JobId, fence: bool, out_known: usize, err_known: usize) -> String {
    format!(
        "_ask {} {} {} {} {}",
        single_quoted(id.as_str()),
        u8::from(fence),
        out_known + 1,
        err_known + 1,
        LONGEST_OUTPUT + 1,
    )
}

/// Writes the call that signals a job, if it is still the same process of the same boot.
pub(crate) fn signal(id: &JobId, signal: &str) -> String {
    format!("_sig {} {signal}", single_quoted(id.as_str()))
}

/// Writes the call that removes what ended jobs left.
pub(crate) fn forget(ids: &[JobId]) -> String {
    let words: Vec<String> = ids.iter().map(|id| single_quoted(id.as_str())).collect();
    format!("_forget {}", words.join(" "))
}

#[expect(
    clippy::too_many_lines,
    reason = "one arm for each kind of command, and they read best side by side"
)]
/// Returns what goes into a job's command file, and into the text file beside it.
fn command_file(job: &Job) -> Result<(Vec<u8>, Vec<u8>), ConnError> {
    let mut file = b"{ ".to_vec();
    file.extend_from_slice(WHO.as_bytes());
    for (name, value) in &job.environment {
        if !is_variable_name(name) {
            return Err(refused(format!(
                "`{name}` is no name for an environment variable"
            )));
        }
        no_nul("an environment variable", value.as_bytes())?;
        file.extend_from_slice(format!(" export {name}={};", single_quoted(value)).as_bytes());
    }
    file.extend_from_slice(b" };");
    let mut text = Vec::new();
    match &job.command {
        JobCommand::Shell {
            text: own,
            shell: None,
        } => {
            no_nul("the command", own.as_bytes())?;
            file.extend_from_slice(own.as_bytes());
            file.push(b'\n');
        }
        JobCommand::Shell {
            text: own,
            shell: Some(shell),
        } => {
            no_nul("the command", own.as_bytes())?;
            no_nul("the shell", shell.as_bytes())?;
            file.extend_from_slice(
                format!("exec {} \"$0.txt\"\n", single_quoted(shell)).as_bytes(),
            );
            text.extend_from_slice(own.as_bytes());
            text.push(b'\n');
        }
        JobCommand::Argv(words) => {
            let first = words
                .first()
                .ok_or_else(|| refused("the command is empty".to_owned()))?;
            if first.is_empty() || first.starts_with(b"-") {
                return Err(refused("the command's first word is no program".to_owned()));
            }
            file.extend_from_slice(b"exec");
            for word in words {
                no_nul("an argument", word)?;
                file.push(b' ');
                file.extend_from_slice(&single_quoted_bytes(word));
            }
            file.push(b'\n');
        }
        JobCommand::Script {
            text: own,
            arguments,
        } => {
            file.extend_from_slice(b"exec");
            for word in interpreter(own) {
                file.push(b' ');
                file.extend_from_slice(&single_quoted_bytes(&word));
            }
            file.extend_from_slice(b" \"$0.txt\"");
            for argument in arguments {
                no_nul("an argument", argument.as_bytes())?;
                file.extend_from_slice(format!(" {}", single_quoted(argument)).as_bytes());
            }
            file.push(b'\n');
            text.extend_from_slice(own);
        }
    }
    Ok((file, text))
}

/// Returns the words before a script's own path, as the kernel would take them from its first line.
fn interpreter(script: &[u8]) -> Vec<Vec<u8>> {
    let line = script
        .strip_prefix(b"#!")
        .and_then(|rest| rest.split(|byte| *byte == b'\n').next())
        .unwrap_or_default()
        .trim_ascii();
    let mut parts = line.splitn(2, |byte| *byte == b' ' || *byte == b'\t');
    match parts
        .next()
        .filter(|program| program.starts_with(b"/") && !program.contains(&0))
    {
        None => vec![b"/bin/sh".to_vec()],
        Some(program) => std::iter::once(program)
            .chain(
                parts
                    .next()
                    .map(<[u8]>::trim_ascii)
                    .filter(|rest| !rest.is_empty()),
            )
            .map(<[u8]>::to_vec)
            .collect(),
    }
}

fn is_variable_name(name: &str) -> bool {
    let mut chars = name.chars();
    chars
        .next()
        .is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
        && chars.all(|c| c.is_ascii_alphanumeric() || c == '_')
}

fn no_nul(what: &str, bytes: &[u8]) -> Result<(), ConnError> {
    if bytes.contains(&0) {
        return Err(refused(format!("{what} holds a NUL byte")));
    }
    Ok(())
}

fn refused(message: String) -> ConnError {
    ConnError::Host { message }
}

/// How a job stands on its host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It ended; whether its disk was full then.
    Ended(End, bool),
    /// It runs under this process id.
    Running(String),
    /// Its claim is fenced: it never ran and never will.
    Never,
    /// Nobody has claimed it.
    Unclaimed,
    /// Its claim is taken, and it has written nothing or not yet who it is.
    Starting,
    /// Its process is gone without an end.
    Gone(String),
    /// The host was rebooted since it started.
    Rebooted(String),
}

/// What one look at a job showed: how it stands, and output that was not known yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Look {
    /// How it stands.
    pub(crate) standing: Standing,
    /// Whether it was launched by this request.
    pub(crate) launched: bool,
    /// Further output.
    pub(crate) out: Vec<u8>,
    /// Further error output.
    pub(crate) err: Vec<u8>,
}

/// Reads the answer to [`launch`] or [`ask`].
pub(crate) fn look(frame: &Frame, launching: bool) -> Result<Look, ConnError> {
    let newline = frame.out.iter().position(|byte| *byte == b'\n');
    let Some(at) = newline else {
        return Err(failed("keep a job", frame));
    };
    let line = String::from_utf8_lossy(frame.out.get(..at).unwrap_or_default()).into_owned();
    let (word, rest) = line.split_once(' ').unwrap_or((&line, ""));
    let standing = match word {
        "ended" => ended(rest).ok_or_else(|| failed("read a job's end", frame))?,
        "running" => Standing::Running(rest.to_owned()),
        "never" => Standing::Never,
        "none" => Standing::Unclaimed,
        "claimed" | "starting" | "taken" => Standing::Starting,
        "gone" => Standing::Gone(rest.to_owned()),
        "rebooted" => Standing::Rebooted(rest.to_owned()),
        "nodir" => return Err(failed("enter the job's directory", frame)),
        "nowrite" => return Err(failed("write the job down, so it was not started", frame)),
        "noscope" => {
            return Err(failed(
                "start a scope with systemd-run, so the job was not started",
                frame,
            ));
        }
        "nosetsid" => {
            return Err(refused(
                "the host has neither setsid (util-linux) nor busybox: a job cannot be detached"
                    .to_owned(),
            ));
        }
        _ => return Err(failed("read how a job stands", frame)),
    };
    Ok(Look {
        launched: launching && word == "ended",
        standing,
        out: frame.out.get(at + 1..).unwrap_or_default().to_vec(),
        err: frame.err.clone(),
    })
}

fn ended(rest: &str) -> Option<Standing> {
    let (code, full) = match rest.trim().split_once(' ') {
        Some((code, word)) => (code, word.trim() == "full"),
        None => (rest.trim(), false),
    };
    let end = match code.parse().ok()? {
        signal @ 129..=192 => End::Signal(signal - 128),
        code => End::Code(code),
    };
    Some(Standing::Ended(end, full))
}

fn failed(what: &str, frame: &Frame) -> ConnError {
    let said = String::from_utf8_lossy(&frame.err).trim().to_owned();
    let said = if said.is_empty() {
        format!("exit code {}", frame.code)
    } else {
        said
    };
    refused(format!("the host cannot {what}: {said}"))
}

/// A job's output as it comes together over several looks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Output {
    /// Its output so far.
    pub(crate) out: Vec<u8>,
    /// Its error output so far.
    pub(crate) err: Vec<u8>,
}

impl Output {
    /// Makes a job's end of it.
    pub(crate) fn into_end(mut self, end: End, full: bool) -> JobEnd {
        let cut = full || self.out.len() > LONGEST_OUTPUT || self.err.len() > LONGEST_OUTPUT;
        self.out.truncate(LONGEST_OUTPUT);
        self.err.truncate(LONGEST_OUTPUT);
        JobEnd {
            end,
            out: self.out,
            err: self.err,
            cut,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connection::OnDeadline;

    fn job(command: JobCommand) -> Job {
        Job {
            id: JobId::new("r1/s2"),
            command,
            input: None,
            directory: None,
            environment: vec![("A".to_owned(), "it's".to_owned())],
            on_deadline: OnDeadline::Leave,
            outlives_session: false,
        }
    }

    fn frame(out: &str, err: &str) -> Frame {
        Frame {
            code: 0,
            out: out.into(),
            err: err.into(),
        }
    }

    #[test]
    fn command_files_keep_the_users_text_on_its_own_lines() {
        let shell = |text: &str, shell: Option<&str>| JobCommand::Shell {
            text: text.to_owned(),
            shell: shell.map(str::to_owned),
        };
        let script = |text: &str| JobCommand::Script {
            text: text.as_bytes().to_vec(),
            arguments: vec!["a b".to_owned()],
        };
        let cases = [
            (shell("echo $A", None), "echo $A\n", ""),
            (
                shell("echo $A", Some("/bin/bash")),
                "exec '/bin/bash' \"$0.txt\"\n",
                "echo $A\n",
            ),
            (
                JobCommand::Argv(vec![b"echo".to_vec(), b"a'b".to_vec()]),
                "exec 'echo' 'a'\"'\"'b'\n",
                "",
            ),
            (
                script("echo 1\n"),
                "exec '/bin/sh' \"$0.txt\" 'a b'\n",
                "echo 1\n",
            ),
            (
                script("#! /usr/bin/env  -S python3 -u \nx"),
                "exec '/usr/bin/env' '-S python3 -u' \"$0.txt\" 'a b'\n",
                "#! /usr/bin/env  -S python3 -u \nx",
            ),
        ];
        for (command, file, text) in cases {
            let (got_file, got_text) = command_file(&job(command)).unwrap();
            let got_file = String::from_utf8(got_file).unwrap();
            let prefix = format!("{{ {WHO} export A='it'\"'\"'s'; }};");
            assert_eq!(got_file.strip_prefix(&prefix), Some(file));
            assert_eq!(String::from_utf8(got_text).unwrap(), text);
        }
    }

    #[test]
    fn what_cannot_be_run_is_refused_before_anything_is_sent() {
        let argv =
            |words: &[&[u8]]| JobCommand::Argv(words.iter().map(|word| word.to_vec()).collect());
        for command in [
            argv(&[]),
            argv(&[b"-x"]),
            argv(&[b"x", b"a\0b"]),
            JobCommand::Shell {
                text: "a\0".to_owned(),
                shell: None,
            },
        ] {
            assert!(launch(&job(command.clone()), None).is_err(), "{command:?}");
        }
        let mut bad = job(argv(&[b"x"]));
        bad.environment.push(("a b".to_owned(), String::new()));
        assert!(launch(&bad, None).is_err());
    }

    #[test]
    fn answers_are_read() {
        let cases = [
            ("ended 0\nout", Standing::Ended(End::Code(0), false)),
            ("ended 137\n", Standing::Ended(End::Signal(9), false)),
            ("ended 200\n", Standing::Ended(End::Code(200), false)),
            ("ended 1 full\n", Standing::Ended(End::Code(1), true)),
            ("running 12\n", Standing::Running("12".to_owned())),
            ("never\n", Standing::Never),
            ("none\n", Standing::Unclaimed),
            ("claimed\n", Standing::Starting),
            ("taken\n", Standing::Starting),
            ("gone 12\n", Standing::Gone("12".to_owned())),
            ("rebooted a b\n", Standing::Rebooted("a b".to_owned())),
        ];
        for (text, standing) in cases {
            assert_eq!(
                look(&frame(text, ""), true).unwrap().standing,
                standing,
                "{text}"
            );
        }
        assert_eq!(
            look(&frame("ended 0\nout\n", "e"), true).unwrap().out,
            b"out\n"
        );
        for text in [
            "",
            "nodir\n",
            "nowrite\n",
            "nosetsid\n",
            "noscope\n",
            "what\n",
            "ended x\n",
        ] {
            assert!(look(&frame(text, "why"), true).is_err(), "{text}");
        }
    }

    #[test]
    fn output_that_is_too_long_is_cut_and_says_so() {
        let long = Output {
            out: vec![b'x'; LONGEST_OUTPUT + 1],
            err: Vec::new(),
        };
        let end = long.into_end(End::Code(0), false);
        assert!(end.cut);
        assert_eq!(end.out.len(), LONGEST_OUTPUT);
        assert!(!Output::default().into_end(End::Code(0), false).cut);
        assert!(Output::default().into_end(End::Code(0), true).cut);
    }
}
