//! The testkit against the real servers.

mod ask;
mod prometheus;
mod servers;
mod stack;
mod unattended;
