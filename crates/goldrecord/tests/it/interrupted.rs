//! Demos that are killed or stopped on their way, and the next run.

use std::path::Path;
use std::process::Child;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::world::{
    LONG, SMALL, demo, ended, goldrecord, has_version, rows, signal, start_demo, text, until,
};

const BUILT: &str = "select table_schema from information_schema.tables \
    where table_schema in ('silver', 'gold')";

/// Whether the first events are in. The versions before are the table's making and where its partitions begin; how
/// many follow depends on how fast the events come.
fn is_ingesting(dir: &Path) -> bool {
    has_version(dir, "bronze/listen_events", 2)
}

/// Whether a moment of a demo in a folder has come.
type Moment = fn(&Path) -> bool;

fn is_building(dir: &Path) -> bool {
    has_version(dir, "silver/dim_dates", 0)
}

fn killed(mut child: Child) {
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn an_ingest_that_was_killed_starts_again_from_an_empty_bronze() {
    let dir = TempDir::new().unwrap();
    let mut child = start_demo(dir.path(), &LONG);
    until(&mut child, || is_ingesting(dir.path()));
    killed(child);
    assert_eq!(rows(dir.path(), BUILT).len(), 0, "nothing is published");
    let ran = demo(dir.path(), &LONG);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(
        ran.err.contains("starting again from an empty bronze"),
        "{}",
        ran.err
    );
    goldrecord(&["verify", "--dir", text(dir.path())]).ok();
}

#[test]
fn a_build_that_was_killed_goes_on_and_readers_never_saw_half_of_it() {
    let dir = TempDir::new().unwrap();
    let mut child = start_demo(dir.path(), &SMALL);
    until(&mut child, || is_building(dir.path()));
    killed(child);
    assert_eq!(rows(dir.path(), BUILT).len(), 0, "half a build is visible");
    let verdict = goldrecord(&["verify", "--dir", text(dir.path())]);
    assert_eq!(verdict.code, Some(1));
    assert!(
        verdict.out.contains("no build is published yet"),
        "{}",
        verdict.out
    );
    let ran = demo(dir.path(), &SMALL);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(
        ran.err.contains("bronze holds these 5,000 events already"),
        "{}",
        ran.err
    );
    assert!(!rows(dir.path(), BUILT).is_empty());
}

#[test]
fn ctrl_c_at_any_moment_ends_within_seconds_and_the_next_run_works() {
    let moments: [(&str, Moment); 3] = [
        ("at once", |dir| dir.join(".lock").exists()),
        ("on the way to bronze", is_ingesting),
        ("in the build", is_building),
    ];
    for (when, has_come) in moments {
        // A folder each: what one run finished before it heard of the end, the next would not begin.
        let dir = TempDir::new().unwrap();
        let mut child = start_demo(dir.path(), &SMALL);
        until(&mut child, || has_come(dir.path()));
        signal(&child, "INT");
        let asked = Instant::now();
        let ran = ended(child);
        assert!(
            asked.elapsed() < Duration::from_secs(10),
            "{when}: {:?}",
            asked.elapsed()
        );
        assert_eq!(ran.code, Some(1), "{when}: {ran:?}");
        assert!(
            ran.err.contains("stopped on request"),
            "{when}: {}",
            ran.err
        );
        assert!(
            ran.err.contains("run the same command again"),
            "{when}: {}",
            ran.err
        );
        if is_building(dir.path()) {
            assert_eq!(rows(dir.path(), BUILT).len(), 0, "{when}");
        }
        demo(dir.path(), &SMALL).ok();
    }
}
