//! From the lines that count for a host to a target, with the hosts on the way. Pure.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use crate::connection::ssh::check_algorithms;
use crate::connection::target::{
    AddressFamily, Algorithms, Auth, HostKeyCheck, HostKeys, KeyFile, LoginMethod, Timeouts, Way,
};
use crate::connection::{Surroundings, Target};
use crate::yaml::Problem;

use super::Reached;
use super::jump::{Hop, hops};
use super::lines::{Entry, Line, line_of};
use super::resolve::{Asked, Given, resolve};
use super::tokens::{Facts, IN_JUMPS};
use super::words::duration;

/// The most hosts that a way may lead through.
const LONGEST_WAY: usize = 8;

/// What is said of a host and holds for the hosts on the way too, where their own lines say nothing.
const ALSO_ON_THE_WAY: [&str; 12] = [
    "addressfamily",
    "connectionattempts",
    "connecttimeout",
    "globalknownhostsfile",
    "identitiesonly",
    "identityagent",
    "identityfile",
    "serveralivecountmax",
    "serveraliveinterval",
    "stricthostkeychecking",
    "tcpkeepalive",
    "userknownhostsfile",
];

/// Makes the target that a host is.
pub(super) fn reach(
    files: &[Vec<Entry>],
    host: &str,
    said: &[Line],
    surroundings: &Surroundings,
) -> Result<Reached, Vec<Problem>> {
    let gaps: Vec<Line> = said
        .iter()
        .filter(|line| ALSO_ON_THE_WAY.contains(&line.key.as_str()))
        .cloned()
        .collect();
    let mut reaching = Reaching {
        files,
        surroundings,
        gaps,
        warnings: Vec::new(),
        problems: Vec::new(),
        hops: 0,
    };
    let target = reaching.host(host, said, &[], true);
    if reaching.problems.is_empty() {
        Ok(Reached {
            target,
            warnings: reaching.warnings,
        })
    } else {
        Err(reaching.problems)
    }
}

struct Reaching<'a> {
    files: &'a [Vec<Entry>],
    surroundings: &'a Surroundings,
    gaps: Vec<Line>,
    warnings: Vec<Problem>,
    problems: Vec<Problem>,
    hops: usize,
}

impl Reaching<'_> {
    /// Makes one target; `first` tells whether it is dialled from here, so that its own jumps count.
    fn host(&mut self, host: &str, said: &[Line], gaps: &[Line], first: bool) -> Target {
        let asked = Asked {
            host,
            local_user: &self.surroundings.user,
            dialled: first,
        };
        let mut given = resolve(asked, said, self.files, gaps);
        for warning in given.warnings.drain(..) {
            if !self.warnings.contains(&warning) {
                self.warnings.push(warning);
            }
        }
        self.problems.append(&mut given.problems);
        let mut one = One {
            given: &given,
            surroundings: self.surroundings,
            problems: &mut self.problems,
        };
        let (mut target, way) = one.target(host);
        if first {
            target.jumps = self.jumps(&way);
        }
        target
    }

    fn jumps(&mut self, hops: &[Hop]) -> Vec<Target> {
        let gaps = self.gaps.clone();
        let mut targets = Vec::new();
        for (at, hop) in hops.iter().enumerate() {
            self.hops += 1;
            if self.hops > LONGEST_WAY {
                let message = format!(
                    "the way leads through more than {LONGEST_WAY} hosts: `ProxyJump` may go round in a circle, at `{}`",
                    hop.host
                );
                self.problems = vec![Problem::nowhere(message)];
                return targets;
            }
            let mut said = Vec::new();
            if let Some(user) = &hop.user {
                said.push(own_line("User", user));
            }
            if let Some(port) = hop.port {
                said.push(own_line("Port", &port.to_string()));
            }
            let said: Vec<Line> = said.into_iter().flatten().collect();
            let mut target = self.host(&hop.host, &said, &gaps, at == 0);
            targets.append(&mut target.jumps);
            targets.push(target);
        }
        targets
    }
}

/// Makes a line of what a jump says of itself.
fn own_line(key: &str, value: &str) -> Option<Line> {
    let text = format!("{key} {value}");
    let source = crate::yaml::Source::new("ProxyJump", text.clone());
    line_of(&text, crate::yaml::Loc::start(&source), false).ok()
}

/// One host whose lines are made into a target.
struct One<'a> {
    given: &'a Given,
    surroundings: &'a Surroundings,
    problems: &'a mut Vec<Problem>,
}

