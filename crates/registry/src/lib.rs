//! Schema Registry client, wire framing, and an embedded registry for the demo and tests.
//!
//! The protocol is the Confluent Schema Registry's HTTP API; [`Client`] speaks it, and
//! [`embedded::Embedded`] answers it in process.

mod client;
pub mod embedded;
mod error;
pub mod framing;
mod retry;
mod schema;
mod wire;

pub use client::{Access, Client};
pub use error::{Error, Result};
pub use schema::{Compatibility, Schema, SchemaType, SubjectVersion};
