//! What both registries do alike: each test runs against the embedded one and the real one.

use std::future::Future;
use std::sync::atomic::{AtomicU32, Ordering};

use goldrecord_registry::embedded::Embedded;
use goldrecord_registry::{Client, Compatibility, Error, SchemaType};
use goldrecord_testkit::{SchemaRegistry, require};

const A: &str = r#"{"type":"record","name":"R","fields":[{"name":"a","type":"string"}]}"#;
const A_AND_B: &str = r#"{"type":"record","name":"R","fields":[{"name":"a","type":"string"},{"name":"b","type":["null","long"],"default":null}]}"#;
const B_BARE: &str = r#"{"type":"record","name":"R","fields":[{"name":"b","type":"long"}]}"#;
const JSON: &str = r#"{"$schema":"http://json-schema.org/draft-07/schema#","type":"object","properties":{"a":{"type":"string"}}}"#;

/// Runs `test` with a client of each registry and a subject that nobody else uses.
async fn with_both<F: Future<Output = ()>>(test: impl Fn(Client, String) -> F) {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let subject = format!("shared-{}-value", COUNT.fetch_add(1, Ordering::Relaxed));
    let embedded = Embedded::start(None).await.expect("a free port");
    test(
        Client::new(&embedded.url()).expect("a URL"),
        subject.clone(),
    )
    .await;
    if let Some(real) = require(SchemaRegistry::shared()) {
        test(Client::new(&real.url()).expect("a URL"), subject).await;
    }
}

#[tokio::test]
async fn a_registered_schema_is_found_by_its_id() {
    with_both(async |client, subject| {
        let id = client
            .register(&subject, SchemaType::Avro, A)
            .await
            .expect("new");
        let found = client.schema(id).await.expect("registered");
        assert_eq!(
            (found.id, found.schema_type, found.text.as_str()),
            (id, SchemaType::Avro, A)
        );
        let latest = client.latest(&subject).await.expect("registered");
        assert_eq!((latest.version, latest.schema.id), (1, id));
        assert!(client.subjects().await.expect("a list").contains(&subject));
    })
    .await;
}

#[tokio::test]
async fn registering_again_changes_nothing() {
    with_both(async |client, subject| {
        let first = client
            .register(&subject, SchemaType::Avro, A)
            .await
            .expect("new");
        let second = client
            .register(&subject, SchemaType::Avro, A)
            .await
            .expect("known");
        assert_eq!(first, second);
        assert_eq!(client.versions(&subject).await.expect("a list"), [1]);
    })
    .await;
}

#[tokio::test]
async fn a_json_schema_keeps_its_type() {
    with_both(async |client, subject| {
        let id = client
            .register(&subject, SchemaType::Json, JSON)
            .await
            .expect("new");
        assert_eq!(
            client.schema(id).await.expect("registered").schema_type,
            SchemaType::Json
        );
        assert_eq!(
            client
                .latest(&subject)
                .await
                .expect("registered")
                .schema
                .schema_type,
            SchemaType::Json
        );
    })
    .await;
}

#[tokio::test]
async fn a_subject_takes_what_its_compatibility_allows() {
    with_both(async |client, subject| {
        client
            .set_compatibility(&subject, Compatibility::Backward)
            .await
            .ok();
        client
            .register(&subject, SchemaType::Avro, A)
            .await
            .expect("new");
        client
            .set_compatibility(&subject, Compatibility::Backward)
            .await
            .expect("set");
        assert_eq!(
            client.compatibility(&subject).await.expect("set"),
            Compatibility::Backward
        );
        let check = async |text| {
            client
                .check_compatible(&subject, SchemaType::Avro, text)
                .await
                .expect("judged")
        };
        assert!(check(A_AND_B).await);
        assert!(!check(B_BARE).await);

        let refused = client
            .register(&subject, SchemaType::Avro, B_BARE)
            .await
            .expect_err("b has no default");
        assert!(matches!(refused, Error::Incompatible { .. }), "{refused}");
        assert!(!refused.is_unavailable());
        assert!(refused.to_string().contains(&subject), "{refused}");

        client
            .register(&subject, SchemaType::Avro, A_AND_B)
            .await
            .expect("compatible");
        assert_eq!(client.versions(&subject).await.expect("a list"), [1, 2]);
        client
            .set_compatibility(&subject, Compatibility::None)
            .await
            .expect("set");
        client
            .register(&subject, SchemaType::Avro, B_BARE)
            .await
            .expect("anything goes");
    })
    .await;
}

#[tokio::test]
async fn what_is_not_there_is_unknown_and_not_unavailable() {
    with_both(async |client, subject| {
        let id = client
            .schema(4_000_000)
            .await
            .expect_err("nobody registered it");
        assert!(id.is_unknown() && !id.is_unavailable(), "{id}");
        assert!(
            id.to_string().contains("schema id 4000000") && id.to_string().contains("40403"),
            "{id}"
        );
        let beyond = client.schema(u32::MAX).await.expect_err("no registry's");
        assert!(beyond.is_unknown(), "{beyond}");
        let latest = client.latest(&subject).await.expect_err("no such subject");
        assert!(latest.is_unknown(), "{latest}");
        assert!(
            client
                .check_compatible(&subject, SchemaType::Avro, A)
                .await
                .expect("nothing to contradict")
        );
    })
    .await;
}

#[tokio::test]
async fn a_schema_that_is_none_is_refused() {
    with_both(async |client, subject| {
        let error = client
            .register(&subject, SchemaType::Avro, r#"{"type":"recor"}"#)
            .await
            .expect_err("no schema");
        assert!(!error.is_unavailable() && !error.is_unknown(), "{error}");
        assert!(error.to_string().contains("42201"), "{error}");
    })
    .await;
}

#[tokio::test]
async fn subjects_may_have_names_that_a_path_must_escape() {
    with_both(async |client, subject| {
        let subject = format!("{subject} ü/x?y#z");
        let id = client
            .register(&subject, SchemaType::Avro, A)
            .await
            .expect("new");
        assert_eq!(
            client.latest(&subject).await.expect("registered").schema.id,
            id
        );
    })
    .await;
}
