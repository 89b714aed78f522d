//! `compile`: the SQL of the selected nodes, as files and on the screen.

use std::fmt::Write as _;
use std::path::Path;

use super::arguments::Compile;
use super::{Exit, picked, print_out};
use crate::manifest::{Manifest, ResourceType};
use crate::output::Printer;
use crate::project::INLINE;
use crate::{Error, Result};

/// Write the compiled SQL below the target folder; print that of nodes named by `--select`.
pub(super) fn compile(printer: &Printer, manifest: &Manifest, compile: &Compile) -> Result<Exit> {
    let pick = &compile.pick;
    if compile.inline.is_some() {
        let inline = manifest.nodes.values().find(|node| node.name == INLINE);
        let sql = inline.and_then(|node| node.compiled_code.as_deref());
        let sql = sql.unwrap_or_default().trim();
        print_out(&format!("Compiled inline node is:\n{sql}\n"))?;
        return Ok(Exit::Done);
    }
    let selected = picked(printer, manifest, pick, &[])?;
    let mut written = 0;
    let mut text = String::new();
    for node in selected.iter().filter_map(|id| manifest.node(id)) {
        let Some(sql) = &node.compiled_code else {
            continue;
        };
        // A generic test's file lies below its YAML file's name, as dbt puts it.
        let file = Path::new(node.file_in_package());
        let below = match file.extension().and_then(|extension| extension.to_str()) {
            Some("yml" | "yaml") if node.unit_test.is_some() => {
                file.join(format!("{}.sql", node.name))
            }
            Some("yml" | "yaml") => file.join(&node.path),
            _ => file.to_owned(),
        };
        let path = manifest
            .target_folder()
            .join("compiled")
            .join(&node.package)
            .join(below);
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(|error| Error::file(folder, error))?;
        }
        std::fs::write(&path, sql).map_err(|error| Error::file(path, error))?;
        written += 1;
        if !pick.select.is_empty()
            && !matches!(
                node.resource_type,
                ResourceType::Test | ResourceType::UnitTest
            )
        {
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
