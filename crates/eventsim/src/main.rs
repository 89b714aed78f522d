//! `goldrecord-eventsim`: simulated or replayed listeners to Kafka or files.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::{Args, Parser, Subcommand, ValueEnum};
use goldrecord_contract::Event;
use goldrecord_eventsim::{
    Config, Error, Format, Input, KafkaSink, KafkaSinkOptions, Ledger, Live, NdjsonSink,
    SimulationOptions, live_start, parse_moment, replay, simulate,
};
use goldrecord_service::{Shutdown, logs};
use indicatif::{ProgressBar, ProgressStyle};
use tokio::runtime::Runtime;

/// Listeners of a music service, simulated or replayed, to Kafka or files.
#[derive(Parser)]
#[command(name = "goldrecord-eventsim", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Simulate listeners. Equal options make equal events, on any number of threads.
    Simulate(SimulateArgs),
    /// Replay a file that the original `EventSim` wrote: NDJSON, plain or as .gz, .xz or .zst.
    Replay(ReplayArgs),
}

#[derive(Args)]
struct SimulateArgs {
    /// `EventSim`'s configuration file; without it the built-in one is used.
    #[arg(long, value_name = "FILE")]
    site: Option<PathBuf>,
    /// Exactly so many events, spread over the days; without it, as many as the configuration brings.
    #[arg(long, value_name = "N")]
    events: Option<u64>,
    /// How many users there are [default: the configuration's n-users, or 10000].
    #[arg(long, value_name = "N")]
    users: Option<u32>,
    /// How many days are simulated [default: to the configuration's end-date, or 30].
    #[arg(long, value_name = "N")]
    days: Option<u32>,
    /// The first day, UTC [default: the configuration's start-date, or 2026-10-01].
    #[arg(long, value_name = "DATE")]
    start: Option<String>,
    /// Where all random numbers come from [default: the configuration's seed].
    #[arg(long)]
    seed: Option<u64>,
    /// The first user's id [default: the configuration's first-user-id, or 1].
    #[arg(long, value_name = "ID")]
    first_user_id: Option<i64>,
    /// A text that every event carries [default: the configuration's tag].
    #[arg(long)]
    tag: Option<String>,
    /// Send each event when its time comes, from now on, until somebody asks to stop. The simulation begins on
    /// the first day of this month unless --start says otherwise; what lies before now is not sent.
    #[arg(long, conflicts_with_all = ["events", "days"])]
    live: bool,
    /// How many threads simulate; 0 is one for each core.
    #[arg(long, value_name = "N", default_value_t = 0)]
    threads: usize,
    #[command(flatten)]
    output: Output,
}

#[derive(Args)]
struct ReplayArgs {
    /// The file; `-` is standard input.
    file: PathBuf,
    #[command(flatten)]
    output: Output,
}

#[derive(Args)]
struct Output {
    /// Write NDJSON to this file, with --split to a folder of one file for each topic; `-` is standard output.
    #[arg(
        long,
        value_name = "FILE",
        required_unless_present = "kafka",
        conflicts_with = "kafka"
    )]
    out: Option<PathBuf>,
    /// One file for each topic.
    #[arg(long, requires = "out")]
    split: bool,
    /// Send to the Kafka and Schema Registry of the configuration (--config).
    #[arg(long)]
    kafka: bool,
    /// How Kafka's values are encoded.
    #[arg(long, value_enum, default_value_t = FormatArg::Avro)]
    format: FormatArg,
    /// Write the ledger of the truth to this file.
    #[arg(long, value_name = "FILE")]
    ledger: Option<PathBuf>,
    /// Show progress.
    #[arg(long)]
    progress: bool,
    /// goldrecord.toml, for the addresses of Kafka and the Schema Registry.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

#[derive(Clone, Copy, ValueEnum)]
enum FormatArg {
    Avro,
    Json,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    logs::init(logs::Format::Text, "warn");
    match run(cli.command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(1)
        }
    }
}

fn run(command: Command) -> anyhow::Result<()> {
    let runtime = Runtime::new().context("starting the runtime")?;
    let shutdown = {
        let _inside = runtime.enter();
        Shutdown::on_signals()?
    };
    match command {
        Command::Simulate(args) => {
            let options = simulation(&args)?;
            let source = serde_json::json!({
                "kind": "simulation", "seed": options.seed, "users": options.users, "days": options.days,
                "start": options.start, "events": options.events,
            });
            if args.live {
                return simulate_live(&args, &options, &runtime, &shutdown, source);
            }
            let mut output = args
                .output
                .open(&runtime, &shutdown, options.events, source)?;
            simulate(&options, &shutdown, |event| output.take(event))?;
            output.finish()
        }
        Command::Replay(args) => {
            let input = if args.file.as_os_str() == "-" {
                Input::stdin()
            } else {
                Input::file(&args.file)
            }?;
            let source = serde_json::json!({"kind": "replay", "file": input.name()});
            let mut output = args.output.open(&runtime, &shutdown, None, source)?;
            replay(&input, &shutdown, |event| output.take(event))?;
            output.finish()
        }
    }
}

/// How long what was sent is flushed for, once somebody asked to stop.
const FLUSH: Duration = Duration::from_secs(20);

