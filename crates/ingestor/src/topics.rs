//! Which topics are read, and by which rules: those that are named, and those that patterns find.
//!
//! Patterns are matched here, not by librdkafka, which gets names alone: so they are one dialect for the ingestor
//! and for every command, a topic's thread and table are there before its first partition is ours, and members of
//! a group that found a topic at different times only differ in their subscriptions.

use std::collections::{BTreeMap, BTreeSet};

use goldrecord_service::config::{self, Format, Subject, TopicOverride};
use regex::Regex;

use crate::error::{Error, Result};
use crate::settings::{EventTime, Settings, TopicSettings};

/// Whether an entry of `[ingestor] topics` is a pattern. No topic's name begins so.
pub(crate) fn is_pattern(entry: &str) -> bool {
    entry.starts_with('^')
}

/// Whether a topic is the servers' own: no pattern finds it.
fn is_internal(topic: &str) -> bool {
    topic.starts_with("__") || topic == "_schemas"
}

/// What the file says of single topics and patterns.
#[derive(Clone, Debug, PartialEq)]
pub struct Rules {
    format: Format,
    own: BTreeMap<String, TopicOverride>,
}

impl From<&config::Ingestor> for Rules {
    fn from(ingestor: &config::Ingestor) -> Self {
        Self {
            format: ingestor.format,
            own: ingestor.topic.clone(),
        }
    }
}

impl Rules {
    /// A topic's settings. A key of its name goes before one of the pattern that found it, and that before the
    /// general one.
    pub fn of(&self, topic: &str, pattern: Option<&str>) -> TopicSettings {
        let sections: Vec<&TopicOverride> = [Some(topic), pattern]
            .into_iter()
            .flatten()
            .filter_map(|key| self.own.get(key))
            .collect();
        let defaults = TopicSettings::default();
        TopicSettings {
            format: first(&sections, |own| own.format).unwrap_or(self.format),
            event_time: match first(&sections, |own| own.event_time.clone()) {
                Some(field) if field == "kafka" => EventTime::Kafka,
                Some(field) => EventTime::Field(field),
                None => defaults.event_time.clone(),
            },
            gaps: first(&sections, |own| own.gaps).unwrap_or(defaults.gaps),
            subject: first(&sections, |own| own.subject).unwrap_or(defaults.subject),
            record: first(&sections, |own| own.record.clone()),
            ..defaults
        }
    }
}

/// What the first section that has the key says.
fn first<T>(sections: &[&TopicOverride], key: impl Fn(&TopicOverride) -> Option<T>) -> Option<T> {
    sections.iter().find_map(|section| key(section))
}

/// Finds topics by the settings' names and patterns.
#[derive(Clone, Debug)]
pub struct Finder<'a> {
    settings: &'a Settings,
    patterns: Vec<Regex>,
}

impl<'a> Finder<'a> {
    /// Refuses what no topic can be called, patterns that are none, and rules that contradict each other.
    pub fn new(settings: &'a Settings) -> Result<Self> {
        if settings.topics.is_empty() && settings.patterns.is_empty() {
            return Err(refused(
                "ingestor.topics",
                "[]",
                "name at least one topic or pattern",
            ));
        }
        if let Some(other) = settings.topics.keys().find(|topic| !is_name(topic)) {
            return Err(refused(
                "ingestor.topics",
                &format!("{other:?}"),
                "no topic has such a name: letters, digits, `.`, `_` and `-` make one; a pattern begins with `^`",
            ));
        }
        let patterns = settings.patterns.iter().map(|text| {
            Regex::new(text).map_err(|error| {
                let why = format!("no regular expression: {error}");
                refused("ingestor.topics", &format!("{text:?}"), &why)
            })
        });
        let patterns = patterns.collect::<Result<_>>()?;
        for (topic, own) in &settings.topics {
            check(topic, own)?;
        }
        for pattern in &settings.patterns {
            check(pattern, &settings.rules.of(pattern, None))?;
        }
        Ok(Self { settings, patterns })
    }

