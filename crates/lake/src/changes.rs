//! Which files came and went between two versions of a table.

use std::collections::BTreeMap;

use crate::error::{Error, Result};
use crate::log::actions::Actions;
use crate::log::open;
use crate::snapshot::{AddFile, Changes};
use crate::store::Store;

/// Reads the commits of (since, until].
pub(crate) async fn changes(store: &Store, table: &str, since: i64, until: i64) -> Result<Changes> {
    if since > until {
        return Ok(Changes::Unknown {
            why: format!("version {since} is newer than version {until}: the table is another one"),
        });
    }
    let commits = open::read_commits(store, table, since + 1..=until).await?;
    if commits.len() as i64 != until - since {
        return missing(store, table, since, until, commits.len() as i64).await;
    }
    let (added, removed) = fold(commits.iter().map(|(_, commit)| commit));
    let defined = commits.iter().any(|(_, commit)| commit.metadata.is_some());
    let schema_changed = defined && {
        let missing = |version| {
            move || Error::NoVersion {
                table: table.to_owned(),
                version,
                why: "it was there a moment ago".to_owned(),
            }
        };
        match open::at(store, table, since).await {
            Ok(before) => {
                let before = before.ok_or_else(missing(since))?;
                let after = open::at(store, table, until)
                    .await?
                    .ok_or_else(missing(until))?;
                if before.table_id != after.table_id {
                    return Ok(Changes::Unknown {
                        why: "the table was made anew".to_owned(),
                    });
                }
                before.schema != after.schema || before.partition_columns != after.partition_columns
            }
            // The definition at `since` is no longer told: it may have been another.
            Err(Error::NoVersion { .. }) => true,
            Err(error) => return Err(error),
        }
    };
    Ok(Changes::Known {
        added,
        removed,
        schema_changed,
    })
}

/// Tells a log that was cut from a version that does not exist.
async fn missing(store: &Store, table: &str, since: i64, until: i64, read: i64) -> Result<Changes> {
    let newest = open::latest(store, table)
        .await?
        .map(|snapshot| snapshot.version);
    match newest {
        Some(newest) if newest >= until => Ok(Changes::Unknown {
            why: format!("the log no longer holds version {}", since + 1 + read),
        }),
        newest => Err(Error::NoVersion {
            table: table.to_owned(),
            version: until,
            why: newest.map_or_else(
                || "there is no such table".to_owned(),
                |newest| format!("the newest is {newest}"),
            ),
        }),
    }
}

/// What came and went, net of what did both.
fn fold<'a>(commits: impl Iterator<Item = &'a Actions>) -> (Vec<AddFile>, Vec<AddFile>) {
    let (mut added, mut removed) = (BTreeMap::new(), BTreeMap::new());
    for commit in commits {
        for remove in commit.removes.iter().filter(|remove| remove.data_change) {
            if added.remove(&remove.path).is_none() {
                removed.insert(remove.path.clone(), remove.as_file());
            }
        }
        for add in commit.adds.iter().filter(|add| add.data_change) {
            added.insert(add.path.clone(), add.clone());
        }
    }
    (
        added.into_values().collect(),
        removed.into_values().collect(),
    )
}
