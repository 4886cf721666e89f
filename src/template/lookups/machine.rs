//! Lookups that ask the machine that stagger runs on.

use super::super::failure::{ErrorKind, Failure, Fault, failed};
use super::super::object::Object;
use super::super::password::{self, Method};
use super::super::python_text;
use super::super::rendering::Rendering;
use super::{Call, Lookup, unreachable};

pub(super) const LOOKUPS: &[Lookup] = &[
    Lookup::new("env", env).takes_missing(),
    Lookup::new("file", file),
    Lookup::new("fileglob", |call| {
        let mut found = Vec::new();
        for term in call.texts()? {
            let paths = call.rendering.templater.outside().glob("files", &term);
            found.extend(paths.into_iter().map(Object::from));
        }
        Ok(found)
    }),
    Lookup::new("first_found", first_found),
    Lookup::new("lines", |call| {
        let mut lines = Vec::new();
        for term in call.texts()? {
            let output = pipe(call, &term)?;
            lines.extend(
                python_text::lines(&output, false)
                    .into_iter()
                    .map(Object::from),
            );
        }
        Ok(lines)
    }),
    Lookup::new("password", password),
    Lookup::new("pipe", |call| {
        let mut outputs = Vec::new();
        for term in call.texts()? {
            let output = pipe(call, &term)?;
            outputs.push(Object::from(output.trim_end()));
        }
        Ok(outputs)
    }),
    Lookup::new("template", template),
    Lookup::new("url", url),
];

fn env(call: &Call<'_>) -> Result<Vec<Object>, Fault> {
    let mut found = Vec::new();
    for term in call.texts()? {
        let name = term.split_whitespace().next().unwrap_or_default();
        found.push(match call.rendering.templater.outside().env(name) {
            Some(value) => Object::from(value),
            None => match call.option("default") {
                None => Object::text(""),
                Some(Object::Missing(fault)) if fault.kind == ErrorKind::Undefined => {
                    let message = format!("`{name}` is not set in the environment");
                    Failure::new(ErrorKind::Undefined, message).missing()
                }
                Some(default) => default.clone(),
            },
        });
    }
    Ok(found)
}

fn file(call: &Call<'_>) -> Result<Vec<Object>, Fault> {
    let (left, right) = (call.flag("lstrip", false)?, call.flag("rstrip", true)?);
    let mut found = Vec::new();
    for term in call.texts()? {
        let text = call
            .rendering
            .templater
            .outside()
            .read("files", &term)
            .map_err(unreachable)?;
        let text = if left { text.trim_start() } else { &text };
        let text = if right { text.trim_end() } else { text };
        found.push(Object::from(text));
    }
    Ok(found)
}

fn pipe(call: &Call<'_>, command: &str) -> Result<String, Fault> {
    let outside = call.rendering.templater.outside();
    outside.pipe(command).map_err(unreachable)
}

/// Returns the first of several files that exists.
fn first_found(call: &Call<'_>) -> Result<Vec<Object>, Fault> {
    let rendering = call.rendering;
    let list = |value| names(rendering, value);
    let mut skip = call.flag("skip", false)?;
    let mut candidates = Vec::new();
    let mut pending: Vec<Object> = call.terms.iter().rev().cloned().collect();
    if let Some(files) = call.option("files") {
        let paths = list(call.option("paths").cloned())?;
        candidates.extend(joined(&list(Some(files.clone()))?, &paths));
    }
    while let Some(term) = pending.pop() {
        if term.is_list() {
            pending.extend(rendering.present(&term)?.into_iter().rev());
        } else if let Some(map) = term.as_map() {
            let files = list(map.named(rendering, "files"))?;
            candidates.extend(joined(&files, &list(map.named(rendering, "paths"))?));
            if let Some(flag) = map.named(rendering, "skip") {
                skip = flag.truth()?;
            }
        } else {
            let paths = list(call.option("paths").cloned())?;
            candidates.extend(joined(&[rendering.print(&term)?], &paths));
        }
    }
    let outside = rendering.templater.outside();
    if let Some(path) = candidates
        .iter()
        .find_map(|name| outside.find("files", name))
    {
        return Ok(vec![Object::from(path)]);
    }
    if skip {
        return Ok(Vec::new());
    }
    Err(unreachable(format!(
        "none of these files was found: {}",
        candidates.join(", ")
    )))
}

