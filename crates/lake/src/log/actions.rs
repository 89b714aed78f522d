//! The actions of the Delta protocol that we write, and their JSON.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

use crate::snapshot::{AddFile, Stats};

/// The protocol that we write and the greatest that we read.
pub(crate) const READER_VERSION: i32 = 1;
/// The same for writers.
pub(crate) const WRITER_VERSION: i32 = 2;

/// Which readers and writers may touch the table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Protocol {
    pub(crate) min_reader_version: i32,
    pub(crate) min_writer_version: i32,
}

/// The table's definition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Metadata {
    pub(crate) id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) description: Option<String>,
    pub(crate) format: Format,
    pub(crate) schema_string: String,
    pub(crate) partition_columns: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) created_time: Option<i64>,
    #[serde(default, deserialize_with = "null_as_empty")]
    pub(crate) configuration: BTreeMap<String, String>,
}

/// How data files are encoded: always Parquet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Format {
    pub(crate) provider: String,
    #[serde(default, deserialize_with = "null_as_empty")]
    pub(crate) options: BTreeMap<String, Option<String>>,
}

/// Checkpoints of other writers hold null for an empty map.
fn null_as_empty<'de, T: Default + Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<T, D::Error> {
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}

impl Default for Format {
    fn default() -> Self {
        Self {
            provider: "parquet".to_owned(),
            options: BTreeMap::new(),
        }
    }
}

/// A file that comes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Add {
    pub(crate) path: String,
    pub(crate) partition_values: BTreeMap<String, Option<String>>,
    pub(crate) size: i64,
    pub(crate) modification_time: i64,
    pub(crate) data_change: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) stats: Option<String>,
}

/// A file that goes. It stays in checkpoints for the retention time, so that nobody deletes it under a reader.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Remove {
    pub(crate) path: String,
    #[serde(default)]
    pub(crate) deletion_timestamp: Option<i64>,
    pub(crate) data_change: bool,
    #[serde(default)]
    pub(crate) extended_file_metadata: Option<bool>,
    #[serde(default)]
    pub(crate) partition_values: Option<BTreeMap<String, Option<String>>>,
    #[serde(default)]
    pub(crate) size: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) stats: Option<String>,
}

/// A number of a transaction id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Txn {
    pub(crate) app_id: String,
    pub(crate) version: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) last_updated: Option<i64>,
}

/// Who committed, when, why; under `txnId` the UUID that tells our commits from others'.
pub(crate) type CommitInfo = Map<String, Value>;

/// One line of a commit. Actions that we do not know are passed over, as the protocol wants it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Line {
    #[serde(skip_serializing_if = "Option::is_none")]
    commit_info: Option<CommitInfo>,
    #[serde(skip_serializing_if = "Option::is_none")]
    protocol: Option<Protocol>,
    #[serde(skip_serializing_if = "Option::is_none")]
    meta_data: Option<Metadata>,
    #[serde(skip_serializing_if = "Option::is_none")]
    txn: Option<Txn>,
    #[serde(skip_serializing_if = "Option::is_none")]
    remove: Option<Remove>,
    #[serde(skip_serializing_if = "Option::is_none")]
    add: Option<Add>,
}

/// The actions of one commit, or of one checkpoint.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Actions {
    pub(crate) info: CommitInfo,
    pub(crate) protocol: Option<Protocol>,
    pub(crate) metadata: Option<Metadata>,
    pub(crate) txns: Vec<Txn>,
    pub(crate) removes: Vec<Remove>,
    pub(crate) adds: Vec<AddFile>,
}

impl Actions {
    /// The UUID of the proposal that wrote them.
    pub fn uuid(&self) -> Option<&str> {
        self.info.get("txnId").and_then(Value::as_str)
    }

    /// The files that come.
    pub fn added(&self) -> &[AddFile] {
        &self.adds
    }

    /// The paths of the files that go.
    pub fn removed(&self) -> impl Iterator<Item = &str> {
        self.removes.iter().map(|remove| remove.path.as_str())
    }

    /// The numbers set, with their transaction ids.
    pub fn numbers(&self) -> impl Iterator<Item = (&str, i64)> {
        self.txns
            .iter()
            .map(|txn| (txn.app_id.as_str(), txn.version))
    }

    /// When the commit was made, by the committer's clock.
    pub(crate) fn timestamp_ms(&self) -> Option<i64> {
        self.info.get("timestamp").and_then(Value::as_i64)
    }

