//! The site over HTTP: exactly the files that a site has, by name.

use std::path::PathBuf;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS,
};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use super::{DATA, FILES};

/// Only what the site itself brings is run, and nothing is read from elsewhere.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; base-uri 'none'; frame-ancestors 'none'";

/// Serves the site in a folder.
pub fn router(folder: PathBuf) -> Router {
    Router::new()
        .route(
            "/",
            get(|State(folder)| file(folder, "index.html".to_owned())),
        )
        .route(
            "/{name}",
            get(|State(folder), Path(name)| file(folder, name)),
        )
        .with_state(Arc::new(folder))
}

/// A file of the site. Whatever else a path names, inside the folder or out of it, is not found.
async fn file(folder: Arc<PathBuf>, name: String) -> Response {
    let names = FILES.iter().map(|(name, _)| *name).chain([DATA]);
    let Some(known) = names.into_iter().find(|known| *known == name) else {
        return (StatusCode::NOT_FOUND, "not found\n").into_response();
    };
    let read = folder.join(known);
    match tokio::task::spawn_blocking(move || std::fs::read(read)).await {
        Ok(Ok(content)) => (
            [
                (CONTENT_TYPE, content_type(known)),
                // The next `docs generate` is seen at once.
                (CACHE_CONTROL, "no-cache"),
                (CONTENT_SECURITY_POLICY, POLICY),
                (X_CONTENT_TYPE_OPTIONS, "nosniff"),
            ],
            content,
        )
            .into_response(),
        _ => (StatusCode::NOT_FOUND, "not there: run docs generate\n").into_response(),
    }
}

fn content_type(name: &str) -> &'static str {
    match name.rsplit_once('.').map(|(_, extension)| extension) {
        Some("html") => "text/html; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        _ => "text/javascript; charset=utf-8",
    }
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        reason = "a test ends where something is not as it should be"
    )]

    use serde_json::json;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::{TcpListener, TcpStream};

    use super::*;

    /// What the server answers to a path, written to it as it is.
    async fn answer(address: std::net::SocketAddr, path: &str) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nhost: docs\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        String::from_utf8(answer).unwrap()
    }

    #[tokio::test]
    async fn the_site_is_served_and_nothing_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let site = folder.path().join("site");
        std::fs::create_dir_all(&site).unwrap();
        std::fs::write(folder.path().join("secret.txt"), "SECRET").unwrap();
        std::fs::write(site.join("secret.txt"), "SECRET").unwrap();
        super::super::write(&site, &json!({"nodes": {}})).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, router(site)).await });

        for (path, kind) in [
            ("/", "text/html; charset=utf-8"),
            ("/style.css", "text/css; charset=utf-8"),
            ("/data.js", "text/javascript; charset=utf-8"),
        ] {
            let answer = answer(address, path).await;
            assert!(answer.starts_with("HTTP/1.1 200"), "{path}: {answer}");
            assert!(answer.contains(kind), "{path}: {answer}");
            assert!(answer.contains("default-src 'none'"), "{path}: {answer}");
        }
        for path in [
            "/secret.txt",
            "/../secret.txt",
            "/%2e%2e/secret.txt",
            "/..%2fsecret.txt",
            "/%2e%2e%2fsecret.txt",
            "//etc/passwd",
            "/%2fetc%2fpasswd",
            "/style.css/../secret.txt",
        ] {
            let answer = answer(address, path).await;
            assert!(answer.starts_with("HTTP/1.1 404"), "{path}: {answer}");
            assert!(!answer.contains("SECRET"), "{path}: {answer}");
        }
    }
}
