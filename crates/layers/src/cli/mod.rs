//! The command line: dbt's commands and flags over the library.

mod arguments;
mod build;
mod clean;
mod compile;
mod debug;
mod defer;
mod docs;
mod freshness;
mod hooks;
mod list;
mod retry;
mod show;
mod state;
mod watch;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::path::PathBuf;

use goldrecord_service::Config;

pub use arguments::Cli;

use self::arguments::{Command, Common, Docs, Pick, Run, Source, State, Type};
use self::build::Kind;
use crate::artifacts::{self, Invocation, MANIFEST, Previous, manifest_json};
use crate::manifest::ResourceType::{Test, UnitTest};
use crate::manifest::{Manifest, ResourceType};
use crate::output::Printer;
use crate::project::{self, Options};
use crate::select::{Selection, Selectors, select};
use crate::{Error, Result};

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
        Command::Ls(_) | Command::Compile(_) | Command::Show(_) | Command::State { .. }
    );
    let out: Box<dyn std::io::Write + Send> = if to_stderr {
        Box::new(std::io::stderr())
    } else {
        Box::new(std::io::stdout())
    };
    let lists = matches!(cli.command, Command::Ls(_) | Command::State { .. });
    let invocation = Invocation::begin();
    let printer =
        Printer::new(cli.common.log_format, cli.common.quiet, out).of_invocation(invocation.id());
    if !lists {
        printer.version();
    }
    match execute(&cli, &printer, &invocation, lists).await {
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

/// What a command that runs nodes was given.
fn run_of(cli: &Cli) -> Option<&Run> {
    match &cli.command {
        Command::Build(run)
        | Command::Run(run)
        | Command::Test(run)
        | Command::Seed(run)
        | Command::Snapshot(run) => Some(run),
        _ => None,
    }
}

/// How the command line wants the project read.
fn options_of(cli: &Cli) -> Result<Options> {
    let run = run_of(cli);
    let full_refresh = match &cli.command {
        Command::Retry(retry) => retry.full_refresh,
        _ => run.is_some_and(|run| run.full_refresh),
    };
    let inline = match &cli.command {
        Command::Compile(compile) => compile.inline.clone(),
        Command::Show(show) => show.inline.clone(),
        _ => None,
    };
    let empty = run.is_some_and(|run| run.empty);
    Ok(Options {
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
        inline,
        lake: configuration(&cli.common)
            .ok()
            .map(|config| config.lake.url),
        store_failures: run.is_some_and(|run| run.store_failures),
        empty,
        deferred: BTreeMap::new(),
    })
}

async fn execute(
    cli: &Cli,
    printer: &Printer,
    invocation: &Invocation,
    lists: bool,
) -> Result<Exit> {
    let mut options = options_of(cli)?;
    if let Some(exit) = without_nodes(cli, printer, &options).await? {
        return Ok(exit);
    }
    let root = project_dir(&cli.common)?;
    let mut manifest = project::load(&root, &options)?;
    let deferral = match &cli.command {
        Command::Compile(compile) => Some((&compile.pick, &compile.deferral)),
        _ => run_of(cli).map(|run| (&run.pick, &run.deferral)),
    };
    if let Some((pick, deferral)) = deferral {
        options.deferred = defer::deferred(cli, printer, &manifest, pick, deferral).await?;
        if !options.deferred.is_empty() {
            manifest = project::load(&root, &options)?;
        }
    }
    if let Some(path) = &cli.common.target_path {
        manifest.target_path = path.display().to_string();
    }
    let manifest = &manifest;
    if lists {
        manifest
            .warnings
            .iter()
            .for_each(|warning| printer.warning(warning));
    } else {
        printer.found(manifest);
        leave(
            printer,
            manifest,
            MANIFEST,
            &manifest_json(manifest, invocation),
        );
    }
    let build = |kind, run| build::build(cli, printer, manifest, invocation, kind, run);
    match &cli.command {
        // All but the first are done: they need no nodes.
        Command::Parse
        | Command::Clean
        | Command::Debug
        | Command::Docs {
            command: Docs::Serve(_),
        } => Ok(Exit::Done),
        Command::Docs {
            command: Docs::Generate(generate),
        } => docs::generate(cli, printer, manifest, invocation, generate).await,
        Command::Build(run) => build(Kind::Build, run).await,
        Command::Run(run) => build(Kind::Run, run).await,
        Command::Test(run) => build(Kind::Test, run).await,
        Command::Seed(run) => build(Kind::Seed, run).await,
        Command::Snapshot(run) => build(Kind::Snapshot, run).await,
        Command::Retry(retry) => retry::retry(cli, printer, manifest, invocation, retry).await,
        Command::Source {
            command: Source::Freshness(of),
        } => freshness::freshness(cli, printer, manifest, invocation, of).await,
        Command::Ls(list) => list::ls(cli, printer, manifest, list).await,
        Command::Compile(compile) => compile::compile(printer, manifest, compile),
        Command::Show(show) => show::show(cli, printer, manifest, show).await,
        Command::Watch(pick) => watch::watch(cli, printer, manifest, pick).await,
        Command::State {
            command: State::Explain { models },
        } => state::explain(cli, manifest, models).await,
    }
}

/// The commands that need no nodes, only where the project lies.
async fn without_nodes(cli: &Cli, printer: &Printer, options: &Options) -> Result<Option<Exit>> {
    let root = project_dir(&cli.common);
    Ok(Some(match &cli.command {
        Command::Clean => clean::clean(printer, &root?, options)?,
        Command::Debug => debug::debug(cli, printer, root, options).await?,
        Command::Docs {
            command: Docs::Serve(serve),
        } => {
            let project = project::ProjectFile::read(&root?, options)?;
            docs::serve(cli, printer, &project, serve).await?
        }
        _ => return Ok(None),
    }))
}

/// Leave a file in the target folder. A project that lies where nobody may write is built all the same.
fn leave(printer: &Printer, manifest: &Manifest, name: &str, content: &serde_json::Value) {
    if let Err(error) = artifacts::write(&manifest.target_folder(), name, content) {
        printer.warning(&format!(
            "{name} is not written: {error}; name another folder with --target-path"
        ));
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
    let selectors = Selectors::read(&manifest.root)?;
    let selector = match &pick.selector {
        Some(name) => Some(selectors.get(name)?),
        None if pick.select.is_empty() && pick.exclude.is_empty() => selectors.default(),
        None => None,
    };
    let selection = Selection {
        select: pick.select.clone(),
        exclude: pick.exclude.clone(),
        selector: selector.cloned(),
        previous: match &pick.state {
            Some(folder) => Some(Previous::read(folder)?.beside(&manifest.target_folder())?),
            None => None,
        },
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
                    && (node.is_built() || matches!(node.resource_type, Test | UnitTest))
            })
        });
    }
    Ok(selected.nodes)
}

fn print_out(text: &str) -> Result<()> {
    match std::io::stdout().lock().write_all(text.as_bytes()) {
        // Whoever read it has read enough.
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        other => other.map_err(|error| Error::file("standard output", error)),
    }
}
