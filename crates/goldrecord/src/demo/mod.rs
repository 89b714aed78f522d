//! `goldrecord demo`: the whole way of an event, in one command.

mod events;
mod ingest;
mod kpis;
mod lineage;
mod place;
mod progress;
mod report;
mod servers;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use clap::Args;
use datafusion::prelude::SessionContext;
use goldrecord_lake::Lake;
use goldrecord_layers::engine::{self, BuildOptions, Kept};
use goldrecord_layers::manifest::Manifest;
use goldrecord_layers::reporter::{BuildReport, Status};
use goldrecord_layers::{project, published};
use goldrecord_loader::{LoaderSettings, Outcome};
use goldrecord_reports::{Facts, Stage as StageFigures};
use goldrecord_service::{Config, Shutdown};

pub use place::Place;
use place::{Settings, Source};
use progress::{BuildProgress, LoadProgress, Progress};
use servers::Servers;

use crate::output;
use crate::verify::{self, Verdict};
use crate::{Error, Result};

/// What the demo is about.
#[derive(Clone, Debug, Args)]
pub struct Options {
    /// Where the lake, the ledger and the report go
    #[arg(long, value_name = "DIR", default_value = ".goldrecord")]
    dir: PathBuf,
    /// How many events are simulated
    #[arg(long, value_name = "N", default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(1..))]
    events: u64,
    /// How many listeners there are
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(1..=u64::from(u32::MAX)))]
    users: u64,
    /// Over how many days
    #[arg(long, value_name = "N", default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=3_650))]
    days: u32,
    /// What all randomness starts from: the same seed gives the same events
    #[arg(long, value_name = "S", default_value_t = 1)]
    seed: u64,
    /// Replay the single-stream NDJSON of the original EventSim (.gz, .xz, .zst or plain) instead
    #[arg(long, value_name = "FILE", conflicts_with_all = ["events", "users", "days", "seed"])]
    input: Option<PathBuf>,
    /// Go through the real Kafka, registry, lake and ClickHouse of the file named with --config
    #[arg(long)]
    servers: bool,
    /// Forget an earlier demo in the same folder and start over
    #[arg(long)]
    fresh: bool,
    /// The dbt project that is built
    #[arg(long, value_name = "DIR", default_value = "warehouse")]
    project_dir: PathBuf,
}

impl Options {
    fn settings(&self) -> Result<Settings> {
        let source = match &self.input {
            None => Source::Simulated {
                events: self.events,
                users: self.users,
                days: self.days,
                seed: self.seed,
            },
            Some(file) => {
                let at = |source| Error::File {
                    path: file.clone(),
                    source,
                };
                let bytes = std::fs::metadata(file).map_err(at)?.len();
                Source::Replayed {
                    file: file.canonicalize().map_err(at)?,
                    bytes,
                }
            }
        };
        Ok(Settings {
            source,
            servers: self.servers,
        })
    }
}

