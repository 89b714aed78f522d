//! What a microbatch model's configuration says.

use chrono::{DateTime, NaiveDate, NaiveDateTime, Utc};
use serde_json::Value;

use super::{BatchSize, STRATEGY, Window};
use crate::diagnostics::Diagnostic;
use crate::manifest::{Materialized, Node};

/// What a microbatch model's configuration says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The column of the model that tells a row's time.
    pub event_time: String,
    /// The first moment there is.
    pub begin: DateTime<Utc>,
    /// How long a batch is.
    pub size: BatchSize,
    /// How many batches before the newest are computed again.
    pub lookback: u32,
}

impl Settings {
    /// Those of a microbatch model; `None` for all other nodes.
    pub fn of(node: &Node) -> Result<Option<Self>, Diagnostic> {
        let named = node.config.incremental_strategy.as_deref() == Some(STRATEGY);
        if !named || node.config.materialized != Materialized::Incremental {
            return Ok(None);
        }
        let wrong = |message: String, mend: &str| {
            Diagnostic::new(format!("{}: {message}", node.name))
                .in_file(&node.original_file_path)
                .help(mend)
        };
        let of = |key: &str| {
            let value = node.config.extra.get(key);
            value.filter(|value| !value.is_null())
        };
        let missing =
            |key: &str, mend: &str| wrong(format!("a microbatch model needs `{key}`"), mend);
        if !node.config.unique_key.is_empty() {
            return Err(wrong(
                "a microbatch model replaces the rows of a window, and has no `unique_key`"
                    .to_owned(),
                "leave `unique_key` out, or use `incremental_strategy='merge'`",
            ));
        }
        let mend = "name the column that tells a row's time: event_time='created_at'";
        let event_time = of("event_time").ok_or_else(|| missing("event_time", mend))?;
        let event_time = event_time.as_str().ok_or_else(|| {
            wrong(
                format!("`event_time` is {event_time}, and should be a column's name"),
                mend,
            )
        })?;
        let mend = "say from when on there are rows: begin='2024-01-01'";
        let begin = of("begin").ok_or_else(|| missing("begin", mend))?;
        let begin = begin.as_str().and_then(moment).ok_or_else(|| {
            wrong(
                format!("`begin` is {begin}, and should be a date or a time of ISO 8601"),
                mend,
            )
        })?;
        let mend = "batch_size='hour', 'day', 'month' or 'year'";
        let size = of("batch_size").ok_or_else(|| missing("batch_size", mend))?;
        let known = |(name, _): &&(&str, BatchSize)| size.as_str() == Some(name);
        let (_, size) = BatchSize::ALL.iter().find(known).ok_or_else(|| {
            wrong(
                format!("`batch_size` is {size}, and should be hour, day, month or year"),
                mend,
            )
        })?;
        let lookback = match of("lookback") {
            None => 1,
            Some(value) => value
                .as_u64()
                .and_then(|batches| u32::try_from(batches).ok())
                .ok_or_else(|| {
                    wrong(
                        format!("`lookback` is {value}, and should be a number of batches"),
                        "lookback=1 computes one batch before the newest again",
                    )
                })?,
        };
        if let Some(value) = of("concurrent_batches")
            && !matches!(value, Value::Bool(_))
        {
            return Err(wrong(
                format!("`concurrent_batches` is {value}, and should be true or false"),
                "leave it out: batches run one after the other",
            ));
        }
        Ok(Some(Self {
            event_time: event_time.to_owned(),
            begin,
            size: *size,
            lookback,
        }))
    }

    /// The batches of a build, as dbt counts them: until `now`, from the beginning where the table is filled anew; or
    /// those of the time that the command line names.
    pub fn windows(&self, named: Option<Window>, filled: bool, now: DateTime<Utc>) -> Vec<Window> {
        let end = self.size.ceiled(named.map_or(now, |named| named.end));
        let start = match named {
            Some(named) => self.size.truncated(named.start),
            None if filled => self.size.looking_back(end, self.lookback),
            None => self.size.truncated(self.begin),
        };
        self.size.windows(start, end)
    }

