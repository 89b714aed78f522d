//! What is promised of the embedded registry alone.

use std::net::{Ipv4Addr, SocketAddr};

use goldrecord_registry::embedded::Embedded;
use goldrecord_registry::{Client, Compatibility, Error, SchemaType};

const A: &str = r#"{"type":"record","name":"R","fields":[{"name":"a","type":"string"}]}"#;
const B: &str = r#"{"type":"record","name":"R","fields":[{"name":"b","type":"long"}]}"#;

async fn registry() -> (Embedded, Client) {
    let registry = Embedded::start(None).await.expect("a free port");
    let client = Client::new(&registry.url()).expect("a URL");
    (registry, client)
}

/// Status and body of a request made without the client.
async fn raw(method: reqwest::Method, url: String, body: &str) -> (u16, String) {
    let request = reqwest::Client::new()
        .request(method, url)
        .body(body.to_owned());
    let response = request.send().await.expect("an answer");
    (
        response.status().as_u16(),
        response.text().await.expect("text"),
    )
}

#[tokio::test]
async fn backward_is_the_default() {
    let (_registry, client) = registry().await;
    assert_eq!(
        client.compatibility("any").await.expect("the global level"),
        Compatibility::Backward
    );
    client
        .register("s", SchemaType::Avro, A)
        .await
        .expect("new");
    let refused = client
        .register("s", SchemaType::Avro, B)
        .await
        .expect_err("no default");
    assert!(matches!(refused, Error::Incompatible { .. }));
}

#[tokio::test]
async fn one_schema_has_one_id_in_all_subjects() {
    let (_registry, client) = registry().await;
    let one = client
        .register("s", SchemaType::Avro, A)
        .await
        .expect("new");
    let other = client
        .register("t", SchemaType::Avro, A)
        .await
        .expect("new here");
    assert_eq!(one, other);
}

/// Asks, and compares the status and a part of the body.
async fn answers(registry: &Embedded, cases: &[(&str, &str, u16, &str)]) {
    for (request, body, status, part) in cases {
        let (method, path) = request.split_once(' ').expect("a method and a path");
        let method = method.parse().expect("a method");
        let answer = raw(method, format!("{}{path}", registry.url()), body).await;
        assert!(
            answer.0 == *status && answer.1.contains(part),
            "{request}: {answer:?}"
        );
    }
}

#[tokio::test]
async fn its_answers_to_reading_have_the_codes_and_shapes_of_the_api() {
    let (registry, client) = registry().await;
    client
        .register("s", SchemaType::Avro, A)
        .await
        .expect("new");
    answers(
        &registry,
        &[
            ("GET /schemas/types", "", 200, r#"["AVRO","JSON"]"#),
            ("GET /schemas/ids/9", "", 404, r#""error_code":40403"#),
            ("GET /schemas/ids/x", "", 404, r#""error_code":40403"#),
            (
                "GET /subjects/none/versions",
                "",
                404,
                r#""error_code":40401"#,
            ),
            (
                "GET /subjects/s/versions/9",
                "",
                404,
                r#""error_code":40402"#,
            ),
            (
                "GET /subjects/s/versions/x",
                "",
                422,
                r#""error_code":42202"#,
            ),
            (
                "GET /subjects/s/versions/latest",
                "",
                200,
                r#""subject":"s","id":1,"version":1"#,
            ),
            (
                "GET /config",
                "",
                200,
                r#"{"compatibilityLevel":"BACKWARD"}"#,
            ),
            ("GET /config/s", "", 404, r#""error_code":40408"#),
            ("GET /config/s?defaultToGlobal=true", "", 200, "BACKWARD"),
        ],
    )
    .await;
}

#[tokio::test]
async fn its_answers_to_writing_have_the_codes_and_shapes_of_the_api() {
    let (registry, client) = registry().await;
    client
        .register("s", SchemaType::Avro, A)
        .await
        .expect("new");
    let known = serde_json::json!({ "schema": A }).to_string();
    let other = serde_json::json!({ "schema": B }).to_string();
    let proto = serde_json::json!({ "schema": "x", "schemaType": "PROTOBUF" }).to_string();
    answers(
        &registry,
        &[
            ("POST /subjects/s", &known, 200, r#""version":1"#),
            ("POST /subjects/s", &other, 404, r#""error_code":40403"#),
            (
                "POST /subjects/s/versions",
                &other,
                409,
                r#""error_code":409"#,
            ),
            (
                "POST /subjects/s/versions",
                &proto,
                422,
                r#""error_code":42201"#,
            ),
            (
                "POST /subjects/s/versions",
                "{",
                422,
                r#""error_code":42200"#,
            ),
            (
                "PUT /config/s",
                r#"{"compatibility":"SIDEWARD"}"#,
                422,
                r#""error_code":42203"#,
            ),
            (
                "POST /compatibility/subjects/s/versions/latest?verbose=true",
                &other,
                200,
                r#""messages":["#,
            ),
        ],
    )
    .await;
}

#[tokio::test]
async fn a_port_in_use_is_named() {
    let (registry, _client) = registry().await;
    let port = registry
        .url()
        .rsplit(':')
        .next()
        .and_then(|port| port.parse().ok())
        .expect("a port");
    let taken: SocketAddr = (Ipv4Addr::LOCALHOST, port).into();
    let error = Embedded::start(Some(taken)).await.expect_err("in use");
    assert!(error.to_string().contains(&taken.to_string()), "{error}");
}

#[tokio::test]
async fn stopped_it_frees_its_port_and_answers_nobody() {
    let (registry, client) = registry().await;
    client
        .register("s", SchemaType::Avro, A)
        .await
        .expect("new");
    let url = registry.url();
    registry.stop().await;
    reqwest::get(url.as_str())
        .await
        .expect_err("nobody listens");
    let error = client
        .register("s", SchemaType::Avro, B)
        .await
        .expect_err("nobody listens");
    assert!(error.is_unavailable(), "{error}");
}
