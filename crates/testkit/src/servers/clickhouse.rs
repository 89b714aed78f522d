//! ClickHouse: its engine out of a library, told to listen.

use std::path::Path;

use super::{Kind, server_of_a_test, strings};
use crate::process::Launch;
use crate::server::{Recipe, Server};
use crate::{Result, http, template};

/// HTTP, native protocol.
pub(super) const PORTS: usize = 2;

/// The engine runs one query from its command line, and listens until that ends: never, here.
const LISTEN: &str = "SYSTEM START LISTEN QUERIES ALL; \
    SELECT sleepEachRow(3) FROM numbers(1000000000) \
    SETTINGS max_block_size = 1, function_sleep_max_microseconds_per_block = 0, log_queries = 0 \
    FORMAT Null";

/// A ClickHouse with the user `default` and no password. It has no replication, no `ON CLUSTER`
/// and no `CREATE USER`.
#[derive(Debug)]
pub struct ClickHouse {
    server: Server,
    ports: [u16; PORTS],
}

server_of_a_test!(ClickHouse, Kind::ClickHouse);

impl ClickHouse {
    /// The HTTP interface, such as `http://127.0.0.1:23456`.
    pub fn url(&self) -> String {
        url(self.ports[0])
    }

    /// The port of the native protocol.
    pub fn native_port(&self) -> u16 {
        self.ports[1]
    }

    #[expect(
        clippy::unnecessary_wraps,
        reason = "the recipes of the other servers need Java and can fail"
    )]
    fn recipe_in(installation: &Path, dir: &Path, ports: [u16; PORTS]) -> Result<Recipe> {
        Ok(recipe(installation, dir, ports))
    }
}

pub(super) fn url(port: u16) -> String {
    format!("http://127.0.0.1:{port}")
}

pub(super) fn recipe(installation: &Path, dir: &Path, [port, native_port]: [u16; PORTS]) -> Recipe {
    let config = template::fill(
        include_str!("../templates/clickhouse.xml"),
        &[
            ("port", port.to_string()),
            ("native_port", native_port.to_string()),
            ("dir", dir.display().to_string()),
        ],
    );
    let server = Launch {
        name: "clickhouse",
        program: installation.join("clickhouse"),
        arguments: strings(["--config-file=clickhouse.xml", "--listen_host=127.0.0.1"])
            .chain([
                format!("--path={}/data", dir.display()),
                format!("--http_port={port}"),
                format!("--tcp_port={native_port}"),
            ])
            .chain(strings(["--query", LISTEN]))
            .collect(),
    };
    Recipe {
        kind: Kind::ClickHouse,
        files: vec![
            ("clickhouse.xml", config),
            (
                "users.xml",
                include_str!("../templates/clickhouse-users.xml").to_owned(),
            ),
        ],
        prepare: None,
        processes: vec![server],
        check: Box::new(move || answers(port)),
    }
}

/// Alive, and able to run a query.
fn answers(port: u16) -> Result<(), String> {
    http::get(port, "/ping")?;
    match http::get(port, "/?query=SELECT%2021%2A2")?.trim() {
        "42" => Ok(()),
        other => Err(format!("SELECT 21*2 is {other}")),
    }
}
