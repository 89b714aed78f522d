//! Where metrics are served.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::routing::get;
use tokio::net::TcpListener;

use super::registry::Registry;
use crate::{Error, Result};

/// Serves `/metrics` at `listen` (`host:port`; port 0 is any free one) until the runtime ends. Returns the address.
///
/// Must be called inside a tokio runtime.
pub async fn serve(listen: &str, registry: Arc<Registry>) -> Result<SocketAddr> {
    let failed = |source| Error::Listen {
        address: listen.to_owned(),
        source,
    };
    let listener = TcpListener::bind(listen).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    let page = move || {
        let text = registry.render();
        async move { ([(CONTENT_TYPE, prometheus::TEXT_FORMAT)], text) }
    };
    let router = Router::new().route("/metrics", get(page));
    tokio::spawn(async move {
        // It ends with the process: a last scrape while the last flush is committed is welcome.
        if let Err(error) = axum::serve(listener, router).await {
            tracing::error!(%error, %address, "metrics are no longer served");
        }
    });
    tracing::info!(%address, "metrics");
    Ok(address)
}

#[cfg(test)]
mod tests {
    use super::super::Unit;
    use super::*;
    use std::io::{Read as _, Write as _};

    #[tokio::test(flavor = "multi_thread")]
    async fn metrics_are_served_as_text() {
        let registry = Arc::new(Registry::new("test"));
        registry
            .counter("turns", Unit::Of("turns"), [], "Turns.")
            .add([], 5);
        let address = serve("127.0.0.1:0", registry).await.expect("served");
        let answer = tokio::task::spawn_blocking(move || {
            let mut connection = std::net::TcpStream::connect(address).expect("connected");
            connection
                .write_all(b"GET /metrics HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n")
                .expect("asked");
            let mut answer = String::new();
            connection.read_to_string(&mut answer).expect("answered");
            answer
        })
        .await
        .expect("asked");
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        assert!(
            answer.contains("content-type: text/plain; version=0.0.4"),
            "{answer}"
        );
        assert!(
            answer.contains("\ngoldrecord_test_turns_turns_total 5\n"),
            "{answer}"
        );
    }

    #[tokio::test]
    async fn a_port_that_is_taken_is_named_with_the_key_that_chooses_it() {
        let taken = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = taken.local_addr().expect("bound").to_string();
        let error = serve(&address, Arc::new(Registry::new("test")))
            .await
            .expect_err("taken");
        let text = error.to_string();
        assert!(
            text.contains(&address) && text.contains("[metrics] listen"),
            "{text}"
        );
    }
}
