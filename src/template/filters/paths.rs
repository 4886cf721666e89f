//! Filters for paths. Nothing here looks at a disk, but `fileglob`, which asks through `Outside`.

use super::super::arguments::Bound;
use super::super::failure::{Fault, failed};
use super::super::object::Object;
use super::super::plugin::Plugin;
use super::super::rendering::Rendering;

pub(super) const FILTERS: &[Plugin] = &[
    Plugin::new("basename", &["path"], 1, |r, b| {
        let path = b.printed(r, 0)?;
        Ok(Object::from(split(&path).1))
    }),
    Plugin::new("commonpath", &["paths"], 1, commonpath),
    Plugin::new("dirname", &["path"], 1, |r, b| {
        let path = b.printed(r, 0)?;
        Ok(Object::from(split(&path).0))
    }),
    Plugin::new("expanduser", &["path"], 1, |r, b| {
        let path = b.printed(r, 0)?;
        let home = r.templater.outside().env("HOME");
        Ok(match (path.strip_prefix('~'), home) {
            (Some(rest), Some(home)) if rest.is_empty() || rest.starts_with('/') => {
                Object::from(home.trim_end_matches('/').to_owned() + rest)
            }
            _ => Object::from(path),
        })
    }),
    Plugin::new("expandvars", &["path"], 1, expandvars),
    Plugin::new("fileglob", &["pathname"], 1, |r, b| {
        let found = r.templater.outside().glob("files", &b.need_text(0)?);
        Ok(Object::list(found.into_iter().map(Object::from).collect()))
    }),
    Plugin::new("normpath", &["path"], 1, |r, b| {
        Ok(Object::from(normal(&b.printed(r, 0)?)))
    }),
    Plugin::new("path_join", &["paths"], 1, |r, b| {
        let value = b.value();
        if value.as_text().is_some() {
            return Ok(value);
        }
        let mut joined = String::new();
        for part in r.present(&value)? {
            let Some(part) = part.as_text() else {
                return Err(failed(format!("joins texts, not {}", part.described())));
            };
            join(&mut joined, part);
        }
        Ok(Object::from(joined))
    }),
    Plugin::new("relpath", &["path", "start"], 2, |r, b| {
        let (path, start) = (normal(&b.printed(r, 0)?), normal(&b.printed(r, 1)?));
        if path.starts_with('/') != start.starts_with('/') {
            return Err(failed("both paths must be absolute, or both relative"));
        }
        Ok(Object::from(relative(&path, &start)))
    }),
    Plugin::new("splitext", &["path"], 1, |r, b| {
        let path = b.printed(r, 0)?;
        let (root, extension) = split_extension(&path);
        Ok(Object::list(vec![
            Object::from(root),
            Object::from(extension),
        ]))
    }),
    Plugin::new("win_basename", &["path"], 1, |r, b| {
        let path = b.printed(r, 0)?;
        let last = path.rsplit(['\\', '/']).next().unwrap_or_default();
        Ok(Object::from(last))
    }),
    Plugin::new("win_dirname", &["path"], 1, |r, b| {
        let path = b.printed(r, 0)?;
        let drive = if path.chars().nth(1) == Some(':') {
            2
        } else {
            0
        };
        let (drive, rest) = path.split_at_checked(drive).unwrap_or(("", &path));
        let end = rest.rfind(['\\', '/']).map_or(0, |at| at + 1);
        let head = rest.get(..end).unwrap_or_default();
        let trimmed = head.trim_end_matches(['\\', '/']);
        let head = if trimmed.is_empty() { head } else { trimmed };
        Ok(Object::from(drive.to_owned() + head))
    }),
    Plugin::new("win_splitdrive", &["path"], 1, |r, b| {
        let path = b.printed(r, 0)?;
        let drive = if path.chars().nth(1) == Some(':') {
            2
        } else {
            0
        };
        let (drive, rest) = path.split_at_checked(drive).unwrap_or(("", &path));
        Ok(Object::list(vec![Object::from(drive), Object::from(rest)]))
    }),
];

/// Splits a path into its directory and its last part.
fn split(path: &str) -> (&str, &str) {
    let at = path.rfind('/').map_or(0, |at| at + 1);
    let (head, tail) = path.split_at(at);
    let trimmed = head.trim_end_matches('/');
    (if trimmed.is_empty() { head } else { trimmed }, tail)
}

