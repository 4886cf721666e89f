//! Filters from and to JSON and YAML.

use super::super::arguments::Bound;
use super::super::failure::{Fault, failed};
use super::super::json::{self, Layout};
use super::super::object::Object;
use super::super::plugin::Plugin;
use super::super::read_yaml;
use super::super::rendering::Rendering;
use super::super::write_yaml::{self, Style};

const JSON: &[&str] = &["value", "indent", "sort_keys", "ensure_ascii", "separators"];
const YAML: &[&str] = &[
    "value",
    "indent",
    "width",
    "sort_keys",
    "default_flow_style",
    "explicit_start",
    "explicit_end",
    "allow_unicode",
];

pub(super) const FILTERS: &[Plugin] = &[
    Plugin::new("from_json", &["value"], 1, |_, b| {
        let text = b.need_text(0)?;
        read_json(&text)
    }),
    Plugin::new("from_yaml", &["value"], 1, |_, b| {
        let value = b.value();
        value
            .as_text()
            .map_or(Ok(value.clone()), |text| read_yaml::one(text))
    }),
    Plugin::new("from_yaml_all", &["value"], 1, |_, b| {
        let value = b.value();
        match value.as_text() {
            Some(text) => read_yaml::all(text).map(Object::list),
            None if matches!(value, Object::None) => Ok(Object::list(Vec::new())),
            None => Ok(value),
        }
    }),
    Plugin::new("to_json", JSON, 1, |r, b| to_json(r, b, Layout::default())),
    Plugin::new("to_nice_json", JSON, 1, |r, b| {
        let nice = Layout {
            indent: Some(" ".repeat(4)),
            sort_keys: true,
            ..Layout::default()
        };
        to_json(r, b, nice)
    }),
    Plugin::new("to_nice_yaml", YAML, 1, |r, b| {
        let nice = Style {
            indent: 4,
            flow: Some(false),
            ..Style::default()
        };
        to_yaml(r, b, nice)
    }),
    Plugin::new("to_yaml", YAML, 1, |r, b| to_yaml(r, b, Style::default())),
    Plugin::new("tojson", &["value", "indent"], 1, |r, b| {
        let safe = Layout {
            html: true,
            sort_keys: true,
            ..Layout::default()
        };
        to_json(r, b, safe)
    }),
];

/// Reads JSON as Python does, which knows `NaN` and `Infinity`.
fn read_json(text: &str) -> Result<Object, Fault> {
    match serde_json::from_str::<serde_json::Value>(text) {
        Ok(value) => Ok(Object::data(&value)),
        Err(error) => Err(failed(format!(
            "the text is no JSON: line {}, column {}",
            error.line(),
            error.column()
        ))),
    }
}

fn to_json(rendering: &Rendering, bound: &Bound, mut layout: Layout) -> Result<Object, Fault> {
    match bound.get(1) {
        None => {}
        Some(Object::Text(text)) => layout.indent = Some(text.to_string()),
        Some(_) => layout.indent = Some(" ".repeat(bound.count(1, 0)?.min(100))),
    }
    if layout.indent.is_some() {
        ",".clone_into(&mut layout.item_separator);
    }
    layout.sort_keys = bound.flag(2, layout.sort_keys)?;
    layout.ascii = bound.flag(3, layout.ascii)?;
    if let Some(separators) = bound.get(4) {
        let parts = rendering.present(separators)?;
        let [item, key] = parts.as_slice() else {
            return Err(failed("`separators` must be two texts"));
        };
        layout.item_separator = rendering.print(item)?;
        layout.key_separator = rendering.print(key)?;
    }
    json::write(rendering, &bound.value(), &layout).map(Object::from)
}

fn to_yaml(rendering: &Rendering, bound: &Bound, mut style: Style) -> Result<Object, Fault> {
    style.indent = bound.count(1, style.indent)?;
    style.width = bound.count(2, style.width)?;
    style.sort_keys = bound.flag(3, style.sort_keys)?;
    if let Some(Object::Bool(flow)) = bound.get(4) {
        style.flow = Some(*flow);
    }
    style.explicit_start = bound.flag(5, false)?;
    style.explicit_end = bound.flag(6, false)?;
    write_yaml::write(rendering, &bound.value(), style).map(Object::from)
}
