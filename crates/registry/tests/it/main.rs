//! The client against the embedded registry, the real one, and servers that misbehave.

mod embedded;
mod secured;
mod shared;
mod trouble;
