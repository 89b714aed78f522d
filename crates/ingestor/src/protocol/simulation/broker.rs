//! Kafka: logs with holes, retention, topics made anew, and a group that moves partitions about.

use std::collections::{BTreeMap, VecDeque};

use goldrecord_testkit::Dice;

/// A member that has not polled for so long is put out of the group, in ms.
const SESSION: u64 = 10_000;

/// What was produced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Record {
    /// No two have the same.
    pub(super) id: u32,
    /// It cannot be decoded.
    pub(super) bad: bool,
    /// How many fields its schema has.
    pub(super) fields: usize,
}

/// One life of a partition: an offset without a record is a marker.
#[derive(Default)]
pub(super) struct Log {
    pub(super) slots: Vec<Option<Record>>,
    pub(super) low: i64,
}

impl Log {
    pub(super) fn end(&self) -> i64 {
        self.slots.len() as i64
    }
}

/// What a member is told.
#[derive(Clone, Debug)]
pub(super) enum Notice {
    Assign(Vec<i32>),
    Revoke(Vec<i32>),
}

#[derive(Default)]
struct Member {
    joined: bool,
    last_poll: u64,
    notices: VecDeque<Notice>,
}

/// What a fetch brings.
pub(super) enum Fetched {
    Records(Vec<(i64, Record)>),
    OutOfRange,
}

pub(super) struct Broker {
    /// Of each partition, the lives that its topic had.
    pub(super) logs: Vec<Vec<Log>>,
    members: BTreeMap<usize, Member>,
    owners: Vec<Option<usize>>,
    ids: u32,
    fields: usize,
    /// The topic was made anew, and producers wait for the operator.
    pub(super) frozen: bool,
}

impl Broker {
    pub(super) fn new(partitions: usize) -> Self {
        Self {
            logs: (0..partitions).map(|_| vec![Log::default()]).collect(),
            members: BTreeMap::new(),
            owners: vec![None; partitions],
            ids: 0,
            fields: 1,
            frozen: false,
        }
    }

    pub(super) fn log(&self, partition: i32) -> &Log {
        self.logs[partition as usize]
            .last()
            .expect("a partition has a log")
    }

    fn log_mut(&mut self, partition: usize) -> &mut Log {
        self.logs[partition]
            .last_mut()
            .expect("a partition has a log")
    }

    fn append(&mut self, partition: usize, bad: bool) {
        self.ids += 1;
        let record = Record {
            id: self.ids,
            bad,
            fields: self.fields,
        };
        self.log_mut(partition).slots.push(Some(record));
    }

    pub(super) fn produce(&mut self, dice: &mut Dice) {
        if self.frozen {
            return;
        }
        if self.fields < 4 && dice.chance(3) {
            self.fields += 1;
        }
        let partition = dice.below(self.logs.len());
        for _ in 0..=dice.below(5) {
            if dice.chance(12) {
                self.log_mut(partition).slots.push(None);
            } else {
                self.append(partition, dice.chance(15));
            }
        }
    }

    /// Retention deletes from the log's head, read or not.
    pub(super) fn expire(&mut self, dice: &mut Dice) {
        let partition = dice.below(self.logs.len());
        let log = self.log_mut(partition);
        let kept = (log.end() - log.low) as usize;
        log.low += dice.below(kept + 1) as i64;
    }

    /// The topic is deleted and made anew.
    pub(super) fn make_anew(&mut self) {
        for lives in &mut self.logs {
            lives.push(Log::default());
        }
        self.frozen = true;
    }

    /// One more record of each partition, so that markers before it are seen.
    pub(super) fn conclude(&mut self) {
        for partition in 0..self.logs.len() {
            self.append(partition, false);
        }
    }

    pub(super) fn fetch(&self, partition: i32, at: i64, most: usize) -> Fetched {
        let log = self.log(partition);
        if at < log.low || at > log.end() {
            return Fetched::OutOfRange;
        }
        let slots = log.slots[at as usize..].iter().zip(at..);
        let records = slots.filter_map(|(slot, offset)| Some((offset, (*slot)?)));
        Fetched::Records(records.take(most).collect())
    }

    /// A process polls: it joins if it is not in the group, and hears what it is told.
    pub(super) fn poll(&mut self, who: usize, now: u64, hears: bool) -> Option<Notice> {
        let member = self.members.entry(who).or_default();
        member.last_poll = now;
        if !member.joined {
            member.joined = true;
            self.adopt();
            return None;
        }
        if hears {
            member.notices.pop_front()
        } else {
            None
        }
    }

    /// Gives partitions without an owner to members.
    pub(super) fn adopt(&mut self) {
        let joined: Vec<usize> = self.joined();
        for partition in 0..self.owners.len() {
            if self.owners[partition].is_none() && !joined.is_empty() {
                let owner = joined[partition % joined.len()];
                self.owners[partition] = Some(owner);
                self.tell(owner, Notice::Assign(vec![partition as i32]));
            }
        }
    }

    fn joined(&self) -> Vec<usize> {
        let members = self.members.iter();
        members
            .filter(|(_, member)| member.joined)
            .map(|(who, _)| *who)
            .collect()
    }

    fn tell(&mut self, who: usize, notice: Notice) {
        if let Some(member) = self.members.get_mut(&who) {
            member.notices.push_back(notice);
        }
    }

    /// Moves partitions: all are taken first and given out again (eager), or only those that move are
    /// (cooperative). Who hears of it when is up to who polls.
    pub(super) fn rebalance(&mut self, dice: &mut Dice) {
        let joined = self.joined();
        if joined.is_empty() {
            return;
        }
        let eager = dice.chance(30);
        for partition in 0..self.owners.len() {
            let new = joined[dice.below(joined.len())];
            let old = self.owners[partition].replace(new);
            let one = vec![partition as i32];
            if eager || old != Some(new) {
                if let Some(old) = old {
                    self.tell(old, Notice::Revoke(one.clone()));
                }
                self.tell(new, Notice::Assign(one));
            } else if dice.chance(5) {
                // Given anew without having been taken.
                self.tell(new, Notice::Assign(one));
            }
        }
    }

    /// Puts out of the group who has not polled for long. It hears of that when it polls again.
    pub(super) fn expel_the_silent(&mut self, now: u64) {
        let late = |member: &Member| member.joined && now > member.last_poll + SESSION;
        let silent: Vec<usize> = self
            .members
            .iter()
            .filter(|(_, member)| late(member))
            .map(|(who, _)| *who)
            .collect();
        for who in &silent {
            self.leave(*who);
        }
        if !silent.is_empty() {
            self.adopt();
        }
    }

    fn leave(&mut self, who: usize) {
        let mut lost = Vec::new();
        for (partition, owner) in self.owners.iter_mut().enumerate() {
            if *owner == Some(who) {
                *owner = None;
                lost.push(partition as i32);
            }
        }
        if let Some(member) = self.members.get_mut(&who) {
            member.joined = false;
            member.notices.push_back(Notice::Revoke(lost));
        }
    }

    /// The process is gone: nobody will poll in its name, and the group learns of it in time.
    pub(super) fn bury(&mut self, who: usize) {
        self.leave(who);
        self.members.remove(&who);
    }
}
