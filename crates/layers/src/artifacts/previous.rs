//! What an earlier command left: the state that `state:` and `result:` compare with.

use std::collections::BTreeMap;
use std::path::Path;

use chrono::{DateTime, FixedOffset, Utc};
use serde_json::Value;

use super::{MANIFEST, RUN_RESULTS, SOURCES, read};
use crate::manifest::{Node, Relation};
use crate::microbatch::Window;
use crate::reporter::BatchResults;
use crate::{Error, Result};

/// The project and the results of an earlier command.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Previous {
    nodes: BTreeMap<String, Then>,
    /// How each node ended, by unique id; none where no results were left.
    results: BTreeMap<String, String>,
    /// The command that left the results.
    command: Option<String>,
    /// When it began.
    started: Option<DateTime<Utc>>,
    /// The time that it computed of microbatch models, where it was named.
    event_time: Option<Window>,
    /// How the batches ended of microbatch models that failed in part.
    batches: BTreeMap<String, BatchResults>,
    /// When the newest row of each source's table came then, and when by the last look; none where nobody looked.
    loaded: [Option<Loaded>; 2],
}

/// When the newest rows came, by unique id.
type Loaded = BTreeMap<String, DateTime<FixedOffset>>;

/// A node as it was.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Then {
    fingerprint: Option<String>,
    relation: Option<String>,
    /// Where its rows lay, of models and seeds.
    place: Option<Relation>,
    description: String,
}

impl Previous {
    /// Read `manifest.json` and, where it is there, `run_results.json` of a folder.
    pub fn read(folder: &Path) -> Result<Self> {
        let manifest = read(&folder.join(MANIFEST))?.ok_or_else(|| {
            Error::Usage(format!(
                "there is no {MANIFEST} in {}: name with --state a folder that an earlier command wrote to, such as its \
                 target folder",
                folder.display()
            ))
        })?;
        let mut previous = Self::default();
        for kind in ["nodes", "sources", "exposures", "unit_tests"] {
            for (unique_id, node) in manifest[kind].as_object().into_iter().flatten() {
                let text = |key: &str| node[key].as_str().map(str::to_owned);
                let place = text("relation_name").and(text("schema")).zip(text("alias"));
                let then = Then {
                    place: place.map(|(schema, alias)| Relation::new(schema, alias)),
                    fingerprint: text("fingerprint"),
                    relation: text("relation_name"),
                    description: text("description").unwrap_or_default(),
                };
                previous.nodes.insert(unique_id.clone(), then);
            }
        }
        previous.loaded[0] = loaded(folder)?;
        if let Some(results) = read(&folder.join(RUN_RESULTS))? {
            previous.command = results["args"]["which"].as_str().map(str::to_owned);
            let of = |key: &str| moment(&results["args"][key]);
            previous.event_time = of("event_time_start")
                .zip(of("event_time_end"))
                .map(|(start, end)| Window { start, end });
            previous.started = moment(&results["metadata"]["invocation_started_at"]);
            for result in results["results"].as_array().into_iter().flatten() {
                if let (Some(unique_id), Some(status)) =
                    (result["unique_id"].as_str(), result["status"].as_str())
                {
                    previous
                        .results
                        .insert(unique_id.to_owned(), status.to_owned());
                    if let Some(ended) = in_part(&result["batch_results"]) {
                        previous.batches.insert(unique_id.to_owned(), ended);
                    }
                }
            }
        }
        Ok(previous)
    }

    /// With what the last `source freshness` left in the target folder.
    pub fn beside(mut self, target: &Path) -> Result<Self> {
        self.loaded[1] = loaded(target)?;
        Ok(self)
    }

    /// Whether a source's table has rows that came since; new tables have.
    pub fn is_fresher(&self, node: &Node) -> Result<bool> {
        let [Some(then), Some(now)] = &self.loaded else {
            return Err(Error::Usage(format!(
                "'source_status:fresher' compares the {SOURCES} of the folder of --state with that of the target folder, and one of \
                 them is missing: run `source freshness` first, then and now"
            )));
        };
        Ok(
            match (then.get(&node.unique_id), now.get(&node.unique_id)) {
                (Some(then), Some(now)) => now > then,
                (None, Some(_)) => true,
                (_, None) => false,
            },
        )
    }

