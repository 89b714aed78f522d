//! Kafka: one broker in KRaft mode.

use std::io::{Read, Write};
use std::path::Path;

use super::{Kind, java_flags, server_of_a_test, strings};
use crate::process::Launch;
use crate::program::java;
use crate::server::{Recipe, Server};
use crate::{Result, http, template};

/// Clients, controller.
pub(super) const PORTS: usize = 2;

/// A Kafka broker. Topics are not made by using them: `auto.create.topics.enable` is off.
#[derive(Debug)]
pub struct Kafka {
    server: Server,
    ports: [u16; PORTS],
}

server_of_a_test!(Kafka, Kind::Kafka);

impl Kafka {
    /// For `bootstrap.servers`, such as `127.0.0.1:23456`.
    pub fn bootstrap_servers(&self) -> String {
        bootstrap_servers(self.ports[0])
    }

    fn recipe_in(installation: &Path, dir: &Path, ports: [u16; PORTS]) -> Result<Recipe> {
        recipe(installation, dir, ports)
    }
}

pub(super) fn bootstrap_servers(port: u16) -> String {
    format!("127.0.0.1:{port}")
}

pub(super) fn recipe(installation: &Path, dir: &Path, ports: [u16; PORTS]) -> Result<Recipe> {
    recipe_with(installation, dir, ports, &Listeners::default())
}

/// Listeners besides the one for clients without security.
#[derive(Default)]
pub(super) struct Listeners {
    /// Each behind a comma, such as `,SSL://127.0.0.1:23456`.
    pub more: String,
    /// Their lines of the broker's properties.
    pub properties: String,
    /// Further arguments with which the storage is formatted.
    pub format: Vec<String>,
}

pub(super) fn recipe_with(
    installation: &Path,
    dir: &Path,
    [port, controller_port]: [u16; PORTS],
    listeners: &Listeners,
) -> Result<Recipe> {
    let java = java()?;
    let mut properties = template::fill(
        include_str!("../templates/kafka.properties"),
        &[
            ("port", port.to_string()),
            ("controller_port", controller_port.to_string()),
            ("more_listeners", listeners.more.clone()),
            ("dir", dir.display().to_string()),
        ],
    );
    properties.push_str(&listeners.properties);
    let run = |name, class: &str, arguments: &[&str]| Launch {
        name,
        program: java.clone(),
        arguments: java_flags(384)
            .into_iter()
            .chain(strings([
                "-Dlog4j2.configurationFile=log4j2.properties",
                "-cp",
            ]))
            .chain([
                format!("{}/lib/*", installation.display()),
                class.to_owned(),
            ])
            .chain(arguments.iter().map(|word| (*word).to_owned()))
            .collect(),
    };
    // Any 16 bytes name a cluster; each has its own, as real ones do.
    let cluster = cluster_id();
    let format = [
        "format",
        "--cluster-id",
        &cluster,
        "--config",
        "kafka.properties",
    ];
    let format: Vec<&str> = format
        .into_iter()
        .chain(listeners.format.iter().map(String::as_str))
        .collect();
    Ok(Recipe {
        kind: Kind::Kafka,
        files: vec![
            ("kafka.properties", properties),
            (
                "log4j2.properties",
                include_str!("../templates/kafka-log4j2.properties").to_owned(),
            ),
        ],
        prepare: Some((
            run("format", "kafka.tools.StorageTool", &format),
            "data/meta.properties",
        )),
        processes: vec![run("kafka", "kafka.Kafka", &["kafka.properties"])],
        check: Box::new(move || knows_itself(port)),
    })
}

/// A new name for a cluster: 16 bytes in URL-safe base64.
fn cluster_id() -> String {
    use std::hash::{BuildHasher, RandomState};
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let [high, low] = [0_u8, 1].map(|half| RandomState::new().hash_one(half));
    // Half of the values: a name that began with `-` would be taken for an option.
    let number = ((u128::from(high) << 64) | u128::from(low)) >> 1;
    // 22 letters of 6 bits hold 132; the last four are padding.
    let letter = |place: u32| LETTERS[((number << 4) >> (6 * place)) as usize & 63];
    // The shift above drops the top four bits, so the first letter takes them from the number.
    let first = LETTERS[(number >> 122) as usize & 63];
    std::iter::once(first)
        .chain((0..21).rev().map(letter))
        .map(char::from)
        .collect()
}

/// Asks for the cluster's metadata, as any client's first request does, until it names a broker.
fn knows_itself(port: u16) -> Result<(), String> {
    let answer = ask(port, &metadata_request())
        .map_err(|e| format!("metadata request on port {port}: {e}"))?;
    match broker_count(&answer) {
        Some(1..) => Ok(()),
        Some(_) => Err("the broker is not part of its cluster yet".to_owned()),
        None => Err(format!(
            "an answer of {} bytes that is no metadata",
            answer.len()
        )),
    }
}

/// Metadata, version 4, about no topic: key, version, correlation, client, topics, auto-creation.
fn metadata_request() -> Vec<u8> {
    let mut request = Vec::new();
    request.extend_from_slice(&3_i16.to_be_bytes());
    request.extend_from_slice(&4_i16.to_be_bytes());
    request.extend_from_slice(&7_i32.to_be_bytes());
    request.extend_from_slice(&(-1_i16).to_be_bytes());
    request.extend_from_slice(&0_i32.to_be_bytes());
    request.push(0);
    request
}

/// The answer begins with correlation, throttle time and the number of brokers.
fn broker_count(answer: &[u8]) -> Option<i32> {
    let count = answer.get(8..12)?;
    Some(i32::from_be_bytes(count.try_into().ok()?))
}

/// Sends a request and reads the answer; both stand behind their length.
fn ask(port: u16, request: &[u8]) -> std::io::Result<Vec<u8>> {
    const LONGEST: usize = 1 << 20;
    let mut stream = http::connect(port)?;
    stream.write_all(&(request.len() as i32).to_be_bytes())?;
    stream.write_all(request)?;
    let mut length = [0; 4];
    stream.read_exact(&mut length)?;
    let mut answer = vec![0; (i32::from_be_bytes(length).max(0) as usize).min(LONGEST)];
    stream.read_exact(&mut answer)?;
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cluster_has_a_name_of_its_own_that_is_no_option() {
        let id = cluster_id();
        assert_eq!(id.len(), 22);
        assert!(!id.starts_with('-'));
        assert!(
            id.ends_with(['A', 'Q', 'g', 'w']),
            "{id} has bits in its padding"
        );
        assert_ne!(id, cluster_id());
    }

    #[test]
    fn an_answer_that_is_cut_short_names_no_brokers() {
        assert_eq!(broker_count(&[0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 1]), Some(1));
        assert_eq!(broker_count(&[0, 0, 0, 7]), None);
    }
}
