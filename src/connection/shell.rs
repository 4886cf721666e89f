//! The shell's side of the protocol as text: the functions that a long-lived shell is given once, and quoting.
//!
//! Only POSIX with what dash, bash and busybox share. Nothing here runs anything or knows a session; `shells`, `jobs`
//! and `files` send these texts. Everything that a user wrote goes in as one quoted word, never as shell text.

use super::fence::FENCE;
use super::framing::Nonce;

/// Quotes a text for a POSIX shell as one word, always with single quotes.
pub(crate) fn single_quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r#"'"'"'"#))
}

/// Quotes bytes for a POSIX shell as one word, always with single quotes.
pub(crate) fn single_quoted_bytes(bytes: &[u8]) -> Vec<u8> {
    let mut quoted = vec![b'\''];
    for byte in bytes {
        if *byte == b'\'' {
            quoted.extend_from_slice(br#"'"'"'"#);
        } else {
            quoted.push(*byte);
        }
    }
    quoted.push(b'\'');
    quoted
}

/// Writes bytes as a quoted format of `printf`, which every shell prints back unchanged, NUL bytes too.
///
/// So no program is needed to bring bytes to a host, and they never stand in an argument list.
pub(crate) fn printf_word(bytes: &[u8]) -> String {
    let mut word = String::with_capacity(bytes.len() + bytes.len() / 8 + 2);
    word.push('\'');
    for (at, byte) in bytes.iter().enumerate() {
        match byte {
            b'%' => word.push_str("%%"),
            b'\n' | b'\t' => word.push(char::from(*byte)),
            b' '..=b'~' if !b"\\'".contains(byte) && (*byte != b'-' || at > 0) => {
                word.push(char::from(*byte));
            }
            _ => octal(&mut word, *byte),
        }
    }
    word.push('\'');
    word
}

fn octal(word: &mut String, byte: u8) {
    word.push('\\');
    for digit in [byte >> 6, (byte >> 3) & 7, byte & 7] {
        word.push(char::from(b'0' + digit));
    }
}

/// The shell of a host, if nothing else is said.
pub(crate) const SHELL: &str = "/bin/sh";

/// Which shell it is, where it keeps its jobs, and where it stands at its start.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Setting<'a> {
    /// The shell that jobs are run by; it may hold an argument.
    pub(crate) shell: &'a str,
    /// The directory of state, if not the usual one; each user gets a directory of its own in it.
    pub(crate) state_directory: Option<&'a str>,
    /// Whether the shell goes to its user's home, since it was started in somebody else's.
    pub(crate) at_home: bool,
}

/// Writes the first request: it names the shell, gives it its functions, and answers with the greeting.
pub(crate) fn prologue(nonce: &Nonce, setting: Setting<'_>) -> String {
    let shell = single_quoted(setting.shell);
    let state = single_quoted(setting.state_directory.unwrap_or_default());
    let home = if setting.at_home {
        "CDPATH= cd -- \"${HOME:-/}\" 2>/dev/null || cd /;"
    } else {
        ""
    };
    format!(
        "{{ unset _N _R _S _U _X _W _L; _N={nonce}; _X={shell}; _S={state}; _R=; _U=$(umask); umask 077; {home}\n\
         {DIRECTORY}{JOB}{ASK}{FILES}{FENCE}\
         printf '\\036%s.hello.0\\n' \"$_N\"; printf '\\036%s.hello\\n' \"$_N\" >&2; }}\n",
        nonce = nonce.as_str()
    )
}

