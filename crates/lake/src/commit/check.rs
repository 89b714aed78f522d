//! Whether a proposal fits a version of the table, and the actions that it becomes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::datatypes::Schema;
use serde_json::{Map, Value, json};

use crate::error::{Error, Result};
use crate::evolve::{merge_schema, only_adds};
use crate::log::actions::{
    Actions, Format, Metadata, Protocol, READER_VERSION, Remove, Txn, WRITER_VERSION,
};
use crate::log::replay::{FORMAT, FORMAT_PROPERTY};
use crate::log::schema;
use crate::proposal::{MetadataChange, Proposal, Refusal, TxnStep};
use crate::snapshot::{AddFile, Snapshot};
use crate::table::TableSpec;

/// The part of a table's definition that files are written for.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Definition {
    table_id: String,
    schema: Arc<Schema>,
    partition_columns: Vec<String>,
    properties: BTreeMap<String, String>,
}

impl Definition {
    pub(crate) fn of(snapshot: &Snapshot) -> Self {
        Self {
            table_id: snapshot.table_id.clone(),
            schema: Arc::clone(&snapshot.schema),
            partition_columns: snapshot.partition_columns.clone(),
            properties: snapshot.properties.clone(),
        }
    }

    /// Files written for one definition fit the other; properties matter only to who changes them.
    fn fits(&self, other: &Self, with_properties: bool) -> bool {
        self.table_id == other.table_id
            && self.schema == other.schema
            && self.partition_columns == other.partition_columns
            && (!with_properties || self.properties == other.properties)
    }
}

/// Refuses a proposal that contradicts itself, whatever the table holds.
pub fn validate(table: &str, base: &Snapshot, proposal: &Proposal) -> Result<()> {
    let bad = |why: String| {
        Err(Error::BadProposal {
            table: table.to_owned(),
            operation: proposal.operation.clone(),
            why,
        })
    };
    let ids = proposal.txns.iter().map(|step| &step.app_id);
    let ids = ids.chain(proposal.fences.iter().map(|fence| &fence.app_id));
    let ids = ids.chain(&proposal.unset);
    if let Some(id) = first_double(ids) {
        return bad(format!("the number `{id}` is moved twice"));
    }
    if let Some(path) = first_double(
        proposal
            .removes
            .iter()
            .chain(proposal.adds.iter().map(|add| &add.path)),
    ) {
        return bad(format!("file `{path}` is named twice"));
    }
    let partition_columns = proposal
        .metadata
        .as_ref()
        .map_or(&base.partition_columns, |change| &change.partition_columns);
    let misses = |add: &AddFile| {
        add.partition_values.len() != partition_columns.len()
            || !partition_columns
                .iter()
                .all(|column| add.partition_values.contains_key(column))
    };
    if let Some(add) = proposal.adds.iter().find(|add| misses(add)) {
        return bad(format!(
            "file `{}` is not of the partition columns {partition_columns:?}",
            add.path
        ));
    }
    if let Some(change) = &proposal.metadata {
        schema::to_delta(&change.schema)?;
        check_partition_columns(table, &change.schema, &change.partition_columns)?;
        if redefines_live_files(base, proposal, change) {
            merge_schema(&base.schema, &change.schema)?;
            return bad("it drops columns or lets new ones never be null, and files written before stay live; remove them all in the same commit".to_owned());
        }
    }
    Ok(())
}

/// Refuses partition columns that the schema lacks or whose type makes no folder, and a table of nothing else.
pub(crate) fn check_partition_columns(
    table: &str,
    schema: &Schema,
    columns: &[String],
) -> Result<()> {
    let unfit = |why: String| {
        Err(Error::Unfit {
            table: table.to_owned(),
            why,
        })
    };
    if let Some(column) = first_double(schema.fields().iter().map(|field| field.name())) {
        return unfit(format!("column `{column}` is there twice"));
    }
    if let Some(column) = first_double(columns.iter()) {
        return unfit(format!("partition column `{column}` is there twice"));
    }
    for column in columns {
        match schema.field_with_name(column) {
            Err(_) => {
                return unfit(format!(
                    "partition column `{column}` is none of its columns"
                ));
            }
            Ok(field) if field.data_type().is_nested() => {
                return unfit(format!("partition column `{column}` is nested"));
            }
            Ok(_) => {}
        }
    }
    if !columns.is_empty() && columns.len() == schema.fields().len() {
        return unfit("all its columns are partition columns; leave one in the files".to_owned());
    }
    Ok(())
}

fn first_double<'a>(names: impl Iterator<Item = &'a String>) -> Option<&'a String> {
    let mut seen = BTreeSet::new();
    let mut names = names;
    names.find(|name| !seen.insert(*name))
}

/// Whether files stay live that were written for columns which the new definition lacks or has otherwise.
fn redefines_live_files(head: &Snapshot, proposal: &Proposal, change: &MetadataChange) -> bool {
    if change.partition_columns == head.partition_columns && only_adds(&head.schema, &change.schema)
    {
        return false;
    }
    let removed: BTreeSet<&str> = proposal.removes.iter().map(String::as_str).collect();
    head.files
        .keys()
        .any(|path| !removed.contains(path.as_str()))
}

