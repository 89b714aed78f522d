//! One model or seed of a build: what changed, staged, tested, committed.

use std::collections::BTreeMap;
use std::time::Instant;

use arrow::temporal_conversions::date32_to_datetime;
use goldrecord_lake::{
    Fence, MetadataChange, Outcome, Refusal, Snapshot, Table, TableSpec, TxnStep, WriteOptions,
};
use serde_json::json;

use super::{Ended, Run, lock};
use crate::engine::memory::Effort;
use crate::engine::project::{Planned, PlannedTable, Versions, place};
use crate::engine::seeds::Seed;
use crate::engine::session::Share;
use crate::engine::stage::{Staged, Stager};
use crate::engine::state::{BUILD, FINGERPRINT, Upstream, decide, differences, loses};
use crate::engine::ways::{Way, short};
use crate::manifest::{Node, ResourceType};
use crate::reporter::{Event, Status};
use crate::{Error, Result};

impl Run<'_> {
    /// Run one node with its tests; whether what reads it may run.
    pub(super) async fn node(&self, unique_id: &str) -> bool {
        let node = self.get(unique_id);
        if node.resource_type == ResourceType::Test {
            return match self.test(node, &self.snapshot_of_versions(), None).await {
                Ok(well) => well,
                Err(error) => {
                    self.stop_with(error);
                    false
                }
            };
        }
        if node.resource_type == ResourceType::UnitTest {
            return self.unit_test(node).await;
        }
        let index = self.start(node);
        let started = Instant::now();
        let mut ended = self.attempt(node).await;
        // An older build may have committed before it met our fence: what it left is read, and the
        // node is computed from there. Nobody but a newer build can refuse us twice.
        if let Err(Error::Refused { .. }) = ended {
            ended = match self.read_again(node).await {
                Ok(()) => self.attempt(node).await,
                Err(error) => Err(error),
            };
        }
        match ended {
            Ok(ended) => {
                let well = ended.status == Status::Success;
                self.finish(index, node, started.elapsed(), ended);
                well
            }
            Err(error) => {
                let (status, message) = match &error {
                    Error::Interrupted => (Status::Skipped, error.to_string()),
                    other => (Status::Error, other.to_string()),
                };
                self.finish(
                    index,
                    node,
                    started.elapsed(),
                    Ended {
                        status,
                        way: None,
                        rows: None,
                        message: Some(message),
                        batches: None,
                    },
                );
                if matches!(error, Error::Interrupted | Error::Superseded { .. }) {
                    self.stop_with(error);
                }
                false
            }
        }
    }

    async fn attempt(&self, node: &Node) -> Result<Ended> {
        match self.project.planned.get(&node.unique_id) {
            Some(Planned::Table(table)) => self.table(node, table).await,
            Some(Planned::Incremental(planned)) => match &planned.batches {
                Some(settings) => self.microbatch(node, planned, settings).await,
                None => self.incremental(node, planned).await,
            },
            Some(Planned::Snapshot(planned)) => self.snapshot(node, planned).await,
            Some(Planned::Seed(seed)) => self.seed(node, seed).await,
            _ => self.view(node).await,
        }
    }

    async fn read_again(&self, node: &Node) -> Result<()> {
        if let Some(live) = self.project.lake.table(&place(node).0).latest().await? {
            lock(&self.versions).insert(node.unique_id.clone(), live);
        }
        Ok(())
    }

    pub(super) fn snapshot_of_versions(&self) -> Versions {
        lock(&self.versions).clone()
    }

    async fn view(&self, node: &Node) -> Result<Ended> {
        let versions = self.snapshot_of_versions();
        Ok(self
            .tested(node, &versions, "create", None)
            .await?
            .unwrap_or(Ended {
                status: Status::Success,
                way: Some("create".to_owned()),
                rows: None,
                message: None,
                batches: None,
            }))
    }

    async fn table(&self, node: &Node, planned: &PlannedTable) -> Result<Ended> {
        let versions = self.snapshot_of_versions();
        let upstreams = self.project.upstreams(planned, &versions);
        let found = versions.get(&node.unique_id);
        let differences = differences(self.project.lake, &upstreams, found).await?;
        let way = decide(
            found,
            planned,
            &node.config.partition_by,
            &differences,
            self.options.full_refresh,
        );
        if way == Way::Unchanged {
            return self.unchanged(node, &versions).await;
        }
        if !self.options.full_refresh
            && let Some((upstream, before)) = loses(found, &way, &upstreams)
        {
            return Err(expired(node, &way, upstream, before));
        }
        tracing::debug!(model = node.name, ?way, "building");
        let (table, live) = self.created(node, found, &planned.schema).await?;
        let stage = async |share: &Share| {
            let stage = Stager {
                project: self.project,
                node,
                planned,
                versions: &versions,
                upstreams: &upstreams,
                differences: &differences,
                live: &live,
                table: &table,
                share,
                shutdown: self.shutdown,
            };
            let staged = stage.stage(&way).await?;
            // A full refresh writes even what it finds as it was.
            if self.options.full_refresh {
                return Ok(staged);
            }
            stage.unless_same(staged).await
        };
        let staged = self.with_share(node, stage).await?;
        let txns = upstreams
            .iter()
            .map(|upstream| upstream.step(&live))
            .collect();
        self.commit(node, &table, live, &versions, staged, txns)
            .await
    }

    /// What comes of a query in a share of the memory; where that is too little, alone and by another plan.
    pub(super) async fn with_share<T>(
        &self,
        node: &Node,
        query: impl AsyncFn(&Share) -> Result<T>,
    ) -> Result<T> {
        let mut effort = Effort::Usual;
        loop {
            let share = self.project.engine.share(effort).await?;
            match query(&share).await {
                Ok(found) => return Ok(found),
                Err(error) => effort = self.try_again(node, effort, error)?,
            }
        }
    }

    /// How to go on after an error: where memory was short, alone and with another plan.
    pub(super) fn try_again(&self, node: &Node, effort: Effort, error: Error) -> Result<Effort> {
        let next = effort.after(&node.name, self.project.engine.memory(), error)?;
        self.reporter.event(&Event::Note {
            text: format!(
                "{} does not fit in its share of `layers.memory`: it is run again alone, by a plan that spills",
                node.name
            ),
        });
        Ok(next)
    }

    async fn seed(&self, node: &Node, seed: &Seed) -> Result<Ended> {
        let versions = self.snapshot_of_versions();
        let found = versions.get(&node.unique_id);
        let same =
            found.and_then(|live| live.properties.get(FINGERPRINT)) == Some(&seed.fingerprint);
        if same && !self.options.full_refresh {
            return self.unchanged(node, &versions).await;
        }
        let (table, live) = self.created(node, found, &seed.schema()).await?;
        let mut change = MetadataChange::of(&live);
        change.schema = seed.schema();
        change
            .partition_columns
            .clone_from(&node.config.partition_by);
        change
            .properties
            .insert(FINGERPRINT.to_owned(), seed.fingerprint.clone());
        change.description = Some(node.description.clone()).filter(|text| !text.is_empty());
        let defined = live.planned(&change);
        let rows = if seed.rows.num_rows() > 0 {
            vec![seed.rows.clone()]
        } else {
            Vec::new()
        };
        let adds = table
            .write(&defined, rows, &WriteOptions::default())
            .await?;
        let staged = Staged {
            way: "insert",
            adds,
            removes: live.files.keys().cloned().collect(),
            metadata: Some(change),
            defined,
        };
        self.commit(node, &table, live, &versions, staged, Vec::new())
            .await
    }

    pub(super) async fn unchanged(&self, node: &Node, versions: &Versions) -> Result<Ended> {
        Ok(self
            .tested(node, versions, "unchanged", None)
            .await?
            .unwrap_or(Ended {
                status: Status::Success,
                way: Some("unchanged".to_owned()),
                rows: Some(0),
                message: None,
                batches: None,
            }))
    }

    /// The table, made without rows where it was not there.
    pub(super) async fn created(
        &self,
        node: &Node,
        found: Option<&Snapshot>,
        schema: &arrow::datatypes::SchemaRef,
    ) -> Result<(Table, Snapshot)> {
        let table = self.project.lake.table(&place(node).0);
        if let Some(live) = found {
            return Ok((table, live.clone()));
        }
        let spec = TableSpec {
            schema: schema.clone(),
            partition_columns: node.config.partition_by.clone(),
            properties: BTreeMap::new(),
            description: Some(node.description.clone()).filter(|text| !text.is_empty()),
        };
        let live = table.create(&spec).await?;
        Ok((table, live))
    }

    /// Test what is staged and commit it, or delete it.
    pub(super) async fn commit(
        &self,
        node: &Node,
        table: &Table,
        live: Snapshot,
        versions: &Versions,
        staged: Staged,
        txns: Vec<TxnStep>,
    ) -> Result<Ended> {
        let blocked = match self.constrained(node, table, &staged).await {
            Ok(()) => self.tested(node, versions, staged.way, Some(&staged)).await,
            Err(error) => Err(error),
        };
        let blocked = match blocked {
            Ok(None) if self.is_stopped() => Err(Error::Interrupted),
            other => other,
        };
        if !matches!(blocked, Ok(None)) {
            self.forget_tests(node);
            table.discard(&staged.adds).await?;
            return blocked.map(|ended| ended.expect("only a blocked commit gets here"));
        }
        self.commit_untested(node, table, live, staged, txns).await
    }

    /// Commit what is staged.
    pub(super) async fn commit_untested(
        &self,
        node: &Node,
        table: &Table,
        mut live: Snapshot,
        staged: Staged,
        txns: Vec<TxnStep>,
    ) -> Result<Ended> {
        let build = self.build.expect("a build that writes is open").number;
        let mut proposal = staged.proposal();
        proposal.txns = txns;
        proposal.fences = vec![Fence {
            app_id: BUILD.to_owned(),
            value: build,
        }];
        proposal.info.insert("build".to_owned(), json!(build));
        match table.commit(&mut live, &proposal).await? {
            Outcome::Committed { .. } => {}
            Outcome::Refused(refusal) => {
                self.forget_tests(node);
                table.discard(&staged.adds).await?;
                return Err(refused(&node.display_name(), build, &refusal));
            }
        }
        let rows = staged.rows();
        lock(&self.versions).insert(node.unique_id.clone(), live);
        // The tests of this node have read the version that is now committed.
        let now = self.snapshot_of_versions();
        for unique_id in self.order.tests.get(&node.unique_id).into_iter().flatten() {
            let mut passed = lock(&self.passed);
            if let Some(read) = passed.get_mut(unique_id) {
                *read = self.read_by(self.get(unique_id), &now).to_string();
            }
        }
        Ok(Ended {
            status: Status::Success,
            way: Some(staged.way.to_owned()),
            rows: Some(rows),
            message: None,
            batches: None,
        })
    }
}

pub(super) fn expired(node: &Node, way: &Way, upstream: &Upstream, before: i64) -> Error {
    let Way::Full { why } = way else {
        unreachable!("only a full build loses rows");
    };
    let day = i32::try_from(before).ok().and_then(date32_to_datetime);
    Error::Expired {
        model: node.display_name(),
        name: node.name.clone(),
        why: why.clone(),
        source_table: short(&upstream.name),
        day: day.map_or_else(|| before.to_string(), |day| day.date().to_string()),
    }
}

/// What a refused commit of build `build` to `table` means.
pub fn refused(table: &str, build: i64, refusal: &Refusal) -> Error {
    match refusal {
        Refusal::Fenced { app_id, found, .. } if app_id == BUILD => Error::Superseded {
            ours: build,
            found: *found,
            table: table.to_owned(),
        },
        other => Error::Refused {
            table: table.to_owned(),
            why: other.to_string(),
        },
    }
}
