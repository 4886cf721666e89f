//! A stream as `ureq` wants it: a connector that hands out one stream, and a transport over it.
//!
//! By ureq's unversioned interface, so its version is pinned.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use ureq::Error;
use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{
    Buffers, ConnectionDetails, Connector, LazyBuffers, NextTimeout, Transport,
};

use crate::connection::Stream;

/// A connector that hands out the stream that was opened for the request, once.
#[derive(Debug)]
pub(super) struct Given {
    stream: Mutex<Option<Box<dyn Stream>>>,
}

impl Given {
    /// Takes the stream.
    pub(super) fn new(stream: Box<dyn Stream>) -> Self {
        Self {
            stream: Mutex::new(Some(stream)),
        }
    }
}

impl Connector for Given {
    type Out = Through;

    fn connect(
        &self,
        details: &ConnectionDetails<'_>,
        _: Option<()>,
    ) -> Result<Option<Through>, Error> {
        let stream = self
            .stream
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let stream =
            stream.ok_or_else(|| Error::Io(io::Error::other("the stream was used before")))?;
        let buffers = LazyBuffers::new(
            details.config.input_buffer_size(),
            details.config.output_buffer_size(),
        );
        Ok(Some(Through {
            stream: Mutex::new(stream),
            buffers,
            open: true,
        }))
    }
}

/// The last link of the chain: what comes here is connected, with its TLS if there is any.
#[derive(Debug)]
pub(super) struct Ready(pub(super) Arc<AtomicBool>);

impl<In: Transport> Connector<In> for Ready {
    type Out = In;

    fn connect(&self, _: &ConnectionDetails<'_>, chained: Option<In>) -> Result<Option<In>, Error> {
        self.0.store(chained.is_some(), Ordering::Relaxed);
        Ok(chained)
    }
}

/// A stream as the library wants it. The stream itself keeps the deadline that it was opened with.
pub(super) struct Through {
    stream: Mutex<Box<dyn Stream>>,
    buffers: LazyBuffers,
    open: bool,
}

impl std::fmt::Debug for Through {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Through")
            .field("open", &self.open)
            .finish_non_exhaustive()
    }
}

impl Transport for Through {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        let stream = self
            .stream
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner);
        let output = self.buffers.output().get(..amount).unwrap_or_default();
        stream
            .write_all(output)
            .and_then(|()| stream.flush())
            .map_err(|error| late(error, timeout))
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        let stream = self
            .stream
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner);
        let input = self.buffers.input_append_buf();
        let amount = stream.read(input).map_err(|error| late(error, timeout))?;
        self.buffers.input_appended(amount);
        self.open = amount > 0;
        Ok(amount > 0)
    }

    fn is_open(&mut self) -> bool {
        self.open
    }
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "of all kinds of errors only those of time are told apart"
)]
fn late(error: io::Error, timeout: NextTimeout) -> Error {
    match error.kind() {
        io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => Error::Timeout(timeout.reason),
        _ => Error::Io(error),
    }
}

/// Names are resolved where the stream was opened.
#[derive(Debug)]
pub(super) struct Unresolved;

impl Resolver for Unresolved {
    fn resolve(&self, _: &Uri, _: &Config, _: NextTimeout) -> Result<ResolvedSocketAddrs, Error> {
        let mut addresses = self.empty();
        addresses.push(SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0));
        Ok(addresses)
    }
}
