//! What the command line is read into: commands and flags as dbt has them.

use std::path::PathBuf;

use chrono::{DateTime, Utc};
use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::Error;
use crate::manifest::ResourceType;
use crate::microbatch::{Window, moment};
use crate::output::Format;
use crate::select::Indirect;

/// A dbt project to silver and gold, incremental by itself.
#[derive(Debug, Parser)]
#[command(name = "goldrecord-layers", version)]
pub struct Cli {
    #[command(flatten)]
    pub(super) common: Common,
    #[command(subcommand)]
    pub(super) command: Command,
}

#[derive(Args, Debug)]
pub(super) struct Common {
    /// The folder of `dbt_project.yml`; else the working folder, else `[layers] project`.
    #[arg(long, global = true, env = "DBT_PROJECT_DIR", value_name = "DIR")]
    pub(super) project_dir: Option<PathBuf>,
    /// The folder of `profiles.yml`; else it is looked for as dbt does.
    #[arg(long, global = true, value_name = "DIR")]
    pub(super) profiles_dir: Option<PathBuf>,
    /// The profile; else the project's.
    #[arg(long, global = true, value_name = "NAME")]
    pub(super) profile: Option<String>,
    /// The target of the profile; else its default.
    #[arg(long, short = 't', global = true, value_name = "NAME")]
    pub(super) target: Option<String>,
    /// Variables that stand over the project's, as a YAML map: '{name: value}'.
    #[arg(long, global = true, value_name = "YAML")]
    pub(super) vars: Option<String>,
    /// `goldrecord.toml`: the lake and what a build may use.
    #[arg(long, global = true, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
    /// Where compiled SQL, `manifest.json` and `run_results.json` go; else the project's `target-path`.
    #[arg(long, global = true, env = "DBT_TARGET_PATH", value_name = "DIR")]
    pub(super) target_path: Option<PathBuf>,
    /// How many models at once; else the target's, else `[layers] threads`.
    #[arg(long, global = true, value_name = "N")]
    pub(super) threads: Option<usize>,
    /// How lines are written.
    #[arg(long, global = true, value_enum, default_value_t)]
    pub(super) log_format: Format,
    /// Print errors and what was asked for, nothing else.
    #[arg(long, short = 'q', global = true)]
    pub(super) quiet: bool,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Build and test models and seeds, in the order of what they read.
    Build(Run),
    /// Build models.
    Run(Run),
    /// Run tests.
    Test(Run),
    /// Load seeds.
    Seed(Run),
    /// Take the selected snapshots.
    Snapshot(Run),
    /// List nodes.
    #[command(alias = "list")]
    Ls(List),
    /// Write the compiled SQL to `target/compiled`; print that of selected nodes.
    Compile(Compile),
    /// Run selected models and print their first rows; nothing is written to the lake.
    Show(Show),
    /// Read the project, say what is wrong with it, and write `manifest.json`.
    Parse,
    /// Run what failed or was skipped in the last `build`, `run`, `test` or `seed`.
    Retry(Retry),
    /// Remove the folders of `clean-targets`.
    Clean,
    /// Check that the project, its profile and the lake are found.
    Debug,
    /// The project for people to read.
    Docs {
        #[command(subcommand)]
        command: Docs,
    },
    /// The tables of sources.
    Source {
        #[command(subcommand)]
        command: Source,
    },
    /// Build, and again whenever a source has new rows, until a signal comes (`[layers] watch_…`).
    Watch(Pick),
    /// What the lake knows of a model.
    State {
        #[command(subcommand)]
        command: State,
    },
}

#[derive(Debug, Subcommand)]
pub(super) enum Source {
    /// Look how old the newest row of each source's table is, and write `sources.json`.
    Freshness(FreshnessOf),
}

