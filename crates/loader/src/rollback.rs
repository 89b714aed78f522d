//! Going back: the release before, published again.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::error::{Error, Result};
use crate::release::{Published, Release};
use crate::settings::LoaderSettings;
use crate::store::{Store, new_attempt, refuse_gone};

/// Publishes the release before the one that readers see, under a new number; its rows are there already.
/// A second rollback goes one further. Returns the new number and the release whose rows it shows.
pub async fn rollback(settings: &LoaderSettings) -> Result<(Release, Release)> {
    let store = Store::connect(settings).await?;
    let releases = store.releases().await?;
    let (current, before) = pair(&releases).ok_or_else(|| Error::NothingBefore {
        database: settings.database.clone(),
        current: releases
            .first()
            .map_or_else(|| "the first".to_owned(), |r| r.shows.to_string()),
    })?;
    refuse_gone(before.release, &before.tables, &store.parts().await?)?;
    for table in &before.tables {
        store.view(&table.name, &table.columns).await?;
    }
    let now_ms = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |now| now.as_millis() as u64);
    let number = Release::next(
        Some(current.release),
        current.release.build,
        new_attempt(now_ms),
    );
    let again = Published {
        release: number,
        shows: before.release,
        at_ms: 0,
        tables: before.tables.clone(),
    };
    store.publish(&again).await?;
    Ok((number, before.release))
}

/// The current release, and the newest that is older than what it shows and is no rollback itself.
fn pair(releases: &[Published]) -> Option<(&Published, &Published)> {
    let current = releases.first()?;
    let before = releases
        .iter()
        .find(|r| r.release < current.shows && r.release == r.shows)?;
    Some((current, before))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn published(release: (i64, i64, u64), shows: (i64, i64, u64)) -> Published {
        Published {
            release: release.into(),
            shows: shows.into(),
            at_ms: 0,
            tables: vec![],
        }
    }

    #[test]
    fn each_rollback_goes_one_further() {
        let (a, b, c) = ((1, 0, 1), (2, 0, 2), (3, 0, 3));
        let loads = [published(c, c), published(b, b), published(a, a)];
        assert_eq!(pair(&loads).map(|p| p.1.release), Some(b.into()));
        let once = [
            published((3, 1, 4), b),
            published(c, c),
            published(b, b),
            published(a, a),
        ];
        assert_eq!(pair(&once).map(|p| p.1.release), Some(a.into()));
        let twice = [
            published((3, 2, 5), a),
            published((3, 1, 4), b),
            published(c, c),
            published(b, b),
            published(a, a),
        ];
        assert_eq!(pair(&twice), None);
        assert_eq!(pair(&[]), None);
    }
}
