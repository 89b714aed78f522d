//! How old a source's newest row may be.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;
use serde_json::{Value, json};

use crate::diagnostics::Diagnostic;

/// What is expected of a source's table, and how its age is told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Freshness {
    /// Older than this is a warning.
    pub warn_after: Option<Span>,
    /// Older than this is an error.
    pub error_after: Option<Span>,
    /// Only rows for which this SQL holds are looked at.
    pub filter: Option<String>,
    /// When each row came: a column or an SQL expression over the table.
    pub loaded_at: LoadedAt,
}

/// How the time of the newest row is known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum LoadedAt {
    /// It is that of the table's newest commit.
    #[default]
    Commit,
    /// The greatest value of this column or SQL expression.
    Field(String),
    /// What this query answers, rendered.
    Query(String),
}

/// `{count: 12, period: hour}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Span {
    count: u32,
    period: Period,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Period {
    Minute,
    Hour,
    Day,
}

/// What an age comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Age {
    /// Fresh enough.
    Pass,
    /// Older than `warn_after`.
    Warn,
    /// Older than `error_after`.
    Error,
}

impl fmt::Display for Age {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pass => "pass",
            Self::Warn => "warn",
            Self::Error => "error",
        })
    }
}

impl Freshness {
    /// Read the keys of a source's configuration; `None` where nothing is expected. The query is as written.
    pub fn read(config: &BTreeMap<String, Value>) -> Result<Option<Self>, Diagnostic> {
        let text = |key: &str| config.get(key).and_then(Value::as_str).map(str::to_owned);
        let expected = match config.get("freshness") {
            None | Some(Value::Null) => return Ok(None),
            Some(Value::Object(map)) => map,
            Some(_) => {
                let message =
                    "`freshness` is not a map of `warn_after`, `error_after` and `filter`";
                return Err(Diagnostic::new(message).help("`freshness: null` expects nothing"));
            }
        };
        if let Some(unknown) = expected
            .keys()
            .find(|key| !["warn_after", "error_after", "filter"].contains(&key.as_str()))
        {
            let known = ["warn_after", "error_after", "filter"];
            let diagnostic = Diagnostic::new(format!("unknown key `{unknown}` in `freshness`"));
            return Err(diagnostic.nearest(unknown, known));
        }
        let span = |key: &str| match expected.get(key) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => Span::read(key, value),
        };
        let (warn_after, error_after) = (span("warn_after")?, span("error_after")?);
        if warn_after.is_none() && error_after.is_none() {
            return Ok(None);
        }
        let loaded_at = match (text("loaded_at_field"), text("loaded_at_query")) {
            (Some(_), Some(_)) => {
                let message = "both `loaded_at_field` and `loaded_at_query` are given";
                return Err(Diagnostic::new(message).help("give one of them"));
            }
            (Some(field), None) => LoadedAt::Field(field),
            (None, Some(query)) => LoadedAt::Query(query),
            (None, None) => LoadedAt::Commit,
        };
        let filter = expected.get("filter").and_then(Value::as_str);
        if filter.is_some() && loaded_at == LoadedAt::Commit {
            let message =
                "`freshness` has a `filter`, and no `loaded_at_field` whose rows it could choose";
            let help = "give the column that says when a row came, or leave the filter out";
            return Err(Diagnostic::new(message).help(help));
        }
        Ok(Some(Self {
            warn_after,
            error_after,
            filter: filter.map(str::to_owned),
            loaded_at,
        }))
    }

    /// What an age in seconds comes to.
    pub fn of(&self, seconds: f64) -> Age {
        let exceeded = |span: Option<Span>| span.is_some_and(|span| seconds > span.seconds());
        if exceeded(self.error_after) {
            Age::Error
        } else if exceeded(self.warn_after) {
            Age::Warn
        } else {
            Age::Pass
        }
    }

    /// As dbt writes it: `criteria`.
    pub fn to_json(&self) -> Value {
        json!({"warn_after": self.warn_after, "error_after": self.error_after, "filter": self.filter})
    }
}

impl Span {
    fn read(key: &str, value: &Value) -> Result<Option<Self>, Diagnostic> {
        let wrong = || {
            Diagnostic::new(format!(
                "`{key}` of `freshness` is not a count and a period"
            ))
            .help(format!(
                "write `{key}: {{count: 12, period: hour}}`; periods are minute, hour and day"
            ))
        };
        let (count, period) = (value.get("count"), value.get("period"));
        if count.is_none_or(Value::is_null) && period.is_none_or(Value::is_null) {
            return Ok(None);
        }
        let period = match period.and_then(Value::as_str) {
            Some("minute") => Period::Minute,
            Some("hour") => Period::Hour,
            Some("day") => Period::Day,
            _ => return Err(wrong()),
        };
        let count = match count {
            Some(Value::String(text)) => text.trim().parse().ok(),
            Some(number) => number.as_u64().and_then(|count| u32::try_from(count).ok()),
            None => None,
        };
        let count = count.ok_or_else(wrong)?;
        Ok(Some(Self { count, period }))
    }

    fn seconds(self) -> f64 {
        let one = match self.period {
            Period::Minute => 60.0,
            Period::Hour => 3_600.0,
            Period::Day => 86_400.0,
        };
        f64::from(self.count) * one
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(config: Value) -> Result<Option<Freshness>, String> {
        let config = serde_json::from_value(config).expect("a map");
        Freshness::read(&config).map_err(|diagnostic| diagnostic.message)
    }

    #[test]
    fn an_age_is_held_against_both_spans() {
        let freshness = json!({"warn_after": {"count": 1, "period": "hour"}, "error_after": {"count": "2", "period": "day"}});
        let found = read(json!({"freshness": freshness}))
            .expect("valid")
            .expect("some");
        assert_eq!(found.loaded_at, LoadedAt::Commit);
        for (seconds, age) in [
            (3_600.0, Age::Pass),
            (3_601.0, Age::Warn),
            (172_801.0, Age::Error),
        ] {
            assert_eq!(found.of(seconds), age, "{seconds}");
        }
        assert_eq!(
            found.to_json()["warn_after"],
            json!({"count": 1, "period": "hour"})
        );
    }

    #[test]
    fn nothing_is_expected_where_nothing_is_said() {
        assert_eq!(read(json!({})), Ok(None));
        assert_eq!(
            read(json!({"freshness": null, "loaded_at_field": "ts"})),
            Ok(None)
        );
        assert_eq!(
            read(json!({"freshness": {"warn_after": {"count": null, "period": null}}})),
            Ok(None)
        );
    }

    #[test]
    fn what_means_nothing_is_refused() {
        let hour = json!({"count": 1, "period": "hour"});
        for (config, part) in [
            (json!({"freshness": 5}), "is not a map"),
            (
                json!({"freshness": {"warn_afer": hour}}),
                "unknown key `warn_afer`",
            ),
            (
                json!({"freshness": {"warn_after": {"count": 1, "period": "week"}}}),
                "not a count and a period",
            ),
            (
                json!({"freshness": {"warn_after": hour, "filter": "x"}}),
                "has a `filter`",
            ),
            (
                json!({"freshness": {"warn_after": hour}, "loaded_at_field": "a", "loaded_at_query": "b"}),
                "both",
            ),
        ] {
            let message = read(config).expect_err("refused");
            assert!(message.contains(part), "{part:?} in {message}");
        }
    }
}
