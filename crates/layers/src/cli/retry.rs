//! `retry`: what failed or was skipped in the last build, once more.

use super::Exit;
use super::arguments::{Cli, Retry};
use super::build::{self, Again, Flags, Kind};
use crate::artifacts::{Invocation, Previous, RUN_RESULTS};
use crate::manifest::Manifest;
use crate::output::Printer;
use crate::{Error, Result};

/// Run the nodes that did not end well.
pub(super) async fn retry(
    cli: &Cli,
    printer: &Printer,
    manifest: &Manifest,
    invocation: &Invocation,
    retry: &Retry,
) -> Result<Exit> {
    let folder = retry
        .state
        .clone()
        .unwrap_or_else(|| manifest.target_folder());
    let previous = Previous::read(&folder)?;
    let kind = Kind::ALL
        .into_iter()
        .find(|kind| previous.command() == Some(kind.name()))
        .ok_or_else(|| {
            Error::Usage(format!(
                "there is no {RUN_RESULTS} of a build in {}: there is nothing to run once more",
                folder.display()
            ))
        })?;
    let selected = previous
        .failed()
        .filter(|unique_id| manifest.node(unique_id).is_some())
        .map(str::to_owned)
        .collect();
    let flags = Flags {
        full_refresh: retry.full_refresh,
        fail_fast: retry.fail_fast,
        empty: false,
        event_time: previous.event_time(),
        again: Again {
            now: previous.started(),
            batches: previous.batches().clone(),
        },
    };
    build::these(cli, printer, manifest, invocation, kind, selected, flags).await
}