/// `_place`: says in `_y` where its user's state lies. `_dir`: makes or checks the directory of the jobs, once a shell;
/// sets `_R`.
///
/// It must be ours and no symbolic link, else somebody else could plant a job's end or read its output.
const DIRECTORY: &str = r#"_place() {
_x=$(id -u) || return 1
if [ -n "$_S" ]; then _y=$_S/$_x
elif [ "$_x" = 0 ]; then _y=/var/lib/stagger
else case $HOME in
/?*) _y=$HOME/.local/state/stagger;;
*) echo "the user has no home directory to keep jobs in" >&2; return 1;;
esac; fi
}
_dir() {
[ -z "$_R" ] || return 0
_place || return 1
[ -d "$_y/jobs" ] || mkdir -p "$_y/jobs" || return 1
for _x in "$_y" "$_y/jobs"; do
if [ -L "$_x" ]; then echo "$_x is a symbolic link; it must be a directory of its user alone" >&2; return 1; fi
if [ ! -O "$_x" ]; then echo "$_x belongs to another user" >&2; return 1; fi
case $(ls -ld "$_x") in drwx------*) ;; *) chmod 700 "$_x" || return 1;; esac
done
_R=$_y/jobs
}
"#;

/// `_job ID OUTLIVES DIRECTORY COMMAND TEXT INPUT LIMIT TIME`: claims the job, runs it detached, tells its end; with a
/// TIME in seconds it does not wait for the end, and lets somebody watch that the job is gone by then.
///
/// The first line of what it prints: `ended CODE`, `taken`, `nodir`, `nosetsid`, `noscope` or `nowrite`. Identity and
/// end are written before the start and overwritten in place, so that a full disk does not lose them. What must outlive
/// its user's sessions runs in a scope of systemd's where that is there, with whoever watches its time. The traps are
/// handlers and not ignores, so that the job's own shell starts with the defaults.
const JOB: &str = r#"_job() {
_d=$_R/$1
if [ -n "$3" ] && ! CDPATH= cd -- "$3"; then echo nodir; return; fi
if [ "$2" = 1 ] && [ -d /run/systemd/system ] && command -v systemd-run >/dev/null 2>&1 && [ "$(id -u)" = 0 ]; then _h=scope
elif command -v setsid >/dev/null 2>&1; then _h=setsid
else echo nosetsid; return; fi
set -C
if ! { true >"$_d.claim"; } 2>/dev/null; then
if [ -e "$_d.claim" ]; then echo taken; else echo nowrite; true >"$_d.try"; rm -f "$_d.try"; fi
return; fi
set +C
_b=; { read -r _b </proc/sys/kernel/random/boot_id; } 2>/dev/null
if printf '%-479s\n%s\n' '' "$_b" >"$_d.cmd.id" && printf 'running  \n' >"$_d.rc" && printf "$4" >"$_d.cmd" &&
{ [ -z "$5" ] || printf "$5" >"$_d.cmd.txt"; } && { [ -z "$6" ] || printf "$6" >"$_d.in"; } &&
true >"$_d.out" && true >"$_d.err"; then :; else
rm -f "$_d.rc" "$_d.cmd.id" "$_d.cmd" "$_d.cmd.txt" "$_d.in" "$_d.out" "$_d.err" "$_d.claim"; echo nowrite; return; fi
if [ -n "$6" ]; then exec 3<"$_d.in"; rm -f "$_d.in"; else exec 3</dev/null; fi
if [ -n "$8" ] && [ $_h = setsid ]; then
umask "$_U"
{ trap : HUP INT TERM QUIT; _run; } <&3 3<&- >/dev/null 2>&1 &
{ trap : HUP INT TERM QUIT; _late "$1" "$8"; } </dev/null 3<&- >/dev/null 2>&1 &
umask 077
elif [ $_h = setsid ]; then
trap : HUP INT TERM QUIT
umask "$_U"; _run <&3 3<&-
else
printf '%s\n' "$_L" "$_W" >"$_d.run"
umask "$_U"; systemd-run --quiet --scope $_X "$_d.run" "$_d" "$_X" $8 <&3 3<&-; umask 077
if [ ! -e "$_d.ran" ]; then echo void >"$_d.claim"; echo noscope; return; fi
fi
_ask "$1" 0 1 1 "$7"
}
_W='_run() {
{ setsid $_X "$_d.cmd" >"$_d.out" 2>"$_d.err"; _r=$?; } 2>/dev/null
umask 077; _f=; { printf . >"$_d.end"; } 2>/dev/null || _f=" full"
printf "%-9s\n" "$_r$_f" 1<>"$_d.rc"
}
if [ $# -gt 0 ]; then
_d=$1; _X=$2; true >"$_d.ran"; trap : HUP INT TERM QUIT
if [ -z "$3" ]; then _run
else
_R=${1%/*}; exec 3<&0
{ trap : HUP INT TERM QUIT; _run; } <&3 3<&- >/dev/null 2>&1 &
{ trap : HUP INT TERM QUIT; _late "${1##*/}" "$3"; } </dev/null 3<&- >/dev/null 2>&1 &
fi; fi'
set --
eval "$_W"
"#;

/// `_ask ID FENCE OUT ERR LIMIT`: tells how a job stands, and its output from these offsets on, so many bytes of each.
///
/// With FENCE it claims a job that nobody claimed, so that it can never start. The first line: `never`, `none`,
/// `claimed`, `starting`, `running PID`, `gone PID`, `rebooted WAS IS`, `ended CODE`, `nowrite`.
/// `_sig ID SIGNAL` signals a job's whole session if it is still that one; `_late ID SECONDS` kills one that takes
/// longer; `_forget ID...` removes what has ended.
const ASK: &str = r#"_L='_alive() {
_p=${1%% *}; set -- ${1##*) }; _t=${20}
_n=; { read -r _n <"/proc/$_p/stat"; } 2>/dev/null || return 1
set -- ${_n##*) }; [ "${20}" = "$_t" ]
}
_identity() {
_i=; _o=; { read -r _i; read -r _o; } 2>/dev/null <"$_d.cmd.id"
_b=; { read -r _b </proc/sys/kernel/random/boot_id; } 2>/dev/null
}
_sig() {
_d=$_R/$1
_identity
if [ -n "$_i" ] && [ "$_o" = "$_b" ] && _alive "$_i"; then kill -s "$2" -- "-${_i%% *}" && echo signalled; else echo gone; fi
}
_late() {
_e=$2
while [ "$_e" -gt 0 ]; do
sleep 1; _e=$((_e - 1)); _r=; { read -r _r <"$_d.rc"; } 2>/dev/null
[ "$_r" = running ] || return
done
_sig "$1" KILL
}'
eval "$_L"
_ask() {
_d=$_R/$1
if [ "$2" = 1 ]; then
set -C; if { echo void >"$_d.claim"; } 2>/dev/null; then echo never; return; fi; set +C
fi
if [ ! -e "$_d.claim" ]; then if [ "$2" = 1 ]; then echo nowrite; true >"$_d.try"; rm -f "$_d.try"; else echo none; fi; return; fi
_c=; read -r _c <"$_d.claim"
if [ "$_c" = void ]; then echo never; return; fi
_r=; [ ! -e "$_d.rc" ] || read -r _r <"$_d.rc"
case $_r in
'') echo claimed; return;;
running)
_identity
if [ -n "$_o" ] && [ "$_o" != "$_b" ]; then echo "rebooted $_o $_b"
elif [ -z "$_i" ]; then echo starting
elif _alive "$_i"; then echo "running ${_i%% *}"
else echo "gone ${_i%% *}"; fi;;
*) echo "ended $_r";;
esac
if [ -s "$_d.out" ]; then if [ "$3" = 1 ]; then head -c "$5" "$_d.out"; else tail -c "+$3" "$_d.out" | head -c "$5"; fi; fi
if [ -s "$_d.err" ]; then if [ "$4" = 1 ]; then head -c "$5" "$_d.err" >&2; else tail -c "+$4" "$_d.err" | head -c "$5" >&2; fi; fi
}
_forget() {
for _j; do
_d=$_R/$_j; _r=; [ ! -e "$_d.rc" ] || read -r _r <"$_d.rc"
[ -n "$_r" ] || continue
if [ "$_r" = running ]; then _identity; if [ "$_o" = "$_b" ] && { [ -z "$_i" ] || _alive "$_i"; }; then continue; fi; fi
rm -f "$_d.cmd" "$_d.cmd.txt" "$_d.cmd.id" "$_d.in" "$_d.out" "$_d.err" "$_d.end" "$_d.run" "$_d.ran" "$_d.try" "$_d.rc" "$_d.claim"
done
}
"#;

