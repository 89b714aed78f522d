//! `dbt_project.yml` and the target of `profiles.yml`.

use std::path::{Path, PathBuf};

use serde_norway::{Mapping, Value as Yaml};

use super::Options;
use super::yaml::{self, File};
use crate::diagnostics::{Diagnostic, nearest};
use crate::jinja::context::Search;
use crate::{Error, Result};

const KEYS: &[&str] = &[
    "name",
    "config-version",
    "version",
    "project-root",
    "profile",
    "model-paths",
    "macro-paths",
    "seed-paths",
    "test-paths",
    "analysis-paths",
    "docs-paths",
    "asset-paths",
    "target-path",
    "snapshot-paths",
    "function-paths",
    "clean-targets",
    "log-path",
    "packages-install-path",
    "quoting",
    "on-run-start",
    "on-run-end",
    "require-dbt-version",
    "dispatch",
    "models",
    "seeds",
    "snapshots",
    "analyses",
    "sources",
    "tests",
    "data_tests",
    "unit_tests",
    "metrics",
    "semantic-models",
    "saved-queries",
    "exposures",
    "functions",
    "vars",
    "packages",
    "query-comment",
    "restrict-access",
    "dbt-cloud",
    "flags",
    "sync",
];

/// `dbt_project.yml`.
#[derive(Clone, Debug)]
pub struct ProjectFile {
    /// The folder of the project that is run.
    pub root: PathBuf,
    /// Where it lies below that: empty for the project itself, `dbt_packages/tools` for a package.
    pub folder: String,
    /// The file.
    pub file: File,
    /// `name`.
    pub name: String,
    /// `profile`.
    pub profile: Option<String>,
    /// Folders below the root.
    pub model_paths: Vec<String>,
    /// Folders below the root.
    pub seed_paths: Vec<String>,
    /// Folders below the root.
    pub test_paths: Vec<String>,
    /// Folders below the root.
    pub macro_paths: Vec<String>,
    /// Folders below the root.
    pub analysis_paths: Vec<String>,
    /// Folders below the root.
    pub snapshot_paths: Vec<String>,
    /// Folders below the root.
    pub docs_paths: Vec<String>,
    /// Where packages lie.
    pub packages_path: String,
    /// Where compiled SQL goes.
    pub target_path: String,
    /// What `clean` removes.
    pub clean_targets: Vec<String>,
    /// `vars`, those of the command line and of the package merged in.
    pub vars: Mapping,
}

/// The target that is in use.
#[derive(Clone, Debug)]
pub struct Target {
    /// Its name.
    pub name: String,
    /// Whether it is the profile's default.
    pub is_default: bool,
    /// Its schema.
    pub schema: String,
    /// Its threads.
    pub threads: Option<usize>,
    /// All its keys, and `name`, for templates.
    pub values: Mapping,
}

impl ProjectFile {
    /// Read `dbt_project.yml` of a folder.
    pub fn read(root: &Path, options: &Options) -> Result<Self> {
        let path = root.join("dbt_project.yml");
        if !path.is_file() {
            return Err(Error::Usage(format!(
                "no dbt_project.yml in {}: name the project's folder with --project-dir",
                root.display()
            )));
        }
        let file = yaml::read(&path, "dbt_project.yml")?;
        if let Some(unknown) = file
            .check_keys(&file.content, KEYS, "dbt_project.yml", None)?
            .first()
        {
            let diagnostic = Diagnostic::new(format!("unknown key `{unknown}` in dbt_project.yml"));
            return Err(file.at_key(diagnostic, unknown, None).into());
        }
        let mut project = Self::of(root, "", file)?;
        project.vars.extend(options.vars.clone());
        Ok(project)
    }

    /// Read that of the package in a folder below the project's root.
    pub fn package(project: &Self, folder: &str, options: &Options) -> Result<Self> {
        let shown = format!("{folder}/dbt_project.yml");
        let file = yaml::read(&project.root.join(&shown), &shown)?;
        let mut package = Self::of(&project.root, folder, file)?;
        // The project's variables stand over the package's, those that it gives to this package first.
        let declared = project.file.map(&project.file.content, "vars", None)?;
        let for_all = declared.iter().filter(|(key, _)| {
            let key = key.as_str();
            key != Some(&project.name) && key != Some(&package.name)
        });
        let for_all: Mapping = for_all
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect();
        package.vars.extend(for_all);
        if let Some(Yaml::Mapping(own)) = declared.get(&package.name) {
            package.vars.extend(own.clone());
        }
        package.vars.extend(options.vars.clone());
        Ok(package)
    }

