//! All tables under their names.

use std::collections::BTreeMap;

use super::ModuleSpec;

/// The tables of all modules, found by any of their names.
#[derive(Debug, Clone, Default)]
pub struct Specs {
    tables: BTreeMap<&'static str, &'static ModuleSpec>,
}

impl Specs {
    /// Returns a table by its module's name, with or without `ansible.builtin.`.
    pub fn find(&self, name: &str) -> Option<&'static ModuleSpec> {
        self.tables.get(builtin_name(name)).copied()
    }

    /// Returns all names, also the other names of a module.
    pub fn names(&self) -> impl Iterator<Item = &'static str> + '_ {
        self.tables.keys().copied()
    }
}

impl FromIterator<&'static ModuleSpec> for Specs {
    fn from_iter<T: IntoIterator<Item = &'static ModuleSpec>>(tables: T) -> Self {
        let mut by_name = BTreeMap::new();
        for table in tables {
            by_name.insert(table.name, table);
            for name in table.aliases {
                by_name.insert(name, table);
            }
        }
        Self { tables: by_name }
    }
}

/// Returns a name without `ansible.builtin.` or `ansible.legacy.`.
pub fn builtin_name(name: &str) -> &str {
    name.strip_prefix("ansible.builtin.")
        .or_else(|| name.strip_prefix("ansible.legacy."))
        .unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    static SYSTEMD: ModuleSpec = ModuleSpec {
        name: "systemd",
        aliases: &["service"],
        ..ModuleSpec::EMPTY
    };

    #[test]
    fn a_table_is_found_by_each_of_its_names() {
        let specs: Specs = [&SYSTEMD].into_iter().collect();
        for name in [
            "systemd",
            "service",
            "ansible.builtin.service",
            "ansible.legacy.systemd",
        ] {
            assert_eq!(
                specs.find(name).map(|spec| spec.name),
                Some("systemd"),
                "{name}"
            );
        }
        assert!(specs.find("community.general.systemd").is_none());
        assert_eq!(specs.names().collect::<Vec<_>>(), ["service", "systemd"]);
    }
}
