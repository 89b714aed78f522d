//! `debug`: whether the project, its profile and the lake are found.

use std::path::Path;

use goldrecord_lake::Lake;

use super::arguments::Cli;
use super::{Exit, configuration};
use crate::output::Printer;
use crate::project::{Options, ProjectFile, Target};
use crate::{Error, Result};

/// Check one thing after the other and say how each is; those that need a missing one are left out.
pub(super) async fn debug(
    cli: &Cli,
    printer: &Printer,
    root: Result<std::path::PathBuf>,
    options: &Options,
) -> Result<Exit> {
    let mut failed = 0;
    let mut check = |name: &str, checked: Result<String>| match checked {
        Ok(text) => printer.info(&format!("{name}: {text} [OK]")),
        Err(error) => {
            failed += 1;
            printer.error(&format!("{name}: [ERROR]\n{error}"));
        }
    };
    printer.info(&format!("os info: {}", std::env::consts::OS));
    let project = root.and_then(|root| ProjectFile::read(&root, options));
    let target = project
        .as_ref()
        .ok()
        .map(|project| Target::read(project, options));
    check(
        "dbt_project.yml file",
        project.map(|project| shown(&project.root)),
    );
    if let Some(target) = target {
        let shown =
            target.map(|target| format!("target {}, schema {}", target.name, target.schema));
        check("profiles.yml file", shown);
    }
    match configuration(&cli.common) {
        Ok(config) => check("Connection test", connection(&config.lake.url).await),
        Err(error) => check("goldrecord.toml file", Err(error)),
    }
    if failed > 0 {
        printer.error(&format!("{failed} checks failed"));
        return Ok(Exit::Failed);
    }
    printer.info("All checks passed!");
    Ok(Exit::Done)
}

/// The lake answers, whether anything is in it or not.
async fn connection(url: &str) -> Result<String> {
    let tables = Lake::open(url)?.tables().await.map_err(Error::from)?;
    Ok(format!("{url}, {} tables", tables.len()))
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}
