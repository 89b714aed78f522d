//! The servers that stay.

use std::collections::BTreeMap;
use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::atomic::{AtomicU16, Ordering};

use goldrecord_testkit::stack::{Stack, State};
use goldrecord_testkit::{Kind, fetch, require};

use crate::ask;

const ONE: &[Kind] = &[Kind::ClickHouse];

struct Place {
    stack: Stack,
    port: u16,
    _dir: tempfile::TempDir,
}

impl Place {
    /// A stack of its own, or nothing where ClickHouse cannot be had.
    fn new() -> Option<Self> {
        require(fetch::installation(Kind::ClickHouse))?;
        let dir = tempfile::tempdir().expect("a folder");
        let stack = Stack::open(Some(dir.path().to_owned())).expect("a stack");
        Some(Self {
            stack,
            port: two_ports(),
            _dir: dir,
        })
    }

    fn ports(&self) -> BTreeMap<Kind, u16> {
        BTreeMap::from([(Kind::ClickHouse, self.port)])
    }

    fn state(&self) -> State {
        let status = self.stack.status().expect("a status");
        status
            .into_iter()
            .find(|s| s.server == Kind::ClickHouse)
            .expect("all are listed")
            .state
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.stack.down(ONE, true).expect("the stack stops");
    }
}

/// The first of two neighbouring free ports: above those of the other tests' servers and below those that the
/// kernel gives to outgoing connections, so that they are still free while the stack is down.
fn two_ports() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let free = |port: u16| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok();
    loop {
        let first = 30_000
            + (std::process::id() % 500) as u16 * 4
            + NEXT.fetch_add(2, Ordering::Relaxed) % 600;
        if free(first) && free(first + 1) {
            return first;
        }
    }
}

#[test]
fn a_stack_goes_up_and_down_and_its_data_stay() {
    let Some(place) = Place::new() else { return };
    assert_eq!(place.state(), State::Down);
    let (started, configuration) = place.stack.up(ONE, &place.ports()).expect("it goes up");
    let url = started[0].address.clone();
    assert!(started[0].took.is_some());
    assert_eq!(place.state(), State::Up);
    let configuration = fs::read_to_string(configuration).expect("written");
    assert!(
        configuration.contains(&format!("[clickhouse]\nurl = \"{url}\"")),
        "{configuration}"
    );
    assert!(!configuration.contains("[kafka]"), "{configuration}");

    let (again, _) = place.stack.up(ONE, &place.ports()).expect("it is up");
    assert!(again[0].took.is_none());

    ask::post(
        &url,
        "CREATE TABLE t (n Int64) ENGINE = MergeTree ORDER BY n",
    );
    assert_eq!(place.stack.down(ONE, false).expect("it goes down"), ONE);
    assert_eq!(place.state(), State::Down);
    assert!(!ask::listens(&url));
    place
        .stack
        .up(ONE, &place.ports())
        .expect("it goes up again");
    assert_eq!(ask::post(&url, "SELECT count() FROM t").trim(), "0");
}

#[test]
fn a_port_that_is_taken_is_named_with_its_holder() {
    let Some(place) = Place::new() else { return };
    let _holder = TcpListener::bind((Ipv4Addr::LOCALHOST, place.port)).expect("free a moment ago");
    let error = place
        .stack
        .up(ONE, &place.ports())
        .expect_err("the port is taken")
        .to_string();
    assert!(error.contains(&place.port.to_string()), "{error}");
    assert!(
        error.contains(&format!("process {}", std::process::id())),
        "{error}"
    );
    assert!(error.contains("--clickhouse-port"), "{error}");
    assert_eq!(place.state(), State::Down);
}

#[test]
fn a_process_that_has_the_number_of_ours_is_left_alone() {
    let Some(place) = Place::new() else { return };
    let mut stranger = std::process::Command::new("sleep")
        .arg("600")
        .spawn()
        .expect("sleep runs");
    // As the stack would have written it, for a process that began at another time.
    let record = format!(
        r#"{{"port":{},"processes":[{{"pid":{},"start":1,"boot":"another"}}]}}"#,
        place.port,
        stranger.id()
    );
    fs::create_dir_all(place.stack.dir()).expect("a folder");
    fs::write(place.stack.dir().join("clickhouse.json"), record).expect("written");
    assert_eq!(place.state(), State::Down);
    assert!(
        place
            .stack
            .down(ONE, false)
            .expect("nothing to stop")
            .is_empty()
    );
    assert!(
        stranger.try_wait().expect("known").is_none(),
        "a stranger was ended"
    );
    stranger.kill().expect("ours to end");
    stranger.wait().expect("ended");
}
