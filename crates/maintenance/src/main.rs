//! `goldrecord-lake-maintenance`: keeps the lake in shape.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::Parser;
use goldrecord_lake::Lake;
use goldrecord_maintenance::{Settings, Upkeep};
use goldrecord_service::{Config, Shutdown, logs};

/// Records are read, decoded and encoded by other threads than those that free them, librdkafka's and zstd's buffers among
/// them. glibc would keep several times what is in use for the threads that had it first.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// jemalloc reads it by this name: what was freed goes back to the system after half a second, not after ten, by a thread of
/// its own, since threads that wait give nothing back; and few arenas keep it, however many processors there are.
#[allow(
    unsafe_code,
    reason = "the name is jemalloc's own, and nothing else has it"
)]
#[unsafe(export_name = "malloc_conf")]
static ALLOCATOR_OPTIONS: &[u8; 52] = b"background_thread:true,dirty_decay_ms:500,narenas:4\0";

/// Keeps the lake in shape: compacts small files, writes checkpoints, removes what is old and whole days that are over.
#[derive(Parser)]
#[command(name = "goldrecord-lake-maintenance", version)]
#[expect(clippy::struct_excessive_bools, reason = "flags of a command line")]
struct Arguments {
    /// The configuration [default: /etc/goldrecord/goldrecord.toml, if it is there].
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Do one round, say what was done and leave.
    #[arg(long)]
    once: bool,
    /// Only say what one round would do.
    #[arg(long)]
    dry_run: bool,
    /// Say it as JSON (with --once or --dry-run).
    #[arg(long)]
    json: bool,
    /// Let `keep` be shorter than an hour: safe only where every writer commits what it wrote within it.
    #[arg(long)]
    allow_short_keep: bool,
    /// Write logs as JSON.
    #[arg(long)]
    json_logs: bool,
}

/// Few threads: the allocator keeps for each what it has freed a moment ago, and tokio would start a new one for each
/// run of rows.
const WORKERS: usize = 1;
/// Those that encode and talk to a local disk; none of them waits for another.
const BLOCKING: usize = 2;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let format = if arguments.json_logs {
        logs::Format::Json
    } else {
        logs::Format::Text
    };
    let once = arguments.once || arguments.dry_run;
    logs::init(format, if once { "warn" } else { "info" });
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(WORKERS)
        .max_blocking_threads(BLOCKING)
        .enable_all()
        .build()
        .context("cannot start the runtime");
    match runtime.and_then(|runtime| runtime.block_on(run(&arguments, once))) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: &Arguments, once: bool) -> Result<ExitCode> {
    let config = Config::load(arguments.config.as_deref())?;
    let settings = Settings::of(&config, arguments.allow_short_keep)?;
    let lake = Lake::open(&config.lake.url)?;
    let shutdown = Shutdown::on_signals()?;
    let mut upkeep = Upkeep::new(lake, settings, shutdown, arguments.dry_run);
    if !once {
        goldrecord_maintenance::run(upkeep, |_| {}).await?;
        return Ok(ExitCode::SUCCESS);
    }
    let report = upkeep.round().await?;
    if arguments.json {
        println!(
            "{}",
            serde_json::to_string_pretty(&report).context("the report is JSON")?
        );
    } else {
        println!("{report}");
    }
    Ok(match report.failure() {
        None => ExitCode::SUCCESS,
        Some(_) => ExitCode::FAILURE,
    })
}