    /// Whether topics may be found that nobody named.
    pub fn has_patterns(&self) -> bool {
        !self.patterns.is_empty()
    }

    /// The topics to read, with their rules: those named, and of `there` those that a pattern finds.
    pub fn among<'t>(
        &self,
        there: impl IntoIterator<Item = &'t String>,
    ) -> BTreeMap<String, TopicSettings> {
        let mut topics = self.settings.topics.clone();
        for topic in there {
            if !topics.contains_key(topic)
                && let Some(pattern) = self.pattern_of(topic)
            {
                let own = self.settings.rules.of(topic, Some(pattern));
                topics.insert(topic.clone(), own);
            }
        }
        topics
    }

    /// A topic's rules, whether it is to be read or not.
    pub fn rules(&self, topic: &str) -> TopicSettings {
        match self.settings.topics.get(topic) {
            Some(own) => own.clone(),
            None => self.settings.rules.of(topic, self.pattern_of(topic)),
        }
    }

    /// The first pattern that finds a topic.
    fn pattern_of(&self, topic: &str) -> Option<&str> {
        let mut patterns = self.patterns.iter();
        let found = patterns.find(|pattern| !is_internal(topic) && pattern.is_match(topic))?;
        Some(found.as_str())
    }
}

/// Which of the topics that are read are gone.
///
/// A broker that has just started may not know of all topics yet: one is gone when it was missed twice in a row.
#[derive(Clone, Debug, Default)]
pub struct Absent {
    missed: BTreeSet<String>,
    gone: BTreeSet<String>,
}

impl Absent {
    /// The topics that are gone, if that has changed.
    pub fn look(&mut self, read: &[String], there: &BTreeSet<String>) -> Option<&BTreeSet<String>> {
        let missing = read.iter().filter(|topic| !there.contains(*topic));
        let missing: BTreeSet<String> = missing.cloned().collect();
        let gone: BTreeSet<String> = missing.intersection(&self.missed).cloned().collect();
        self.missed = missing;
        if gone == self.gone {
            return None;
        }
        self.gone = gone;
        Some(&self.gone)
    }
}

fn is_name(topic: &str) -> bool {
    let taken = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    !topic.is_empty() && topic.chars().all(taken)
}

/// Refuses rules of a topic, or of a pattern, that contradict each other.
fn check(topic: &str, own: &TopicSettings) -> Result<()> {
    let key = format!("ingestor.topic.{topic}.record");
    match (own.subject, &own.record) {
        (Subject::Topic, Some(record)) => Err(refused(
            &key,
            record,
            "the topic's subject is `<topic>-value`, whatever the record; write subject = \"record\" or \
             \"topic-record\" with it, or leave it out",
        )),
        (Subject::Record | Subject::TopicRecord, None) if own.format == Format::JsonUnframed => {
            Err(refused(
                &key,
                "nothing",
                "records without framing do not tell their schema, and subject = \"record\" or \"topic-record\" \
                 is called by it; write the record's full name",
            ))
        }
        _ => Ok(()),
    }
}

