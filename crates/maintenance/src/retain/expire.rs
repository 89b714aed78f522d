//! Removing days: counts their rows, and takes the files away and puts the counts in their place in one commit.

use std::time::Duration;

use chrono::{DateTime, NaiveDate, Utc};
use futures::StreamExt as _;
use goldrecord_lake::{EXPIRED_BEFORE, Outcome, Proposal, Snapshot, Table, TxnStep, WriteOptions};
use goldrecord_service::{Shutdown, notify};
use serde_json::json;

use super::expired::Tally;
use super::plan::{COUNTED, Due, due};
use crate::error::{Error, Result};
use crate::failpoint::failpoint;
use crate::report::Retention;

/// Removes the days that are older than `retention`; `None` where a request to stop came first. Whoever changes one of
/// their files meanwhile wins, and the next round tries again.
pub(crate) async fn expire(
    table: &Table,
    snapshot: &mut Snapshot,
    retention: Duration,
    now: DateTime<Utc>,
    shutdown: &Shutdown,
    dry_run: bool,
) -> Result<Option<Retention>> {
    let due = due(snapshot, retention, now).map_err(|why| Error::NotRetainable {
        table: table.path().to_owned(),
        why,
    })?;
    let files = || due.files.iter();
    let mut done = Retention {
        before: due.before.to_string(),
        days: due.days.len() as u64,
        files: due.files.len() as u64,
        rows: files().map(|file| file.stats.num_records as u64).sum(),
        bytes: files().map(|file| file.size as u64).sum(),
        refused: false,
    };
    if dry_run || due.files.is_empty() {
        return Ok(Some(done));
    }
    let Some(tally) = count(table, snapshot, &due, shutdown).await? else {
        return Ok(None);
    };
    if tally.rows() != done.rows as i64 {
        return Err(Error::RowsDiffer {
            table: table.path().to_owned(),
            why: format!(
                "the days before {} should have {} rows and have {}",
                due.before,
                done.rows,
                tally.rows()
            ),
        });
    }
    done.refused = !remove(table, snapshot, &due, &tally, now).await?;
    Ok(Some(done))
}

async fn count(
    table: &Table,
    snapshot: &Snapshot,
    due: &Due,
    shutdown: &Shutdown,
) -> Result<Option<Tally>> {
    let failed = || {
        Error::lake(format!(
            "count the expired rows of table `{}`",
            table.path()
        ))
    };
    let mut tally = Tally::default();
    for file in &due.files {
        if shutdown.is_requested() {
            return Ok(None);
        }
        let batches = table.read(file, snapshot, Some(&COUNTED)).await;
        let mut batches = batches.map_err(failed())?;
        while let Some(batch) = batches.next().await {
            let counted = tally.add(&batch.map_err(failed())?);
            counted.map_err(|source| row(table, source))?;
            notify::turned();
        }
    }
    Ok(Some(tally))
}

/// Whether they were removed.
async fn remove(
    table: &Table,
    snapshot: &mut Snapshot,
    due: &Due,
    tally: &Tally,
    now: DateTime<Utc>,
) -> Result<bool> {
    let failed = || Error::lake(format!("remove expired days of table `{}`", table.path()));
    let days = match (due.days.first(), due.days.last()) {
        (Some(first), Some(last)) if first != last => format!("{first} to {last}"),
        (first, _) => first.map(ToString::to_string).unwrap_or_default(),
    };
    let rows = tally
        .to_batch(&days, now.timestamp_millis())
        .map_err(|source| row(table, source))?;
    let adds = table
        .write(snapshot, vec![rows], &WriteOptions::default())
        .await
        .map_err(failed())?;
    failpoint("maintenance::retain::written")?;
    let proposal = Proposal {
        operation: "EXPIRE".to_owned(),
        adds,
        removes: due.files.iter().map(|file| file.path.clone()).collect(),
        txns: vec![expired_before(snapshot, due.before)],
        data_change: false,
        info: [
            ("days".to_owned(), json!(days)),
            ("rows".to_owned(), json!(tally.rows())),
        ]
        .into(),
        ..Proposal::default()
    };
    // After an error the commit may stand all the same: files in no version are cleaned up in time.
    match table.commit(snapshot, &proposal).await.map_err(failed())? {
        Outcome::Committed { version } => {
            failpoint("maintenance::retain::committed")?;
            tracing::info!(table = table.path(), version, %days, rows = tally.rows(), "expired days removed");
            Ok(true)
        }
        Outcome::Refused(refusal) => {
            table.discard(&proposal.adds).await.map_err(failed())?;
            tracing::info!(table = table.path(), %refusal, "expired days stay until the next round");
            Ok(false)
        }
    }
}

/// Tells readers which days went: whoever computes anew from what is left loses them. It never goes back, though a
/// longer retention may begin earlier: what went stays away.
fn expired_before(snapshot: &Snapshot, before: NaiveDate) -> TxnStep {
    let before = before
        .signed_duration_since(NaiveDate::default())
        .num_days();
    let expect = snapshot.expired_before();
    TxnStep {
        app_id: EXPIRED_BEFORE.to_owned(),
        expect,
        next: expect.map_or(before, |known| known.max(before)),
    }
}

fn row(table: &Table, source: arrow::error::ArrowError) -> Error {
    Error::Row {
        table: table.path().to_owned(),
        source,
    }
}
