//! YAML as `PyYAML` writes it with libyaml, which is what Ansible's `to_yaml` and `to_nice_yaml` give.
//!
//! The layout follows libyaml's emitter step by step (indents, flow style of leaves, folding at 80 columns), so that a
//! file that was made by Ansible and is made again here does not change.

use std::rc::Rc;

use super::failure::{Fault, failed};
use super::key::Key;
use super::object::Object;
use super::plain_yaml::{self, Plain};
use super::print::{check_depth, float};
use super::rendering::Rendering;
use super::yaml_scalar::{self, Analysis, Bare};

/// How YAML is laid out.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Style {
    pub(crate) indent: usize,
    pub(crate) width: usize,
    pub(crate) sort_keys: bool,
    /// Whether containers stand on one line; if unsaid, those that hold no other container do.
    pub(crate) flow: Option<bool>,
    pub(crate) explicit_start: bool,
    pub(crate) explicit_end: bool,
}

impl Default for Style {
    fn default() -> Self {
        Self {
            indent: 2,
            width: 80,
            sort_keys: true,
            flow: None,
            explicit_start: false,
            explicit_end: false,
        }
    }
}

/// Writes a value as one document.
pub(crate) fn write(rendering: &Rendering, object: &Object, style: Style) -> Result<String, Fault> {
    let node = node(rendering, object, style, 0)?;
    let mut emitter = Emitter::new(style);
    if style.explicit_start {
        emitter.indicator("---", true, false, false);
    }
    emitter.node(&node, Context::default());
    emitter.write_indent();
    if style.explicit_end {
        emitter.indicator("...", true, false, false);
        emitter.write_indent();
    }
    Ok(emitter.out)
}

/// A value with what its text is in YAML.
#[derive(Debug)]
enum Node {
    Scalar {
        text: String,
        /// Whether it means the same without quotes.
        plain: bool,
    },
    List(Vec<Node>, bool),
    Map(Vec<(Node, Node)>, bool),
}

impl Node {
    fn is_scalar(&self) -> bool {
        matches!(self, Self::Scalar { .. })
    }
}

fn plain(text: impl Into<String>) -> Node {
    let text = text.into();
    Node::Scalar { text, plain: true }
}

fn scalar(object: &Object) -> Option<Node> {
    Some(match object {
        Object::None => plain("null"),
        Object::Bool(flag) => plain(flag.to_string()),
        Object::Int(number) => plain(number.to_string()),
        Object::Float(number) => plain(yaml_float(*number)),
        Object::Text(text) => Node::Scalar {
            text: text.to_string(),
            plain: plain_yaml::resolve(text) == Plain::Text,
        },
        Object::Special(special) => plain(special.print().filter(|_| special.order().is_some())?),
        Object::Missing(_)
        | Object::List(_)
        | Object::Tuple(_)
        | Object::Map(_)
        | Object::Range(_)
        | Object::Omit => return None,
    })
}

fn yaml_float(number: f64) -> String {
    if number.is_nan() {
        return ".nan".to_owned();
    }
    if number.is_infinite() {
        return if number > 0.0 { ".inf" } else { "-.inf" }.to_owned();
    }
    let text = float(number);
    if text.contains('.') {
        text
    } else {
        text.replacen('e', ".0e", 1)
    }
}

fn node(rendering: &Rendering, object: &Object, style: Style, depth: usize) -> Result<Node, Fault> {
    check_depth(depth)?;
    if let Some(node) = scalar(object) {
        return Ok(node);
    }
    let list = |items: Vec<Object>| -> Result<Node, Fault> {
        let mut nodes = Vec::with_capacity(items.len());
        for item in items {
            if !matches!(item, Object::Omit) {
                nodes.push(node(rendering, &item, style, depth + 1)?);
            }
        }
        let flow = style
            .flow
            .unwrap_or_else(|| nodes.iter().all(Node::is_scalar));
        Ok(Node::List(nodes, flow))
    };
    match object {
        Object::Missing(fault) => Err(Rc::clone(fault)),
        Object::List(own) => list(own.items(rendering)),
        Object::Tuple(own) => list(own.to_vec()),
        Object::Range(_) => list(rendering.items(object)?),
        Object::Special(special) => match special.items() {
            Some(items) => list(items),
            None => Err(failed(format!(
                "{} cannot be written as YAML",
                special.kind()
            ))),
        },
        Object::Map(map) => {
            let mut entries = map.items(rendering);
            if style.sort_keys {
                sort(&mut entries);
            }
            let mut nodes = Vec::with_capacity(entries.len());
            for (key, item) in entries {
                if !matches!(item, Object::Omit) {
                    let key = node(rendering, &key.object(), style, depth + 1)?;
                    nodes.push((key, node(rendering, &item, style, depth + 1)?));
                }
            }
            let leaves = |(key, item): &(Node, Node)| key.is_scalar() && item.is_scalar();
            let flow = style.flow.unwrap_or_else(|| nodes.iter().all(leaves));
            Ok(Node::Map(nodes, flow))
        }
        Object::None
        | Object::Bool(_)
        | Object::Int(_)
        | Object::Float(_)
        | Object::Text(_)
        | Object::Omit => Err(failed(format!(
            "{} cannot be written as YAML",
            object.described()
        ))),
    }
}

