//! Packages beside the project, in `dbt_packages/`: their macros and generic tests.

use std::collections::BTreeMap;
use std::path::Path;

use super::{ProjectFile, files_in, read_text, yaml};
use crate::diagnostics::Diagnostic;
use crate::jinja::Package;
use crate::{Error, Result};

/// The packages that lie beside a project, and what of them is not read.
pub fn read(project: &ProjectFile) -> Result<(Vec<Package>, Vec<String>)> {
    let folder = project.root.join(&project.packages_path);
    let (mut packages, mut warnings) = (Vec::new(), Vec::new());
    if !folder.is_dir() {
        return Ok((packages, warnings));
    }
    let mut found: Vec<String> = std::fs::read_dir(&folder)
        .and_then(|entries| {
            entries
                .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
                .collect()
        })
        .map_err(|error| Error::file(&folder, error))?;
    found.sort();
    for name in found {
        let root = format!("{}/{name}", project.packages_path);
        let file = project.root.join(&root).join("dbt_project.yml");
        if file.is_file() {
            let (package, warning) = package(project, &root)?;
            packages.push(package);
            warnings.extend(warning);
        }
    }
    Ok((packages, warnings))
}

fn package(project: &ProjectFile, root: &str) -> Result<(Package, Option<String>)> {
    let shown = format!("{root}/dbt_project.yml");
    let file = yaml::read(&project.root.join(&shown), &shown)?;
    let Some(name) = yaml::text(&file.content, "name") else {
        return Err(Diagnostic::new("the package has no `name`")
            .in_file(shown)
            .into());
    };
    let folders = |key: &str, default: &str, below: &str| -> Vec<String> {
        let listed = file.content.get(key).and_then(yaml::texts);
        listed
            .unwrap_or_else(|| vec![default.to_owned()])
            .iter()
            .map(|path| format!("{root}/{}{below}", path.trim_matches('/')))
            .collect()
    };
    let mut macro_folders = folders("macro-paths", "macros", "");
    macro_folders.extend(folders("test-paths", "tests", "/generic"));
    let files = files_in(&project.root, &macro_folders, &["sql"])?
        .into_iter()
        .map(|(_, path)| Ok((path.clone(), read_text(&project.root, &path)?)))
        .collect::<Result<Vec<_>>>()?;
    let models = folders("model-paths", "models", "");
    let has_models = !files_in(&project.root, &models, &["sql"])?.is_empty();
    let warning = has_models.then(|| {
        format!("the package {name} has models of its own, which are not read: only macros and tests of packages are")
    });
    let package = Package {
        name: name.to_owned(),
        files,
    };
    Ok((package, warning))
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
