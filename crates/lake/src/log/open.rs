//! Reading the log: the newest checkpoint that serves, then the commits since, by name.

use std::sync::Arc;

use bytes::Bytes;
use futures::stream::{self, Stream, StreamExt as _, TryStreamExt as _};
use object_store::ObjectStoreExt as _;
use object_store::path::Path;
use serde::Deserialize;

use crate::error::{Error, Result};
use crate::log::actions::Actions;
use crate::log::checkpoint;
use crate::log::names::{self, LOG_FOLDER, Name};
use crate::snapshot::Snapshot;
use crate::store::Store;

/// How many commits are read side by side. The names beyond the end that this asks for cost little.
const READ_AHEAD: usize = 16;
/// How often the log is listed anew where it is cut while it is read.
const LISTINGS: u32 = 3;

/// The content of `_last_checkpoint`, as far as we need it.
#[derive(Debug, Deserialize)]
pub(crate) struct Hint {
    pub(crate) version: i64,
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

/// What comes after a version.
#[derive(Debug)]
pub(crate) enum Next {
    /// This commit.
    Commit(Arc<Actions>),
    /// Nothing: it is the newest.
    Nothing,
    /// Old commits were removed, those after the version among them: names tell nothing any more.
    Cut,
}

/// What comes after version `head`.
pub(crate) async fn next(store: &Store, table: &str, head: i64) -> Result<Next> {
    match read_commit(store, table, head + 1).await? {
        Some(commit) => Ok(Next::Commit(Arc::new(commit))),
        None if is_there(store, &names::commit(table, head)).await? => Ok(Next::Nothing),
        None => Ok(Next::Cut),
    }
}

/// Commits are removed from the oldest on, and never the newest. So a commit that is there after the next one was not
/// found is the newest: the next one was not removed, it was not yet written.
async fn is_there(store: &Store, path: &str) -> Result<bool> {
    let failed = |source| Error::Store {
        action: "look for",
        path: path.to_owned(),
        source,
    };
    let location = Path::parse(path).map_err(|error| failed(error.into()))?;
    match store.objects.head(&location).await {
        Ok(_) => Ok(true),
        Err(object_store::Error::NotFound { .. }) => Ok(false),
        Err(source) => Err(failed(source)),
    }
}

/// The commits of `versions`, read side by side and given in their order, up to the first that does not exist.
pub(crate) fn stream_commits<'a>(
    store: &'a Store,
    table: &'a str,
    versions: impl Iterator<Item = i64> + Send + 'a,
) -> impl Stream<Item = Result<(i64, Actions)>> + Send + 'a {
    stream::iter(versions)
        .map(move |version| async move { (version, read_commit(store, table, version).await) })
        .buffered(READ_AHEAD)
        .map(|(version, commit)| Ok(commit?.map(|commit| (version, commit))))
        .take_while(|read| std::future::ready(!matches!(read, Ok(None))))
        .filter_map(|read| std::future::ready(read.transpose()))
}

/// The same, all at once.
pub(crate) async fn read_commits(
    store: &Store,
    table: &str,
    versions: impl Iterator<Item = i64> + Send,
) -> Result<Vec<(i64, Actions)>> {
    stream_commits(store, table, versions).try_collect().await
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

/// Whether a snapshot was brought up to date.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub(crate) enum CaughtUp {
    /// It is the version wanted, or the newest before it.
    Yes,
    /// Commits after it were removed meanwhile: newer ones may exist.
    Cut,
}

/// Applies the commits after the snapshot's version, up to and with `until`.
pub(crate) async fn catch_up(
    store: &Store,
    table: &str,
    snapshot: &mut Snapshot,
    until: i64,
) -> Result<CaughtUp> {
    let next = snapshot.version + 1;
    for (version, commit) in read_commits(store, table, next..=until).await? {
        snapshot.advance(table, version, &commit)?;
    }
    let known = snapshot.version >= until
        || is_there(store, &names::commit(table, snapshot.version)).await?;
    Ok(if known { CaughtUp::Yes } else { CaughtUp::Cut })
}

