//! Which fault comes next. Pure: a seed, the kinds of faults there are, and nothing else decide.

use std::fmt;
use std::time::Duration;

use serde::Serialize;
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// A kind of fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// kill -9 of an ingestor.
    IngestorKill,
    /// An ingestor that stands still for longer than its session, and goes on as if nothing had been.
    IngestorZombie,
    /// An ingestor without a network.
    NetworkCut,
    /// An ingestor that reaches Kafka and nothing else.
    LakeCut,
    /// An ingestor that reaches everything but Kafka: its partitions go to others while it can still commit.
    KafkaCut,
    /// kill -9 of the broker.
    BrokerKill,
    /// kill -9 of the NameNode.
    NamenodeKill,
    /// The standby NameNode takes over from the active one, dead or alive.
    NamenodeFailover,
    /// kill -9 of the DataNode.
    DatanodeKill,
    /// HDFS stands still: connections stay open and nothing answers.
    HdfsFreeze,
    /// kill -9 of the Schema Registry.
    RegistryKill,
    /// The DataNode's disk has no room.
    DiskFull,
    /// HDFS refuses every change.
    SafeMode,
    /// Records are deleted before anybody read them.
    RetentionOverrun,
    /// Ingestors come and go faster than the group settles.
    RebalanceStorm,
    /// kill -9 of the maintenance, wherever it is.
    MaintenanceKill,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 16] = [
        Self::IngestorKill,
        Self::IngestorZombie,
        Self::NetworkCut,
        Self::LakeCut,
        Self::KafkaCut,
        Self::BrokerKill,
        Self::NamenodeKill,
        Self::NamenodeFailover,
        Self::DatanodeKill,
        Self::HdfsFreeze,
        Self::RegistryKill,
        Self::DiskFull,
        Self::SafeMode,
        Self::RetentionOverrun,
        Self::RebalanceStorm,
        Self::MaintenanceKill,
    ];

    /// The name on the command line and in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::IngestorKill => "ingestor-kill",
            Self::IngestorZombie => "ingestor-zombie",
            Self::NetworkCut => "network-cut",
            Self::LakeCut => "lake-cut",
            Self::KafkaCut => "kafka-cut",
            Self::BrokerKill => "broker-kill",
            Self::NamenodeKill => "namenode-kill",
            Self::NamenodeFailover => "namenode-failover",
            Self::DatanodeKill => "datanode-kill",
            Self::HdfsFreeze => "hdfs-freeze",
            Self::RegistryKill => "registry-kill",
            Self::DiskFull => "disk-full",
            Self::SafeMode => "safe-mode",
            Self::RetentionOverrun => "retention-overrun",
            Self::RebalanceStorm => "rebalance-storm",
            Self::MaintenanceKill => "maintenance-kill",
        }
    }

    /// How often it comes in a round: those that meet the protocol's edges come more often.
    const fn weight(self) -> usize {
        match self {
            Self::IngestorKill => 3,
            Self::IngestorZombie | Self::KafkaCut | Self::NamenodeKill | Self::NamenodeFailover => {
                2
            }
            _ => 1,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl std::str::FromStr for Kind {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|kind| kind.name() == name);
        found.ok_or_else(|| {
            let names: Vec<&str> = Self::ALL.iter().map(|kind| kind.name()).collect();
            format!("no fault `{name}`; there are {}", names.join(", "))
        })
    }
}

/// A fault, to the last detail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// What is done.
    pub kind: Kind,
    /// To which ingestor, where it is one's.
    pub ingestor: usize,
    /// How long it lasts.
    pub lasts: Duration,
    /// Where a kind has two ways: whether the ingestors are running meanwhile, or the NameNode that is taken over from.
    pub running: bool,
    /// Of a storm: who is restarted, one after the other.
    pub turns: Vec<usize>,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.lasts.as_secs_f64();
        write!(f, "{}", self.kind)?;
        match self.kind {
            Kind::RebalanceStorm => write!(f, " of {:?}", self.turns),
            Kind::RetentionOverrun if self.running => f.write_str(" under frozen ingestors"),
            Kind::RetentionOverrun => f.write_str(" under dead ingestors"),
            Kind::NamenodeFailover if self.running => f.write_str(" from a living one"),
            Kind::NamenodeFailover => write!(f, " {seconds:.1} s after a death"),
            Kind::MaintenanceKill => Ok(()),
            Kind::IngestorKill
            | Kind::IngestorZombie
            | Kind::NetworkCut
            | Kind::LakeCut
            | Kind::KafkaCut => write!(f, " of ingestor {} for {seconds:.1} s", self.ingestor),
            _ => write!(f, " for {seconds:.1} s"),
        }
    }
}

/// What a plan is made for.
#[derive(Clone, Debug)]
pub struct Stage {
    /// The kinds of faults that can be had.
    pub kinds: Vec<Kind>,
    /// How many ingestors there are.
    pub ingestors: usize,
    /// After how long without a word a member of the group is taken for dead.
    pub session_timeout: Duration,
}

/// An endless list of faults that the seed alone decides.
///
/// It comes in rounds: first every kind once, then those of greater weight again; each part in an order of its own.
#[derive(Debug)]
pub struct Plan {
    stage: Stage,
    seed: u64,
    drawn: u64,
    round: Vec<Kind>,
}

impl Plan {
    /// The plan of a seed.
    ///
    /// # Panics
    /// Without a kind or an ingestor there is nothing to plan.
    pub fn new(seed: u64, stage: Stage) -> Self {
        assert!(
            !stage.kinds.is_empty() && stage.ingestors > 0,
            "a stage has kinds of faults and ingestors"
        );
        Self {
            stage,
            seed,
            drawn: 0,
            round: Vec::new(),
        }
    }

