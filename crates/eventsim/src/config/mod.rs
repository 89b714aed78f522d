//! `EventSim`'s configuration file, as it is.
//!
//! One JSON object. Numbers of the rhythm: `alpha` (mean seconds between a user's events), `beta`
//! (mean seconds between sessions), `session-gap` (least seconds between sessions), `damping` (how
//! much the night differs from the day), `weekend-damping` with its `-offset` and `-scale` in minutes.
//! The site: `transitions`, `new-session`, `auths`, `levels`, `show-user-details`, `churned-state`.
//! Defaults of the command line: `seed`, `start-date`, `end-date`, `n-users`, `first-user-id`, `tag`.

mod reader;
mod site;

use std::path::Path;

use serde_json::Value;

use crate::calendar::parse_moment;
use crate::error::{Error, Result};
use reader::Object;
pub use site::Site;

/// The largest id of a first user: ids of sessions are made of it, and stay below 2⁵³, where JSON's numbers end to be
/// exact.
pub(crate) const LAST_FIRST_USER: i64 = 1 << 32;

const KEYS: &[&str] = &[
    "alpha",
    "auths",
    "beta",
    "churned-state",
    "damping",
    "downgrades",
    "end-date",
    "first-user-id",
    "growth-rate",
    "levels",
    "n-users",
    "new-session",
    "new-user-auth",
    "new-user-level",
    "seed",
    "session-gap",
    "show-user-details",
    "start-date",
    "tag",
    "transitions",
    "upgrades",
    "weekend-damping",
    "weekend-damping-offset",
    "weekend-damping-scale",
];

/// A configuration that was read and found sound.
#[derive(Clone, Debug)]
pub struct Config {
    /// The pages and how users go from one to the next.
    pub(crate) site: Site,
    /// When users come.
    pub(crate) rhythm: Rhythm,
    /// `seed`.
    pub(crate) seed: u64,
    /// `n-users`.
    pub(crate) users: Option<u32>,
    /// `start-date` in milliseconds since 1970.
    pub(crate) start: Option<i64>,
    /// `end-date` in milliseconds since 1970.
    pub(crate) end: Option<i64>,
    /// `first-user-id`.
    pub(crate) first_user_id: i64,
    /// `tag`.
    pub(crate) tag: Option<String>,
    /// A digest of the text, so that runs of different configurations differ in event ids.
    pub(crate) digest: u64,
}

/// When users come and how long they take. Seconds, except where noted.
#[derive(Clone, Copy, Debug)]
pub struct Rhythm {
    /// Mean time between events of a session.
    pub alpha: f64,
    /// Mean time between sessions.
    pub beta: f64,
    /// Least time between sessions.
    pub session_gap: f64,
    /// Depth of the daily cycle, as a fraction of a day.
    pub damping: f64,
    /// Share of sessions that weekends and holidays lack.
    pub weekend_damping: f64,
    /// Minutes from midnight to where a weekend's ramp begins or ends.
    pub weekend_offset: f64,
    /// Minutes that a weekend's ramp takes.
    pub weekend_scale: f64,
}

impl Default for Config {
    /// The configuration that is part of the program.
    fn default() -> Self {
        Self::parse(
            "the built-in configuration",
            include_str!("../../data/default-config.json"),
        )
        .expect("the built-in configuration is sound: a test reads it")
    }
}

impl Config {
    /// Read the file.
    pub fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).map_err(|source| Error::File {
            action: "read",
            path: path.into(),
            source,
        })?;
        Self::parse(&path.display().to_string(), &text)
    }

    /// Read `text`, which errors call `file`.
    pub fn parse(file: &str, text: &str) -> Result<Self> {
        let document: Value = serde_json::from_str(text).map_err(|source| Error::ConfigSyntax {
            file: file.into(),
            source,
        })?;
        let root = Object::new(file, "", &document, KEYS)?;
        // Growth brings new users; what they begin as must read well even while nobody new comes.
        root.text("new-user-auth")?;
        root.text("new-user-level")?;
        if root
            .number("growth-rate", 0.0, f64::MAX)?
            .is_some_and(|rate| rate > 0.0)
        {
            return Err(root.refuse(
                "growth-rate",
                "growth is not simulated yet",
                "remove the key or set it to 0",
            ));
        }
        let moment = |key: &str| -> Result<Option<i64>> {
            let Some(text) = root.text(key)? else {
                return Ok(None);
            };
            let read = parse_moment(text);
            read.map(Some).map_err(|error| {
                root.refuse(key, error.to_string(), "such as \"2026-10-01T00:00:00\"")
            })
        };
        Ok(Self {
            site: Site::read(file, &root)?,
            rhythm: Rhythm::read(&root)?,
            seed: root.whole("seed", i64::MIN, i64::MAX)?.unwrap_or(0) as u64,
            users: root
                .whole("n-users", 1, i64::from(u32::MAX))?
                .map(|users| users as u32),
            start: moment("start-date")?,
            end: moment("end-date")?,
            first_user_id: root
                .whole("first-user-id", 0, LAST_FIRST_USER)?
                .unwrap_or(1),
            tag: root.text("tag")?.map(String::from),
            digest: xxhash_rust::xxh3::xxh3_64(text.as_bytes()),
        })
    }
}

