//! The commit loop's I/O: carries out what the machine asks for and tells it what came of it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use serde_json::json;
use uuid::Uuid;

use crate::commit::check;
use crate::commit::machine::{Event, Machine, Step, Verdict};
use crate::error::{Error, Result};
use crate::log::open::Next;
use crate::log::{checkpoint, names, open};
use crate::proposal::{Outcome, Proposal};
use crate::snapshot::Snapshot;
use crate::store::Store;
use crate::table::TableSpec;

/// Where a commit goes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Committer<'a> {
    pub(crate) store: &'a Store,
    pub(crate) table: &'a str,
}

/// Milliseconds since 1970.
pub(crate) fn now_ms() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| {
            i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
        })
}

/// Makes version 0. Where another made it first, that one stands.
pub(crate) async fn create(to: Committer<'_>, spec: &TableSpec) -> Result<Snapshot> {
    if let Some(snapshot) = open::latest(to.store, to.table).await? {
        return Ok(snapshot);
    }
    check::check_partition_columns(to.table, &spec.schema, &spec.partition_columns)?;
    let uuid = Uuid::new_v4().to_string();
    let actions = check::creation(spec, Uuid::new_v4().to_string(), &uuid, now_ms())?;
    let temporary = names::temporary(to.table, &uuid);
    to.store
        .write_new(&temporary, vec![actions.to_json().into()])
        .await?;
    let renamed = to
        .store
        .rename_new(&temporary, &names::commit(to.table, 0))
        .await;
    // Ours or a rival's: version 0 is what it now is. Only where there is none did the rename fail.
    match (open::latest(to.store, to.table).await?, renamed) {
        (Some(snapshot), renamed) => {
            if renamed.is_err() {
                to.store.delete(&temporary).await?;
            }
            Ok(snapshot)
        }
        (None, Err(error)) => Err(error),
        (None, Ok(())) => Err(Error::BrokenLog {
            table: to.table.to_owned(),
            version: 0,
            why: "the version was committed and is not there".to_owned(),
        }),
    }
}

/// Commits a proposal; `snapshot` becomes the newest version known.
pub(crate) async fn commit(
    to: Committer<'_>,
    snapshot: &mut Snapshot,
    proposal: &Proposal,
) -> Result<Outcome> {
    check::validate(to.table, snapshot, proposal)?;
    let uuid = Uuid::new_v4().to_string();
    let temporary = names::temporary(to.table, &uuid);
    let mut machine = Machine::new(to.table, proposal, snapshot.clone(), uuid, now_ms())?;
    let mut last_error = None;
    let verdict = loop {
        let (step, pause) = machine.step();
        if !pause.is_zero() {
            tokio::time::sleep(jittered(pause)).await;
        }
        if let Step::Done(verdict) = step {
            break verdict;
        }
        let event = to
            .carry_out(step, &temporary, machine.head(), &mut last_error)
            .await?;
        machine.on(event)?;
    };
    match verdict {
        Verdict::Committed { version } => {
            *snapshot = machine.into_head();
            to.checkpoint_when_due(snapshot).await;
            Ok(Outcome::Committed { version })
        }
        Verdict::Refused(refusal) => {
            *snapshot = machine.into_head();
            Ok(Outcome::Refused(refusal))
        }
        Verdict::Failed => Err(last_error.expect("a commit fails by an error of the store")),
        Verdict::Unknown { version } => Err(Error::OutcomeUnknown {
            table: to.table.to_owned(),
            version,
            why: last_error.map_or_else(String::new, |error| error.to_string()),
        }),
    }
}

