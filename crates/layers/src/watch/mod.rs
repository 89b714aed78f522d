//! Builds as commits arrive: looks at the sources' logs, and builds when one has changed.
//!
//! [`schedule`] decides when and what for, [`sources`] reads the logs; here they meet the clock.

mod metrics;
pub mod schedule;
mod sources;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use futures::FutureExt as _;
use futures::future::LocalBoxFuture;
use goldrecord_lake::Lake;
use goldrecord_service::{Shutdown, notify};

pub use metrics::Metrics;
use schedule::{Schedule, Step};
use sources::{News, Source, affected};

use crate::engine::{self, BuildOptions};
use crate::manifest::{Manifest, ResourceType};
use crate::reporter::{BuildReport, Event, Reporter};
use crate::{Error, Result};

/// How often the watchdog is fed at least, whatever `watch_poll` is.
const BEAT: Duration = Duration::from_secs(5);

/// How a watch goes about it.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Time between two looks at the sources' logs.
    pub poll: Duration,
    /// When builds begin.
    pub schedule: schedule::Settings,
}

/// A build at work.
type Building<'a> = LocalBoxFuture<'a, Result<BuildReport>>;
/// A look at the sources' logs at work, which gives them back with what each has to tell.
type Looking<'a> = LocalBoxFuture<'a, (Vec<Source>, Vec<Result<Option<News>>>)>;

/// Build the selected nodes now, and then again whenever a source that they read has new rows, until a shutdown is
/// requested. `observe` sees every build that ended.
///
/// A build that fails is logged, counted and tried again. An error is what no later build will mend by itself: a project
/// that does not compile.
pub async fn watch(
    manifest: &Manifest,
    options: &BuildOptions,
    lake: &Lake,
    settings: Settings,
    metrics: &Metrics,
    shutdown: &Shutdown,
    mut observe: impl FnMut(&BuildReport),
) -> Result<()> {
    engine::plan_all(manifest, lake, &options.selected).await?;
    let sources = sources::sources(manifest, lake, &options.selected).await?;
    let names: BTreeSet<String> = sources
        .iter()
        .flat_map(Source::unique_ids)
        .cloned()
        .collect();
    if names.is_empty() {
        return Err(Error::Usage(
            "nothing that is selected reads a source, so there is nothing to watch: use `build`"
                .to_owned(),
        ));
    }
    let began = Instant::now();
    let mut watch = Watch {
        manifest,
        options,
        lake,
        metrics,
        shutdown,
        schedule: Schedule::new(settings.schedule, names, Duration::ZERO),
        arrived: BTreeMap::new(),
        taken: BTreeMap::new(),
    };
    notify::ready();
    // Both go on side by side, always: one may hold a connection to the lake that the other waits for.
    let mut building: Option<Building<'_>> = None;
    let mut looking: Option<Looking<'_>> = None;
    let mut idle = Some(sources);
    let mut next_look = Duration::ZERO;
    while !shutdown.is_requested() {
        notify::turned();
        let now = began.elapsed();
        let mut until = now + BEAT;
        if let Some(sources) = idle.take_if(|_| now >= next_look) {
            looking = Some(look(lake, sources).boxed_local());
        } else if idle.is_some() {
            until = until.min(next_look);
        }
        match watch.schedule.step(now) {
            Step::Build(changed) => building = Some(watch.begin(&changed)),
            Step::Wait(Some(due)) => until = until.min(due),
            Step::Wait(None) => {}
        }
        metrics.waiting.set([], watch.schedule.waiting() as f64);
        tokio::select! {
            result = at_work(&mut building) => {
                building = None;
                watch.ended(result, began.elapsed(), &mut observe)?;
            }
            (sources, news) = at_work(&mut looking) => {
                looking = None;
                idle = Some(sources);
                watch.learn(news, began.elapsed());
                next_look = began.elapsed() + settings.poll;
            }
            () = tokio::time::sleep(until.saturating_sub(began.elapsed())) => {}
            () = shutdown.requested() => {}
        }
    }
    notify::stopping();
    drop(looking);
    // A build that is stopped says so to its table, and leaves no files.
    if let Some(building) = building
        && let Err(error) = building.await
    {
        tracing::info!(%error, "the build at work was stopped");
    }
    Ok(())
}

/// What comes of it; never anything, where nothing is at work.
async fn at_work<T>(work: &mut Option<LocalBoxFuture<'_, T>>) -> T {
    match work {
        Some(work) => work.await,
        None => std::future::pending().await,
    }
}

/// Ask every source for news.
async fn look(lake: &Lake, mut sources: Vec<Source>) -> (Vec<Source>, Vec<Result<Option<News>>>) {
    let mut news = Vec::with_capacity(sources.len());
    for source in &mut sources {
        news.push(source.look(lake).await);
    }
    (sources, news)
}

struct Watch<'a> {
    manifest: &'a Manifest,
    options: &'a BuildOptions,
    lake: &'a Lake,
    metrics: &'a Metrics,
    shutdown: &'a Shutdown,
    schedule: Schedule,
    /// By source, when the oldest of the rows came that no build has begun to read.
    arrived: BTreeMap<String, DateTime<Utc>>,
    /// The same of the build at work.
    taken: BTreeMap<String, DateTime<Utc>>,
}

