//! Registries that are down, slow to come, or no registries.

use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use axum::Router;
use axum::http::StatusCode;
use goldrecord_registry::{Client, Error};

const FOUND: &str = r#"{"schema":"\"string\""}"#;

/// A server that answers its n-th request (from 1) as `answer` says; and the count of requests.
async fn server(answer: fn(u32) -> (u16, &'static str)) -> (Client, Arc<AtomicU32>) {
    let count = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&count);
    let respond = async move || {
        let (status, body) = answer(counted.fetch_add(1, Ordering::SeqCst) + 1);
        // The others who ask get their turn before the answer is there.
        tokio::task::yield_now().await;
        (StatusCode::from_u16(status).expect("a status"), body)
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("bound"));
    tokio::spawn(async move { axum::serve(listener, Router::new().fallback(respond)).await });
    (Client::new(&url).expect("a URL"), count)
}

#[tokio::test]
async fn a_registry_that_is_not_there_is_unavailable() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("bound"));
    drop(listener);
    let error = Client::new(&url)
        .expect("a URL")
        .schema(7)
        .await
        .expect_err("nobody listens");
    assert!(error.is_unavailable());
    let text = error.to_string();
    assert!(
        text.contains(&url) && text.contains("schema id 7") && text.contains("5 attempts"),
        "{text}"
    );
}

#[tokio::test]
async fn answers_of_a_registry_that_is_unwell_are_asked_for_again() {
    let (client, count) = server(|n| {
        if n < 3 {
            (503, "starting")
        } else {
            (200, FOUND)
        }
    })
    .await;
    assert_eq!(
        client.schema(7).await.expect("the third answer").text,
        "\"string\""
    );
    assert_eq!(count.load(Ordering::SeqCst), 3);
}

#[tokio::test]
async fn a_registry_that_stays_unwell_is_given_up_with_its_own_words() {
    let (client, count) =
        server(|_| (500, r#"{"error_code":50001,"message":"the disk is full"}"#)).await;
    let error = client.schema(7).await.expect_err("never well");
    assert!(error.is_unavailable());
    assert!(
        error.to_string().contains("50001 the disk is full"),
        "{error}"
    );
    assert_eq!(count.load(Ordering::SeqCst), 5);
}

#[tokio::test]
async fn those_who_ask_for_one_id_at_once_share_one_request() {
    let (client, count) = server(|_| (200, FOUND)).await;
    let asking = (0..20).map(|_| {
        let client = client.clone();
        tokio::spawn(async move { client.schema(7).await.expect("found") })
    });
    for asked in asking.collect::<Vec<_>>() {
        asked.await.expect("no panic");
    }
    client.schema(7).await.expect("kept");
    assert_eq!(count.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn one_who_gives_up_does_not_take_the_answer_from_others() {
    let (client, count) = server(|_| (200, FOUND)).await;
    let hasty = tokio::spawn({
        let client = client.clone();
        async move { client.schema(7).await }
    });
    tokio::task::yield_now().await;
    hasty.abort();
    client.schema(7).await.expect("found");
    assert_eq!(count.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_failure_is_not_kept() {
    let (client, _count) = server(|n| {
        if n == 1 {
            (
                404,
                r#"{"error_code":40403,"message":"Schema 7 not found"}"#,
            )
        } else {
            (200, FOUND)
        }
    })
    .await;
    assert!(
        client
            .schema(7)
            .await
            .expect_err("not yet registered")
            .is_unknown()
    );
    client.schema(7).await.expect("registered meanwhile");
}

#[tokio::test]
async fn a_server_that_is_no_registry_makes_the_caller_wait() {
    for answer in [
        |_| (404, "<html>not here</html>"),
        |_| (200, "<html>welcome</html>"),
    ] {
        let (client, _count) = server(answer).await;
        let error = client.schema(7).await.expect_err("no registry");
        assert!(
            matches!(error, Error::NotARegistry { .. }) && error.is_unavailable(),
            "{error}"
        );
        assert!(error.to_string().contains("registry.url"), "{error}");
    }
}
