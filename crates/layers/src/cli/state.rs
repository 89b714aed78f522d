//! `state`: what the lake knows of a model.

use goldrecord_lake::Lake;

use super::arguments::Cli;
use super::{Exit, configuration, print_out};
use crate::diagnostics::Diagnostic;
use crate::manifest::Manifest;
use crate::{Result, engine};

/// Print which way each of the models is brought up to date, and why.
pub(super) async fn explain(cli: &Cli, manifest: &Manifest, models: &[String]) -> Result<Exit> {
    let lake = Lake::open(&configuration(&cli.common)?.lake.url)?;
    let built = || manifest.nodes.values().filter(|node| node.is_built());
    for model in models {
        let Some(node) = built().find(|node| node.name == *model || node.display_name() == *model)
        else {
            let diagnostic = Diagnostic::new(format!("there is no model or seed `{model}`"));
            let known = built().map(|node| node.name.as_str());
            return Err(diagnostic.nearest(model, known).into());
        };
        let explanation = engine::explain(manifest, &lake, node).await?;
        print_out(&format!("{explanation}\n"))?;
    }
    Ok(Exit::Done)
}