/// Sorts entries by key, unless texts and numbers are mixed.
fn sort(entries: &mut [(Key, Object)]) {
    if entries.iter().all(|(key, _)| key.as_text().is_some()) {
        entries.sort_by(|(left, _), (right, _)| left.as_text().cmp(&right.as_text()));
        return;
    }
    let number = |key: &Key| key.object().as_float();
    if entries.iter().all(|(key, _)| number(key).is_some()) {
        entries.sort_by(|(left, _), (right, _)| {
            let (left, right) = (number(left), number(right));
            left.partial_cmp(&right)
                .unwrap_or(std::cmp::Ordering::Equal)
        });
    }
}

/// Where a node stands.
#[derive(Debug, Clone, Copy, Default)]
struct Context {
    mapping: bool,
    simple_key: bool,
}

struct Emitter {
    out: String,
    column: usize,
    /// Whether the last character was white space.
    whitespace: bool,
    /// Whether the line holds nothing but indicators that may begin a block.
    indention: bool,
    indent: Option<usize>,
    flow_level: usize,
    best_indent: usize,
    best_width: usize,
}

impl Emitter {
    fn new(style: Style) -> Self {
        let best_indent = if (2..10).contains(&style.indent) {
            style.indent
        } else {
            2
        };
        Self {
            out: String::new(),
            column: 0,
            whitespace: true,
            indention: true,
            indent: None,
            flow_level: 0,
            best_indent,
            best_width: if style.width > best_indent * 2 {
                style.width
            } else {
                80
            },
        }
    }

    fn put(&mut self, text: &str) {
        self.out.push_str(text);
        self.column += text.chars().count();
    }

    fn indicator(&mut self, text: &str, need_space: bool, whitespace: bool, indention: bool) {
        if need_space && !self.whitespace {
            self.put(" ");
        }
        self.put(text);
        self.whitespace = whitespace;
        self.indention = self.indention && indention;
    }

    fn line_break(&mut self) {
        self.out.push('\n');
        self.column = 0;
        self.whitespace = true;
        self.indention = true;
    }

    fn write_indent(&mut self) {
        let indent = self.indent.unwrap_or(0);
        if !self.indention || self.column > indent || (self.column == indent && !self.whitespace) {
            self.line_break();
        }
        if self.column < indent {
            self.put(&" ".repeat(indent - self.column));
            self.whitespace = true;
        }
    }

    fn deeper(&mut self, flow: bool, indentless: bool) -> Option<usize> {
        let before = self.indent;
        self.indent = Some(match before {
            None if flow => self.best_indent,
            None => 0,
            Some(indent) if indentless => indent,
            Some(indent) => indent + self.best_indent,
        });
        before
    }

    fn node(&mut self, node: &Node, context: Context) {
        match node {
            Node::Scalar { text, plain } => {
                let before = self.deeper(true, false);
                self.scalar(text, *plain, context.simple_key);
                self.indent = before;
            }
            Node::List(items, flow) if self.flow_level > 0 || *flow || items.is_empty() => {
                self.flow("[", "]", items.len(), |emitter, index| {
                    if let Some(item) = items.get(index) {
                        emitter.node(item, Context::default());
                    }
                });
            }
            Node::List(items, _) => {
                let before = self.deeper(false, context.mapping && !self.indention);
                for item in items {
                    self.write_indent();
                    self.indicator("-", true, false, true);
                    self.node(item, Context::default());
                }
                self.indent = before;
            }
            Node::Map(entries, flow) if self.flow_level > 0 || *flow || entries.is_empty() => {
                self.flow("{", "}", entries.len(), |emitter, index| {
                    if let Some((key, item)) = entries.get(index) {
                        emitter.entry(key, item, true);
                    }
                });
            }
            Node::Map(entries, _) => {
                let before = self.deeper(false, false);
                for (key, item) in entries {
                    self.write_indent();
                    self.entry(key, item, false);
                }
                self.indent = before;
            }
        }
    }

    fn flow(
        &mut self,
        open: &str,
        close: &str,
        count: usize,
        mut item: impl FnMut(&mut Self, usize),
    ) {
        self.indicator(open, true, true, false);
        self.flow_level += 1;
        let before = self.deeper(true, false);
        for index in 0..count {
            if index > 0 {
                self.indicator(",", false, false, false);
            }
            if self.column > self.best_width {
                self.write_indent();
            }
            item(self, index);
        }
        self.indent = before;
        self.flow_level -= 1;
        self.indicator(close, false, false, false);
    }

