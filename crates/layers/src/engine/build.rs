//! A build: plan, open, bring every table up to date, test, commit, close.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use goldrecord_lake::builds::{self, Build, Opened};
use goldrecord_lake::{
    Error as LakeError, Fence, Lake, MetadataChange, Outcome, Refusal, Snapshot, Table, TableSpec,
    WriteOptions,
};
use goldrecord_service::Shutdown;
use serde_json::{Value, json};

use super::order::Order;
use super::project::{Planned, PlannedTable, Project, Versions, is_view, place};
use super::seeds::Seed;
use super::session::Engine;
use super::stage::{Staged, Stager};
use super::state::{BUILD, FINGERPRINT, decide};
use super::ways::Way;
use super::{BuildOptions, checks};
use crate::manifest::{Manifest, Node, ResourceType};
use crate::reporter::{BuildReport, Event, NodeResult, Reporter, Status};
use crate::{Error, Result};

/// The key under which a build's closing row keeps the tests that passed.
const PASSED: &str = "tests";

/// Build the selected nodes: bring tables up to date, run tests, commit what passed, and publish
/// when everything did.
///
/// An error is something that stopped the build as a whole: a model that does not compile (nothing
/// was written then), a lake that is away, a newer build, a signal. A model or test that fails is
/// in the report.
pub async fn build(
    manifest: &Manifest,
    options: &BuildOptions,
    lake: &Lake,
    shutdown: &Shutdown,
    reporter: &dyn Reporter,
) -> Result<BuildReport> {
    let started = Instant::now();
    let engine = Engine::new(lake, options.threads, options.memory)?;
    let project = Project::plan(manifest, lake, &engine, &options.selected).await?;
    let order = Order::of(manifest, &options.selected);
    let writes = !project.planned.is_empty();
    let build = if writes {
        Some(open(lake, &manifest.target, reporter).await?)
    } else {
        None
    };
    let passed = passed_before(lake, &manifest.target).await?;
    reporter.event(&Event::Started {
        build: build.as_ref().map(|build| build.number.unsigned_abs()),
        nodes: order.count(),
        threads: options.threads,
    });
    let run = Run {
        versions: Mutex::new(project.tables.clone()),
        project: &project,
        order: &order,
        options,
        shutdown,
        reporter,
        build: build.as_ref(),
        passed_before: passed,
        passed: Mutex::default(),
        started: AtomicUsize::new(0),
        results: Mutex::default(),
        stop: Mutex::default(),
    };
    run.all().await;
    let published = run.close().await?;
    if let Some(error) = run
        .stop
        .into_inner()
        .unwrap_or_else(PoisonError::into_inner)
    {
        return Err(error);
    }
    let results = run
        .results
        .into_inner()
        .unwrap_or_else(PoisonError::into_inner);
    Ok(BuildReport {
        build: build.map(|build| build.number.unsigned_abs()),
        published,
        results,
        elapsed: started.elapsed(),
    })
}

async fn open(lake: &Lake, target: &str, reporter: &dyn Reporter) -> Result<Build> {
    match builds::open(lake, target).await? {
        Opened::Ours { build, superseded } => {
            if let Some(old) = superseded {
                reporter.event(&Event::Note {
                    text: format!(
                        "build {} ({}) did not close: it is superseded, and this build goes on where it stopped",
                        old.number,
                        owner(&old)
                    ),
                });
            }
            Ok(build)
        }
        Opened::Taken { by } => Err(Error::Busy {
            number: by.number,
            target: target.to_owned(),
            owner: owner(&by),
        }),
    }
}

/// `pid 7 on host`, as far as the opening row says.
fn owner(build: &Build) -> String {
    let text = |key: &str| {
        build.info.get(key).map_or_else(
            || "?".to_owned(),
            |value| {
                value
                    .as_str()
                    .map_or_else(|| value.to_string(), str::to_owned)
            },
        )
    };
    format!("pid {} on {}", text("pid"), text("host"))
}

