//! A small stand-in for the templates.

use std::sync::Arc;

use minijinja::{Environment, Value as Jinja};
use serde_json::{Map, Value};

use crate::rollout::Language;
use crate::template::Variables;
use crate::yaml::{Node, Problem, variable_value};

#[derive(Debug, Default)]
pub(super) struct Plain {}

fn context(scope: &Arc<dyn Variables>) -> Map<String, Value> {
    let mut all = Map::new();
    for name in scope.names() {
        if let Some(raw) = scope.lookup(&name) {
            all.insert(name, raw.value);
        }
    }
    let mut hostvars = Map::new();
    if let Some(lazy) = scope.lazy("hostvars") {
        for host in lazy.keys() {
            if let Some(crate::template::LazyEntry::Scope(inner)) = lazy.entry(&host) {
                let mut vars = Map::new();
                for name in inner.names() {
                    if let Some(raw) = inner.lookup(&name) {
                        vars.insert(name, raw.value);
                    }
                }
                hostvars.insert(host, Value::Object(vars));
            }
        }
    }
    all.insert("hostvars".to_owned(), Value::Object(hostvars));
    let templates: Vec<(String, Value)> = all
        .iter()
        .filter(|(_, value)| value.to_string().contains("{{"))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    for (name, value) in templates {
        if let Ok(value) = rendered(&value, &all) {
            all.insert(name, value);
        }
    }
    all
}

fn evaluate(text: &str, all: &Map<String, Value>) -> Result<Value, String> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(minijinja::UndefinedBehavior::Strict);
    environment.add_filter("bool", |value: Jinja| value.is_true());
    environment.add_test("changed", |value: Jinja| {
        value.get_attr("changed").is_ok_and(|value| value.is_true())
    });
    environment.add_test("failed", |value: Jinja| {
        value.get_attr("failed").is_ok_and(|value| value.is_true())
    });
    let expression = environment.compile_expression(text).map_err(|error| error.to_string())?;
    let value = expression
        .eval(Jinja::from_serialize(all))
        .map_err(|error| error.to_string())?;
    if value.is_undefined() {
        return Err(format!("`{text}` is undefined"));
    }
    serde_json::to_value(value).map_err(|error| error.to_string())
}

fn rendered(value: &Value, all: &Map<String, Value>) -> Result<Value, String> {
    match value {
        Value::String(text) => {
            let inner = text.trim().strip_prefix("{{").and_then(|rest| rest.strip_suffix("}}"));
            if let Some(inner) = inner.filter(|inner| !inner.contains("{{")) {
                return evaluate(inner, all);
            }
            if !text.contains("{{") {
                return Ok(value.clone());
            }
            let mut environment = Environment::new();
            environment.set_undefined_behavior(minijinja::UndefinedBehavior::Strict);
            let done = environment.render_str(text, Jinja::from_serialize(all));
            done.map(Value::String).map_err(|error| error.to_string())
        }
        Value::Array(items) => items.iter().map(|item| rendered(item, all)).collect(),
        Value::Object(fields) => {
            let pairs = fields.iter().map(|(key, item)| Ok((key.clone(), rendered(item, all)?)));
            pairs.collect::<Result<Map<_, _>, String>>().map(Value::Object)
        }
        other => Ok(other.clone()),
    }
}

impl Language for Plain {
    fn value(&self, node: &Node, scope: &Arc<dyn Variables>) -> Result<Value, Problem> {
        let value = variable_value(node);
        if !value.to_string().contains("{{") {
            return Ok(value);
        }
        rendered(&value, &context(scope)).map_err(|reason| Problem::at(&node.loc, reason))
    }

    fn condition(&self, node: &Node, scope: &Arc<dyn Variables>) -> Result<bool, Problem> {
        if let crate::yaml::Data::Bool(flag) = node.data {
            return Ok(flag);
        }
        let text = node.as_str().unwrap_or_default();
        let value = evaluate(text, &context(scope));
        let value = value.map_err(|reason| Problem::at(&node.loc, reason))?;
        value.as_bool().ok_or_else(|| Problem::at(&node.loc, format!("`{text}` is no condition")))
    }

    fn expression(&self, text: &str, scope: &Arc<dyn Variables>) -> Result<Value, Problem> {
        evaluate(text, &context(scope)).map_err(Problem::nowhere)
    }

    fn file(&self, _path: &str, text: &str, scope: &Arc<dyn Variables>) -> Result<String, Problem> {
        let value = rendered(&Value::from(text), &context(scope)).map_err(Problem::nowhere)?;
        Ok(value.as_str().unwrap_or_default().to_owned())
    }
}
