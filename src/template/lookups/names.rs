//! Lookups in the variables.

use std::sync::Arc;

use super::super::failure::{ErrorKind, Failure, Fault, failed};
use super::super::object::Object;
use super::super::python_re::{Flags, Pattern};
use super::{Call, Lookup};

pub(super) const LOOKUPS: &[Lookup] = &[
    Lookup::new("inventory_hostnames", hostnames),
    Lookup::new("varnames", |call| {
        let variables = call.rendering.variables(call.rendering.scope_now());
        let names = variables.map_or_else(Vec::new, |all| all.names());
        let mut found = Vec::new();
        for term in call.texts()? {
            let pattern = Pattern::new(&term, Flags::default())?;
            for name in &names {
                if pattern.search(name)?.is_some() {
                    found.push(Object::from(name.as_str()));
                }
            }
        }
        Ok(found)
    }),
    Lookup::new("vars", vars),
];

fn vars(call: &Call<'_>) -> Result<Vec<Object>, Fault> {
    let mut found = Vec::new();
    for term in &call.terms {
        let Some(name) = term.as_text() else {
            return Err(failed(format!(
                "needs the names of variables, not {}",
                term.described()
            )));
        };
        let value = call.rendering.variable(call.rendering.scope_now(), name);
        found.push(match (value, call.option("default")) {
            (Some(value), _) => value,
            (None, Some(default)) if !matches!(default, Object::None) => default.clone(),
            (None, _) => {
                Failure::undefined(name.as_ref(), super::super::failure::Near::Variables).missing()
            }
        });
    }
    Ok(found)
}

/// Returns the hosts that patterns of group names mean.
fn hostnames(call: &Call<'_>) -> Result<Vec<Object>, Fault> {
    let rendering = call.rendering;
    let groups = rendering.variable(rendering.scope_now(), &Arc::from("groups"));
    let Some(groups) = groups.as_ref().and_then(Object::as_map) else {
        let failure = Failure::new(ErrorKind::Undefined, "`groups` is undefined");
        return Err(failure.fault());
    };
    let hosts_of = |name: &str| -> Result<Vec<String>, Fault> {
        let name = if name == "*" { "all" } else { name };
        match groups.named(rendering, name) {
            Some(hosts) => {
                let hosts = rendering.present(&hosts)?;
                hosts.iter().map(|host| rendering.print(host)).collect()
            }
            None => Ok(vec![name.to_owned()]),
        }
    };
    let (mut hosts, mut only, mut without) = (Vec::new(), Vec::new(), Vec::new());
    for term in call.texts()? {
        for part in term
            .split([':', ','])
            .map(str::trim)
            .filter(|part| !part.is_empty())
        {
            if let Some(name) = part.strip_prefix('!') {
                without.extend(hosts_of(name)?);
            } else if let Some(name) = part.strip_prefix('&') {
                only.push(hosts_of(name)?);
            } else {
                hosts.extend(hosts_of(part)?);
            }
        }
    }
    let mut seen = std::collections::HashSet::new();
    hosts.retain(|host| {
        only.iter().all(|own| own.contains(host))
            && !without.contains(host)
            && seen.insert(host.clone())
    });
    Ok(hosts.into_iter().map(Object::from).collect())
}
