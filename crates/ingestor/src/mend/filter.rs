//! Which bad records are meant.

use std::collections::BTreeSet;

use super::Bad;
use crate::decode::Code;

/// Which bad records are meant: those for which all of these hold. The default means all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Bad for one of these reasons; empty: for any.
    pub reasons: BTreeSet<Code>,
    /// Of this schema in the registry.
    pub schema_id: Option<i32>,
    /// Produced at or after this moment, in µs since 1970.
    pub since: Option<i64>,
    /// Produced before this moment, in µs since 1970.
    pub until: Option<i64>,
    /// At this partition and offset, of any epoch.
    pub place: Option<(i32, i64)>,
}

impl Filter {
    /// Whether a record is meant.
    pub fn takes(&self, bad: &Bad<'_>) -> bool {
        let time = bad.time();
        (self.reasons.is_empty() || self.reasons.iter().any(|code| code.name() == bad.error))
            && self.schema_id.is_none_or(|id| bad.schema_id == Some(id))
            && self.since.is_none_or(|since| time >= Some(since))
            && self
                .until
                .is_none_or(|until| time.is_some_and(|time| time < until))
            && self
                .place
                .is_none_or(|place| place == (bad.partition, bad.offset))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BAD: Bad<'_> = Bad {
        partition: 1,
        epoch: 0,
        offset: 7,
        timestamp: Some(1_000),
        ingested_at: Some(9_000),
        schema_id: Some(3),
        error: "truncated",
        error_text: "",
        key: None,
        value: None,
        headers: None,
    };

    #[test]
    fn every_condition_must_hold() {
        let all = Filter::default();
        assert!(all.takes(&BAD));
        let of = |codes: &[Code]| Filter {
            reasons: codes.iter().copied().collect(),
            ..all.clone()
        };
        assert!(of(&[Code::Malformed, Code::Truncated]).takes(&BAD));
        assert!(!of(&[Code::Malformed]).takes(&BAD));
        let within = |since, until| Filter {
            since,
            until,
            ..all.clone()
        };
        assert!(within(Some(1_000), Some(1_001)).takes(&BAD));
        assert!(!within(Some(1_001), None).takes(&BAD));
        assert!(
            !within(None, Some(1_000)).takes(&BAD),
            "the end is exclusive"
        );
        let at = |place| Filter {
            place: Some(place),
            ..all.clone()
        };
        assert!(at((1, 7)).takes(&BAD));
        assert!(!at((7, 1)).takes(&BAD));
        let schema = |id| Filter {
            schema_id: Some(id),
            ..all.clone()
        };
        assert!(schema(3).takes(&BAD) && !schema(4).takes(&BAD));
    }

    #[test]
    fn a_record_without_a_timestamp_counts_by_when_it_came() {
        let late = Bad {
            timestamp: None,
            ..BAD
        };
        let since = Filter {
            since: Some(5_000),
            ..Filter::default()
        };
        assert!(since.takes(&late) && !since.takes(&BAD));
    }
}
