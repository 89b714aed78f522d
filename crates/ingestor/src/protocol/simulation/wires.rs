//! What a process's three threads tell each other, as in production.

use std::collections::{BTreeSet, VecDeque};

use super::broker::Record;
use super::disk::Row;
use crate::protocol::{Beginning, Ending, Generation, Lease, Opened, Position, Step};

/// To the topic's thread, from the one that polls.
pub(super) enum Event {
    Assigned(Vec<i32>),
    /// With a ticket for the answer.
    Revoked(Vec<i32>, u64),
    Positioned(i32, Lease),
    Records(Vec<(i32, i64, Record)>),
    OutOfRange,
}

/// To the polling thread.
pub(super) enum Command {
    Seek(Position),
    Commit(Vec<(i32, i64)>),
}

/// To the table's thread.
pub(super) enum Job {
    Open(Vec<i32>),
    /// Make room for so many fields.
    Evolve(usize),
    Push {
        generation: Generation,
        rows: Vec<Row>,
        fields: usize,
    },
    Flush {
        generation: Generation,
        steps: Vec<Step>,
        rows: u64,
    },
}

/// From the table's thread.
pub(super) enum Reply {
    Opened(Vec<Opened>),
    Evolved(usize),
    Flushed(Ending),
}

#[derive(Default)]
pub(super) struct Wires {
    pub(super) events: VecDeque<Event>,
    pub(super) commands: VecDeque<Command>,
    pub(super) jobs: VecDeque<Job>,
    pub(super) replies: VecDeque<Reply>,
    /// Tickets of revocations that were answered.
    pub(super) answered: BTreeSet<u64>,
}

/// A process gives up: what a person must mend.
#[derive(Debug)]
pub(super) struct Failed;

/// The rows with which partitions begin.
pub(super) fn start_rows(beginnings: &[Beginning]) -> Vec<Row> {
    beginnings
        .iter()
        .map(|beginning| Row {
            partition: beginning.app_id.partition,
            epoch: beginning.app_id.epoch,
            start: beginning.at,
            end: beginning.at,
            kind: super::disk::Kind::Start,
        })
        .collect()
}
