//! The MySQL wire protocol as a 5.x server speaks it: packets, greeting, text results, errors
//! of any number.
//!
//! Written by hand: the servers that can be had as libraries know only MySQL's own error
//! numbers and offer abilities that a 5.5 protocol does not have. [`server`] answers,
//! [`client`] asks; servers of a cluster talk with each other through the same two.

pub mod auth;
pub mod client;
pub mod packet;
pub mod server;

pub use client::{Client, ClientError, Login};
pub use packet::{Cell, Rows};
pub use server::{Answer, Conversation, Fault, Greeting, Peer, Tls};
