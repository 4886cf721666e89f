//! Opening a shell: the session under it, the program that changes the user, the greeting.
//!
//! Nothing that fails here has run anything of a request.

use std::time::Duration;

use zeroize::Zeroizing;

use crate::clock::Clock;
use crate::connection::becoming::{Next, Talk};
use crate::connection::framing::{FrameReader, Nonce, Source};
use crate::connection::shell::{SHELL, Setting, prologue};
use crate::connection::transport::{ChannelId, Got};
use crate::connection::waiting::{LOOK, Waiting};
use crate::connection::{Become, ConnError};

use super::{GREETING, MOST_SHELLS, NOISE, Role, Shell, Shells};

/// How long a program whose streams are closed has to be reported as ended.
const LAST_WORDS: Duration = Duration::from_secs(5);

impl Shells {
    /// Opens a session if there is none, and a shell on it; nothing that fails here has run anything of a request.
    pub(super) fn open_shell(
        &mut self,
        user: Option<&Become>,
        role: Role,
        waiting: &Waiting<'_>,
    ) -> Result<usize, ConnError> {
        self.link.open(waiting)?;
        self.make_room();
        let waiting = waiting.within(GREETING);
        let shell = self
            .options
            .shell
            .clone()
            .unwrap_or_else(|| SHELL.to_owned());
        let talk = user
            .map(|user| Talk::new(user, &shell, self.link.host()))
            .transpose()?;
        let command = talk.as_ref().map_or_else(|| shell.clone(), Talk::command);
        let channel = self.link.start(&command, &waiting)?;
        let nonce =
            Nonce::draw().map_err(|error| self.unreachable(format!("no random bytes: {error}")))?;
        let setting = Setting {
            shell: &shell,
            state_directory: self.options.state_directory.as_deref(),
            at_home: user.is_some(),
        };
        let pending = prologue(&nonce, setting).into_bytes();
        if let Some(talk) = talk
            && let Err(error) = self.become_user(talk, channel, &waiting)
        {
            self.link.close(channel);
            return Err(error);
        }
        self.open.push(Shell {
            user: user.cloned(),
            role,
            channel,
            reader: FrameReader::hello(&nonce),
            nonce,
            number: 0,
            used: self.clock.elapsed(),
            pending,
            sent: 0,
            closed: [false; 2],
            silent: None,
        });
        let at = self.open.len() - 1;
        match self.finish(at, &waiting) {
            Ok(_) => Ok(at),
            Err(ConnError::Stopped) => {
                self.close(at);
                Err(ConnError::Stopped)
            }
            Err(error) => {
                let reason = self.without_greeting(at, &error);
                self.close(at);
                Err(self.unreachable(reason))
            }
        }
    }

    fn without_greeting(&self, at: usize, error: &ConnError) -> String {
        let said = self.open.get(at).map(|shell| {
            let (out, err) = shell.reader.so_far();
            let text = format!(
                "{}\n{}",
                String::from_utf8_lossy(out),
                String::from_utf8_lossy(err)
            );
            let lines: Vec<&str> = text
                .lines()
                .map(str::trim)
                .filter(|line| !line.is_empty())
                .collect();
            lines.join(" / ").chars().take(NOISE).collect::<String>()
        });
        let why = match error {
            ConnError::Lost { reason, .. } | ConnError::Unreachable { reason, .. } => {
                reason.clone()
            }
            other => other.to_string(),
        };
        match said.filter(|said| !said.is_empty()) {
            Some(said) => format!("/bin/sh did not greet: {why}; the host said: {said}"),
            None => format!("/bin/sh did not greet: {why}"),
        }
    }

    /// Talks with the program that changes the user until its shell is there.
    fn become_user(
        &mut self,
        mut talk: Talk<'_>,
        channel: ChannelId,
        waiting: &Waiting<'_>,
    ) -> Result<(), ConnError> {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let mut answer = Zeroizing::new(Vec::new());
        let mut last_words = None;
        loop {
            let closed = self.collect(channel, &mut out, &mut err)?;
            match talk.next(&out, &err)? {
                Next::Ready => return Ok(()),
                Next::SendPassword => answer = talk.password_line(),
                Next::Wait => {}
            }
            if !answer.is_empty() {
                let sent = self
                    .link
                    .write(channel, &answer)
                    .map_err(|broken| self.unreachable(broken.0))?;
                answer = Zeroizing::new(answer.get(sent..).unwrap_or_default().to_vec());
            }
            let end = self.link.ended(channel);
            if end.is_some() {
                self.collect(channel, &mut out, &mut err)?;
                return Err(talk.ended(end, &out, &err));
            }
            // How it ended is said after its streams are closed, in a message of its own.
            if closed && last_words.is_none() {
                last_words = Some(waiting.within(LAST_WORDS));
            }
            match last_words.as_ref().unwrap_or(waiting).slice(LOOK) {
                Ok(slice) => self
                    .link
                    .wait(channel, !answer.is_empty(), slice)
                    .map_err(|broken| self.unreachable(broken.0))?,
                Err(ConnError::Stopped) => return Err(ConnError::Stopped),
                Err(_) if closed => return Err(talk.ended(None, &out, &err)),
                Err(_) => return Err(talk.late(&out, &err)),
            }
        }
    }

    /// Reads what has come on a channel; true when both streams are closed.
    fn collect(
        &mut self,
        channel: ChannelId,
        out: &mut Vec<u8>,
        err: &mut Vec<u8>,
    ) -> Result<bool, ConnError> {
        let mut buffer = [0; 4096];
        let mut closed = 0;
        for (source, into) in [(Source::Out, out), (Source::Err, err)] {
            loop {
                let got = self
                    .link
                    .read(channel, source, &mut buffer)
                    .map_err(|broken| self.unreachable(broken.0))?;
                match got {
                    Got::Bytes(count) => {
                        into.extend_from_slice(buffer.get(..count).unwrap_or_default());
                    }
                    Got::Pending => break,
                    Got::Closed => {
                        closed += 1;
                        break;
                    }
                }
            }
        }
        Ok(closed == 2)
    }

    /// Closes the shell that was not used for the longest time, if there are many.
    fn make_room(&mut self) {
        while self.open.len() >= MOST_SHELLS {
            let oldest = self
                .open
                .iter()
                .enumerate()
                .min_by_key(|(_, shell)| shell.used)
                .map_or(0, |(at, _)| at);
            self.close(oldest);
        }
    }
}
