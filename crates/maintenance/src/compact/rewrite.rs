//! Carrying a plan out: files are read one after the other, written as one, and exchanged in a commit that is refused
//! where any of them is no longer live.

use std::collections::BTreeMap;

use futures::StreamExt as _;
use goldrecord_lake::{AddFile, Outcome, Proposal, Snapshot, Table, WriteOptions};
use goldrecord_service::{Shutdown, notify};

use super::plan::{Job, Rule, plan};
use crate::error::{Error, Result};
use crate::failpoint::failpoint;
use crate::report::Compaction;

/// A partition's values.
type Partition = BTreeMap<String, Option<String>>;

/// What can hold compaction back.
pub(crate) struct Guard<'a> {
    pub(crate) shutdown: &'a Shutdown,
    /// Only say what would be done.
    pub(crate) dry_run: bool,
}

/// Compacts what `rule` says. Whoever changes one of the files meanwhile wins.
pub(crate) async fn compact(
    table: &Table,
    snapshot: &mut Snapshot,
    rule: Rule,
    guard: &Guard<'_>,
) -> Result<Compaction> {
    let mut done = Compaction::default();
    for job in plan(snapshot.files.values(), rule) {
        if guard.shutdown.is_requested() {
            break;
        }
        if guard.dry_run {
            let partitions = by_partition(&job.files).len();
            done.count(&job.files, partitions, 0);
            continue;
        }
        let live = |file: &AddFile| snapshot.files.contains_key(&file.path);
        if !job.files.iter().all(live) {
            // The commit before learnt that somebody else removed it.
            done.refused += 1;
            continue;
        }
        let Some(adds) = rewrite(table, snapshot, &job, guard.shutdown).await? else {
            break;
        };
        exchange(table, snapshot, job, adds, &mut done).await?;
    }
    Ok(done)
}

/// Writes the rows of a job's files anew; `None` where a request to stop came first.
async fn rewrite(
    table: &Table,
    snapshot: &Snapshot,
    job: &Job,
    shutdown: &Shutdown,
) -> Result<Option<Vec<AddFile>>> {
    let failed = || Error::lake(format!("compact table `{}`", table.path()));
    // The plan bounds the sizes; a file that is cut short would be compacted again and again.
    // Rows come by partition: waiting for long runs of one would only take memory.
    let options = WriteOptions {
        target_file_bytes: usize::MAX,
        folder_buffer_bytes: 8 << 20,
        ..WriteOptions::default()
    };
    let mut writer = table.writer(snapshot, options);
    for file in &job.files {
        if shutdown.is_requested() {
            writer.abort().await.map_err(failed())?;
            return Ok(None);
        }
        let copied = async {
            let mut batches = table.read(file, snapshot, None).await?;
            while let Some(batch) = batches.next().await {
                writer.push(batch?).await?;
                notify::turned();
            }
            Ok(())
        };
        if let Err(error) = copied.await {
            // The first error is what counts; what stays behind is cleaned up in time.
            let _ = writer.abort().await;
            return Err(failed()(error));
        }
    }
    failpoint("maintenance::compact::before_finish")?;
    let mut adds = writer.finish().await.map_err(failed())?;
    failpoint("maintenance::compact::written")?;
    let same = same_rows(&job.files, &adds);
    if let Err(why) = same {
        table.discard(&adds).await.map_err(failed())?;
        return Err(Error::RowsDiffer {
            table: table.path().to_owned(),
            why,
        });
    }
    keep_order(&job.files, &mut adds);
    Ok(Some(adds))
}

async fn exchange(
    table: &Table,
    snapshot: &mut Snapshot,
    job: Job,
    adds: Vec<AddFile>,
    done: &mut Compaction,
) -> Result<()> {
    let failed = || Error::lake(format!("commit a compaction of table `{}`", table.path()));
    let proposal = Proposal {
        operation: "COMPACT".to_owned(),
        adds,
        removes: job.files.iter().map(|file| file.path.clone()).collect(),
        data_change: false,
        ..Proposal::default()
    };
    // After an error the commit may stand all the same: files in no version are cleaned up in time.
    match table.commit(snapshot, &proposal).await.map_err(failed())? {
        Outcome::Committed { version } => {
            failpoint("maintenance::compact::committed")?;
            let size = proposal.adds.iter().map(|add| add.size as u64).sum();
            done.count(&job.files, proposal.adds.len(), size);
            done.commits += 1;
            tracing::debug!(
                table = table.path(),
                version,
                from = job.files.len(),
                to = proposal.adds.len(),
                "compacted"
            );
        }
        Outcome::Refused(refusal) => {
            table.discard(&proposal.adds).await.map_err(failed())?;
            done.refused += 1;
            tracing::info!(table = table.path(), %refusal, "a compaction gave way");
        }
    }
    Ok(())
}

