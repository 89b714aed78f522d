//! Which ports are free, and who has those that are not.

use std::fs;
use std::hash::{BuildHasher, RandomState};
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;

use crate::{Error, Result};

/// Below the ports that the kernel gives to outgoing connections, so that a server that is down
/// for a moment finds its port free again.
const FROM: u16 = 20_000;
const TO: u16 = 28_000;

/// `N` ports that are free now. Tests run side by side, so the search starts at a random place.
pub(crate) fn free<const N: usize>() -> Result<[u16; N]> {
    let span = u64::from(TO - FROM);
    let start = RandomState::new().hash_one(std::process::id()) % span;
    let mut found = (0..span)
        .map(|step| FROM + ((start + step) % span) as u16)
        .filter(|port| is_free(*port))
        .take(N);
    let ports: Vec<u16> = found.by_ref().collect();
    <[u16; N]>::try_from(ports).map_err(|_| Error::NoPorts {
        wanted: N,
        from: FROM,
        to: TO,
    })
}

pub(crate) fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

/// The process that listens on `port`, in words.
pub(crate) fn holder(port: u16) -> String {
    let Some(socket) = listening_socket(port) else {
        return "another program".to_owned();
    };
    match process_with(&socket) {
        Some((pid, command)) => format!("process {pid} ({command})"),
        None => "a process of another user".to_owned(),
    }
}

/// The name under which `/proc/*/fd` shows the socket that listens on `port`.
fn listening_socket(port: u16) -> Option<String> {
    const LISTEN: &str = "0A";
    let tables = ["/proc/net/tcp", "/proc/net/tcp6"];
    let lines = tables
        .into_iter()
        .filter_map(|table| fs::read_to_string(table).ok());
    let suffix = format!(":{port:04X}");
    for table in lines {
        for line in table.lines().skip(1) {
            let fields: Vec<&str> = line.split_whitespace().collect();
            if let [_, local, _, LISTEN, _, _, _, _, _, inode, ..] = fields[..]
                && local.ends_with(&suffix)
            {
                return Some(format!("socket:[{inode}]"));
            }
        }
    }
    None
}

fn process_with(socket: &str) -> Option<(u32, String)> {
    for process in fs::read_dir("/proc").ok()?.flatten() {
        let Ok(pid) = process.file_name().to_string_lossy().parse::<u32>() else {
            continue;
        };
        let Ok(files) = fs::read_dir(process.path().join("fd")) else {
            continue;
        };
        let holds =
            |file: &Path| fs::read_link(file).is_ok_and(|target| target.as_os_str() == socket);
        if files.flatten().any(|file| holds(&file.path())) {
            return Some((pid, command_line(pid)));
        }
    }
    None
}

fn command_line(pid: u32) -> String {
    const SHOWN: usize = 80;
    let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let words = String::from_utf8_lossy(&line).replace('\0', " ");
    words.trim().chars().take(SHOWN).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn free_ports_differ_and_can_be_listened_on() {
        let [a, b, c] = free().expect("ports");
        assert!(a != b && b != c && a != c);
        assert!([a, b, c].into_iter().all(is_free));
    }

    #[test]
    fn the_holder_of_a_port_is_named() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let port = listener.local_addr().expect("bound").port();
        assert!(!is_free(port));
        let holder = holder(port);
        assert!(holder.contains(&std::process::id().to_string()), "{holder}");
    }
}
