//! Variables of the command line: `-e name=value`, `-e '{"name": 1}'`, `-e @file.yml`.

use std::sync::Arc;

use super::words::{NoPairs, pairs};
use super::{Layer, Precedence};
use crate::inventory::{Files, VarTable, read_table};
use crate::yaml::{Data, Key, Loc, Node, Problem, Source, Style, open_vaulted, parse};

/// Reads the values of all `-e`, in their order; the later win.
pub fn extra_vars(
    arguments: &[String],
    files: &dyn Files,
    warnings: &mut Vec<Problem>,
) -> Result<Vec<Layer>, Vec<Problem>> {
    let (mut layers, mut problems) = (Vec::new(), Vec::new());
    for argument in arguments {
        let read = match argument.strip_prefix('@') {
            Some(path) => read_table(path, files, warnings).map(|table| (path, table)),
            None => on_the_line(argument, files, warnings).map(|table| ("-e", table)),
        };
        match read {
            Ok((of, table)) => layers.push(Layer::table(Precedence::Extra, of, Arc::new(table))),
            Err(mut wrong) => problems.append(&mut wrong),
        }
    }
    if problems.is_empty() {
        Ok(layers)
    } else {
        Err(problems)
    }
}

fn on_the_line(
    argument: &str,
    files: &dyn Files,
    warnings: &mut Vec<Problem>,
) -> Result<VarTable, Vec<Problem>> {
    let source = Source::new("-e", argument);
    let start = Loc::start(&source);
    if argument.starts_with(['/', '.']) {
        let problem = Problem::at(&start, "a file of variables is named with `@`");
        let problem = problem.width(argument.chars().count());
        return Err(vec![problem.hint(format!("-e @{argument}"))]);
    }
    let mut problems = Vec::new();
    let table = if argument.trim_start().starts_with(['{', '[']) {
        let mut node = parse(&source)?;
        open_vaulted(&mut node, files.vault(), &mut problems);
        VarTable::from_node(&node, "the value of -e").map_err(|problem| vec![problem])?
    } else {
        from_pairs(argument, &source)?
    };
    table.check(&mut problems, warnings);
    if problems.is_empty() {
        Ok(table)
    } else {
        Err(problems)
    }
}

/// Values of `name=value` are always text.
fn from_pairs(argument: &str, source: &Arc<Source>) -> Result<VarTable, Vec<Problem>> {
    let at = |column: usize| {
        let column = u32::try_from(column + 1).unwrap_or(u32::MAX);
        Loc::new(source, 1, column)
    };
    let wrong =
        |wrong: NoPairs| vec![Problem::at(&at(wrong.column), wrong.message).width(wrong.width)];
    let mut table = VarTable::default();
    for pair in pairs(argument).map_err(wrong)? {
        let loc = at(pair.value_column);
        let style = if pair.quoted {
            Style::Quoted
        } else {
            // As it stands: `yes` is no flag here.
            Style::Literal {
                first_line: 1,
                indent: loc.column.saturating_sub(1),
            }
        };
        let key = Key {
            name: pair.name,
            loc: at(pair.name_column),
        };
        let value = Node {
            style,
            ..Node::new(Data::Str(pair.value), loc)
        };
        table.set(key, value);
    }
    Ok(table)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::testing::MemoryFiles;
    use serde_json::{Value, json};

    fn read(arguments: &[&str]) -> Result<Value, Vec<String>> {
        let files = MemoryFiles::new([
            ("vars.yml", "a: 1\nb: yes\n"),
            ("list.yml", "- a\n"),
            ("secret", "$ANSIBLE_VAULT;1.1\n"),
        ]);
        let arguments: Vec<String> = arguments.iter().map(ToString::to_string).collect();
        let layers = extra_vars(&arguments, &files, &mut Vec::new()).map_err(|problems| {
            let shown = |problem: &Problem| {
                let loc = problem
                    .loc
                    .as_ref()
                    .map_or("-".to_owned(), ToString::to_string);
                format!("{loc} {}", problem.message)
            };
            problems.iter().map(shown).collect::<Vec<_>>()
        })?;
        let mut all = json!({});
        for layer in layers {
            let mut names = Vec::new();
            layer.add_names(&mut names);
            for name in names {
                all[&name] = layer.find(&name).unwrap().value;
            }
        }
        Ok(all)
    }

    #[test]
    fn each_form_is_read_and_the_later_win() {
        let arguments = [
            "a=1 b='x y' c=yes g=yes",
            "{\"d\": [1, true], \"e\": \"yes\"}",
            "@vars.yml",
            "{f: yes}",
            "c=2",
        ];
        let expected =
            json!({"a": 1, "b": true, "c": "2", "d": [1, true], "e": "yes", "f": true, "g": "yes"});
        assert_eq!(read(&arguments).unwrap(), expected);
    }

    #[test]
    fn mistakes_of_all_arguments_are_shown() {
        let arguments = [
            "vars.yml",
            "/etc/x",
            "a=1 b",
            "[1]",
            "@gone",
            "@list.yml",
            "@secret",
            "{a: !vault x}",
            "{a",
        ];
        assert_eq!(
            read(&arguments).unwrap_err(),
            [
                "-e:1:1 `vars.yml` is no variable: write name=value",
                "-e:1:1 a file of variables is named with `@`",
                "-e:1:5 `b` is no variable: write name=value",
                "-e:1:1 the value of -e must be a map of variables, not a list",
                "- cannot read gone: there is no such file",
                "list.yml:1:1 a file of variables must be a map of variables, not a list",
                "- cannot read secret: it is in a vault, and no password is given",
                "-e:1:12 this value cannot be read: it is in a vault, and no password is given",
                "-e:1:3 this is no YAML: did not find expected ',' or '}'",
            ]
        );
    }

    #[test]
    fn values_know_where_they_stand() {
        let layers = extra_vars(
            &["ab=cd e='f'".to_owned()],
            &MemoryFiles::default(),
            &mut Vec::new(),
        );
        let layer = &layers.unwrap()[0];
        assert_eq!(
            layer.find("ab").unwrap().origin.unwrap().to_string(),
            "-e:1:4"
        );
        assert_eq!(
            layer.find("e").unwrap().origin.unwrap().to_string(),
            "-e:1:10"
        );
    }
}