/// `_put PATH TEMPORARY HOW TEXT SIZE SHA256 MODE OWNER GROUP` and `_get PATH LIMIT`.
///
/// A file is written beside its place under a name that nobody can guess, checked, synced and renamed. With the HOW
/// `stream` the content comes on standard input after the word READY was printed. An owner, a group and a mode not
/// given are those of the file that is replaced, as far as the user may give files away.
const FILES: &str = r#"_put() {
_t=$2; _k=; _w=; _g=
if [ -d "$1" ]; then echo "$1 is a directory" >&2; return 1; fi
if [ ! -d "${1%/*}/" ]; then echo "the directory ${1%/*}/ does not exist" >&2; return 1; fi
if [ -e "$1" ]; then
_x=$(ls -ldnL "$1") || return 1
set -f; _symbolic $_x; set +f
else _k=$(printf '%o' "$((0644 & ~0$_U))"); fi
set -C
if _fill "$3" "$4" "$5" "$6" && _own "$8" "$9" && chmod "${7:-$_k}" "$_t" && mv -f "$_t" "$1"; then
if [ -e /sys/fs/selinux/enforce ] && command -v restorecon >/dev/null 2>&1; then restorecon "$1" >/dev/null 2>&1; fi
return 0
fi
rm -f "$_t"; return 1
}
_fill() {
if [ "$1" = stream ]; then echo READY; cat >"$_t" || return 1; else printf "$2" >"$_t" || return 1; fi
if command -v sha256sum >/dev/null 2>&1; then _x=$(sha256sum <"$_t")
elif command -v openssl >/dev/null 2>&1; then _x=$(openssl dgst -sha256 -r <"$_t")
else _x=$(($(wc -c <"$_t"))); [ "$_x" != "$3" ] || _x=$4; fi
case $_x in "$4"*) ;; *) echo "what arrived in $_t is not what was sent" >&2; return 1;; esac
dd if=/dev/null of="$_t" conv=notrunc,fsync 2>/dev/null || { echo "cannot sync $_t" >&2; return 1; }
}
_own() {
_x=${1:-$_w}; _y=${2:-$_g}
if [ -n "$1$2" ]; then
if [ -n "$_x" ]; then chown "$_x${_y:+:$_y}" "$_t"; else chgrp "$_y" "$_t"; fi
elif [ -n "$_x" ]; then chown "$_x:$_y" "$_t" 2>/dev/null || chgrp "$_y" "$_t" 2>/dev/null || :; fi
}
_symbolic() {
_w=$3; _g=$4; _a=${1#?}
for _x in u g o; do
_q=${_a#???}; _y=${_a%"$_q"}; _a=$_q; _z=; _l=
case $_y in r*) _z=r;; esac
case $_y in ?w*) _z=${_z}w;; esac
case $_y in ??x*) _z=${_z}x;; ??s*) _z=${_z}xs;; ??S*) _z=${_z}s;; ??t*) _z=${_z}x; _l=,+t;; ??T*) _l=,+t;; esac
_k=$_k${_k:+,}$_x=$_z$_l
done
}
_get() {
if [ -d "$1" ]; then echo "$1 is a directory" >&2; return 1; fi
if [ ! -e "$1" ]; then echo "$1 does not exist" >&2; return 1; fi
head -c "$2" <"$1"
}
"#;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_survive_their_quoting() {
        assert_eq!(single_quoted("it's"), r#"'it'"'"'s'"#);
        assert_eq!(single_quoted_bytes(b"a\xffb'"), b"'a\xffb'\"'\"''");
        assert_eq!(
            printf_word(b"-n 100%\\ '\0\xff\n"),
            "'\\055n 100%%\\134 \\047\\000\\377\n'"
        );
    }
}
