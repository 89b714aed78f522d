//! Accepting a topic that was made anew: its partition's next epoch begins where Kafka's log does.

use goldrecord_lake::{Lake, Outcome, Proposal, Snapshot, Table, TxnStep, WriteOptions};
use serde::Serialize;
use serde_json::json;

use super::Broker;
use super::rewind::open;
use crate::bronze::{self, Others};
use crate::error::{Error, Result};
use crate::keeper::now;
use crate::protocol::AppId;
use crate::rewrite::failed;

/// How often it begins anew because others changed the table.
const ATTEMPTS: u32 = 8;

/// What was accepted, or would be.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Accepted {
    /// The table's version that holds it. `None`: nothing was committed.
    pub version: Option<i64>,
    /// The epoch that ends.
    pub ended: i32,
    /// Its next offset, which stays where it is.
    pub ended_at: i64,
    /// The epoch that begins.
    pub epoch: i32,
    /// Its first offset.
    pub start: i64,
    /// The offset after the last that Kafka has.
    pub end: i64,
}

/// Begins the next epoch of a partition whose topic was made anew. Refused where Kafka's log reaches as far as the
/// table: it may be the same one. The operator knows better if `made_anew`.
pub async fn accept(
    lake: &Lake,
    broker: &Broker,
    topic: &str,
    partition: i32,
    made_anew: bool,
    dry_run: bool,
) -> Result<Accepted> {
    let refuse = |why: String| Error::CannotMove {
        topic: topic.to_owned(),
        partition,
        why,
    };
    let table = lake.table(&bronze::path(topic));
    let cluster = broker.cluster().await?;
    let mut snapshot = open(lake, &table).await?;
    for _ in 0..ATTEMPTS {
        let found = AppId::latest(&snapshot.txns, &cluster, topic, partition);
        let (ended, ended_at) = found.ok_or_else(|| {
            refuse(format!(
                "the table has never read it from the cluster `{cluster}`: the ingestor begins it by itself"
            ))
        })?;
        // After the table: an owner still at work moves the table up to offsets that Kafka had before.
        let (low, end) = broker.bounds(topic, partition).await?;
        if end >= ended_at && !made_anew {
            return Err(refuse(format!(
                "Kafka's log reaches to {end} and the table to {ended_at}: nothing says that it is another log. If the topic \
                 was made anew and has grown since, give --made-anew"
            )));
        }
        let before = AppId {
            cluster: cluster.clone(),
            topic: topic.to_owned(),
            partition,
            epoch: ended,
        };
        let mut accepted = Accepted {
            version: None,
            ended,
            ended_at,
            epoch: ended + 1,
            start: low,
            end,
        };
        if dry_run {
            return Ok(accepted);
        }
        match begin(&table, &mut snapshot, &before, &accepted).await? {
            Outcome::Committed { version } => {
                tracing::info!(
                    topic,
                    partition,
                    epoch = accepted.epoch,
                    version,
                    "accepted"
                );
                accepted.version = Some(version);
                return Ok(accepted);
            }
            Outcome::Refused(refusal) => {
                tracing::info!(topic, partition, %refusal, "looked at once more");
            }
        }
    }
    Err(Error::Contended {
        table: table.path().to_owned(),
        action: "begin the next epoch",
        attempts: ATTEMPTS,
    })
}

/// Commits that the next epoch begins, if the one before still stands where it did.
async fn begin(
    table: &Table,
    snapshot: &mut Snapshot,
    before: &AppId,
    accepted: &Accepted,
) -> Result<Outcome> {
    let mut rows = Others::default();
    rows.start(before.partition, accepted.epoch, accepted.start);
    let batch = rows
        .finish(now())
        .expect("our own columns are of one length");
    let written = table
        .write(snapshot, vec![batch], &WriteOptions::default())
        .await;
    let proposal = Proposal {
        operation: "ACCEPT".to_owned(),
        adds: written.map_err(failed(table))?,
        txns: vec![
            TxnStep {
                app_id: before.to_string(),
                expect: Some(accepted.ended_at),
                next: accepted.ended_at,
            },
            TxnStep {
                app_id: before.next_epoch().to_string(),
                expect: None,
                next: accepted.start,
            },
        ],
        data_change: true,
        info: [
            ("partition".to_owned(), json!(before.partition)),
            ("epoch".to_owned(), json!(accepted.epoch)),
        ]
        .into(),
        ..Proposal::default()
    };
    fail::fail_point!("ingestor::accept-written", |_| Err(Error::Failpoint(
        "ingestor::accept-written"
    )));
    let outcome = table
        .commit(snapshot, &proposal)
        .await
        .map_err(failed(table))?;
    if matches!(outcome, Outcome::Refused(_)) {
        table.discard(&proposal.adds).await.map_err(failed(table))?;
    }
    Ok(outcome)
}
