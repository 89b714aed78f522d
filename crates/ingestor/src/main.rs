//! `goldrecord-ingestor`: Kafka to bronze, exactly once.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context as _;
use clap::Parser;
use goldrecord_ingestor::{Ingestor, Metrics, Settings, Silent, Until};
use goldrecord_lake::Lake;
use goldrecord_registry::Client;
use goldrecord_service::metrics::{self, Registry};
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

/// Reads Kafka topics into the bronze tables of a lake, every record exactly once.
#[derive(Parser)]
#[command(name = "goldrecord-ingestor", version)]
struct Arguments {
    /// The configuration file.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Write logs as JSON.
    #[arg(long)]
    json_logs: bool,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let format = if arguments.json_logs {
        logs::Format::Json
    } else {
        logs::Format::Text
    };
    logs::init(format, "info");
    // In builds for tests, what FAILPOINTS names fails.
    let _failing = fail::has_failpoints().then(fail::FailScenario::setup);
    let config = Config::load(arguments.config.as_deref())?;
    let lake = Lake::open(&config.lake.url)?;
    let registry = Client::of(&config.registry)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    let scraped = Arc::new(Registry::new("ingestor"));
    let metrics = Metrics::register(&scraped);
    if let Some(listen) = &config.metrics.listen {
        runtime.block_on(metrics::serve(listen, scraped))?;
    }
    let shutdown = runtime.block_on(async { Shutdown::on_signals() })?;
    let ingestor = Ingestor::new(Settings::load(&config)?, lake, registry).with_metrics(metrics);
    let summary = ingestor.run(runtime.handle(), Until::Shutdown, &shutdown, &Silent)?;
    for (topic, own) in &summary.topics {
        tracing::info!(
            topic,
            good = own.good,
            bad = own.bad,
            gaps = own.gaps,
            commits = own.commits,
            "done"
        );
    }
    tracing::info!(
        peak_buffer_bytes = summary.peak_memory,
        "everything read is committed"
    );
    Ok(())
}
