//! What builds need of the lake, whatever its age.

use std::collections::BTreeMap;

use goldrecord_lake::builds::{self, Build};
use goldrecord_lake::{Lake, Snapshot};

use crate::error::{Error, Result};

/// The number that only tables written by builds have.
const BUILD: &str = "layers/build";

/// What builds need of the lake.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Needs {
    /// The oldest version of each table that the last published build of a target names.
    named: BTreeMap<String, i64>,
    /// A build at work.
    running: Option<String>,
}

impl Needs {
    /// Reads them from the table of builds.
    pub(crate) async fn of(lake: &Lake) -> Result<Self> {
        let needs = builds::needs(lake).await;
        let needs = needs.map_err(Error::lake(format!("read table `{}`", builds::TABLE)))?;
        Ok(Self::from_builds(&needs))
    }

    fn from_builds(needs: &builds::Needs) -> Self {
        let mut named: BTreeMap<String, i64> = BTreeMap::new();
        for (table, version) in needs.published.iter().flat_map(|build| &build.tables) {
            let oldest = named.entry(table.clone()).or_insert(*version);
            *oldest = (*oldest).min(*version);
        }
        let name = |build: &Build| format!("build {} of target `{}`", build.number, build.target);
        Self {
            named,
            running: needs.running.first().map(name),
        }
    }

    /// The oldest version of a table that a published build names.
    pub fn named(&self, table: &str) -> Option<i64> {
        self.named.get(table).copied()
    }

    /// Why the files of a table are not to be rearranged now: a build plans which files it replaces and fails where they
    /// are gone when it commits.
    pub fn at_work_on(&self, snapshot: &Snapshot) -> Option<String> {
        let build = self.running.as_ref()?;
        snapshot.txn(BUILD)?;
        Some(format!("{build} is running"))
    }
}

#[cfg(test)]
mod tests {
    use goldrecord_lake::builds::Published;

    use super::*;

    #[test]
    fn of_two_targets_the_older_version_counts() {
        let published = |target: &str, version: i64| Published {
            number: 1,
            target: target.to_owned(),
            finished_at_ms: 0,
            tables: BTreeMap::from([("silver/a".to_owned(), version)]),
            info: BTreeMap::new(),
        };
        let needs = Needs::from_builds(&builds::Needs {
            published: vec![published("prod", 9), published("dev", 4)],
            running: Vec::new(),
        });
        assert_eq!(needs.named("silver/a"), Some(4));
        assert_eq!(needs.named("silver/b"), None);
    }
}
