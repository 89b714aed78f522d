//! `show`: the first rows that nodes' SQL gives.

use arrow::array::RecordBatch;
use arrow::error::ArrowError;
use arrow::json::ArrayWriter;
use arrow::util::pretty::pretty_format_batches;
use goldrecord_lake::Lake;
use serde_json::{Value, json};

use super::arguments::{Cli, Show};
use super::{Exit, configuration, picked, print_out};
use crate::manifest::{Manifest, Node, ResourceType};
use crate::output::{Format, Printer};
use crate::project::INLINE;
use crate::{Error, Result, engine};

/// Print the first rows of the selected nodes, or of the query on the command line.
pub(super) async fn show(
    cli: &Cli,
    printer: &Printer,
    manifest: &Manifest,
    show: &Show,
) -> Result<Exit> {
    let nodes: Vec<&Node> = match &show.inline {
        Some(_) => manifest
            .of_type(ResourceType::Analysis)
            .filter(|node| node.name == INLINE)
            .collect(),
        None if show.pick.select.is_empty() && show.pick.selector.is_none() => {
            return Err(Error::Usage(
                "say what to show: --select NAME or --inline SQL".to_owned(),
            ));
        }
        None => manifest
            .in_order(&picked(printer, manifest, &show.pick, &[])?)
            .into_iter()
            // Tests come with models; they are shown when they are asked for alone.
            .filter(|node| is_shown(node))
            .collect(),
    };
    if nodes.is_empty() {
        printer.warning("No nodes selected!");
        return Ok(Exit::Done);
    }
    let lake = Lake::open(&configuration(&cli.common)?.lake.url)?;
    let limit = usize::try_from(show.limit).ok();
    for node in nodes {
        let rows = engine::show(manifest, &lake, node, limit).await?;
        let inline = show.inline.is_some();
        print_out(&match show.output {
            Format::Text => as_text(node, inline, &rows)?,
            Format::Json => as_json(node, inline, &rows)?,
        })?;
    }
    Ok(Exit::Done)
}

fn is_shown(node: &Node) -> bool {
    matches!(
        node.resource_type,
        ResourceType::Model | ResourceType::Seed | ResourceType::Snapshot | ResourceType::Analysis
    )
}

fn as_text(node: &Node, inline: bool, rows: &[RecordBatch]) -> Result<String> {
    let table = pretty_format_batches(rows).map_err(|error| unprintable(node, error))?;
    Ok(if inline {
        format!("Previewing inline node:\n{table}\n")
    } else {
        format!("Previewing node '{}':\n{table}\n", node.name)
    })
}

fn as_json(node: &Node, inline: bool, rows: &[RecordBatch]) -> Result<String> {
    let mut writer = ArrayWriter::new(Vec::new());
    writer
        .write_batches(&rows.iter().collect::<Vec<_>>())
        .and_then(|()| writer.finish())
        .map_err(|error| unprintable(node, error))?;
    let bytes = writer.into_inner();
    let shown: Value = if bytes.is_empty() {
        json!([])
    } else {
        serde_json::from_slice(&bytes)
            .map_err(|error| unprintable(node, ArrowError::ExternalError(Box::new(error))))?
    };
    let told = if inline {
        json!({"show": shown})
    } else {
        json!({"node": node.name, "show": shown})
    };
    Ok(format!("{told:#}\n"))
}

fn unprintable(node: &Node, error: ArrowError) -> Error {
    Error::engine(format!("print the rows of {}", node.name))(error.into())
}