impl Rhythm {
    fn read(root: &Object<'_>) -> Result<Self> {
        const SMALLEST: f64 = 1e-3;
        let or = |key: &str, low: f64, high: f64, default: f64| -> Result<f64> {
            Ok(root.number(key, low, high)?.unwrap_or(default))
        };
        Ok(Self {
            alpha: or("alpha", SMALLEST, f64::MAX, 60.0)?,
            beta: or("beta", SMALLEST, f64::MAX, 3.0 * 86_400.0)?,
            session_gap: or("session-gap", 1.0, f64::MAX, 1_800.0)?,
            damping: or("damping", 0.0, 1.0, 0.0625)?,
            weekend_damping: or("weekend-damping", 0.0, 1.0, 0.5)?,
            weekend_offset: or("weekend-damping-offset", 0.0, 1_440.0, 6.0)?,
            weekend_scale: or("weekend-damping-scale", SMALLEST, 2_880.0, 6.0)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The built-in configuration with one piece of text exchanged.
    fn changed(from: &str, to: &str) -> String {
        let text = include_str!("../../data/default-config.json");
        assert!(text.contains(from), "{from}");
        Config::parse("my.json", &text.replacen(from, to, 1))
            .expect_err("a refusal")
            .to_string()
    }

    #[test]
    fn the_built_in_configuration_is_sound() {
        let config = Config::default();
        assert_eq!(config.site.states.len(), 40);
        assert!(config.rhythm.alpha > 0.0);
    }

    #[test]
    fn an_unknown_key_is_refused_with_the_nearest() {
        let error = changed("\"session-gap\"", "\"session_gap\"");
        assert_eq!(
            error,
            "my.json: session_gap: is not a known key; did you mean `session-gap`?"
        );
        let error = changed("\"p\": 0.08}", "\"p\": 0.08, \"weight\": 1}");
        assert!(error.contains("transitions[0].weight"), "{error}");
    }

    #[test]
    fn a_missing_key_is_named() {
        let error = changed(", \"status\": 200", "");
        assert!(
            error.contains("new-session[0].status: is missing"),
            "{error}"
        );
        assert!(
            Config::parse("my.json", "{}")
                .expect_err("empty")
                .to_string()
                .contains("transitions")
        );
    }

    #[test]
    fn bad_probabilities_are_refused() {
        let error = changed("\"p\": 0.08}", "\"p\": 1.5}");
        assert!(
            error.contains("transitions[0].p: is 1.5; give a number from 0 to 1"),
            "{error}"
        );
        let error = changed("\"p\": 0.08}", "\"p\": 0.8}");
        assert!(error.contains("add up to 1.32;"), "{error}");
        let error = changed("\"p\": 0.08}", "\"p\": \"often\"}");
        assert!(
            error.contains("is the text \"often\"; write a number"),
            "{error}"
        );
    }

    #[test]
    fn a_new_session_must_begin_in_a_known_state() {
        let error = changed(
            "\"method\": \"GET\", \"level\": \"free\", \"weight\": 120",
            "\"method\": \"PUT\", \"level\": \"free\", \"weight\": 120",
        );
        assert!(
            error.contains("new-session[0]: no transition knows the state Home"),
            "{error}"
        );
    }

    #[test]
    fn an_auth_without_a_word_on_details_is_refused() {
        let error = changed("{\"auth\": \"Guest\", \"show\": false},", "");
        assert!(
            error.contains("show-user-details: does not say whether to show users who are Guest"),
            "{error}"
        );
    }

    #[test]
    fn users_must_be_able_to_come_again() {
        let error = changed(
            "\"churned-state\": \"Cancelled\"",
            "\"churned-state\": \"Gone\"",
        );
        assert!(
            error.contains("new-session: nothing begins for Cancelled"),
            "{error}"
        );
    }

    #[test]
    fn what_is_not_json_is_refused_with_its_place() {
        let error = Config::parse("my.json", "{\n \"seed\": ,\n}")
            .expect_err("no JSON")
            .to_string();
        assert!(
            error.contains("my.json is not valid JSON") && error.contains("line 2"),
            "{error}"
        );
    }
}
