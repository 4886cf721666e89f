//! The filters, in files by family; the table is made of the families' tables.
//!
//! A new filter is one line in its family's table and one function. Quoting for a language of queries gets a file of
//! its own.

mod data;
mod encode;
mod lists;
mod maps;
mod net;
mod numbers;
mod paths;
mod regex;
mod select;
mod sets;
mod text;
mod time;
mod values;
mod words;

use std::collections::HashMap;
use std::sync::LazyLock;

use super::plugin::Plugin;

const FAMILIES: [&[Plugin]; 14] = [
    data::FILTERS,
    encode::FILTERS,
    lists::FILTERS,
    maps::FILTERS,
    net::FILTERS,
    numbers::FILTERS,
    paths::FILTERS,
    regex::FILTERS,
    select::FILTERS,
    sets::FILTERS,
    text::FILTERS,
    time::FILTERS,
    values::FILTERS,
    words::FILTERS,
];

/// The collections whose filters, tests and lookups are known without their prefix.
pub(crate) const COLLECTIONS: [&str; 5] = [
    "ansible.builtin.",
    "ansible.legacy.",
    "ansible.utils.",
    "ansible.netcommon.",
    "community.general.",
];

static ALL: LazyLock<HashMap<&'static str, &'static Plugin>> = LazyLock::new(|| {
    let plugins = FAMILIES.iter().flat_map(|family| family.iter());
    plugins.map(|plugin| (plugin.name, plugin)).collect()
});

/// Finds a filter by its name, with or without the prefix of its collection.
pub(crate) fn find(name: &str) -> Option<&'static Plugin> {
    ALL.get(&*own_name(name)).copied()
}

/// Returns the names of all filters.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    ALL.keys().copied()
}

/// Takes the prefix of a collection off a name.
pub(crate) fn own_name(name: &str) -> std::borrow::Cow<'_, str> {
    let cut = |name: &str| {
        COLLECTIONS
            .iter()
            .find_map(|prefix| name.strip_prefix(prefix))
            .map_or(0, |own| name.len() - own.len())
    };
    if name.contains(char::is_whitespace) {
        let joined: String = name.split_whitespace().collect();
        let at = cut(&joined);
        joined.get(at..).unwrap_or_default().to_owned().into()
    } else {
        name.get(cut(name)..).unwrap_or_default().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_filters_have_one_name() {
        let count: usize = FAMILIES.iter().map(|family| family.len()).sum();
        assert_eq!(ALL.len(), count);
    }

    #[test]
    fn names_are_known_with_and_without_their_collection() {
        for name in [
            "to_json",
            "ansible.builtin.to_json",
            "ansible . builtin . to_json",
        ] {
            assert_eq!(find(name).unwrap().name, "to_json");
        }
        assert!(find("my.own.to_json").is_none());
        assert_eq!(find("ansible.utils.ipaddr").unwrap().name, "ipaddr");
    }
}
