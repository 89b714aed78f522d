//! What a bootstrap made, and what was there.

use std::fmt::Write as _;

use serde::Serialize;

/// Everything that was looked at, in the order in which it is made.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Topics, schemas, tables, databases.
    pub items: Vec<Item>,
}

/// One thing that a service needs.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Item {
    kind: Kind,
    name: String,
    state: State,
    /// What else is to be said of it.
    #[serde(skip_serializing_if = "String::is_empty")]
    note: String,
}

/// What a thing is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Of Kafka.
    Topic,
    /// A subject of the registry.
    Schema,
    /// A bronze table of the lake.
    Table,
    /// Of ClickHouse.
    #[serde(rename = "clickhouse")]
    ClickHouse,
}

/// Whether a thing was there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It was, and is left as it is.
    There,
    /// It was made.
    Made,
    /// It would be made.
    Missing,
}

impl State {
    /// Of a thing that was not there.
    pub fn missing(dry_run: bool) -> Self {
        if dry_run { Self::Missing } else { Self::Made }
    }

    /// Of a thing that was there or not.
    pub fn of(was_there: bool, dry_run: bool) -> Self {
        if was_there {
            Self::There
        } else {
            Self::missing(dry_run)
        }
    }
}

impl Item {
    /// A thing, with a note that may be empty.
    pub fn new(kind: Kind, name: impl Into<String>, state: State, note: String) -> Self {
        Self {
            kind,
            name: name.into(),
            state,
            note,
        }
    }
}

impl Report {
    /// For people: a line each.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for item in &self.items {
            let state = match item.state {
                State::There => "there",
                State::Made => "made",
                State::Missing => "missing",
            };
            let kind = match item.kind {
                Kind::Topic => "topic",
                Kind::Schema => "schema",
                Kind::Table => "table",
                Kind::ClickHouse => "ClickHouse",
            };
            let _ = write!(text, "{state:<8}{kind:<11}{}", item.name);
            if !item.note.is_empty() {
                let _ = write!(text, " ({})", item.note);
            }
            text.push('\n');
        }
        let count = |state| self.items.iter().filter(|item| item.state == state).count();
        let (made, missing) = (count(State::Made), count(State::Missing));
        let _ = match (made, missing) {
            (0, 0) => write!(text, "everything was there"),
            (0, missing) => write!(text, "{missing} would be made"),
            (made, _) => write!(text, "{made} made"),
        };
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_says_what_came_of_it() {
        let report = |states: &[State]| Report {
            items: states
                .iter()
                .map(|state| Item::new(Kind::Topic, "t", *state, String::new()))
                .collect(),
        };
        let last = |states: &[State]| report(states).text().lines().last().map(str::to_owned);
        assert_eq!(
            last(&[State::There]).as_deref(),
            Some("everything was there")
        );
        assert_eq!(
            last(&[State::There, State::Made]).as_deref(),
            Some("1 made")
        );
        assert_eq!(last(&[State::Missing]).as_deref(), Some("1 would be made"));
    }
}
