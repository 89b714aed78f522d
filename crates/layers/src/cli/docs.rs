//! `docs generate` writes what is known of the project for people; `docs serve` shows it.

use goldrecord_lake::Lake;
use goldrecord_service::Shutdown;
use serde_json::json;
use tokio::net::TcpListener;

use super::arguments::{Cli, GenerateDocs, ServeDocs};
use super::{Exit, configuration, leave};
use crate::artifacts::{
    self, CATALOG, COLUMN_LINEAGE, Invocation, RUN_RESULTS, SOURCES, catalog_json,
};
use crate::docs::{self, LastRun};
use crate::manifest::Manifest;
use crate::output::Printer;
use crate::project::ProjectFile;
use crate::{Error, Result, engine};

/// Write `catalog.json`, `column_lineage.json` and the site.
pub(super) async fn generate(
    cli: &Cli,
    printer: &Printer,
    manifest: &Manifest,
    invocation: &Invocation,
    generate: &GenerateDocs,
) -> Result<Exit> {
    printer.info("Building catalog");
    let catalog = if generate.empty_catalog {
        engine::Catalog::default()
    } else {
        let lake = Lake::open(&configuration(&cli.common)?.lake.url)?;
        engine::catalog(manifest, &lake).await?
    };
    if !catalog.left_out.is_empty() {
        let ids: Vec<&str> = catalog.left_out.keys().map(String::as_str).collect();
        printer.warning(&format!(
            "the docs are without the lineage of {}, which cannot be planned:\n{}",
            ids.join(", "),
            catalog.errors.join("\n\n")
        ));
    }
    let content = catalog_json(manifest, &catalog, invocation);
    leave(printer, manifest, CATALOG, &content);
    let lineage = json!({
        "metadata": content["metadata"],
        "nodes": catalog.lineage,
        "left_out": catalog.left_out,
    });
    leave(printer, manifest, COLUMN_LINEAGE, &lineage);
    let target = manifest.target_folder();
    let last = LastRun {
        results: artifacts::read(&target.join(RUN_RESULTS))?,
        sources: artifacts::read(&target.join(SOURCES))?,
    };
    let data = docs::site_data(manifest, &catalog, &last, &content["metadata"]);
    let folder = target.join(docs::FOLDER);
    docs::write(&folder, &data)?;
    printer.info(&format!(
        "Catalog written to {}",
        target.join(CATALOG).display()
    ));
    printer.info(&format!(
        "Docs written to {}: open it, or run docs serve",
        folder.join("index.html").display()
    ));
    Ok(Exit::Done)
}

/// Serve the site that `docs generate` wrote, until a signal.
pub(super) async fn serve(
    cli: &Cli,
    printer: &Printer,
    project: &ProjectFile,
    serve: &ServeDocs,
) -> Result<Exit> {
    let target = cli.common.target_path.clone();
    let target = target.unwrap_or_else(|| project.target_path.clone().into());
    let folder = project.root.join(target).join(docs::FOLDER);
    if !folder.join("index.html").is_file() {
        return Err(Error::Usage(format!(
            "there is no site in {}: run docs generate first",
            folder.display()
        )));
    }
    let refused = |error| {
        let ServeDocs { host, port } = serve;
        Error::Usage(format!(
            "docs serve cannot listen on {host}:{port}: {error}; choose another --port or --host"
        ))
    };
    let listener = TcpListener::bind((serve.host.as_str(), serve.port))
        .await
        .map_err(refused)?;
    let address = listener.local_addr().map_err(refused)?;
    let shutdown = Shutdown::on_signals().map_err(|error| Error::Usage(error.to_string()))?;
    printer.info(&format!("Serving docs at http://{address}, until Ctrl-C"));
    axum::serve(listener, docs::router(folder))
        .with_graceful_shutdown(async move { shutdown.requested().await })
        .await
        .map_err(refused)?;
    Ok(Exit::Done)
}
