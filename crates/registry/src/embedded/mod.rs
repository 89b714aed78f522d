//! A registry in process: the Confluent API over HTTP, kept in memory.
//!
//! For the demo and for tests. It holds Avro and JSON schemas without references and forgets them
//! when it stops. Its default compatibility is BACKWARD.

mod avro;
mod compatibility;
mod json;
mod routes;
mod store;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::{Error, Result};

/// A running registry. It ends with [`Embedded::stop`], or soon after it is dropped.
#[derive(Debug)]
pub struct Embedded {
    address: SocketAddr,
    /// Dropped, it tells the server to end.
    stop: oneshot::Sender<()>,
    server: JoinHandle<()>,
}

impl Embedded {
    /// Starts a registry on `address`, or on a free port of this machine. It answers as soon as
    /// this returns. It runs on the runtime that this is called on.
    pub async fn start(address: Option<SocketAddr>) -> Result<Self> {
        let wanted = address.unwrap_or_else(|| (Ipv4Addr::LOCALHOST, 0).into());
        let refuse = |source| Error::Listen {
            address: wanted,
            source: Arc::new(source),
        };
        let listener = TcpListener::bind(wanted).await.map_err(refuse)?;
        let address = listener.local_addr().map_err(refuse)?;
        let (stop, stopped) = oneshot::channel::<()>();
        let server = tokio::spawn(async move {
            let serving = axum::serve(listener, routes::router()).with_graceful_shutdown(async {
                // A dropped sender means the same as a sent word.
                let _ = stopped.await;
            });
            if let Err(error) = serving.await {
                tracing::error!(%error, "the embedded schema registry ended");
            }
        });
        Ok(Self {
            address,
            stop,
            server,
        })
    }

    /// Where it answers, such as `http://127.0.0.1:40123`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Stops listening, lets requests under way finish, and waits until the port is free again.
    pub async fn stop(self) {
        drop(self.stop);
        // The task fails only if its runtime is ending, and then the port is free as well.
        let _ = self.server.await;
    }
}
