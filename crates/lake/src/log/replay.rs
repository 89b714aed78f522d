//! A table's state, from the state before and the actions of the next commit.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::log::actions::{Actions, Metadata, Protocol, READER_VERSION, WRITER_VERSION};
use crate::log::{checkpoint, schema};
use crate::snapshot::{AddFile, Snapshot};
use crate::tombstones::Tombstones;

/// The property that counts our own conventions on top of Delta's.
pub(crate) const FORMAT_PROPERTY: &str = "goldrecord.format";
/// The greatest value of it that we understand, and the one we write.
pub(crate) const FORMAT: i64 = 1;

impl Snapshot {
    /// The first state: from the commit of version 0, or from a checkpoint of `version`.
    pub fn begin(table: &str, version: i64, actions: &Actions) -> Result<Self> {
        let broken = |why: &str| Error::BrokenLog {
            table: table.to_owned(),
            version,
            why: why.to_owned(),
        };
        if actions.protocol.is_none() {
            return Err(broken("it does not say which protocol the table has"));
        }
        if actions.metadata.is_none() {
            return Err(broken("it does not define the table"));
        }
        let mut snapshot = Self {
            version,
            table_id: String::new(),
            schema: Arc::new(arrow::datatypes::Schema::empty()),
            partition_columns: Vec::new(),
            properties: BTreeMap::new(),
            description: None,
            created_ms: None,
            files: Arc::default(),
            txns: Arc::default(),
            timestamp_ms: 0,
            tombstones: Tombstones::default(),
        };
        snapshot.take(table, actions)?;
        Ok(snapshot)
    }

    /// The next version.
    pub fn advance(&mut self, table: &str, version: i64, actions: &Actions) -> Result<()> {
        assert_eq!(
            version,
            self.version + 1,
            "commits are applied one after the other"
        );
        self.version = version;
        self.take(table, actions)
    }

    fn take(&mut self, table: &str, actions: &Actions) -> Result<()> {
        if let Some(protocol) = &actions.protocol {
            understood(table, protocol)?;
        }
        if let Some(metadata) = &actions.metadata {
            self.define(table, metadata)?;
        }
        if let Some(timestamp) = actions.timestamp_ms() {
            self.timestamp_ms = timestamp;
        }
        if !actions.txns.is_empty() {
            let txns = Arc::make_mut(&mut self.txns);
            txns.extend(
                actions
                    .txns
                    .iter()
                    .map(|txn| (txn.app_id.clone(), txn.version)),
            );
        }
        if !actions.removes.is_empty() {
            let files = Arc::make_mut(&mut self.files);
            for remove in &actions.removes {
                files.remove(&remove.path);
            }
            self.tombstones.add(actions.removes.iter());
        }
        if !actions.adds.is_empty() {
            let files = Arc::make_mut(&mut self.files);
            for add in &actions.adds {
                // Should it come back, nobody may delete it as removed.
                self.tombstones.forget(&add.path);
                // What a commit changed is told by the commit; a live file is just live, as in a checkpoint.
                let live = AddFile {
                    data_change: false,
                    ..add.clone()
                };
                files.insert(live.path.clone(), live);
            }
        }
        if self.version % checkpoint::INTERVAL == 0 {
            let oldest = self.timestamp_ms - checkpoint::TOMBSTONE_RETENTION_MS;
            self.tombstones.forget_before(oldest);
        }
        Ok(())
    }

    fn define(&mut self, table: &str, metadata: &Metadata) -> Result<()> {
        let format = metadata.configuration.get(FORMAT_PROPERTY);
        if let Some(format) = format
            && format.parse::<i64>().is_ok_and(|format| format > FORMAT)
        {
            return Err(Error::NewerVersion {
                table: table.to_owned(),
                what: format!("its {FORMAT_PROPERTY} is {format}, ours is {FORMAT}"),
            });
        }
        self.schema = schema::from_delta(&metadata.schema_string)
            .map(Arc::new)
            .map_err(|why| Error::BrokenLog {
                table: table.to_owned(),
                version: self.version,
                why,
            })?;
        self.table_id.clone_from(&metadata.id);
        self.partition_columns
            .clone_from(&metadata.partition_columns);
        self.properties.clone_from(&metadata.configuration);
        self.description.clone_from(&metadata.description);
        self.created_ms = metadata.created_time;
        Ok(())
    }
}

/// Refuses a table that asks for more than we know.
fn understood(table: &str, protocol: &Protocol) -> Result<()> {
    if protocol.min_reader_version > READER_VERSION || protocol.min_writer_version > WRITER_VERSION
    {
        return Err(Error::NewerVersion {
            table: table.to_owned(),
            what: format!(
                "it asks for Delta reader version {} and writer version {}, we know {READER_VERSION} and {WRITER_VERSION}",
                protocol.min_reader_version, protocol.min_writer_version
            ),
        });
    }
    Ok(())
}
