//! The command line: dbt's commands and flags over the library.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use clap::{Args, Parser, Subcommand, ValueEnum};
use goldrecord_lake::Lake;
use goldrecord_service::{Config, Shutdown};
use serde_json::{Value, json};

use crate::diagnostics::{Diagnostic, nearest};
use crate::engine::{self, BuildOptions};
use crate::manifest::ResourceType::{Model, Seed, Test};
use crate::manifest::{Manifest, Node, ResourceType};
use crate::output::{Format, Printer};
use crate::project::{self, Options};
use crate::select::{Indirect, Selection, select};
use crate::{Error, Result};

/// A dbt project to silver and gold, incremental by itself.
#[derive(Debug, Parser)]
#[command(name = "goldrecord-layers", version)]
pub struct Cli {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    command: Command,
}

#[derive(Args, Debug)]
struct Common {
    /// The folder of `dbt_project.yml`; else the working folder, else `[layers] project`.
    #[arg(long, global = true, env = "DBT_PROJECT_DIR", value_name = "DIR")]
    project_dir: Option<PathBuf>,
    /// The folder of `profiles.yml`; else it is looked for as dbt does.
    #[arg(long, global = true, value_name = "DIR")]
    profiles_dir: Option<PathBuf>,
    /// The profile; else the project's.
    #[arg(long, global = true, value_name = "NAME")]
    profile: Option<String>,
    /// The target of the profile; else its default.
    #[arg(long, short = 't', global = true, value_name = "NAME")]
    target: Option<String>,
    /// Variables that stand over the project's, as a YAML map: '{name: value}'.
    #[arg(long, global = true, value_name = "YAML")]
    vars: Option<String>,
    /// `goldrecord.toml`: the lake and what a build may use.
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// How many models at once; else the target's, else `[layers] threads`.
    #[arg(long, global = true, value_name = "N")]
    threads: Option<usize>,
    /// How lines are written.
    #[arg(long, global = true, value_enum, default_value_t)]
    log_format: Format,
    /// Print errors and what was asked for, nothing else.
    #[arg(long, short = 'q', global = true)]
    quiet: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Build and test models and seeds, in the order of what they read.
    Build(Run),
    /// Build models.
    Run(Run),
    /// Run tests.
    Test(Run),
    /// Load seeds.
    Seed(Run),
    /// List nodes.
    #[command(alias = "list")]
    Ls(List),
    /// Write the compiled SQL to `target/compiled`; print that of selected nodes.
    Compile(Pick),
    /// Read the project and say what is wrong with it.
    Parse,
    /// What the lake knows of a model.
    State {
        #[command(subcommand)]
        command: State,
    },
}

#[derive(Debug, Subcommand)]
enum State {
    /// Which way a model is brought up to date, and why.
    Explain {
        /// The models' or seeds' names.
        #[arg(required = true)]
        models: Vec<String>,
    },
}

#[derive(Args, Debug)]
struct Pick {
    /// Nodes to select: names, `+name`, `tag:x`, `path:y`, `a,b` …
    #[arg(long, short = 's', visible_alias = "models", short_alias = 'm', num_args = 1.., value_name = "CRITERIA")]
    select: Vec<String>,
    /// Nodes to leave out.
    #[arg(long, num_args = 1.., value_name = "CRITERIA")]
    exclude: Vec<String>,
    /// Types to keep.
    #[arg(long, num_args = 1.., value_name = "TYPE")]
    resource_type: Vec<Type>,
    /// Types to leave out.
    #[arg(long, num_args = 1.., value_name = "TYPE")]
    exclude_resource_type: Vec<Type>,
    /// Which tests of selected nodes are selected with them.
    #[arg(long, value_enum, default_value_t)]
    indirect_selection: Indirect,
}

#[derive(Args, Debug)]
struct Run {
    #[command(flatten)]
    pick: Pick,
    /// Compute the selected tables anew.
    #[arg(long, short = 'f')]
    full_refresh: bool,
    /// Start nothing more after the first failure.
    #[arg(long, short = 'x')]
    fail_fast: bool,
}

