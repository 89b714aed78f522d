//! `build`, `run`, `test` and `seed`: one build with other types of node.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use goldrecord_lake::Lake;
use goldrecord_service::{Config, Shutdown};
use serde_json::{Map, Value, json};

use super::arguments::{Cli, Run};
use super::{Exit, configuration, hooks, leave, picked};
use crate::artifacts::{Invocation, RUN_RESULTS, Recorder, run_results_json, time};
use crate::engine::{self, BuildOptions, Kept};
use crate::hooks::Moment;
use crate::manifest::ResourceType::{Model, Seed, Snapshot, Test, UnitTest};
use crate::manifest::{Manifest, ResourceType};
use crate::microbatch::Window;
use crate::output::Printer;
use crate::reporter::BatchResults;
use crate::{Error, Result};

/// Which command a build is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Build,
    Run,
    Test,
    Seed,
    Snapshot,
}

impl Kind {
    pub(super) const ALL: [Self; 5] = [
        Self::Build,
        Self::Run,
        Self::Test,
        Self::Seed,
        Self::Snapshot,
    ];

    /// The command's name.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Build => "build",
            Self::Run => "run",
            Self::Test => "test",
            Self::Seed => "seed",
            Self::Snapshot => "snapshot",
        }
    }

    /// The types of node that it runs.
    pub(super) const fn runs(self) -> &'static [ResourceType] {
        match self {
            Self::Build => &[Model, Seed, Snapshot, Test, UnitTest],
            Self::Run => &[Model],
            Self::Test => &[Test, UnitTest],
            Self::Seed => &[Seed],
            Self::Snapshot => &[Snapshot],
        }
    }
}

/// Build the selected nodes of the command's types.
pub(super) async fn build(
    cli: &Cli,
    printer: &Printer,
    manifest: &Manifest,
    invocation: &Invocation,
    kind: Kind,
    run: &Run,
) -> Result<Exit> {
    let selected = picked(printer, manifest, &run.pick, kind.runs())?;
    let flags = Flags {
        full_refresh: run.full_refresh,
        fail_fast: run.fail_fast,
        empty: run.empty,
        event_time: run.event_time()?,
        again: Again::default(),
    };
    these(cli, printer, manifest, invocation, kind, selected, flags).await
}

/// The flags of a build that are no selection.
#[derive(Clone, Debug)]
pub(super) struct Flags {
    pub(super) full_refresh: bool,
    pub(super) fail_fast: bool,
    pub(super) empty: bool,
    pub(super) event_time: Option<Window>,
    pub(super) again: Again,
}

/// What a build that is tried again takes from the one before.
#[derive(Clone, Debug, Default)]
pub(super) struct Again {
    /// When that began.
    pub(super) now: Option<DateTime<Utc>>,
    /// How the batches of models ended that failed in part.
    pub(super) batches: BTreeMap<String, BatchResults>,
}

/// Build these nodes, and leave `run_results.json`.
pub(super) async fn these(
    cli: &Cli,
    printer: &Printer,
    manifest: &Manifest,
    invocation: &Invocation,
    kind: Kind,
    selected: BTreeSet<String>,
    flags: Flags,
) -> Result<Exit> {
    let config = configuration(&cli.common)?;
    if selected.is_empty() {
        printer.info("Nothing to do. Try checking your model configs and model specification args");
        return Ok(Exit::Done);
    }
    let prepared = hooks::prepare(printer, manifest, &selected)?;
    let options = BuildOptions {
        full_refresh: flags.full_refresh,
        fail_fast: flags.fail_fast,
        event_time: flags.event_time,
        now: flags.again.now,
        retried: flags.again.batches,
        // Nobody reads tables that were emptied to try the project out.
        publish: manifest.target == config.layers.target && !flags.empty,
        ..options(cli, manifest, &config, selected)
    };
    let lake = Lake::open(&config.lake.url)?;
    let shutdown = Shutdown::on_signals().map_err(|error| Error::Usage(error.to_string()))?;
    if !hooks::run(printer, manifest, Moment::Start, None) {
        return Ok(Exit::Failed);
    }
    manifest.hooks.run_nodes(&prepared)?;
    let recorder = Recorder::before(printer);
    let report = engine::build(manifest, &options, &lake, &shutdown, &recorder).await?;
    let times = recorder.into_times();
    let arguments = arguments(manifest, kind, &options);
    let results = run_results_json(manifest, &report, &times, &arguments, invocation);
    leave(printer, manifest, RUN_RESULTS, &results);
    let ended = hooks::run(printer, manifest, Moment::End, Some(&report.results));
    printer.summary(manifest, &report);
    Ok(if report.is_ok() && ended {
        Exit::Done
    } else {
        Exit::Failed
    })
}

/// What `run_results.json` says of the command line.
fn arguments(manifest: &Manifest, kind: Kind, options: &BuildOptions) -> Map<String, Value> {
    let command: Vec<String> = std::env::args().collect();
    let found = json!({
        "which": kind.name(),
        "target": manifest.target,
        "full_refresh": options.full_refresh,
        "fail_fast": options.fail_fast,
        "threads": options.threads,
        "event_time_start": options.event_time.map(|window| time(window.start)),
        "event_time_end": options.event_time.map(|window| time(window.end)),
        "project_dir": manifest.root.display().to_string(),
        "invocation_command": command.join(" "),
    });
    match found {
        Value::Object(found) => found,
        _ => Map::new(),
    }
}

/// What the configuration and the command line say of every build.
pub(super) fn options(
    cli: &Cli,
    manifest: &Manifest,
    config: &Config,
    selected: BTreeSet<String>,
) -> BuildOptions {
    BuildOptions {
        selected,
        threads: threads(cli, manifest, config),
        memory: config.layers.memory.0 as usize,
        kept: Kept::beside(config.layers.memory.0 as usize),
        spill_dir: config.layers.spill_dir.clone(),
        spill_limit: config.layers.spill_limit.0,
        publish: manifest.target == config.layers.target,
        ..BuildOptions::default()
    }
}

fn threads(cli: &Cli, manifest: &Manifest, config: &Config) -> usize {
    let configured = Some(config.layers.threads).filter(|threads| *threads > 0);
    cli.common
        .threads
        .or(manifest.threads)
        .or(configured)
        .unwrap_or_else(|| BuildOptions::default().threads)
        .max(1)
}
