//! A run: start everything, break one thing after the other, let it settle, and compare.

use std::path::Path;
use std::time::{Duration, Instant};

use tokio::runtime::Handle;

use crate::error::Result;
use crate::inflict::inflict;
use crate::load::{Load, lock};
use crate::plan::{self, Plan};
use crate::program::Program;
use crate::report::{Done, Report, clock};
use crate::settings::Settings;
use crate::stage::Stage;
use crate::verdict::{rehearse, verdict};
use crate::watch::Offsets;

/// How an ingestor's log tells of a commit that its table refused: another owner of a partition had been there.
const REFUSED: &str = "a commit was refused";
const FENCED: &str = "this member was fenced; a new consumer takes its place";

/// Carries out a run in `dir`. A run that goes wrong leaves the servers' logs there.
pub fn run(settings: &Settings, dir: &Path, runtime: &Handle) -> Result<Report> {
    rehearse(settings)?;
    say(&format!(
        "starting Kafka, HDFS, a Schema Registry and {} ingestors in {}",
        settings.ingestors,
        dir.display()
    ));
    let mut stage = Stage::start(settings, dir, runtime)?;
    let report = play(settings, &mut stage);
    if !report.as_ref().is_ok_and(|report| report.verdict.holds) {
        stage.save_logs(dir);
    }
    report
}

fn play(settings: &Settings, stage: &mut Stage) -> Result<Report> {
    let mut load = stage.load(settings)?;
    let begun = Instant::now();
    let first = stage.ends(settings.partitions)?.into_keys();
    let everywhere: Offsets = first.map(|partition| (partition, 1)).collect();
    let took = stage.reach(&everywhere, "after the start", || load.check())?;
    say(&format!(
        "every partition has a first commit after {:.1} s",
        took.as_secs_f64()
    ));

    let faults = break_things(settings, stage, &mut load, begun)?;

    say("the producer stops; the ingestors read to the end");
    load.stop()?;
    let ends = stage.ends(settings.partitions)?;
    {
        let mut ledger = lock(&stage.ledger);
        for ((topic, partition), end) in &ends {
            ledger.end(topic, *partition, *end);
        }
        ledger.flush(&stage.ledger_path)?;
    }
    stage.reach(&ends, "after the last event", || Ok(()))?;
    let seconds = begun.elapsed().as_secs_f64();
    let mut programs = stage.ingestors.iter_mut().chain(&mut stage.maintenance);
    programs.try_for_each(Program::stop)?;

    say("comparing the ledger with the tables");
    let webhdfs = format!("{}/goldrecord", stage.hdfs.web_url());
    let verdict = verdict(settings, &stage.ledger_path, &webhdfs)?;
    let (acked, maybe) = {
        let ledger = lock(&stage.ledger);
        (ledger.acked_count(), ledger.maybe_count())
    };
    let refused = stage.ingestors.iter().map(|it| it.lines_with(REFUSED));
    let fenced = stage.ingestors.iter().map(|it| it.lines_with(FENCED));
    Ok(Report {
        seed: settings.seed,
        seconds,
        faults,
        acked,
        maybe,
        commits: stage.commits(),
        refused: refused.sum(),
        starts: stage.ingestors.iter().map(Program::starts).sum(),
        fenced: fenced.sum(),
        maintenance: stage.maintenance.is_some(),
        verdict,
    })
}

/// One fault after the other. The next comes once the tables have all that was acknowledged when the last one ended.
fn break_things(
    settings: &Settings,
    stage: &mut Stage,
    load: &mut Load,
    begun: Instant,
) -> Result<Vec<Done>> {
    let plan = Plan::new(
        settings.seed,
        plan::Stage {
            kinds: settings.kinds.clone(),
            ingestors: settings.ingestors,
            session_timeout: settings.session_timeout,
        },
    );
    let until = Duration::from_secs_f64(settings.minutes * 60.0);
    let mut done = Vec::new();
    for (number, fault) in (1..).zip(plan) {
        let at = begun.elapsed();
        if at >= until {
            break;
        }
        say(&format!("{} fault {number}: {fault}", clock(at)));
        inflict(stage, &fault)?;
        let wanted = beyond(stage.stored(), stage.acknowledged());
        let after = format!("after fault {number} ({fault}) of seed {}", settings.seed);
        let recovery = stage.reach(&wanted, &after, || load.check())?;
        say(&format!(
            "{} all caught up after {:.1} s",
            clock(begun.elapsed()),
            recovery.as_secs_f64()
        ));
        done.push(Done {
            kind: fault.kind,
            fault: fault.to_string(),
            at: at.as_secs_f64(),
            recovery: recovery.as_secs_f64(),
        });
    }
    Ok(done)
}

/// Everything acknowledged, and of each partition one record more than the tables have: what a fault stopped must move
/// again before the next one.
fn beyond(stored: Offsets, acknowledged: Offsets) -> Offsets {
    let mut wanted = acknowledged;
    for (partition, next) in stored {
        let end = wanted.entry(partition).or_default();
        *end = (*end).max(next + 1);
    }
    wanted
}

fn say(line: &str) {
    eprintln!("chaos: {line}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_everything_must_still_move() {
        let offsets = |list: [i64; 2]| -> Offsets {
            let all = (0..).zip(list);
            all.map(|(partition, next)| (("t".to_owned(), partition), next))
                .collect()
        };
        assert_eq!(beyond(offsets([5, 5]), offsets([5, 9])), offsets([6, 9]));
    }
}
