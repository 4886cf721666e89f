//! A module's table as text, for `stagger modules NAME`.

use super::spec::{Argument, Kind, ModuleSpec, Safety};

/// How wide text for a terminal is.
const WIDTH: usize = 80;

/// Returns all that is known of a module, for a terminal.
pub fn documentation(spec: &ModuleSpec) -> String {
    let mut out = Vec::new();
    let mut title = spec.name.to_owned();
    if !spec.aliases.is_empty() {
        title = format!("{title} (also {})", spec.aliases.join(", "));
    }
    out.push(title);
    out.push(format!("  {}.", spec.summary));
    for note in spec.notes {
        out.extend(wrapped(note, 2));
    }
    out.push(String::new());
    out.push(format!("  {}", safety(spec.safety)));
    if !spec.arguments.is_empty() {
        out.extend([String::new(), "Arguments".to_owned()]);
        for argument in spec.arguments {
            out.push(format!("  {}", head(spec, argument)));
            out.extend(wrapped(argument.summary, 6));
        }
    }
    if spec.open {
        out.push("  Any further argument is allowed.".to_owned());
    }
    for (sets, words) in [
        (spec.exclusive, "at most one of"),
        (spec.one_of, "at least one of"),
    ] {
        for set in sets.iter().filter(|set| set.len() > 1) {
            out.push(format!("  {words}: {}", set.join(", ")));
        }
    }
    if !spec.absent.is_empty() {
        out.extend([
            String::new(),
            "Arguments of Ansible's module that are not here".to_owned(),
        ]);
        // What has the same way out is told together.
        for alike in spec.absent.chunk_by(|(_, one), (_, next)| one == next) {
            let names: Vec<&str> = alike.iter().map(|(name, _)| *name).collect();
            if let Some((_, instead)) = alike.first() {
                out.extend(wrapped(&format!("{}: {instead}", names.join(", ")), 2));
            }
        }
    }
    if !spec.returns.is_empty() {
        out.extend([String::new(), "Result".to_owned()]);
        for (name, meaning) in spec.returns {
            out.extend(wrapped(&format!("{name}: {meaning}"), 2));
        }
    }
    if !spec.example.is_empty() {
        out.extend([String::new(), "Example".to_owned()]);
        out.extend(
            spec.example
                .trim_end()
                .lines()
                .map(|line| format!("  {line}")),
        );
    }
    out.join("\n") + "\n"
}

/// Returns the name of an argument with all that is short about it.
fn head(spec: &ModuleSpec, argument: &Argument) -> String {
    let mut words = vec![
        argument.name.to_owned(),
        format!("({})", kind(argument.kind)),
    ];
    if argument.required {
        words.push("required".to_owned());
    }
    if let Some(default) = argument.default.filter(|default| !default.is_empty()) {
        words.push(format!("default: {default}"));
    }
    if spec.free_form == Some(argument.name) {
        words.push("may be written without its name".to_owned());
    }
    if argument.secret {
        words.push("secret".to_owned());
    }
    let choices = printable(argument.choices);
    if !choices.is_empty() {
        words.push(format!("one of: {}", choices.join(", ")));
    }
    if !argument.aliases.is_empty() {
        words.push(format!("also: {}", argument.aliases.join(", ")));
    }
    words.join("  ")
}

/// Returns the choices that can be shown: a line end that is written as one is not.
fn printable(choices: &[&'static str]) -> Vec<&'static str> {
    let shown = choices.iter().copied();
    shown
        .filter(|choice| !choice.contains(char::is_control))
        .collect()
}

/// Returns what kind of value an argument takes.
fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Str => "text",
        Kind::Path => "path",
        Kind::Flag => "yes or no",
        Kind::Int => "whole number",
        Kind::Float => "number",
        Kind::Mode => "mode",
        Kind::Duration => "time span",
        Kind::List => "list",
        Kind::Values => "list of values",
        Kind::Map => "map",
        Kind::Conditions => "conditions",
        Kind::Any => "any value",
    }
}

fn safety(safety: Safety) -> &'static str {
    match safety {
        Safety::ReadOnly => "It changes nothing on any host.",
        Safety::State => "It brings about a state: a second time it changes nothing.",
        Safety::Once => "It does something each time: it is never repeated blindly.",
        Safety::Engine => "It concerns only the run itself.",
    }
}

/// Breaks a text into lines, each indented.
fn wrapped(text: &str, indent: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = " ".repeat(indent);
    for word in text.split_whitespace() {
        let empty = line.trim().is_empty();
        if !empty && line.chars().count() + 1 + word.chars().count() > WIDTH {
            lines.push(std::mem::replace(&mut line, " ".repeat(indent)));
        }
        if !line.trim().is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    lines.push(line);
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPEC: ModuleSpec = ModuleSpec {
        name: "demo",
        aliases: &["example"],
        summary: "Does a | b",
        notes: &[
            "A note that is long enough to be broken into two lines when it is shown on a terminal of some age.",
        ],
        arguments: &[
            Argument::new("path", Kind::Path, "Where.")
                .required()
                .aliases(&["dest"]),
            Argument::new("state", Kind::Str, "What.")
                .choices(&["a", "b", "\n"])
                .default("a"),
        ],
        absent: &[
            ("owner", "use `file`"),
            ("group", "use `file`"),
            ("force", "it is always so"),
        ],
        exclusive: &[&["path", "state"]],
        returns: &[("rc", "the code")],
        example: "- demo:\n    path: x\n",
        ..ModuleSpec::EMPTY
    };

    #[test]
    fn all_of_a_table_is_shown() {
        let expected = "demo (also example)\n  Does a | b.\n  A note that is long enough to be broken into two lines when it is shown on a\n  terminal of some age.\n\n  It brings about a state: a second time it changes nothing.\n\nArguments\n  path  (path)  required  also: dest\n      Where.\n  state  (text)  default: a  one of: a, b\n      What.\n  at most one of: path, state\n\nArguments of Ansible's module that are not here\n  owner, group: use `file`\n  force: it is always so\n\nResult\n  rc: the code\n\nExample\n  - demo:\n      path: x\n";
        assert_eq!(documentation(&SPEC), expected);
    }
}