    /// The first batch of all, over which the model is planned.
    pub fn first(&self) -> Window {
        let start = self.size.truncated(self.begin);
        let end = self.size.ceiled(start + chrono::TimeDelta::microseconds(1));
        Window { start, end }
    }
}

/// A date or a time of ISO 8601, in UTC. What it says of a zone is passed over, as in dbt.
pub fn moment(text: &str) -> Option<DateTime<Utc>> {
    if let Ok(day) = text.parse::<NaiveDate>() {
        return day.and_hms_opt(0, 0, 0).map(|at| at.and_utc());
    }
    let text = text.replacen(' ', "T", 1);
    if let Ok(at) = DateTime::parse_from_rfc3339(&text) {
        return Some(at.naive_local().and_utc());
    }
    ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H"]
        .iter()
        .find_map(|format| NaiveDateTime::parse_from_str(&text, format).ok())
        .map(|at| at.and_utc())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::manifest::tests::node;

    fn model(config: &Value) -> Node {
        let mut model = node("model.p.m", &[]);
        model.config.materialized = Materialized::Incremental;
        model.config.incremental_strategy = Some(STRATEGY.to_owned());
        for (key, value) in config.as_object().into_iter().flatten() {
            model.config.extra.insert(key.clone(), value.clone());
        }
        model
    }

    fn at(text: &str) -> DateTime<Utc> {
        moment(text).expect("a moment")
    }

    #[test]
    fn what_is_missing_or_wrong_is_told() {
        let whole = json!({"event_time": "ts", "begin": "2024-01-01", "batch_size": "day"});
        assert_eq!(Settings::of(&node("model.p.m", &[])), Ok(None));
        let settings = Settings::of(&model(&whole))
            .expect("fine")
            .expect("microbatch");
        assert_eq!((settings.size, settings.lookback), (BatchSize::Day, 1));
        for (key, value, told) in [
            (
                "event_time",
                json!(null),
                "m: a microbatch model needs `event_time`",
            ),
            ("begin", json!(null), "m: a microbatch model needs `begin`"),
            (
                "begin",
                json!("soon"),
                "m: `begin` is \"soon\", and should be a date or a time of ISO 8601",
            ),
            (
                "batch_size",
                json!("week"),
                "m: `batch_size` is \"week\", and should be hour, day, month or year",
            ),
            (
                "lookback",
                json!(-1),
                "m: `lookback` is -1, and should be a number of batches",
            ),
        ] {
            let mut config = whole.clone();
            config[key] = value;
            let error = Settings::of(&model(&config)).expect_err("wrong");
            assert_eq!(error.message, told);
        }
    }

    #[test]
    fn a_build_computes_the_batches_that_dbt_computes() {
        let whole = json!({"event_time": "ts", "begin": "2024-01-01 10:00", "batch_size": "day"});
        let settings = Settings::of(&model(&whole))
            .expect("fine")
            .expect("microbatch");
        let now = at("2024-01-03T12:00:00");
        let days = |windows: Vec<Window>| -> Vec<String> {
            windows
                .iter()
                .map(|window| settings.size.name(window.start))
                .collect()
        };
        assert_eq!(
            days(settings.windows(None, false, now)),
            ["2024-01-01", "2024-01-02", "2024-01-03"]
        );
        assert_eq!(
            days(settings.windows(None, true, now)),
            ["2024-01-02", "2024-01-03"]
        );
        let named = Window {
            start: at("2023-12-30"),
            end: at("2023-12-31T01:00:00"),
        };
        for filled in [false, true] {
            assert_eq!(
                days(settings.windows(Some(named), filled, now)),
                ["2023-12-30", "2023-12-31"]
            );
        }
        assert_eq!(
            settings.first().to_string(),
            "2024-01-01T00:00:00Z/2024-01-02T00:00:00Z"
        );
    }
}