fn refused(key: &str, value: &str, why: &str) -> Error {
    Error::Setting {
        key: key.to_owned(),
        value: value.to_owned(),
        why: why.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use goldrecord_service::Config;
    use goldrecord_service::config::Gaps;

    use super::*;

    fn settings(topics: &[&str], own: &[(&str, TopicOverride)]) -> Settings {
        let mut config = Config::default();
        config.ingestor.topics = topics.iter().map(ToString::to_string).collect();
        config.ingestor.topic = own
            .iter()
            .map(|(name, own)| ((*name).to_owned(), own.clone()))
            .collect();
        Settings::from(&config)
    }

    fn refusal(topics: &[&str], own: &[(&str, TopicOverride)]) -> String {
        let settings = settings(topics, own);
        let refused = settings.check().expect_err("refused");
        refused.to_string()
    }

    #[test]
    fn patterns_find_what_is_there_and_never_what_is_the_servers_own() {
        let settings = settings(&["orders", r"^music\.", "^_", "^exact$"], &[]);
        settings.check().expect("they are patterns");
        let finder = Finder::new(&settings).expect("they are patterns");
        let there = [
            "music.listens",
            "musical",
            "a.music.b",
            "exact",
            "exactly",
            "__consumer_offsets",
            "_schemas",
            "_mine",
        ]
        .map(str::to_owned);
        let found: Vec<String> = finder.among(&there).into_keys().collect();
        // A name is read whether it is there or not.
        assert_eq!(found, ["_mine", "exact", "music.listens", "orders"]);
        assert!(finder.has_patterns());
    }

    #[test]
    fn a_topic_is_gone_when_it_was_missed_twice_in_a_row() {
        let names = |names: &[&str]| names.iter().map(ToString::to_string).collect();
        let read = ["a".to_owned(), "b".to_owned()];
        let (both, one): (BTreeSet<String>, _) = (names(&["a", "b", "c"]), names(&["b"]));
        let mut absent = Absent::default();
        assert_eq!(absent.look(&read, &one), None);
        assert_eq!(absent.look(&read, &both), None);
        assert_eq!(absent.look(&read, &one), None);
        assert_eq!(absent.look(&read, &one), Some(&names(&["a"])));
        assert_eq!(absent.look(&read, &one), None, "it was told");
        assert_eq!(absent.look(&read, &both), Some(&BTreeSet::new()));
    }

    #[test]
    fn rules_of_a_name_go_before_those_of_a_pattern() {
        let by_pattern = TopicOverride {
            format: Some(Format::Json),
            gaps: Some(Gaps::Expected),
            ..TopicOverride::default()
        };
        let by_name = TopicOverride {
            format: Some(Format::Avro),
            ..TopicOverride::default()
        };
        let formerly = TopicOverride {
            event_time: Some("kafka".into()),
            ..TopicOverride::default()
        };
        let own = [
            (r"^music\.", by_pattern),
            ("music.a", by_name),
            ("formerly", formerly),
        ];
        let settings = settings(&[r"^music\.", "named"], &own);
        let finder = Finder::new(&settings).expect("sound");
        let found = finder.among(&["music.a", "music.b"].map(str::to_owned));
        assert_eq!(found["music.a"].format, Format::Avro);
        assert_eq!(found["music.a"].gaps, Gaps::Expected);
        assert_eq!(found["music.b"].format, Format::Json);
        assert_eq!(found["named"].format, Format::Avro);
        // The commands ask for topics that are no longer read, too.
        assert_eq!(finder.rules("music.b"), found["music.b"]);
        assert_eq!(finder.rules("elsewhere"), TopicSettings::default());
        assert_eq!(finder.rules("formerly").event_time, EventTime::Kafka);
    }

    #[test]
    fn what_no_topic_can_be_called_is_refused() {
        let said = refusal(&["listens", "music*"], &[]);
        assert!(said.contains("ingestor.topics = \"music*\""), "{said}");
        assert!(said.contains("a pattern begins with `^`"), "{said}");
        let said = refusal(&["^(music"], &[]);
        assert!(said.contains("ingestor.topics = \"^(music\""), "{said}");
        assert!(said.contains("unclosed group"), "{said}");
        assert!(refusal(&[], &[]).contains("at least one"));
    }

    #[test]
    fn rules_that_contradict_each_other_are_refused() {
        let record = TopicOverride {
            record: Some("a.B".into()),
            ..TopicOverride::default()
        };
        let said = refusal(&["t"], &[("t", record)]);
        assert!(said.contains("ingestor.topic.t.record = a.B"), "{said}");
        let unframed = TopicOverride {
            format: Some(Format::JsonUnframed),
            subject: Some(Subject::Record),
            ..TopicOverride::default()
        };
        for entry in ["t", "^t"] {
            let said = refusal(&[entry], &[(entry, unframed.clone())]);
            assert!(said.contains("the record's full name"), "{said}");
        }
    }
}
