//! What is refused, and in which words.

use std::io::{Read, Write};

use goldrecord_lake::Lake;
use goldrecord_loader::{Error, LoaderSettings, Outcome, status};

use crate::bench::{bench, rows};

#[tokio::test]
async fn a_table_that_lost_all_its_rows() {
    let Some(mut bench) = bench("emptied") else {
        return;
    };
    bench.replace("days", &rows(0..5, 1)).await;
    bench.publish().await;
    bench.load().await.unwrap();
    bench.replace("days", &rows(0..0, 1)).await;
    bench.publish().await;
    let error = bench.load().await.unwrap_err().to_string();
    assert!(
        error.contains("gold table `days` is empty and had 5 rows in release 1.0"),
        "{error}"
    );
    assert!(error.contains("--allow-empty days"), "{error}");
    assert_eq!(bench.query("SELECT count() FROM DB.days").await, "5");
    bench.settings.allow_empty = vec!["days".to_owned()];
    bench.load().await.unwrap();
    assert_eq!(bench.query("SELECT count() FROM DB.days").await, "0");
}

#[tokio::test]
async fn a_lake_without_a_published_build() {
    let Some(bench) = bench("nobuild") else {
        return;
    };
    let error = bench.load().await.unwrap_err();
    assert!(matches!(error, Error::NoBuild { .. }), "{error}");
    assert!(
        error
            .to_string()
            .contains("run `goldrecord-layers build --target"),
        "{error}"
    );
    assert_eq!(status(&bench.settings).await.unwrap().releases, []);
}

#[tokio::test]
async fn a_lake_that_is_behind_what_readers_see() {
    let Some(mut bench) = bench("behind") else {
        return;
    };
    for n in 1..=2 {
        bench.replace("days", &rows(0..5, n)).await;
        bench.publish().await;
    }
    bench.load().await.unwrap();
    // Another lake, whose first build is older than what readers see.
    let Some(mut other) = crate::bench::bench("behind") else {
        return;
    };
    other.replace("days", &rows(0..5, 9)).await;
    other.publish().await;
    assert_eq!(other.load().await.unwrap().outcome, Outcome::Behind);
    assert_eq!(bench.query("SELECT max(n) FROM DB.days").await, "2");
}

#[tokio::test]
async fn a_server_that_is_down_or_another_or_does_not_let_us_in() {
    let Some(bench) = bench("door") else { return };
    let message = async |settings: LoaderSettings| status(&settings).await.unwrap_err().to_string();
    let at = |url: String| LoaderSettings {
        url,
        ..bench.settings.clone()
    };

    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = free.local_addr().unwrap().port();
    drop(free);
    let down = message(at(format!("http://127.0.0.1:{port}"))).await;
    assert!(
        down.contains("does not answer")
            && down.contains("Connection refused")
            && down.contains("8123"),
        "{down}"
    );

    let wrong = LoaderSettings {
        password: Some("wrong".to_owned()),
        ..bench.settings.clone()
    };
    let wrong = message(wrong).await;
    assert!(
        wrong.contains("does not let `default` in") && wrong.contains("clickhouse-password"),
        "{wrong}"
    );
    assert!(
        !wrong.contains("wrong"),
        "a password never stands in a message"
    );

    let other = message(at(answering(
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
    )))
    .await;
    assert!(
        other.contains("is not ClickHouse's HTTP interface (status 200)"),
        "{other}"
    );

    let old = "HTTP/1.1 200 OK\r\nX-ClickHouse-Query-Id: q\r\nContent-Length: 25\r\n\r\n{\"version\":\"23.8.16.16\"}\n";
    let old = message(at(answering(old))).await;
    assert!(
        old.contains("is version 23.8.16.16; 24.1 or newer is needed"),
        "{old}"
    );

    let tls = message(at("https://localhost:8443".to_owned())).await;
    assert!(
        tls.contains("TLS to ClickHouse is not supported yet"),
        "{tls}"
    );
}

/// A server that gives each of its callers the same answer.
fn answering(answer: &'static str) -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for caller in listener.incoming() {
            let mut caller = caller.unwrap();
            let mut asked = [0; 4096];
            let n = caller.read(&mut asked).unwrap();
            assert!(n > 0);
            caller.write_all(answer.as_bytes()).unwrap();
        }
    });
    url
}

#[tokio::test]
async fn a_lake_that_is_not_there() {
    let Some(bench) = bench("nolake") else { return };
    let folder = tempfile::tempdir().unwrap();
    let lake = Lake::open(folder.path().join("none").to_str().unwrap()).unwrap();
    let error = goldrecord_loader::load(&bench.settings, &lake, &goldrecord_loader::Silent)
        .await
        .unwrap_err();
    assert!(error.to_string().contains("none"), "{error}");
}
