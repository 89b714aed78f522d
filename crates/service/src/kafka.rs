//! From `[kafka]` and its credentials to what librdkafka is told, for every client alike.

use std::collections::BTreeMap;
use std::fmt;

use crate::config::{Assignor, Kafka, Sasl, credential};
use crate::{Error, Result};

/// The credential that is the password of `[kafka] user`.
pub const PASSWORD: &str = "kafka-password";
/// The credential that is the client's certificate, PEM.
pub const CERTIFICATE: &str = "kafka-certificate";
/// The credential that is the private key of [`CERTIFICATE`], PEM.
pub const KEY: &str = "kafka-key";

/// The secrets of `[kafka]`.
#[derive(Clone, Default)]
pub struct Credentials {
    /// [`PASSWORD`]
    pub password: Option<String>,
    /// [`CERTIFICATE`]
    pub certificate: Option<String>,
    /// [`KEY`]
    pub key: Option<String>,
}

impl Credentials {
    /// What systemd passed.
    pub fn read() -> Result<Self> {
        Ok(Self {
            password: credential(PASSWORD)?,
            certificate: credential(CERTIFICATE)?,
            key: credential(KEY)?,
        })
    }
}

/// How a client is let in by the brokers: librdkafka's settings for encryption and identity. The default is neither.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Access(BTreeMap<&'static str, String>);

impl fmt::Debug for Access {
    /// Names the settings and keeps their values to itself, since some are secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl Access {
    /// The access that the file and the credentials give.
    pub fn load(kafka: &Kafka) -> Result<Self> {
        if let Some(file) = &kafka.ca_file {
            // librdkafka names the file too, but not the key.
            std::fs::File::open(file).map_err(|error| {
                refusal(
                    "kafka.ca_file",
                    format!("{} cannot be read ({error})", file.display()),
                )
            })?;
        }
        let access = Self::of(kafka, &Credentials::read()?)?;
        if kafka.sasl == Sasl::Plain && !kafka.tls {
            tracing::warn!(
                "kafka.sasl = \"plain\" without kafka.tls: the password crosses the network as it is"
            );
        }
        Ok(access)
    }

    /// The same, of credentials in hand. What contradicts itself is refused, with the key to mend.
    pub fn of(kafka: &Kafka, credentials: &Credentials) -> Result<Self> {
        let mechanism = mechanism(kafka.sasl)?;
        let mut settings = BTreeMap::new();
        let protocol = match (kafka.tls, mechanism) {
            (false, None) => "PLAINTEXT",
            (true, None) => "SSL",
            (false, Some(_)) => "SASL_PLAINTEXT",
            (true, Some(_)) => "SASL_SSL",
        };
        settings.insert("security.protocol", protocol.to_owned());
        match (mechanism, &kafka.user) {
            (None, None) => {}
            (None, Some(user)) => {
                return Err(refusal(
                    "kafka.user",
                    format!(
                        "there is the user `{user}`, but no way to say so to the brokers; set kafka.sasl"
                    ),
                ));
            }
            (Some(mechanism), None) => {
                return Err(refusal(
                    "kafka.sasl",
                    format!("{mechanism} needs a user; set kafka.user"),
                ));
            }
            (Some(mechanism), Some(user)) => {
                let password = credentials.password.clone().ok_or_else(|| {
                    refusal(
                        "kafka.user",
                        format!(
                            "the user `{user}` has no password; give the service the credential `{PASSWORD}` \
                             (LoadCredential={PASSWORD}:FILE in its unit)"
                        ),
                    )
                })?;
                settings.insert("sasl.mechanisms", mechanism.to_owned());
                settings.insert("sasl.username", user.clone());
                settings.insert("sasl.password", password);
            }
        }
        if let Some(file) = &kafka.ca_file {
            if !kafka.tls {
                return Err(useless_without_tls("kafka.ca_file"));
            }
            settings.insert("ssl.ca.location", file.display().to_string());
        }
        match (&credentials.certificate, &credentials.key) {
            (None, None) => {}
            (Some(certificate), Some(key)) => {
                if !kafka.tls {
                    return Err(useless_without_tls("the credential `kafka-certificate`"));
                }
                settings.insert("ssl.certificate.pem", certificate.clone());
                settings.insert("ssl.key.pem", key.clone());
            }
            (certificate, _) => {
                let (there, missing) = if certificate.is_some() {
                    (CERTIFICATE, KEY)
                } else {
                    (KEY, CERTIFICATE)
                };
                return Err(refusal(
                    "credentials",
                    format!(
                        "`{there}` is there without `{missing}`; give the service both or neither"
                    ),
                ));
            }
        }
        Ok(Self(settings))
    }

