//! The simulation, the replay, the sinks and the program as their users see them.

mod kafka;
mod program;
mod replaying;
mod simulation;

use std::path::PathBuf;

/// A file of the data that others made, or None (and a word on stderr) where it is absent.
fn shared_data(name: &str) -> Option<PathBuf> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../../../shared/data")
        .join(name);
    if !path.is_file() {
        eprintln!("skipped: {} is not there", path.display());
        return None;
    }
    Some(path)
}
