//! A NameNode that dies in the middle of a commit, and its standby.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use goldrecord_ingestor::{Ingestor, Silent, TopicSettings, Until};
use goldrecord_lake::Lake;
use goldrecord_registry::SchemaType;
use goldrecord_service::Shutdown;
use goldrecord_testkit::{HdfsHa, NameNode, require};

use crate::world::{JUNE, SMALL, World, framed, small, with_failpoints};

const PARTITIONS: i32 = 2;
const PATIENCE: Duration = Duration::from_secs(90);

#[test]
fn a_commit_in_which_the_namenode_dies_is_made_once_by_its_standby() {
    let Some(hdfs) = require(HdfsHa::start()) else {
        return;
    };
    let hdfs = Arc::new(hdfs);
    let _guard = with_failpoints();
    let mut world = World::new(&[("t", PARTITIONS)]);
    world.lake = Lake::open(&format!("{}/lake", hdfs.url())).expect("a lake");
    let id = world.register("t", SchemaType::Avro, SMALL);
    send(&world, id, 0..500);

    // The Parquet files and the commit's own file are written; the name that makes it a commit is not taken yet.
    let (dying, commits) = (Arc::clone(&hdfs), AtomicU32::new(0));
    let (died, dead) = mpsc::channel();
    fail::cfg_callback("lake::commit::before_rename", move || {
        if commits.fetch_add(1, Ordering::SeqCst) == 1 {
            dying.kill(NameNode::First);
            // Nobody listens after a failed test.
            let _ = died.send(());
        }
    })
    .expect("a failpoint");
    let settings = world.settings(&[("t", TopicSettings::default())]);
    let (done, shutdown) = (Arc::new(AtomicBool::new(false)), Shutdown::new());
    let until = {
        let done = Arc::clone(&done);
        Until::Drained(Arc::new(move || done.load(Ordering::SeqCst)))
    };
    std::thread::scope(|scope| {
        let ingestor = Ingestor::new(settings, world.lake.clone(), world.registry.clone());
        let run = scope.spawn(|| ingestor.run(world.runtime.handle(), until, &shutdown, &Silent));
        // Without the feature `failpoints` of the lake, which `./dev test` switches on, nothing dies.
        let died = dead.recv_timeout(PATIENCE).is_ok();
        if died {
            send(&world, id, 500..1_000);
            hdfs.make_active(NameNode::Second)
                .expect("the standby takes over");
        }
        done.store(true, Ordering::SeqCst);
        let begun = Instant::now();
        while !run.is_finished() {
            if begun.elapsed() > PATIENCE {
                shutdown.request();
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        run.join().expect("no panic").expect("it goes on");
        assert!(died, "there was no commit in which to die");
    });
    fail::remove("lake::commit::before_rename");
    assert_eq!(world.audit("t"), 1_000);
}

fn send(world: &World, id: u32, numbers: std::ops::Range<i64>) {
    for number in numbers {
        let value = framed(id, &small(JUNE + number, Some(number), "x"));
        world.produce("t", (number % i64::from(PARTITIONS)) as i32, Some(&value));
    }
    world.acknowledged();
}
