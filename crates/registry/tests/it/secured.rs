//! The real registry behind TLS and a password.

use goldrecord_registry::{Access, Client, SchemaType};
use goldrecord_testkit::{SecuredRegistry, require};

fn access(registry: &SecuredRegistry) -> Access {
    Access {
        user: Some(SecuredRegistry::USER.into()),
        password: Some(SecuredRegistry::PASSWORD.into()),
        ca_file: Some(registry.ca_file()),
    }
}

#[tokio::test]
async fn a_user_with_the_right_password_registers_and_reads_over_tls() {
    let Some(registry) = require(SecuredRegistry::shared()) else {
        return;
    };
    let client = Client::with_access(&registry.url(), &access(registry)).expect("a client");
    let id = client
        .register("secured-value", SchemaType::Avro, r#""string""#)
        .await
        .expect("registered");
    let schema = client.schema(id).await.expect("read");
    assert_eq!(schema.text, r#""string""#);
}

#[tokio::test]
async fn a_refused_user_is_told_the_keys_and_says_nothing_about_the_schema() {
    let Some(registry) = require(SecuredRegistry::shared()) else {
        return;
    };
    let wrong = Access {
        password: Some("a guess".into()),
        ..access(registry)
    };
    let nobody = Access {
        user: None,
        ..access(registry)
    };
    for access in [wrong, nobody] {
        let client = Client::with_access(&registry.url(), &access).expect("a client");
        let error = client.schema(1).await.expect_err("refused");
        assert!(error.is_unavailable(), "no record is bad for it: {error}");
        let text = error.to_string();
        assert!(
            text.contains("registry.user") && text.contains("`registry-password`"),
            "{text}"
        );
        assert!(!text.contains("a guess"), "{text}");
    }
}

#[tokio::test]
async fn a_registry_that_nobody_vouches_for_is_not_spoken_to() {
    let Some(registry) = require(SecuredRegistry::shared()) else {
        return;
    };
    let strangers = Access {
        ca_file: None,
        ..access(registry)
    };
    let client = Client::with_access(&registry.url(), &strangers).expect("a client");
    let error = client.schema(1).await.expect_err("not trusted");
    assert!(error.is_unavailable());
    let text = error.to_string();
    assert!(text.contains("registry.ca_file"), "{text}");
}
