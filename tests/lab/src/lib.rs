//! The lab: what stands in for the outside world when stagger is tried.
//!
//! - [`fleet`]: hosts with a real systemd, a real sshd and addresses of their own, booted on
//!   this machine, with faults, and taken down so that nothing is left.
//! - [`cli`]: what a person types.
//! - [`packages`]: Debian packages to be installed on them.
//! - `relay`: a slow or lossy piece of cable.
//! - [`command`], [`clock`], [`files`]: the one place each that starts a program, waits, and
//!   touches the lab's own files.
//!
//! Nothing in here is part of the product, and nothing in here is linked with it: the product
//! is a program that is started like any other.

pub mod cli;
pub mod clock;
pub mod command;
pub mod files;
pub mod fleet;
pub mod packages;
#[cfg(target_os = "linux")]
pub mod relay;
