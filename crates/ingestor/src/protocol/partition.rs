//! One partition's states.
//!
//! ```text
//!                 assign                          resume: the table says where
//!   not ours ────────────────▶ Opening ─────────────────────────────────────────▶ Seeking ◀─┐
//!      ▲   (ours already: once  ▲   ▲  (never seen: a commit begins it first)        │      │ back: a flush
//!      │   nothing is buffered) │   │                                                │      │ was given up; to
//!      │                        │   └─ back, where the table knows it no more        │      │ the table's epoch
//!      │ revoke, in any state,  │                                         positioned │      │ and offset of now
//!      │ once nothing is        │ reopen: Kafka deleted what was                     │      │ (also from
//!      │ buffered               │ next; once nothing is buffered       (same lease)  ▼      │ Seeking)
//!      └────────────────────────┴─────────────────────────────────────────────── Reading ───┘
//!                                                                  offer · count · take · committed
//! ```
//!
//! Each way into `Seeking` or `Opening` gives a new lease. Where the consumer was sent under a former one counts
//! for nothing, so that no record is taken which was fetched from elsewhere. A process that dies leaves no state
//! behind: the next owner's partition begins at the left. One that is stopped and goes on (a zombie) holds
//! buffers of a partition that another reads by now: its flush is refused by the table's numbers, or the other's
//! is, whichever comes second. `back` leads into another epoch where the topic was made anew and accepted.
//!
//! In `Reading` and `Seeking` a partition has up to two half-open ranges, one behind the other:
//!
//! ```text
//!      committed ──── flying ────▶ ──── filling ────▶ next
//! ```
//!
//! The table's number is `committed`. `take` turns what fills into what flies, `committed` moves the
//! table's number to its end. Each range is balanced: its length is good + bad + gaps.

use super::offsets::Range;

/// Names one positioning of a partition. Records fetched under an earlier one are stale.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Lease(pub u64);

/// What a range of offsets holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Events.
    pub good: u64,
    /// Records that could not be decoded.
    pub bad: u64,
    /// Offsets without a record.
    pub gaps: u64,
}

impl Tally {
    /// The number of offsets.
    pub fn total(self) -> u64 {
        self.good + self.bad + self.gaps
    }
}

/// Where a partition stands; see the module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// The table has not yet said where to read.
    Opening,
    /// The consumer was told where to read.
    Seeking(Buffer),
    /// Records come in.
    Reading(Buffer),
}

/// What a partition has read and not yet committed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Buffer {
    epoch: i32,
    committed: i64,
    flying: Option<i64>,
    next: i64,
    filling: Tally,
}

/// What to do with a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Offered {
    /// Nothing: it is not the partition's any more, or not yet.
    Stale,
    /// It is the next one, after a gap (empty mostly). It must be counted.
    Next {
        /// Offsets before it that hold no record.
        gap: Range,
    },
}

/// An assigned partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Partition {
    lease: Lease,
    state: State,
}

impl Partition {
    pub(super) fn new(lease: Lease) -> Self {
        Self {
            lease,
            state: State::Opening,
        }
    }

    /// Where it stands.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// Whether records are taken.
    pub fn is_reading(&self) -> bool {
        matches!(self.state, State::Reading(_))
    }

    /// Whether the table has still to say where to read.
    pub fn is_opening(&self) -> bool {
        self.state == State::Opening
    }

    /// Whether something was read of it, or is lost of it, that the table does not have.
    pub(super) fn is_buffering(&self) -> bool {
        self.buffer()
            .is_some_and(|buffer| buffer.flying.is_some() || buffer.next > buffer.committed)
    }

    fn buffer(&self) -> Option<&Buffer> {
        match &self.state {
            State::Opening => None,
            State::Seeking(buffer) | State::Reading(buffer) => Some(buffer),
        }
    }

    fn buffer_mut(&mut self) -> Option<&mut Buffer> {
        match &mut self.state {
            State::Opening => None,
            State::Seeking(buffer) | State::Reading(buffer) => Some(buffer),
        }
    }

    /// The table's number.
    pub fn committed_offset(&self) -> Option<i64> {
        self.buffer().map(|buffer| buffer.committed)
    }

    /// The epoch, once opened.
    pub fn epoch(&self) -> Option<i32> {
        self.buffer().map(|buffer| buffer.epoch)
    }

    /// The table says where to read: at the end of what is lost. Returns that offset.
    pub(super) fn resume(&mut self, lease: Lease, epoch: i32, stored: i64, lost: Range) -> i64 {
        assert!(
            self.is_opening(),
            "only a partition being opened is resumed"
        );
        assert_eq!(lost.start, stored, "what is lost follows what is stored");
        self.lease = lease;
        self.state = State::Seeking(Buffer {
            epoch,
            committed: stored,
            flying: None,
            next: lost.end,
            filling: Tally {
                gaps: lost.len(),
                ..Tally::default()
            },
        });
        lost.end
    }

    /// The consumer reads where it was told, if it was told under the lease of now.
    pub(super) fn positioned(&mut self, lease: Lease) {
        if lease != self.lease {
            return;
        }
        if let State::Seeking(buffer) = &self.state {
            self.state = State::Reading(buffer.clone());
        }
    }

    /// A record came in.
    #[inline]
    pub fn offer(&mut self, offset: i64) -> Offered {
        match &mut self.state {
            State::Reading(buffer) if offset >= buffer.next => {
                let gap = Range {
                    start: buffer.next,
                    end: offset,
                };
                buffer.filling.gaps += gap.len();
                buffer.next = offset + 1;
                Offered::Next { gap }
            }
            _ => Offered::Stale,
        }
    }

    /// The record that was offered is an event, or bad.
    #[inline]
    pub fn count(&mut self, good: bool) {
        let buffer = self
            .buffer_mut()
            .expect("only a record just offered is counted");
        if good {
            buffer.filling.good += 1;
        } else {
            buffer.filling.bad += 1;
        }
    }

    /// Lets what was read fly: the range that a commit moves the table's number over. `None`: nothing was.
    pub(super) fn take(&mut self) -> Option<(i32, Range, Tally)> {
        let buffer = self.buffer_mut()?;
        assert_eq!(buffer.flying, None, "one flush flies at a time");
        let range = Range {
            start: buffer.committed,
            end: buffer.next,
        };
        assert_eq!(
            range.len(),
            buffer.filling.total(),
            "every offset of a flush is good, bad or a gap"
        );
        if range.is_empty() {
            return None;
        }
        buffer.flying = Some(range.end);
        Some((buffer.epoch, range, std::mem::take(&mut buffer.filling)))
    }

    /// What flew is in the table.
    pub(super) fn committed(&mut self) -> Option<i64> {
        let buffer = self.buffer_mut()?;
        let end = buffer.flying.take()?;
        assert!(end > buffer.committed, "a commit moves a partition forward");
        buffer.committed = end;
        Some(end)
    }

    /// Everything not committed is dropped; reading begins again where the table is now.
    pub(super) fn back(&mut self, lease: Lease, epoch: i32, stored: i64) {
        self.lease = lease;
        self.state = State::Seeking(Buffer {
            epoch,
            committed: stored,
            flying: None,
            next: stored,
            filling: Tally::default(),
        });
    }

    /// The table is asked anew where to read; everything not committed is dropped.
    pub(super) fn reopen(&mut self, lease: Lease) {
        self.lease = lease;
        self.state = State::Opening;
    }
}
