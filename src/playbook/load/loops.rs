//! Loops: `loop`, the older `with_*`, and `loop_control`.

use super::Load;
use super::typed::Entry;
use crate::modules::spec::is_template;
use crate::playbook::{Loop, LoopControl, LoopOver};
use crate::yaml::{Data, Fields, Key, Node, Problem};

/// The lookups that `with_*` may name.
const WITH: &[&str] = &[
    "items",
    "list",
    "flattened",
    "dict",
    "indexed_items",
    "together",
    "nested",
    "cartesian",
    "sequence",
    "subelements",
    "random_choice",
    "fileglob",
    "first_found",
    "file",
    "lines",
    "pipe",
    "template",
    "env",
    "vars",
    "varnames",
    "inventory_hostnames",
];

const CONTROL: &[&str] = &[
    "loop_var",
    "index_var",
    "label",
    "pause",
    "extended",
    "extended_allitems",
    "break_when",
];

impl Load<'_> {
    /// Takes what a task is repeated over.
    pub(super) fn repetition(&mut self, fields: &mut Fields<'_>) -> Option<Loop> {
        let control = fields.take("loop_control");
        let new = fields.take("loop");
        let old = fields.take_where(|key| key.starts_with("with_"));
        let files = fields
            .take("first_available")
            .or_else(|| fields.take("first_available_file"));
        let control = self.loop_control(control);
        let mut given = [new, old, files].into_iter().flatten();
        let (key, node) = given.next()?;
        if let Some((other, _)) = given.next() {
            let message = format!("`{}` and `{}` exclude each other", key.name, other.name);
            self.problem(Problem::at(&other.loc, message).width(other.name.chars().count()));
        }
        Some(Loop {
            loc: key.loc.clone(),
            over: self.loop_over(key, node)?,
            control,
        })
    }

    fn loop_over(&mut self, key: &Key, node: &Node) -> Option<LoopOver> {
        let lookup = match key.name.strip_prefix("with_") {
            Some(lookup) => lookup,
            None if key.name == "loop" => return self.items_of_loop(node),
            None => "first_found",
        };
        if !WITH.contains(&lookup) {
            let message = format!("`with_{lookup}`: unknown lookup `{lookup}`");
            let problem = Problem::at(&key.loc, message)
                .width(key.name.chars().count())
                .did_you_mean(lookup, WITH.iter().copied());
            self.problem(problem);
            return None;
        }
        Some(LoopOver::With {
            lookup: lookup.to_owned(),
            terms: node.clone(),
        })
    }

    fn items_of_loop(&mut self, node: &Node) -> Option<LoopOver> {
        match &node.data {
            Data::Seq(_) => Some(LoopOver::Items(node.clone())),
            Data::Str(text) if is_template(text) => Some(LoopOver::Items(node.clone())),
            Data::Map(_) => {
                let message = "`loop` must be a list, not a map";
                let problem = Problem::at(&node.loc, message);
                self.problem(problem.hint("use `with_dict`, or the `dict2items` filter"));
                None
            }
            Data::Str(text) => {
                let message = format!("`loop` must be a list, not `{text}`");
                let problem = Problem::at(&node.loc, message).width(text.chars().count());
                self.problem(problem.hint(format!("for a variable write \"{{{{ {text} }}}}\"")));
                None
            }
            Data::Null | Data::Bool(_) | Data::Int(_) | Data::Float(_) => {
                let message = format!("`loop` must be a list, not {}", node.kind());
                self.problem(Problem::at(&node.loc, message));
                None
            }
        }
    }

    fn loop_control(&mut self, entry: Entry<'_>) -> LoopControl {
        let Some((_, node)) = entry else {
            return LoopControl::default();
        };
        let mut fields = match Fields::new(node, "`loop_control`") {
            Ok(fields) => fields,
            Err(problem) => {
                self.problem(problem);
                return LoopControl::default();
            }
        };
        let control = LoopControl {
            loop_var: self.name_of_variable(fields.take("loop_var")),
            index_var: self.name_of_variable(fields.take("index_var")),
            label: fields.take("label").map(|(_, node)| node.clone()),
            pause: self.time_span(fields.take("pause")),
            extended: self.flag(fields.take("extended")),
            extended_allitems: self.flag(fields.take("extended_allitems")),
            break_when: self.conditions(fields.take("break_when")),
        };
        self.unknown_keywords(fields.left(), "`loop_control`", &[CONTROL]);
        control
    }

    /// Takes a text that names a variable, unless it is a template.
    fn name_of_variable(&mut self, entry: Entry<'_>) -> Option<Node> {
        let name = self.text(entry)?;
        if let Some(text) = name.as_str().filter(|text| !is_template(text)) {
            self.variable_name(&Key {
                name: text.to_owned(),
                loc: name.loc.clone(),
            });
        }
        Some(name)
    }
}
