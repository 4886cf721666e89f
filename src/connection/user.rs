//! As whom something runs on a host.

use crate::secrets::Secret;

/// The program that changes the user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BecomeMethod {
    /// `sudo`, with or without password.
    Sudo,
    /// `su`, which needs the target user's password unless root calls it.
    Su,
    /// `doas`.
    Doas,
}

/// As whom something runs, if not as the login user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Become {
    /// The program.
    pub method: BecomeMethod,
    /// The user to become.
    pub user: String,
    /// The password, sent only when it is asked for, and only once.
    pub password: Option<Secret>,
    /// Another path of the program.
    pub exe: Option<String>,
    /// Further arguments of the program.
    pub flags: Vec<String>,
}
