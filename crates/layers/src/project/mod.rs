//! A project folder as a [`Manifest`].
//!
//! Loading goes in passes: files, then the parsing pass (what each template asks for, without
//! knowing the graph), then the graph, then the compile pass (the SQL with its relations).

mod compile;
mod config;
mod docs;
mod file;
mod generic_tests;
mod macros;
mod packages;
mod parse;
mod properties;
pub(crate) mod yaml;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use md5::{Digest as _, Md5};
use serde_norway::{Mapping, Value as Yaml};

pub use file::{ProjectFile, Target};

use crate::jinja::context::Frame;
use crate::jinja::{Globals, Jinja};
use crate::manifest::{Manifest, Relation};
use crate::{Error, Result, hooks};

/// How a project is loaded.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Where `profiles.yml` lies; else it is looked for as dbt does.
    pub profiles_dir: Option<PathBuf>,
    /// The profile; else the project's.
    pub profile: Option<String>,
    /// The target; else the profile's.
    pub target: Option<String>,
    /// Variables that stand over the project's.
    pub vars: Mapping,
    /// What `flags.FULL_REFRESH` is.
    pub full_refresh: bool,
    /// A query of the command line: it becomes the analysis [`INLINE`].
    pub inline: Option<String>,
    /// The lake that templates may ask about tables; without one, a template that asks is an error.
    pub lake: Option<String>,
    /// Whether tests that do not say so keep their failing rows.
    pub store_failures: bool,
    /// Whether everything that is read is without rows.
    pub empty: bool,
    /// Nodes that are read where another target has them, by unique id.
    pub deferred: BTreeMap<String, Relation>,
}

/// The name of the query that the command line holds.
pub const INLINE: &str = "inline_query";

impl Options {
    /// Read `--vars`: a YAML map on one line.
    pub fn parse_vars(text: &str) -> Result<Mapping> {
        match serde_norway::from_str(text) {
            Ok(Yaml::Mapping(vars)) => Ok(vars),
            Ok(Yaml::Null) => Ok(Mapping::new()),
            Ok(_) => Err(Error::Usage(
                "--vars is not a map: write --vars '{name: value}'".to_owned(),
            )),
            Err(error) => Err(Error::Usage(format!("--vars is not YAML: {error}"))),
        }
    }
}

/// Load the project that lies in `dir`.
pub fn load(dir: &Path, options: &Options) -> Result<Manifest> {
    let mut project = ProjectFile::read(dir, options)?;
    let target = Target::read(&project, options)?;
    let globals = Globals {
        project: project.name.clone(),
        vars: project.vars.clone(),
        target: target.values.clone(),
        full_refresh: options.full_refresh,
        store_failures: options.store_failures,
        dispatch: packages::dispatch(&project)?,
    };
    let mut packages = packages::read(&project, options)?;
    render_sections(&mut project, &globals)?;
    for package in &mut packages {
        render_sections(package, &globals)?;
    }
    let inline = options.inline.as_deref();
    let drafts = parse::parse(&project, &packages, &target, &globals, inline)?;
    let operations = hooks::operations(&project, &packages)?;
    compile::compile(&project, &target, drafts, operations, options)
}

/// Give the configuration by folder of a project or package its values.
fn render_sections(project: &mut ProjectFile, globals: &Globals) -> Result<()> {
    let bare = Jinja::bare(&globals.of_package(&project.vars));
    let frame = empty_frame(&project.name);
    for section in [
        "models",
        "seeds",
        "snapshots",
        "tests",
        "data_tests",
        "unit_tests",
        "sources",
        "exposures",
    ] {
        if let Some(value) = project.file.content.get(section) {
            let rendered = rendered(&bare, &project.file.path, value, &frame)?;
            project.file.content.insert(section.into(), rendered);
        }
    }
    Ok(())
}

/// Configuration by folder with its values; hooks stay as they are: these are templates of the moment when they run.
fn rendered(bare: &Jinja, file: &str, value: &Yaml, frame: &Arc<Frame>) -> Result<Yaml> {
    let Yaml::Mapping(mapping) = value else {
        return Ok(bare.native_yaml(file, value, frame)?);
    };
    let is_hook = |key: &Yaml| {
        key.as_str()
            .is_some_and(|key| config::is_hook(key.trim_start_matches('+')))
    };
    let entries = mapping.iter().map(|(key, value)| {
        let value = if is_hook(key) {
            value.clone()
        } else {
            rendered(bare, file, value, frame)?
        };
        Ok((key.clone(), value))
    });
    Ok(Yaml::Mapping(entries.collect::<Result<Mapping>>()?))
}

/// A string of a file that is read before the target is known: only `env_var` and `var`.
fn render_early(file: &str, text: &str, vars: &Mapping) -> Result<String> {
    let globals = Globals {
        project: String::new(),
        vars: vars.clone(),
        target: Mapping::new(),
        full_refresh: false,
        store_failures: false,
        dispatch: BTreeMap::new(),
    };
    Ok(Jinja::bare(&globals).render(file, text, &empty_frame(""))?)
}

/// The frame of a text that belongs to no node.
fn empty_frame(package: &str) -> Arc<Frame> {
    Arc::new(Frame {
        package: package.to_owned(),
        ..Frame::default()
    })
}

/// The MD5 of a text in hex, by which dbt shortens names.
pub fn md5(text: &str) -> String {
    hex(&Md5::digest(text))
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut hex, byte| {
        // Writing to a string cannot fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

/// The files below `root/<each folder>` with one of the extensions, as (folder, path below the
/// root), in order.
fn files_in(root: &Path, folders: &[String], extensions: &[&str]) -> Result<Vec<(String, String)>> {
    let mut found = Vec::new();
    for folder in folders {
        let start = root.join(folder);
        if start.is_dir() {
            walk(&start, &mut |path| {
                let extension = path.extension().and_then(|extension| extension.to_str());
                if extension.is_some_and(|extension| extensions.contains(&extension))
                    && let Ok(below) = path.strip_prefix(root)
                {
                    found.push((folder.clone(), below.to_string_lossy().into_owned()));
                }
            })?;
        }
    }
    found.sort();
    found.dedup_by(|a, b| a.1 == b.1);
    Ok(found)
}

fn walk(folder: &Path, visit: &mut dyn FnMut(&Path)) -> Result<()> {
    for entry in std::fs::read_dir(folder).map_err(|error| Error::file(folder, error))? {
        let entry = entry.map_err(|error| Error::file(folder, error))?;
        let path = entry.path();
        if entry.file_name().to_string_lossy().starts_with('.') {
            continue;
        }
        if path.is_dir() {
            walk(&path, visit)?;
        } else {
            visit(&path);
        }
    }
    Ok(())
}

fn read_text(root: &Path, below: &str) -> Result<String> {
    let path = root.join(below);
    std::fs::read_to_string(&path).map_err(|error| Error::file(path, error))
}
