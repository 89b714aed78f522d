//! Lines of `source freshness`.

use serde_json::json;

use super::json::node_info;
use super::{Level, Printer, fancy};
use crate::artifacts::SourceResult;
use crate::manifest::{Age, Manifest, Node};

impl Printer {
    /// A source's table is looked at.
    pub fn freshness_started(&self, index: usize, total: usize, node: &Node) {
        let description = description(node);
        let text = fancy(index, total, &format!("START {description}"), "RUN");
        let info = node_info(node, "started");
        let data =
            json!({"description": description, "index": index, "total": total, "node_info": info});
        self.line(Level::Info, "LogStartLine", &text, &data);
    }

    /// What it came to.
    pub fn freshness_finished(
        &self,
        index: usize,
        total: usize,
        node: &Node,
        result: &SourceResult,
    ) {
        let (level, word, status) = match result.found.as_ref().map(|loaded| loaded.age) {
            Ok(Age::Pass) => (Level::Info, "PASS", "pass"),
            Ok(Age::Warn) => (Level::Warn, "WARN", "warn"),
            Ok(Age::Error) => (Level::Error, "ERROR STALE", "error"),
            Err(_) => (Level::Error, "ERROR", "runtime error"),
        };
        let seconds = result.elapsed.as_secs_f64();
        let message = format!("{word} {}", description(node));
        let text = fancy(index, total, &message, &format!("{word} in {seconds:.2}s"));
        let data = json!({
            "index": index,
            "total": total,
            "status": status,
            "source_name": node.source_name,
            "table_name": node.name,
            "execution_time": seconds,
            "node_info": node_info(node, status),
        });
        self.line(level, "LogFreshnessResult", &text, &data);
    }

    /// What could not be told, and the last line.
    pub fn freshness_done(&self, manifest: &Manifest, results: &[SourceResult]) {
        self.info("");
        for result in results {
            if let (Err(message), Some(node)) = (&result.found, manifest.node(&result.unique_id)) {
                let file = &node.original_file_path;
                let text = format!("\nError in source {} ({file})\n{message}", node.name);
                let data = json!({"unique_id": result.unique_id, "msg": message});
                self.line(Level::Error, "RunResultError", &text, &data);
            }
        }
        self.line(Level::Info, "FreshnessCheckComplete", "Done.", &json!({}));
    }
}

fn description(node: &Node) -> String {
    let source = node.source_name.as_deref().unwrap_or_default();
    format!("freshness of {source}.{}", node.name)
}
