//! `run_results.json`: how every node of a build ended, in dbt's schema.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::recorder::Times;
use super::{Invocation, time};
use crate::manifest::Manifest;
use crate::microbatch::Window;
use crate::reporter::{BatchResults, BuildReport, NodeResult};

/// The file's content. `arguments` are those of the command that matter to whoever runs it again.
pub fn run_results_json(
    manifest: &Manifest,
    report: &BuildReport,
    times: &BTreeMap<String, Times>,
    arguments: &Map<String, Value>,
    invocation: &Invocation,
) -> Value {
    let results: Vec<Value> = report
        .results
        .iter()
        .map(|result| one(manifest, result, times.get(&result.unique_id)))
        .collect();
    json!({
        "metadata": invocation.metadata("run-results/v6"),
        "results": results,
        "elapsed_time": report.elapsed.as_secs_f64(),
        "args": arguments,
    })
}

fn one(manifest: &Manifest, result: &NodeResult, times: Option<&Times>) -> Value {
    let node = manifest.node(&result.unique_id);
    let timing: Vec<Value> = times
        .map(|times| {
            json!({
                "name": "execute",
                "started_at": time(times.started),
                "completed_at": times.completed.map(time),
            })
        })
        .into_iter()
        .collect();
    // A table says how it was brought up to date, as adapters say what the database answered.
    let mut response = Map::new();
    if let Some(way) = &result.way {
        response.insert("_message".to_owned(), json!(way.to_uppercase()));
    }
    if let Some(rows) = result.rows {
        response.insert("rows_affected".to_owned(), json!(rows));
    }
    let message = result
        .message
        .clone()
        .or_else(|| result.way.as_deref().map(str::to_uppercase));
    let compiled_code = node.and_then(|node| node.compiled_code.as_deref());
    json!({
        "status": result.status.as_str(),
        "timing": timing,
        "thread_id": "main",
        "execution_time": result.elapsed.as_secs_f64(),
        "adapter_response": response,
        "message": message,
        "failures": result.failures,
        "unique_id": result.unique_id,
        "compiled": compiled_code.is_some(),
        "compiled_code": compiled_code,
        "relation_name": node
            .and_then(|node| node.relation.as_ref())
            .map(ToString::to_string),
        "batch_results": result.batches.as_ref().map(batches),
    })
}

fn batches(results: &BatchResults) -> Value {
    let pairs = |windows: &[Window]| -> Vec<Value> {
        windows
            .iter()
            .map(|window| json!([time(window.start), time(window.end)]))
            .collect()
    };
    json!({
        "successful": pairs(&results.successful),
        "failed": pairs(&results.failed),
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::manifest::tests::{manifest, node};
    use crate::reporter::Status;

    #[test]
    fn a_result_has_what_dbt_users_read() {
        let manifest = manifest([node("model.p.a", &[])]);
        let report = BuildReport {
            build: Some(1),
            published: true,
            results: vec![NodeResult {
                unique_id: "model.p.a".to_owned(),
                status: Status::Success,
                way: Some("append".to_owned()),
                rows: Some(7),
                failures: None,
                failing_rows: None,
                message: None,
                batches: None,
                elapsed: Duration::from_millis(1500),
            }],
            elapsed: Duration::from_secs(2),
        };
        let json = run_results_json(
            &manifest,
            &report,
            &BTreeMap::new(),
            &Map::new(),
            &Invocation::begin(),
        );
        let result = &json["results"][0];
        assert_eq!(result["status"], "success");
        assert_eq!(result["message"], "APPEND");
        assert_eq!(result["adapter_response"]["rows_affected"], 7);
        assert_eq!(result["relation_name"], r#""lake"."silver"."a""#);
        assert_eq!(result["execution_time"], 1.5);
        assert_eq!(
            json["metadata"]["dbt_schema_version"],
            "https://schemas.getdbt.com/dbt/run-results/v6.json"
        );
    }
}