    fn of(root: &Path, folder: &str, file: File) -> Result<Self> {
        let Some(name) = yaml::text(&file.content, "name").map(str::to_owned) else {
            return Err(Diagnostic::new("the project has no `name`")
                .in_file(file.path)
                .into());
        };
        if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
            let diagnostic = Diagnostic::new(format!("`{name}` is no project name"))
                .help("use letters, digits and underscores");
            return Err(file.at_key(diagnostic, "name", None).into());
        }
        let paths = |key: &str, default: &[&str]| match file.content.get(key) {
            None => Ok(default.iter().map(|path| inside(folder, path)).collect()),
            Some(value) => yaml::texts(value)
                .map(|paths| paths.iter().map(|path| inside(folder, path)).collect())
                .ok_or_else(|| {
                    Error::from(file.at_key(
                        Diagnostic::new(format!("`{key}` is not a list")),
                        key,
                        None,
                    ))
                }),
        };
        let target_path = yaml::text(&file.content, "target-path").unwrap_or("target");
        let mut vars = Mapping::new();
        let declared = file.map(&file.content, "vars", None)?;
        for (key, value) in &declared {
            if key.as_str() != Some(&name) {
                vars.insert(key.clone(), value.clone());
            }
        }
        if let Some(Yaml::Mapping(own)) = declared.get(&name) {
            vars.extend(own.clone());
        }
        let model_paths: Vec<String> = paths("model-paths", &["models"])?;
        let seed_paths = paths("seed-paths", &["seeds"])?;
        let test_paths = paths("test-paths", &["tests"])?;
        let macro_paths = paths("macro-paths", &["macros"])?;
        let analysis_paths = paths("analysis-paths", &["analyses"])?;
        let snapshot_paths = paths("snapshot-paths", &["snapshots"])?;
        let docs_paths = if file.content.contains_key("docs-paths") {
            paths("docs-paths", &[])?
        } else {
            [
                &model_paths,
                &seed_paths,
                &snapshot_paths,
                &analysis_paths,
                &macro_paths,
                &test_paths,
            ]
            .into_iter()
            .flatten()
            .cloned()
            .collect()
        };
        Ok(Self {
            root: root.to_owned(),
            folder: folder.to_owned(),
            profile: yaml::text(&file.content, "profile").map(str::to_owned),
            model_paths,
            seed_paths,
            test_paths,
            macro_paths,
            analysis_paths,
            snapshot_paths,
            docs_paths,
            packages_path: yaml::text(&file.content, "packages-install-path")
                .unwrap_or("dbt_packages")
                .to_owned(),
            clean_targets: paths("clean-targets", &[target_path])?,
            target_path: target_path.to_owned(),
            vars,
            name,
            file,
        })
    }
}

impl ProjectFile {
    /// Whose a name without a package is.
    pub fn search(&self) -> Search {
        let flags = self.file.content.get("flags");
        let flag =
            flags.and_then(|flags| flags.get("require_ref_searches_node_package_before_root"));
        Search {
            project: self.name.clone(),
            own_first: flag.and_then(Yaml::as_bool).unwrap_or(false),
        }
    }

    /// A path below the root, below the package's own folder.
    pub fn in_folder<'a>(&self, path: &'a str) -> &'a str {
        let below = path.strip_prefix(&self.folder);
        below.unwrap_or(path).trim_start_matches('/')
    }

    /// A path below the root: the resource folder that it begins with, and what is below that.
    pub fn split_folder<'a>(&self, path: &'a str) -> (&'a str, &'a str) {
        let at = path.len() - self.in_folder(path).len();
        match path[at..].find('/') {
            Some(slash) => (&path[..at + slash], &path[at + slash + 1..]),
            None => (&path[..at], &path[at..]),
        }
    }
}

