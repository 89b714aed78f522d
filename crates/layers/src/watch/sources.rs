//! The tables that a watch looks at: which have new rows, and when those came.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use goldrecord_lake::{AddFile, Changes, Lake, Snapshot};

use crate::manifest::{Manifest, ResourceType};
use crate::{Result, engine};

/// When bronze rows came to Kafka.
const ARRIVED: &str = "_timestamp";

/// A source table as it was when it was last looked at.
#[derive(Debug)]
pub struct Source {
    /// Its path in the lake; several sources of a project may show parts of one table.
    path: String,
    unique_ids: BTreeSet<String>,
    seen: Option<Snapshot>,
}

/// What came to a table.
#[derive(Debug)]
pub struct News {
    /// The project's sources over it.
    pub unique_ids: BTreeSet<String>,
    /// When the oldest of the new rows came to Kafka.
    pub oldest: Option<DateTime<Utc>>,
}

/// The tables of the sources that these nodes read.
pub async fn sources(
    manifest: &Manifest,
    lake: &Lake,
    selected: &BTreeSet<String>,
) -> Result<Vec<Source>> {
    let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for node in manifest.of_type(ResourceType::Source) {
        let read = affected(
            manifest,
            selected,
            &BTreeSet::from([node.unique_id.clone()]),
        );
        if !read.is_empty() {
            found
                .entry(engine::path_of(node))
                .or_default()
                .insert(node.unique_id.clone());
        }
    }
    let mut sources = Vec::with_capacity(found.len());
    for (path, unique_ids) in found {
        let seen = lake.table(&path).latest().await?;
        sources.push(Source {
            path,
            unique_ids,
            seen,
        });
    }
    Ok(sources)
}

impl Source {
    /// The sources over the table.
    pub fn unique_ids(&self) -> &BTreeSet<String> {
        &self.unique_ids
    }

    /// What came since the last look. A table's next versions are asked for by their names; commits
    /// that only rearrange rows are no news.
    pub async fn look(&mut self, lake: &Lake) -> Result<Option<News>> {
        let table = lake.table(&self.path);
        let Some(seen) = &self.seen else {
            self.seen = table.latest().await?;
            return Ok(self.seen.is_some().then(|| self.news(None)));
        };
        let now = table.refresh(seen).await?;
        if now.table_id == seen.table_id && now.version == seen.version {
            return Ok(None);
        }
        let since = seen.version;
        let same_table = now.table_id == seen.table_id;
        let version = now.version;
        self.seen = Some(now);
        if !same_table {
            return Ok(Some(self.news(None)));
        }
        Ok(match table.changes(since, version).await? {
            Changes::Known {
                added,
                removed,
                schema_changed: false,
            } if added.is_empty() && removed.is_empty() => None,
            Changes::Known { added, .. } => Some(self.news(added.iter().filter_map(arrived).min())),
            Changes::Unknown { .. } => Some(self.news(None)),
        })
    }

    fn news(&self, oldest: Option<DateTime<Utc>>) -> News {
        News {
            unique_ids: self.unique_ids.clone(),
            oldest,
        }
    }
}

/// When the first row of a file came to Kafka.
fn arrived(file: &AddFile) -> Option<DateTime<Utc>> {
    let text = file.stats.min_values.get(ARRIVED)?.as_str()?;
    Some(DateTime::parse_from_rfc3339(text).ok()?.to_utc())
}

/// Those of the selected nodes that read one of these, over however many others.
pub fn affected(
    manifest: &Manifest,
    selected: &BTreeSet<String>,
    changed: &BTreeSet<String>,
) -> BTreeSet<String> {
    let children = manifest.children();
    let mut found = BTreeSet::new();
    let mut next: Vec<&str> = changed.iter().map(String::as_str).collect();
    let mut seen: BTreeSet<&str> = next.iter().copied().collect();
    while let Some(unique_id) = next.pop() {
        for child in children.get(unique_id).into_iter().flatten() {
            if seen.insert(&child.unique_id) {
                next.push(&child.unique_id);
            }
            if selected.contains(&child.unique_id) {
                found.insert(child.unique_id.clone());
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::tests::{manifest, node};

    #[test]
    fn what_reads_a_changed_source_over_any_number_of_models_is_affected_and_nothing_else() {
        let manifest = manifest([
            node("source.p.bronze.a", &[]),
            node("source.p.bronze.b", &[]),
            node("model.p.one", &["source.p.bronze.a"]),
            node("model.p.two", &["model.p.one", "source.p.bronze.b"]),
            node("model.p.three", &["source.p.bronze.b"]),
            node("test.p.four", &["model.p.two"]),
        ]);
        let all: BTreeSet<String> = manifest.nodes.keys().cloned().collect();
        let of = |source: &str, selected: &BTreeSet<String>| -> Vec<String> {
            affected(&manifest, selected, &BTreeSet::from([source.to_owned()]))
                .into_iter()
                .collect()
        };
        assert_eq!(
            of("source.p.bronze.a", &all),
            ["model.p.one", "model.p.two", "test.p.four"]
        );
        let some = BTreeSet::from(["model.p.two".to_owned()]);
        assert_eq!(of("source.p.bronze.a", &some), ["model.p.two"]);
        assert!(of("source.p.bronze.c", &all).is_empty());
    }
}
