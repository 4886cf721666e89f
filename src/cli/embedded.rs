//! The roles, templates and example inventories inside the binary, so that one file on the bastion is enough.

include!(concat!(env!("OUT_DIR"), "/embedded.rs"));

/// Returns the content of an embedded file by its path below the top level, such as `roles/arangodb/upgrade.yml`.
pub(super) fn read(path: &str) -> Option<&'static [u8]> {
    FILES
        .binary_search_by_key(&path, |(name, _)| *name)
        .ok()
        .and_then(|index| FILES.get(index))
        .map(|(_, content)| *content)
}

/// Returns the paths of the embedded files below a directory.
pub(super) fn below(directory: &str) -> impl Iterator<Item = &'static str> {
    let prefix = format!("{}/", directory.trim_end_matches('/'));
    FILES
        .iter()
        .map(|(path, _)| *path)
        .filter(move |path| path.starts_with(&prefix))
}
