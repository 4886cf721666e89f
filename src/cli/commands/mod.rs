//! The commands, one file each.

pub(super) mod check;
pub(super) mod init;
pub(super) mod inventory;
pub(super) mod manual;
pub(super) mod modules;
