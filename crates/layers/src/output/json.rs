//! Lines as JSON: the events that dbt logs with `--log-format json`, by their names and codes.

use chrono::{SecondsFormat, Utc};
use serde_json::{Value, json};

use crate::manifest::Node;

/// dbt's code of an event.
fn code(name: &str) -> &'static str {
    match name {
        "MainReportVersion" => "A001",
        "FoundStats" => "W006",
        "ConcurrencyLine" => "Q027",
        "LogStartLine" => "Q011",
        "LogModelResult" => "Q012",
        "LogTestResult" => "Q007",
        "LogSeedResult" => "Q016",
        "LogHookStartLine" => "Q032",
        "LogHookEndLine" => "Q033",
        "LogFreshnessResult" => "Q018",
        "FreshnessCheckComplete" => "Q003",
        "SkippingDetails" => "Q034",
        "FinishedRunningStats" => "E047",
        "EndOfRunSummary" => "Z030",
        "RunResultWarning" => "Z021",
        "RunResultFailure" => "Z022",
        "StatsLine" => "Z023",
        "RunResultError" => "Z024",
        "MainEncounteredError" => "Z002",
        "Formatting" => "Z017",
        _ => "Z050",
    }
}

/// One event.
pub(super) fn line(level: &str, name: &str, text: &str, data: &Value, invocation: &str) -> Value {
    let thread = std::thread::current();
    json!({
        "info": {
            "category": "",
            "code": code(name),
            "extra": {},
            "invocation_id": invocation,
            "level": level,
            "msg": text,
            "name": name,
            "pid": std::process::id(),
            "thread": thread.name().unwrap_or_default(),
            "ts": Utc::now().to_rfc3339_opts(SecondsFormat::Micros, true),
        },
        "data": data,
    })
}

/// What events say of a node.
pub(super) fn node_info(node: &Node, status: &str) -> Value {
    let relation = node.relation.as_ref();
    json!({
        "node_name": node.name,
        "node_path": node.path,
        "unique_id": node.unique_id,
        "resource_type": node.resource_type,
        "materialized": node.config.materialized,
        "meta": node.config.meta,
        "node_status": status,
        "node_relation": {
            "alias": relation.map_or(node.name.as_str(), |relation| &relation.identifier),
            "database": relation.map_or("", |relation| &relation.database),
            "schema": relation.map_or("", |relation| &relation.schema),
            "relation_name": relation.map(ToString::to_string).unwrap_or_default(),
        },
    })
}
