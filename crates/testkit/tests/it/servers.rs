//! Each server starts, can be made to fail, and leaves nothing behind.

use std::process::Command;

use goldrecord_testkit::{
    ClickHouse, Hdfs, HdfsHa, Kafka, Kind, NameNode, SchemaRegistry, fetch, require,
};

use crate::ask;

#[test]
fn kafka_comes_back_on_its_port_after_a_kill() {
    let Some(kafka) = require(Kafka::start()) else {
        return;
    };
    let address = kafka.bootstrap_servers();
    assert!(ask::listens(&address));
    kafka.kill();
    assert!(!ask::listens(&address));
    kafka.restart().expect("it starts again");
    assert_eq!(kafka.bootstrap_servers(), address);
    assert!(ask::listens(&address));
}

#[test]
fn hdfs_takes_files_and_has_them_after_a_restart() {
    let Some(hdfs) = require(Hdfs::start()) else {
        return;
    };
    assert!(ask::listens(&hdfs.url()));
    let status =
        || ask::get(&hdfs.web_url(), "/webhdfs/v1/?op=GETFILESTATUS").expect("WebHDFS answers");
    assert!(status().contains("DIRECTORY"), "{}", status());
    hdfs.restart().expect("it starts again");
    assert!(status().contains("DIRECTORY"), "{}", status());
    let state = || {
        let bean = "/jmx?qry=Hadoop:service=NameNode,name=FSNamesystemState";
        ask::get(&hdfs.web_url(), bean).expect("the NameNode answers")
    };
    hdfs.safe_mode(true).expect("it refuses changes");
    assert!(state().contains("safeMode"), "{}", state());
    hdfs.safe_mode(false).expect("it takes them again");
    assert!(state().contains("Operational"), "{}", state());
    hdfs.kill_namenode();
    assert!(!ask::listens(&hdfs.url()));
    hdfs.kill_datanode();
    hdfs.revive().expect("both start again");
    assert!(status().contains("DIRECTORY"), "{}", status());
}

#[test]
fn a_standby_takes_over_from_a_living_namenode_and_from_a_dead_one() {
    let Some(hdfs) = require(HdfsHa::start()) else {
        return;
    };
    let is_in_state = |namenode, state: &str| {
        let bean = "/jmx?qry=Hadoop:service=NameNode,name=NameNodeStatus";
        let wanted = format!("\"State\" : \"{state}\"");
        ask::eventually(&format!("{namenode:?} is {state}"), || {
            ask::get(&hdfs.web_url(namenode), bean).is_ok_and(|answer| answer.contains(&wanted))
        });
    };
    is_in_state(NameNode::First, "active");
    hdfs.hand_over(NameNode::Second).expect("it hands over");
    is_in_state(NameNode::First, "standby");
    is_in_state(NameNode::Second, "active");
    hdfs.kill(NameNode::Second);
    hdfs.make_active(NameNode::First).expect("it takes over");
    hdfs.revive().expect("it comes back");
    is_in_state(NameNode::First, "active");
    is_in_state(NameNode::Second, "standby");
}

#[test]
fn hdfs_starts_where_the_machine_cannot_resolve_its_own_name() {
    /// Set in the process that has another name.
    const RENAMED: &str = "GOLDRECORD_TESTKIT_RENAMED";
    if std::env::var_os(RENAMED).is_some() {
        Hdfs::start().expect("it needs no name");
        return;
    }
    if require(fetch::installation(Kind::Hdfs)).is_none() {
        return;
    }
    let renamed = |command: &str| {
        let rename = "echo nowhere-to-be-found >/proc/sys/kernel/hostname";
        let mut shell = Command::new("unshare");
        shell.args(["--uts", "sh", "-c", &format!("{rename} && {command}"), "sh"]);
        shell
    };
    if !renamed("true").output().is_ok_and(|o| o.status.success()) {
        eprintln!("skipped: giving this machine another name needs root and unshare");
        return;
    }
    let test = renamed("exec \"$@\"")
        .arg(std::env::current_exe().expect("this program"))
        .args(["--exact", "--nocapture"])
        .arg("servers::hdfs_starts_where_the_machine_cannot_resolve_its_own_name")
        .env(RENAMED, "yes")
        .output()
        .expect("it runs");
    let said = String::from_utf8_lossy(&test.stdout);
    assert!(
        test.status.success() && said.contains("1 passed"),
        "{said}\n{}",
        String::from_utf8_lossy(&test.stderr)
    );
}

#[test]
fn the_registry_answers_the_confluent_api_and_keeps_its_schemas_over_a_kill() {
    let Some(registry) = require(SchemaRegistry::start()) else {
        return;
    };
    let types = ask::get(&registry.url(), "/apis/ccompat/v7/schemas/types").expect("an answer");
    assert!(types.contains("AVRO"), "{types}");
    let versions = "/apis/ccompat/v7/subjects/a-value/versions";
    ask::send(&registry.url(), versions, r#"{"schema": "\"string\""}"#);
    registry.kill();
    registry.restart().expect("it starts again");
    let kept = ask::get(&registry.url(), versions).expect("an answer");
    assert!(kept.ends_with("[1]"), "{kept}");
}

#[test]
fn clickhouse_keeps_its_rows_over_a_kill() {
    let Some(clickhouse) = require(ClickHouse::start()) else {
        return;
    };
    let url = clickhouse.url();
    ask::post(
        &url,
        "CREATE TABLE t (n Int64) ENGINE = MergeTree ORDER BY n",
    );
    ask::post(&url, "INSERT INTO t SELECT number FROM numbers(1000)");
    clickhouse.kill();
    clickhouse.restart().expect("it starts again");
    assert_eq!(ask::post(&url, "SELECT sum(n) FROM t").trim(), "499500");
}

#[test]
fn a_paused_server_holds_connections_and_answers_after_the_pause() {
    let Some(clickhouse) = require(ClickHouse::start()) else {
        return;
    };
    let url = clickhouse.url();
    clickhouse.pause();
    assert!(ask::listens(&url));
    ask::get(&url, "/ping").expect_err("nobody answers");
    clickhouse.resume();
    ask::eventually("it answers again", || {
        ask::get(&url, "/ping").is_ok_and(|answer| answer.contains("Ok."))
    });
}

#[test]
fn a_dropped_server_leaves_neither_process_nor_folder() {
    let Some(clickhouse) = require(ClickHouse::start()) else {
        return;
    };
    let (url, dir) = (clickhouse.url(), clickhouse.dir().to_owned());
    assert!(dir.is_dir());
    drop(clickhouse);
    assert!(!ask::listens(&url));
    assert!(!dir.exists());
}

#[test]
fn two_servers_of_a_kind_run_side_by_side_and_one_is_shared() {
    let Some(one) = require(ClickHouse::shared()) else {
        return;
    };
    let other = ClickHouse::start().expect("a second one");
    assert_ne!(one.url(), other.url());
    assert_eq!(one.url(), ClickHouse::shared().expect("the same").url());
}