/// The tests that had passed when the target's last build closed, each with what it had read.
async fn passed_before(lake: &Lake, target: &str) -> Result<BTreeMap<String, String>> {
    let rows = builds::history(lake, target, 20).await?;
    let Some(closing) = rows.into_iter().find(|row| row.status.is_some()) else {
        return Ok(BTreeMap::new());
    };
    Ok(closing
        .info
        .get(PASSED)
        .and_then(Value::as_object)
        .map(|tests| {
            tests
                .iter()
                .filter_map(|(test, read)| Some((test.clone(), read.as_str()?.to_owned())))
                .collect()
        })
        .unwrap_or_default())
}

/// A build at work.
struct Run<'a> {
    project: &'a Project<'a>,
    order: &'a Order,
    options: &'a BuildOptions,
    shutdown: &'a Shutdown,
    reporter: &'a dyn Reporter,
    build: Option<&'a Build>,
    /// The tables as this build has committed or found them.
    versions: Mutex<Versions>,
    passed_before: BTreeMap<String, String>,
    passed: Mutex<BTreeMap<String, String>>,
    started: AtomicUsize,
    results: Mutex<Vec<NodeResult>>,
    /// What stopped the build as a whole.
    stop: Mutex<Option<Error>>,
}

/// How a node ended.
struct Ended {
    status: Status,
    way: Option<String>,
    rows: Option<u64>,
    message: Option<String>,
}

impl<'a> Run<'a> {
    /// Run every node once all it waits for has ended well.
    async fn all(&self) {
        let mut waiting: Vec<&str> = self.order.sequence.iter().map(String::as_str).collect();
        let mut ended: BTreeMap<&str, bool> = BTreeMap::new();
        let mut running = FuturesUnordered::new();
        loop {
            let stopped = self.is_stopped();
            let mut index = 0;
            while index < waiting.len() {
                let unique_id = waiting[index];
                let waits = &self.order.waits[unique_id];
                let failed = waits
                    .iter()
                    .find(|above| ended.get(above.as_str()) == Some(&false));
                if let Some(why) = self.skip_reason(stopped, failed) {
                    waiting.remove(index);
                    ended.insert(unique_id, false);
                    self.skip(unique_id, &why);
                    // What waits for it is skipped in the same round, whatever its place.
                    index = 0;
                    continue;
                }
                let ready = waits
                    .iter()
                    .all(|above| ended.get(above.as_str()) == Some(&true));
                if ready && running.len() < self.options.threads.max(1) {
                    waiting.remove(index);
                    running.push(async move { (unique_id, self.node(unique_id).await) });
                } else {
                    index += 1;
                }
            }
            match running.next().await {
                Some((unique_id, well)) => {
                    ended.insert(unique_id, well);
                }
                None => break,
            }
        }
        assert!(
            waiting.is_empty(),
            "every node ran or was skipped: the manifest has no cycles"
        );
    }

    fn is_stopped(&self) -> bool {
        if self.shutdown.is_requested() {
            self.stop_with(Error::Interrupted);
        }
        lock(&self.stop).is_some()
    }

    fn stop_with(&self, error: Error) {
        lock(&self.stop).get_or_insert(error);
    }

    fn skip_reason(&self, stopped: bool, failed: Option<&String>) -> Option<String> {
        if stopped {
            return Some("the build was stopped".to_owned());
        }
        if let Some(above) = failed {
            let name = self
                .manifest()
                .node(above)
                .map_or(above.as_str(), |node| node.name.as_str());
            return Some(format!("`{name}` failed"));
        }
        let any_failed = lock(&self.results)
            .iter()
            .any(|result| matches!(result.status, Status::Error | Status::Fail));
        (self.options.fail_fast && any_failed)
            .then(|| "something failed before (--fail-fast)".to_owned())
    }

