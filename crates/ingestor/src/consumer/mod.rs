//! The one thread that talks to Kafka: polls, seeks, pauses, answers rebalances, writes offsets back.
//!
//! Here is what it tells the topics' threads, and what they tell it.

mod client;
mod fence;
mod message;
mod poller;
mod rebalance;

use std::collections::BTreeSet;

use crossbeam_channel::Sender;

use crate::chunk::Chunk;
use crate::protocol::{Lease, Position};

pub(crate) use client::{Member, Probe, complaint, connect, probe};
pub(crate) use poller::Poller;
pub(crate) use rebalance::Rebalancer;

/// What a topic's thread is told. In order: records follow the positioning they were fetched under.
pub(crate) enum Event {
    Assigned(Vec<i32>),
    /// Flush what these hold, then answer.
    Revoked(Vec<i32>, Sender<()>),
    Positioned(i32, Lease),
    Records(Chunk),
    /// Kafka no longer has what was next of some partition.
    OutOfRange,
    /// Flush everything and end.
    Stop,
}

/// What this thread is told.
pub(crate) enum Command {
    /// Read these topics too, and tell their threads.
    Read(Vec<(String, Sender<Event>)>),
    /// These are gone, and no others: they are read on once they are there again.
    Leave(BTreeSet<String>),
    Seek {
        topic: String,
        position: Position,
    },
    /// The table has these: for Kafka's tools to show lag.
    Commit {
        topic: String,
        offsets: Vec<(i32, i64)>,
    },
    /// A topic's thread has ended.
    Ended,
}
