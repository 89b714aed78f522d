//! The testkit against the real servers.

mod ask;
mod servers;
mod stack;
mod unattended;
