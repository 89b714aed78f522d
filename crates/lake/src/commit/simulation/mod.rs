//! The commit loop among crashes, lost answers and rivals.
//!
//! A seed decides everything: which writer moves next, which step fails and how, who dies, which rename takes place
//! long after its answer. Writers append, replace and compact, and drive the real machine against a simulated log, from
//! which maintenance removes what is old. When all is over, the log is held against what each writer was told, and the
//! rows of every version against those that came and went.
//!
//! `GOLDRECORD_SEED=n` runs one seed, `GOLDRECORD_SEEDS=n` as many from 0 on.

mod disk;
mod judge;
mod world;

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

use world::World;

use crate::commit::machine::Verdict;

const TABLE: &str = "t";
const SEEDS: u64 = 10_000;
/// How many turns a world has before its writers stop proposing.
const TURNS: u32 = 300;

#[test]
fn whatever_fails_every_proposal_is_committed_once_or_not_at_all() {
    let number = |name: &str| {
        std::env::var(name)
            .ok()
            .and_then(|text| text.parse::<u64>().ok())
    };
    let seeds = match number("GOLDRECORD_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("GOLDRECORD_SEEDS").unwrap_or(SEEDS),
    };
    let (begun, count) = (Instant::now(), seeds.end - seeds.start);
    let (mut commits, mut removed, mut kinds) = (0, 0, BTreeMap::new());
    for seed in seeds {
        let run = catch_unwind(AssertUnwindSafe(|| {
            let mut world = World::new(seed);
            world.run();
            world.judge();
            world
        }));
        let world =
            run.unwrap_or_else(|_| panic!("seed {seed} fails: GOLDRECORD_SEED={seed} repeats it"));
        commits += world.disk.newest();
        removed += world.disk.removed();
        for told in world.told.values() {
            let kind = match &told.verdict {
                Some(Verdict::Committed { .. }) => "committed",
                Some(Verdict::Refused(_)) => "refused",
                Some(Verdict::Failed) => "failed",
                Some(Verdict::Unknown { .. }) => "unknown",
                None => "dead",
            };
            *kinds.entry(kind).or_insert(0u64) += 1;
        }
    }
    let rate = count as f64 / begun.elapsed().as_secs_f64();
    eprintln!(
        "{count} seeds, {rate:.0} a second, {commits} commits, {removed} of them removed in time; writers were told {kinds:?}"
    );
    assert!(
        count == 1 || (kinds.len() == 5 && removed > 0),
        "every ending was seen"
    );
}
