//! A build: plan, open, bring every table up to date, test, commit, close.

mod checked;
mod constrained;
mod deciding;
mod incremental;
mod microbatch;
mod nodes;
mod read;
mod unit_tests;

pub use nodes::refused;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use goldrecord_lake::builds::{self, Build, Entry, Opened};
use goldrecord_lake::{Error as LakeError, Lake};
use goldrecord_service::Shutdown;
use serde_json::{Value, json};

use super::BuildOptions;
use super::order::Order;
use super::project::{Project, Versions, is_view, place};
use super::session::Engine;
use crate::manifest::{Manifest, Node, ResourceType};
use crate::reporter::{BatchResults, BuildReport, Event, NodeResult, Reporter, Status};
use crate::{Error, Result};

/// The key under which a build's closing row keeps the tests that passed.
const PASSED: &str = "tests";
/// The key by which a closing row says that a signal ended the build.
const INTERRUPTED: &str = "interrupted";

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
    let (started, began) = (Instant::now(), Utc::now());
    let engine = Engine::new(lake, options)?;
    let project = Project::plan_for(
        manifest,
        lake,
        &engine,
        &options.selected,
        options.full_refresh,
    )
    .await?;
    let order = Order::of(manifest, &options.selected);
    let writes = !project.planned.is_empty();
    let build = if writes {
        Some(open(lake, &manifest.target, reporter).await?)
    } else {
        None
    };
    let closed = closed(lake, &manifest.target).await?;
    let passed = closed.first().map(passed_in).unwrap_or_default();
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
        ended_before: ended(&closed),
        passed_before: passed,
        passed: Mutex::default(),
        rows: Mutex::default(),
        started: AtomicUsize::new(0),
        now: options.now.unwrap_or(began),
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

/// The closing rows of the target's last builds, newest first.
async fn closed(lake: &Lake, target: &str) -> Result<Vec<Entry>> {
    let mut rows = builds::history(lake, target, 20).await?;
    rows.retain(|row| row.status.is_some());
    Ok(rows)
}

/// The last build that ran to its end.
fn ended(closed: &[Entry]) -> Option<i64> {
    let ended = closed
        .iter()
        .find(|row| !row.info.contains_key(INTERRUPTED));
    ended.map(|row| row.number)
}

/// The tests that had passed when that build closed, each with what it had read.
fn passed_in(closing: &Entry) -> BTreeMap<String, String> {
    closing
        .info
        .get(PASSED)
        .and_then(Value::as_object)
        .map(|tests| {
            tests
                .iter()
                .filter_map(|(test, read)| Some((test.clone(), read.as_str()?.to_owned())))
                .collect()
        })
        .unwrap_or_default()
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
    /// The last build that ran to its end: the commits of later ones belong to a build that this one goes on with.
    ended_before: Option<i64>,
    passed_before: BTreeMap<String, String>,
    passed: Mutex<BTreeMap<String, String>>,
    /// Of a table, by its id, and a version: its columns and files, in short.
    rows: Mutex<BTreeMap<(String, i64), String>>,
    started: AtomicUsize,
    /// The end of the time that microbatch models compute.
    now: DateTime<Utc>,
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
    batches: Option<BatchResults>,
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
            .any(|result| result.status.is_bad());
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
                    batches: None,
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
                batches: ended.batches,
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
        let mut info = BTreeMap::from([(PASSED.to_owned(), json!(passed))]);
        if matches!(*lock(&self.stop), Some(Error::Interrupted)) {
            info.insert(INTERRUPTED.to_owned(), json!(true));
        }
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

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    // A panic elsewhere has ended the build already; what it guarded is plain data.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
