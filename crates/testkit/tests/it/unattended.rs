//! Servers end with the process that started them, however it ends.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use goldrecord_testkit::{ClickHouse, require};

use crate::ask;

/// Set in the process that the tests below start, and end.
const CHILD: &str = "GOLDRECORD_TESTKIT_CHILD";

/// Not a test of its own: what the process that is ended does.
#[test]
fn a_process_with_a_server() {
    let Ok(end) = std::env::var(CHILD) else {
        return;
    };
    // Started by a thread that is gone at once, as tests' threads are.
    let started = std::thread::spawn(|| ClickHouse::shared().expect("the parent had one"));
    let server = started.join().expect("it started");
    println!("\nserver {} {}", server.url(), server.dir().display());
    if end == "exit" {
        std::process::exit(0);
    }
    // Until the pipe breaks or the process is killed.
    let _ = std::io::stdin().read(&mut [0]);
}

fn child_with_a_server(end: &str) -> (Child, String, String) {
    let mut child = Command::new(std::env::current_exe().expect("this program"))
        .args([
            "--exact",
            "unattended::a_process_with_a_server",
            "--nocapture",
        ])
        .env(CHILD, end)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the child starts");
    let output = BufReader::new(child.stdout.take().expect("piped"));
    let line = output
        .lines()
        .map(|line| line.expect("text"))
        .find(|line| line.starts_with("server "))
        .expect("the child says where its server is");
    let words: Vec<&str> = line.split(' ').collect();
    (child, words[1].to_owned(), words[2].to_owned())
}

fn nothing_is_left(url: &str, dir: &str) {
    ask::eventually("the server is gone", || !ask::listens(url));
    ask::eventually("the folder is gone", || !Path::new(dir).exists());
}

#[test]
fn a_killed_process_takes_its_servers_along() {
    if require(ClickHouse::shared()).is_none() {
        return;
    }
    let (mut child, url, dir) = child_with_a_server("wait");
    assert!(
        ask::listens(&url),
        "a server lives longer than the thread that started it"
    );
    child.kill().expect("it can be killed");
    child.wait().expect("it ended");
    nothing_is_left(&url, &dir);
}

#[test]
fn a_process_that_exits_takes_its_servers_along() {
    if require(ClickHouse::shared()).is_none() {
        return;
    }
    let (mut child, url, dir) = child_with_a_server("exit");
    child.wait().expect("it ended");
    nothing_is_left(&url, &dir);
}
