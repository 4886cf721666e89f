//! HTTP as the simulators speak it: one message type each way, a server and a client.
//!
//! What a broken connection means is exact: refused, sent, or answered. So the client opens a
//! connection for each request, except for a [`Call::kept`], which may go over one that has
//! answered before; [`kept`] says how that stays exact.

pub mod client;
pub mod kept;
pub mod message;
pub mod server;
pub mod target;

pub use client::{Call, CallError, Reply, call};
pub use message::{Request, Response};
pub use server::{Door, Service, bind};
pub use target::Target;