/// In step with the clock. A request to stop is how it ends: what was sent until then is flushed.
fn simulate_live(
    args: &SimulateArgs,
    options: &SimulationOptions,
    runtime: &Runtime,
    shutdown: &Shutdown,
    source: serde_json::Value,
) -> anyhow::Result<()> {
    let (asked, give_up) = (shutdown.clone(), Shutdown::new());
    let last = give_up.clone();
    runtime.spawn(async move {
        asked.requested().await;
        tokio::time::sleep(FLUSH).await;
        last.request();
    });
    let mut output = args.output.open(runtime, &give_up, None, source)?;
    let mut live = Live::new(runtime.handle(), shutdown);
    let ended = simulate(options, shutdown, |event| {
        if live.admits(event.ts)? {
            output.take(event)?;
            output.show()?;
        }
        Ok(())
    });
    match ended {
        Ok(_) | Err(Error::Stopped { .. }) => output.finish(),
        Err(error) => Err(error.into()),
    }
}

/// The most days that can be simulated: a live run has no end.
const FOR_EVER: u32 = 36_500;

fn simulation(args: &SimulateArgs) -> anyhow::Result<SimulationOptions> {
    let config = args
        .site
        .as_deref()
        .map_or_else(|| Ok(Config::default()), Config::read)?;
    let mut options = SimulationOptions::new(config);
    options.events = args.events;
    options.threads = args.threads;
    options.users = args.users.unwrap_or(options.users);
    options.days = args.days.unwrap_or(options.days);
    options.seed = args.seed.unwrap_or(options.seed);
    options.first_user_id = args.first_user_id.unwrap_or(options.first_user_id);
    if args.live {
        options.days = FOR_EVER;
        options.start = live_start();
    }
    if let Some(start) = &args.start {
        options.start = parse_moment(start).context("--start")?;
    }
    options.tag = args.tag.clone().or(options.tag);
    Ok(options)
}

/// Where events go.
enum Sink {
    Ndjson(NdjsonSink),
    Kafka(Box<KafkaSink>),
}

/// The sink, the ledger and the progress bar.
struct Opened {
    sink: Sink,
    ledger: Option<(Ledger, PathBuf)>,
    bar: ProgressBar,
    events: u64,
}

impl Output {
    fn open(
        &self,
        runtime: &Runtime,
        shutdown: &Shutdown,
        expected: Option<u64>,
        source: serde_json::Value,
    ) -> anyhow::Result<Opened> {
        let sink = match &self.out {
            Some(path) if path.as_os_str() == "-" && self.split => {
                bail!("--split writes files; give a folder, not -")
            }
            Some(path) if path.as_os_str() == "-" => Sink::Ndjson(NdjsonSink::stdout()),
            Some(path) if self.split => Sink::Ndjson(NdjsonSink::split(path)?),
            Some(path) => Sink::Ndjson(NdjsonSink::file(path)?),
            None => Sink::Kafka(Box::new(runtime.block_on(self.kafka(shutdown))?)),
        };
        Ok(Opened {
            sink,
            ledger: self.ledger.clone().map(|path| (Ledger::new(source), path)),
            bar: if self.progress {
                progress_bar(expected)
            } else {
                ProgressBar::hidden()
            },
            events: 0,
        })
    }

    async fn kafka(&self, shutdown: &Shutdown) -> anyhow::Result<KafkaSink> {
        let config = goldrecord_service::Config::load(self.config.as_deref())?;
        let registry = goldrecord_registry::Client::of(&config.registry)?;
        let options = KafkaSinkOptions {
            access: goldrecord_service::kafka::Access::load(&config.kafka)?,
            bootstrap_servers: config.kafka.bootstrap_servers,
            format: match self.format {
                FormatArg::Avro => Format::Avro,
                FormatArg::Json => Format::Json,
            },
            outstanding: None,
        };
        Ok(KafkaSink::new(&options, &registry, shutdown.clone()).await?)
    }
}

impl Opened {
    fn take(&mut self, event: &Event<'_>) -> Result<(), Error> {
        match &mut self.sink {
            Sink::Ndjson(sink) => sink.send(event)?,
            Sink::Kafka(sink) => sink.send(event)?,
        }
        if let Some((ledger, _)) = &mut self.ledger {
            ledger.count(event);
        }
        self.events += 1;
        if self.events.is_multiple_of(4_096) {
            self.bar.set_position(self.events);
        }
        Ok(())
    }

    /// Lets readers of a file or of standard output see each event at once. Kafka's producer sends by itself.
    fn show(&mut self) -> Result<(), Error> {
        match &mut self.sink {
            Sink::Ndjson(sink) => sink.flush(),
            Sink::Kafka(_) => Ok(()),
        }
    }

    fn finish(self) -> anyhow::Result<()> {
        match self.sink {
            Sink::Ndjson(sink) => sink.finish()?,
            Sink::Kafka(sink) => {
                sink.finish()?;
            }
        }
        if let Some((ledger, path)) = &self.ledger {
            ledger.write(path)?;
        }
        self.bar.set_position(self.events);
        self.bar.abandon();
        eprintln!("{} events", self.events);
        Ok(())
    }
}

fn progress_bar(expected: Option<u64>) -> ProgressBar {
    let (bar, template) = match expected {
        Some(events) => (
            ProgressBar::new(events),
            "{bar:40} {human_pos} of {human_len} events, {per_sec}, {eta} left",
        ),
        None => (
            ProgressBar::new_spinner(),
            "{spinner} {human_pos} events, {per_sec}",
        ),
    };
    bar.with_style(
        ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()),
    )
}