    fn entry(&mut self, key: &Node, item: &Node, flow: bool) {
        let mapping = Context {
            mapping: true,
            simple_key: false,
        };
        if is_simple(key) {
            let simple_key = true;
            self.node(
                key,
                Context {
                    simple_key,
                    ..mapping
                },
            );
            self.indicator(":", false, false, false);
        } else {
            self.indicator("?", true, false, !flow);
            self.node(key, mapping);
            if flow {
                if self.column > self.best_width {
                    self.write_indent();
                }
            } else {
                self.write_indent();
            }
            self.indicator(":", true, false, !flow);
        }
        self.node(item, mapping);
    }

    fn scalar(&mut self, text: &str, plain: bool, simple_key: bool) {
        let analysis = Analysis::new(text);
        let fits = match analysis.bare {
            Bare::Nowhere => false,
            Bare::Outside => self.flow_level == 0,
            Bare::Everywhere => true,
        };
        let one_line = !(simple_key && (text.is_empty() || analysis.multiline));
        if plain && fits && one_line {
            self.plain(text, !simple_key);
        } else if analysis.single_quoted && !(simple_key && analysis.multiline) {
            self.single_quoted(text, !simple_key);
        } else {
            self.double_quoted(text, !simple_key);
        }
    }

    fn plain(&mut self, text: &str, may_fold: bool) {
        if !self.whitespace && (!text.is_empty() || self.flow_level > 0) {
            self.put(" ");
        }
        let chars: Vec<char> = text.chars().collect();
        let mut after_space = false;
        for (at, c) in chars.iter().copied().enumerate() {
            let folds = c == ' '
                && may_fold
                && !after_space
                && self.column > self.best_width
                && chars.get(at + 1).is_some_and(|next| *next != ' ');
            if folds {
                self.write_indent();
            } else {
                self.put(c.encode_utf8(&mut [0; 4]));
            }
            after_space = c == ' ';
        }
        self.whitespace = false;
        self.indention = false;
    }

    fn single_quoted(&mut self, text: &str, may_fold: bool) {
        self.indicator("'", true, false, false);
        let chars: Vec<char> = text.chars().collect();
        let (mut after_space, mut after_break) = (false, false);
        for (at, c) in chars.iter().copied().enumerate() {
            if c == ' ' {
                let inside = at > 0 && at + 1 < chars.len();
                let folds = may_fold
                    && !after_space
                    && self.column > self.best_width
                    && inside
                    && chars.get(at + 1).is_some_and(|next| *next != ' ');
                if folds {
                    self.write_indent();
                } else {
                    self.put(" ");
                }
                after_space = true;
                continue;
            }
            if yaml_scalar::is_break(c) {
                if !after_break && c == '\n' {
                    self.line_break();
                }
                if c == '\n' {
                    self.line_break();
                } else {
                    self.out.push(c);
                    self.column = 0;
                }
                self.indention = true;
                after_break = true;
                continue;
            }
            if after_break {
                self.write_indent();
            }
            if c == '\'' {
                self.put("'");
            }
            self.put(c.encode_utf8(&mut [0; 4]));
            self.indention = false;
            (after_space, after_break) = (false, false);
        }
        if after_break {
            self.write_indent();
        }
        self.indicator("'", false, false, false);
        self.whitespace = false;
        self.indention = false;
    }

    fn double_quoted(&mut self, text: &str, may_fold: bool) {
        self.indicator("\"", true, false, false);
        let chars: Vec<char> = text.chars().collect();
        let mut after_space = false;
        for (at, c) in chars.iter().copied().enumerate() {
            if let Some(escape) = yaml_scalar::escape(c) {
                self.put(&escape);
                after_space = false;
                continue;
            }
            let inside = at > 0 && at + 1 < chars.len();
            let folds =
                c == ' ' && may_fold && !after_space && self.column > self.best_width && inside;
            if folds {
                self.write_indent();
                if chars.get(at + 1) == Some(&' ') {
                    self.put("\\");
                }
            } else {
                self.put(c.encode_utf8(&mut [0; 4]));
            }
            after_space = c == ' ';
        }
        self.indicator("\"", false, false, false);
        self.whitespace = false;
        self.indention = false;
    }
}

/// Tells whether a key can stand before `:` on one line.
fn is_simple(key: &Node) -> bool {
    match key {
        Node::Scalar { text, .. } => text.len() <= 128 && !text.contains(yaml_scalar::is_break),
        Node::List(items, _) => items.is_empty(),
        Node::Map(entries, _) => entries.is_empty(),
    }
}
