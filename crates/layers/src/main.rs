//! `goldrecord-layers`: dbt's commands over the lake.

use clap::Parser as _;
use goldrecord_layers::cli::{Cli, Exit, run};
use goldrecord_service::logs;

/// Rows are read by other threads than those that join, sort and write them. glibc would keep several times what is in use
/// for the threads that had it first.
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

#[tokio::main]
async fn main() -> anyhow::Result<std::process::ExitCode> {
    let cli = Cli::parse();
    logs::init(
        logs::Format::Text,
        "warn,goldrecord_layers::jinja=info,goldrecord_layers::watch=info",
    );
    let exit: Exit = run(cli).await;
    Ok(std::process::ExitCode::from(exit as u8))
}
