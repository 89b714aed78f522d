//! The ledger of the truth: what was really produced, for the lake to be held against.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::{BuildHasherDefault, Hasher};
use std::io::Write;
use std::path::Path;

use goldrecord_contract::{Event, Topic};
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

use crate::calendar::{DAY, HOUR, day_name, hour_name};
use crate::error::{Error, Result};

/// The version of the ledger's format.
const FORMAT: u32 = 1;

/// Between artist and song in [`Metrics::listens_by_song`]: the unit separator.
const SEPARATOR: u8 = 0x1f;

/// The ledger as a file holds it. Days and hours are UTC: `2026-10-01`, `2026-10-01T06`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Truth {
    /// The version of this format: 1.
    pub format: u32,
    /// Where the events came from.
    pub source: serde_json::Value,
    /// How many events there are.
    pub events: u64,
    /// How many users have an event.
    pub users: u64,
    /// By topic name; every topic is there.
    pub topics: BTreeMap<String, TopicTruth>,
    /// What the gold tables must show.
    pub metrics: Metrics,
}

/// What went to one topic.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TopicTruth {
    /// How many events.
    pub events: u64,
    /// How many events each hour.
    pub hours: BTreeMap<String, u64>,
}

/// What the gold tables must show. What is 0 is left out.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Metrics {
    /// Songs played each hour.
    pub listens_by_hour: BTreeMap<String, u64>,
    /// Users with an event of any topic, each day.
    pub active_users_by_day: BTreeMap<String, u64>,
    /// Times each song was played; the key is artist, U+001F, song.
    pub listens_by_song: BTreeMap<String, u64>,
    /// `Submit Registration` each day.
    pub registrations_by_day: BTreeMap<String, u64>,
    /// `Cancellation Confirmation` each day.
    pub cancellations_by_day: BTreeMap<String, u64>,
}

/// Counts events as they are produced.
#[derive(Debug)]
pub struct Ledger {
    source: serde_json::Value,
    events: u64,
    topics: [Tally; 4],
    active: BTreeMap<i64, HashSet<i64, Fast>>,
    songs: HashMap<Box<[u8]>, u64, Fast>,
    registrations: Tally,
    cancellations: Tally,
    key: Vec<u8>,
}

impl Ledger {
    /// An empty ledger of events that come from `source`.
    pub fn new(source: serde_json::Value) -> Self {
        Self {
            source,
            events: 0,
            topics: Default::default(),
            active: BTreeMap::new(),
            songs: HashMap::default(),
            registrations: Tally::default(),
            cancellations: Tally::default(),
            key: Vec::new(),
        }
    }

    /// Count an event. Quickest when events come in order of time.
    pub fn count(&mut self, event: &Event<'_>) {
        let topic = event.topic();
        let day = event.ts.div_euclid(DAY);
        self.events += 1;
        self.topics[topic.index()].add(event.ts.div_euclid(HOUR));
        if let Some(user) = event.user_id {
            self.active.entry(day).or_default().insert(user);
        }
        match topic {
            Topic::Listen => self.count_song(event.artist.unwrap_or(""), event.song.unwrap_or("")),
            Topic::StatusChange if event.page == "Submit Registration" => {
                self.registrations.add(day);
            }
            Topic::StatusChange if event.page == "Cancellation Confirmation" => {
                self.cancellations.add(day);
            }
            _ => {}
        }
    }

    fn count_song(&mut self, artist: &str, song: &str) {
        self.key.clear();
        self.key.extend_from_slice(artist.as_bytes());
        self.key.push(SEPARATOR);
        self.key.extend_from_slice(song.as_bytes());
        match self.songs.get_mut(self.key.as_slice()) {
            Some(count) => *count += 1,
            None => {
                self.songs.insert(self.key.as_slice().into(), 1);
            }
        }
    }

    /// How many events were counted.
    pub fn events(&self) -> u64 {
        self.events
    }

    /// What was counted so far.
    pub fn truth(&self) -> Truth {
        let users: HashSet<i64, Fast> = self.active.values().flatten().copied().collect();
        let topics = Topic::ALL.map(|topic| {
            let hours = self.topics[topic.index()].named(hour_name);
            (
                topic.name().to_owned(),
                TopicTruth {
                    events: hours.values().sum(),
                    hours,
                },
            )
        });
        let active = self
            .active
            .iter()
            .map(|(day, users)| (day_name(*day), users.len() as u64));
        let songs = self
            .songs
            .iter()
            .map(|(key, count)| (String::from_utf8_lossy(key).into_owned(), *count));
        Truth {
            format: FORMAT,
            source: self.source.clone(),
            events: self.events,
            users: users.len() as u64,
            topics: topics.into(),
            metrics: Metrics {
                listens_by_hour: self.topics[Topic::Listen.index()].named(hour_name),
                active_users_by_day: active.collect(),
                listens_by_song: songs.collect(),
                registrations_by_day: self.registrations.named(day_name),
                cancellations_by_day: self.cancellations.named(day_name),
            },
        }
    }

