//! What each option of `ssh_config` means here: understood, of no matter, or not possible and therefore named.

/// What an option means here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Meaning {
    /// It is understood.
    Taken,
    /// It concerns how the program `ssh` works on a terminal, and not how a host is reached.
    NoMatter,
    /// It cannot be done; with one of these values nothing is lost by that. What is lost otherwise is said.
    Not(&'static [&'static str], &'static str),
    /// The host cannot be reached as it says.
    Needed(&'static [&'static str], &'static str),
}

use Meaning::{Needed, NoMatter, Not, Taken};

const OFF: &[&str] = &["no", "false", "none"];
const GSSAPI: Meaning = Not(
    OFF,
    "Kerberos logins are not spoken; other ways to log in are tried",
);

/// Returns what an option means; `None` for one that `ssh` does not know either.
pub(super) fn meaning(key: &str) -> Option<Meaning> {
    let known = MEANINGS.iter().find(|(name, _)| *name == key);
    known
        .map(|(_, meaning)| *meaning)
        .or_else(|| key.starts_with("gssapi").then_some(GSSAPI))
}

/// Returns the names of all options.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    MEANINGS.iter().map(|(name, _)| *name)
}

const MEANINGS: &[(&str, Meaning)] = &[
    ("addkeystoagent", NoMatter),
    ("addressfamily", Taken),
    ("batchmode", NoMatter),
    ("bindaddress", Taken),
    (
        "bindinterface",
        Not(
            OFF,
            "connections leave by the interface that the system's routes name",
        ),
    ),
    ("canonicaldomains", NoMatter),
    ("canonicalizefallbacklocal", NoMatter),
    (
        "canonicalizehostname",
        Not(OFF, "names are resolved as they are written"),
    ),
    ("canonicalizemaxdots", NoMatter),
    ("canonicalizepermittedcnames", NoMatter),
    ("casignaturealgorithms", NoMatter),
    (
        "certificatefile",
        Not(
            &["none"],
            "certificates cannot be shown at a login; the key itself is tried",
        ),
    ),
    ("channeltimeout", NoMatter),
    (
        "checkhostip",
        Not(OFF, "host keys are checked by name only"),
    ),
    ("cipher", NoMatter),
    ("ciphers", Taken),
    ("clearallforwardings", NoMatter),
    ("compression", Taken),
    ("compressionlevel", NoMatter),
    ("connectionattempts", Taken),
    ("connecttimeout", Taken),
    ("controlmaster", NoMatter),
    ("controlpath", NoMatter),
    ("controlpersist", NoMatter),
    ("dynamicforward", NoMatter),
    ("enableescapecommandline", NoMatter),
    ("enablesshkeysign", NoMatter),
    ("escapechar", NoMatter),
    ("exitonforwardfailure", NoMatter),
    ("fallbacktorsh", NoMatter),
    ("fingerprinthash", NoMatter),
    ("forkafterauthentication", NoMatter),
    (
        "forwardagent",
        Not(
            OFF,
            "the agent is never forwarded, so that nothing on a host depends on this session",
        ),
    ),
    ("forwardx11", NoMatter),
    ("forwardx11timeout", NoMatter),
    ("forwardx11trusted", NoMatter),
    ("gatewayports", NoMatter),
    ("globalknownhostsfile", Taken),
    ("hashknownhosts", Taken),
    ("hostbasedacceptedalgorithms", NoMatter),
    (
        "hostbasedauthentication",
        Not(OFF, "logins by the client's host key are not possible"),
    ),
    ("hostkeyalgorithms", Taken),
    ("hostkeyalias", Taken),
    ("hostname", Taken),
    ("identitiesonly", Taken),
    ("identityagent", Taken),
    ("identityfile", Taken),
    ("ignoreunknown", Taken),
    ("ipqos", NoMatter),
    ("kbdinteractiveauthentication", Taken),
    ("kbdinteractivedevices", NoMatter),
    ("kexalgorithms", Taken),
    (
        "knownhostscommand",
        Not(&["none"], "host keys are looked up in files only"),
    ),
    ("localcommand", NoMatter),
    ("localforward", NoMatter),
    ("loglevel", NoMatter),
    ("logverbose", NoMatter),
    ("macs", Taken),
    (
        "nohostauthenticationforlocalhost",
        Not(OFF, "the key of localhost is checked as any other"),
    ),
    ("numberofpasswordprompts", NoMatter),
    ("obscurekeystroketiming", NoMatter),
    ("passwordauthentication", Taken),
    ("permitlocalcommand", NoMatter),
    ("permitremoteopen", NoMatter),
    (
        "pkcs11provider",
        Not(
            &["none"],
            "keys on such a token are only usable through an agent that holds them",
        ),
    ),
    ("port", Taken),
    ("preferredauthentications", Taken),
    ("protocol", NoMatter),
    (
        "proxycommand",
        Needed(
            &["none"],
            "stagger speaks SSH itself and starts no program for the way to a host",
        ),
    ),
    ("proxyjump", Taken),
    (
        "proxyusefdpass",
        Needed(OFF, "stagger starts no program for the way to a host"),
    ),
    (
        "pubkeyacceptedalgorithms",
        Not(
            &[],
            "the server's list and libssh2's own decide how a login is signed",
        ),
    ),
    ("pubkeyauthentication", Taken),
    (
        "refuseconnection",
        Needed(&[], "connections to this host are not wanted"),
    ),
    ("rekeylimit", NoMatter),
    ("remotecommand", NoMatter),
    ("remoteforward", NoMatter),
    ("requesttty", NoMatter),
    ("requiredrsasize", NoMatter),
    (
        "revokedhostkeys",
        Not(
            &["none"],
            "a key that is revoked there would be taken: put `@revoked` lines into known_hosts, which are obeyed",
        ),
    ),
    ("rhostsrsaauthentication", NoMatter),
    ("rsaauthentication", NoMatter),
    ("securitykeyprovider", NoMatter),
    ("sendenv", NoMatter),
    ("serveralivecountmax", Taken),
    ("serveraliveinterval", Taken),
    ("sessiontype", NoMatter),
    (
        "setenv",
        Not(
            &[],
            "the environment of tasks is set by their `environment`",
        ),
    ),
    ("stdinnull", NoMatter),
    ("streamlocalbindmask", NoMatter),
    ("streamlocalbindunlink", NoMatter),
    ("stricthostkeychecking", Taken),
    ("syslogfacility", NoMatter),
    ("tag", NoMatter),
    ("tcpkeepalive", Taken),
    ("tunnel", Not(OFF, "no network device is made")),
    ("tunneldevice", NoMatter),
    ("updatehostkeys", NoMatter),
    ("useblacklistedkeys", NoMatter),
    ("usekeychain", NoMatter),
    ("useprivilegedport", NoMatter),
    ("user", Taken),
    ("userknownhostsfile", Taken),
    ("useroaming", NoMatter),
    ("usersh", NoMatter),
    (
        "verifyhostkeydns",
        Not(OFF, "host keys are looked up in files only"),
    ),
    ("visualhostkey", NoMatter),
    ("warnweakcrypto", NoMatter),
    ("xauthlocation", NoMatter),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_are_sorted_and_each_stands_once() {
        let all: Vec<&str> = names().collect();
        let mut sorted = all.clone();
        sorted.sort_unstable();
        sorted.dedup();
        assert_eq!(all, sorted);
        assert_eq!(meaning("gssapikexalgorithms"), Some(GSSAPI));
        assert_eq!(meaning("prot"), None);
    }
}
