//! The commands, one file each.

pub(super) mod apply;
pub(super) mod attach;
pub(super) mod check;
pub(super) mod exec;
pub(super) mod from_hosts;
pub(super) mod init;
pub(super) mod inventory;
pub(super) mod lock;
pub(super) mod manual;
pub(super) mod modules;
pub(super) mod plan;
pub(super) mod report;
pub(super) mod resume;
pub(super) mod runs;
pub(super) mod status;
pub(super) mod vault;
