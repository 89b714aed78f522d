//! The Schema Registry: Apicurio, by its Confluent API.

use std::path::Path;

use super::{Kind, java_flags, server_of_a_test, strings};
use crate::process::Launch;
use crate::program::java;
use crate::server::{Recipe, Server};
use crate::{Result, http};

/// HTTP.
pub(super) const PORTS: usize = 1;

const API: &str = "/apis/ccompat/v7";

/// A Schema Registry. Its schemas lie in its folder, so a restart keeps them, a kill too. Its default
/// compatibility is NONE.
#[derive(Debug)]
pub struct SchemaRegistry {
    server: Server,
    ports: [u16; PORTS],
}

server_of_a_test!(SchemaRegistry, Kind::Registry);

impl SchemaRegistry {
    /// The Confluent API's root, such as `http://127.0.0.1:23456/apis/ccompat/v7`.
    pub fn url(&self) -> String {
        url(self.ports[0])
    }

    fn recipe_in(installation: &Path, _dir: &Path, ports: [u16; PORTS]) -> Result<Recipe> {
        recipe(installation, ports)
    }
}

pub(super) fn url(port: u16) -> String {
    format!("http://127.0.0.1:{port}{API}")
}

pub(super) fn recipe(installation: &Path, [port]: [u16; PORTS]) -> Result<Recipe> {
    let server = Launch {
        name: "registry",
        program: java()?,
        arguments: java_flags(256)
            .into_iter()
            .chain([
                "-Dquarkus.http.host=127.0.0.1".to_owned(),
                format!("-Dquarkus.http.port={port}"),
            ])
            .chain(strings([
                // The server's own default forgets everything with the process; and an id that was given out
                // is on disk before anybody reads it.
                "-Dquarkus.datasource.jdbc.url=jdbc:h2:file:./data/schemas;WRITE_DELAY=0",
                "-jar",
            ]))
            .chain([format!("{}/runner.jar", installation.display())])
            .collect(),
    };
    Ok(Recipe {
        kind: Kind::Registry,
        files: Vec::new(),
        prepare: None,
        processes: vec![server],
        check: Box::new(move || http::get(port, &format!("{API}/subjects")).map(drop)),
    })
}