impl Compaction {
    fn count(&mut self, removed: &[AddFile], added: usize, bytes_added: u64) {
        self.files_removed += removed.len() as u64;
        self.files_added += added as u64;
        self.bytes_added += bytes_added;
        for file in removed {
            self.rows += file.stats.num_records as u64;
            self.bytes_removed += file.size as u64;
        }
    }
}

fn by_partition(files: &[AddFile]) -> BTreeMap<&Partition, Vec<&AddFile>> {
    let mut partitions: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for file in files {
        let partition = partitions.entry(&file.partition_values).or_default();
        partition.push(file);
    }
    partitions
}

/// Whether every partition has as many rows as before.
fn same_rows(before: &[AddFile], after: &[AddFile]) -> Result<(), String> {
    let rows = |files: &[&AddFile]| files.iter().map(|file| file.stats.num_records).sum::<i64>();
    let (before, after) = (by_partition(before), by_partition(after));
    if let Some(partition) = after
        .keys()
        .find(|partition| !before.contains_key(*partition))
    {
        return Err(format!(
            "rows of {partition:?} came out of other partitions"
        ));
    }
    for (partition, files) in before {
        let (expected, found) = (rows(&files), after.get(partition).map_or(0, |f| rows(f)));
        if expected != found {
            return Err(format!(
                "partition {partition:?} should have {expected} rows in {} files and has {found}",
                files.len()
            ));
        }
    }
    Ok(())
}

/// A compacted file is as old as the youngest of its rows, so that it keeps its place among the others.
fn keep_order(before: &[AddFile], after: &mut [AddFile]) {
    let partitions = by_partition(before);
    for add in after {
        let written = partitions
            .get(&add.partition_values)
            .and_then(|files| files.iter().map(|file| file.modification_time).max());
        if let Some(written) = written {
            add.modification_time = written;
        }
    }
}

#[cfg(test)]
mod tests {
    use goldrecord_lake::Stats;

    use super::*;

    fn file(path: &str, day: &str, rows: i64, written_ms: i64) -> AddFile {
        AddFile {
            path: path.to_owned(),
            partition_values: BTreeMap::from([("day".to_owned(), Some(day.to_owned()))]),
            size: 1,
            modification_time: written_ms,
            data_change: false,
            stats: Stats {
                num_records: rows,
                ..Stats::default()
            },
        }
    }

    #[test]
    fn rows_that_went_or_came_or_moved_are_found() {
        let before = [
            file("a", "1", 5, 10),
            file("b", "1", 6, 20),
            file("c", "2", 7, 5),
        ];
        let whole = [file("d", "1", 11, 99), file("e", "2", 7, 99)];
        assert_eq!(same_rows(&before, &whole), Ok(()));
        let fewer = [file("d", "1", 10, 99), file("e", "2", 7, 99)];
        let why = same_rows(&before, &fewer).expect_err("a row is lost");
        assert!(
            why.contains("should have 11 rows in 2 files and has 10"),
            "{why}"
        );
        assert!(
            same_rows(&before, &whole[..1]).is_err(),
            "a partition is lost"
        );
        let moved = [file("d", "1", 11, 99), file("e", "3", 7, 99)];
        assert!(same_rows(&before, &moved).is_err(), "to another partition");
    }

    #[test]
    fn a_compacted_file_keeps_its_place_in_time() {
        let before = [file("a", "1", 5, 10), file("b", "1", 6, 20)];
        let mut after = [file("d", "1", 11, 99)];
        keep_order(&before, &mut after);
        assert_eq!(after[0].modification_time, 20);
    }
}
