//! The demo's folder: what lies where, who is in it, and how far it got.
//!
//! ```text
//! DIR/goldrecord.toml   the configuration that finds the lake again: goldrecord sql --dir DIR
//! DIR/lake/             bronze, silver and gold (with real servers: in HDFS)
//! DIR/ledger.json       the truth, counted while events were made
//! DIR/report.html       the report
//! DIR/demo.json         which events these are, and whether all of them are in bronze
//! ```

use std::fs::{self, File, TryLockError};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use goldrecord_service::Config;
use serde::{Deserialize, Serialize};

use crate::output::thousands;
use crate::{Error, Result};

/// A demo's folder, held by this process alone until it is dropped.
#[derive(Debug)]
pub struct Place {
    dir: PathBuf,
    /// Locked while the demo runs; the lock goes with the process, however it ends.
    _lock: File,
}

/// Which events a demo is about, and through which servers they went.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// Where the events come from.
    pub source: Source,
    /// Whether they went through real servers.
    pub servers: bool,
}

/// Where a demo's events come from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// They are simulated.
    Simulated {
        /// How many events.
        events: u64,
        /// How many listeners.
        users: u64,
        /// Over how many days.
        days: u32,
        /// What the randomness starts from.
        seed: u64,
    },
    /// They are replayed from a file of the original EventSim.
    Replayed {
        /// The file.
        file: PathBuf,
        /// Its length in bytes, so that another file under the same name is noticed.
        bytes: u64,
    },
}

/// How far the events are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// On their way to bronze.
    Ingesting,
    /// All in bronze.
    Ingested,
}

/// The file `demo.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// Which events.
    pub settings: Settings,
    /// How far they are.
    pub stage: Stage,
    /// What the way to bronze took, once it is done.
    pub ingest: Option<IngestFigures>,
}

/// What the way to bronze took.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct IngestFigures {
    /// Records that were sent and committed.
    pub events: u64,
    /// Their bytes as Kafka held them.
    pub bytes: u64,
    /// Commits to bronze.
    pub commits: u64,
    /// From the first event made to the last one committed.
    pub seconds: f64,
}

impl Place {
    /// Make the folder if need be, and hold it.
    pub fn enter(dir: &Path) -> Result<Self> {
        fs::create_dir_all(dir).map_err(at(dir))?;
        let dir = dir.canonicalize().map_err(at(dir))?;
        let path = dir.join(".lock");
        let lock = File::create(&path).map_err(at(&path))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { dir, _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(Error::DemoRunning(dir)),
            Err(TryLockError::Error(source)) => Err(Error::File { path, source }),
        }
    }

    /// The folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The embedded lake's URL.
    pub fn lake_url(&self) -> String {
        format!("file://{}", self.dir.join("lake").display())
    }

    /// The ledger's file.
    pub fn ledger(&self) -> PathBuf {
        self.dir.join("ledger.json")
    }

    /// The report's file.
    pub fn report(&self) -> PathBuf {
        self.dir.join("report.html")
    }

    /// A demo's configuration file, for the commands that look into its lake.
    pub fn config_of(dir: &Path) -> Result<PathBuf> {
        let file = dir.join("goldrecord.toml");
        if file.is_file() {
            return Ok(file);
        }
        Err(Error::Refused(format!(
            "{} holds no demo: run `goldrecord demo --dir {0}` first, or name another folder",
            dir.display()
        )))
    }

    /// A demo's ledger, if it has one.
    pub fn ledger_of(dir: &Path) -> Option<PathBuf> {
        Some(dir.join("ledger.json")).filter(|file| file.is_file())
    }

    /// Whether the demo in `dir` had its broker inside, which ended with it.
    pub fn is_embedded(dir: &Path) -> Result<bool> {
        Ok(state_in(dir)?.is_some_and(|state| !state.settings.servers))
    }

    /// How far an earlier run came, if there was one.
    pub fn state(&self) -> Result<Option<State>> {
        state_in(&self.dir)
    }

    /// Write down how far this run came. A crash leaves the old file or the new one.
    pub fn set_state(&self, state: &State) -> Result<()> {
        let text = serde_json::to_string_pretty(state).expect("plain data always serialises");
        replace(&self.dir.join("demo.json"), &text)
    }

