//! Filters that apply a filter or a test to each item of a list.

use std::rc::Rc;

use super::super::arguments::{Arguments, Bound};
use super::super::attribute::Getter;
use super::super::compare;
use super::super::failure::{ErrorKind, Failure, Fault, failed};
use super::super::jinja_tests;
use super::super::object::Object;
use super::super::plugin::Plugin;
use super::super::rendering::{Rendering, need};
use super::super::special::Special;

pub(super) const FILTERS: &[Plugin] = &[
    Plugin::new(
        "groupby",
        &["value", "attribute", "default", "case_sensitive"],
        2,
        groupby,
    ),
    Plugin::new("map", &["value"], 1, map).more().any_name(),
    Plugin::new("reject", &["value"], 1, |r, b| chosen(r, b, false, false))
        .more()
        .any_name(),
    Plugin::new("rejectattr", &["value"], 1, |r, b| {
        chosen(r, b, true, false)
    })
    .more()
    .any_name(),
    Plugin::new("select", &["value"], 1, |r, b| chosen(r, b, false, true))
        .more()
        .any_name(),
    Plugin::new("selectattr", &["value"], 1, |r, b| chosen(r, b, true, true))
        .more()
        .any_name(),
];

fn unknown<'n>(what: &str, name: &str, known: impl Iterator<Item = &'n str>) -> Fault {
    let failure = Failure::new(ErrorKind::Unknown, format!("there is no {what} `{name}`"));
    match crate::yaml::nearest(name, known) {
        Some(near) => failure.hint(format!("did you mean `{near}`?")).fault(),
        None => failure.fault(),
    }
}

fn map(rendering: &Rendering, bound: &Bound) -> Result<Object, Fault> {
    let value = bound.value();
    if !value.truth()? {
        return Ok(Object::list(Vec::new()));
    }
    let named = |name: &str| bound.named.iter().find(|(own, _)| own.as_ref() == name);
    let mut mapped = Vec::new();
    let Some((first, rest)) = bound.rest.split_first() else {
        let Some((_, attribute)) = named("attribute") else {
            return Err(failed("needs a filter's name or `attribute`"));
        };
        let default = named("default").map(|(_, default)| default.clone());
        let getter = Getter::new(Some(attribute))?
            .with_default(default.filter(|default| !matches!(default, Object::None)));
        for item in rendering.items(&value)? {
            mapped.push(getter.get(rendering, &item));
        }
        return Ok(Object::list(mapped));
    };
    let name = rendering.print(first)?;
    let plugin = super::find(&name).ok_or_else(|| unknown("filter", &name, super::names()))?;
    for item in rendering.items(&value)? {
        let mut arguments = Arguments::positional(vec![item]);
        arguments.positional.extend(rest.iter().cloned());
        arguments.named.clone_from(&bound.named);
        let result = plugin.call(rendering, arguments);
        mapped.push(result.unwrap_or_else(|fault| Object::Missing(named_fault(fault, plugin))));
    }
    Ok(Object::list(mapped))
}

/// Says which filter or test it was that failed for an item.
fn named_fault(fault: Fault, plugin: &Plugin) -> Fault {
    if fault.spot.is_some() || fault.kind == ErrorKind::Undefined {
        return fault;
    }
    let mut failure = Rc::unwrap_or_clone(fault);
    failure.message = format!("`{}`: {}", plugin.name, failure.message);
    failure.fault()
}

fn chosen(
    rendering: &Rendering,
    bound: &Bound,
    by_attribute: bool,
    wanted: bool,
) -> Result<Object, Fault> {
    let value = bound.value();
    if !value.truth()? {
        return Ok(Object::list(Vec::new()));
    }
    let mut rest = bound.rest.as_slice();
    let mut getter = Getter::new(None)?;
    if by_attribute {
        let Some((attribute, others)) = rest.split_first() else {
            return Err(failed("needs the name of an attribute"));
        };
        getter = Getter::new(Some(attribute))?;
        rest = others;
    }
    let test = match rest.split_first() {
        None => None,
        Some((name, others)) => {
            rest = others;
            let name = rendering.print(name)?;
            let test = jinja_tests::find(&name);
            Some(test.ok_or_else(|| unknown("test", &name, jinja_tests::names()))?)
        }
    };
    let mut kept = Vec::new();
    for item in rendering.items(&value)? {
        let own = getter.get(rendering, &item);
        let holds = match test {
            None => own.truth()?,
            Some(test) => {
                let mut arguments = Arguments::positional(vec![own]);
                arguments.positional.extend(rest.iter().cloned());
                arguments.named.clone_from(&bound.named);
                let result = test.call(rendering, arguments);
                let result = result.map_err(|fault| named_fault(fault, test))?;
                need(&result)?;
                result.truth()?
            }
        };
        if holds == wanted {
            kept.push(item);
        }
    }
    Ok(Object::list(kept))
}

/// A group: a tuple of the common value and the items, which have names as well.
#[derive(Debug)]
struct Group {
    grouper: Object,
    list: Object,
}

impl Special for Group {
    fn kind(&self) -> &'static str {
        "a group"
    }

    fn attribute(&self, _rendering: &Rendering, name: &str) -> Option<Object> {
        match name {
            "grouper" => Some(self.grouper.clone()),
            "list" => Some(self.list.clone()),
            _ => None,
        }
    }

    fn items(&self) -> Option<Vec<Object>> {
        Some(vec![self.grouper.clone(), self.list.clone()])
    }
}

fn groupby(rendering: &Rendering, bound: &Bound) -> Result<Object, Fault> {
    let case_sensitive = bound.flag(3, false)?;
    let getter = Getter::new(bound.get(1))?.with_default(bound.get(2).cloned());
    let mut keyed = Vec::new();
    for item in rendering.present(&bound.value())? {
        let key = getter.key(rendering, &item, case_sensitive)?;
        keyed.push((key, item));
    }
    let sorted = compare::sort(rendering, keyed, false)?;
    let mut groups: Vec<(Object, Object, Vec<Object>)> = Vec::new();
    for item in sorted {
        let key = getter.key(rendering, &item, case_sensitive)?;
        match groups.last_mut() {
            Some((own, _, items)) if compare::equal(rendering, own, &key)? => items.push(item),
            _ => {
                let shown = getter.get(rendering, &item);
                groups.push((key, shown, vec![item]));
            }
        }
    }
    let group = |(_, grouper, items): (Object, Object, Vec<Object>)| {
        let list = Object::list(items);
        Object::Special(Rc::new(Group { grouper, list }))
    };
    Ok(Object::list(groups.into_iter().map(group).collect()))
}