    fn manifest(&self) -> &'a Manifest {
        self.project.manifest
    }

    fn get(&self, unique_id: &str) -> &'a Node {
        &self.manifest().nodes[unique_id]
    }

    /// Skip a node, and the tests that run with it.
    fn skip(&self, unique_id: &str, why: &str) {
        let tests = self.order.tests.get(unique_id).into_iter().flatten();
        for unique_id in std::iter::once(unique_id).chain(tests.map(String::as_str)) {
            let (index, _) = self.start_index();
            self.finish(
                index,
                self.get(unique_id),
                Duration::ZERO,
                Ended {
                    status: Status::Skipped,
                    way: None,
                    rows: None,
                    message: Some(why.to_owned()),
                },
            );
        }
    }

    fn start_index(&self) -> (usize, usize) {
        (
            self.started.fetch_add(1, Ordering::Relaxed) + 1,
            self.order.count(),
        )
    }

    fn start(&self, node: &Node) -> usize {
        let (index, total) = self.start_index();
        self.reporter
            .event(&Event::NodeStarted { index, total, node });
        index
    }

    fn finish(&self, index: usize, node: &Node, elapsed: Duration, ended: Ended) {
        self.record(
            index,
            node,
            NodeResult {
                unique_id: node.unique_id.clone(),
                status: ended.status,
                way: ended.way,
                rows: ended.rows,
                failures: None,
                failing_rows: None,
                message: ended.message,
                elapsed,
            },
        );
    }

    fn record(&self, index: usize, node: &Node, result: NodeResult) {
        self.reporter.event(&Event::NodeFinished {
            index,
            total: self.order.count(),
            node,
            result: &result,
        });
        lock(&self.results).push(result);
    }

    /// Run one node with its tests; whether what reads it may run.
    async fn node(&self, unique_id: &str) -> bool {
        let node = self.get(unique_id);
        if node.resource_type == ResourceType::Test {
            return self
                .test(node, &self.snapshot_of_versions(), None)
                .await
                .unwrap_or(false);
        }
        let index = self.start(node);
        let started = Instant::now();
        let ended = match self.project.planned.get(unique_id) {
            Some(Planned::Table(table)) => self.table(node, table).await,
            Some(Planned::Seed(seed)) => self.seed(node, seed).await,
            _ => self.view(node).await,
        };
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
                    },
                );
                if matches!(error, Error::Interrupted | Error::Superseded { .. }) {
                    self.stop_with(error);
                }
                false
            }
        }
    }

    fn snapshot_of_versions(&self) -> Versions {
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
            }))
    }

    /// Run the node's tests. What the node ended with when one of them blocks it.
    async fn tested(
        &self,
        node: &Node,
        versions: &Versions,
        way: &str,
        staged: Option<&Staged>,
    ) -> Result<Option<Ended>> {
        let Some(tests) = self.order.tests.get(&node.unique_id) else {
            return Ok(None);
        };
        let results: Vec<Result<(&Node, bool)>> = futures::stream::iter(tests)
            .map(|unique_id| async move {
                let test = self.get(unique_id);
                let staged = staged.map(|staged| (node, staged));
                Ok((test, self.test(test, versions, staged).await?))
            })
            .buffer_unordered(self.options.threads.max(1))
            .collect()
            .await;
        let mut blocking = Vec::new();
        for result in results {
            let (test, well) = result?;
            if !well {
                blocking.push(test.name.as_str());
            }
        }
        if blocking.is_empty() {
            return Ok(None);
        }
        let what = if staged.is_some() {
            "not committed: "
        } else {
            ""
        };
        Ok(Some(Ended {
            status: Status::Error,
            way: Some(way.to_owned()),
            rows: None,
            message: Some(format!("{what}{} failed", blocking.join(", "))),
        }))
    }

    /// Run one test over these versions, one table perhaps as staged; whether it does not block.
    async fn test(
        &self,
        test: &Node,
        versions: &Versions,
        staged: Option<(&Node, &Staged)>,
    ) -> Result<bool> {
        let index = self.start(test);
        let started = Instant::now();
        let read = self.read_by(test, versions);
        let known = staged.is_none() && self.passed_before.get(&test.unique_id) == Some(&read);
        let only_tests = self.build.is_none();
        let outcome = if known && !only_tests && !self.options.full_refresh {
            Ok(None)
        } else {
            self.verdict(test, versions, staged).await.map(Some)
        };
        let mut result = NodeResult {
            unique_id: test.unique_id.clone(),
            status: Status::Pass,
            way: None,
            rows: None,
            failures: Some(0),
            failing_rows: None,
            message: None,
            elapsed: Duration::ZERO,
        };
        match outcome {
            Ok(None) => result.message = Some("unchanged since it passed".to_owned()),
            Ok(Some(verdict)) => {
                result.status = verdict.status;
                result.failures = Some(verdict.failures);
                result.failing_rows = verdict.rows;
            }
            Err(error) => {
                result.status = Status::Error;
                result.failures = None;
                result.message = Some(error.to_string());
            }
        }
        result.elapsed = started.elapsed();
        let well = matches!(result.status, Status::Pass | Status::Warn);
        if result.status == Status::Pass {
            // With a staged table, what it read has its version only once that is committed.
            lock(&self.passed).insert(test.unique_id.clone(), read);
        } else {
            lock(&self.passed).remove(&test.unique_id);
        }
        self.record(index, test, result);
        Ok(well)
    }

    async fn verdict(
        &self,
        test: &Node,
        versions: &Versions,
        staged: Option<(&Node, &Staged)>,
    ) -> Result<checks::Verdict> {
        let leaf = |upstream: &Node| match staged {
            Some((node, staged)) if node.unique_id == upstream.unique_id => {
                let mut versions = versions.clone();
                versions.insert(node.unique_id.clone(), staged.defined.clone());
                self.project
                    .leaf(upstream, &versions, test, Some(staged.files()))
            }
            _ => self.project.leaf(upstream, versions, test, None),
        };
        let session = self.project.session(test, &leaf).await?;
        let verdict = checks::run(&session, test);
        tokio::select! {
            verdict = verdict => verdict,
            () = self.shutdown.requested() => Err(Error::Interrupted),
        }
    }

    /// A test's SQL and the versions of the tables that it reads, in short.
    fn read_by(&self, test: &Node, versions: &Versions) -> String {
        use sha2::{Digest, Sha256};
        let mut tables: Vec<&Node> = self.project.tables_of(test);
        tables.sort_by(|a, b| a.unique_id.cmp(&b.unique_id));
        let mut hash = Sha256::new().chain_update(&test.fingerprint);
        let mut views: Vec<&Node> = self
            .project
            .reads(test)
            .into_iter()
            .filter(|node| is_view(node))
            .collect();
        while let Some(view) = views.pop() {
            hash.update(&view.fingerprint);
            views.extend(
                self.project
                    .reads(view)
                    .into_iter()
                    .filter(|node| is_view(node)),
            );
        }
        for table in tables {
            if let Some(snapshot) = versions.get(&table.unique_id) {
                hash.update(format!("\0{}\0{}", snapshot.table_id, snapshot.version));
            }
        }
        format!("{:x}", hash.finalize())
    }

    async fn table(&self, node: &Node, planned: &PlannedTable) -> Result<Ended> {
        let versions = self.snapshot_of_versions();
        let upstreams = self.project.upstreams(planned, &versions);
        let found = versions.get(&node.unique_id);
        let mut differences = Vec::new();
        if let Some(live) = found {
            for upstream in &upstreams {
                differences.push(upstream.difference(self.project.lake, live).await?);
            }
        }
        let changes: Vec<_> = differences
            .iter()
            .map(|difference| difference.change.clone())
            .collect();
        let way = decide(
            found,
            &planned.fingerprint,
            &planned.schema,
            &node.config.partition_by,
            &planned.shape,
            &changes,
            self.options.full_refresh,
        );
        if way == Way::Unchanged {
            return self.unchanged(node, &versions).await;
        }
        tracing::debug!(model = node.name, ?way, "building");
        let (table, live) = self.created(node, found, &planned.schema).await?;
        let stager = Stager {
            project: self.project,
            node,
            planned,
            versions: &versions,
            upstreams: &upstreams,
            differences: &differences,
            live: &live,
            table: &table,
            shutdown: self.shutdown,
        };
        let staged = stager.stage(&way).await?;
        let txns = upstreams
            .iter()
            .map(|upstream| upstream.step(&live))
            .collect();
        self.commit(node, &table, live, &versions, staged, txns)
            .await
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

    async fn unchanged(&self, node: &Node, versions: &Versions) -> Result<Ended> {
        Ok(self
            .tested(node, versions, "unchanged", None)
            .await?
            .unwrap_or(Ended {
                status: Status::Success,
                way: Some("unchanged".to_owned()),
                rows: Some(0),
                message: None,
            }))
    }

    /// The table, made without rows where it was not there.
    async fn created(
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
    async fn commit(
        &self,
        node: &Node,
        table: &Table,
        mut live: Snapshot,
        versions: &Versions,
        staged: Staged,
        txns: Vec<goldrecord_lake::TxnStep>,
    ) -> Result<Ended> {
        let blocked = self.tested(node, versions, staged.way, Some(&staged)).await;
        let blocked = match blocked {
            Ok(None) if self.is_stopped() => Err(Error::Interrupted),
            other => other,
        };
        if !matches!(blocked, Ok(None)) {
            self.forget_tests(node);
            table.discard(&staged.adds).await?;
            return blocked.map(|ended| ended.expect("only a blocked commit gets here"));
        }
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
                return Err(refused(node, build, &refusal));
            }
        }
        let rows = staged.rows();
        lock(&self.versions).insert(node.unique_id.clone(), live);
        // The tests of this node have read the version that is now committed.
        let now = self.snapshot_of_versions();
        for unique_id in self.order.tests.get(&node.unique_id).into_iter().flatten() {
            let mut passed = lock(&self.passed);
            if let Some(read) = passed.get_mut(unique_id) {
                *read = self.read_by(self.get(unique_id), &now);
            }
        }
        Ok(Ended {
            status: Status::Success,
            way: Some(staged.way.to_owned()),
            rows: Some(rows),
            message: None,
        })
    }

    /// What the node's tests read was never committed.
    fn forget_tests(&self, node: &Node) {
        for unique_id in self.order.tests.get(&node.unique_id).into_iter().flatten() {
            lock(&self.passed).remove(unique_id);
        }
    }

    /// Write the closing row; whether readers see this build now.
    async fn close(&self) -> Result<bool> {
        let Some(build) = self.build else {
            return Ok(false);
        };
        let lake = self.project.lake;
        if matches!(*lock(&self.stop), Some(Error::Superseded { .. })) {
            return Ok(false);
        }
        let well = lock(&self.stop).is_none()
            && lock(&self.results).iter().all(|result| {
                matches!(result.status, Status::Success | Status::Pass | Status::Warn)
            });
        let status = match (well, self.options.publish) {
            (false, _) => builds::Status::Failed,
            (true, false) => builds::Status::Unpublished,
            (true, true) => builds::Status::Published,
        };
        let mut tables = match builds::published(lake, &build.target).await? {
            Some(before) => before.tables,
            None => BTreeMap::new(),
        };
        let manifest = self.manifest();
        let known: BTreeSet<String> = manifest
            .nodes
            .values()
            .filter(|node| {
                node.relation.is_some()
                    && node.resource_type != ResourceType::Test
                    && !is_view(node)
            })
            .map(|node| place(node).0)
            .collect();
        tables.retain(|path, _| known.contains(path));
        for (unique_id, snapshot) in lock(&self.versions).iter() {
            tables.insert(place(self.get(unique_id)).0, snapshot.version);
        }
        let mut passed = self.passed_before.clone();
        for result in lock(&self.results).iter() {
            passed.remove(&result.unique_id);
        }
        passed.retain(|test, _| manifest.nodes.contains_key(test));
        passed.extend(lock(&self.passed).clone());
        let info = BTreeMap::from([(PASSED.to_owned(), json!(passed))]);
        match builds::close(lake, build, status, tables, info).await {
            Ok(()) => Ok(status == builds::Status::Published),
            Err(LakeError::Superseded { ours, found, .. }) => Err(Error::Superseded {
                ours,
                found,
                table: "_builds".to_owned(),
            }),
            Err(error) => Err(error.into()),
        }
    }
}

fn refused(node: &Node, build: i64, refusal: &Refusal) -> Error {
    match refusal {
        Refusal::Fenced { app_id, found, .. } if app_id == BUILD => Error::Superseded {
            ours: build,
            found: *found,
            table: node.display_name(),
        },
        other => Error::Refused {
            table: node.display_name(),
            why: other.to_string(),
        },
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    // A panic elsewhere has ended the build already; what it guarded is plain data.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
