//! `state explain`: which way a model takes and why, and what changed since it was built.

use std::collections::BTreeSet;
use std::fmt::{self, Write as _};

use goldrecord_lake::Lake;

use super::BuildOptions;
use super::incremental::Strategy;
use super::project::{Planned, Project, is_view};
use super::session::Engine;
use super::state::{Difference, decide, differences, loses};
use super::ways::{ChangeKind, Way, keys_of, short};
use crate::manifest::{Manifest, Node};
use crate::{Error, Result};

/// What there is to say of one node, in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// The node's name with its schema.
    pub name: String,
    /// How it is brought up to date when its upstreams get new rows.
    pub usually: String,
    /// What the next build would do now.
    pub next: String,
    /// What changed in each upstream since the table read it last.
    pub changes: Vec<String>,
}

/// Explain one model or seed over the lake as it is; nothing is written.
pub async fn explain(manifest: &Manifest, lake: &Lake, node: &Node) -> Result<Explanation> {
    let engine = Engine::new(lake, &BuildOptions::default())?;
    // What lies above is planned too, so that it need not be built yet.
    let selected = with_ancestors(manifest, node);
    let project = Project::plan(manifest, lake, &engine, &selected).await?;
    let name = node.display_name();
    let planned = match project.planned.get(&node.unique_id) {
        Some(Planned::Table(planned)) => planned,
        Some(Planned::Incremental(planned)) => {
            return Ok(Explanation {
                name,
                usually: Strategy::of(node)?.describe(),
                next: match &planned.step {
                    Some(step) => format!(
                        "{}: the model's SQL says which rows are new",
                        step.strategy.name()
                    ),
                    None => "full: the table is new".to_owned(),
                },
                changes: Vec::new(),
            });
        }
        Some(Planned::Snapshot(_)) => {
            return Ok(Explanation {
                name,
                usually: "snapshot: rows that changed enter with the time from which they hold, and the ones before end".to_owned(),
                next: "snapshot".to_owned(),
                changes: Vec::new(),
            });
        }
        Some(Planned::Seed(seed)) => {
            let live = project.tables.get(&node.unique_id);
            let same = live.and_then(|live| live.properties.get(super::state::FINGERPRINT))
                == Some(&seed.fingerprint);
            return Ok(Explanation {
                name,
                usually: "insert: all rows of the file, when the file changed".to_owned(),
                next: if same {
                    "nothing: the file is unchanged"
                } else {
                    "insert: the file is new or changed"
                }
                .to_owned(),
                changes: Vec::new(),
            });
        }
        _ if is_view(node) => {
            return Ok(Explanation {
                name,
                usually: "a view holds no rows: its SQL is put into what reads it".to_owned(),
                next: "nothing".to_owned(),
                changes: Vec::new(),
            });
        }
        _ => {
            return Err(Error::Usage(format!(
                "{} is neither a model nor a seed",
                node.name
            )));
        }
    };
    let upstreams = project.upstreams(planned, &project.tables);
    let live = project.tables.get(&node.unique_id);
    let differences = differences(lake, &upstreams, live).await?;
    let way = decide(
        live,
        planned,
        &node.config.partition_by,
        &differences,
        false,
    );
    let lost = loses(live, &way, &upstreams).map(|(upstream, _)| {
        let source = short(&upstream.name);
        format!("; refused without --full-refresh, for rows of {source} have expired")
    });
    Ok(Explanation {
        name,
        usually: planned.shape.describe(),
        next: in_words(&way) + &lost.unwrap_or_default(),
        changes: differences.iter().map(told).collect(),
    })
}

pub(super) fn with_ancestors(manifest: &Manifest, node: &Node) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut next = vec![node.unique_id.as_str()];
    while let Some(unique_id) = next.pop() {
        if let Some(node) = manifest.node(unique_id)
            && found.insert(unique_id.to_owned())
        {
            next.extend(node.depends_on.iter().map(String::as_str));
        }
    }
    found
}

fn in_words(way: &Way) -> String {
    match way {
        Way::Unchanged => "nothing: no upstream changed".to_owned(),
        Way::Append => "append: the query over the added files".to_owned(),
        Way::AppendNewKeys { keys, .. } => {
            format!(
                "append new keys: the query over the added files, rows whose ({}) is not there yet",
                keys.join(", ")
            )
        }
        Way::Merge { columns, .. } => format!(
            "merge: the query over the added files, put together with the rows of the same ({})",
            keys_of(columns)
        ),
        Way::ReplaceKeys { key, .. } => {
            format!("replace keys: the rows of each `{key}` that has rows in the added files")
        }
        Way::Replace(replace) => format!(
            "replace: the partitions by `{}` that the changed files belong to",
            replace.column
        ),
        Way::Full { why } => format!("full: {why}"),
    }
}

fn told(difference: &Difference) -> String {
    let table = short(&difference.change.table);
    match &difference.change.kind {
        ChangeKind::None => format!("{table}: nothing"),
        ChangeKind::Unknown(why) => format!("{table}: cannot be told: {why}"),
        ChangeKind::Added | ChangeKind::Removed => {
            let rows = |files: &[goldrecord_lake::AddFile]| {
                files.iter().map(|file| file.stats.num_records).sum::<i64>()
            };
            let mut days: BTreeSet<String> = BTreeSet::new();
            for file in difference.added.iter().chain(&difference.removed) {
                days.extend(
                    file.partition_values
                        .values()
                        .map(|value| value.clone().unwrap_or_else(|| "null".to_owned())),
                );
            }
            let mut text = format!(
                "{table}: {} files came ({} rows), {} went ({} rows)",
                difference.added.len(),
                rows(&difference.added),
                difference.removed.len(),
                rows(&difference.removed)
            );
            match days.len() {
                0 => {}
                1..=5 => {
                    let _ = write!(
                        text,
                        " in {}",
                        days.into_iter().collect::<Vec<_>>().join(", ")
                    );
                }
                count => {
                    let _ = write!(
                        text,
                        " in {count} partitions from {} to {}",
                        days.first().map_or("", String::as_str),
                        days.last().map_or("", String::as_str)
                    );
                }
            }
            text
        }
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.name)?;
        writeln!(f, "  way:        {}", self.usually)?;
        write!(f, "  next build: {}", self.next)?;
        for change in &self.changes {
            write!(f, "\n  since then: {change}")?;
        }
        Ok(())
    }
}
