//! The same way through real Kafka, HDFS, Schema Registry and `ClickHouse`.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;

use goldrecord_testkit::{ClickHouse, Hdfs, Kafka, SchemaRegistry, require};
use tempfile::TempDir;

use crate::world::{SMALL, demo, done, goldrecord, rows, text, versions};

/// Ask `ClickHouse` over HTTP; the answer's text.
fn ask(clickhouse: &ClickHouse, query: &str) -> String {
    let url = clickhouse.url();
    let address = url.strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(address).unwrap();
    let length = query.len();
    write!(
        stream,
        "POST / HTTP/1.0\r\nContent-Length: {length}\r\n\r\n{query}"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.contains("200 OK"), "{answer}");
    body.trim().to_owned()
}

#[test]
fn a_demo_through_real_servers_verifies_loads_gold_and_a_second_one_changes_nothing() {
    let Some(kafka) = require(Kafka::shared()) else {
        return;
    };
    let Some(hdfs) = require(Hdfs::shared()) else {
        return;
    };
    let Some(registry) = require(SchemaRegistry::shared()) else {
        return;
    };
    let Some(clickhouse) = require(ClickHouse::shared()) else {
        return;
    };
    let dir = TempDir::new().unwrap();
    let config = dir.path().join("servers.toml");
    let lines = format!(
        "[kafka]\nbootstrap_servers = {:?}\ngroup = \"demo\"\n[registry]\nurl = {:?}\n\
         [lake]\nurl = \"{}/lake\"\n[clickhouse]\nurl = {:?}\ndatabase = \"gold\"\nuser = \"default\"\n",
        kafka.bootstrap_servers(),
        registry.url(),
        hdfs.url(),
        clickhouse.url()
    );
    fs::write(&config, lines).unwrap();
    let place = dir.path().join("demo");
    let through_servers = [&SMALL[..], &["--servers", "--config", text(&config)]].concat();
    demo(&place, &through_servers).ok();
    goldrecord(&["verify", "--dir", text(&place)]).ok();

    let sums =
        "select sum(listens) as listens, sum(listeners) as listeners from gold.listening_hourly";
    let held = &rows(&place, sums)[0];
    assert_eq!(
        held,
        &rows(done(), sums)[0],
        "the same events as with embedded servers"
    );
    let loaded = ask(clickhouse, &format!("{sums} format TSV"));
    assert_eq!(
        loaded,
        format!("{}\t{}", held["listens"], held["listeners"])
    );

    let status = goldrecord(&["status", "--dir", text(&place), "--json"]).ok();
    let status: serde_json::Value = serde_json::from_str(&status).unwrap();
    let partitions = status["topics"]["known"][0]["partitions"]
        .as_array()
        .unwrap();
    assert!(
        partitions.iter().all(|partition| partition["lag"] == 0),
        "{status}"
    );

    let unbuilt = |mut versions: Vec<(String, i64)>| {
        versions.retain(|(table, _)| table != "_builds");
        versions
    };
    let before = unbuilt(versions(&place));
    demo(&place, &through_servers).ok();
    assert_eq!(unbuilt(versions(&place)), before);
    assert_eq!(ask(clickhouse, &format!("{sums} format TSV")), loaded);
}