    /// The settings, for librdkafka's `ClientConfig` to be extended with.
    pub fn settings(&self) -> impl Iterator<Item = (String, String)> + '_ {
        self.0
            .iter()
            .map(|(key, value)| ((*key).to_owned(), value.clone()))
    }
}

/// How a client takes part in the group: librdkafka's settings for a consumer.
pub fn membership(kafka: &Kafka) -> BTreeMap<String, String> {
    /// librdkafka's own default, in ms.
    const LONGEST_POLL: u128 = 300_000;
    let timeout = kafka.session_timeout.0.as_millis();
    let mut settings = BTreeMap::from([
        ("session.timeout.ms".to_owned(), timeout.to_string()),
        // Three chances to be heard, and no more often than librdkafka by itself.
        (
            "heartbeat.interval.ms".to_owned(),
            (timeout / 3).clamp(1, 3_000).to_string(),
        ),
        (
            "max.poll.interval.ms".to_owned(),
            timeout.max(LONGEST_POLL).to_string(),
        ),
        (
            "partition.assignment.strategy".to_owned(),
            assignor(kafka.assignor).to_owned(),
        ),
    ]);
    if let Some(instance) = &kafka.instance {
        settings.insert("group.instance.id".to_owned(), instance.clone());
    }
    settings
}

/// What librdkafka calls it.
fn assignor(assignor: Assignor) -> &'static str {
    match assignor {
        Assignor::CooperativeSticky => "cooperative-sticky",
        Assignor::Range => "range",
        Assignor::RoundRobin => "roundrobin",
    }
}

/// What to mend when librdkafka gives such a reason for not getting through to the brokers; nothing where it does not
/// speak of security.
pub fn mend(reason: &str) -> Option<&'static str> {
    let says = |words: &[&str]| words.iter().any(|word| reason.contains(word));
    if says(&["SASL", "uthentication"]) {
        return Some(
            "the brokers refuse the user: correct kafka.user, kafka.sasl and the credential `kafka-password`",
        );
    }
    if says(&[
        "connecting to a SSL listener",
        "connecting to a PLAINTEXT listener",
    ]) {
        return Some("one side speaks TLS and the other does not: correct kafka.tls");
    }
    if says(&["certificate required", "bad certificate", "unknown ca"]) {
        return Some(
            "the brokers refuse the client's certificate: correct the credentials `kafka-certificate` and `kafka-key`",
        );
    }
    if says(&["SSL", "ssl", "certificate"]) {
        return Some("the brokers' certificate is not trusted: correct kafka.ca_file");
    }
    None
}

fn mechanism(sasl: Sasl) -> Result<Option<&'static str>> {
    Ok(match sasl {
        Sasl::None => None,
        Sasl::Plain => Some("PLAIN"),
        Sasl::ScramSha256 => Some("SCRAM-SHA-256"),
        Sasl::ScramSha512 => Some("SCRAM-SHA-512"),
        Sasl::Kerberos => {
            return Err(refusal(
                "kafka.sasl",
                "Kerberos is not supported yet; use scram-sha-512, or plain with kafka.tls"
                    .to_owned(),
            ));
        }
    })
}

fn useless_without_tls(what: &'static str) -> Error {
    refusal(
        what,
        "it is of use only with TLS; set kafka.tls = true".to_owned(),
    )
}

