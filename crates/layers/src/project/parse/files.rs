//! Which files say what: properties in YAML, macros, and the names that paths give.

use std::path::Path;
use std::sync::Arc;

use crate::project::yaml::{self, File};
use crate::project::{ProjectFile, files_in, read_text};
use crate::{Error, Result};

/// Every properties file, with its path below its resource folder.
pub(super) fn property_files(project: &ProjectFile) -> Result<Vec<(String, Arc<File>)>> {
    let folders: Vec<String> = [
        &project.model_paths,
        &project.seed_paths,
        &project.test_paths,
        &project.macro_paths,
        &project.analysis_paths,
        &project.snapshot_paths,
    ]
    .into_iter()
    .flatten()
    .cloned()
    .collect();
    let mut files = Vec::new();
    let mut errors = Vec::new();
    for (folder, path) in files_in(&project.root, &folders, &["yml", "yaml"])? {
        match yaml::read(&project.root.join(&path), &path) {
            Ok(file) => files.push((below(&folder, &path), Arc::new(file))),
            Err(error) => errors.push(error),
        }
    }
    Error::collected(errors)?;
    Ok(files)
}

/// Files that define macros: the macro paths, and `generic/` of the test paths.
pub(super) fn macro_files(project: &ProjectFile) -> Result<Vec<(String, String)>> {
    let mut folders = project.macro_paths.clone();
    folders.extend(
        project
            .test_paths
            .iter()
            .map(|path| format!("{path}/generic")),
    );
    files_in(&project.root, &folders, &["sql"])?
        .into_iter()
        .map(|(_, path)| Ok((path.clone(), read_text(&project.root, &path)?)))
        .collect()
}

/// A path below its resource folder.
pub(super) fn below(folder: &str, path: &str) -> String {
    path.strip_prefix(folder)
        .unwrap_or(path)
        .trim_start_matches('/')
        .to_owned()
}

/// A file's name without its extension: the name of its node.
pub(super) fn stem(path: &str) -> String {
    Path::new(path)
        .file_stem()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}
