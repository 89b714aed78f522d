//! Owners of the same partitions at one time: one was taken for dead and does not know it.

use std::collections::BTreeSet;
use std::net::{SocketAddr, TcpListener};
use std::process::{Child, Command};
use std::sync::{Arc, Condvar, Mutex};

use goldrecord_ingestor::Settings;
use goldrecord_testkit::{Kafka, first_sample, require};
use rustix::process::{Pid, Signal, kill_process};

use crate::group::{Group, wait_until};
use crate::world::with_failpoints;

/// Holds the first commits, in the order of their coming, each until it may pass; later ones pass.
#[derive(Default)]
struct Turnstile {
    commits: Mutex<Commits>,
    moved: Condvar,
}

#[derive(Default)]
struct Commits {
    came: usize,
    may: BTreeSet<usize>,
}

/// So many commits are held.
const HELD: usize = 2;

impl Turnstile {
    fn pass(&self) {
        let mut commits = self.commits.lock().expect("no panic");
        let place = commits.came;
        commits.came += 1;
        while place < HELD && !commits.may.contains(&place) {
            commits = self.moved.wait(commits).expect("no panic");
        }
    }

    fn came(&self) -> usize {
        self.commits.lock().expect("no panic").came
    }

    fn let_through(&self, place: usize) {
        self.commits.lock().expect("no panic").may.insert(place);
        self.moved.notify_all();
    }
}

/// Holds the commits of this process; lets all go when the test is over, however it ends.
struct Held(Arc<Turnstile>);

const COMMIT: &str = "ingestor::before-commit";

impl Held {
    fn at(turnstile: &Arc<Turnstile>) -> Self {
        let held = Arc::clone(turnstile);
        fail::cfg_callback(COMMIT, move || held.pass()).expect("a failpoint");
        Self(Arc::clone(turnstile))
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        fail::remove(COMMIT);
        (0..HELD).for_each(|place| self.0.let_through(place));
    }
}

/// Two groups know nothing of each other: both ingestors own every partition, and hold the same records, read under
/// the same offsets, when they come to commit them.
fn commit_in_this_order(first: usize, topic: &str) {
    let Some(kafka) = require(Kafka::shared()) else {
        return;
    };
    let _guard = with_failpoints();
    let turnstile = Arc::<Turnstile>::default();
    let group = Group::new(kafka, topic, 3);
    let in_another_group = Settings {
        group: format!("{topic}_again"),
        ..group.settings.clone()
    };
    group.send(300);
    let _held = Held::at(&turnstile);
    let elder = group.join();
    wait_until("the elder is about to commit", || turnstile.came() == 1);
    // What one has read and the other has not.
    group.send(300);
    let younger = group.join_as(in_another_group);
    wait_until("the younger is about to commit", || turnstile.came() == 2);
    let owners = [elder, younger];
    turnstile.let_through(first);
    wait_until("one has committed", || {
        !owners[first].committed().is_empty()
    });
    turnstile.let_through(1 - first);
    group.wait_for_all();
    group.send(300);
    group.wait_for_all();
    let [elder, younger] = owners.map(|owner| owner.leave().expect("it stops"));
    let late = [&younger, &elder][first];
    assert!(late.topics[topic].abandoned > 0, "the other was too late");
    group.assert_all_once();
}

#[test]
fn the_elder_of_two_owners_commits_first_and_the_younger_reads_on_from_there() {
    commit_in_this_order(0, "elder_first");
}

#[test]
fn the_younger_of_two_owners_commits_first_and_the_elder_drops_what_it_has() {
    commit_in_this_order(1, "younger_first");
}

/// An ingestor that is a process of its own, and flushes when it must give up its partitions.
struct Process {
    child: Child,
    metrics: SocketAddr,
}

impl Process {
    fn join(group: &Group) -> Self {
        let free = TcpListener::bind("127.0.0.1:0").expect("a port");
        let metrics = free.local_addr().expect("its own");
        drop(free);
        let world = &group.world;
        let config = world.folder().join("goldrecord.toml");
        let text = format!(
            "[kafka]\nbootstrap_servers = \"{}\"\ngroup = \"{topic}\"\nsession_timeout = \"6s\"\n\
             [registry]\nurl = \"{}\"\n[lake]\nurl = \"{}\"\n[metrics]\nlisten = \"{metrics}\"\n\
             [ingestor]\ntopics = [\"{topic}\"]\nflush_interval = \"1h\"\n",
            world.servers,
            world.registry_url(),
            world.lake.url(),
            topic = group.topic,
        );
        std::fs::write(&config, text).expect("written");
        let child = Command::new(env!("CARGO_BIN_EXE_goldrecord-ingestor"))
            .arg("--config")
            .arg(config)
            .spawn()
            .expect("it starts");
        Self { child, metrics }
    }

    /// How many records it read, as its metrics say.
    fn received(&self) -> i64 {
        // It does not serve them at once.
        let name = "goldrecord_ingestor_received_records_total";
        first_sample(self.metrics.port(), name).unwrap_or_default() as i64
    }

    fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        kill_process(pid.expect("it has an id"), signal).expect("it is ours");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // One that has ended needs it no more.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A process stands still with records that it read and has not committed, until its partitions are another's. Then the
/// two commit, in this order.
fn stand_still(zombie_first: bool, topic: &str) {
    let Some(kafka) = require(Kafka::shared()) else {
        return;
    };
    let _guard = with_failpoints();
    let group = Group::new(kafka, topic, 3);
    group.send(300);
    let mut zombie = Process::join(&group);
    wait_until("it has read everything", || zombie.received() == 300);
    zombie.signal(Signal::STOP);
    let turnstile = Arc::<Turnstile>::default();
    let _held = Held::at(&turnstile);
    // Only its first commit is held.
    turnstile.let_through(1);
    let heir = group.join();
    wait_until("its heir is about to commit", || turnstile.came() == 1);
    assert_eq!(group.stored(), 0, "nobody has committed");
    if zombie_first {
        zombie.signal(Signal::CONT);
        group.wait_for_all();
        turnstile.let_through(0);
    } else {
        turnstile.let_through(0);
        group.wait_for_all();
        zombie.signal(Signal::CONT);
    }
    group.send(300);
    zombie.signal(Signal::TERM);
    let ended = zombie.child.wait().expect("it is our child");
    assert!(ended.success(), "{ended}");
    group.wait_for_all();
    let heir = heir.leave().expect("it stops");
    if zombie_first {
        assert!(heir.topics[topic].abandoned > 0, "the zombie was first");
    }
    group.assert_all_once();
}

#[test]
fn a_zombie_that_commits_before_its_heir_doubles_nothing() {
    stand_still(true, "zombie_first");
}

#[test]
fn a_zombie_that_commits_after_its_heir_doubles_nothing() {
    stand_still(false, "heir_first");
}