/// A path of a package's folder, below the root.
fn inside(folder: &str, path: &str) -> String {
    let path = path.trim_start_matches("./").trim_matches('/');
    if folder.is_empty() {
        path.to_owned()
    } else {
        format!("{folder}/{path}")
    }
}

impl Target {
    /// The target of the project's profile that the options ask for.
    ///
    /// The file is looked for in `--profiles-dir`, or else where `DBT_PROFILES_DIR` says, in the
    /// working folder, in the project's folder and in `~/.dbt`.
    pub fn read(project: &ProjectFile, options: &Options) -> Result<Self> {
        let wanted = options
            .profile
            .as_deref()
            .or(project.profile.as_deref())
            .ok_or_else(|| {
                Diagnostic::new("the project names no `profile`")
                    .in_file("dbt_project.yml")
                    .help("add `profile: <name>`")
            })?;
        let places = match &options.profiles_dir {
            Some(dir) => vec![dir.clone()],
            None => [
                std::env::var_os("DBT_PROFILES_DIR").map(PathBuf::from),
                std::env::current_dir().ok(),
                Some(project.root.clone()),
                std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".dbt")),
            ]
            .into_iter()
            .flatten()
            .collect(),
        };
        let Some(path) = places
            .iter()
            .map(|dir| dir.join("profiles.yml"))
            .find(|path| path.is_file())
        else {
            let places: Vec<_> = places.iter().map(|dir| dir.display().to_string()).collect();
            return Err(Error::Usage(format!(
                "no profiles.yml in {}: name its folder with --profiles-dir",
                places.join(", ")
            )));
        };
        let file = yaml::read(&path, &path.display().to_string())?;
        let Some(profile) = file.content.get(wanted).and_then(Yaml::as_mapping) else {
            return Err(
                Diagnostic::new(format!("the profile `{wanted}` is not in this file"))
                    .in_file(file.path.clone())
                    .nearest(wanted, file.content.keys().filter_map(Yaml::as_str))
                    .into(),
            );
        };
        let render = |text: &str| super::render_early(&file.path, text, &project.vars);
        let default = match yaml::text(profile, "target") {
            Some(name) => render(name)?,
            None => "default".to_owned(),
        };
        let name = options.target.clone().unwrap_or_else(|| default.clone());
        let outputs = file.map(profile, "outputs", Some(wanted))?;
        let Some(Yaml::Mapping(output)) = outputs.get(&name) else {
            let known: Vec<&str> = outputs.keys().filter_map(Yaml::as_str).collect();
            let diagnostic =
                Diagnostic::new(format!("the profile `{wanted}` has no target `{name}`"));
            let diagnostic = match nearest(&name, known.iter().copied()) {
                Some(near) => diagnostic.help(format!("did you mean `{near}`?")),
                None if known.is_empty() => {
                    diagnostic.help(format!("write it under `outputs:` of `{wanted}`"))
                }
                None => diagnostic.help(format!("its targets are: {}", known.join(", "))),
            };
            return Err(file.at_key(diagnostic, "outputs", None).into());
        };
        let mut values = Mapping::new();
        for (key, value) in output {
            // Secrets are not for templates.
            if matches!(
                key.as_str(),
                Some("password" | "token" | "private_key" | "secret")
            ) {
                continue;
            }
            let value = match value {
                Yaml::String(text) => Yaml::String(render(text)?),
                other => other.clone(),
            };
            values.insert(key.clone(), value);
        }
        let schema = yaml::text(&values, "schema").unwrap_or("main").to_owned();
        let threads = values
            .get("threads")
            .and_then(|value| yaml::scalar(value)?.parse().ok());
        for (key, value) in [
            ("name", name.as_str()),
            ("target_name", &name),
            ("profile_name", wanted),
            ("schema", &schema),
            ("database", crate::manifest::DATABASE),
        ] {
            values.insert(key.into(), value.into());
        }
        // A profile of another adapter chooses that one's branches and macros.
        values
            .entry("type".into())
            .or_insert_with(|| crate::jinja::context::ADAPTER.into());
        Ok(Self {
            is_default: name == default,
            name,
            schema,
            threads,
            values,
        })
    }
}
