//! `goldrecord-loader`: gold to `ClickHouse`.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};
use goldrecord_lake::Lake;
use goldrecord_loader::{
    LoadReport, LoaderSettings, Outcome, Silent, Status, load, rollback, status,
};
use goldrecord_service::{Config, logs};

/// Gold to `ClickHouse`, by releases: readers see all tables of a release at once.
#[derive(Parser)]
#[command(name = "goldrecord-loader", version)]
struct Arguments {
    /// The configuration [default: /etc/goldrecord/goldrecord.toml, if it is there].
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Load the last published build as a new release.
    Run {
        /// A gold table that may become empty; may be given several times.
        #[arg(long, value_name = "TABLE")]
        allow_empty: Vec<String>,
    },
    /// Show the releases that are kept.
    Status {
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Show readers the release before again.
    Rollback,
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    logs::init(logs::Format::Text, "warn");
    match run(arguments).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Arguments) -> Result<()> {
    let config = Config::load(arguments.config.as_deref())?;
    let settings = LoaderSettings::of(&config)?.context(
        "no ClickHouse is configured; set [clickhouse] url, such as http://localhost:8123",
    )?;
    match arguments.command {
        Command::Run { allow_empty } => {
            let lake = Lake::open(&config.lake.url)?;
            let settings = LoaderSettings {
                allow_empty,
                ..settings
            };
            println!("{}", told(&load(&settings, &lake, &Silent).await?));
        }
        Command::Status { json } => {
            let status = status(&settings).await?;
            if json {
                println!("{}", serde_json::to_string_pretty(&status)?);
            } else {
                print!("{}", listed(&status));
            }
        }
        Command::Rollback => {
            let (release, shows) = rollback(&settings).await?;
            println!(
                "readers see release {shows} again, published as {release}; the next build goes on from there"
            );
        }
    }
    Ok(())
}

fn told(report: &LoadReport) -> String {
    let (release, build) = (report.release, report.build);
    match report.outcome {
        Outcome::Unchanged => {
            format!("nothing changed: release {release} shows build {build} already")
        }
        Outcome::HeldBack => format!(
            "nothing done: build {build} was rolled back (release {release}); the next build will be loaded"
        ),
        Outcome::Behind => format!(
            "nothing done: readers see release {release}, which is newer than the lake's build {build}"
        ),
        Outcome::Published => {
            let (sent, kept) = report
                .tables
                .iter()
                .fold((0, 0), |(s, k), t| (s + t.slices_sent, k + t.slices_kept));
            format!(
                "release {release}: {} tables, {} rows; sent {} rows ({} bytes) in {sent} slices, {kept} slices were there already, {} old ones dropped, {:.1} s",
                report.tables.len(),
                report.rows(),
                report.rows_sent(),
                report.bytes_sent(),
                report.slices_dropped,
                report.elapsed.as_secs_f64()
            )
        }
    }
}

fn listed(status: &Status) -> String {
    if status.releases.is_empty() {
        return format!("nothing was loaded into {} yet\n", status.database);
    }
    let mut lines = String::new();
    for (i, release) in status.releases.iter().enumerate() {
        let rows: u64 = release.tables.iter().map(|t| t.rows).sum();
        let mark = if i == 0 { "*" } else { " " };
        let _ = write!(
            lines,
            "{mark} {:<8} {:>3} tables {rows:>12} rows",
            release.release.to_string(),
            release.tables.len()
        );
        if release.shows != release.release {
            let _ = write!(lines, "  (rolled back to {})", release.shows);
        }
        lines.push('\n');
    }
    for table in &status.releases[0].tables {
        let _ = writeln!(
            lines,
            "    {:<28} {:>12} rows {:>4} slices  version {}",
            table.name, table.rows, table.slices, table.lake_version
        );
    }
    lines
}
