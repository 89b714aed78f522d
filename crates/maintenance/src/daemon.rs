//! Round after round, until somebody asks to stop.

use std::time::Duration;

use goldrecord_service::notify;
use tokio::time::MissedTickBehavior;

use crate::error::Result;
use crate::report::Report;
use crate::round::Upkeep;

/// How often a waiting daemon says that it is alive.
const BEAT: Duration = Duration::from_secs(5);
/// How soon a round is tried again that could not even begin.
const RETRY: Duration = Duration::from_secs(30);

/// Runs rounds until the shutdown is requested; `observe` sees each report.
pub async fn run(mut upkeep: Upkeep, mut observe: impl FnMut(&Report)) -> Result<()> {
    notify::ready();
    while !upkeep.shutdown().is_requested() {
        let interval = upkeep.settings().interval;
        let wait = match upkeep.round().await {
            Ok(report) => {
                tell(&report);
                observe(&report);
                interval
            }
            Err(error) if error.is_unavailable() => {
                tracing::warn!(%error, "the lake is away; trying again");
                notify::status(&format!("waiting for the lake: {error}"));
                interval.min(RETRY)
            }
            Err(error) => return Err(error),
        };
        rest(&upkeep, wait).await;
    }
    notify::stopping();
    Ok(())
}

/// One line a round, for the log and for `systemctl status`.
fn tell(report: &Report) {
    let (compacted, days, commits, files) = report.totals();
    tracing::info!(
        tables = report.tables.len(),
        compacted,
        days,
        commits,
        files,
        seconds = report.seconds,
        "round done"
    );
    notify::status(&match report.failure() {
        None => format!(
            "{} tables in shape, {compacted} files compacted, {files} removed",
            report.tables.len()
        ),
        Some(failure) => format!("failed at {failure}"),
    });
}

async fn rest(upkeep: &Upkeep, wait: Duration) {
    let turns = async {
        let mut beats = tokio::time::interval(BEAT);
        beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            beats.tick().await;
            notify::turned();
        }
    };
    tokio::select! {
        () = upkeep.shutdown().requested() => {}
        () = tokio::time::sleep(wait) => {}
        () = turns => {}
    }
}
