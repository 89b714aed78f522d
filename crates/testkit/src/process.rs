//! Child processes: started, signalled and never left behind.

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};

use crate::{Error, Result};

/// How often a condition is looked at that nobody announces.
pub(crate) const GLANCE: Duration = Duration::from_millis(25);

/// A program to run, and the name of its log.
#[derive(Clone, Debug)]
pub(crate) struct Launch {
    /// Names the process within its server, and its log file.
    pub name: &'static str,
    pub program: PathBuf,
    pub arguments: Vec<String>,
}

impl Launch {
    pub fn log(&self, dir: &Path) -> PathBuf {
        dir.join(format!("{}.log", self.name))
    }

    /// Starts it as the leader of a process group of its own, in `dir`, writing to its log.
    pub fn spawn(&self, dir: &Path) -> Result<Child> {
        let mut command = Command::new(&self.program);
        command.args(&self.arguments).process_group(0);
        self.spawn_as(command, dir)
    }

    /// Starts it as the leader of a session of its own, so that it outlives this process and its
    /// terminal.
    pub fn spawn_detached(&self, dir: &Path) -> Result<Child> {
        let mut command = Command::new("setsid");
        command.arg(&self.program).args(&self.arguments);
        self.spawn_as(command, dir)
    }

    fn spawn_as(&self, mut command: Command, dir: &Path) -> Result<Child> {
        let path = self.log(dir);
        let log = File::options().create(true).append(true).open(&path);
        let log = log.map_err(Error::io("cannot write", &path))?;
        let twin = log.try_clone().map_err(Error::io("cannot write", &path))?;
        command
            .current_dir(dir)
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(twin);
        command
            .spawn()
            .map_err(Error::io("cannot start", &self.program))
    }

    /// Runs it to its end, for what a server needs before its first start.
    pub fn run(&self, dir: &Path) -> Result<()> {
        let mut child = self.spawn(dir)?;
        let status = child
            .wait()
            .map_err(Error::io("cannot wait for", &self.program))?;
        if status.success() {
            return Ok(());
        }
        Err(Error::Failed {
            what: self.name.to_owned(),
            status: status.to_string(),
            output: tail(&self.log(dir)),
        })
    }
}

/// The last lines of a log.
pub(crate) fn tail(path: &Path) -> String {
    const BYTES: u64 = 16 * 1024;
    const LINES: usize = 30;
    let read = || -> std::io::Result<Vec<u8>> {
        let mut file = File::open(path)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(BYTES)))?;
        let mut end = Vec::new();
        file.read_to_end(&mut end)?;
        Ok(end)
    };
    match read() {
        Ok(end) => {
            let text = String::from_utf8_lossy(&end);
            let lines: Vec<&str> = text.lines().collect();
            lines[lines.len().saturating_sub(LINES)..].join("\n")
        }
        Err(error) => format!("(the log cannot be read: {error})"),
    }
}

/// Sends `signal` to every process of the group that `leader` leads. One that is gone already is
/// what the sender of an ending signal wants.
pub(crate) fn signal_group(leader: u32, signal: Signal) {
    let pid = i32::try_from(leader).ok().and_then(Pid::from_raw);
    let pid = pid.expect("a process's number is above 0 and fits the kernel's type");
    // The only other failure is a process of another user, and the leader is our own child.
    let _ = kill_process_group(pid, signal);
}

/// Waits until no thread of a process runs, at most `patience`: a signal to stop reaches them one by one.
pub(crate) fn wait_until_stopped(pid: u32, patience: Duration) {
    let deadline = Instant::now() + patience;
    while !is_stopped(pid) && Instant::now() < deadline {
        std::thread::sleep(GLANCE);
    }
}

/// Whether every thread stands still or is gone.
fn is_stopped(pid: u32) -> bool {
    let Ok(threads) = fs::read_dir(format!("/proc/{pid}/task")) else {
        return true;
    };
    threads.flatten().all(|thread| {
        let Ok(stat) = fs::read_to_string(thread.path().join("stat")) else {
            return true;
        };
        let state = stat
            .rsplit_once(')')
            .and_then(|(_, fields)| fields.split_whitespace().next());
        matches!(state, Some("T" | "t" | "Z" | "X"))
    })
}

/// Waits until `child` ends, at most `patience`.
pub(crate) fn wait_for_end(child: &mut Child, patience: Duration) -> Option<ExitStatus> {
    let deadline = Instant::now() + patience;
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Some(status),
            Ok(None) if Instant::now() < deadline => std::thread::sleep(GLANCE),
            Ok(None) | Err(_) => return None,
        }
    }
}

/// A small shell that ends servers once this process is gone, however it went: it waits for the
/// end of a pipe that only this process holds. (The kernel's own "signal on parent's death" looks
/// at the thread that started the child, and a test's thread ends with the test.)
#[derive(Debug)]
pub(crate) struct Guardian {
    shell: Child,
    pipe: Option<ChildStdin>,
}

impl Guardian {
    /// A guardian that removes `dir` when it ends.
    pub fn start(dir: &Path) -> Result<Self> {
        let mut shell = Command::new("/bin/sh")
            .args([
                "-c",
                include_str!("templates/guardian.sh"),
                "goldrecord-testkit-guardian",
            ])
            .arg(dir)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .map_err(Error::io("cannot start", "/bin/sh"))?;
        let pipe = shell.stdin.take();
        Ok(Self { shell, pipe })
    }

    pub fn started(&mut self, leader: u32) {
        self.tell(&format!("start {leader}\n"));
    }

    pub fn stopped(&mut self, leader: u32) {
        self.tell(&format!("stop {leader}\n"));
    }

    /// The folder holds logs that somebody is to read.
    pub fn keep_folder(&mut self) {
        self.tell("keep\n");
    }

    fn tell(&mut self, line: &str) {
        let pipe = self
            .pipe
            .as_mut()
            .expect("the pipe is open until the guardian is dropped");
        // Without its guardian a server still ends with `Drop`.
        let _ = pipe.write_all(line.as_bytes());
    }
}

impl Drop for Guardian {
    fn drop(&mut self) {
        drop(self.pipe.take());
        // It ends by itself now; waiting keeps it from being a zombie.
        let _ = self.shell.wait();
    }
}

/// Writes a file of a server's folder.
pub(crate) fn write(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).map_err(Error::io("cannot write", path))
}

/// Makes a folder and those above it.
pub(crate) fn make_folder(path: &Path) -> Result<()> {
    fs::create_dir_all(path).map_err(Error::io("cannot make the folder", path))
}