    /// Reads lines of JSON; the error says which line and why.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, String> {
        let mut actions = Self::default();
        for (number, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
            if line.iter().all(u8::is_ascii_whitespace) {
                continue;
            }
            let line: Line = serde_json::from_slice(line)
                .map_err(|error| format!("line {}: {error}", number + 1))?;
            actions
                .take(line)
                .map_err(|why| format!("line {}: {why}", number + 1))?;
        }
        Ok(actions)
    }

    fn take(&mut self, line: Line) -> Result<(), String> {
        if let Some(info) = line.commit_info {
            self.info = info;
        }
        if line.protocol.is_some() {
            self.protocol = line.protocol;
        }
        if line.meta_data.is_some() {
            self.metadata = line.meta_data;
        }
        self.txns.extend(line.txn);
        self.removes.extend(line.remove);
        if let Some(add) = line.add {
            self.adds.push(add.try_into()?);
        }
        Ok(())
    }

    /// One line of JSON for each action, `commitInfo` first.
    pub(crate) fn to_json(&self) -> Vec<u8> {
        let mut out = Vec::new();
        let mut push = |line: &Line| {
            serde_json::to_writer(&mut out, line)
                .expect("actions have string keys and finite numbers");
            out.push(b'\n');
        };
        if !self.info.is_empty() {
            push(&Line {
                commit_info: Some(self.info.clone()),
                ..Line::default()
            });
        }
        if self.protocol.is_some() {
            push(&Line {
                protocol: self.protocol.clone(),
                ..Line::default()
            });
        }
        if self.metadata.is_some() {
            push(&Line {
                meta_data: self.metadata.clone(),
                ..Line::default()
            });
        }
        for txn in &self.txns {
            push(&Line {
                txn: Some(txn.clone()),
                ..Line::default()
            });
        }
        for remove in &self.removes {
            push(&Line {
                remove: Some(remove.clone()),
                ..Line::default()
            });
        }
        for add in &self.adds {
            push(&Line {
                add: Some(add.into()),
                ..Line::default()
            });
        }
        out
    }
}

/// The statistics of a file, as the log's JSON string holds them.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct StatsJson {
    num_records: i64,
    min_values: Map<String, Value>,
    max_values: Map<String, Value>,
    null_count: Map<String, Value>,
}

impl TryFrom<Add> for AddFile {
    type Error = String;

    fn try_from(add: Add) -> Result<Self, String> {
        Ok(Self {
            stats: parse_stats(add.stats.as_deref())
                .map_err(|error| format!("statistics of `{}`: {error}", add.path))?,
            path: add.path,
            partition_values: add.partition_values,
            size: add.size,
            modification_time: add.modification_time,
            data_change: add.data_change,
        })
    }
}

fn parse_stats(json: Option<&str>) -> Result<Stats, serde_json::Error> {
    let Some(json) = json else {
        return Ok(Stats::default());
    };
    let stats: StatsJson = serde_json::from_str(json)?;
    Ok(Stats {
        num_records: stats.num_records,
        min_values: stats.min_values,
        max_values: stats.max_values,
        null_count: stats.null_count,
    })
}

impl From<&AddFile> for Add {
    fn from(file: &AddFile) -> Self {
        let stats = StatsJson {
            num_records: file.stats.num_records,
            min_values: file.stats.min_values.clone(),
            max_values: file.stats.max_values.clone(),
            null_count: file.stats.null_count.clone(),
        };
        Self {
            path: file.path.clone(),
            partition_values: file.partition_values.clone(),
            size: file.size,
            modification_time: file.modification_time,
            data_change: file.data_change,
            stats: serde_json::to_string(&stats).ok(),
        }
    }
}

impl Remove {
    /// The tombstone of a live file. It keeps the row count, so that "what changed" can tell how much went.
    pub(crate) fn of(file: &AddFile, now_ms: i64, data_change: bool) -> Self {
        Self {
            path: file.path.clone(),
            deletion_timestamp: Some(now_ms),
            data_change,
            extended_file_metadata: Some(true),
            partition_values: Some(file.partition_values.clone()),
            size: Some(file.size),
            stats: Some(format!("{{\"numRecords\":{}}}", file.stats.num_records)),
        }
    }

    /// The file that went, as far as the tombstone tells.
    pub(crate) fn as_file(&self) -> AddFile {
        AddFile {
            path: self.path.clone(),
            partition_values: self.partition_values.clone().unwrap_or_default(),
            size: self.size.unwrap_or_default(),
            modification_time: self.deletion_timestamp.unwrap_or_default(),
            data_change: self.data_change,
            stats: parse_stats(self.stats.as_deref()).unwrap_or_default(),
        }
    }
}
