//! The tests, as in `x is defined`, in files by family.

mod compared;
mod kinds;
mod places;
mod results;
mod versions;

use std::collections::HashMap;
use std::sync::LazyLock;

use super::filters::own_name;
use super::plugin::Plugin;

const FAMILIES: [&[Plugin]; 5] = [
    compared::TESTS,
    kinds::TESTS,
    places::TESTS,
    results::TESTS,
    versions::TESTS,
];

static ALL: LazyLock<HashMap<&'static str, &'static Plugin>> = LazyLock::new(|| {
    let plugins = FAMILIES.iter().flat_map(|family| family.iter());
    plugins.map(|plugin| (plugin.name, plugin)).collect()
});

/// Finds a test by its name, with or without the prefix of its collection.
pub(crate) fn find(name: &str) -> Option<&'static Plugin> {
    ALL.get(&*own_name(name)).copied()
}

/// Returns the names of all tests.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    ALL.keys().copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_tests_have_one_name() {
        let count: usize = FAMILIES.iter().map(|family| family.len()).sum();
        assert_eq!(ALL.len(), count);
        assert_eq!(find("ansible.builtin.version").unwrap().name, "version");
    }
}
