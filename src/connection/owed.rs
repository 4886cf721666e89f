//! Notes of what is owed, as shell texts and back: how they are looked at, written and removed on a host.
//!
//! Pure. What a note says is `rollout`'s; here it is a text under a name in the directory `owed` beside that of the jobs.
//! Looking makes no directory and changes nothing; writing is atomic and synced. The texts run in a user's long-lived
//! shell and use the functions that it was given.

use super::Script;
use super::shell::single_quoted;

/// What stands behind the text of a note in the script that writes it.
const END: &str = "# end of the note";

/// What a user has on a host: notes, and jobs that run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Lying {
    /// Each note's name and text.
    pub(crate) notes: Vec<(String, String)>,
    /// The jobs that run.
    pub(crate) jobs: Vec<String>,
}

/// Shows the notes in the directory `$_h`.
const SHOW: &str = r#"for _v in "$_h"/*; do
if [ -L "$_v" ] || [ ! -f "$_v" ]; then continue; fi
printf 'note %s\n' "${_v##*/}"
while IFS= read -r _w || [ -n "$_w" ]; do printf '|%s\n' "$_w"; done <"$_v" || exit 1
done"#;

/// Refuses a directory `$_h` that somebody else could have made.
const OWN: &str = r#"if [ -L "$_h" ]; then echo "$_h is a symbolic link; it must be a directory of its user alone" >&2; exit 1; fi
if [ -d "$_h" ] && [ ! -O "$_h" ]; then echo "$_h belongs to another user" >&2; exit 1; fi"#;

/// Writes the script that looks at all notes and at the jobs that run.
///
/// A note's lines are marked, so that nothing in it can be taken for anything else.
pub(crate) fn look() -> Script {
    Script(format!(
        r#": see the notes
_place || exit 1
_h=$_y/owed
{OWN}
if [ -d "$_h" ]; then
{SHOW}
fi
for _d in "$_y"/jobs/*.rc; do
[ -f "$_d" ] || continue
_d=${{_d%.rc}}; _r=; read -r _r <"$_d.rc"
[ "$_r" = running ] || continue
_identity
if [ "$_o" = "$_b" ] && {{ [ -z "$_i" ] || _alive "$_i"; }}; then printf 'job %s\n' "${{_d##*/}}"; fi
done
echo end
"#
    ))
}

/// Reads the answer to [`look`]; nothing if it was cut.
pub(crate) fn looked(answer: &[u8]) -> Option<Lying> {
    let answer = String::from_utf8_lossy(answer);
    let mut lying = Lying::default();
    let mut ended = false;
    for line in answer.lines() {
        ended = line == "end";
        if let Some(name) = line.strip_prefix("note ") {
            lying.notes.push((name.to_owned(), String::new()));
        } else if let Some(name) = line.strip_prefix("job ") {
            lying.jobs.push(name.to_owned());
        } else if let (Some(part), Some((_, text))) =
            (line.strip_prefix('|'), lying.notes.last_mut())
        {
            text.push_str(part);
            text.push('\n');
        }
    }
    ended.then_some(lying)
}

/// Writes the script that puts a note in its place, at once and synced. Its reply says nothing.
pub(crate) fn write(name: &str, text: &str) -> Script {
    writing(name, text, "")
}

/// Writes the script that puts a note in its place unless a note of another run lies there: then it shows all of them, as
/// [`look`] does, and writes nothing. The names of a run's notes end with the run's name.
pub(crate) fn write_first(name: &str, text: &str, run: &str) -> Script {
    let own = single_quoted(&format!(".{run}"));
    let asks = format!(
        r#"_z=; for _w in "$_h"/*; do
[ -f "$_w" ] || continue
case $_w in *{own}) ;; *) _z=y;; esac
done
if [ -n "$_z" ]; then
{SHOW}
echo end; exit 0; fi
"#
    );
    writing(name, text, &asks)
}

fn writing(name: &str, text: &str, asks: &str) -> Script {
    let (note, quoted) = (single_quoted(text), single_quoted(name));
    let bytes = text.len();
    Script(format!(
        r#": see to the note {name}
_v={note}
{END}
_dir || exit 1
_h=${{_R%/jobs}}/owed
{OWN}
mkdir -p -m 700 "$_h" || exit 1
{asks}_k=$_h/{quoted}; _t=$_h/.{quoted}.$$
if printf %s "$_v" >"$_t" && [ "$(($(wc -c <"$_t")))" = {bytes} ] && dd if=/dev/null of="$_t" conv=notrunc,fsync 2>/dev/null &&
mv -f "$_t" "$_k"; then sync "$_h" 2>/dev/null || sync; exit 0; fi
rm -f "$_t"; echo "$_k cannot be written and synced" >&2; exit 1
"#
    ))
}

/// Writes the script that removes notes; one that is not there is no mistake.
pub(crate) fn remove(names: &[String]) -> Script {
    let words: Vec<String> = names.iter().map(|name| single_quoted(name)).collect();
    Script(format!(
        r#": see the notes gone {}
_place || exit 1
_h=$_y/owed
if [ -L "$_h" ] || [ ! -d "$_h" ]; then exit 0; fi
for _v in {}; do rm -f "$_h/$_v" || exit 1; done
sync "$_h" 2>/dev/null || sync
"#,
        names.join(" "),
        words.join(" ")
    ))
}

/// Returns the text of a note out of the script that writes it: for hosts that are scripted.
#[cfg(test)]
pub(crate) fn text_in(script: &str) -> Option<String> {
    let (_, rest) = script.split_once("\n_v='")?;
    let (quoted, _) = rest.split_once(&format!("'\n{END}"))?;
    Some(quoted.replace(r#"'"'"'"#, "'"))
}

/// Tells whether a script writes a note only where no other run's lies: for hosts that are scripted.
#[cfg(test)]
pub(crate) fn asks_first(script: &str) -> bool {
    script.contains("\n_z=;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_and_jobs_are_told_apart_and_a_cut_answer_is_none() {
        let answer = b"note a.run-1\n|one\n|job x\n|end\n\nnote b\n\njob run-1-ab-1\nend\n";
        let lying = looked(answer).unwrap();
        assert_eq!(
            lying.notes,
            [
                ("a.run-1".to_owned(), "one\njob x\nend\n".to_owned()),
                ("b".to_owned(), String::new())
            ]
        );
        assert_eq!(lying.jobs, ["run-1-ab-1"]);
        for cut in [&b""[..], b"note a\n|one\n", b"end\nnote a\n"] {
            assert_eq!(looked(cut), None, "{cut:?}");
        }
        assert_eq!(looked(b"end\n"), Some(Lying::default()));
    }

    #[test]
    fn the_text_of_a_note_is_quoted_as_one_word() {
        let text = "it's\n{\"a\": \"$(x) `y`\"}\n";
        let Script(script) = write("a.run-1", text);
        assert_eq!(text_in(&script).as_deref(), Some(text));
        assert!(script.starts_with(": see to the note a.run-1\n"));
        assert!(script.contains(&format!("= {} ]", text.len())));
    }
}