impl<'a> Watch<'a> {
    /// Note what the sources had to tell. One that cannot be read now is asked again at the next look.
    fn learn(&mut self, news: Vec<Result<Option<News>>>, now: Duration) {
        for news in news {
            match news {
                Ok(None) => {}
                Ok(Some(news)) => {
                    for unique_id in &news.unique_ids {
                        self.schedule.changed(unique_id, now);
                        if let Some(oldest) = news.oldest {
                            earlier(&mut self.arrived, unique_id, oldest);
                        }
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, "a source cannot be looked at; trying again");
                    notify::status(&format!("waiting for the lake: {error}"));
                }
            }
        }
    }

    fn begin(&mut self, changed: &BTreeSet<String>) -> Building<'a> {
        for source in changed {
            if let Some(oldest) = self.arrived.remove(source) {
                earlier(&mut self.taken, source, oldest);
            }
        }
        tracing::debug!(sources = changed.len(), "building");
        // All of it, however few sources changed: a build reads every source as it is when it begins, and others may
        // have changed since they were looked at. What reads none of those that did is found unchanged.
        engine::build(
            self.manifest,
            self.options,
            self.lake,
            self.shutdown,
            &Logged,
        )
        .boxed_local()
    }

    fn ended(
        &mut self,
        result: Result<BuildReport>,
        now: Duration,
        observe: &mut impl FnMut(&BuildReport),
    ) -> Result<()> {
        let well = matches!(&result, Ok(report) if report.is_ok());
        self.schedule.ended(well, now);
        match result {
            Ok(report) => {
                self.tell(&report);
                observe(&report);
                Ok(())
            }
            Err(Error::Interrupted) => Ok(()),
            // What is wrong with the project stays wrong.
            Err(error @ (Error::Project(_) | Error::Many(_) | Error::Usage(_))) => Err(error),
            Err(error) => {
                self.metrics.builds.add(["failed"], 1);
                tracing::error!(%error, "a build failed; trying again");
                notify::status(&format!("the last build failed: {error}"));
                Ok(())
            }
        }
    }

    /// One line a build, for the log and for `systemctl status`, and its numbers.
    fn tell(&mut self, report: &BuildReport) {
        let failed = report.failed();
        self.metrics.failed_nodes.set([], failed as f64);
        self.metrics
            .build_time
            .observe([], report.elapsed.as_secs_f64());
        let seconds = report.elapsed.as_secs_f64();
        let build = report.build.unwrap_or_default();
        if !report.is_ok() {
            self.metrics.builds.add(["failed"], 1);
            tracing::error!(
                build,
                failed,
                seconds,
                "the build failed; readers see the one before"
            );
            notify::status(&format!(
                "build {build}: {failed} nodes failed; readers see the one before"
            ));
            return;
        }
        let now = Utc::now();
        let waited = self.fresh(now);
        let result = if report.published {
            self.metrics
                .published
                .set([], now.timestamp_millis() as f64 / 1000.0);
            "published"
        } else {
            "unpublished"
        };
        self.metrics.builds.add([result], 1);
        tracing::info!(
            build,
            nodes = report.results.len(),
            seconds,
            waited,
            "build {result}"
        );
        notify::status(&format!(
            "build {build} {result} in {seconds:.1} s; its oldest new row waited {waited:.1} s"
        ));
    }

    /// Note how long the rows waited that the build at work has read; the longest of it in seconds.
    fn fresh(&mut self, now: DateTime<Utc>) -> f64 {
        let mut longest: f64 = 0.0;
        let mut oldest: BTreeMap<&str, DateTime<Utc>> = BTreeMap::new();
        for (source, arrived) in &self.taken {
            let of_source = BTreeSet::from([source.clone()]);
            for unique_id in affected(self.manifest, &self.options.selected, &of_source) {
                let node = &self.manifest.nodes[&unique_id];
                if node.resource_type == ResourceType::Model {
                    let known = oldest.entry(&node.unique_id).or_insert(*arrived);
                    *known = (*known).min(*arrived);
                }
            }
        }
        for (unique_id, arrived) in oldest {
            let table = self.manifest.nodes[unique_id].display_name();
            let waited = (now - arrived).as_seconds_f64().max(0.0);
            self.metrics.freshness.observe([table.as_str()], waited);
            self.metrics.delay.set([table.as_str()], waited);
            longest = longest.max(waited);
        }
        self.taken.clear();
        longest
    }
}

fn earlier(of: &mut BTreeMap<String, DateTime<Utc>>, source: &str, when: DateTime<Utc>) {
    let known = of.entry(source.to_owned()).or_insert(when);
    *known = (*known).min(when);
}

/// What goes wrong in a build, for the log.
struct Logged;

impl Reporter for Logged {
    fn event(&self, event: &Event<'_>) {
        match event {
            Event::NodeFinished { node, result, .. } if result.status.is_bad() => {
                let message = result.message.as_deref().unwrap_or_default();
                let failures = result.failures.unwrap_or_default();
                tracing::error!(node = node.name, failures, "{message}");
            }
            Event::Note { text } => tracing::info!("{text}"),
            _ => {}
        }
    }
}
