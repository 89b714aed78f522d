//! Named members of the group (`kafka.instance`): restarted, taken for dead, and two of one name.

use std::time::{Duration, Instant};

use goldrecord_ingestor::{Error, Settings};
use goldrecord_testkit::{Kafka, require};
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};

use crate::group::{Group, Member, SESSION, set, wait_until};
use crate::world::without_failpoints;

fn named(group: &Group, name: &str) -> Settings {
    let mut settings = group.settings.clone();
    set(&mut settings, "group.instance.id", name);
    settings
}

/// The broker dies while offsets are due, and is away until the members have lost their sessions.
#[test]
fn members_that_lost_their_session_go_on_under_their_names() {
    let Some(kafka) = require(Kafka::start()) else {
        return;
    };
    let _guard = without_failpoints();
    let mut group = Group::new(&kafka, "lost_sessions", 6);
    group.settings.flush.interval = Duration::from_secs(2);
    let members = ["one", "two", "three"].map(|name| group.join_as(named(&group, name)));
    group.send(600);
    group.wait_for_all();
    wait_until("the partitions are shared out", || {
        members
            .iter()
            .all(|member| member.rebalances("assigned") > 0)
    });

    let read = |members: &[Member]| members.iter().map(Member::received).sum::<i64>();
    let before = read(&members);
    group.send(600);
    wait_until("the records are read", || read(&members) >= before + 600);
    kafka.kill();
    group.wait_for_all();
    let lost = members
        .each_ref()
        .map(|member| member.rebalances("revoked"));
    wait_until("every session is lost", || {
        let now = members.iter().map(|member| member.rebalances("revoked"));
        now.zip(lost).all(|(now, before)| now > before)
    });
    kafka.restart().expect("it comes back");
    group.send(600);
    group.wait_for_all();
    for member in members {
        member.leave().expect("it was well to the end");
    }
    group.assert_all_once();
}

/// A member joins under this one's name and is gone at once, as this one's own first life is after a mix-up: the offsets
/// that are written next are refused.
#[test]
fn a_name_that_nobody_alive_has_is_taken_back() {
    /// A heartbeat, one in five seconds, may be refused before offsets are, which come by the dozen in each.
    const TRIES: u32 = 5;
    let Some(kafka) = require(Kafka::shared()) else {
        return;
    };
    let _guard = without_failpoints();
    let mut group = Group::new(kafka, "ghosts", 2);
    group.settings.flush.interval = Duration::from_millis(20);
    set(&mut group.settings, "heartbeat.interval.ms", "5000");
    let settings = named(&group, "haunted");
    for _ in 0..TRIES {
        let member = group.join_as(settings.clone());
        // One that is younger cannot have lost its session, and holds a stranger responsible.
        let begun = Instant::now();
        wait_until("it is as old as a session", || {
            group.send(2);
            begun.elapsed() > SESSION + Duration::from_secs(1) && !member.committed().is_empty()
        });
        join_and_vanish(kafka, &group, "haunted");
        wait_until("it is fenced", || {
            group.send(2);
            member.rebalances("fenced") > 0 || member.has_ended()
        });
        if member.has_ended() {
            let said = member.leave().expect_err("it was fenced");
            assert!(matches!(said, Error::InstanceTaken { .. }), "{said}");
            continue;
        }
        group.send(100);
        group.wait_for_all();
        member.leave().expect("it goes on under its name");
        group.assert_all_once();
        return;
    }
    panic!("{TRIES} members were fenced, and none went on");
}

fn join_and_vanish(kafka: &Kafka, group: &Group, name: &str) {
    let client: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", kafka.bootstrap_servers())
        .set("group.id", &group.topic)
        .set("group.instance.id", name)
        .set("enable.auto.commit", "false")
        .set("partition.assignment.strategy", "cooperative-sticky")
        .create()
        .expect("a consumer");
    client.subscribe(&[&group.topic]).expect("subscribed");
    wait_until("it is a member", || {
        client.poll(Duration::from_millis(10));
        client.assignment().expect("known").count() > 0
    });
}

#[test]
fn of_two_processes_with_one_name_one_ends_and_says_so() {
    let Some(kafka) = require(Kafka::shared()) else {
        return;
    };
    let _guard = without_failpoints();
    let group = Group::new(kafka, "one_name", 3);
    let first = group.join_as(named(&group, "ingestor-7"));
    group.send(300);
    group.wait_for_all();
    let second = group.join_as(named(&group, "ingestor-7"));
    // Under load, so that offsets are written as often as heartbeats.
    wait_until("one of them ends", || {
        group.send(30);
        first.has_ended() || second.has_ended()
    });
    let (ended, other) = if first.has_ended() {
        (first, second)
    } else {
        (second, first)
    };
    let said = ended.leave().expect_err("another has its name");
    assert!(
        matches!(&said, Error::InstanceTaken { instance, group: of, host }
            if instance == "ingestor-7" && of == "one_name" && host == "127.0.0.1"),
        "{said}"
    );
    assert!(said.to_string().contains("kafka.instance"), "{said}");
    group.send(300);
    group.wait_for_all();
    other.leave().expect("it has the name to itself");
    group.assert_all_once();
}

#[test]
fn a_named_member_that_restarts_moves_no_partition() {
    let Some(kafka) = require(Kafka::shared()) else {
        return;
    };
    let _guard = without_failpoints();
    let group = Group::new(kafka, "restarts", 4);
    let steady = group.join_as(named(&group, "steady"));
    let share = || {
        group.send(40);
        group.wait_for_all();
    };
    wait_until("one has all", || {
        share();
        steady.committed().len() == 4
    });
    let restarted = group.join_as(named(&group, "restarted"));
    wait_until("the other has half", || {
        share();
        restarted.committed().len() == 2
    });
    let before = steady.rebalances("assigned");
    restarted.leave().expect("it stops");
    let restarted = group.join_as(named(&group, "restarted"));
    wait_until("it goes on where it was", || {
        share();
        restarted.committed().len() == 2
    });
    assert_eq!(steady.rebalances("assigned"), before, "nobody heard of it");
    for member in [steady, restarted] {
        member.leave().expect("it stops");
    }
    group.assert_all_once();
}
