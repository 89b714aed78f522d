//! The partitions of a topic that are ours, and the flush that flies.
//!
//! All of a topic's partitions are flushed together, in one commit of its table. One flush flies at a
//! time while the next one fills. A flush that is refused takes the filling one with it: its files
//! hold rows of the same partitions.

use std::collections::BTreeMap;

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
        }
    }

    fn lease(&mut self) -> Lease {
        self.leases += 1;
        Lease(self.leases)
    }

    /// A partition is ours; it must be opened. One that is ours already begins anew.
    pub fn assign(&mut self, partition: i32) {
        let lease = self.lease();
        self.partitions.insert(partition, Partition::new(lease));
    }

    /// A partition is no longer ours.
    pub fn revoke(&mut self, partition: i32) {
        self.partitions.remove(&partition);
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
    pub fn abandoned(&mut self, stored: &BTreeMap<i32, (i32, i64)>) -> Vec<Position> {
        self.flying = false;
        let mut positions = Vec::new();
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
                None => state.reopen(lease),
            }
        }
        positions
    }

    /// Everything read is dropped, and the table is asked anew: the partitions to open.
    pub fn reopen(&mut self) -> Vec<i32> {
        self.flying = false;
        for state in self.partitions.values_mut() {
            self.leases += 1;
            state.reopen(Lease(self.leases));
        }
        self.partitions.keys().copied().collect()
    }

    /// Positions that the consumer may not have heard, such as after it was assigned anew.
    pub fn lease_of(&self, partition: i32) -> Option<Lease> {
        self.partitions.get(&partition).map(Partition::lease)
    }
}

/// What a table's numbers say about a commit whose outcome was not learnt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settled {
    /// It is in the table: ours, or another owner's of the very same records.
    Applied,
    /// It is not there yet; it may be tried again.
    Pending,
    /// Somebody else has moved a partition: it must be abandoned.
    Lost,
}

/// Compares a flush with a table's numbers.
pub fn settle(steps: &[Step], txns: &BTreeMap<String, i64>) -> Settled {
    let all = |wanted: fn(&Step) -> i64| {
        steps
            .iter()
            .all(|step| txns.get(&step.app_id.to_string()) == Some(&wanted(step)))
    };
    if all(|step| step.range.end) {
        Settled::Applied
    } else if all(|step| step.range.start) {
        Settled::Pending
    } else {
        Settled::Lost
    }
}

#[cfg(test)]
mod simulation;