/// Returns names that are given as a list, or as one text with commas between.
fn names(rendering: &Rendering, value: Option<Object>) -> Result<Vec<String>, Fault> {
    match value {
        None | Some(Object::None) => Ok(Vec::new()),
        Some(Object::Text(text)) => {
            let parts = text.split([',', ';', ':']).map(str::trim);
            let named = parts.filter(|part| !part.is_empty());
            Ok(named.map(str::to_owned).collect())
        }
        Some(other) => {
            let items = rendering.present(&other)?;
            items.iter().map(|item| rendering.print(item)).collect()
        }
    }
}

fn joined(files: &[String], paths: &[String]) -> Vec<String> {
    if paths.is_empty() {
        return files.to_vec();
    }
    let join = |path: &String, file: &String| {
        if file.starts_with('/') {
            file.clone()
        } else {
            format!("{}/{file}", path.trim_end_matches('/'))
        }
    };
    paths
        .iter()
        .flat_map(|path| files.iter().map(move |file| join(path, file)))
        .collect()
}

/// Reads a password from a file; none is ever made here, since a run must not change what it was planned from.
fn password(call: &Call<'_>) -> Result<Vec<Object>, Fault> {
    let mut found = Vec::new();
    for term in call.texts()? {
        let mut words = term.split_whitespace();
        let path = words.next().unwrap_or_default();
        let mut encrypt = None;
        for word in words {
            if let Some(method) = word.strip_prefix("encrypt=") {
                encrypt = Some(method.to_owned());
            }
        }
        if let Some(method) = call.option("encrypt") {
            encrypt = Some(call.rendering.print(method)?);
        }
        let outside = call.rendering.templater.outside();
        let text = outside.read("files", path).map_err(|problem| {
            unreachable(format!(
                "{problem}; passwords are read, never made: write the file first"
            ))
        })?;
        let text = text.trim_end();
        let (word, salt) = match text.rsplit_once(" salt=") {
            Some((word, rest)) => {
                let salt = rest.split_once(" ident=").map_or(rest, |(salt, _)| salt);
                (word, Some(salt))
            }
            None => (text, None),
        };
        found.push(Object::from(match encrypt.as_deref() {
            None => word.to_owned(),
            Some(method) => {
                let method = match method {
                    "sha512" | "sha512_crypt" => Method::Sha512,
                    "sha256" | "sha256_crypt" => Method::Sha256,
                    other => {
                        return Err(failed(format!("there is no password hash `{other}`")));
                    }
                };
                let Some(salt) = salt else {
                    return Err(failed(format!("`{path}` holds no salt")));
                };
                password::hash(method, word, salt, None)?
            }
        }));
    }
    Ok(found)
}

fn template(call: &Call<'_>) -> Result<Vec<Object>, Fault> {
    let mut names = Vec::new();
    for (name, value) in &call.options {
        match (name.as_ref(), value) {
            ("template_vars", Object::Map(map)) => {
                for (key, item) in map.items(call.rendering) {
                    names.push((call.rendering.key_text(&key)?.into(), item));
                }
            }
            ("convert_data" | "jinja2_native", _) => {}
            (other, _) => return Err(failed(format!("takes no option `{other}`"))),
        }
    }
    let mut rendered = Vec::new();
    for term in call.texts()? {
        let source = call.rendering.templater.other(&term).map_err(unreachable)?;
        let names = Some(names.clone());
        let text = call
            .rendering
            .deeper(|| call.rendering.file(&source, names))?;
        rendered.push(Object::Text(text));
    }
    Ok(rendered)
}

fn url(call: &Call<'_>) -> Result<Vec<Object>, Fault> {
    let split = call.flag("split_lines", true)?;
    let mut found = Vec::new();
    for term in call.texts()? {
        let outside = call.rendering.templater.outside();
        let text = outside.fetch(&term).map_err(unreachable)?;
        if split {
            found.extend(
                python_text::lines(&text, false)
                    .into_iter()
                    .map(Object::from),
            );
        } else {
            found.push(Object::from(text));
        }
    }
    Ok(found)
}
