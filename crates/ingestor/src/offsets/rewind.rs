//! Setting a partition back: its number and its rows, in one commit.

use std::collections::BTreeMap;

use goldrecord_lake::{AddFile, Lake, Outcome, Proposal, Snapshot, Table, TxnStep};
use serde::Serialize;
use serde_json::json;

use super::Broker;
use super::found::{Epoch, Survey, Touched};
use crate::bronze;
use crate::error::{Error, Result};
use crate::protocol::AppId;
use crate::rewrite::{bytes_of, failed, rows_of};

/// How often a rewind begins anew because others changed the table. A file written anew is kept for the next try,
/// so that a rewind of much beside a busy ingestor comes to an end.
const ATTEMPTS: u32 = 32;

/// A rewind as the operator wants it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rewind {
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: i32,
    /// The offset that is to be read next.
    pub to: i64,
    /// Go back even where Kafka has deleted the records: they are lost to the table.
    pub accept_loss: bool,
    /// Only say what would be done.
    pub dry_run: bool,
}

/// What a rewind did, or would do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Rewound {
    /// The table's version that holds it. `None`: nothing was committed.
    pub version: Option<i64>,
    /// The partition's epoch.
    pub epoch: i32,
    /// The next offset before.
    pub from: i64,
    /// The next offset afterwards.
    pub to: i64,
    /// The events that go.
    pub good: i64,
    /// The bad records that go.
    pub bad: i64,
    /// The offsets without a record that go.
    pub gaps: i64,
    /// The rows removed by retention that are no longer counted: they are read again, if Kafka still has them.
    pub expired: i64,
    /// Offsets between both that the table does not account for: it was out of balance.
    pub unaccounted: i64,
    /// Records that Kafka has deleted and that are lost to the table.
    pub lost: i64,
    /// Files that go.
    pub files_removed: u64,
    /// Their bytes.
    pub bytes_removed: u64,
    /// Files that come, with the other rows of those that go.
    pub files_added: u64,
    /// Their rows.
    pub rows_rewritten: i64,
    /// Their bytes.
    pub bytes_added: u64,
}

/// Sets a partition back to an offset of its present epoch, and removes every row at or after it.
pub async fn rewind(lake: &Lake, broker: &Broker, wanted: &Rewind) -> Result<Rewound> {
    let table = lake.table(&bronze::path(&wanted.topic));
    let cluster = broker.cluster().await?;
    let mut snapshot = open(lake, &table).await?;
    let mut written = Written::default();
    let mut first_epoch = None;
    for _ in 0..ATTEMPTS {
        let (id, from) = wanted.find(&snapshot, &cluster)?;
        if *first_epoch.get_or_insert(id.epoch) != id.epoch {
            return Err(wanted.refuse("its next epoch was begun meanwhile; look at it with `goldrecord offsets show` and begin again"));
        }
        let epoch = Epoch {
            table: &table,
            snapshot: &snapshot,
            partition: wanted.partition,
            epoch: id.epoch,
        };
        let survey = epoch.survey(wanted.to).await?;
        let (low, end) = broker.bounds(&wanted.topic, wanted.partition).await?;
        wanted.check(from, survey.start, low, end)?;
        let mut rewound = wanted.tell(&survey, id.epoch, from, low);
        if wanted.dry_run || from == wanted.to {
            return Ok(rewound);
        }
        written.forget_others(&table, &survey).await?;
        let mut adds = Vec::new();
        for touched in &survey.touched {
            adds.extend(written.cut(epoch, touched, wanted.to).await?);
        }
        rewound.files_added = adds.len() as u64;
        rewound.bytes_added = bytes_of(&adds);
        fail::fail_point!("ingestor::rewind-written", |_| Err(Error::Failpoint(
            "ingestor::rewind-written"
        )));
        let proposal = wanted.proposal(&id, from, &survey, adds);
        match table
            .commit(&mut snapshot, &proposal)
            .await
            .map_err(failed(&table))?
        {
            Outcome::Committed { version } => {
                fail::fail_point!("ingestor::rewind-committed", |_| Err(Error::Failpoint(
                    "ingestor::rewind-committed"
                )));
                rewound.version = Some(version);
                tracing::info!(topic = wanted.topic, ?rewound, "an offset was set back");
                return Ok(rewound);
            }
            Outcome::Refused(refusal) => {
                tracing::info!(topic = wanted.topic, %refusal, "the rewind begins anew");
            }
        }
    }
    written.discard(&table).await?;
    Err(Error::Contended {
        table: table.path().to_owned(),
        action: "set an offset back",
        attempts: ATTEMPTS,
    })
}

/// The newest version of a table that must be there.
pub(super) async fn open(lake: &Lake, table: &Table) -> Result<Snapshot> {
    let snapshot = table.latest().await.map_err(failed(table))?;
    snapshot.ok_or_else(|| {
        failed(table)(goldrecord_lake::Error::NoTable {
            table: table.path().to_owned(),
            lake: lake.url().to_owned(),
        })
    })
}