impl Committer<'_> {
    /// Does one step. Errors of the store are events; an error is returned only for a log that is broken or
    /// newer than we understand.
    async fn carry_out(
        self,
        step: Step,
        temporary: &str,
        head: &Snapshot,
        last_error: &mut Option<Error>,
    ) -> Result<Event> {
        let mut keep = |error: Error| *last_error = Some(error);
        Ok(match step {
            Step::Write(actions) => {
                failpoint("lake::commit::write")?;
                match self
                    .store
                    .write_new(temporary, vec![Bytes::from(actions.to_json())])
                    .await
                {
                    Ok(()) => Event::Written,
                    Err(error) => {
                        keep(error);
                        Event::WriteFailed
                    }
                }
            }
            Step::Rename { to } => {
                failpoint("lake::commit::before_rename")?;
                let renamed = self
                    .store
                    .rename_new(temporary, &names::commit(self.table, to))
                    .await;
                failpoint("lake::commit::after_rename")?;
                match renamed {
                    Ok(()) => Event::Renamed,
                    Err(error) => {
                        keep(error);
                        Event::RenameUnclear
                    }
                }
            }
            Step::Read { version } => {
                failpoint("lake::commit::read")?;
                match self.read(version, head).await {
                    Ok(event) => event,
                    Err(error @ Error::Store { .. }) => {
                        keep(error);
                        Event::ReadFailed
                    }
                    Err(error) => return Err(error),
                }
            }
            Step::Delete => {
                failpoint("lake::commit::delete")?;
                if let Err(error) = self.store.delete(temporary).await {
                    // Maintenance deletes temporary files that were left.
                    tracing::debug!(%temporary, %error, "a temporary file stays behind");
                }
                Event::Deleted
            }
            Step::Done(_) => unreachable!("the loop ends before"),
        })
    }

    /// What is to be known of the version after the one before it.
    async fn read(self, version: i64, head: &Snapshot) -> Result<Event> {
        Ok(
            match open::next(self.store, self.table, version - 1).await? {
                Next::Commit(actions) => Event::Found(actions),
                Next::Nothing => Event::Missing,
                Next::Cut => {
                    let newest = open::after_cut(self.store, self.table, head).await?;
                    if newest.version < version {
                        // Another program removed the commit of a checkpoint that nothing follows.
                        Event::Missing
                    } else {
                        Event::Cut(Box::new(newest))
                    }
                }
            },
        )
    }

    /// Writes a checkpoint after every hundredth version. The commit stands whatever becomes of it.
    async fn checkpoint_when_due(self, snapshot: &Snapshot) {
        if snapshot.version > 0
            && snapshot.version % checkpoint::INTERVAL == 0
            && let Err(error) = self.checkpoint(snapshot).await
        {
            tracing::warn!(table = self.table, version = snapshot.version, %error, "no checkpoint was written; the next is due in {} versions", checkpoint::INTERVAL);
        }
    }

    /// Writes the checkpoint of a snapshot, and the hint to it where no newer one is known.
    pub(crate) async fn checkpoint(self, snapshot: &Snapshot) -> Result<()> {
        failpoint("lake::checkpoint")?;
        let (version, copy) = (snapshot.version, snapshot.clone());
        let unfit = |why: String| Error::BadCheckpoint {
            table: self.table.to_owned(),
            version,
            why,
        };
        let encoded = tokio::task::spawn_blocking(move || checkpoint::encode(&copy, now_ms()))
            .await
            .map_err(|error| unfit(error.to_string()))?
            .map_err(|error| unfit(error.to_string()))?;
        let size_in_bytes = encoded.bytes.len();
        self.replace(&names::checkpoint(self.table, version), encoded.bytes)
            .await?;
        failpoint("lake::checkpoint::hint")?;
        let known = open::hint(self.store, self.table).await?;
        if known.is_some_and(|known| known.version > version) {
            return Ok(());
        }
        let hint =
            json!({"version": version, "size": encoded.actions, "sizeInBytes": size_in_bytes});
        let hint = Bytes::from(hint.to_string());
        self.replace(&names::last_checkpoint(self.table), hint)
            .await?;
        Ok(())
    }

    /// Puts a file in its place at once and whole.
    async fn replace(self, path: &str, bytes: Bytes) -> Result<()> {
        let temporary = names::temporary(self.table, &Uuid::new_v4().to_string());
        self.store.write_new(&temporary, vec![bytes]).await?;
        self.store.rename_over(&temporary, path).await
    }
}

/// Between half and the whole of a pause, so that rivals do not meet again.
fn jittered(pause: Duration) -> Duration {
    let part = f64::from(Uuid::new_v4().as_bytes()[0]) / 255.0;
    pause.mul_f64(0.5 + part / 2.0)
}

/// A place where tests make the loop stop as if the process had died (feature `failpoints`).
#[cfg(feature = "failpoints")]
fn failpoint(name: &str) -> Result<()> {
    fail::fail_point!(name, |_| Err(Error::Store {
        action: "go beyond failpoint",
        path: name.to_owned(),
        source: object_store::Error::NotImplemented {
            operation: "a failpoint".to_owned(),
            implementer: "the test".to_owned(),
        },
    }));
    Ok(())
}

#[cfg(not(feature = "failpoints"))]
#[expect(clippy::unnecessary_wraps, reason = "it fails where the feature is on")]
fn failpoint(_name: &str) -> Result<()> {
    Ok(())
}
