//! An ingestor of three threads, which stops, goes on, dies and is started again.

use super::World;
use super::keeper::Keeper;
use super::poller::Poller;
use super::wires::Wires;
use super::worker::Worker;

struct Threads {
    poller: Poller,
    worker: Worker,
    keeper: Keeper,
    wires: Wires,
}

pub(super) struct Process {
    /// Its name in the group; each life has its own.
    who: usize,
    /// `None`: it is dead.
    threads: Option<Threads>,
    /// Stopped, or dead, until then.
    until: u64,
}

impl Process {
    pub(super) fn new() -> Self {
        Self {
            who: 0,
            threads: None,
            until: 0,
        }
    }

    /// One thread does one thing.
    pub(super) fn step(&mut self, world: &mut World) {
        if world.now < self.until {
            return;
        }
        let Some(threads) = &mut self.threads else {
            world.processes += 1;
            self.who = world.processes;
            world.note(|| format!("{} starts", self.who));
            self.threads = Some(Threads {
                poller: Poller::default(),
                worker: Worker::new(),
                keeper: Keeper::new(world),
                wires: Wires::default(),
            });
            return;
        };
        if world.faults && world.dice.below(250) == 0 {
            self.disturb(world);
            return;
        }
        let wires = &mut threads.wires;
        match world.dice.below(4) {
            0 => threads.poller.step(self.who, world, wires),
            1 => threads.worker.step(self.who, world, wires),
            _ => {
                if threads.keeper.step(self.who, world, wires).is_err() {
                    world.note(|| format!("{} asks for the operator", self.who));
                    self.die(world);
                }
            }
        }
    }

    fn disturb(&mut self, world: &mut World) {
        if world.dice.chance(50) {
            let stopped = 1000 * world.dice.below(30) as u64;
            world.count("stops");
            world.note(|| format!("{} is stopped for {stopped} ms", self.who));
            self.until = world.now + stopped;
        } else {
            self.die(world);
        }
    }

    fn die(&mut self, world: &mut World) {
        world.note(|| format!("{} dies", self.who));
        world.count("deaths");
        if let Some(threads) = self.threads.take() {
            threads.keeper.die(world);
        }
        // The group may learn of it at once, by the closed connection, or when the session is over.
        if world.dice.chance(50) {
            world.broker.bury(self.who);
        }
        self.until = world.now + 100 * world.dice.below(50) as u64;
    }

    /// Faults are over: who is stopped goes on, who is dead comes back.
    pub(super) fn wake(&mut self) {
        self.until = 0;
    }
}
