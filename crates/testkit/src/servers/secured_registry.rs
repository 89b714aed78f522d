//! The Schema Registry as it stands in a network that nobody trusts: behind a proxy that speaks TLS and asks for
//! a password. The registry itself knows users only through an identity provider.

use std::path::{Path, PathBuf};

use super::registry;
use super::{Kind, server_of_a_test, strings};
use crate::certificates::Certificates;
use crate::process::Launch;
use crate::server::{Recipe, Server};
use crate::{Result, fetch, http, template};

/// HTTPS, and the registry behind it.
pub(super) const PORTS: usize = 2;

/// A Schema Registry over HTTPS with HTTP basic authentication.
#[derive(Debug)]
pub struct SecuredRegistry {
    server: Server,
    ports: [u16; PORTS],
}

server_of_a_test!(SecuredRegistry, Kind::Registry);

impl SecuredRegistry {
    /// The one user.
    pub const USER: &str = "goldrecord";
    /// The user's password.
    pub const PASSWORD: &str = "correct horse";
    /// The password as the proxy knows it: bcrypt of the least cost, since it is checked at every request.
    const HASH: &str = "$2a$04$oapiYB.2xV.xlur8iOoJLuCzPkER5F6RYr.eyCpPNXhFvWKboaDui";

    /// The Confluent API's root, such as `https://127.0.0.1:23456/apis/ccompat/v7`.
    pub fn url(&self) -> String {
        registry::url(self.ports[0]).replace("http://", "https://")
    }

    /// The authority that vouches for the proxy, PEM.
    pub fn ca_file(&self) -> PathBuf {
        Certificates::of(self.dir()).authority()
    }

    fn recipe_in(installation: &Path, dir: &Path, ports: [u16; PORTS]) -> Result<Recipe> {
        let [port, registry_port] = ports;
        let certificates = Certificates::make(dir)?;
        let mut recipe = registry::recipe(installation, [registry_port])?;
        let settings = template::fill(
            include_str!("../templates/Caddyfile"),
            &[
                ("port", port.to_string()),
                ("registry_port", registry_port.to_string()),
                (
                    "certificate",
                    certificates.certificate("server").display().to_string(),
                ),
                ("key", certificates.key("server").display().to_string()),
                ("user", Self::USER.to_owned()),
                ("hash", Self::HASH.to_owned()),
            ],
        );
        recipe.files.push(("Caddyfile", settings));
        recipe.processes.push(Launch {
            name: "proxy",
            program: fetch::caddy()?,
            arguments: strings(["run", "--config", "Caddyfile", "--adapter", "caddyfile"])
                .collect(),
        });
        let registry_answers = recipe.check;
        recipe.check = Box::new(move || {
            registry_answers()?;
            let proxy = http::connect(port);
            proxy
                .map(drop)
                .map_err(|error| format!("the proxy: {error}"))
        });
        Ok(recipe)
    }
}
