//! Just enough HTTP to ask a server on this machine whether it is ready.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(2);

/// The body of a successful answer to `GET path` on 127.0.0.1, or what came instead.
pub(crate) fn get(port: u16, path: &str) -> Result<String, String> {
    let answer = exchange(port, path).map_err(|e| format!("GET {path} on port {port}: {e}"))?;
    let (head, body) = answer
        .split_once("\r\n\r\n")
        .ok_or_else(|| format!("no HTTP answer on port {port}"))?;
    let status = head.split_whitespace().nth(1).unwrap_or_default();
    if status.starts_with('2') {
        Ok(body.to_owned())
    } else {
        Err(format!("GET {path} on port {port}: status {status}"))
    }
}

fn exchange(port: u16, path: &str) -> std::io::Result<String> {
    let mut stream = connect(port)?;
    // HTTP/1.0, so that the answer ends with the connection and comes in one piece.
    write!(
        stream,
        "GET {path} HTTP/1.0\r\nHost: 127.0.0.1:{port}\r\n\r\n"
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
