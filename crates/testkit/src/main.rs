//! `goldrecord-testkit`: fetches the real servers, and runs them for as long as they are wanted.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use goldrecord_testkit::stack::{Stack, State, Status};
use goldrecord_testkit::{Kind, fetch};

#[derive(Parser)]
#[command(
    name = "goldrecord-testkit",
    version,
    about = "Real servers for tests and for ./dev stack"
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Fetch the servers' programs, so that nothing is fetched later
    Fetch(Wanted),
    /// Run servers that stay until they are stopped
    #[command(subcommand)]
    Stack(StackCommand),
}

#[derive(Subcommand)]
enum StackCommand {
    /// Start servers and wait until they are ready
    Up(Up),
    /// Stop servers; their data stays
    Down(Down),
    /// Show what runs
    Status {
        #[command(flatten)]
        place: Place,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

#[derive(Args)]
struct Up {
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    wanted: Wanted,
    /// Kafka's port (default 29092); the controller has the next one
    #[arg(long, value_name = "PORT")]
    kafka_port: Option<u16>,
    /// The NameNode's RPC port (default 28020); its web pages and the DataNode have the next four
    #[arg(long, value_name = "PORT")]
    hdfs_port: Option<u16>,
    /// The Schema Registry's port (default 28082)
    #[arg(long, value_name = "PORT")]
    registry_port: Option<u16>,
    /// ClickHouse's HTTP port (default 28123); the native protocol has the next one
    #[arg(long, value_name = "PORT")]
    clickhouse_port: Option<u16>,
    /// Prometheus's port (default 28190)
    #[arg(long, value_name = "PORT")]
    prometheus_port: Option<u16>,
}

#[derive(Args)]
struct Down {
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    wanted: Wanted,
    /// Remove their data as well
    #[arg(long)]
    purge: bool,
}

#[derive(Args)]
struct Place {
    /// The stack's folder (default: `goldrecord/stack` in the cache folder)
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

#[derive(Args)]
struct Wanted {
    /// kafka, hdfs, registry, clickhouse, prometheus (default: all, but for `up` not prometheus)
    #[arg(value_name = "SERVER")]
    servers: Vec<Kind>,
}

impl Wanted {
    /// Those named, each once, in the order in which servers are started; `otherwise` where none is.
    fn kinds(&self, otherwise: &[Kind]) -> Vec<Kind> {
        let named = if self.servers.is_empty() {
            otherwise
        } else {
            &self.servers
        };
        Kind::ALL
            .into_iter()
            .filter(|kind| named.contains(kind))
            .collect()
    }
}

impl Up {
    fn ports(&self) -> BTreeMap<Kind, u16> {
        let given = [
            (Kind::Kafka, self.kafka_port),
            (Kind::Hdfs, self.hdfs_port),
            (Kind::Registry, self.registry_port),
            (Kind::ClickHouse, self.clickhouse_port),
            (Kind::Prometheus, self.prometheus_port),
        ];
        given
            .into_iter()
            .filter_map(|(kind, port)| Some((kind, port?)))
            .collect()
    }
}

fn main() -> ExitCode {
    match run(Cli::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("goldrecord-testkit: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Fetch(wanted) => {
            for kind in wanted.kinds(&Kind::ALL) {
                println!("{kind}: {}", fetch::installation(kind)?.display());
            }
        }
        Command::Stack(StackCommand::Up(up)) => start(up)?,
        Command::Stack(StackCommand::Down(down)) => {
            let wanted = down.wanted.kinds(&Kind::ALL);
            let stopped = Stack::open(down.place.dir)?.down(&wanted, down.purge)?;
            for kind in wanted {
                let outcome = if stopped.contains(&kind) {
                    "stopped"
                } else {
                    "was not running"
                };
                println!("{kind}: {outcome}");
            }
        }
        Command::Stack(StackCommand::Status { place, json }) => {
            let status = Stack::open(place.dir)?.status()?;
            if json {
                println!("{}", serde_json::to_string_pretty(&status)?);
            } else {
                print_table(&status);
            }
        }
    }
    Ok(())
}

fn start(up: Up) -> anyhow::Result<()> {
    let (wanted, ports) = (up.wanted.kinds(&Kind::PIPELINE), up.ports());
    let stack = Stack::open(up.place.dir)?;
    let (started, configuration) = stack.up(&wanted, &ports)?;
    for server in started {
        let how = match server.took {
            Some(took) => format!("ready after {:.1} s", took.as_secs_f64()),
            None => "was up already".to_owned(),
        };
        println!("{:<11} {:<45} {how}", server.server.name(), server.address);
    }
    println!("configuration: {}", configuration.display());
    Ok(())
}

fn print_table(status: &[Status]) {
    println!(
        "{:<11} {:<8} {:<45} {:>8}  PROCESSES",
        "SERVER", "STATE", "ADDRESS", "MEMORY"
    );
    for server in status {
        let (state, why) = match &server.state {
            State::Up => ("up", ""),
            State::Unready(why) => ("unready", why.as_str()),
            State::Broken => (
                "broken",
                "some of its processes have ended; `stack up` starts it anew",
            ),
            State::Down => ("down", ""),
        };
        let memory = match server.memory {
            0 => "-".to_owned(),
            bytes => format!("{} MB", bytes / 1_000_000),
        };
        let address = server.address.as_deref().unwrap_or("-");
        let pids: Vec<String> = server.pids.iter().map(u32::to_string).collect();
        println!(
            "{:<11} {state:<8} {address:<45} {memory:>8}  {}",
            server.server.name(),
            pids.join(" ")
        );
        if !why.is_empty() {
            println!("            {why}");
        }
    }
}