    /// A number below `bound`, the next of the seed's.
    fn draw(&mut self, bound: u64) -> u64 {
        self.drawn += 1;
        xxh3_64_with_seed(&self.drawn.to_le_bytes(), self.seed) % bound
    }

    fn seconds(&mut self, from: f64, to: f64) -> Duration {
        let milliseconds = ((to - from) * 1000.0) as u64;
        Duration::from_secs_f64(from) + Duration::from_millis(self.draw(milliseconds + 1))
    }

    fn shuffled(&mut self, mut kinds: Vec<Kind>) -> Vec<Kind> {
        for last in (1..kinds.len()).rev() {
            let other = self.draw(last as u64 + 1) as usize;
            kinds.swap(last, other);
        }
        kinds
    }

    /// A round, last first.
    fn new_round(&mut self) -> Vec<Kind> {
        let once = self.stage.kinds.clone();
        let again = once
            .iter()
            .flat_map(|kind| std::iter::repeat_n(*kind, kind.weight() - 1))
            .collect();
        let mut round = self.shuffled(again);
        round.extend(self.shuffled(once));
        round
    }

    fn lasts(&mut self, kind: Kind) -> Duration {
        let session = self.stage.session_timeout.as_secs_f64();
        match kind {
            Kind::IngestorZombie => self.seconds(session + 1.0, session + 6.0),
            // On both sides of the session timeout.
            Kind::IngestorKill | Kind::NetworkCut | Kind::KafkaCut => {
                self.seconds(0.5, session * 2.0)
            }
            Kind::LakeCut | Kind::HdfsFreeze => self.seconds(1.0, 12.0),
            Kind::DiskFull | Kind::SafeMode => self.seconds(2.0, 8.0),
            Kind::BrokerKill
            | Kind::NamenodeKill
            | Kind::NamenodeFailover
            | Kind::DatanodeKill
            | Kind::RegistryKill
            | Kind::MaintenanceKill => self.seconds(0.0, 3.0),
            Kind::RetentionOverrun => self.seconds(1.0, 3.0),
            Kind::RebalanceStorm => self.seconds(0.1, 1.0),
        }
    }
}

impl Iterator for Plan {
    type Item = Fault;

    fn next(&mut self) -> Option<Fault> {
        const STORM: u64 = 4;
        if self.round.is_empty() {
            self.round = self.new_round();
        }
        let kind = self.round.pop().expect("a round has every kind");
        let ingestors = self.stage.ingestors as u64;
        let ingestor = self.draw(ingestors) as usize;
        let lasts = self.lasts(kind);
        let running = self.draw(2) == 0;
        let turns = match kind {
            Kind::RebalanceStorm => (0..2 + self.draw(STORM))
                .map(|_| self.draw(ingestors) as usize)
                .collect(),
            _ => Vec::new(),
        };
        Some(Fault {
            kind,
            ingestor,
            lasts,
            running,
            turns,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn stage(kinds: &[Kind], ingestors: usize) -> Stage {
        Stage {
            kinds: kinds.to_vec(),
            ingestors,
            session_timeout: Duration::from_secs(6),
        }
    }

    fn faults(seed: u64, count: usize) -> Vec<Fault> {
        Plan::new(seed, stage(&Kind::ALL, 3)).take(count).collect()
    }

    #[test]
    fn another_seed_is_another_plan() {
        assert_ne!(faults(1, 20), faults(2, 20));
    }

    #[test]
    fn names_are_read_back() {
        for kind in Kind::ALL {
            assert_eq!(kind.name().parse(), Ok(kind));
        }
        assert!("earthquake".parse::<Kind>().is_err());
    }

    proptest! {
        #[test]
        fn a_seed_says_it_all(seed: u64) {
            prop_assert_eq!(faults(seed, 60), faults(seed, 60));
        }

        #[test]
        fn no_kind_waits_for_another_to_come_twice(seed: u64) {
            let kinds: BTreeSet<Kind> = faults(seed, Kind::ALL.len()).iter().map(|f| f.kind).collect();
            prop_assert_eq!(kinds.len(), Kind::ALL.len());
        }

        #[test]
        fn only_what_can_be_had_is_planned(seed: u64, mask in 1_u32..1 << Kind::ALL.len(), ingestors in 1_usize..9) {
            let kinds: Vec<Kind> = Kind::ALL
                .into_iter()
                .enumerate()
                .filter_map(|(bit, kind)| (mask & 1 << bit != 0).then_some(kind))
                .collect();
            for fault in Plan::new(seed, stage(&kinds, ingestors)).take(50) {
                prop_assert!(kinds.contains(&fault.kind));
                prop_assert!(fault.ingestor < ingestors);
                prop_assert!(fault.turns.iter().all(|turn| *turn < ingestors));
                prop_assert_eq!(fault.turns.is_empty(), fault.kind != Kind::RebalanceStorm);
                prop_assert!(fault.lasts <= Duration::from_secs(12));
            }
        }

        #[test]
        fn a_zombie_is_taken_for_dead(seed: u64) {
            for fault in faults(seed, 60) {
                if fault.kind == Kind::IngestorZombie {
                    prop_assert!(fault.lasts > Duration::from_secs(6));
                }
            }
        }

        #[test]
        fn what_weighs_more_comes_more_often(seed: u64) {
            let round = Kind::ALL.iter().map(|kind| kind.weight()).sum();
            let round = faults(seed, round);
            for kind in Kind::ALL {
                prop_assert_eq!(round.iter().filter(|f| f.kind == kind).count(), kind.weight());
            }
        }
    }
}
