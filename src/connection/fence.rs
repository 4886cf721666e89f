//! The fence around what a run changes on a host: the token of the cluster's lock, compared in the same request.
//!
//! A run that has lost the lock does not know it yet. So the highest token that was ever given out stands on each machine,
//! and whoever comes with a lower one is refused there, before anything of the request is run.

use super::ConnError;
use super::framing::{FENCED, Frame};

/// Which lock a run has, and by which token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fence {
    /// The directory on the host that is the lock; its token stands beside it.
    pub path: String,
    /// The run's token.
    pub token: u64,
}

/// `_fence PATH TOKEN`: fails where a higher token than this was given out, and says who has the lock there. What is no
/// number, or too long for one, is no lower token.
pub(crate) const FENCE: &str = r#"_fence() {
_q=0; { read -r _q <"$1.token"; } 2>/dev/null
case ${_q:-0} in
*[!0-9]*) ;;
*) [ "${_q:-0}" -le "$2" ] 2>/dev/null && return 0;;
esac
_q=; { read -r _q <"$1/owner"; } 2>/dev/null
printf %s "$_q"
return 1
}
"#;

/// Reads whether a request was refused.
pub(crate) fn passed(frame: Frame) -> Result<Frame, ConnError> {
    if frame.code != FENCED {
        return Ok(frame);
    }
    let holder = String::from_utf8_lossy(&frame.out).trim().to_owned();
    let nobody = "another run";
    Err(ConnError::Fenced {
        holder: if holder.is_empty() {
            nobody.to_owned()
        } else {
            holder
        },
    })
}
