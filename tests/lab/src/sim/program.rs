//! Which program this is: by the name it is called by, or by the first argument.

use rustix::process::{Resource, getrlimit, setrlimit};

use super::effects::eprint_line;
use super::{arangod, memsql, owned, starter, sync};

/// One of the simulated programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Program {
    /// The database server.
    Arangod,
    /// The starter.
    Arangodb,
    /// The replication between clusters.
    Arangosync,
    /// A MemSQL server.
    Memsqld,
    /// What runs MemSQL servers.
    MemsqlOps,
}

impl Program {
    /// Returns the program that a file name or path names.
    pub fn named(name: &str) -> Option<Self> {
        match name.rsplit('/').next().unwrap_or(name) {
            "arangod" => Some(Self::Arangod),
            "arangodb" => Some(Self::Arangodb),
            "arangosync" => Some(Self::Arangosync),
            "memsqld" => Some(Self::Memsqld),
            "memsql-ops" => Some(Self::MemsqlOps),
            _ => None,
        }
    }
}

/// Runs a program with the arguments after its name; returns its exit code.
pub fn run(program: Program, name: &str, args: &[String]) -> u8 {
    raise_file_limit();
    owned::end_with_owner();
    match program {
        Program::Arangod => arangod::main(name, args),
        Program::Arangodb => starter::main(name, args),
        Program::Arangosync => sync::main(name, args),
        Program::Memsqld => memsql::server::main(name, args),
        Program::MemsqlOps => memsql::ops::main(name, args),
    }
}

/// Lets this process open as many files as it may: every stalled request holds some.
pub fn raise_file_limit() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    // With fewer it still runs, only not as far.
    setrlimit(Resource::Nofile, limit).ok();
}

/// Runs the program that the first argument names, as `lab sim NAME ARGUMENTS` does.
pub fn run_named(args: &[String]) -> u8 {
    let Some((name, rest)) = args.split_first() else {
        eprint_line("usage: lab sim arangod|arangodb|arangosync|memsqld|memsql-ops ARGUMENTS");
        return 2;
    };
    if let Some(program) = Program::named(name) {
        run(program, name, rest)
    } else {
        eprint_line(&format!("lab: there is no simulator of `{name}`"));
        2
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_found_by_their_file_name() {
        for (name, program) in [
            ("arangod", Some(Program::Arangod)),
            ("/usr/sbin/arangod", Some(Program::Arangod)),
            ("/usr/bin/arangodb", Some(Program::Arangodb)),
            ("arangosync", Some(Program::Arangosync)),
            (
                "/var/lib/memsql/leaf-3307-0669D57/memsqld",
                Some(Program::Memsqld),
            ),
            ("memsql-ops", Some(Program::MemsqlOps)),
            ("lab", None),
            ("arangosh", None),
        ] {
            assert_eq!(Program::named(name), program, "{name}");
        }
    }
}