fn refusal(key: &'static str, why: String) -> Error {
    Error::Setting { key, why }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "hunter2";

    fn kafka(toml: impl FnOnce(&mut Kafka)) -> Kafka {
        let mut kafka = Kafka::default();
        toml(&mut kafka);
        kafka
    }

    fn with_password() -> Credentials {
        Credentials {
            password: Some(SECRET.into()),
            ..Credentials::default()
        }
    }

    fn user(kafka: &mut Kafka) {
        kafka.user = Some("reader".into());
        kafka.sasl = Sasl::ScramSha512;
    }

    #[test]
    fn nothing_said_is_a_plain_connection() {
        let access = Access::of(&Kafka::default(), &with_password()).expect("plain");
        let settings: Vec<_> = access.settings().collect();
        assert_eq!(settings, [("security.protocol".into(), "PLAINTEXT".into())]);
    }

    #[test]
    fn the_protocol_follows_from_encryption_and_identity() {
        for (tls, sasl, protocol) in [
            (true, Sasl::None, "SSL"),
            (true, Sasl::Plain, "SASL_SSL"),
            (true, Sasl::ScramSha256, "SASL_SSL"),
            (false, Sasl::ScramSha512, "SASL_PLAINTEXT"),
        ] {
            let kafka = kafka(|kafka| {
                kafka.tls = tls;
                kafka.sasl = sasl;
                kafka.user = (sasl != Sasl::None).then(|| "reader".into());
            });
            let access = Access::of(&kafka, &with_password()).expect(protocol);
            assert_eq!(access.0["security.protocol"], protocol);
            assert_eq!(access.0.contains_key("sasl.password"), sasl != Sasl::None);
        }
    }

    #[test]
    fn what_contradicts_itself_is_refused_with_the_key_to_mend() {
        type Change = fn(&mut Kafka);
        let certificate_alone = Credentials {
            certificate: Some("PEM".into()),
            ..Credentials::default()
        };
        let both = Credentials {
            key: Some("PEM".into()),
            ..certificate_alone.clone()
        };
        let cases: [(Change, Credentials, &str); 8] = [
            (|k| k.sasl = Sasl::Plain, with_password(), "set kafka.user"),
            (
                |k| k.user = Some("a".into()),
                with_password(),
                "set kafka.sasl",
            ),
            (user, Credentials::default(), "kafka-password"),
            (
                |k| k.ca_file = Some("ca".into()),
                with_password(),
                "kafka.tls = true",
            ),
            (|k| k.tls = true, certificate_alone, "kafka-key"),
            (|_| {}, both, "kafka.tls = true"),
            (|k| k.sasl = Sasl::Kerberos, with_password(), "Kerberos"),
            (
                |k| {
                    user(k);
                    k.sasl = Sasl::Kerberos;
                },
                with_password(),
                "kafka.sasl",
            ),
        ];
        for (change, credentials, mend) in cases {
            let error = Access::of(&kafka(change), &credentials).expect_err(mend);
            assert!(error.to_string().contains(mend), "{error}");
            assert!(!error.to_string().contains(SECRET), "{error}");
        }
    }

    #[test]
    fn no_secret_is_shown() {
        let credentials = Credentials {
            password: Some(SECRET.into()),
            certificate: Some("CERTIFICATE".into()),
            key: Some("PRIVATE".into()),
        };
        let kafka = kafka(|kafka| {
            user(kafka);
            kafka.tls = true;
        });
        let shown = format!(
            "{:?}",
            Access::of(&kafka, &credentials).expect("all is there")
        );
        assert!(shown.contains("sasl.password"), "{shown}");
        assert!(
            !shown.contains(SECRET) && !shown.contains("PRIVATE"),
            "{shown}"
        );
    }

    #[test]
    fn a_named_member_stays_a_member_for_its_session() {
        let kafka = kafka(|kafka| {
            kafka.instance = Some("one".into());
            kafka.session_timeout.0 = std::time::Duration::from_mins(10);
        });
        let settings = membership(&kafka);
        assert_eq!(settings["group.instance.id"], "one");
        assert_eq!(settings["session.timeout.ms"], "600000");
        // librdkafka refuses a session longer than the time between two polls.
        assert_eq!(settings["max.poll.interval.ms"], "600000");
        assert!(!membership(&Kafka::default()).contains_key("group.instance.id"));
    }
}
