//! A program under test: started, frozen, killed, stopped, and watched for an end that nobody ordered.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::error::{Error, Result};

/// How long a program may take to stop when asked to. systemd would give it longer.
const STOP: Duration = Duration::from_mins(1);
const GLANCE: Duration = Duration::from_millis(20);

/// The program.
pub struct Program {
    name: String,
    log: PathBuf,
    command: Box<dyn Fn() -> Command + Send>,
    child: Option<Child>,
    starts: u64,
    /// How long the log was at the last start.
    said_before: u64,
}

impl Program {
    /// A program that does not run yet. What it writes is added to `log`.
    pub fn new(
        name: impl Into<String>,
        log: PathBuf,
        command: impl Fn() -> Command + Send + 'static,
    ) -> Self {
        Self {
            name: name.into(),
            log,
            command: Box::new(command),
            child: None,
            starts: 0,
            said_before: 0,
        }
    }

    /// What it is called.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Starts it, unless it runs.
    pub fn start(&mut self) -> Result<()> {
        if self.child.is_some() {
            return Ok(());
        }
        let log = File::options().create(true).append(true).open(&self.log);
        let log = log.map_err(Error::io("cannot write", &self.log))?;
        let told = log
            .metadata()
            .map_err(Error::io("cannot read", &self.log))?;
        let twin = log
            .try_clone()
            .map_err(Error::io("cannot write", &self.log))?;
        let mut command = (self.command)();
        command.stdin(Stdio::null()).stdout(log).stderr(twin);
        let program = command.get_program().to_owned();
        self.child = Some(
            command
                .spawn()
                .map_err(Error::io("cannot start", program))?,
        );
        self.starts += 1;
        self.said_before = told.len();
        Ok(())
    }

    /// Ends it at once.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            // One that is gone already is what is wanted.
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Makes it stand still.
    pub fn freeze(&self) {
        self.signal(Signal::STOP);
    }

    /// Lets it go on.
    pub fn thaw(&self) {
        self.signal(Signal::CONT);
    }

    fn signal(&self, signal: Signal) {
        let pid = self.child.as_ref().and_then(|child| {
            let number = i32::try_from(child.id()).ok()?;
            Pid::from_raw(number)
        });
        if let Some(pid) = pid {
            // It is our own child, which nobody has waited for: the number is still its own.
            let _ = kill_process(pid, signal);
        }
    }

    /// Asks it to stop and waits until it has.
    pub fn stop(&mut self) -> Result<()> {
        self.signal(Signal::TERM);
        let deadline = Instant::now() + STOP;
        while let Some(child) = &mut self.child {
            match child.try_wait() {
                Ok(Some(status)) if self.is_well(status) => self.child = None,
                Ok(Some(status)) => return Err(self.ended(status)),
                Ok(None) | Err(_) if Instant::now() > deadline => {
                    return Err(Error::WontStop {
                        name: self.name.clone(),
                        seconds: STOP.as_secs(),
                        log: self.log.clone(),
                        tail: self.tail(),
                    });
                }
                Ok(None) | Err(_) => std::thread::sleep(GLANCE),
            }
        }
        Ok(())
    }

    /// Whether one that was asked to stop ended as it should.
    fn is_well(&self, status: ExitStatus) -> bool {
        status.success() || self.was_new(status)
    }

    /// Whether the signal to stop came before the program was there to hear it: it has done nothing yet.
    fn was_new(&self, status: ExitStatus) -> bool {
        let said = fs::metadata(&self.log).map_or(0, |log| log.len());
        status.signal() == Some(Signal::TERM.as_raw()) && said == self.said_before
    }

    /// An end that nobody had told it to is an error.
    pub fn check(&mut self) -> Result<()> {
        match self.child.as_mut().map(Child::try_wait) {
            Some(Ok(Some(status))) => Err(self.ended(status)),
            _ => Ok(()),
        }
    }

    fn ended(&self, status: ExitStatus) -> Error {
        Error::Ended {
            name: self.name.clone(),
            status: status.to_string(),
            log: self.log.clone(),
            tail: self.tail(),
        }
    }

    /// The last lines of its log.
    pub fn tail(&self) -> String {
        const LINES: usize = 12;
        let text = fs::read(&self.log).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(LINES)..].join("\n")
    }

    /// How many lines of its log hold `words`.
    pub fn lines_with(&self, words: &str) -> u64 {
        let Ok(file) = File::open(&self.log) else {
            return 0;
        };
        let lines = BufReader::new(file).lines().map_while(Result::ok);
        lines.filter(|line| line.contains(words)).count() as u64
    }

    /// How often it was started.
    pub fn starts(&self) -> u64 {
        self.starts
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.kill();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(dir: &std::path::Path, script: &'static str) -> Program {
        Program::new("it", dir.join("it.log"), move || {
            let mut command = Command::new("sh");
            command.args(["-c", script]);
            command
        })
    }

    #[test]
    fn an_end_that_nobody_ordered_is_told_with_what_it_said() {
        let dir = tempfile::tempdir().expect("a folder");
        let mut program = shell(dir.path(), "echo no more; exit 3");
        program.start().expect("starts");
        let told = loop {
            if let Err(error) = program.check() {
                break error.to_string();
            }
            std::thread::sleep(GLANCE);
        };
        assert!(
            told.contains("exit status: 3") && told.contains("no more"),
            "{told}"
        );
        assert_eq!(program.lines_with("no more"), 1);
    }

    #[test]
    fn one_that_heard_nothing_yet_may_go_without_a_word_but_not_later() {
        let dir = tempfile::tempdir().expect("a folder");
        let mut program = shell(dir.path(), "exec sleep 60");
        program.start().expect("starts");
        program.stop().expect("it had done nothing");
        let mut program = shell(dir.path(), "echo up; exec sleep 60");
        program.start().expect("starts");
        while program.lines_with("up") == 0 {
            std::thread::sleep(GLANCE);
        }
        let told = program.stop().expect_err("it had begun").to_string();
        assert!(told.contains("SIGTERM"), "{told}");
    }

    #[test]
    fn one_that_stops_when_asked_is_well() {
        let dir = tempfile::tempdir().expect("a folder");
        let script = "trap 'exit 0' TERM; echo up; while :; do sleep 0.01; done";
        let mut program = shell(dir.path(), script);
        program.start().expect("starts");
        while program.lines_with("up") == 0 {
            std::thread::sleep(GLANCE);
        }
        program.check().expect("runs");
        program.stop().expect("stops");
        program.check().expect("an ordered end is none of its own");
    }
}
