//! The load client and the oracle: what an upgrade looks like from outside.
