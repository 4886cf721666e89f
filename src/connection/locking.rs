//! The cluster's lock on one machine, as shell texts and back: looked at, taken, given a token, renewed, given back.
//!
//! Pure; how many machines must agree, and who may replace whom, is `rollout`'s. The lock is a directory, made by
//! `mkdir`, which only one can do: in it `owner`, the holder's name; `about`, a line for each thing that is told of it;
//! `renewals`, a counter. Beside it, as `PATH.token`, stands the highest token that was ever given out: it stays when the
//! lock is given back, so that tokens only grow, and a fence compares with it. Every text answers with what is there then,
//! and can be run twice.

use std::collections::BTreeMap;

use super::Script;
use super::shell::single_quoted;

/// What one machine tells of the lock.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct LockSeen {
    /// Whether somebody has it.
    pub(crate) held: bool,
    /// By which name; empty for who left none.
    pub(crate) owner: String,
    /// What else the holder said: `since`, `every`, `reason` and so on.
    pub(crate) about: BTreeMap<String, String>,
    /// How often it was renewed.
    pub(crate) renewals: u64,
    /// The highest token that was given out on this machine.
    pub(crate) token: u64,
    /// Whether this very request took it: it was nobody's, or somebody's who may be replaced.
    pub(crate) taken_now: bool,
}

/// What every text begins with. A lock that somebody could have planted is refused.
const BEGIN: &str = r#"umask 077; _z=
if [ -L "$_d" ]; then echo "$_d is a symbolic link; it must be a directory" >&2; exit 1; fi
_own() { _v=; { IFS= read -r _v <"$_d/owner"; } 2>/dev/null; [ -d "$_d" ] && [ "$_v" = "$_n" ]; }
_keep() {
printf '%s\n' "$2" >"$1.new" && dd if=/dev/null of="$1.new" conv=notrunc,fsync 2>/dev/null && mv -f "$1.new" "$1" || { echo "$1 cannot be written and synced" >&2; exit 1; }
}
_mine() { _keep "$_d/about" "$_a"; _keep "$_d/owner" "$_n"; rm -f "$_d/renewals"; _z=y; }
"#;

/// Syncs what names the lock and its token, so that a power cut gives no token out a second time.
const LIES: &str = r#"sync "${_d%/*}" 2>/dev/null || sync"#;

/// What every text ends with. Lines are marked, so that nothing in them can be taken for anything else.
const SHOW: &str = r#"_k=0; { read -r _k <"$_d.token"; } 2>/dev/null
echo "token ${_k:-0}"
if [ -n "$_z" ]; then echo taken; fi
if [ -d "$_d" ]; then
echo held
_v=; { IFS= read -r _v <"$_d/owner"; } 2>/dev/null; printf 'owner %s\n' "$_v"
_v=; { read -r _v <"$_d/renewals"; } 2>/dev/null; echo "renewals ${_v:-0}"
if [ -f "$_d/about" ]; then while IFS= read -r _v || [ -n "$_v" ]; do printf 'about %s\n' "$_v"; done <"$_d/about"; fi
fi
echo end
"#;

/// Who a text is for: the lock's directory, the holder's name, and what is told of the holder.
#[derive(Debug, Clone)]
pub(crate) struct Holding<'a> {
    /// The directory that is the lock.
    pub(crate) path: &'a str,
    /// The name of who asks.
    pub(crate) owner: &'a str,
    /// What it tells of itself, one `word value` a line.
    pub(crate) about: &'a str,
}

