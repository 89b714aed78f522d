//! Kafka as it is in a network that nobody trusts: TLS, and users with passwords.

use std::path::{Path, PathBuf};

use super::kafka::{self, Listeners};
use super::{Kind, server_of_a_test};
use crate::Result;
use crate::certificates::Certificates;
use crate::server::{Recipe, Server};
use crate::template;

/// Clients without security, controller, TLS, SASL over TLS.
pub(super) const PORTS: usize = 4;

/// A Kafka broker that clients must prove themselves to, by certificate or by password.
#[derive(Debug)]
pub struct SecuredKafka {
    server: Server,
    ports: [u16; PORTS],
}

server_of_a_test!(SecuredKafka, Kind::Kafka);

impl SecuredKafka {
    /// The one user, known to PLAIN, SCRAM-SHA-256 and SCRAM-SHA-512.
    pub const USER: &str = "goldrecord";
    /// The user's password.
    pub const PASSWORD: &str = "a-needle-in-a-haystack";

    /// For `bootstrap.servers` of the test's own clients, without security.
    pub fn open_servers(&self) -> String {
        kafka::bootstrap_servers(self.ports[0])
    }

    /// Over TLS; a client needs a certificate.
    pub fn tls_servers(&self) -> String {
        kafka::bootstrap_servers(self.ports[2])
    }

    /// Over TLS; a client needs user and password.
    pub fn sasl_servers(&self) -> String {
        kafka::bootstrap_servers(self.ports[3])
    }

    /// The authority that vouches for the broker, PEM.
    pub fn ca_file(&self) -> PathBuf {
        self.certificates().authority()
    }

    /// A certificate that the broker accepts, PEM.
    pub fn client_certificate(&self) -> PathBuf {
        self.certificates().certificate("client")
    }

    /// The private key of [`Self::client_certificate`], PEM.
    pub fn client_key(&self) -> PathBuf {
        self.certificates().key("client")
    }

    fn certificates(&self) -> Certificates {
        Certificates::of(self.dir())
    }

    fn recipe_in(installation: &Path, dir: &Path, ports: [u16; PORTS]) -> Result<Recipe> {
        let [port, controller_port, tls_port, sasl_port] = ports;
        let certificates = Certificates::make(dir)?;
        let properties = template::fill(
            include_str!("../templates/kafka-security.properties"),
            &[
                (
                    "keys",
                    certificates
                        .key_and_certificate("server")?
                        .display()
                        .to_string(),
                ),
                ("authority", certificates.authority().display().to_string()),
                ("user", Self::USER.to_owned()),
                ("password", Self::PASSWORD.to_owned()),
            ],
        );
        let scram = |mechanism: &str| {
            let (user, password) = (Self::USER, Self::PASSWORD);
            [
                "--add-scram".to_owned(),
                format!("{mechanism}=[name={user},password={password}]"),
            ]
        };
        let listeners = Listeners {
            more: format!(",SSL://127.0.0.1:{tls_port},SASL_SSL://127.0.0.1:{sasl_port}"),
            properties,
            format: ["SCRAM-SHA-256", "SCRAM-SHA-512"].map(scram).concat(),
        };
        kafka::recipe_with(installation, dir, [port, controller_port], &listeners)
    }
}
