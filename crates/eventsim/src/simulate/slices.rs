//! The simulation in slices of time: threads simulate their users' part, one thread merges.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use goldrecord_service::Shutdown;

use super::listener::{Listener, Record};
use super::{SimulationOptions, World};
use crate::calendar::{DAY, MINUTE};
use crate::error::{Error, Result};

/// A slice should have so many events for each thread: small enough for the processor's cache.
const SLICE_EVENTS: u64 = 16_384;
/// Sorting packs the time within a slice into 32 bits of milliseconds.
const LONGEST_SLICE: i64 = 28 * DAY;
/// Slices that threads may be ahead of the merge.
const AHEAD: usize = 2;

/// A thread: asked for a slice (from, to) in milliseconds, it answers with the slice's events.
type Worker = (SyncSender<(i64, i64)>, Receiver<Batch>);

/// The events of one thread's users in one slice of time.
struct Batch {
    /// In the order in which they were made.
    records: Vec<Record>,
    /// Their order in time: milliseconds since the slice's start, then the record's index.
    order: Vec<u64>,
    /// Whether none of the users will ever come again.
    all_gone: bool,
}

/// Simulate all users and hand their events to `visit`, in the order (time, user, ordinal).
pub fn run(
    world: &World<'_>,
    options: &SimulationOptions,
    shutdown: &Shutdown,
    mut visit: impl FnMut(&Record) -> Result<()>,
) -> Result<u64> {
    let threads = options.threads();
    std::thread::scope(|scope| {
        let workers: Vec<Worker> = (0..threads)
            .map(|thread| {
                let (ask, asked) = sync_channel(AHEAD);
                let (answer, answered) = sync_channel(AHEAD);
                scope.spawn(move || work(world, options, thread, &asked, &answer));
                (ask, answered)
            })
            .collect();
        // Dropping the senders at the end of this closure lets the threads end.
        merge(&workers, options, shutdown, &mut visit)
    })
}

/// Simulate every `threads`-th user, slice by slice as asked.
fn work(
    world: &World<'_>,
    options: &SimulationOptions,
    thread: usize,
    asked: &Receiver<(i64, i64)>,
    answer: &SyncSender<Batch>,
) {
    let mut listeners: Vec<Listener> = (0..options.users)
        .skip(thread)
        .step_by(options.threads())
        .map(|user| Listener::new(world, user))
        .collect();
    for (from, to) in asked {
        let mut records = Vec::with_capacity(SLICE_EVENTS as usize);
        let mut all_gone = true;
        for listener in &mut listeners {
            while listener.next < to {
                records.push(listener.record(world));
                listener.step(world);
            }
            all_gone &= listener.next == i64::MAX;
        }
        // Users are simulated in rising order, so the index orders equal times by (user, ordinal).
        let mut order: Vec<u64> = records
            .iter()
            .enumerate()
            .map(|(index, record)| ((record.ts - from) as u64) << 32 | index as u64)
            .collect();
        order.sort_unstable();
        if answer
            .send(Batch {
                records,
                order,
                all_gone,
            })
            .is_err()
        {
            // Nobody wants more events.
            return;
        }
    }
}

fn merge(
    workers: &[Worker],
    options: &SimulationOptions,
    shutdown: &Shutdown,
    visit: &mut impl FnMut(&Record) -> Result<()>,
) -> Result<u64> {
    // With a number of events the last one ends the simulation, not the calendar: the pilot's count
    // comes close, but users that are not in it may bring a little less.
    let last = options.events.map_or(options.end(), |_| i64::MAX);
    let mut slices = Slices {
        next: options.start,
        last,
        length: 10 * MINUTE,
    };
    let mut visited = 0;
    let ask = |slice: (i64, i64)| {
        for (ask, _) in workers {
            ask.send(slice)
                .expect("a thread ends only after its sender is dropped");
        }
    };
    let mut asked = 0;
    loop {
        while asked < AHEAD
            && let Some(slice) = slices.take()
        {
            ask(slice);
            asked += 1;
        }
        if asked == 0 {
            return Ok(visited);
        }
        asked -= 1;
        let batches: Vec<Batch> = workers
            .iter()
            .map(|(_, batches)| {
                batches
                    .recv()
                    .expect("a thread answers each slice that it is asked for")
            })
            .collect();
        let mut cursors = vec![0; batches.len()];
        while let Some(record) = earliest(&batches, &mut cursors) {
            visit(record)?;
            visited += 1;
            if Some(visited) == options.events {
                return Ok(visited);
            }
            if visited % 4_096 == 0 && shutdown.is_requested() {
                return Err(Error::Stopped { events: visited });
            }
        }
        if shutdown.is_requested() {
            return Err(Error::Stopped { events: visited });
        }
        if batches.iter().all(|batch| batch.all_gone) {
            return match options.events {
                Some(events) => Err(Error::UsersRanOut {
                    made: visited,
                    events,
                }),
                None => Ok(visited),
            };
        }
        let made: usize = batches.iter().map(|batch| batch.records.len()).sum();
        slices.adapt(made as u64, SLICE_EVENTS * batches.len() as u64);
    }
}

/// The next record of all batches by (time, user); a user is in one batch only.
#[inline]
fn earliest<'a>(batches: &'a [Batch], cursors: &mut [usize]) -> Option<&'a Record> {
    let mut first: Option<(usize, &Record)> = None;
    for (at, batch) in batches.iter().enumerate() {
        let Some(key) = batch.order.get(cursors[at]) else {
            continue;
        };
        let record = &batch.records[(key & 0xffff_ffff) as usize];
        if first.is_none_or(|(_, other)| (record.ts, record.user) < (other.ts, other.user)) {
            first = Some((at, record));
        }
    }
    let (at, record) = first?;
    cursors[at] += 1;
    Some(record)
}

/// Cuts time into slices. Where the cuts are changes nothing in what is simulated.
struct Slices {
    next: i64,
    last: i64,
    length: i64,
}

impl Slices {
    fn take(&mut self) -> Option<(i64, i64)> {
        if self.next >= self.last {
            return None;
        }
        let from = self.next;
        self.next = from.saturating_add(self.length).min(self.last);
        Some((from, self.next))
    }

    /// Aim at `wanted` events a slice after one had `made`.
    fn adapt(&mut self, made: u64, wanted: u64) {
        let factor = (wanted as f64 / made.max(1) as f64).clamp(0.25, 4.0);
        self.length = ((self.length as f64 * factor) as i64).clamp(1_000, LONGEST_SLICE);
    }
}
