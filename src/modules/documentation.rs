//! A module's table as text: for `stagger modules NAME`, and as Markdown for the documentation.

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
        for (name, instead) in spec.absent {
            out.extend(wrapped(&format!("{name}: {instead}"), 2));
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
    if !argument.choices.is_empty() {
        words.push(format!("one of: {}", argument.choices.join(", ")));
    }
    if !argument.aliases.is_empty() {
        words.push(format!("also: {}", argument.aliases.join(", ")));
    }
    words.join("  ")
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

/// Returns a Markdown table of modules: name, what they do, and what a second time means.
pub fn modules_table<'a>(specs: impl IntoIterator<Item = &'a ModuleSpec>) -> String {
    let mut lines = vec![
        "| module | what it does | a second time |".to_owned(),
        "|---|---|---|".to_owned(),
    ];
    for spec in specs {
        let names: Vec<String> = std::iter::once(&spec.name)
            .chain(spec.aliases)
            .map(|name| format!("`{name}`"))
            .collect();
        let again = match spec.safety {
            Safety::ReadOnly => "reads only",
            Safety::State => "changes nothing",
            Safety::Once => "does it again",
            Safety::Engine => "of the run only",
        };
        lines.push(format!(
            "| {} | {} | {again} |",
            names.join(" "),
            cell(spec.summary)
        ));
    }
    lines.join("\n") + "\n"
}

/// Returns a Markdown table of a module's arguments.
pub fn arguments_table(spec: &ModuleSpec) -> String {
    let mut lines = vec![
        "| argument | takes | default | what it is for |".to_owned(),
        "|---|---|---|---|".to_owned(),
    ];
    for argument in spec.arguments {
        let takes = if argument.choices.is_empty() {
            kind(argument.kind).to_owned()
        } else {
            argument.choices.join(", ")
        };
        let default = match (argument.required, argument.default) {
            (true, _) => "required".to_owned(),
            (false, Some(default)) if !default.is_empty() => format!("`{default}`"),
            (false, _) => String::new(),
        };
        lines.push(format!(
            "| `{}` | {} | {} | {} |",
            argument.name,
            cell(&takes),
            cell(&default),
            cell(argument.summary)
        ));
    }
    lines.join("\n") + "\n"
}

/// Makes a text fit into a cell.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
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
                .choices(&["a", "b"])
                .default("a"),
        ],
        absent: &[("owner", "use `file`")],
        exclusive: &[&["path", "state"]],
        returns: &[("rc", "the code")],
        example: "- demo:\n    path: x\n",
        ..ModuleSpec::EMPTY
    };

    #[test]
    fn all_of_a_table_is_shown() {
        let expected = "demo (also example)\n  Does a | b.\n  A note that is long enough to be broken into two lines when it is shown on a\n  terminal of some age.\n\n  It brings about a state: a second time it changes nothing.\n\nArguments\n  path  (path)  required  also: dest\n      Where.\n  state  (text)  default: a  one of: a, b\n      What.\n  at most one of: path, state\n\nArguments of Ansible's module that are not here\n  owner: use `file`\n\nResult\n  rc: the code\n\nExample\n  - demo:\n      path: x\n";
        assert_eq!(documentation(&SPEC), expected);
    }

    #[test]
    fn tables_are_markdown() {
        assert_eq!(
            modules_table([&SPEC]),
            "| module | what it does | a second time |\n|---|---|---|\n| `demo` `example` | Does a \\| b | changes nothing |\n"
        );
        assert!(arguments_table(&SPEC).contains("| `state` | a, b | `a` | What. |"));
    }
}