    /// Write the ledger, whole or not at all: a reader never sees half of it.
    pub fn write(&self, path: &Path) -> Result<()> {
        let failed = |source| Error::File {
            action: "write",
            path: path.into(),
            source,
        };
        let folder = path
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty())
            .unwrap_or(Path::new("."));
        let mut file = tempfile::NamedTempFile::new_in(folder).map_err(failed)?;
        let text = serde_json::to_vec_pretty(&self.truth())
            .expect("a ledger has text keys and whole numbers");
        file.write_all(&text)
            .and_then(|()| file.as_file().sync_all())
            .map_err(failed)?;
        file.persist(path).map_err(|error| failed(error.error))?;
        Ok(())
    }

    /// Read a ledger that [`Ledger::write`] wrote.
    pub fn read(path: &Path) -> Result<Truth> {
        let text = std::fs::read(path).map_err(|source| Error::File {
            action: "read",
            path: path.into(),
            source,
        })?;
        let invalid = |source| Error::Ledger {
            path: path.into(),
            source,
        };
        let truth: Truth = serde_json::from_slice(&text).map_err(invalid)?;
        if truth.format != FORMAT {
            let problem = format!(
                "its format is {}, this program knows {FORMAT}",
                truth.format
            );
            return Err(invalid(serde::de::Error::custom(problem)));
        }
        Ok(truth)
    }
}

/// Counts by hour or day. Runs of the same one are counted without a look-up.
#[derive(Debug, Default)]
struct Tally {
    now: i64,
    run: u64,
    before: BTreeMap<i64, u64>,
}

impl Tally {
    fn add(&mut self, period: i64) {
        if period != self.now {
            if self.run > 0 {
                *self.before.entry(self.now).or_default() += self.run;
            }
            self.now = period;
            self.run = 0;
        }
        self.run += 1;
    }

    fn named(&self, name: impl Fn(i64) -> String) -> BTreeMap<String, u64> {
        let mut counts = self.before.clone();
        if self.run > 0 {
            *counts.entry(self.now).or_default() += self.run;
        }
        counts
            .into_iter()
            .map(|(period, count)| (name(period), count))
            .collect()
    }
}

/// A quick hasher: keys are ours, nobody chooses them to collide.
#[derive(Default)]
struct Xxh3(u64);

type Fast = BuildHasherDefault<Xxh3>;

impl Hasher for Xxh3 {
    fn write(&mut self, bytes: &[u8]) {
        self.0 = xxh3_64_with_seed(bytes, self.0);
    }

    fn write_i64(&mut self, number: i64) {
        self.0 = xxh3_64(&number.to_le_bytes());
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::calendar::parse_moment;

    #[test]
    fn a_ledger_reads_back_what_was_counted() {
        let at = |text: &str| parse_moment(text).expect("a moment");
        let mut ledger = Ledger::new(serde_json::json!({"kind": "test"}));
        let play = Event {
            page: "NextSong",
            artist: Some("A"),
            song: Some("S"),
            user_id: Some(1),
            ..Event::default()
        };
        for (ts, page, user) in [
            ("2026-10-01T00:10", "NextSong", Some(1)),
            ("2026-10-01T00:20", "NextSong", Some(2)),
            ("2026-10-01T01:00", "Home", None),
            ("2026-10-02T05:00", "NextSong", Some(1)),
            ("2026-10-01T00:30", "NextSong", Some(1)),
            ("2026-10-02T06:00", "Submit Registration", Some(3)),
            ("2026-10-02T07:00", "Cancellation Confirmation", Some(3)),
        ] {
            ledger.count(&Event {
                ts: at(ts),
                page,
                user_id: user,
                ..play
            });
        }
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("ledger.json");
        ledger.write(&path).expect("written");
        let truth = Ledger::read(&path).expect("read");
        assert_eq!(truth, ledger.truth());
        assert_eq!((truth.events, truth.users), (7, 3));
        assert_eq!(truth.topics["listen_events"].hours["2026-10-01T00"], 3);
        assert_eq!(truth.topics["page_view_events"].events, 1);
        assert_eq!(truth.metrics.active_users_by_day["2026-10-02"], 2);
        assert_eq!(truth.metrics.listens_by_song["A\u{1f}S"], 4);
        assert_eq!(truth.metrics.registrations_by_day["2026-10-02"], 1);
        assert_eq!(truth.metrics.cancellations_by_day["2026-10-02"], 1);
    }

    #[test]
    fn another_version_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("ledger.json");
        Ledger::new(serde_json::Value::Null)
            .write(&path)
            .expect("written");
        let text = std::fs::read_to_string(&path)
            .expect("read")
            .replace("\"format\": 1", "\"format\": 2");
        std::fs::write(&path, text).expect("written");
        let error = Ledger::read(&path).expect_err("a refusal").to_string();
        assert!(error.contains("its format is 2"), "{error}");
    }
}