#[derive(Args, Debug)]
struct List {
    #[command(flatten)]
    pick: Pick,
    /// What is printed of each node.
    #[arg(long, value_enum, default_value_t)]
    output: Output,
    /// Keys to print with `--output json`.
    #[arg(long, num_args = 1.., value_name = "KEY")]
    output_keys: Vec<String>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Output {
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
enum Type {
    Model,
    Seed,
    Source,
    Test,
    Exposure,
    Analysis,
    /// Everything.
    All,
    /// What `ls` lists when nothing is said.
    Default,
}

/// dbt's exit codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Everything is well.
    Done = 0,
    /// A node failed.
    Failed = 1,
    /// The command could not be run: the project, the profile or the options are wrong.
    Unusable = 2,
}

/// Run a command and print what it has to say.
pub async fn run(cli: Cli) -> Exit {
    // What a list prints is for other programs: only the list goes to standard output.
    let to_stderr = matches!(
        cli.command,
        Command::Ls(_) | Command::Compile(_) | Command::State { .. }
    );
    let out: Box<dyn std::io::Write + Send> = if to_stderr {
        Box::new(std::io::stderr())
    } else {
        Box::new(std::io::stdout())
    };
    let lists = matches!(cli.command, Command::Ls(_) | Command::State { .. });
    let printer = Printer::new(cli.common.log_format, cli.common.quiet, out);
    if !lists {
        printer.info(&format!(
            "Running with goldrecord-layers={}",
            env!("CARGO_PKG_VERSION")
        ));
    }
    match execute(&cli, &printer, lists).await {
        Ok(exit) => exit,
        Err(error) => {
            printer.error(&format!("Encountered an error:\n{error}"));
            match error {
                Error::Project(_) | Error::Many(_) | Error::File { .. } | Error::Usage(_) => {
                    Exit::Unusable
                }
                _ => Exit::Failed,
            }
        }
    }
}

async fn execute(cli: &Cli, printer: &Printer, lists: bool) -> Result<Exit> {
    let full_refresh = match &cli.command {
        Command::Build(run) | Command::Run(run) | Command::Test(run) | Command::Seed(run) => {
            run.full_refresh
        }
        _ => false,
    };
    let options = Options {
        profiles_dir: cli.common.profiles_dir.clone(),
        profile: cli.common.profile.clone(),
        target: cli.common.target.clone(),
        vars: cli
            .common
            .vars
            .as_deref()
            .map(Options::parse_vars)
            .transpose()?
            .unwrap_or_default(),
        full_refresh,
    };
    let manifest = project::load(&project_dir(&cli.common)?, &options)?;
    if lists {
        manifest
            .warnings
            .iter()
            .for_each(|warning| printer.warning(warning));
    } else {
        printer.found(&manifest);
    }
    match &cli.command {
        Command::Parse => Ok(Exit::Done),
        Command::Build(run) => build(cli, printer, &manifest, run, &[Model, Seed, Test]).await,
        Command::Run(run) => build(cli, printer, &manifest, run, &[Model]).await,
        Command::Test(run) => build(cli, printer, &manifest, run, &[Test]).await,
        Command::Seed(run) => build(cli, printer, &manifest, run, &[Seed]).await,
        Command::Ls(list) => ls(cli, printer, &manifest, list).await,
        Command::Compile(pick) => compile(printer, &manifest, pick),
        Command::State {
            command: State::Explain { models },
        } => explain(cli, &manifest, models).await,
    }
}

fn project_dir(common: &Common) -> Result<PathBuf> {
    if let Some(dir) = &common.project_dir {
        return Ok(dir.clone());
    }
    let here = PathBuf::from(".");
    if here.join("dbt_project.yml").is_file() {
        return Ok(here);
    }
    Ok(configuration(common)?.layers.project)
}

fn configuration(common: &Common) -> Result<Config> {
    Config::load(common.config.as_deref()).map_err(|error| Error::Usage(error.to_string()))
}

/// The selected nodes; `kinds` are those that the command runs, none for all.
fn picked(
    printer: &Printer,
    manifest: &Manifest,
    pick: &Pick,
    kinds: &[ResourceType],
) -> Result<BTreeSet<String>> {
    let types = |types: &[Type]| -> Vec<ResourceType> {
        types
            .iter()
            .flat_map(|kind| kind.resource_types())
            .collect()
    };
    let selection = Selection {
        select: pick.select.clone(),
        exclude: pick.exclude.clone(),
        resource_types: types(&pick.resource_type),
        exclude_resource_types: types(&pick.exclude_resource_type),
        indirect: pick.indirect_selection,
    };
    let mut selected = select(manifest, &selection)?;
    selected
        .warnings
        .iter()
        .for_each(|warning| printer.warning(warning));
    if !kinds.is_empty() {
        selected.nodes.retain(|id| {
            manifest.node(id).is_some_and(|node| {
                kinds.contains(&node.resource_type)
                    && (node.is_built() || node.resource_type == Test)
            })
        });
    }
    Ok(selected.nodes)
}

async fn build(
    cli: &Cli,
    printer: &Printer,
    manifest: &Manifest,
    run: &Run,
    kinds: &[ResourceType],
) -> Result<Exit> {
    let config = configuration(&cli.common)?;
    let selected = picked(printer, manifest, &run.pick, kinds)?;
    if selected.is_empty() {
        printer.info("Nothing to do. Try checking your model configs and model specification args");
        return Ok(Exit::Done);
    }
    let options = BuildOptions {
        selected,
        threads: threads(cli, manifest, &config),
        memory: config.layers.memory.0 as usize,
        full_refresh: run.full_refresh,
        fail_fast: run.fail_fast,
        publish: manifest.target == config.layers.target,
    };
    let lake = Lake::open(&config.lake.url)?;
    let shutdown = Shutdown::on_signals().map_err(|error| Error::Usage(error.to_string()))?;
    let report = engine::build(manifest, &options, &lake, &shutdown, printer).await?;
    printer.summary(manifest, &report);
    Ok(if report.is_ok() {
        Exit::Done
    } else {
        Exit::Failed
    })
}

fn threads(cli: &Cli, manifest: &Manifest, config: &Config) -> usize {
    let configured = Some(config.layers.threads).filter(|threads| *threads > 0);
    cli.common
        .threads
        .or(manifest.threads)
        .or(configured)
        .unwrap_or_else(|| BuildOptions::default().threads)
        .max(1)
}

async fn ls(cli: &Cli, printer: &Printer, manifest: &Manifest, list: &List) -> Result<Exit> {
    let mut selected = picked(printer, manifest, &list.pick, &[])?;
    if list.pick.resource_type.is_empty() {
        // Analyses are listed when they are asked for.
        selected.retain(|id| {
            manifest
                .node(id)
                .is_some_and(|node| node.resource_type != ResourceType::Analysis)
        });
    }
    if selected.is_empty() {
        printer.warning("No nodes selected!");
        return Ok(Exit::Done);
    }
    let lake = match list.output {
        Output::Way => Some(Lake::open(&configuration(&cli.common)?.lake.url)?),
        _ => None,
    };
    let mut text = String::new();
    for node in selected.iter().filter_map(|id| manifest.node(id)) {
        let line = match (list.output, &lake) {
            (Output::Path, _) => node.original_file_path.clone(),
            (Output::Selector, _) => selector(node),
            (Output::Json, _) => json_line(node, &list.output_keys),
            (Output::Way, Some(lake)) if node.is_built() => {
                let explanation = engine::explain(manifest, lake, node).await?;
                format!("{}\t{}", name(node), explanation.usually)
            }
            (Output::Name | Output::Way, _) => name(node),
        };
        text.push_str(&line);
        text.push('\n');
    }
    print_out(&text)?;
    Ok(Exit::Done)
}

fn print_out(text: &str) -> Result<()> {
    match std::io::stdout().lock().write_all(text.as_bytes()) {
        // Whoever read it has read enough.
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        other => other.map_err(|error| Error::file("standard output", error)),
    }
}

fn name(node: &Node) -> String {
    match &node.source_name {
        Some(source) => format!("{source}.{}", node.name),
        None => node.name.clone(),
    }
}

fn selector(node: &Node) -> String {
    match (node.resource_type, &node.source_name) {
        (ResourceType::Source, Some(source)) => {
            format!("source:{}.{source}.{}", node.package, node.name)
        }
        (ResourceType::Exposure, _) => format!("exposure:{}.{}", node.package, node.name),
        _ => node.fqn.join("."),
    }
}

fn json_line(node: &Node, keys: &[String]) -> String {
    let mut object = json!({
        "name": node.name,
        "resource_type": node.resource_type,
        "package_name": node.package,
        "original_file_path": node.original_file_path,
        "unique_id": node.unique_id,
        "source_name": node.source_name,
        "alias": node.relation.as_ref().map_or(&node.name, |relation| &relation.identifier),
        "description": node.description,
        "tags": node.config.tags,
        "depends_on": {"nodes": node.depends_on},
        "config": node.config_json(),
        "relation_name": node.relation.as_ref().map(ToString::to_string),
        "fingerprint": node.fingerprint,
    });
    if let Value::Object(map) = &mut object {
        map.retain(|key, value| {
            if keys.is_empty() {
                !value.is_null()
            } else {
                keys.contains(key)
            }
        });
    }
    object.to_string()
}

fn compile(printer: &Printer, manifest: &Manifest, pick: &Pick) -> Result<Exit> {
    let selected = picked(printer, manifest, pick, &[])?;
    let mut written = 0;
    let mut text = String::new();
    for node in selected.iter().filter_map(|id| manifest.node(id)) {
        let Some(sql) = &node.compiled_code else {
            continue;
        };
        // A generic test's file lies below its YAML file's name, as dbt puts it.
        let file = Path::new(&node.original_file_path);
        let below = match file.extension().and_then(|extension| extension.to_str()) {
            Some("yml" | "yaml") => file.join(&node.path),
            _ => file.to_owned(),
        };
        let path = manifest
            .root
            .join(&manifest.target_path)
            .join("compiled")
            .join(&manifest.project)
            .join(below);
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(|error| Error::file(folder, error))?;
        }
        std::fs::write(&path, sql).map_err(|error| Error::file(path, error))?;
        written += 1;
        if !pick.select.is_empty() && node.resource_type != ResourceType::Test {
            let _ = writeln!(text, "Compiled node '{}' is:\n{}\n", node.name, sql.trim());
        }
    }
    print_out(&text)?;
    printer.info(&format!(
        "Compiled {written} nodes to {}/compiled",
        manifest.target_path
    ));
    Ok(Exit::Done)
}

async fn explain(cli: &Cli, manifest: &Manifest, models: &[String]) -> Result<Exit> {
    let lake = Lake::open(&configuration(&cli.common)?.lake.url)?;
    let built = || manifest.nodes.values().filter(|node| node.is_built());
    for model in models {
        let Some(node) = built().find(|node| node.name == *model || node.display_name() == *model)
        else {
            let diagnostic = Diagnostic::new(format!("there is no model or seed `{model}`"));
            return Err(
                match nearest(model, built().map(|node| node.name.as_str())) {
                    Some(near) => diagnostic.help(format!("did you mean `{near}`?")).into(),
                    None => diagnostic.into(),
                },
            );
        };
        let explanation = engine::explain(manifest, &lake, node).await?;
        print_out(&format!("{explanation}\n"))?;
    }
    Ok(Exit::Done)
}

impl Type {
    fn resource_types(self) -> Vec<ResourceType> {
        match self {
            Self::Model => vec![ResourceType::Model],
            Self::Seed => vec![ResourceType::Seed],
            Self::Source => vec![ResourceType::Source],
            Self::Test => vec![ResourceType::Test],
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
                ResourceType::Source,
                ResourceType::Test,
                ResourceType::Exposure,
            ],
        }
    }
}
