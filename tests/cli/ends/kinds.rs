//! By what a run is stopped, and with which exit code it ends then: data, for the runs that show it, and for whoever names
//! the code of a run elsewhere.

pub(crate) const KINDS: &[(&str, u8)] = &[
    ("nothing", 0),
    ("a task", 2),
    ("a gate", 3),
    ("settle", 3),
    ("an approval", 3),
    ("the lock", 5),
    ("what holds a bracket", 7),
];
