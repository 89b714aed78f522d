//! The thread that talks to the broker, as `consumer/poller.rs` and `consumer/rebalance.rs` have it.

use std::collections::BTreeMap;

use super::broker::{Fetched, Notice, Record};
use super::wires::{Command, Event, Wires};
use super::{Broken, World};
use crate::protocol::Position;

/// How long a rebalance waits for the flush of what is revoked, in ms.
const PATIENCE: u64 = 20_000;
const CHUNK: usize = 6;

/// A revocation that waits for the topic's thread.
struct Revocation {
    ticket: u64,
    deadline: u64,
    fetched: Vec<i32>,
}

#[derive(Default)]
pub(super) struct Poller {
    /// By partition: whether it is being fetched.
    assigned: BTreeMap<i32, bool>,
    /// The consumer's positions.
    positions: BTreeMap<i32, i64>,
    seeks: Vec<Position>,
    chunk: Vec<(i32, i64, Record)>,
    revocation: Option<Revocation>,
    tickets: u64,
    next_alarm: u64,
}

impl Poller {
    pub(super) fn step(&mut self, who: usize, world: &mut World, wires: &mut Wires) {
        if let Some(revocation) = &self.revocation {
            let in_time = wires.answered.contains(&revocation.ticket);
            if in_time || world.now > revocation.deadline {
                if !in_time {
                    world.count("revocations without patience");
                }
                for partition in &revocation.fetched {
                    self.positions.remove(partition);
                }
                self.revocation = None;
            }
            return;
        }
        self.obey(world, wires);
        let hears = world.dice.chance(50);
        match world.broker.poll(who, world.now, hears) {
            Some(Notice::Assign(partitions)) => {
                world.note(|| format!("{who} is assigned {partitions:?}"));
                for partition in &partitions {
                    self.assigned.entry(*partition).or_insert(false);
                }
                wires.events.push_back(Event::Assigned(partitions));
            }
            Some(Notice::Revoke(partitions)) => {
                world.count("revocations");
                world.note(|| format!("{who} loses {partitions:?}"));
                let mut fetched = partitions.clone();
                fetched.retain(|partition| self.assigned.remove(partition) == Some(true));
                self.tickets += 1;
                self.revocation = Some(Revocation {
                    ticket: self.tickets,
                    deadline: world.now + PATIENCE,
                    fetched,
                });
                wires
                    .events
                    .push_back(Event::Revoked(partitions, self.tickets));
            }
            None => self.fetch(who, world, wires),
        }
    }

    fn obey(&mut self, world: &mut World, wires: &mut Wires) {
        while let Some(command) = wires.commands.pop_front() {
            match command {
                Command::Seek(position) => {
                    // The last word counts.
                    self.seeks
                        .retain(|other| other.partition != position.partition);
                    self.seeks.push(position);
                }
                Command::Commit(offsets) => {
                    for (partition, next) in offsets {
                        world.kafka_is_told(partition, next);
                    }
                }
            }
        }
        for position in std::mem::take(&mut self.seeks) {
            if world.fails() {
                self.seeks.push(position);
            } else if self.assigned.contains_key(&position.partition) {
                // What was fetched before the seek goes before the word of it.
                if world.broken != Broken::ChunkFirst {
                    self.send(wires);
                }
                self.positions.insert(position.partition, position.at);
                self.assigned.insert(position.partition, true);
                wires
                    .events
                    .push_back(Event::Positioned(position.partition, position.lease));
            }
        }
    }

    fn fetch(&mut self, who: usize, world: &mut World, wires: &mut Wires) {
        if !self.positions.is_empty() && !world.fails() {
            let index = world.dice.below(self.positions.len());
            let (partition, at) = self.positions.iter_mut().nth(index).expect("below");
            match world
                .broker
                .fetch(*partition, *at, 1 + world.dice.below(CHUNK))
            {
                Fetched::Records(records) => {
                    for (offset, record) in records {
                        self.chunk.push((*partition, offset, record));
                        *at = offset + 1;
                    }
                }
                Fetched::OutOfRange if world.now >= self.next_alarm => {
                    world.note(|| format!("{who}: {partition} has no offset {at}"));
                    self.next_alarm = world.now + 1000;
                    wires.events.push_back(Event::OutOfRange);
                }
                Fetched::OutOfRange => {}
            }
        }
        if self.chunk.len() >= CHUNK || world.dice.chance(50) {
            self.send(wires);
        }
    }

    fn send(&mut self, wires: &mut Wires) {
        if !self.chunk.is_empty() {
            let chunk = std::mem::take(&mut self.chunk);
            wires.events.push_back(Event::Records(chunk));
        }
    }
}
