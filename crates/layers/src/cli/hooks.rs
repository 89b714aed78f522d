//! The hooks of a build, with their lines.

use std::collections::BTreeSet;
use std::time::Instant;

use crate::Result;
use crate::hooks::{Moment, Operation, Prepared};
use crate::manifest::Manifest;
use crate::output::Printer;
use crate::reporter::NodeResult;

/// Judge all hooks before anything is written, and say what is left out.
pub(super) fn prepare(
    printer: &Printer,
    manifest: &Manifest,
    selected: &BTreeSet<String>,
) -> Result<Prepared> {
    let prepared = manifest.hooks.prepare(manifest, selected)?;
    for warning in &prepared.warnings {
        printer.warning(warning);
    }
    Ok(prepared)
}

/// Run the operations of one moment; whether all went well. The first that does not ends them.
pub(super) fn run(
    printer: &Printer,
    manifest: &Manifest,
    moment: Moment,
    ended: Option<&[NodeResult]>,
) -> bool {
    let operations: Vec<&Operation> = manifest
        .hooks
        .operations
        .iter()
        .filter(|operation| operation.moment == moment)
        .collect();
    let total = operations.len();
    if total > 0 {
        printer.info("");
    }
    for (at, operation) in operations.into_iter().enumerate() {
        printer.hook_started(at + 1, total, operation);
        let clock = Instant::now();
        let done = manifest.hooks.run(manifest, operation, ended);
        printer.hook_finished(at + 1, total, operation, done.is_ok(), clock.elapsed());
        if let Err(error) = done {
            printer.error(&format!("{} failed: {error}", operation.title()));
            return false;
        }
    }
    true
}