#[derive(Args, Debug)]
pub(super) struct FreshnessOf {
    #[command(flatten)]
    pub(super) pick: Pick,
    /// The file to write; else `sources.json` in the target folder.
    #[arg(long, short = 'o', value_name = "FILE")]
    pub(super) output: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(super) enum Docs {
    /// Write `catalog.json`, `column_lineage.json` and a site that needs no network to `docs/` in the target folder.
    Generate(GenerateDocs),
    /// Serve that site.
    Serve(ServeDocs),
}

#[derive(Args, Debug)]
pub(super) struct GenerateDocs {
    /// Do not look at the lake: without types, sizes and lineage of columns.
    #[arg(long)]
    pub(super) empty_catalog: bool,
}

#[derive(Args, Debug)]
pub(super) struct ServeDocs {
    /// The port; 0 for any that is free.
    #[arg(long, default_value_t = 8080)]
    pub(super) port: u16,
    /// The address; others than this machine's show the site to the network.
    #[arg(long, default_value = "127.0.0.1")]
    pub(super) host: String,
}

#[derive(Debug, Subcommand)]
pub(super) enum State {
    /// Which way a model is brought up to date, and why.
    Explain {
        /// The models' or seeds' names.
        #[arg(required = true)]
        models: Vec<String>,
    },
}

#[derive(Args, Debug)]
pub(super) struct Pick {
    /// Nodes to select: names, `+name`, `tag:x`, `path:y`, `a,b` …
    #[arg(long, short = 's', visible_alias = "models", short_alias = 'm', num_args = 1.., value_name = "CRITERIA")]
    pub(super) select: Vec<String>,
    /// Nodes to leave out.
    #[arg(long, num_args = 1.., value_name = "CRITERIA")]
    pub(super) exclude: Vec<String>,
    /// A selector of `selectors.yml` instead.
    #[arg(long, value_name = "NAME", conflicts_with_all = ["select", "exclude"])]
    pub(super) selector: Option<String>,
    /// The folder of an earlier command's files, for `state:` and `result:`.
    #[arg(long, env = "DBT_STATE", value_name = "DIR")]
    pub(super) state: Option<PathBuf>,
    /// Types to keep.
    #[arg(long, num_args = 1.., value_name = "TYPE")]
    pub(super) resource_type: Vec<Type>,
    /// Types to leave out.
    #[arg(long, num_args = 1.., value_name = "TYPE")]
    pub(super) exclude_resource_type: Vec<Type>,
    /// Which tests of selected nodes are selected with them.
    #[arg(long, value_enum, default_value_t)]
    pub(super) indirect_selection: Indirect,
}

#[derive(Args, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "flags of a command line")]
pub(super) struct Run {
    #[command(flatten)]
    pub(super) pick: Pick,
    /// Compute the selected tables anew.
    #[arg(long, short = 'f')]
    pub(super) full_refresh: bool,
    /// Start nothing more after the first failure.
    #[arg(long, short = 'x')]
    pub(super) fail_fast: bool,
    /// Read nothing: tables are made with their columns and no rows. Never published.
    #[arg(long)]
    pub(super) empty: bool,
    /// Keep the failing rows of tests that do not say otherwise (`store_failures`) as tables.
    #[arg(long)]
    pub(super) store_failures: bool,
    /// Microbatch models: compute the batches from this time on (UTC), with `--event-time-end`.
    #[arg(long, env = "DBT_EVENT_TIME_START", value_parser = time, requires = "event_time_end", value_name = "TIME")]
    pub(super) event_time_start: Option<DateTime<Utc>>,
    /// Microbatch models: compute the batches until before this time (UTC), with `--event-time-start`.
    #[arg(long, env = "DBT_EVENT_TIME_END", value_parser = time, requires = "event_time_start", value_name = "TIME")]
    pub(super) event_time_end: Option<DateTime<Utc>>,
    #[command(flatten)]
    pub(super) deferral: Deferral,
}

fn time(text: &str) -> Result<DateTime<Utc>, String> {
    moment(text).ok_or_else(|| "write 2024-09-17 or 2024-09-17T16:00:00".to_owned())
}

impl Run {
    /// What microbatch models compute, where it is named.
    pub(super) fn event_time(&self) -> crate::Result<Option<Window>> {
        match (self.event_time_start, self.event_time_end) {
            (Some(start), Some(end)) if start < end => Ok(Some(Window { start, end })),
            (Some(_), Some(_)) => Err(Error::Usage(
                "--event-time-start is not before --event-time-end".to_owned(),
            )),
            _ => Ok(None),
        }
    }
}

#[derive(Args, Debug)]
pub(super) struct Deferral {
    /// What is not selected and not there is read where the manifest of `--state` has it.
    #[arg(long)]
    pub(super) defer: bool,
    /// With `--defer`: read it there even where it is here too.
    #[arg(long, requires = "defer")]
    pub(super) favor_state: bool,
    /// The folder of the manifest for `--defer`; else that of `--state`.
    #[arg(long, value_name = "DIR")]
    pub(super) defer_state: Option<PathBuf>,
}

#[derive(Args, Debug)]
pub(super) struct Compile {
    #[command(flatten)]
    pub(super) pick: Pick,
    #[command(flatten)]
    pub(super) deferral: Deferral,
    /// A query with Jinja instead of nodes.
    #[arg(long, value_name = "SQL", conflicts_with_all = ["select", "selector"])]
    pub(super) inline: Option<String>,
}

#[derive(Args, Debug)]
pub(super) struct Show {
    #[command(flatten)]
    pub(super) pick: Pick,
    /// A query with Jinja instead of nodes.
    #[arg(long, value_name = "SQL", conflicts_with_all = ["select", "selector"])]
    pub(super) inline: Option<String>,
    /// How many rows; -1 for all.
    #[arg(
        long,
        default_value_t = 5,
        allow_negative_numbers = true,
        value_name = "N"
    )]
    pub(super) limit: i64,
    /// How rows are printed.
    #[arg(long, value_enum, default_value_t)]
    pub(super) output: Format,
}

