//! Which bad records are meant.

use std::str::FromStr;

use clap::Args;
use goldrecord_ingestor::decode::Code;
use goldrecord_ingestor::mend::Filter;
use goldrecord_lake::Lake;

use crate::moment::Moment;
use crate::{Error, Result};

/// Which bad records are meant; without any of these all are.
#[derive(Debug, Args)]
pub struct Which {
    /// Only of this topic; may be given several times
    #[arg(long, value_name = "TOPIC")]
    pub topic: Vec<String>,
    /// Only bad for this reason, such as `unknown_schema`; may be given several times
    #[arg(long, value_name = "CODE", value_parser = reason)]
    reason: Vec<Code>,
    /// Only of this schema in the registry
    #[arg(long, value_name = "ID")]
    schema_id: Option<i32>,
    /// Only produced at or after this day or moment
    #[arg(long, value_name = "TIME")]
    since: Option<Moment>,
    /// Only produced before this day or moment
    #[arg(long, value_name = "TIME")]
    until: Option<Moment>,
}

/// A record's partition and offset, written `3/1200`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place(pub i32, pub i64);

impl FromStr for Place {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parsed = text.split_once('/').and_then(|(partition, offset)| {
            let place = Self(partition.parse().ok()?, offset.parse().ok()?);
            (place.0 >= 0 && place.1 >= 0).then_some(place)
        });
        parsed.ok_or_else(|| "write partition and offset, 3/1200".to_owned())
    }
}

fn reason(text: &str) -> Result<Code, String> {
    let found = Code::ALL.into_iter().find(|code| code.name() == text);
    found.ok_or_else(|| {
        let names = Code::ALL.map(Code::name);
        format!("the reasons are {}", names.join(", "))
    })
}

impl Which {
    /// The same without the topics.
    pub fn filter(&self) -> Filter {
        Filter {
            reasons: self.reason.iter().copied().collect(),
            schema_id: self.schema_id,
            since: self.since.map(|moment| moment.0),
            until: self.until.map(|moment| moment.0),
            place: None,
        }
    }

    /// The topics meant: those named, or all that the lake has a table of.
    pub async fn topics(&self, lake: &Lake) -> Result<Vec<String>> {
        let topics = topics_of(lake).await?;
        if let Some(missing) = self.topic.iter().find(|topic| !topics.contains(topic)) {
            return Err(Error::Refused(format!(
                "the lake {} has no table of a topic `{missing}`; it has those of {}",
                lake.url(),
                if topics.is_empty() {
                    "none".to_owned()
                } else {
                    topics.join(", ")
                }
            )));
        }
        Ok(match self.topic.as_slice() {
            [] => topics,
            named => named.to_vec(),
        })
    }
}

/// The topics that the lake has a table of.
pub async fn topics_of(lake: &Lake) -> Result<Vec<String>> {
    let tables = lake.tables().await?;
    let topics = tables
        .iter()
        .filter_map(|path| path.strip_prefix("bronze/"));
    Ok(topics.map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_that_does_not_exist_is_refused_with_those_that_do() {
        assert_eq!(reason("truncated"), Ok(Code::Truncated));
        let why = reason("broken").expect_err("refused");
        assert!(why.contains("unknown_schema, "), "{why}");
    }

    #[test]
    fn a_place_is_a_partition_and_an_offset() {
        assert_eq!("3/1200".parse(), Ok(Place(3, 1200)));
        for text in ["3", "3/", "/1", "3/x", "-1/3", "3/-1", "3/4/5"] {
            assert!(text.parse::<Place>().is_err(), "{text}");
        }
    }
}
