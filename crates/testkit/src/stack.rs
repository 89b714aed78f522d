//! Servers that stay: started by one command and stopped by another, on ports that are known.
//!
//! What runs is written down in the stack's folder with each process's start time, so that only
//! processes of the stack are ever ended, also after their numbers are used again.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde::{Deserialize, Serialize};

use crate::identity::Identity;
use crate::process::{self, GLANCE};
use crate::{Error, Kind, Result, cache, ports};

/// How long a server may take to stop before it is killed.
const STOP_PATIENCE: Duration = Duration::from_secs(20);

/// A folder with servers.
#[derive(Debug)]
pub struct Stack {
    dir: PathBuf,
}

/// What is known of one server of a stack.
#[derive(Debug, Serialize)]
pub struct Status {
    /// Which.
    pub server: Kind,
    /// Whether it runs.
    pub state: State,
    /// What clients connect to, where it was ever started.
    pub address: Option<String>,
    /// Its processes' numbers, of those that run.
    pub pids: Vec<u32>,
    /// Memory that they hold, in bytes.
    pub memory: u64,
    /// Its data and logs.
    pub dir: PathBuf,
}

/// Whether a server runs.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase", tag = "is", content = "why")]
pub enum State {
    /// It does its work.
    Up,
    /// It runs and does not do its work, for this reason.
    Unready(String),
    /// Some of its processes have ended.
    Broken,
    /// It does not run.
    Down,
}

/// What `up` did for a server.
#[derive(Debug)]
pub struct Started {
    /// Which.
    pub server: Kind,
    /// What clients connect to.
    pub address: String,
    /// How long it took to be ready; nothing if it was up already.
    pub took: Option<Duration>,
}

/// A running server as the stack's folder remembers it.
#[derive(Debug, Serialize, Deserialize)]
struct Record {
    port: u16,
    processes: Vec<Identity>,
}

/// The port that clients of `kind` use, unless told otherwise.
pub fn default_port(kind: Kind) -> u16 {
    match kind {
        Kind::Kafka => 29_092,
        Kind::Hdfs => 28_020,
        Kind::Registry => 28_082,
        Kind::ClickHouse => 28_123,
        Kind::Prometheus => 28_190,
    }
}

impl Stack {
    /// The stack in `dir`, or in this user's cache folder.
    pub fn open(dir: Option<PathBuf>) -> Result<Self> {
        let dir = match dir {
            Some(dir) => {
                std::path::absolute(&dir).map_err(Error::io("cannot use the folder", dir))?
            }
            None => cache::folder()?.join("stack"),
        };
        Ok(Self { dir })
    }

    /// Starts those of `wanted` that are down, side by side, and writes the configuration file
    /// for the servers that run. Ports: where it is not named, a server has its default one.
    pub fn up(
        &self,
        wanted: &[Kind],
        ports: &BTreeMap<Kind, u16>,
    ) -> Result<(Vec<Started>, PathBuf)> {
        process::make_folder(&self.dir)?;
        let _lock = self.lock()?;
        let port = |kind: &Kind| {
            ports
                .get(kind)
                .copied()
                .unwrap_or_else(|| default_port(*kind))
        };
        let started: Vec<Result<Started>> = std::thread::scope(|scope| {
            let starting: Vec<_> = wanted
                .iter()
                .map(|kind| scope.spawn(|| self.start(*kind, port(kind))))
                .collect();
            let finished = starting
                .into_iter()
                .map(std::thread::ScopedJoinHandle::join);
            finished
                .map(|started| started.expect("starting a server returns its errors"))
                .collect()
        });
        let configuration = self.write_configuration()?;
        let started = started.into_iter().collect::<Result<Vec<Started>>>()?;
        Ok((started, configuration))
    }

    /// Stops those of `wanted` that run, and removes their data where `purge` says so. Returns
    /// those that ran.
    pub fn down(&self, wanted: &[Kind], purge: bool) -> Result<Vec<Kind>> {
        if !self.dir.exists() {
            return Ok(Vec::new());
        }
        let _lock = self.lock()?;
        let mut stopped = Vec::new();
        for kind in wanted {
            if self.stop(*kind)? {
                stopped.push(*kind);
            }
            let dir = self.dir_of(*kind);
            if purge && dir.exists() {
                fs::remove_dir_all(&dir).map_err(Error::io("cannot remove", dir))?;
            }
        }
        self.write_configuration()?;
        Ok(stopped)
    }

    /// What is known of every server.
    pub fn status(&self) -> Result<Vec<Status>> {
        Kind::ALL
            .into_iter()
            .map(|kind| self.status_of(kind))
            .collect()
    }

    /// The folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Two commands on one stack take turns.
    fn lock(&self) -> Result<File> {
        let path = self.dir.join("lock");
        let lock = File::create(&path).map_err(Error::io("cannot write", &path))?;
        lock.lock().map_err(Error::io("cannot lock", path))?;
        Ok(lock)
    }

