//! The thread that decodes, as `worker/` has it.

use std::collections::{BTreeMap, VecDeque};

use super::broker::Record;
use super::disk::{Kind, Row};
use super::wires::{Command, Event, Job, Reply, Wires};
use super::{Broken, World};
use crate::protocol::{Ending, Lease, Offered, Position, Topic};

/// A flush is due after so many ms or rows; a batch goes to the table's thread at so many rows.
const INTERVAL: u64 = 1000;
const FULL: u64 = 8;
const BATCH: usize = 3;

pub(super) struct Worker {
    topic: Topic,
    /// Decoded, and not yet on their way to the table.
    rows: Vec<Row>,
    /// Of the flush to come, on their way.
    sent: u64,
    since: Option<u64>,
    /// How many fields its columns have.
    fields: usize,
    /// An assignment or revocation that waits until everything read is settled.
    settling: Option<Event>,
    /// What is left of the chunk at hand.
    chunk: VecDeque<(i32, i64, Record)>,
    evolving: bool,
    /// Of the positions last asked for.
    leases: BTreeMap<i32, Lease>,
    /// Answers that came while another was waited for.
    answers: VecDeque<Reply>,
}

impl Worker {
    pub(super) fn new() -> Self {
        Self {
            topic: Topic::new("c", "t"),
            rows: Vec::new(),
            sent: 0,
            since: None,
            fields: 0,
            settling: None,
            chunk: VecDeque::new(),
            evolving: false,
            leases: BTreeMap::new(),
            answers: VecDeque::new(),
        }
    }

    pub(super) fn step(&mut self, who: usize, world: &mut World, wires: &mut Wires) {
        if self.evolving {
            match wires.replies.pop_front() {
                Some(Reply::Evolved(fields)) => {
                    world.count("evolutions");
                    self.send(wires);
                    self.fields = fields;
                    self.evolving = false;
                    self.take(world, wires);
                }
                Some(other) => self.answers.push_back(other),
                None => {}
            }
            return;
        }
        let reply = match self.answers.pop_front() {
            Some(reply) => Some(reply),
            None => wires.replies.pop_front(),
        };
        if let Some(reply) = reply {
            self.heed(who, reply, world, wires);
            return;
        }
        if let Some(event) = self.settling.take() {
            if self.topic.is_flying() {
                self.settling = Some(event);
            } else if self.topic.is_settled() || world.broken == Broken::Settle {
                self.settled(who, event, world, wires);
            } else {
                self.flush(who, world, wires);
                self.settling = Some(event);
            }
            return;
        }
        let full = self.sent + self.rows.len() as u64 >= FULL;
        let due = |since| full || world.now >= since + INTERVAL;
        if !self.topic.is_flying() && self.since.is_some_and(due) {
            self.flush(who, world, wires);
        }
        match wires.events.pop_front() {
            Some(Event::Records(chunk)) => {
                self.chunk = chunk.into();
                self.take(world, wires);
            }
            Some(Event::Positioned(partition, lease)) => {
                let lease = match self.leases.get(&partition) {
                    Some(newest) if world.broken == Broken::Lease => *newest,
                    _ => lease,
                };
                self.topic.positioned(partition, lease);
            }
            Some(Event::Assigned(partitions)) => {
                let mut owned = partitions.iter();
                if owned.any(|partition| self.topic.partition(*partition).is_some()) {
                    self.settling = Some(Event::Assigned(partitions));
                } else {
                    self.settled(who, Event::Assigned(partitions), world, wires);
                }
            }
            Some(event) => self.settling = Some(event),
            None => {}
        }
    }

    /// What waited until everything read was settled.
    fn settled(&mut self, who: usize, event: Event, world: &mut World, wires: &mut Wires) {
        match event {
            Event::Assigned(partitions) => {
                for partition in &partitions {
                    self.topic.assign(*partition);
                }
                wires.jobs.push_back(Job::Open(partitions));
            }
            Event::Revoked(partitions, ticket) => {
                world.note(|| format!("{who} has settled and gives {partitions:?} back"));
                for partition in partitions {
                    self.topic.revoke(partition);
                }
                wires.answered.insert(ticket);
            }
            Event::OutOfRange => {
                let partitions = self.topic.reopen();
                if !partitions.is_empty() {
                    wires.jobs.push_back(Job::Open(partitions));
                }
            }
            Event::Positioned(..) | Event::Records(_) => {
                unreachable!("only changes of the assignment wait")
            }
        }
    }