    /// Whether the node was there.
    pub fn had(&self, node: &Node) -> bool {
        self.nodes.contains_key(&node.unique_id)
    }

    /// Whether the node was there with another SQL, configuration or content.
    pub fn differs_in_body(&self, node: &Node) -> bool {
        self.nodes
            .get(&node.unique_id)
            .is_some_and(|then| then.fingerprint.as_deref() != Some(&node.fingerprint))
    }

    /// Whether the node was there with its rows in another place.
    pub fn differs_in_relation(&self, node: &Node) -> bool {
        self.nodes
            .get(&node.unique_id)
            .is_some_and(|then| then.relation != node.relation.as_ref().map(ToString::to_string))
    }

    /// Where a model's or seed's rows lay; `None` if it was not there or kept none.
    pub fn place(&self, unique_id: &str) -> Option<&Relation> {
        self.nodes.get(unique_id)?.place.as_ref()
    }

    /// Whether the node was there with another description.
    pub fn differs_in_description(&self, node: &Node) -> bool {
        self.nodes
            .get(&node.unique_id)
            .is_some_and(|then| then.description != node.description)
    }

    /// How the node ended, in dbt's words.
    pub fn result(&self, node: &Node) -> Option<&str> {
        self.results.get(&node.unique_id).map(String::as_str)
    }

    /// The command that left results: `build`, `run`, `test` or `seed`.
    pub fn command(&self) -> Option<&str> {
        self.command.as_deref()
    }

    /// When the command that left results began.
    pub fn started(&self) -> Option<DateTime<Utc>> {
        self.started
    }

    /// The time that it computed of microbatch models, where it was named.
    pub fn event_time(&self) -> Option<Window> {
        self.event_time
    }

    /// How the batches ended of microbatch models that failed in part.
    pub fn batches(&self) -> &BTreeMap<String, BatchResults> {
        &self.batches
    }

    /// The nodes that did not end well, or were skipped.
    pub fn failed(&self) -> impl Iterator<Item = &str> {
        self.results
            .iter()
            .filter(|(_, status)| {
                matches!(
                    status.as_str(),
                    "error" | "fail" | "skipped" | "partial success"
                )
            })
            .map(|(unique_id, _)| unique_id.as_str())
    }
}

fn moment(value: &Value) -> Option<DateTime<Utc>> {
    value.as_str()?.parse().ok()
}

/// The batches of a model of which some failed and some did not.
fn in_part(value: &Value) -> Option<BatchResults> {
    let windows = |key: &str| -> Option<Vec<Window>> {
        let pairs = value[key].as_array()?.iter().map(|pair| {
            Some(Window {
                start: moment(&pair[0])?,
                end: moment(&pair[1])?,
            })
        });
        pairs.collect()
    };
    let ended = BatchResults {
        successful: windows("successful")?,
        failed: windows("failed")?,
    };
    Some(ended).filter(|ended| !ended.successful.is_empty() && !ended.failed.is_empty())
}

/// When the newest rows came by a folder's `sources.json`.
fn loaded(folder: &Path) -> Result<Option<Loaded>> {
    let Some(sources) = read(&folder.join(SOURCES))? else {
        return Ok(None);
    };
    let results = sources["results"].as_array().into_iter().flatten();
    let times = results.filter_map(|result| {
        let at = DateTime::parse_from_rfc3339(result["max_loaded_at"].as_str()?).ok()?;
        Some((result["unique_id"].as_str()?.to_owned(), at))
    });
    Ok(Some(times.collect()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_what_failed_in_part_is_tried_again_by_batch() {
        let pair = json!(["2024-01-01T00:00:00Z", "2024-01-02T00:00:00Z"]);
        let ended = |successful: &[&Value], failed: &[&Value]| {
            in_part(&json!({"successful": successful, "failed": failed}))
        };
        let found = ended(&[&pair], &[&pair]).expect("one failed of two");
        assert_eq!(
            found.failed[0].to_string(),
            "2024-01-01T00:00:00Z/2024-01-02T00:00:00Z"
        );
        assert_eq!(
            ended(&[], &[&pair]),
            None,
            "then all is computed, anew perhaps"
        );
        assert_eq!(ended(&[&pair], &[]), None);
        assert_eq!(in_part(&Value::Null), None);
    }
}
