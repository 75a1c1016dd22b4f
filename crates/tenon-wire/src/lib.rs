//! The language between a device and Tenon: schemas, frames, JSON form and error codes.
//!
//! # Takes and gives
//! Bytes from a connection -> frames and messages; messages -> bytes. The same values as JSON for scripts.
//!
//! # Invariants
//! - A length is checked against its limit before anything is allocated for it.
//! - Error numbers are never reused; each has a page in `docs/errors`.
//! - Who forwards a body never re-encodes it.
//!
//! # Not here
//! Sockets and time (`tenon-gateway`, `tenon-client`), rules (`tenon-core`).

#[allow(
    clippy::all,
    clippy::pedantic,
    clippy::disallowed_methods,
    missing_docs,
    unreachable_pub,
    rustdoc::all,
    reason = "generated from proto/"
)]
pub mod v1 {
    include!(concat!(env!("OUT_DIR"), "/tenon.v1.rs"));
    include!(concat!(env!("OUT_DIR"), "/tenon.v1.serde.rs"));
}