    fn take(&mut self, world: &mut World, wires: &mut Wires) {
        while let Some((number, offset, record)) = self.chunk.front().copied() {
            if !record.bad && record.fields > self.fields {
                wires.jobs.push_back(Job::Evolve(record.fields));
                self.evolving = true;
                return;
            }
            self.chunk.pop_front();
            let Some(partition) = self.topic.partition(number) else {
                continue;
            };
            let Offered::Next { gap } = partition.offer(offset) else {
                continue;
            };
            let epoch = partition.epoch().expect("it is being read");
            partition.count(!record.bad);
            let row = |start, end, kind| Row {
                partition: number,
                epoch,
                start,
                end,
                kind,
            };
            if !gap.is_empty() {
                self.rows.push(row(gap.start, gap.end, Kind::Skipped));
            }
            let kind = if record.bad {
                Kind::Bad(record.id)
            } else {
                Kind::Good(record.id)
            };
            self.rows.push(row(offset, offset + 1, kind));
            self.since.get_or_insert(world.now);
            if self.rows.len() >= BATCH {
                self.send(wires);
            }
        }
    }

    fn send(&mut self, wires: &mut Wires) {
        if self.rows.is_empty() {
            return;
        }
        let rows = std::mem::take(&mut self.rows);
        self.sent += rows.len() as u64;
        wires.jobs.push_back(Job::Push {
            generation: self.topic.generation(),
            rows,
            fields: self.fields,
        });
    }

    fn flush(&mut self, who: usize, world: &mut World, wires: &mut Wires) {
        let steps = self.topic.take();
        self.send(wires);
        self.since = None;
        let rows = std::mem::take(&mut self.sent);
        if steps.is_empty() {
            return;
        }
        world.note(|| {
            let ranges: Vec<_> = steps
                .iter()
                .map(|step| format!("{} {}–{}", step.app_id, step.range.start, step.range.end))
                .collect();
            format!("{who} flushes {}", ranges.join(", "))
        });
        wires.jobs.push_back(Job::Flush {
            generation: self.topic.generation(),
            steps,
            rows,
        });
    }

    fn heed(&mut self, who: usize, reply: Reply, world: &mut World, wires: &mut Wires) {
        let mut seek = |wires: &mut Wires, position: Position| {
            self.leases.insert(position.partition, position.lease);
            wires.commands.push_back(Command::Seek(position));
        };
        match reply {
            Reply::Opened(opened) => {
                for at in opened {
                    let Some(position) =
                        self.topic
                            .resume(at.partition, at.epoch, at.stored, at.lost)
                    else {
                        continue;
                    };
                    world.note(|| format!("{who} opens {at:?}"));
                    if !at.lost.is_empty() {
                        world.count("losses to retention");
                        self.rows.push(Row {
                            partition: at.partition,
                            epoch: at.epoch,
                            start: at.lost.start,
                            end: at.lost.end,
                            kind: Kind::Lost,
                        });
                        self.since.get_or_insert(world.now);
                    }
                    seek(wires, position);
                }
            }
            Reply::Flushed(Ending::Committed) => {
                world.count("flushes");
                let offsets = self.topic.committed();
                wires.commands.push_back(Command::Commit(offsets));
            }
            Reply::Flushed(Ending::Abandoned { stored }) => {
                world.note(|| format!("{who} gives its flush up; the table is at {stored:?}"));
                world.count("flushes given up");
                let back = self.topic.abandoned(&stored);
                self.rows.clear();
                self.sent = 0;
                self.since = None;
                for position in back.positions {
                    seek(wires, position);
                }
                if !back.open.is_empty() {
                    wires.jobs.push_back(Job::Open(back.open));
                }
            }
            Reply::Evolved(_) => {
                unreachable!("new columns are waited for where they are asked for")
            }
        }
    }
}