/// Splits the extension off a path; leading points belong to the name.
fn split_extension(path: &str) -> (&str, &str) {
    let name = path.rfind('/').map_or(0, |at| at + 1);
    let own = path.get(name..).unwrap_or_default();
    let lead = own.len() - own.trim_start_matches('.').len();
    match own.get(lead..).and_then(|rest| rest.rfind('.')) {
        Some(at) => path.split_at(name + lead + at),
        None => (path, ""),
    }
}

fn join(joined: &mut String, part: &str) {
    if part.starts_with('/') {
        part.clone_into(joined);
        return;
    }
    if !joined.is_empty() && !joined.ends_with('/') {
        joined.push('/');
    }
    joined.push_str(part);
}

fn normal(path: &str) -> String {
    let root = match path.len() - path.trim_start_matches('/').len() {
        0 => "",
        2 => "//",
        _ => "/",
    };
    let mut parts: Vec<&str> = Vec::new();
    for part in path
        .split('/')
        .filter(|part| !part.is_empty() && *part != ".")
    {
        if part != ".." || (root.is_empty() && parts.last().is_none_or(|last| *last == "..")) {
            parts.push(part);
        } else {
            parts.pop();
        }
    }
    let joined = root.to_owned() + &parts.join("/");
    if joined.is_empty() {
        ".".to_owned()
    } else {
        joined
    }
}

fn relative(path: &str, start: &str) -> String {
    let parts = |path: &str| -> Vec<String> {
        let own = path
            .split('/')
            .filter(|part| !part.is_empty() && *part != ".");
        own.map(str::to_owned).collect()
    };
    let (path, start) = (parts(path), parts(start));
    let common = path.iter().zip(&start).take_while(|(a, b)| a == b).count();
    let up = std::iter::repeat_n("..", start.len() - common);
    let down = path.iter().skip(common).map(String::as_str);
    let joined = up.chain(down).collect::<Vec<_>>().join("/");
    if joined.is_empty() {
        ".".to_owned()
    } else {
        joined
    }
}

fn commonpath(rendering: &Rendering, bound: &Bound) -> Result<Object, Fault> {
    let mut common: Option<(bool, Vec<String>)> = None;
    for path in rendering.present(&bound.value())? {
        let path = rendering.print(&path)?;
        let absolute = path.starts_with('/');
        let parts = path
            .split('/')
            .filter(|part| !part.is_empty() && *part != ".");
        let parts: Vec<String> = parts.map(str::to_owned).collect();
        common = Some(match common {
            None => (absolute, parts),
            Some((own, _)) if own != absolute => {
                return Err(failed("absolute and relative paths have nothing in common"));
            }
            Some((own, before)) => {
                let same = before.iter().zip(&parts).take_while(|(a, b)| a == b);
                (own, same.map(|(part, _)| part.clone()).collect())
            }
        });
    }
    let (absolute, parts) = common.ok_or_else(|| failed("the list of paths is empty"))?;
    let root = if absolute { "/" } else { "" };
    Ok(Object::from(root.to_owned() + &parts.join("/")))
}

fn expandvars(rendering: &Rendering, bound: &Bound) -> Result<Object, Fault> {
    let path = bound.printed(rendering, 0)?;
    let mut out = String::new();
    let mut rest = path.as_str();
    while let Some((before, after)) = rest.split_once('$') {
        out.push_str(before);
        let braced = after
            .strip_prefix('{')
            .and_then(|inner| inner.split_once('}'));
        let end = after
            .find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
            .unwrap_or(after.len());
        let (name, next) = braced.unwrap_or_else(|| after.split_at(end));
        match rendering.templater.outside().env(name) {
            Some(value) if !name.is_empty() => {
                out.push_str(&value);
                rest = next;
            }
            _ => {
                out.push('$');
                rest = after;
            }
        }
    }
    out.push_str(rest);
    Ok(Object::from(out))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_taken_apart_as_python_does() {
        assert_eq!(split("/a/b"), ("/a", "b"));
        assert_eq!(split("/a/b/"), ("/a/b", ""));
        assert_eq!(split("/a"), ("/", "a"));
        assert_eq!(split("a"), ("", "a"));
        assert_eq!(split_extension("/a.b/c.tar.gz"), ("/a.b/c.tar", ".gz"));
        assert_eq!(split_extension("/a/.profile"), ("/a/.profile", ""));
        assert_eq!(normal("/a/./b/../c//d/"), "/a/c/d");
        assert_eq!(normal("../a/.."), "..");
        assert_eq!(normal("/../a"), "/a");
        assert_eq!(normal(""), ".");
        assert_eq!(relative("/a/b/c", "/a/d"), "../b/c");
        assert_eq!(relative("/a", "/a"), ".");
    }
}