    fn start(&self, kind: Kind, port: u16) -> Result<Started> {
        let status = self.status_of(kind)?;
        if let (State::Up, Some(address)) = (status.state, status.address) {
            return Ok(Started {
                server: kind,
                address,
                took: None,
            });
        }
        self.stop(kind)?;
        for port in port..port + kind.port_count() {
            if !ports::is_free(port) {
                return Err(Error::PortTaken {
                    server: kind,
                    port,
                    holder: ports::holder(port),
                });
            }
        }
        let dir = self.dir_of(kind);
        let recipe = kind.recipe_from(&dir, port)?;
        let begun = Instant::now();
        recipe.lay_out(&dir)?;
        let mut children = Vec::new();
        let mut record = Record {
            port,
            processes: Vec::new(),
        };
        for launch in &recipe.processes {
            let child = launch.spawn_detached(&dir)?;
            // Written at once, so that a command that is cut short leaves nothing unknown.
            record.processes.extend(Identity::of(child.id()));
            self.write_record(kind, &record)?;
            children.push((launch.clone(), child));
        }
        let ready = recipe.wait_ready(&dir, || {
            children.iter_mut().find_map(|(launch, child)| {
                let status = child.try_wait().ok().flatten()?;
                Some((launch.clone(), status.to_string()))
            })
        });
        if let Err(error) = ready {
            self.stop(kind)?;
            return Err(error);
        }
        Ok(Started {
            server: kind,
            address: kind.address(port),
            took: Some(begun.elapsed()),
        })
    }

    /// Ends what runs of a server; whether anything did.
    fn stop(&self, kind: Kind) -> Result<bool> {
        let Some(record) = self.record(kind)? else {
            return Ok(false);
        };
        let running: Vec<Identity> = record
            .processes
            .into_iter()
            .filter(Identity::is_running)
            .collect();
        for process in &running {
            process::signal_group(process.pid, Signal::CONT);
            process::signal_group(process.pid, Signal::TERM);
        }
        let deadline = Instant::now() + STOP_PATIENCE;
        for process in &running {
            if !ends_by(process, deadline) {
                process::signal_group(process.pid, Signal::KILL);
                if !ends_by(process, Instant::now() + STOP_PATIENCE) {
                    return Err(Error::WontEnd {
                        server: kind,
                        pid: process.pid,
                    });
                }
            }
        }
        let path = self.record_path(kind);
        fs::remove_file(&path).map_err(Error::io("cannot remove", path))?;
        Ok(!running.is_empty())
    }

    fn status_of(&self, kind: Kind) -> Result<Status> {
        let dir = self.dir_of(kind);
        let record = self.record(kind)?;
        let known = record.as_ref().map_or(0, |record| record.processes.len());
        let running = record.iter().flat_map(|record| &record.processes);
        let running: Vec<&Identity> = running.filter(|process| process.is_running()).collect();
        let state = match &record {
            Some(record) if !running.is_empty() && running.len() == known => {
                let recipe = kind.recipe_from(&dir, record.port)?;
                if known < recipe.processes.len() {
                    State::Broken
                } else {
                    (recipe.check)().map_or_else(State::Unready, |()| State::Up)
                }
            }
            Some(_) if !running.is_empty() => State::Broken,
            _ => State::Down,
        };
        Ok(Status {
            server: kind,
            state,
            address: record.as_ref().map(|record| kind.address(record.port)),
            pids: running.iter().map(|process| process.pid).collect(),
            memory: running.iter().filter_map(|process| process.memory()).sum(),
            dir,
        })
    }

    /// Writes `goldrecord.toml` for the servers that run, and returns its path.
    fn write_configuration(&self) -> Result<PathBuf> {
        let mut text =
            String::from("# Written by `goldrecord-testkit stack`: the servers that run.\n");
        for kind in Kind::ALL {
            let Some(record) = self.record(kind)? else {
                continue;
            };
            text.push_str(&section(kind, &kind.address(record.port)));
        }
        let path = self.dir.join("goldrecord.toml");
        process::write(&path, &text)?;
        Ok(path)
    }

    fn dir_of(&self, kind: Kind) -> PathBuf {
        self.dir.join(kind.name())
    }

    fn record_path(&self, kind: Kind) -> PathBuf {
        self.dir.join(format!("{kind}.json"))
    }

    fn record(&self, kind: Kind) -> Result<Option<Record>> {
        let path = self.record_path(kind);
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Error::io("cannot read", path)(error)),
        };
        let record = serde_json::from_str(&text);
        record.map(Some).map_err(|error| Error::BadRecord {
            path,
            reason: error.to_string(),
        })
    }

    fn write_record(&self, kind: Kind, record: &Record) -> Result<()> {
        let text = serde_json::to_string_pretty(record).expect("a record is plain JSON");
        let path = self.record_path(kind);
        let partial = path.with_extension("json.partial");
        process::write(&partial, &text)?;
        fs::rename(&partial, &path).map_err(Error::io("cannot rename to", path))
    }
}

/// The section of `goldrecord.toml` that points to a server.
fn section(kind: Kind, address: &str) -> String {
    match kind {
        Kind::Kafka => format!("\n[kafka]\nbootstrap_servers = \"{address}\"\n"),
        Kind::Hdfs => format!("\n[lake]\nurl = \"{address}/goldrecord\"\n"),
        Kind::Registry => format!("\n[registry]\nurl = \"{address}\"\n"),
        Kind::ClickHouse => format!("\n[clickhouse]\nurl = \"{address}\"\n"),
        // It asks, nobody asks it.
        Kind::Prometheus => String::new(),
    }
}

/// Whether a process, which need not be a child of this one, ends in time.
fn ends_by(process: &Identity, deadline: Instant) -> bool {
    while process.is_running() {
        if Instant::now() > deadline {
            return false;
        }
        std::thread::sleep(GLANCE);
    }
    true
}
