//! The client against the embedded registry, the real one, and servers that misbehave.

mod embedded;
mod shared;
mod trouble;
