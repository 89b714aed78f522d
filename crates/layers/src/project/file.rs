//! `dbt_project.yml` and the target of `profiles.yml`.

use std::path::{Path, PathBuf};

use serde_norway::{Mapping, Value as Yaml};

use super::Options;
use super::yaml::{self, File};
use crate::diagnostics::{Diagnostic, nearest};
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
    /// The folder it lies in.
    pub root: PathBuf,
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
        let Some(name) = yaml::text(&file.content, "name").map(str::to_owned) else {
            return Err(Diagnostic::new("the project has no `name`")
                .in_file("dbt_project.yml")
                .into());
        };
        if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
            let diagnostic = Diagnostic::new(format!("`{name}` is no project name"))
                .help("use letters, digits and underscores");
            return Err(file.at_key(diagnostic, "name", None).into());
        }
        let paths = |key: &str, default: &[&str]| match file.content.get(key) {
            None => Ok(default.iter().map(|path| (*path).to_owned()).collect()),
            Some(value) => yaml::texts(value)
                .map(|paths| {
                    paths
                        .iter()
                        .map(|path| path.trim_matches('/').to_owned())
                        .collect()
                })
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
        vars.extend(options.vars.clone());
        Ok(Self {
            root: root.to_owned(),
            profile: yaml::text(&file.content, "profile").map(str::to_owned),
            model_paths: paths("model-paths", &["models"])?,
            seed_paths: paths("seed-paths", &["seeds"])?,
            test_paths: paths("test-paths", &["tests"])?,
            macro_paths: paths("macro-paths", &["macros"])?,
            analysis_paths: paths("analysis-paths", &["analyses"])?,
            snapshot_paths: paths("snapshot-paths", &["snapshots"])?,
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
