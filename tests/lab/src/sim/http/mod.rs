//! HTTP as the simulators speak it: one message type each way, a server and a client.
//!
//! The client opens a connection for each request. That costs little here and keeps what a
//! broken connection means exact: refused, sent, or answered.

pub mod client;
pub mod message;
pub mod server;
pub mod target;

pub use client::{Call, CallError, Reply, call};
pub use message::{Request, Response};
pub use server::{Door, Service, bind};
pub use target::Target;