async fn load(store: &Store, table: &str, until: i64) -> Result<Option<Snapshot>> {
    if let Some(Hint {
        version,
        parts: None,
    }) = hint(store, table).await?
        && version <= until
        && let Some(mut snapshot) = from_checkpoint(store, table, version).await?
        && catch_up(store, table, &mut snapshot, until).await? == CaughtUp::Yes
    {
        return Ok(Some(snapshot));
    }
    for _ in 0..LISTINGS {
        if let Listed::Read(snapshot) = load_by_listing(store, table, until).await? {
            return Ok(snapshot.map(|snapshot| *snapshot));
        }
    }
    Err(Error::NoVersion {
        table: table.to_owned(),
        version: until,
        why: "its log was cut each time that it was read; read it again".to_owned(),
    })
}

/// The newest version of a table whose log no longer holds what came after `known`.
pub(crate) async fn after_cut(store: &Store, table: &str, known: &Snapshot) -> Result<Snapshot> {
    let newest = latest(store, table).await?;
    newest
        .filter(|newest| newest.table_id == known.table_id && newest.version >= known.version)
        .ok_or_else(|| Error::NoVersion {
            table: table.to_owned(),
            version: known.version,
            why: "the table was removed or made anew since it was opened; open it again".to_owned(),
        })
}

/// Which checkpoint is the newest, as far as the hint knows. One that cannot be read is as good as none.
pub(crate) async fn hint(store: &Store, table: &str) -> Result<Option<Hint>> {
    let hint = store.read(&names::last_checkpoint(table)).await?;
    Ok(hint.and_then(|bytes| serde_json::from_slice(&bytes).ok()))
}

/// What came of reading the log that a listing showed.
enum Listed {
    Read(Option<Box<Snapshot>>),
    /// Commits that the listing showed were removed meanwhile.
    Cut,
}

async fn load_by_listing(store: &Store, table: &str, until: i64) -> Result<Listed> {
    let (mut commits, mut checkpoints) = (Vec::new(), Vec::new());
    for entry in store.list(&format!("{table}/{LOG_FOLDER}")).await? {
        match names::parse(&entry.name) {
            Some(Name::Commit(version)) => commits.push(version),
            Some(Name::Checkpoint(version)) if version <= until => checkpoints.push(version),
            _ => {}
        }
    }
    let newest = commits.last().copied();
    let done = |snapshot: Snapshot, caught_up: CaughtUp| {
        // Another program may have removed the checkpoint's own commit: with nothing after it, it is the newest all the same.
        if caught_up == CaughtUp::Yes || newest.is_none_or(|newest| newest <= snapshot.version) {
            Listed::Read(Some(Box::new(snapshot)))
        } else {
            Listed::Cut
        }
    };
    for version in checkpoints.into_iter().rev() {
        if let Some(mut snapshot) = from_checkpoint(store, table, version).await? {
            let caught_up = catch_up(store, table, &mut snapshot, until).await?;
            return Ok(done(snapshot, caught_up));
        }
    }
    let (Some(first), Some(newest)) = (commits.first(), newest) else {
        return Ok(Listed::Read(None));
    };
    if *first != 0 {
        let (version, why) = if until == i64::MAX {
            (
                newest,
                format!(
                    "the log begins at version {first} and no checkpoint before it can be read"
                ),
            )
        } else {
            (
                until,
                format!(
                    "the log begins at version {first}: what came before was removed when its time was over ([maintenance] keep); read a newer version"
                ),
            )
        };
        return Err(Error::NoVersion {
            table: table.to_owned(),
            version,
            why,
        });
    }
    let Some(commit) = read_commit(store, table, 0).await? else {
        return Ok(Listed::Cut);
    };
    let mut snapshot = Snapshot::begin(table, 0, &commit)?;
    let caught_up = catch_up(store, table, &mut snapshot, until).await?;
    Ok(done(snapshot, caught_up))
}

/// The state in a checkpoint; `None` where the file is missing or damaged, so that an older one is tried.
pub(crate) async fn from_checkpoint(
    store: &Store,
    table: &str,
    version: i64,
) -> Result<Option<Snapshot>> {
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