impl One<'_> {
    fn target(&mut self, original: &str) -> (Target, Vec<Hop>) {
        let mut target = Target::ssh(original, self.surroundings);
        if let Some(name) = self.given.word("hostname") {
            target.address = name.replace("%h", original).replace("%%", "%");
        }
        if let Some(user) = self.given.word("user") {
            user.clone_into(&mut target.user);
        }
        if let Some(port) = self.number("port") {
            target.port = port;
        }
        let alias = self.given.word("hostkeyalias").map(str::to_owned);
        let way = self.given.word("proxyjump").map(str::to_owned);
        let (address, user) = (target.address.clone(), target.user.clone());
        let facts = Facts {
            surroundings: self.surroundings,
            original,
            host: &address,
            port: target.port,
            user: &user,
            alias: alias.as_deref().unwrap_or(original),
            jump: way.as_deref().unwrap_or_default(),
        };
        target.auth = self.auth(&facts, &target.auth);
        target.host_keys = self.host_keys(&facts, &target.host_keys);
        target.timeouts = self.timeouts();
        target.way = self.way();
        target.algorithms = self.algorithms();
        let hops = self.hops(&facts);
        (target, hops)
    }

    fn auth(&mut self, facts: &Facts<'_>, usual: &Auth) -> Auth {
        let given = self.given;
        let mut auth = usual.clone();
        if !given.identity_files.is_empty() {
            auth.keys.clear();
            for line in &given.identity_files {
                if line.word().eq_ignore_ascii_case("none") {
                    continue;
                }
                if let Some(path) = self.path(line, line.word(), facts) {
                    auth.keys.push(KeyFile {
                        path,
                        passphrase: None,
                        named: true,
                    });
                }
            }
        }
        if let Some(line) = given.line("identityagent") {
            match line.word() {
                "none" => auth.agent = None,
                "SSH_AUTH_SOCK" => auth.agent.clone_from(&self.surroundings.agent),
                word => match word.strip_prefix('$').filter(|name| !name.starts_with('{')) {
                    Some(name) => {
                        let value = self.surroundings.environment.get(name);
                        auth.agent = value.map(PathBuf::from);
                    }
                    None => auth.agent = self.path(line, word, facts),
                },
            }
        }
        auth.identities_only = self.flag("identitiesonly").unwrap_or(false);
        auth.methods = self.methods();
        auth
    }

    /// Returns the ways to log in that are wanted, in their order.
    fn methods(&mut self) -> Vec<LoginMethod> {
        let wanted: Vec<LoginMethod> = match self.given.word("preferredauthentications") {
            Some(list) => list.split(',').filter_map(LoginMethod::named).collect(),
            None => LoginMethod::USUAL.to_vec(),
        };
        let allowed = |one: &mut Self, method: LoginMethod| {
            let (key, also) = match method {
                // `unbound` and `host-bound` still log in with keys.
                LoginMethod::PublicKey => ("pubkeyauthentication", &["unbound", "host-bound"][..]),
                LoginMethod::Password => ("passwordauthentication", &[][..]),
                LoginMethod::KeyboardInteractive => ("kbdinteractiveauthentication", &[][..]),
            };
            let said = one.given.word(key);
            said.is_some_and(|word| also.contains(&word)) || one.flag(key).unwrap_or(true)
        };
        wanted
            .into_iter()
            .filter(|method| allowed(self, *method))
            .collect()
    }

    fn host_keys(&mut self, facts: &Facts<'_>, usual: &HostKeys) -> HostKeys {
        let given = self.given;
        let (own, all) = usual
            .files
            .iter()
            .cloned()
            .partition(|path| !path.starts_with("/etc/ssh"));
        let mut files: Vec<PathBuf> = self.files("userknownhostsfile", own, facts);
        files.extend(self.files("globalknownhostsfile", all, facts));
        let check = match given.line("stricthostkeychecking") {
            None => usual.check,
            Some(line) => match line.word().to_ascii_lowercase().as_str() {
                "yes" | "true" | "on" | "ask" => HostKeyCheck::Strict,
                "accept-new" => HostKeyCheck::AcceptNew,
                "no" | "false" | "off" => HostKeyCheck::Off,
                _ => {
                    self.wrong(line);
                    usual.check
                }
            },
        };
        HostKeys {
            check,
            files,
            alias: given.word("hostkeyalias").map(str::to_owned),
            hash_names: self.flag("hashknownhosts").unwrap_or(usual.hash_names),
        }
    }

    fn files(&mut self, key: &str, usual: Vec<PathBuf>, facts: &Facts<'_>) -> Vec<PathBuf> {
        let given = self.given;
        let Some(line) = given.line(key) else {
            return usual;
        };
        if line.word() == "none" {
            // New keys go to the first file: with none of the user's own they go nowhere.
            return vec![PathBuf::from("/dev/null")];
        }
        let words = line.words.iter();
        words
            .filter_map(|word| self.path(line, word, facts))
            .collect()
    }

    fn timeouts(&mut self) -> Timeouts {
        let usual = Timeouts::default();
        Timeouts {
            connect: self.time("connecttimeout").unwrap_or(usual.connect),
            keepalive: self.time("serveraliveinterval").unwrap_or(usual.keepalive),
            keepalive_misses: self
                .number("serveralivecountmax")
                .unwrap_or(usual.keepalive_misses),
        }
    }

    fn way(&mut self) -> Way {
        let given = self.given;
        let family = match given.line("addressfamily") {
            None => AddressFamily::Any,
            Some(line) => match line.word() {
                "any" => AddressFamily::Any,
                "inet" => AddressFamily::V4,
                "inet6" => AddressFamily::V6,
                _ => {
                    self.wrong(line);
                    AddressFamily::Any
                }
            },
        };
        let attempts = self.number("connectionattempts").unwrap_or(1);
        if let Some(line) = given.line("connectionattempts").filter(|_| attempts == 0) {
            self.wrong(line);
        }
        Way {
            family,
            from: given.word("bindaddress").map(str::to_owned),
            tcp_keepalive: self.flag("tcpkeepalive").unwrap_or(true),
            compression: self.flag("compression").unwrap_or(false),
            attempts,
        }
    }

    fn algorithms(&mut self) -> Algorithms {
        let list = |key: &str| self.given.word(key).map(str::to_owned);
        let algorithms = Algorithms {
            kex: list("kexalgorithms"),
            host_keys: list("hostkeyalgorithms"),
            ciphers: list("ciphers"),
            macs: list("macs"),
        };
        if let Err(unknown) = check_algorithms(&algorithms)
            && let Some(line) = self.given.line(&unknown.option.to_ascii_lowercase())
        {
            self.problems.push(line.problem(unknown.reason));
        }
        algorithms
    }

    fn hops(&mut self, facts: &Facts<'_>) -> Vec<Hop> {
        let given = self.given;
        let (line, text) = if let Some(line) = given.line("proxyjump") {
            match facts.expand(line.word(), IN_JUMPS) {
                Ok(text) => (line, text),
                Err(reason) => {
                    self.problems.push(line.problem(reason));
                    return Vec::new();
                }
            }
        } else {
            // A program for the way that is `ssh` itself is a jump; any other is told as a problem.
            let line = given.line("proxycommand");
            let jump = line.and_then(|line| Some((line, crate::vars::jump_of(&line.rest)?.0)));
            match jump {
                Some(found) => found,
                None => return Vec::new(),
            }
        };
        match hops(&text) {
            Ok(hops) => hops,
            Err(message) => {
                self.problems.push(line.problem(message));
                Vec::new()
            }
        }
    }

    fn path(&mut self, line: &Line, word: &str, facts: &Facts<'_>) -> Option<PathBuf> {
        match facts.path(word) {
            Ok(path) => Some(path),
            Err(reason) => {
                self.problems.push(line.problem(reason));
                None
            }
        }
    }

    fn number<T: FromStr>(&mut self, key: &str) -> Option<T> {
        let line = self.given.line(key)?;
        let number = line.word().parse().ok();
        if number.is_none() {
            self.wrong(line);
        }
        number
    }

    fn time(&mut self, key: &str) -> Option<Duration> {
        let line = self.given.line(key).filter(|line| line.word() != "none")?;
        let time = duration(line.word());
        if time.is_none() {
            self.wrong(line);
        }
        time
    }

    fn flag(&mut self, key: &str) -> Option<bool> {
        let line = self.given.line(key)?;
        match line.word().to_ascii_lowercase().as_str() {
            "yes" | "true" => Some(true),
            "no" | "false" => Some(false),
            _ => {
                self.wrong(line);
                None
            }
        }
    }

    fn wrong(&mut self, line: &Line) {
        let message = format!("`{}` cannot be `{}`", line.shown, line.word());
        self.problems.push(line.problem(message));
    }
}
