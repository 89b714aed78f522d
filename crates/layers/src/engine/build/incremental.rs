//! Incremental models and snapshots of a build: new rows staged, tested and committed in one commit, once.

use goldrecord_lake::{Snapshot, Table, TxnStep};

use super::nodes::expired;
use super::{Ended, Run};
use crate::Result;
use crate::engine::incremental::PlannedIncremental;
use crate::engine::project::{PlannedTable, Versions};
use crate::engine::session::Share;
use crate::engine::snapshots::PlannedSnapshot;
use crate::engine::stage::{Staged, Stager};
use crate::engine::state::{BUILD, FINGERPRINT, Upstream, loses};
use crate::engine::ways::Way;
use crate::manifest::Node;

/// Counts the commits of an incremental model's table: what was computed beside one state of the table is not put
/// beside another.
const RUN: &str = "layers/run";

/// The steps of a commit: what it read, and one more on the count.
pub(super) fn counted(live: &Snapshot, upstreams: &[Upstream]) -> Vec<TxnStep> {
    let before = live.txn(RUN);
    let mut txns: Vec<TxnStep> = upstreams
        .iter()
        .map(|upstream| upstream.step(live))
        .collect();
    txns.push(TxnStep {
        app_id: RUN.to_owned(),
        expect: before,
        next: before.unwrap_or(0) + 1,
    });
    txns
}

impl Run<'_> {
    pub(super) async fn incremental(
        &self,
        node: &Node,
        planned: &PlannedIncremental,
    ) -> Result<Ended> {
        let versions = self.snapshot_of_versions();
        let upstreams = self.project.upstreams(&planned.table, &versions);
        let found = versions.get(&node.unique_id);
        if let Some(live) = found
            && planned.step.is_some()
            && self.was_done(live, &upstreams, &planned.table.fingerprint)
        {
            return self.unchanged(node, &versions).await;
        }
        let way = Way::Full {
            why: "the table is filled anew".to_owned(),
        };
        if planned.step.is_none()
            && !self.options.full_refresh
            && let Some((upstream, before)) = loses(found, &way, &upstreams)
        {
            return Err(expired(node, &way, upstream, before));
        }
        self.staged_once(
            node,
            &planned.table,
            &versions,
            &upstreams,
            async |stage| match &planned.step {
                Some(step) => stage.incremental(step).await,
                None => stage.stage(&way).await,
            },
        )
        .await
    }

    pub(super) async fn snapshot(&self, node: &Node, planned: &PlannedSnapshot) -> Result<Ended> {
        let versions = self.snapshot_of_versions();
        let upstreams = self.project.upstreams(&planned.table, &versions);
        self.staged_once(node, &planned.table, &versions, &upstreams, async |stage| {
            stage.snapshot(planned).await
        })
        .await
    }

    /// Stage, test and commit what was computed beside the table's present state; nothing, where it changes nothing.
    async fn staged_once(
        &self,
        node: &Node,
        planned: &PlannedTable,
        versions: &Versions,
        upstreams: &[Upstream],
        staged: impl AsyncFn(&Stager<'_>) -> Result<Staged>,
    ) -> Result<Ended> {
        let (table, live, staged) = self
            .staged(node, planned, versions, upstreams, staged)
            .await?;
        if staged.adds.is_empty() && staged.removes.is_empty() && staged.metadata.is_none() {
            return self.unchanged(node, versions).await;
        }
        let txns = counted(&live, upstreams);
        self.commit(node, &table, live, versions, staged, txns)
            .await
    }

    /// Stage what is computed beside the table's present state, with more memory where it needs that.
    pub(super) async fn staged(
        &self,
        node: &Node,
        planned: &PlannedTable,
        versions: &Versions,
        upstreams: &[Upstream],
        staged: impl AsyncFn(&Stager<'_>) -> Result<Staged>,
    ) -> Result<(Table, Snapshot, Staged)> {
        let found = versions.get(&node.unique_id);
        let (table, live) = self.created(node, found, &planned.schema).await?;
        let stage = async |share: &Share| {
            let stage = Stager {
                project: self.project,
                node,
                planned,
                versions,
                upstreams,
                differences: &[],
                live: &live,
                table: &table,
                share,
                shutdown: self.shutdown,
            };
            staged(&stage).await
        };
        let staged = self.with_share(node, stage).await?;
        Ok((table, live, staged))
    }

    /// Whether a build that died or was interrupted was the last that wrote the table.
    pub(super) fn is_unended(&self, live: &Snapshot) -> bool {
        live.txn(BUILD) > self.ended_before
    }

    /// Whether a build that died or was interrupted had this table's rows committed, by the same SQL from the same
    /// versions: going on where it stopped is not adding them again.
    pub(super) fn was_done(
        &self,
        live: &Snapshot,
        upstreams: &[Upstream],
        fingerprint: &str,
    ) -> bool {
        let same_sql = live
            .properties
            .get(FINGERPRINT)
            .is_some_and(|then| then == fingerprint);
        self.is_unended(live)
            && same_sql
            && upstreams
                .iter()
                .all(|upstream| live.txn(&upstream.app_id()) == Some(upstream.snapshot.version))
    }
}
