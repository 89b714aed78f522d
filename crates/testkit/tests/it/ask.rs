//! Asking a server without a client library.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

/// The answer to `GET path` at a URL's host, head and body, if one comes within a second.
pub fn get(url: &str, path: &str) -> std::io::Result<String> {
    let host = host(url);
    let mut stream = TcpStream::connect(host)?;
    stream.set_read_timeout(Some(Duration::from_secs(1)))?;
    write!(stream, "GET {path} HTTP/1.0\r\nHost: {host}\r\n\r\n")?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

/// The body of ClickHouse's answer to a query that changes something.
pub fn post(url: &str, query: &str) -> String {
    send(url, "/", query)
}

/// The body of the answer to `POST path` at a URL's host. Whoever cares takes the body for JSON.
pub fn send(url: &str, path: &str, body: &str) -> String {
    let host = host(url);
    let mut stream = TcpStream::connect(host).expect("it listens");
    let length = body.len();
    write!(
        stream,
        "POST {path} HTTP/1.0\r\nHost: {host}\r\nContent-Type: application/json\r\n\
         Content-Length: {length}\r\n\r\n{body}"
    )
    .expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    assert!(
        answer.starts_with("HTTP/1.0 200") || answer.starts_with("HTTP/1.1 200"),
        "{body}: {answer}"
    );
    answer
        .split_once("\r\n\r\n")
        .expect("a head and a body")
        .1
        .to_owned()
}

pub fn listens(url: &str) -> bool {
    TcpStream::connect(host(url)).is_ok()
}

/// Waits until something holds, which it must within half a minute.
#[track_caller]
pub fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(
            begun.elapsed() < Duration::from_secs(30),
            "it never came that {what}"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn host(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.split('/').next().expect("a split has a first part")
}
