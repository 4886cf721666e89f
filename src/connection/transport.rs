//! The seam below the shells: channels that run a command and carry bytes, over SSH or on the machine itself.
//!
//! Non-blocking but for [`Transport::wait`]: whoever uses a channel reads both of its streams and writes as much as it
//! takes, so that neither side ever waits for the other. Used by `shells` alone.

use std::fmt::Debug;
use std::time::Duration;

use super::framing::Source;
use super::waiting::Waiting;
use super::{ConnError, End, Endpoint, Stream};

/// A channel of a transport.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ChannelId(pub(crate) u32);

/// What a read got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Got {
    /// So many bytes.
    Bytes(usize),
    /// Nothing yet.
    Pending,
    /// The other side has closed this stream.
    Closed,
}

/// The session itself is gone, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Broken(pub(crate) String);

/// A session that runs commands on channels.
pub(crate) trait Transport: Send + Debug {
    /// Returns the host as dialled, for messages.
    fn host(&self) -> &str;

    /// Tells whether there is a session, as far as is known without asking the other side.
    fn is_open(&self) -> bool;

    /// Opens a session, if there is none. An error here means that nothing was run.
    fn open(&mut self, waiting: &Waiting<'_>) -> Result<(), ConnError>;

    /// Runs a command by the login user's shell, on a channel of its own.
    fn start(&mut self, command: &str, waiting: &Waiting<'_>) -> Result<ChannelId, ConnError>;

    /// Reads what has come.
    fn read(&mut self, id: ChannelId, source: Source, buffer: &mut [u8]) -> Result<Got, Broken>;

    /// Writes as much as fits now, which may be nothing.
    fn write(&mut self, id: ChannelId, bytes: &[u8]) -> Result<usize, Broken>;

    /// Closes the command's input; false when that must be tried again.
    fn finish(&mut self, id: ChannelId) -> Result<bool, Broken>;

    /// Returns how the command ended, if it has and if that is known.
    fn ended(&mut self, id: ChannelId) -> Option<End>;

    /// Blocks until something may have come on a channel, or may be written if `writing`.
    fn wait(&mut self, id: ChannelId, writing: bool, at_most: Duration) -> Result<(), Broken>;

    /// Gives a channel up; what it runs sees its input close.
    fn close(&mut self, id: ChannelId);

    /// Ends the session at once, without waiting for the other side.
    fn abandon(&mut self);

    /// Opens a stream to an endpoint that the host reaches.
    fn stream(
        &mut self,
        to: &Endpoint,
        waiting: &Waiting<'_>,
    ) -> Result<Box<dyn Stream>, ConnError>;

    /// Opens a stream for one exchange, beside which nothing is asked of the host; it need not have a socket.
    ///
    /// [`ConnError::Lost`] means that the session turned out to be gone before anything was sent.
    fn brief_stream(
        &mut self,
        to: &Endpoint,
        waiting: &Waiting<'_>,
    ) -> Result<Box<dyn Stream>, ConnError> {
        self.stream(to, waiting)
    }

    /// Opens what streams go through, if it is not open.
    fn ready_streams(&mut self, _waiting: &Waiting<'_>) -> Result<(), ConnError> {
        Ok(())
    }
}
