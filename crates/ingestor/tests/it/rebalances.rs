//! Members come and go under load, whichever way the group shares out its partitions.

use std::time::Duration;

use goldrecord_testkit::{Kafka, require};
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};

use crate::group::{Group, Member, set, wait_until};
use crate::world::without_failpoints;

const PARTITIONS: i32 = 12;

fn come_and_go(assignor: &str) {
    let Some(kafka) = require(Kafka::shared()) else {
        return;
    };
    let _guard = without_failpoints();
    let mut group = Group::new(kafka, &format!("come_and_go_{assignor}"), PARTITIONS);
    set(
        &mut group.settings,
        "partition.assignment.strategy",
        assignor,
    );
    // Events come all the while.
    let under_load = |what: &str, is_so: &dyn Fn() -> bool| {
        wait_until(what, || {
            group.send(24);
            is_so()
        });
    };
    let joins = |what: &str| {
        let member = group.join();
        under_load(what, &|| !member.committed().is_empty());
        member
    };
    let leaves = |member: Member| {
        member.ask_to_stop();
        under_load("it stops", &|| member.has_ended());
        member.leave().expect("it stops well");
    };
    let first = joins("the first commits");
    let second = joins("the second commits");
    let third = joins("the third commits");
    leaves(second);
    group.wait_for_all();
    let second = joins("the second commits again");
    leaves(first);
    leaves(third);
    group.wait_for_all();
    leaves(second);
    // What came while the last one left.
    let last = group.join();
    group.wait_for_all();
    last.leave().expect("it stops well");
    group.assert_all_once();
}

#[test]
fn members_come_and_go_with_cooperative_sticky() {
    come_and_go("cooperative-sticky");
}

#[test]
fn members_come_and_go_with_range() {
    come_and_go("range");
}

#[test]
fn members_come_and_go_with_roundrobin() {
    come_and_go("roundrobin");
}

/// One member dawdles over giving back what another shall have: until it has, the group is between two assignments.
#[test]
fn what_stays_is_read_on_while_the_group_rebalances() {
    let Some(kafka) = require(Kafka::shared()) else {
        return;
    };
    let _guard = without_failpoints();
    let group = Group::new(kafka, "between_assignments", PARTITIONS);
    let steady = group.join();
    group.send(120);
    group.wait_for_all();
    let client = || -> BaseConsumer {
        let client = ClientConfig::new()
            .set("bootstrap.servers", kafka.bootstrap_servers())
            .set("group.id", &group.topic)
            .set("enable.auto.commit", "false")
            .set("partition.assignment.strategy", "cooperative-sticky")
            .set("heartbeat.interval.ms", "100")
            .create::<BaseConsumer>()
            .expect("a consumer");
        client.subscribe(&[&group.topic]).expect("subscribed");
        client
    };
    let half = PARTITIONS as usize / 2;
    let dawdling = client();
    wait_until("each has half", || {
        dawdling.poll(Duration::from_millis(10));
        dawdling.assignment().expect("known").count() == half
    });
    let before = steady.rebalances("revoked");
    // It is polled no more, and so does not hear what it shall give back.
    let third = client();
    wait_until("the others have given theirs back", || {
        third.poll(Duration::from_millis(10));
        steady.rebalances("revoked") > before
    });
    let state = || {
        let listed = third.fetch_group_list(Some(&group.topic), Duration::from_secs(10));
        let listed = listed.expect("the broker answers");
        listed.groups()[0].state().to_owned()
    };
    wait_until("all but one have joined again", || {
        third.poll(Duration::from_millis(10));
        state() == "PreparingRebalance"
    });
    let at = steady.committed();
    group.send(i64::from(PARTITIONS) * 10);
    wait_until("four partitions are read on", || {
        let now = steady.committed();
        now.iter()
            .filter(|&(partition, next)| at.get(partition) < Some(next))
            .count()
            == 4
    });
    assert_eq!(
        state(),
        "PreparingRebalance",
        "nothing was decided meanwhile"
    );
    drop((dawdling, third));
    group.wait_for_all();
    steady.leave().expect("it stops");
    group.assert_all_once();
}
