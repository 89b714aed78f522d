//! What the process holds, librdkafka's queues and what allocators keep included.

use std::process::{Child, Command};

use goldrecord_registry::SchemaType;
use goldrecord_testkit::{Dice, Kafka, require};

use crate::group::wait_until;
use crate::world::{JUNE, SMALL, World, framed, small};

const TOPIC: &str = "large_records";
const PARTITIONS: i32 = 8;
/// A backlog of more than the process may ever hold.
const RECORDS: i64 = 400;
/// A little less than the largest record that a broker takes.
const SIZE: usize = 1_000_000;
/// What an ingestor with the default of `memory` may hold.
const BOUND_MIB: usize = 512;

/// Killed when the test ends, however it does.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        // One that has ended needs it no more.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Process {
    /// The most that it held so far, in MiB.
    fn peak_mib(&self) -> usize {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.0.id()));
        let status = status.expect("it runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = line.and_then(|line| line.split_whitespace().next());
        kib.expect("the kernel tells")
            .parse::<usize>()
            .expect("a number")
            >> 10
    }
}

#[test]
fn a_process_stays_below_its_bound_with_a_backlog_of_records_of_a_megabyte() {
    let Some(kafka) = require(Kafka::shared()) else {
        return;
    };
    let world = World::on(kafka, &[(TOPIC, PARTITIONS)]);
    let schema = world.register(TOPIC, SchemaType::Avro, SMALL);
    let mut dice = Dice::new(1);
    let noise: String = (0..SIZE + RECORDS as usize)
        .map(|_| char::from(b' ' + dice.below(95) as u8))
        .collect();
    for number in 0..RECORDS {
        let text = &noise[number as usize..number as usize + SIZE];
        let value = framed(schema, &small(JUNE, Some(number), text));
        world.produce(TOPIC, number as i32 % PARTITIONS, Some(&value));
    }
    world.acknowledged();
    let config = world.folder().join("memory.toml");
    let text = format!(
        "[kafka]\nbootstrap_servers = \"{}\"\ngroup = \"{TOPIC}\"\n[registry]\nurl = \"{}\"\n[lake]\nurl = \"{}\"\n\
         [ingestor]\ntopics = [\"{TOPIC}\"]\nflush_interval = \"1s\"\n",
        world.servers,
        world.registry_url(),
        world.lake.url(),
    );
    std::fs::write(&config, text).expect("written");
    let mut command = Command::new(env!("CARGO_BIN_EXE_goldrecord-ingestor"));
    let process = Process(
        command
            .arg("--config")
            .arg(config)
            .spawn()
            .expect("it starts"),
    );
    let stored = || {
        let snapshot = world.latest(TOPIC);
        snapshot.map_or(0, |snapshot| snapshot.txns.values().sum::<i64>())
    };
    wait_until("the table has every record", || stored() == RECORDS);
    let held = process.peak_mib();
    assert!(held < BOUND_MIB, "{held} MiB were held");
}
