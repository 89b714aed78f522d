//! `goldrecord-layers`: dbt's commands over the lake.

use clap::Parser as _;
use goldrecord_layers::cli::{Cli, Exit, run};
use goldrecord_service::logs;

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
