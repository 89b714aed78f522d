//! `goldrecord-chaos`: everything that can go wrong, and the proof that nothing was lost or doubled.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Context as _;
use clap::Parser;
use goldrecord_chaos::plan::Kind;
use goldrecord_chaos::settings::Settings;
use goldrecord_chaos::{isolation, run};
use goldrecord_testkit::{Kind as Server, fetch};

/// Breaks real servers and ingestors under load, one fault after the other, and proves that every acknowledged event is
/// in its table exactly once. Exits with 1 where one is not, or where something gets stuck.
#[derive(Parser)]
#[command(name = "goldrecord-chaos", version)]
struct Arguments {
    /// How long faults go on; starting, draining and comparing come on top.
    #[arg(long, default_value_t = 3.0)]
    minutes: f64,
    /// Decides which faults come; printed, so that a run can be repeated. Without it, another one each time.
    #[arg(long)]
    seed: Option<u64>,
    /// Only faults of these kinds.
    #[arg(long, value_delimiter = ',', value_name = "KIND,...")]
    only: Vec<Kind>,
    /// Records a second, over all topics.
    #[arg(long, default_value_t = 600)]
    rate: u32,
    /// Partitions of each of the two topics.
    #[arg(long, default_value_t = 12)]
    partitions: i32,
    /// Ingestors, all in one group.
    #[arg(long, default_value_t = 3)]
    ingestors: usize,
    /// HDFS has a standby NameNode, to which is failed over.
    #[arg(long)]
    ha: bool,
    /// Seconds without a word after which an ingestor is taken for dead; the broker takes no less than 6.
    #[arg(long, default_value_t = 6)]
    session_timeout: u64,
    /// Seconds that the tables may take to catch up after a fault.
    #[arg(long, default_value_t = 120)]
    patience: u64,
    /// Work in this folder, and leave it; by default one of its own, left only where the run fails.
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Print the report as JSON.
    #[arg(long)]
    json: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let ended = match isolation::inside() {
        Some(dir) => play(&arguments, &dir),
        None => start(&arguments),
    };
    ended.unwrap_or_else(|error| {
        eprintln!("chaos: {error:#}");
        ExitCode::FAILURE
    })
}

/// Starts this program again where nothing that it breaks is anybody else's.
fn start(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    match isolation::enter(&prepare(arguments)?)? {}
}

/// What needs the machine's own network and folders: the servers' programs, and where the run works.
fn prepare(arguments: &Arguments) -> anyhow::Result<PathBuf> {
    for server in [Server::Kafka, Server::Hdfs, Server::Registry] {
        fetch::installation(server)?;
    }
    let dir = match &arguments.dir {
        Some(dir) => dir.clone(),
        None => std::env::temp_dir().join(format!("goldrecord-chaos-{}", std::process::id())),
    };
    let servers = dir.join("servers");
    std::fs::create_dir_all(&servers)
        .with_context(|| format!("cannot make the folder {}", servers.display()))?;
    Ok(std::path::absolute(&dir)?)
}

fn play(arguments: &Arguments, dir: &Path) -> anyhow::Result<ExitCode> {
    isolation::settle()?;
    let settings = settings(arguments)?;
    settings.check()?;
    eprintln!(
        "chaos: seed {}; {} kinds of faults for {} min",
        settings.seed,
        settings.kinds.len(),
        settings.minutes
    );
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    runtime.spawn(end_on_signals());
    let report = run::run(&settings, dir, runtime.handle());
    let holds = report.as_ref().is_ok_and(|report| report.verdict.holds);
    if holds && arguments.dir.is_none() {
        // Everything in it was told.
        let _ = std::fs::remove_dir_all(dir);
    } else {
        eprintln!(
            "chaos: ledger, configurations and logs are in {}",
            dir.display()
        );
    }
    let report = report.with_context(|| format!("seed {}", settings.seed))?;
    if arguments.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        print!("{}", report.table());
    }
    Ok(if holds {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn settings(arguments: &Arguments) -> anyhow::Result<Settings> {
    let own = std::env::current_exe().context("cannot find this program's folder")?;
    let maintenance = Some(own.with_file_name("goldrecord-lake-maintenance"));
    let maintenance = maintenance.filter(|program| program.is_file());
    let python = std::env::var_os("GOLDRECORD_PYTHON").unwrap_or_else(|| "python3".into());
    let wanted = |kind: &Kind| arguments.only.is_empty() || arguments.only.contains(kind);
    let possible = |kind: &Kind| match kind {
        Kind::MaintenanceKill => maintenance.is_some(),
        Kind::NamenodeFailover => arguments.ha,
        _ => true,
    };
    let checker = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../scripts/outside/exactly_once.py"
    );
    // Asked for after the last fault, half an hour from now.
    anyhow::ensure!(
        Path::new(checker).is_file(),
        "{checker} is not there, which compares the tables with the ledger: build this program in the checkout it is run in"
    );
    Ok(Settings {
        minutes: arguments.minutes,
        seed: arguments.seed.unwrap_or_else(any_seed),
        rate: arguments.rate,
        partitions: arguments.partitions,
        ingestors: arguments.ingestors,
        session_timeout: Duration::from_secs(arguments.session_timeout),
        patience: Duration::from_secs(arguments.patience),
        standby: arguments.ha,
        kinds: Kind::ALL
            .into_iter()
            .filter(wanted)
            .filter(possible)
            .collect(),
        ingestor: own.with_file_name("goldrecord-ingestor"),
        maintenance,
        checker: checker.into(),
        python: python.into(),
    })
}

/// A seed that is easily typed.
fn any_seed() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    u64::from(since.map_or(0, |since| since.subsec_nanos())) % 100_000
}

/// The first process of a machine hears no signal that it does not ask for; when it ends, all others do.
async fn end_on_signals() {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut interrupt), Ok(mut terminate)) = (
        signal(SignalKind::interrupt()),
        signal(SignalKind::terminate()),
    ) else {
        return;
    };
    let code = tokio::select! {
        _ = interrupt.recv() => 130,
        _ = terminate.recv() => 143,
    };
    std::process::exit(code);
}