impl Holding<'_> {
    fn text(&self, verb: &str, what: &str) -> Script {
        Script(format!(
            ": see to the lock: {verb}\n_d={}\n_n={}\n_a={}\n{BEGIN}{what}{SHOW}",
            single_quoted(self.path),
            single_quoted(self.owner),
            single_quoted(self.about),
        ))
    }

    /// Takes the lock where nobody has it, or one of these, or who asks already. A run that takes again what it has
    /// keeps it.
    pub(crate) fn take(&self, replaces: &[String]) -> Script {
        let words: Vec<String> = replaces.iter().map(|name| single_quoted(name)).collect();
        let text = format!(
            r#"mkdir -p "${{_d%/*}}" || exit 1
if mkdir "$_d" 2>/dev/null; then _mine
elif [ ! -d "$_d" ]; then echo "$_d cannot be made" >&2; exit 1
elif _own; then :
else for _w in {}; do if [ "$_v" = "$_w" ]; then _mine; break; fi; done
fi
"#,
            words.join(" ")
        );
        self.text("take", &text)
    }

    /// Writes down a token, if who asks has the lock: from then on lower ones are refused here.
    pub(crate) fn grant(&self, token: u64) -> Script {
        let text = format!("if _own; then _keep \"$_d.token\" {token}; {LIES}; fi\n");
        self.text("grant", &text)
    }

    /// Counts one renewal, if who asks has the lock.
    pub(crate) fn renew(&self) -> Script {
        self.text(
            "renew",
            r#"if _own; then _v=0; { read -r _v <"$_d/renewals"; } 2>/dev/null
case ${_v:-0} in *[!0-9]*) _v=0;; esac
printf '%s\n' $((${_v:-0} + 1)) >"$_d/renewals.new" && mv -f "$_d/renewals.new" "$_d/renewals" || exit 1; fi
"#,
        )
    }

    /// Takes the lock on a machine that could not be asked before, where nobody has it and no later token was given out.
    pub(crate) fn join(&self, token: u64) -> Script {
        let text = format!(
            r#"_k=0; {{ read -r _k <"$_d.token"; }} 2>/dev/null
if [ "${{_k:-0}}" -le {token} ] && mkdir -p "${{_d%/*}}" && mkdir "$_d" 2>/dev/null; then _mine; fi
if _own; then _keep "$_d.token" {token}; {LIES}; fi
"#
        );
        self.text("join", &text)
    }

    /// Gives the lock back, if who asks has it.
    pub(crate) fn give_back(&self) -> Script {
        self.text(
            "give back",
            r#"if _own; then rm -f "$_d/owner" "$_d/about" "$_d/renewals" "$_d"/*.new; rmdir "$_d" || exit 1; _z=y; fi
"#,
        )
    }
}

/// Looks at the lock; changes nothing.
pub(crate) fn look(path: &str) -> Script {
    let nobody = Holding {
        path,
        owner: "",
        about: "",
    };
    nobody.text("look", "")
}

/// Reads an answer; nothing if it was cut.
pub(crate) fn seen(answer: &[u8]) -> Option<LockSeen> {
    let answer = String::from_utf8_lossy(answer);
    let mut seen = LockSeen::default();
    let mut ended = false;
    for line in answer.lines() {
        ended = line == "end";
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        match word {
            "taken" => seen.taken_now = true,
            "held" => seen.held = true,
            "owner" => rest.trim().clone_into(&mut seen.owner),
            // What is no number is later than every token: nobody may think it lower.
            "token" => seen.token = rest.trim().parse().unwrap_or(u64::MAX),
            "renewals" => seen.renewals = rest.trim().parse().unwrap_or_default(),
            "about" => {
                let (name, value) = rest.split_once(' ').unwrap_or((rest, ""));
                seen.about.insert(name.to_owned(), value.to_owned());
            }
            _ => {}
        }
    }
    ended.then_some(seen)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_read_and_a_cut_one_is_none() {
        let answer = b"token 7\ntaken\nheld\nowner b1 12ab r-1\nrenewals 3\nabout every 20\nabout reason end of life\nend\n";
        let lock = seen(answer).unwrap();
        assert!(lock.held && lock.taken_now);
        assert_eq!(
            (lock.owner.as_str(), lock.renewals, lock.token),
            ("b1 12ab r-1", 3, 7)
        );
        assert_eq!(lock.about["reason"], "end of life");
        for cut in [&b""[..], b"token 7\nheld\n", b"end\nheld\n"] {
            assert_eq!(seen(cut), None, "{cut:?}");
        }
        assert_eq!(seen(b"token x\nend\n").unwrap().token, u64::MAX);
        assert_eq!(seen(b"token 0\nend\n").unwrap(), LockSeen::default());
    }
}
