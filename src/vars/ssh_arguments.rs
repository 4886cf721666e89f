//! Arguments of `ssh` that inventories give (`ansible_ssh_common_args`): what of them has a meaning without that program.

use super::words::shell_words;

/// How host keys are checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HostKeyChecking {
    /// A host whose key is not known is refused.
    Strict,
    /// A new host's key is taken, a changed one is refused.
    AcceptNew,
    /// Any key is taken.
    Off,
}

/// What the arguments say, as lines of `ssh_config` in the order in which they were written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SshArguments {
    /// Options as `-o` takes them, with those that have a letter of their own (`-p`, `-i`, `-J` ...); the first one of
    /// a kind counts.
    pub options: Vec<(String, String)>,
    /// A file in place of `~/.ssh/config`; `none` for no file.
    pub config_file: Option<String>,
    /// Letters without a meaning here; the user should know.
    pub ignored: Vec<String>,
}

impl SshArguments {
    /// Returns the first value of an option, whatever the case of its name.
    pub fn option(&self, name: &str) -> Option<&str> {
        let found = self
            .options
            .iter()
            .find(|(key, _)| key.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    /// Reads arguments and adds them; as in `ssh` the first word on a matter counts. The error is a message.
    pub fn add(&mut self, text: &str) -> Result<(), String> {
        let words = shell_words(text)?;
        let mut words = words.into_iter();
        while let Some(word) = words.next() {
            let Some(letters) = word.strip_prefix('-').filter(|letters| !letters.is_empty()) else {
                return Err(format!("`{word}` is no option of ssh"));
            };
            self.letters(letters, &mut words)?;
        }
        Ok(())
    }

    /// Reads `-oKey=Value`, `-qC`, `-i FILE`: letters without a value may stand together.
    fn letters(
        &mut self,
        letters: &str,
        words: &mut impl Iterator<Item = String>,
    ) -> Result<(), String> {
        let mut rest = letters.chars();
        while let Some(letter) = rest.next() {
            if "46AaCfGgKkMNnqsTtVvXxYy".contains(letter) {
                match letter {
                    '4' => self.push("AddressFamily", "inet"),
                    '6' => self.push("AddressFamily", "inet6"),
                    'C' => self.push("Compression", "yes"),
                    // A forwarded agent would be the one thing of the rest that changes what a host can do.
                    'A' => self.ignored.push("-A".to_owned()),
                    _ => {}
                }
                continue;
            }
            let glued = rest.as_str();
            let value = if glued.is_empty() {
                words
                    .next()
                    .ok_or_else(|| format!("-{letter} has no value"))?
            } else {
                glued.to_owned()
            };
            match letter {
                'o' => {
                    let split = value.split_once(['=', ' ', '\t']);
                    let (key, value) = split.ok_or_else(|| format!("`-o {value}` has no value"))?;
                    // As in a file: blanks, or one `=` with or without them.
                    let value = value.trim().trim_start_matches('=').trim();
                    self.take(key.trim(), value.trim_matches('"'))?;
                }
                'J' => self.push("ProxyJump", &value),
                'i' => self.push("IdentityFile", &value),
                'l' => self.push("User", &value),
                'b' => self.push("BindAddress", &value),
                'c' => self.push("Ciphers", &value),
                'm' => self.push("MACs", &value),
                'F' => {
                    self.config_file.get_or_insert(value);
                }
                'p' => {
                    number::<u16>("-p", &value)?;
                    self.push("Port", &value);
                }
                _ => self.ignored.push(format!("-{letter}")),
            }
            return Ok(());
        }
        Ok(())
    }

    fn push(&mut self, key: &str, value: &str) {
        self.options.push((key.to_owned(), value.to_owned()));
    }

    /// Takes an option; a value that cannot be meant is told here, where its place is known.
    fn take(&mut self, key: &str, value: &str) -> Result<(), String> {
        match key.to_ascii_lowercase().as_str() {
            "proxycommand" => return self.proxy_command(value),
            "stricthostkeychecking" => {
                const WORDS: [&str; 8] = [
                    "yes",
                    "no",
                    "ask",
                    "off",
                    "accept-new",
                    "true",
                    "false",
                    "on",
                ];
                if !WORDS.contains(&value.to_ascii_lowercase().as_str()) {
                    return Err(format!("{key} cannot be `{value}`"));
                }
            }
            "identitiesonly" => flag(key, value)?,
            "port" => {
                number::<u16>(key, value)?;
            }
            "serveralivecountmax" => {
                number::<u32>(key, value)?;
            }
            _ => {}
        }
        self.push(key, value);
        Ok(())
    }

    fn proxy_command(&mut self, command: &str) -> Result<(), String> {
        if command == "none" {
            return Ok(());
        }
        let (jump, mut inner) = jump_of(command).ok_or_else(|| {
            format!("ProxyCommand `{command}` is not supported: use -o ProxyJump=HOST")
        })?;
        self.push("ProxyJump", &jump);
        // What the jump is told of keys has no place of its own; more keys to try do no harm.
        inner.options.retain(|(key, _)| key == "IdentityFile");
        self.options.append(&mut inner.options);
        self.ignored.append(&mut inner.ignored);
        Ok(())
    }
}

/// Reads `ssh -W %h:%p user@bastion`, as it was written before there was `ProxyJump`: the jump, and what else stands there.
pub fn jump_of(command: &str) -> Option<(String, SshArguments)> {
    let words = shell_words(command).ok()?;
    let words = if words.first().is_some_and(|word| word == "exec") {
        words.get(1..)?
    } else {
        &words
    };
    let (program, words) = words.split_first()?;
    if program.rsplit('/').next() != Some("ssh") {
        return None;
    }
    let mut inner = SshArguments::default();
    let (mut host, mut forwards) = (None, false);
    let mut words = words.iter().cloned();
    while let Some(word) = words.next() {
        match word.strip_prefix('-') {
            Some("W") => forwards = words.next().is_some_and(|word| is_here(&word)),
            Some(letters) if letters.strip_prefix('W').is_some_and(is_here) => forwards = true,
            Some(letters) => inner.letters(letters, &mut words).ok()?,
            None if host.is_none() => host = Some(word),
            None => return None,
        }
    }
    let host = host.filter(|_| forwards)?;
    let user = inner.option("User").filter(|_| !host.contains('@'));
    let user = user.map(|user| format!("{user}@")).unwrap_or_default();
    let port = inner.option("Port").map(|port| format!(":{port}"));
    let before = inner
        .option("ProxyJump")
        .map(|jump| format!("{jump},"))
        .unwrap_or_default();
    let jump = format!("{before}{user}{host}{}", port.unwrap_or_default());
    Some((jump, inner))
}

fn is_here(target: &str) -> bool {
    matches!(target, "%h:%p" | "[%h]:%p")
}

fn number<T: std::str::FromStr>(key: &str, value: &str) -> Result<T, String> {
    value
        .parse()
        .map_err(|_| format!("{key} cannot be `{value}`"))
}

fn flag(key: &str, value: &str) -> Result<(), String> {
    match value.to_ascii_lowercase().as_str() {
        "yes" | "true" | "no" | "false" => Ok(()),
        _ => Err(format!("{key} cannot be `{value}`")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<SshArguments, String> {
        let mut arguments = SshArguments::default();
        arguments.add(text).map(|()| arguments)
    }

    fn pairs(found: &SshArguments) -> Vec<String> {
        let pairs = found.options.iter();
        pairs.map(|(key, value)| format!("{key}={value}")).collect()
    }

    #[test]
    fn letters_and_options_become_lines_of_a_configuration() {
        let text = "-o ProxyJump=ops@bastion:2222 -oStrictHostKeyChecking=no -o 'UserKnownHostsFile /dev/null' \
                    -i ~/.ssh/a -o IdentityFile=b -p2022 -l root -q4C -F none -o 'Tunnel = yes' -J x -b ::1";
        let found = read(text).unwrap();
        assert_eq!(
            pairs(&found),
            [
                "ProxyJump=ops@bastion:2222",
                "StrictHostKeyChecking=no",
                "UserKnownHostsFile=/dev/null",
                "IdentityFile=~/.ssh/a",
                "IdentityFile=b",
                "Port=2022",
                "User=root",
                "AddressFamily=inet",
                "Compression=yes",
                "Tunnel=yes",
                "ProxyJump=x",
                "BindAddress=::1",
            ]
        );
        assert_eq!(found.config_file.as_deref(), Some("none"));
        assert_eq!(found.option("proxyjump"), Some("ops@bastion:2222"));
        assert_eq!(read("-A -L 1:x:2").unwrap().ignored, ["-A", "-L"]);
    }

    #[test]
    fn the_old_proxy_command_is_a_jump() {
        let cases = [
            ("ssh -W %h:%p bastion", "bastion"),
            ("exec ssh -W %h:%p bastion", "bastion"),
            ("ssh -q -W %h:%p -p 2222 -l ops bastion", "ops@bastion:2222"),
            (
                "/usr/bin/ssh -W[%h]:%p -o StrictHostKeyChecking=no a@bastion",
                "a@bastion",
            ),
            ("ssh -W %h:%p -J outer inner", "outer,inner"),
        ];
        for (command, expected) in cases {
            let found = read(&format!("-o 'ProxyCommand={command}'")).unwrap();
            assert_eq!(found.option("ProxyJump"), Some(expected), "{command}");
        }
        let found = read("-o ProxyCommand='ssh -i key -p 3 -W %h:%p b'").unwrap();
        assert_eq!(pairs(&found), ["ProxyJump=b:3", "IdentityFile=key"]);
        assert_eq!(read("-o ProxyCommand=none").unwrap().options, []);
        for command in ["nc -x p %h %p", "ssh b", "ssh -W x:1 b", "ssh -W %h:%p a b"] {
            let error = read(&format!("-o 'ProxyCommand={command}'")).unwrap_err();
            assert!(error.contains("use -o ProxyJump=HOST"), "{error}");
        }
    }

    #[test]
    fn what_is_wrong_is_said() {
        let cases = [
            ("bastion", "`bastion` is no option of ssh"),
            ("-p", "-p has no value"),
            ("-p x", "-p cannot be `x`"),
            ("-o Port", "`-o Port` has no value"),
            (
                "-o StrictHostKeyChecking=maybe",
                "StrictHostKeyChecking cannot be `maybe`",
            ),
            ("-i 'x", "a quote is not closed"),
        ];
        for (text, expected) in cases {
            assert_eq!(read(text).unwrap_err(), expected, "{text}");
        }
    }
}