    /// Write down where this demo's lake is, for `goldrecord sql --dir` and its like.
    pub fn set_config(&self, config: &Config) -> Result<()> {
        let clickhouse = config
            .clickhouse
            .url
            .as_ref()
            .map_or_else(String::new, |url| {
                format!(
                    "\n[clickhouse]\nurl = {url:?}\ndatabase = {:?}\nuser = {:?}\n",
                    config.clickhouse.database, config.clickhouse.user
                )
            });
        let text = format!(
            "# Written by `goldrecord demo`: use it with --config, or name its folder with --dir.\n\
             [kafka]\nbootstrap_servers = {:?}\ngroup = {:?}\n\n[registry]\nurl = {:?}\n\n\
             [lake]\nurl = {:?}\n\n[layers]\nproject = {:?}\n{clickhouse}",
            config.kafka.bootstrap_servers,
            config.kafka.group,
            config.registry.url,
            config.lake.url,
            config.layers.project.display().to_string(),
        );
        replace(&self.dir.join("goldrecord.toml"), &text)
    }
}

/// The state of the demo in `dir`.
fn state_in(dir: &Path) -> Result<Option<State>> {
    let path = dir.join("demo.json");
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(Error::File { path, source }),
    };
    serde_json::from_str(&text)
        .map(Some)
        .map_err(|error| Error::Unreadable {
            path,
            what: "a demo's state",
            why: format!("{error}; start over with --fresh"),
        })
}

/// Replace a file's text in one step.
pub fn replace(path: &Path, text: &str) -> Result<()> {
    let new = path.with_extension("new");
    File::create(&new)
        .and_then(|mut file| {
            file.write_all(text.as_bytes())?;
            file.sync_all()
        })
        .and_then(|()| fs::rename(&new, path))
        .map_err(at(path))
}

fn at(path: &Path) -> impl FnOnce(std::io::Error) -> Error {
    let path = path.to_owned();
    move |source| Error::File { path, source }
}

impl Source {
    /// Where the events come from, beside their number.
    pub fn in_words(&self) -> String {
        match self {
            Self::Simulated { users, seed, .. } => {
                format!("{} simulated listeners, seed {seed}", thousands(*users))
            }
            Self::Replayed { file, .. } => {
                let name = file.file_name().map_or_else(
                    || file.display().to_string(),
                    |name| name.to_string_lossy().into_owned(),
                );
                format!("replayed from {name}")
            }
        }
    }
}

impl std::fmt::Display for Settings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.source {
            Source::Simulated {
                events,
                users,
                days,
                seed,
            } => write!(
                f,
                "{} events of {} users over {days} days, seed {seed}",
                thousands(*events),
                thousands(*users)
            )?,
            Source::Replayed { file, .. } => write!(f, "the events of {}", file.display())?,
        }
        f.write_str(if self.servers {
            ", through real servers"
        } else {
            ""
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> Settings {
        Settings {
            source: Source::Simulated {
                events: 10,
                users: 2,
                days: 1,
                seed: 7,
            },
            servers: false,
        }
    }

    #[test]
    fn a_state_is_read_back_as_it_was_written() {
        let dir = tempfile::tempdir().expect("a folder");
        let place = Place::enter(dir.path()).expect("entered");
        assert_eq!(place.state().expect("readable"), None);
        let state = State {
            settings: settings(),
            stage: Stage::Ingesting,
            ingest: None,
        };
        place.set_state(&state).expect("written");
        assert_eq!(place.state().expect("readable"), Some(state));
    }

    #[test]
    fn a_second_demo_in_the_same_folder_is_refused_while_the_first_one_runs() {
        let dir = tempfile::tempdir().expect("a folder");
        let first = Place::enter(dir.path()).expect("entered");
        assert!(matches!(
            Place::enter(dir.path()),
            Err(Error::DemoRunning(_))
        ));
        drop(first);
        assert!(Place::enter(dir.path()).is_ok());
    }

    #[test]
    fn a_broken_state_names_the_file_and_the_mend() {
        let dir = tempfile::tempdir().expect("a folder");
        let place = Place::enter(dir.path()).expect("entered");
        fs::write(dir.path().join("demo.json"), "{").expect("written");
        let message = place.state().expect_err("broken").to_string();
        assert!(
            message.contains("demo.json") && message.contains("--fresh"),
            "{message}"
        );
    }

    #[test]
    fn the_configuration_that_a_demo_writes_is_read_back() {
        let dir = tempfile::tempdir().expect("a folder");
        let place = Place::enter(dir.path()).expect("entered");
        let mut config = Config::default();
        config.lake.url = place.lake_url();
        config.clickhouse.url = Some("http://127.0.0.1:8123".into());
        place.set_config(&config).expect("written");
        let file = Place::config_of(dir.path()).expect("there");
        assert_eq!(Config::load(Some(&file)).expect("valid"), config);
    }
}
