//! Simulators of a database cluster's programs.
//!
//! Each is a whole program with the command line, files, signals, ports and answers of the
//! real one, as far as an upgrade can see them. They are installed under the real names and
//! find out by the name they are called by which one they are ([`run`]). What they do that
//! the real ones cannot: they count what is done to them ([`effects`]), take their behaviour
//! from a file ([`switches`]), and answer under `/_lab/` what they really hold.
//!
//! They never ask who is calling: no answer depends on a test being under way.

pub mod arangod;
pub mod effects;
pub mod files;
pub mod http;
pub mod jwt;
pub mod memsql;
pub mod owned;
pub mod paths;
pub mod program;
pub mod starter;
pub mod switches;
pub mod sync;
pub mod time;
pub mod tls;
pub mod version;

pub use program::{Program, raise_file_limit, run, run_named};
