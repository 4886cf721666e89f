//! Arguments of `ssh` that inventories give (`ansible_ssh_common_args`): what of them has a meaning without that program.

use std::time::Duration;

use super::words::shell_words;

/// Options that only concern how the `ssh` program works, or that are so anyway: they are dropped in silence.
const MEANINGLESS: [&str; 17] = [
    "batchmode",
    "compression",
    "controlmaster",
    "controlpath",
    "controlpersist",
    "escapechar",
    "gssapiauthentication",
    "ipqos",
    "kbdinteractiveauthentication",
    "loglevel",
    "numberofpasswordprompts",
    "passwordauthentication",
    "preferredauthentications",
    "pubkeyauthentication",
    "requesttty",
    "tcpkeepalive",
    "visualhostkey",
];

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

/// What the arguments say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SshArguments {
    /// The hosts to go through, as `ProxyJump` takes them; `none` means a direct connection.
    pub proxy_jump: Option<String>,
    /// How host keys are checked.
    pub host_key_checking: Option<HostKeyChecking>,
    /// Files of known hosts.
    pub known_hosts: Vec<String>,
    /// The name under which the host's key is known.
    pub host_key_alias: Option<String>,
    /// Files of keys, in order.
    pub identity_files: Vec<String>,
    /// Whether only these files' keys are tried, and not those of the agent.
    pub identities_only: Option<bool>,
    /// A file in place of `~/.ssh/config`; `none` for no file.
    pub config_file: Option<String>,
    /// The port.
    pub port: Option<u16>,
    /// The user.
    pub user: Option<String>,
    /// How long to wait for a connection.
    pub connect_timeout: Option<Duration>,
    /// How often to ask a silent host whether it is there.
    pub keepalive: Option<Duration>,
    /// How many of these questions may stay without answer.
    pub keepalive_count: Option<u32>,
    /// Options without a meaning here, by name; the user should know.
    pub ignored: Vec<String>,
}

impl SshArguments {
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
                // A forwarded agent would be the one thing of these that changes what a host can do.
                if letter == 'A' {
                    self.ignored.push("-A".to_owned());
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
                    self.option(key.trim(), value.trim().trim_matches('"'))?;
                }
                'J' => set(&mut self.proxy_jump, value),
                'i' => self.identity_files.push(value),
                'l' => set(&mut self.user, value),
                'F' => set(&mut self.config_file, value),
                'p' => set(&mut self.port, number("-p", &value)?),
                _ => self.ignored.push(format!("-{letter}")),
            }
            return Ok(());
        }
        Ok(())
    }

    fn option(&mut self, key: &str, value: &str) -> Result<(), String> {
        let text = value.to_owned();
        match key.to_ascii_lowercase().as_str() {
            "proxyjump" => set(&mut self.proxy_jump, text),
            "proxycommand" => self.proxy_command(&text)?,
            "stricthostkeychecking" => {
                let checking = match value.to_ascii_lowercase().as_str() {
                    "yes" | "ask" => HostKeyChecking::Strict,
                    "accept-new" => HostKeyChecking::AcceptNew,
                    "no" | "off" => HostKeyChecking::Off,
                    _ => return Err(format!("StrictHostKeyChecking cannot be `{value}`")),
                };
                set(&mut self.host_key_checking, checking);
            }
            "userknownhostsfile" => {
                if self.known_hosts.is_empty() {
                    self.known_hosts = value.split_whitespace().map(str::to_owned).collect();
                }
            }
            "hostkeyalias" => set(&mut self.host_key_alias, text),
            "identityfile" => self.identity_files.push(text),
            "identitiesonly" => set(&mut self.identities_only, flag(key, value)?),
            "port" => set(&mut self.port, number(key, value)?),
            "user" => set(&mut self.user, text),
            "connecttimeout" => {
                set(
                    &mut self.connect_timeout,
                    Duration::from_secs(number(key, value)?),
                );
            }
            "serveraliveinterval" => {
                set(
                    &mut self.keepalive,
                    Duration::from_secs(number(key, value)?),
                );
            }
            "serveralivecountmax" => set(&mut self.keepalive_count, number(key, value)?),
            known if MEANINGLESS.contains(&known) => {}
            _ => self.ignored.push(key.to_owned()),
        }
        Ok(())
    }

    /// Reads `ssh -W %h:%p user@bastion`, as it was written before there was `ProxyJump`.
    fn proxy_command(&mut self, command: &str) -> Result<(), String> {
        let other = || format!("ProxyCommand `{command}` is not supported: use -o ProxyJump=HOST");
        if command == "none" {
            return Ok(());
        }
        let words = shell_words(command).map_err(|_| other())?;
        let (program, words) = words.split_first().ok_or_else(other)?;
        if program.rsplit('/').next() != Some("ssh") {
            return Err(other());
        }
        let mut inner = Self::default();
        let (mut host, mut forwards) = (None, false);
        let mut words = words.iter().cloned();
        while let Some(word) = words.next() {
            match word.strip_prefix('-') {
                Some("W") => forwards = words.next().is_some_and(|word| is_here(&word)),
                Some(letters) if letters.strip_prefix('W').is_some_and(is_here) => forwards = true,
                Some(letters) => inner.letters(letters, &mut words)?,
                None if host.is_none() => host = Some(word),
                None => return Err(other()),
            }
        }
        let host = host.filter(|_| forwards).ok_or_else(other)?;
        let user = inner.user.filter(|_| !host.contains('@'));
        let user = user.map(|user| format!("{user}@")).unwrap_or_default();
        let port = inner
            .port
            .map(|port| format!(":{port}"))
            .unwrap_or_default();
        let before = inner
            .proxy_jump
            .map(|jump| format!("{jump},"))
            .unwrap_or_default();
        set(&mut self.proxy_jump, format!("{before}{user}{host}{port}"));
        // What the jump is told of keys has no place of its own; more keys to try do no harm.
        self.identity_files.append(&mut inner.identity_files);
        self.ignored.append(&mut inner.ignored);
        Ok(())
    }
}