/// Why a proposal prepared for `base` does not fit the version `head`; `None`: it fits.
pub(crate) fn refusal(base: &Definition, head: &Snapshot, proposal: &Proposal) -> Option<Refusal> {
    for fence in &proposal.fences {
        let found = head.txn(&fence.app_id);
        if let Some(found) = found.filter(|found| *found > fence.value) {
            return Some(Refusal::Fenced {
                app_id: fence.app_id.clone(),
                ours: fence.value,
                found,
            });
        }
    }
    for step in &proposal.txns {
        let found = head.txn(&step.app_id);
        if found != step.expect {
            return Some(Refusal::Txn {
                app_id: step.app_id.clone(),
                expected: step.expect,
                found,
            });
        }
    }
    if let Some((app_id, found)) = proposal
        .unset
        .iter()
        .find_map(|app_id| Some((app_id, head.txn(app_id)?)))
    {
        return Some(Refusal::Txn {
            app_id: app_id.clone(),
            expected: None,
            found: Some(found),
        });
    }
    if let Some(path) = proposal
        .removes
        .iter()
        .find(|path| !head.files.contains_key(*path))
    {
        return Some(Refusal::FileGone { path: path.clone() });
    }
    if let Some(add) = proposal
        .adds
        .iter()
        .find(|add| head.files.contains_key(&add.path))
    {
        return Some(Refusal::FileLive {
            path: add.path.clone(),
        });
    }
    let touches_files = !proposal.adds.is_empty() || proposal.metadata.is_some();
    if touches_files && !base.fits(&Definition::of(head), proposal.metadata.is_some()) {
        return Some(Refusal::SchemaMoved);
    }
    if let Some(change) = &proposal.metadata
        && redefines_live_files(head, proposal, change)
    {
        return Some(Refusal::SchemaMoved);
    }
    None
}

/// Refuses numbers that go back, unless the proposal is there for that.
pub(crate) fn only_forward(table: &str, proposal: &Proposal) -> Result<()> {
    let back = |step: &&TxnStep| step.expect.is_some_and(|expect| step.next < expect);
    match proposal.txns.iter().find(back) {
        Some(step) if !proposal.rewinds => Err(Error::BadProposal {
            table: table.to_owned(),
            operation: proposal.operation.clone(),
            why: format!(
                "`{}` would go back to {}, and it is no rewind",
                step.app_id, step.next
            ),
        }),
        _ => Ok(()),
    }
}

/// The actions of a proposal that fits `head`. They stay right for every later version that it fits.
pub(crate) fn actions(
    head: &Snapshot,
    proposal: &Proposal,
    uuid: &str,
    now_ms: i64,
) -> Result<Actions> {
    let metadata = proposal
        .metadata
        .as_ref()
        .map(|change| {
            definition(
                head.table_id.clone(),
                head.created_ms,
                &change.schema,
                &change.partition_columns,
                &change.properties,
                change.description.as_deref(),
            )
        })
        .transpose()?;
    let steps = proposal.txns.iter().map(|step| (&step.app_id, step.next));
    let fences = proposal
        .fences
        .iter()
        .map(|fence| (&fence.app_id, fence.value));
    Ok(Actions {
        info: commit_info(&proposal.operation, &proposal.info, uuid, now_ms),
        protocol: None,
        metadata,
        txns: steps
            .chain(fences)
            .map(|(app_id, version)| Txn {
                app_id: app_id.clone(),
                version,
                last_updated: Some(now_ms),
            })
            .collect(),
        removes: proposal
            .removes
            .iter()
            .map(|path| Remove::of(&head.files[path], now_ms, proposal.data_change))
            .collect(),
        adds: proposal
            .adds
            .iter()
            .map(|add| AddFile {
                data_change: proposal.data_change,
                ..add.clone()
            })
            .collect(),
    })
}

/// The commit that makes a table, which will have the id `table_id`: protocol and definition, no data.
pub fn creation(spec: &TableSpec, table_id: String, uuid: &str, now_ms: i64) -> Result<Actions> {
    Ok(Actions {
        info: commit_info("CREATE TABLE", &BTreeMap::new(), uuid, now_ms),
        protocol: Some(Protocol {
            min_reader_version: READER_VERSION,
            min_writer_version: WRITER_VERSION,
        }),
        metadata: Some(definition(
            table_id,
            Some(now_ms),
            &spec.schema,
            &spec.partition_columns,
            &spec.properties,
            spec.description.as_deref(),
        )?),
        ..Actions::default()
    })
}

/// The action that defines a table.
fn definition(
    id: String,
    created_ms: Option<i64>,
    schema: &Schema,
    partition_columns: &[String],
    properties: &BTreeMap<String, String>,
    description: Option<&str>,
) -> Result<Metadata> {
    let mut configuration = properties.clone();
    configuration.insert(FORMAT_PROPERTY.to_owned(), FORMAT.to_string());
    Ok(Metadata {
        id,
        name: None,
        description: description.map(str::to_owned),
        format: Format::default(),
        schema_string: schema::to_delta(schema)?,
        partition_columns: partition_columns.to_vec(),
        created_time: created_ms,
        configuration,
    })
}

/// Who commits what; the UUID tells our commit from a rival's.
fn commit_info(
    operation: &str,
    info: &BTreeMap<String, Value>,
    uuid: &str,
    now_ms: i64,
) -> Map<String, Value> {
    let entries = [
        ("timestamp", json!(now_ms)),
        ("operation", json!(operation)),
        ("operationParameters", json!({})),
        (
            "engineInfo",
            json!(concat!("goldrecord/", env!("CARGO_PKG_VERSION"))),
        ),
        ("txnId", json!(uuid)),
        ("goldrecord", json!(info)),
    ];
    entries
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value))
        .collect()
}
