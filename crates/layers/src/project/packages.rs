//! Packages beside the project, in `dbt_packages/`: projects of their own, whose nodes are built with the project's.

use std::collections::BTreeMap;
use std::path::Path;

use super::{Options, ProjectFile, yaml};
use crate::diagnostics::Diagnostic;
use crate::{Error, Result};

/// The packages that lie beside a project, by their folders' names.
pub fn read(project: &ProjectFile, options: &Options) -> Result<Vec<ProjectFile>> {
    let folder = project.root.join(&project.packages_path);
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let mut found: Vec<String> = std::fs::read_dir(&folder)
        .and_then(|entries| {
            entries
                .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
                .collect()
        })
        .map_err(|error| Error::file(&folder, error))?;
    found.sort();
    let mut packages: Vec<ProjectFile> = Vec::new();
    for name in found {
        let below = format!("{}/{name}", project.packages_path.trim_matches('/'));
        if !project.root.join(&below).join("dbt_project.yml").is_file() {
            continue;
        }
        let package = ProjectFile::package(project, &below, options)?;
        let other = packages
            .iter()
            .chain([project])
            .find(|other| other.name == package.name);
        if let Some(other) = other {
            let message = format!("two packages have the name `{}`", package.name);
            let help = format!("the other one is {}: remove one of them", other.file.path);
            let diagnostic = package.file.at_key(Diagnostic::new(message), "name", None);
            return Err(diagnostic.help(help).into());
        }
        packages.push(package);
    }
    Ok(packages)
}

/// `dispatch` of `dbt_project.yml`: for a package, where its macros are looked for.
pub fn dispatch(project: &ProjectFile) -> Result<BTreeMap<String, Vec<String>>> {
    let file = &project.file;
    let mut found = BTreeMap::new();
    for entry in file.list(&file.content, "dispatch", None)? {
        let package = entry.get("macro_namespace").and_then(|name| name.as_str());
        let order = entry.get("search_order").and_then(yaml::texts);
        let (Some(package), Some(order)) = (package, order) else {
            let diagnostic = Diagnostic::new(
                "an entry of `dispatch` has no `macro_namespace` or no list `search_order`",
            );
            return Err(file.at_key(diagnostic, "dispatch", None).into());
        };
        found.insert(package.to_owned(), order);
    }
    Ok(found)
}

/// Whether packages are asked for and none is there.
pub fn missing(project: &ProjectFile) -> Option<String> {
    let asked = ["packages.yml", "dependencies.yml"]
        .into_iter()
        .find(|name| Path::new(&project.root).join(name).is_file())?;
    let folder = project.root.join(&project.packages_path);
    (!folder.is_dir()).then(|| {
        format!(
            "{asked} asks for packages, and there is no {}: put them there (`dbt deps` does)",
            project.packages_path
        )
    })
}