impl Rewind {
    /// The partition's number of now.
    fn find(&self, snapshot: &Snapshot, cluster: &str) -> Result<(AppId, i64)> {
        let found = AppId::latest(&snapshot.txns, cluster, &self.topic, self.partition);
        let (epoch, next) = found.ok_or_else(|| {
            self.refuse(&format!(
                "the table has never read it from the cluster `{cluster}`: there is nothing to set back"
            ))
        })?;
        let id = AppId {
            cluster: cluster.to_owned(),
            topic: self.topic.clone(),
            partition: self.partition,
            epoch,
        };
        Ok((id, next))
    }

    /// Refuses what cannot be read again.
    fn check(&self, from: i64, start: Option<i64>, low: i64, end: i64) -> Result<()> {
        let to = self.to;
        let Some(start) = start else {
            return Err(self.refuse("no row says where its epoch began; see `goldrecord verify`"));
        };
        if to > from {
            return Err(self.refuse(&format!(
                "its next offset is {from}, and only reading moves it forward to {to}"
            )));
        }
        if to < start {
            return Err(self.refuse(&format!(
                "its epoch began at {start}: what is before was never read in it; name an offset from {start} to {from}"
            )));
        }
        if end < from {
            return Err(self.refuse(&format!(
                "Kafka's log ends at {end}, before the table's next offset {from}: it is another log. If the topic was \
                 made anew, begin the next epoch with `goldrecord offsets accept`"
            )));
        }
        if low > to && to < from && !self.accept_loss {
            let gone = low.min(from) - to;
            return Err(self.refuse(&format!(
                "Kafka has deleted {gone} of the records from {to} on: its log begins at {low}, and what the table holds of \
                 them would be lost. Name an offset from {low} on, or give --accept-loss"
            )));
        }
        Ok(())
    }

    fn tell(&self, survey: &Survey, epoch: i32, from: i64, low: i64) -> Rewound {
        let files = || survey.touched.iter().map(|touched| &touched.file);
        let dropped: u64 = survey.touched.iter().map(|touched| touched.dropped).sum();
        let cut = survey.cut;
        Rewound {
            version: None,
            epoch,
            from,
            to: self.to,
            good: cut.good,
            bad: cut.bad,
            gaps: cut.gaps,
            expired: cut.expired,
            unaccounted: from - self.to - cut.good - cut.bad - cut.gaps - cut.expired,
            lost: (low.min(from) - self.to).max(0),
            files_removed: survey.touched.len() as u64,
            bytes_removed: bytes_of(files()),
            files_added: 0,
            rows_rewritten: rows_of(files()) - dropped as i64,
            bytes_added: 0,
        }
    }

    fn proposal(&self, id: &AppId, from: i64, survey: &Survey, adds: Vec<AddFile>) -> Proposal {
        let touched = survey.touched.iter();
        Proposal {
            operation: "REWIND".to_owned(),
            adds,
            removes: touched.map(|touched| touched.file.path.clone()).collect(),
            txns: vec![TxnStep {
                app_id: id.to_string(),
                expect: Some(from),
                next: self.to,
            }],
            // What was made anew and accepted is not read in this epoch again.
            unset: vec![id.next_epoch().to_string()],
            rewinds: true,
            data_change: true,
            info: [
                ("partition".to_owned(), json!(self.partition)),
                ("from".to_owned(), json!(from)),
                ("to".to_owned(), json!(self.to)),
            ]
            .into(),
            ..Proposal::default()
        }
    }

    fn refuse(&self, why: &str) -> Error {
        Error::CannotMove {
            topic: self.topic.clone(),
            partition: self.partition,
            why: why.to_owned(),
        }
    }
}

/// Files written anew, by the path of the file that they stand for.
#[derive(Default)]
struct Written(BTreeMap<String, Option<AddFile>>);

impl Written {
    /// The file without what is cut, written at most once.
    async fn cut(
        &mut self,
        epoch: Epoch<'_>,
        touched: &Touched,
        to: i64,
    ) -> Result<Option<AddFile>> {
        if let Some(before) = self.0.get(&touched.file.path) {
            return Ok(before.clone());
        }
        let cut = epoch.cut(touched, to).await?;
        self.0.insert(touched.file.path.clone(), cut.clone());
        Ok(cut)
    }

    /// Deletes what stands for files that are no longer live, and what may have to be cut otherwise by now.
    async fn forget_others(&mut self, table: &Table, survey: &Survey) -> Result<()> {
        let kept = |path: &String| {
            let touched = survey.touched.iter();
            touched
                .filter(|touched| touched.expired.is_empty())
                .any(|touched| touched.file.path == *path)
        };
        let (kept, others) = std::mem::take(&mut self.0)
            .into_iter()
            .partition(|(path, _)| kept(path));
        self.0 = kept;
        Self(others).discard(table).await
    }

    async fn discard(self, table: &Table) -> Result<()> {
        let files: Vec<AddFile> = self.0.into_values().flatten().collect();
        table.discard(&files).await.map_err(failed(table))
    }
}
