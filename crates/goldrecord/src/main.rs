//! `goldrecord`: the operator's command.

mod bootstrap;
mod clients;
mod demo;
mod error;
mod moment;
mod offsets;
mod output;
mod quarantine;
mod rows;
mod sql;
mod status;
mod verify;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use goldrecord_lake::Lake;
use goldrecord_service::{Config, Shutdown, logs};
use tokio::runtime::Runtime;

use error::{Error, Result};
use output::Format;

/// The data platform of a music service: from play to chart, exactly once.
#[derive(Debug, Parser)]
#[command(name = "goldrecord", version, max_term_width = 100)]
struct Cli {
    /// The configuration file [default: /etc/goldrecord/goldrecord.toml, if it is there]
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// The whole way in one command: simulate listeners, take their events through Kafka to bronze,
    /// build silver and gold, verify every number, and write a report
    Demo(demo::Options),
    /// Make what is missing of topics, schemas, bronze tables and ClickHouse's databases
    Bootstrap(bootstrap::Options),
    /// Query bronze, silver and gold; without a query, open a shell
    Sql {
        /// The query, such as "show tables"
        query: Option<String>,
        /// How rows are written
        #[arg(long, value_enum, default_value_t)]
        output: Format,
        #[command(flatten)]
        lake: LakeArgs,
    },
    /// Show every topic's lag and every table's rows, version, freshness and size
    Status {
        /// Write JSON
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        lake: LakeArgs,
    },
    /// Look at bad records, and replay them once what was wrong is mended
    Quarantine {
        #[command(subcommand)]
        command: quarantine::Command,
        #[command(flatten)]
        lake: LakeArgs,
    },
    /// Show where each partition is read, set one back, or accept a topic that was made anew
    Offsets {
        #[command(subcommand)]
        command: offsets::Command,
        #[command(flatten)]
        lake: LakeArgs,
    },
    /// Prove that no event was lost or doubled, and that silver and gold equal the ledger
    Verify {
        /// The ledger that goldrecord-eventsim wrote [default: the demo's, with --dir]
        #[arg(long, value_name = "FILE")]
        ledger: Option<PathBuf>,
        /// Write JSON
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        lake: LakeArgs,
    },
}

/// Which lake is meant: the configuration's, or a demo's.
#[derive(Debug, Args)]
struct LakeArgs {
    /// The folder of a demo, instead of the configuration's lake
    #[arg(long, global = true, value_name = "DIR")]
    dir: Option<PathBuf>,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    // librdkafka tells a broker that is down many times over; the commands say it once, in words.
    logs::init(logs::Format::Text, "warn,librdkafka=off,rdkafka=off");
    let runtime = Runtime::new().expect("the system starts threads");
    let outcome = runtime.block_on(run(cli));
    // Whoever asked to stop does not wait for a thread that asks a broker which is away.
    runtime.shutdown_background();
    match outcome {
        Ok(code) => code,
        Err(error) => {
            eprintln!("goldrecord: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(cli: Cli) -> Result<ExitCode> {
    match cli.command {
        Command::Demo(options) => {
            let config = cli
                .config
                .as_deref()
                .map(|file| Config::load(Some(file)))
                .transpose()?;
            Box::pin(demo::run(&options, config, &Shutdown::on_signals()?)).await
        }
        Command::Bootstrap(options) => {
            let config = Config::load(cli.config.as_deref())?;
            Box::pin(bootstrap::run(&options, &config, &Shutdown::on_signals()?)).await?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Sql {
            query,
            output,
            lake,
        } => {
            let (lake, config) = lake.open(cli.config)?;
            sql::run(&lake, &config.layers.target, query.as_deref(), output).await?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Status { json, lake } => {
            let broker_ended = lake.is_of_embedded_demo()?;
            let (lake, config) = lake.open(cli.config)?;
            let status = status::ask(&lake, &config, broker_ended).await?;
            print(json, &status, || status.text())?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Quarantine { command, lake } => {
            let (lake, config) = lake.open(cli.config)?;
            quarantine::run(command, &lake, &config).await?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Offsets { command, lake } => {
            let (lake, config) = lake.open(cli.config)?;
            offsets::run(command, &lake, &config).await?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Verify {
            ledger,
            json,
            lake: args,
        } => {
            let ledger = ledger.or_else(|| args.dir.as_deref().and_then(demo::Place::ledger_of));
            let (lake, config) = args.open(cli.config)?;
            let verdict = verify::run(&lake, &config.layers.target, ledger.as_deref()).await?;
            print(json, &verdict, || verdict.table().to_string())?;
            Ok(if verdict.holds() {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            })
        }
    }
}

impl LakeArgs {
    /// The lake, and the configuration that goes with it.
    fn open(&self, config: Option<PathBuf>) -> Result<(Lake, Config)> {
        let file = self
            .dir
            .as_deref()
            .map(demo::Place::config_of)
            .transpose()?
            .or(config);
        let config = Config::load(file.as_deref())?;
        Ok((Lake::open(&config.lake.url)?, config))
    }

    /// Whether the lake is a demo's whose broker ended with it.
    fn is_of_embedded_demo(&self) -> Result<bool> {
        self.dir
            .as_deref()
            .map_or(Ok(false), demo::Place::is_embedded)
    }
}

/// To standard output, for machines or for people.
fn print<T: serde::Serialize>(json: bool, value: &T, text: impl Fn() -> String) -> Result<()> {
    if json {
        let text = serde_json::to_string_pretty(value).expect("plain data always serialises");
        output::print(&text)
    } else {
        output::print(&text())
    }
}
