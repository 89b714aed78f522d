//! Holds every version of the table against the broker's logs, whoever committed it and whatever was told.
//!
//! Written anew: of the protocol it shares the names of the numbers, and nothing else.

use std::collections::{BTreeMap, BTreeSet};

use super::broker::Broker;
use super::disk::{Disk, Kind, Row};
use crate::protocol::AppId;

#[derive(Default)]
pub(super) struct Judge {
    /// How many versions were judged.
    judged: usize,
    /// The next offset of each partition and epoch.
    numbers: BTreeMap<(i32, i32), i64>,
    starts: BTreeMap<(i32, i32), i64>,
    live: BTreeSet<String>,
}

impl Judge {
    /// Judges the versions that are new.
    pub(super) fn look(&mut self, disk: &Disk, broker: &Broker) {
        while self.judged < disk.log.len() {
            let version = self.judged;
            self.judged += 1;
            self.version(version, disk, broker);
        }
    }

    fn version(&mut self, version: usize, disk: &Disk, broker: &Broker) {
        let actions = &disk.log[version];
        let mut added = Vec::new();
        for add in actions.added() {
            let file = disk.files.get(&add.path);
            let file = file.unwrap_or_else(|| {
                panic!("version {version} names `{}`, which is not there", add.path)
            });
            assert!(
                file.whole,
                "version {version} names `{}`, which is not whole",
                add.path
            );
            assert!(
                self.live.insert(add.path.clone()),
                "version {version} adds `{}` a second time",
                add.path
            );
            added.extend(file.rows.iter().copied());
        }
        let mut removed = Vec::new();
        for path in actions.removed() {
            assert!(
                self.live.remove(path),
                "version {version} removes `{path}`, which is not live"
            );
            removed.extend(disk.files[path].rows.iter().copied());
        }
        added.sort_unstable();
        removed.sort_unstable();
        if !removed.is_empty() {
            assert_eq!(
                added, removed,
                "version {version} rearranges rows and changes none"
            );
            added.clear();
        }
        for (id, next) in actions.numbers() {
            let id = AppId::parse(id).expect("only partitions have numbers here");
            let key = (id.partition, id.epoch);
            let (own, others): (Vec<Row>, Vec<Row>) = added
                .into_iter()
                .partition(|row| (row.partition, row.epoch) == key);
            added = others;
            match self.numbers.insert(key, next) {
                None => {
                    self.starts.insert(key, next);
                    let start = Row {
                        partition: id.partition,
                        epoch: id.epoch,
                        start: next,
                        end: next,
                        kind: Kind::Start,
                    };
                    assert_eq!(own, [start], "version {version} begins {id}");
                }
                Some(before) => {
                    assert!(
                        before < next,
                        "version {version} moves {id} from {before} to {next}"
                    );
                    cover(version, &id, &own, before, next, broker);
                }
            }
        }
        assert!(
            added.is_empty(),
            "version {version} brings rows of partitions that it does not move: {added:?}"
        );
    }

    /// When all is read: every offset of every log is in the live files once.
    pub(super) fn conclude(&self, disk: &Disk, broker: &Broker) {
        let mut rows: BTreeMap<(i32, i32), Vec<Row>> = BTreeMap::new();
        for path in &self.live {
            let file = disk
                .files
                .get(path)
                .unwrap_or_else(|| panic!("the live file `{path}` was deleted"));
            for row in file.rows.iter().filter(|row| row.kind != Kind::Start) {
                rows.entry((row.partition, row.epoch))
                    .or_default()
                    .push(*row);
            }
        }
        for (key, next) in &self.numbers {
            let mut own = rows.remove(key).unwrap_or_default();
            own.sort_unstable();
            let id = id(key.0, key.1);
            cover(
                disk.log.len() - 1,
                &id,
                &own,
                self.starts[key],
                *next,
                broker,
            );
        }
        assert!(rows.is_empty(), "rows without a number: {rows:?}");
        assert!(self.is_complete(broker), "something is not read");
    }

    /// Whether the table has every partition's latest log to its end.
    pub(super) fn is_complete(&self, broker: &Broker) -> bool {
        broker.logs.iter().enumerate().all(|(partition, lives)| {
            let latest = (partition as i32, lives.len() as i32 - 1);
            self.numbers.get(&latest) == lives.last().map(super::broker::Log::end).as_ref()
        })
    }

    /// Whether every partition has a number of the topic's present life, which is above zero.
    pub(super) fn is_under_way(&self, broker: &Broker) -> bool {
        broker.logs.iter().enumerate().all(|(partition, lives)| {
            let latest = (partition as i32, lives.len() as i32 - 1);
            self.numbers.get(&latest).is_some_and(|next| *next > 0)
        })
    }

    pub(super) fn is_live(&self, name: &str) -> bool {
        self.live.contains(name)
    }

    pub(super) fn number(&self, partition: i32, epoch: i32) -> Option<i64> {
        self.numbers.get(&(partition, epoch)).copied()
    }
}

/// Numbers of transactions as the table names them.
pub(super) fn id(partition: i32, epoch: i32) -> AppId {
    AppId {
        cluster: "c".into(),
        topic: "t".into(),
        partition,
        epoch,
    }
}

/// The rows hold each offset from `from` to `to` once, and what the log has there.
fn cover(version: usize, id: &AppId, rows: &[Row], from: i64, to: i64, broker: &Broker) {
    let log = &broker.logs[id.partition as usize][id.epoch as usize];
    let mut at = from;
    for row in rows {
        assert!(
            row.start >= at,
            "version {version}: offsets {} to {at} of {id} are there twice",
            row.start
        );
        assert!(
            row.start <= at,
            "version {version}: offsets {at} to {} of {id} are lost",
            row.start
        );
        assert!(
            row.end <= log.end(),
            "version {version}: {row:?} is past the end of the log, {}",
            log.end()
        );
        let slots = &log.slots[row.start as usize..row.end as usize];
        let is_right = match row.kind {
            Kind::Good(record) => {
                matches!(slots, [Some(slot)] if slot.id == record && !slot.bad)
            }
            Kind::Bad(record) => matches!(slots, [Some(slot)] if slot.id == record && slot.bad),
            Kind::Lost => row.end <= log.low,
            Kind::Skipped => slots.iter().all(Option::is_none),
            Kind::Start => false,
        };
        assert!(
            is_right,
            "version {version}: {row:?} is not what the log has: {slots:?}"
        );
        at = row.end;
    }
    assert_eq!(
        at, to,
        "version {version}: offsets {at} to {to} of {id} are lost"
    );
}
