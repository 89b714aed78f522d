//! The partitions of a topic that are ours, and the flush that flies.
//!
//! All of a topic's partitions are flushed together, in one commit of its table. One flush flies at a
//! time while the next one fills. A flush that is refused takes the filling one with it: its files
//! hold rows of the same partitions.

use std::collections::BTreeMap;

use super::generation::Generation;
use super::offsets::{AppId, Range};
use super::partition::{Lease, Partition, Tally};

/// The assigned partitions of one topic.
#[derive(Debug)]
pub struct Topic {
    cluster: String,
    name: String,
    partitions: BTreeMap<i32, Partition>,
    leases: u64,
    flying: bool,
    generation: Generation,
}

/// Where the consumer shall read a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// The partition.
    pub partition: i32,
    /// The next offset to read.
    pub at: i64,
    /// Under which records count from then on.
    pub lease: Lease,
}

/// How a topic goes on after a flush that was given up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Back {
    /// Where partitions are read again.
    pub positions: Vec<Position>,
    /// Partitions that the table does not know: to be opened.
    pub open: Vec<i32>,
}

/// One partition's part of a commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The table's name for it.
    pub app_id: AppId,
    /// The table's number before and after.
    pub range: Range,
    /// What the range holds.
    pub tally: Tally,
}

impl Topic {
    /// A topic without partitions.
    pub fn new(cluster: &str, name: &str) -> Self {
        Self {
            cluster: cluster.to_owned(),
            name: name.to_owned(),
            partitions: BTreeMap::new(),
            leases: 0,
            flying: false,
            generation: Generation::default(),
        }
    }

    fn lease(&mut self) -> Lease {
        self.leases += 1;
        Lease(self.leases)
    }

    /// A partition is ours; it must be opened. One that is ours already begins anew.
    pub fn assign(&mut self, partition: i32) {
        self.assert_nothing_is_dropped(partition);
        let lease = self.lease();
        self.partitions.insert(partition, Partition::new(lease));
    }

    /// A partition is no longer ours.
    pub fn revoke(&mut self, partition: i32) {
        self.assert_nothing_is_dropped(partition);
        self.partitions.remove(&partition);
    }

    /// Rows of a flush lie in files that all its partitions share: one partition's cannot be dropped alone.
    fn assert_nothing_is_dropped(&self, partition: i32) {
        assert!(
            self.partitions
                .get(&partition)
                .is_none_or(|state| !state.is_buffering()),
            "partition {partition} is settled before it is taken away or begins anew"
        );
    }

    /// Whether the table has everything that was read.
    pub fn is_settled(&self) -> bool {
        !self.flying && !self.partitions.values().any(Partition::is_buffering)
    }

    /// Under which rows go to the table's thread; see [`Gate`](super::Gate).
    pub fn generation(&self) -> Generation {
        self.generation
    }

    /// The partition, if it is ours.
    #[inline]
    pub fn partition(&mut self, partition: i32) -> Option<&mut Partition> {
        self.partitions.get_mut(&partition)
    }

    /// All that are ours.
    pub fn partitions(&self) -> impl Iterator<Item = (i32, &Partition)> {
        self.partitions
            .iter()
            .map(|(partition, state)| (*partition, state))
    }

    /// Whether a flush flies.
    pub fn is_flying(&self) -> bool {
        self.flying
    }

    /// The table says where to read a partition. `None`: it was revoked meanwhile, or is no longer being opened.
    pub fn resume(
        &mut self,
        partition: i32,
        epoch: i32,
        stored: i64,
        lost: Range,
    ) -> Option<Position> {
        let lease = self.lease();
        let state = self
            .partitions
            .get_mut(&partition)
            .filter(|state| state.is_opening())?;
        let at = state.resume(lease, epoch, stored, lost);
        Some(Position {
            partition,
            at,
            lease,
        })
    }

    /// The consumer reads where it was told.
    pub fn positioned(&mut self, partition: i32, lease: Lease) {
        if let Some(state) = self.partitions.get_mut(&partition) {
            state.positioned(lease);
        }
    }

    /// Lets everything read fly. Empty: there was nothing, and nothing flies.
    pub fn take(&mut self) -> Vec<Step> {
        assert!(!self.flying, "one flush flies at a time");
        let (cluster, name) = (&self.cluster, &self.name);
        let steps: Vec<Step> = self
            .partitions
            .iter_mut()
            .filter_map(|(partition, state)| {
                let (epoch, range, tally) = state.take()?;
                let app_id = AppId {
                    cluster: cluster.clone(),
                    topic: name.clone(),
                    partition: *partition,
                    epoch,
                };
                Some(Step {
                    app_id,
                    range,
                    tally,
                })
            })
            .collect();
        self.flying = !steps.is_empty();
        steps
    }

    /// The flush is in the table: the new offsets of the partitions that are still ours.
    pub fn committed(&mut self) -> Vec<(i32, i64)> {
        assert!(self.flying, "only a flush that flies is committed");
        self.flying = false;
        self.partitions
            .iter_mut()
            .filter_map(|(partition, state)| Some((*partition, state.committed()?)))
            .collect()
    }

    /// The flush is not in the table, or not as ours. Everything read is dropped; every partition begins
    /// again where the table is now (`stored`: epoch and next offset by partition).
    pub fn abandoned(&mut self, stored: &BTreeMap<i32, (i32, i64)>) -> Back {
        assert!(self.flying, "only a flush that flies is given up");
        self.flying = false;
        self.generation = self.generation.next();
        let (mut positions, mut open) = (Vec::new(), Vec::new());
        for (partition, state) in &mut self.partitions {
            self.leases += 1;
            let lease = Lease(self.leases);
            match stored.get(partition) {
                _ if state.is_opening() => {}
                Some((epoch, next)) => {
                    state.back(lease, *epoch, *next);
                    positions.push(Position {
                        partition: *partition,
                        at: *next,
                        lease,
                    });
                }
                None => {
                    state.reopen(lease);
                    open.push(*partition);
                }
            }
        }
        Back { positions, open }
    }

    /// The table is asked anew where to read: the partitions to open.
    pub fn reopen(&mut self) -> Vec<i32> {
        assert!(
            self.is_settled(),
            "what was read is settled before partitions are opened again"
        );
        for state in self.partitions.values_mut() {
            self.leases += 1;
            state.reopen(Lease(self.leases));
        }
        self.partitions.keys().copied().collect()
    }
}
