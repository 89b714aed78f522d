//! Reading the log: the newest checkpoint that serves, then the commits since, by name.

use bytes::Bytes;
use futures::stream::{self, StreamExt as _};
use serde::Deserialize;

use crate::error::{Error, Result};
use crate::log::actions::Actions;
use crate::log::checkpoint;
use crate::log::names::{self, LOG_FOLDER, Name};
use crate::snapshot::Snapshot;
use crate::store::Store;

/// How many commits are read side by side. The names beyond the end that this asks for cost little.
const READ_AHEAD: usize = 16;

/// The content of `_last_checkpoint`, as far as we need it.
#[derive(Debug, Deserialize)]
struct Hint {
    version: i64,
    /// Checkpoints in parts are not ours to read; the listing finds the one before.
    #[serde(default)]
    parts: Option<i64>,
}

/// One commit, parsed; `None` where the version does not exist.
pub(crate) async fn read_commit(
    store: &Store,
    table: &str,
    version: i64,
) -> Result<Option<Actions>> {
    store
        .read(&names::commit(table, version))
        .await?
        .map(|bytes| parse_commit(table, version, &bytes))
        .transpose()
}

fn parse_commit(table: &str, version: i64, bytes: &Bytes) -> Result<Actions> {
    Actions::parse(bytes).map_err(|why| Error::BrokenLog {
        table: table.to_owned(),
        version,
        why,
    })
}

/// The commits of `versions`, read side by side, up to the first that does not exist.
pub(crate) async fn read_commits(
    store: &Store,
    table: &str,
    versions: impl Iterator<Item = i64> + Send,
) -> Result<Vec<(i64, Actions)>> {
    let mut commits = Vec::new();
    let mut reads = stream::iter(versions)
        .map(|version| async move { (version, read_commit(store, table, version).await) })
        .buffered(READ_AHEAD);
    while let Some((version, commit)) = reads.next().await {
        match commit? {
            Some(commit) => commits.push((version, commit)),
            None => break,
        }
    }
    Ok(commits)
}

/// The latest version; `None` where there is no table.
pub(crate) async fn latest(store: &Store, table: &str) -> Result<Option<Snapshot>> {
    load(store, table, i64::MAX).await
}

/// The table at a version.
pub(crate) async fn at(store: &Store, table: &str, version: i64) -> Result<Option<Snapshot>> {
    let Some(snapshot) = load(store, table, version).await? else {
        return Ok(None);
    };
    if snapshot.version == version {
        return Ok(Some(snapshot));
    }
    Err(Error::NoVersion {
        table: table.to_owned(),
        version,
        why: format!("the newest is {}", snapshot.version),
    })
}

/// Applies the commits after the snapshot's version, up to and with `until`.
pub(crate) async fn catch_up(
    store: &Store,
    table: &str,
    snapshot: &mut Snapshot,
    until: i64,
) -> Result<()> {
    let next = snapshot.version + 1;
    for (version, commit) in read_commits(store, table, next..=until).await? {
        snapshot.advance(table, version, &commit)?;
    }
    Ok(())
}

async fn load(store: &Store, table: &str, until: i64) -> Result<Option<Snapshot>> {
    let hint = store.read(&names::last_checkpoint(table)).await?;
    // A hint that cannot be read is as good as none.
    let hint = hint.and_then(|bytes| serde_json::from_slice::<Hint>(&bytes).ok());
    if let Some(Hint {
        version,
        parts: None,
    }) = hint
        && version <= until
        && let Some(mut snapshot) = from_checkpoint(store, table, version).await?
    {
        catch_up(store, table, &mut snapshot, until).await?;
        return Ok(Some(snapshot));
    }
    load_by_listing(store, table, until).await
}

async fn load_by_listing(store: &Store, table: &str, until: i64) -> Result<Option<Snapshot>> {
    let (mut commits, mut checkpoints) = (Vec::new(), Vec::new());
    for entry in store.list(&format!("{table}/{LOG_FOLDER}")).await? {
        match names::parse(&entry.name) {
            Some(Name::Commit(version)) => commits.push(version),
            Some(Name::Checkpoint(version)) if version <= until => checkpoints.push(version),
            _ => {}
        }
    }
    for version in checkpoints.into_iter().rev() {
        if let Some(mut snapshot) = from_checkpoint(store, table, version).await? {
            catch_up(store, table, &mut snapshot, until).await?;
            return Ok(Some(snapshot));
        }
    }
    let Some(first) = commits.first() else {
        return Ok(None);
    };
    if *first != 0 {
        return Err(Error::NoVersion {
            table: table.to_owned(),
            version: if until == i64::MAX {
                commits[commits.len() - 1]
            } else {
                until
            },
            why: format!(
                "the log begins at version {first} and no checkpoint before it can be read"
            ),
        });
    }
    let Some(commit) = read_commit(store, table, 0).await? else {
        return Ok(None);
    };
    let mut snapshot = Snapshot::begin(table, 0, &commit)?;
    catch_up(store, table, &mut snapshot, until).await?;
    Ok(Some(snapshot))
}

/// The state in a checkpoint; `None` where the file is missing or damaged, so that an older one is tried.
async fn from_checkpoint(store: &Store, table: &str, version: i64) -> Result<Option<Snapshot>> {
    let path = names::checkpoint(table, version);
    let Some(bytes) = store.read(&path).await? else {
        return Ok(None);
    };
    let mut actions = match checkpoint::decode(bytes) {
        Ok(actions) => actions,
        Err(error) => {
            tracing::warn!(%path, %error, "a checkpoint cannot be read; reading an older one");
            return Ok(None);
        }
    };
    // A checkpoint does not say when its version was committed; the commit beside it does, while it lasts.
    if let Ok(Some(commit)) = read_commit(store, table, version).await {
        actions.info = commit.info;
    }
    Snapshot::begin(table, version, &actions).map(Some)
}