fn is_here(target: &str) -> bool {
    matches!(target, "%h:%p" | "[%h]:%p")
}

fn set<T>(slot: &mut Option<T>, value: T) {
    slot.get_or_insert(value);
}

fn number<T: std::str::FromStr>(key: &str, value: &str) -> Result<T, String> {
    value
        .parse()
        .map_err(|_| format!("{key} cannot be `{value}`"))
}

fn flag(key: &str, value: &str) -> Result<bool, String> {
    match value.to_ascii_lowercase().as_str() {
        "yes" | "true" => Ok(true),
        "no" | "false" => Ok(false),
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

    #[test]
    fn what_has_a_meaning_is_taken() {
        let text = "-o ProxyJump=ops@bastion:2222 -oStrictHostKeyChecking=no -o 'UserKnownHostsFile /dev/null' \
                    -i ~/.ssh/a -o IdentityFile=b -o IdentitiesOnly=yes -p2022 -l root -qC -F none \
                    -o ConnectTimeout=7 -o ServerAliveInterval=15 -o ServerAliveCountMax=4 -o HostKeyAlias=x";
        let expected = SshArguments {
            proxy_jump: Some("ops@bastion:2222".to_owned()),
            host_key_checking: Some(HostKeyChecking::Off),
            known_hosts: vec!["/dev/null".to_owned()],
            host_key_alias: Some("x".to_owned()),
            identity_files: vec!["~/.ssh/a".to_owned(), "b".to_owned()],
            identities_only: Some(true),
            config_file: Some("none".to_owned()),
            port: Some(2022),
            user: Some("root".to_owned()),
            connect_timeout: Some(Duration::from_secs(7)),
            keepalive: Some(Duration::from_secs(15)),
            keepalive_count: Some(4),
            ignored: Vec::new(),
        };
        assert_eq!(read(text).unwrap(), expected);
    }

    #[test]
    fn the_first_word_counts_and_the_rest_is_named() {
        let found = read(
            "-J a -o ProxyJump=b -o Port=1 -p 2 -o ControlMaster=auto -o Tunnel=yes -A -L 1:x:2",
        );
        let found = found.unwrap();
        assert_eq!(
            (found.proxy_jump.as_deref(), found.port),
            (Some("a"), Some(1))
        );
        assert_eq!(found.ignored, ["Tunnel", "-A", "-L"]);
    }

    #[test]
    fn the_old_proxy_command_is_a_jump() {
        let cases = [
            ("ssh -W %h:%p bastion", "bastion"),
            ("ssh -q -W %h:%p -p 2222 -l ops bastion", "ops@bastion:2222"),
            (
                "/usr/bin/ssh -W[%h]:%p -o StrictHostKeyChecking=no a@bastion",
                "a@bastion",
            ),
            ("ssh -W %h:%p -J outer inner", "outer,inner"),
        ];
        for (command, expected) in cases {
            let found = read(&format!("-o 'ProxyCommand={command}'")).unwrap();
            assert_eq!(found.proxy_jump.as_deref(), Some(expected), "{command}");
        }
        let found = read("-o ProxyCommand='ssh -i key -W %h:%p b'").unwrap();
        assert_eq!(found.identity_files, ["key"]);
        assert_eq!(read("-o ProxyCommand=none").unwrap().proxy_jump, None);
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
