//! Just enough HTTP to ask a server on this machine whether it is ready.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(2);

/// The first sample of `metric` under `/metrics` of the service on this port of 127.0.0.1. `None`: it does not answer
/// yet, or has none.
pub fn first_sample(port: u16, metric: &str) -> Option<f64> {
    sample_in(&get(port, "/metrics").ok()?, metric)
}

fn sample_in(page: &str, metric: &str) -> Option<f64> {
    page.lines().find_map(|line| {
        let rest = line.strip_prefix(metric)?;
        let value = rest
            .starts_with(['{', ' '])
            .then(|| rest.rsplit(' ').next());
        value.flatten()?.parse().ok()
    })
}

/// The body of a successful answer to `GET path` on 127.0.0.1, or what came instead.
pub(crate) fn get(port: u16, path: &str) -> Result<String, String> {
    ask("GET", port, path)
}

/// The body of a successful answer to a `POST path` without a body, or what came instead.
pub(crate) fn post(port: u16, path: &str) -> Result<String, String> {
    ask("POST", port, path)
}

/// `text` as a value in a path's query.
pub(crate) fn encode(text: &str) -> String {
    let letter = |byte: u8| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
            char::from(byte).to_string()
        }
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(letter).collect()
}

fn ask(method: &str, port: u16, path: &str) -> Result<String, String> {
    let asked = format!("{method} {path} on port {port}");
    let answer = exchange(method, port, path).map_err(|e| format!("{asked}: {e}"))?;
    let (head, body) = answer
        .split_once("\r\n\r\n")
        .ok_or_else(|| format!("no HTTP answer on port {port}"))?;
    let status = head.split_whitespace().nth(1).unwrap_or_default();
    if status.starts_with('2') {
        Ok(body.to_owned())
    } else {
        Err(format!("{asked}: status {status}, {}", body.trim()))
    }
}

fn exchange(method: &str, port: u16, path: &str) -> std::io::Result<String> {
    let mut stream = connect(port)?;
    // HTTP/1.0, so that the answer ends with the connection and comes in one piece.
    write!(
        stream,
        "{method} {path} HTTP/1.0\r\nHost: 127.0.0.1:{port}\r\nContent-Length: 0\r\n\r\n"
    )?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

/// A connection on which nothing takes for ever.
pub(crate) fn connect(port: u16) -> std::io::Result<TcpStream> {
    let address: SocketAddr = (Ipv4Addr::LOCALHOST, port).into();
    let stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    Ok(stream)
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_sample_is_found_by_its_metrics_whole_name() {
        let page = "# TYPE read counter\nread_total_created{a=\"b c\"} 1\nread_total{a=\"b c\"} 42\nup 1\n";
        let found = |metric| super::sample_in(page, metric);
        assert_eq!(
            (found("read_total"), found("up"), found("read")),
            (Some(42.0), Some(1.0), None)
        );
    }

    #[test]
    fn what_a_query_cannot_hold_is_encoded() {
        assert_eq!(
            super::encode("up{a=\"é\"} + 1"),
            "up%7Ba%3D%22%C3%A9%22%7D%20%2B%201"
        );
    }
}