/// Run the demo. Ends with success when every check of `verify` holds.
pub async fn run(
    options: &Options,
    config: Option<Config>,
    shutdown: &Shutdown,
) -> Result<ExitCode> {
    let started = Instant::now();
    let settings = options.settings()?;
    // A project that does not load is told before anything is made.
    let mut manifest = load(options)?;
    let place = Place::enter(&options.dir)?;
    let progress = Progress::new();
    let servers = match (options.servers, config) {
        (false, None) => Servers::embedded(&place).await?,
        (true, Some(config)) => {
            let brokers = config.kafka.bootstrap_servers.clone();
            let waits = format!("Kafka at {brokers} does not answer yet");
            let real = progress.patiently(&waits, Servers::real(config));
            interruptible(shutdown, real).await?
        }
        (true, None) => {
            return Err(Error::Refused(
                "--servers needs --config FILE that says where they are; `./dev demo --servers` starts them and writes it".into(),
            ));
        }
        (false, Some(_)) => {
            return Err(Error::Refused(
                "the demo reads --config only with --servers; without them everything is embedded"
                    .into(),
            ));
        }
    };
    let outcome = stages(
        options,
        &settings,
        &mut manifest,
        &place,
        &servers,
        &progress,
        shutdown,
    )
    .await;
    servers.stop().await;
    let holds = match outcome {
        // Whatever gave up because of the request says so in its own words; the operator's are these.
        Ok(false) | Err(_) if shutdown.is_requested() => return Err(STOPPED),
        outcome => outcome?,
    };
    progress.say(&format!("done in {:.1} s", started.elapsed().as_secs_f64()));
    Ok(if holds {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

const STOPPED: Error = Error::Stopped("run the same command again to go on");

/// Work that may be dropped wherever it waits, once the operator asks to stop.
async fn interruptible<T>(shutdown: &Shutdown, work: impl Future<Output = Result<T>>) -> Result<T> {
    shutdown
        .unless_requested(work)
        .await
        .unwrap_or(Err(STOPPED))
}

fn load(options: &Options) -> Result<Manifest> {
    Ok(project::load(
        &options.project_dir,
        &project::Options::default(),
    )?)
}

/// Every stage in turn; whether everything holds.
async fn stages(
    options: &Options,
    settings: &Settings,
    manifest: &mut Manifest,
    place: &Place,
    servers: &Servers,
    progress: &Progress,
    shutdown: &Shutdown,
) -> Result<bool> {
    let mut config = servers.config.clone();
    config.layers.project = manifest.root.clone();
    config.layers.target.clone_from(&manifest.target);
    let lake = Lake::open(&config.lake.url)?;
    place.set_config(&config)?;

    let ingested = events::run(
        options, settings, manifest, place, servers, &lake, progress, shutdown,
    )
    .await?;
    let mut figures = vec![StageFigures {
        name: "events → bronze".into(),
        events: ingested.events,
        bytes: ingested.bytes,
        seconds: ingested.seconds,
    }];
    let build_started = Instant::now();
    let build = build(manifest, &config, &lake, progress, shutdown).await?;
    if !build.published {
        return Ok(false);
    }
    let rows = build.results.iter().filter_map(|result| result.rows).sum();
    figures.push(StageFigures {
        name: "bronze → silver, gold".into(),
        events: rows,
        bytes: 0,
        seconds: build_started.elapsed().as_secs_f64(),
    });
    let loaded = interruptible(shutdown, load_clickhouse(&config, &lake, progress)).await?;
    let (release, loading) = loaded.unzip();
    figures.extend(loading);

    let checking = progress.stage("verify", "checks", 0);
    let ledger = Place::ledger_of(place.dir());
    let verdict = interruptible(
        shutdown,
        verify::run(&lake, &config.layers.target, ledger.as_deref()),
    )
    .await?;
    checking.finish(verdict.checks.len() as u64);

    let context = published::session(&lake, &config.layers.target).await?;
    let facts = Facts {
        generated_at: chrono::Utc::now().format("%Y-%m-%d %H:%M UTC").to_string(),
        source: settings.source.in_words(),
        lake: config.lake.url.clone(),
        build: build.build.map(u64::cast_signed),
        release,
        events: ingested.events,
        program: format!("goldrecord {}", env!("CARGO_PKG_VERSION")),
        machine: format!(
            "{} cores, {}",
            std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            std::env::consts::OS
        ),
    };
    write_report(
        &lake, &context, facts, figures, &verdict, manifest, &build, place,
    )
    .await?;
    end(&context, &verdict, place).await?;
    Ok(verdict.holds() && build.published)
}

async fn build(
    manifest: &Manifest,
    config: &Config,
    lake: &Lake,
    progress: &Progress,
    shutdown: &Shutdown,
) -> Result<BuildReport> {
    let defaults = BuildOptions::default();
    let options = BuildOptions {
        selected: manifest.nodes.keys().cloned().collect(),
        threads: if config.layers.threads == 0 {
            defaults.threads
        } else {
            config.layers.threads
        },
        memory: config.layers.memory.0 as usize,
        kept: Kept::beside(config.layers.memory.0 as usize),
        ..defaults
    };
    let stage = progress.stage(
        "bronze → silver, gold",
        "nodes",
        manifest.nodes.len() as u64,
    );
    let reporter = BuildProgress::new(progress, &stage);
    let report = engine::build(manifest, &options, lake, shutdown, &reporter).await?;
    let unchanged = report
        .results
        .iter()
        .filter(|result| result.way.as_deref() == Some("unchanged"))
        .count();
    let failed = report.count(Status::Fail) + report.count(Status::Error);
    if report.published {
        stage.finish(report.results.len() as u64);
    } else {
        stage.give_up();
    }
    if failed == 0 && !report.published {
        return Ok(report);
    }
    progress.say(&match (failed, unchanged) {
        (0, 0) => format!(
            "    every model built, {} tests passed",
            report.count(Status::Pass)
        ),
        (0, n) => format!(
            "    {n} tables had not changed and were not rebuilt, {} tests passed",
            report.count(Status::Pass)
        ),
        (n, _) => {
            format!(
                "  ✗ {n} models or tests failed, and nothing of this build is visible to readers: mend them in {} and run the same command again, which goes on from here",
                manifest.root.display()
            )
        }
    });
    Ok(report)
}

/// Load gold into ClickHouse where one is given; the release's number.
async fn load_clickhouse(
    config: &Config,
    lake: &Lake,
    progress: &Progress,
) -> Result<Option<(String, StageFigures)>> {
    let Some(settings) = LoaderSettings::of(config)? else {
        progress.say("  – gold → ClickHouse skipped: no [clickhouse] url is given");
        return Ok(None);
    };
    let loading = LoadProgress::new(progress.stage("gold → ClickHouse", "rows", 0));
    let report = goldrecord_loader::load(&settings, lake, &loading).await?;
    loading.finish();
    progress.say(&match report.outcome {
        Outcome::Published => format!("    release {} is what readers see now", report.release),
        Outcome::Unchanged => format!("    nothing had changed: release {} stays", report.release),
        Outcome::HeldBack => {
            format!(
                "    this build was rolled back: release {} stays",
                report.release
            )
        }
        Outcome::Behind => format!(
            "    release {} is of a newer build than this lake's: another lake feeds {} at {}",
            report.release, settings.database, settings.url
        ),
    });
    let figures = StageFigures {
        name: "gold → ClickHouse".into(),
        events: report.rows_sent(),
        bytes: report.bytes_sent(),
        seconds: report.elapsed.as_secs_f64(),
    };
    Ok(Some((report.release.to_string(), figures)))
}

#[expect(clippy::too_many_arguments, reason = "a report draws on every stage")]
async fn write_report(
    lake: &Lake,
    context: &SessionContext,
    facts: Facts,
    stages: Vec<StageFigures>,
    verdict: &Verdict,
    manifest: &Manifest,
    build: &BuildReport,
    place: &Place,
) -> Result<()> {
    let mut report = report::read(
        lake,
        context,
        report::About {
            facts,
            stages,
            verdict,
        },
    )
    .await?;
    report.lineage = lineage::lineage(manifest, build);
    report.tests = lineage::tests(manifest, build);
    place::replace(&place.report(), &goldrecord_reports::render(&report))
}

/// The last screen: what does not hold, the figures, and where to look.
async fn end(context: &SessionContext, verdict: &Verdict, place: &Place) -> Result<()> {
    if verdict.holds() {
        output::print(&format!("\n{}", kpis::table(context).await?))?;
        output::print(&format!(
            "verified: {} checks hold, not one event lost or doubled",
            verdict.checks.len()
        ))?;
    } else {
        let failed = Verdict {
            checks: verdict
                .checks
                .iter()
                .filter(|check| !check.holds)
                .cloned()
                .collect(),
        };
        output::print(&format!(
            "\n{}\nverify FAILED: {} checks do not hold",
            failed.table(),
            failed.checks.len()
        ))?;
    }
    output::print(&format!("report    {}", place.report().display()))?;
    // As it can be typed: the demo's binary is seldom on the path.
    let program = std::env::current_exe().unwrap_or_else(|_| "goldrecord".into());
    output::print(&format!(
        "look      {} sql --dir {}",
        program.display(),
        place.dir().display()
    ))
}