#[derive(Args, Debug)]
pub(super) struct Retry {
    /// The folder of the files to go on from; else the target folder.
    #[arg(long, env = "DBT_STATE", value_name = "DIR")]
    pub(super) state: Option<PathBuf>,
    /// Compute the tables anew.
    #[arg(long, short = 'f')]
    pub(super) full_refresh: bool,
    /// Start nothing more after the first failure.
    #[arg(long, short = 'x')]
    pub(super) fail_fast: bool,
}

#[derive(Args, Debug)]
pub(super) struct List {
    #[command(flatten)]
    pub(super) pick: Pick,
    /// What is printed of each node.
    #[arg(long, value_enum, default_value_t)]
    pub(super) output: Output,
    /// Keys to print with `--output json`; `column_lineage`, which plans the models over the lake,
    /// only when it is named here.
    #[arg(long, num_args = 1.., value_name = "KEY")]
    pub(super) output_keys: Vec<String>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum Output {
    /// Qualified names, as `--select` takes them.
    #[default]
    Selector,
    /// Names.
    Name,
    /// Files.
    Path,
    /// One object a line.
    Json,
    /// Names, and how each model is brought up to date (reads the lake).
    Way,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Type {
    Model,
    Seed,
    Snapshot,
    Source,
    Test,
    #[value(name = "unit_test")]
    UnitTest,
    Exposure,
    Analysis,
    /// Everything.
    All,
    /// What `ls` lists when nothing is said.
    Default,
}

impl Type {
    /// The manifest's types that it stands for.
    pub(super) fn resource_types(self) -> Vec<ResourceType> {
        match self {
            Self::Model => vec![ResourceType::Model],
            Self::Seed => vec![ResourceType::Seed],
            Self::Snapshot => vec![ResourceType::Snapshot],
            Self::Source => vec![ResourceType::Source],
            Self::Test => vec![ResourceType::Test],
            Self::UnitTest => vec![ResourceType::UnitTest],
            Self::Exposure => vec![ResourceType::Exposure],
            Self::Analysis => vec![ResourceType::Analysis],
            Self::All => {
                let mut all = Self::Default.resource_types();
                all.push(ResourceType::Analysis);
                all
            }
            Self::Default => vec![
                ResourceType::Model,
                ResourceType::Seed,
                ResourceType::Snapshot,
                ResourceType::Source,
                ResourceType::Test,
                ResourceType::UnitTest,
                ResourceType::Exposure,
            ],
        }
    }
}
