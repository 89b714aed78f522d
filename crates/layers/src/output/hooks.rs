//! Lines of hooks.

use std::time::Duration;

use serde_json::json;

use super::{Level, Printer, fancy};
use crate::hooks::Operation;

impl Printer {
    /// A hook begins.
    pub fn hook_started(&self, index: usize, total: usize, operation: &Operation) {
        let title = operation.title();
        let text = fancy(index, total, &format!("START hook: {title}"), "RUN");
        let data = json!({"index": index, "total": total, "statement": title});
        self.line(Level::Info, "LogHookStartLine", &text, &data);
    }

    /// How it ended.
    pub fn hook_finished(
        &self,
        index: usize,
        total: usize,
        operation: &Operation,
        is_well: bool,
        took: Duration,
    ) {
        let (level, word, status) = if is_well {
            (Level::Info, "OK", "success")
        } else {
            (Level::Error, "ERROR", "error")
        };
        let (title, seconds) = (operation.title(), took.as_secs_f64());
        let message = format!("{word} hook: {title}");
        let text = fancy(index, total, &message, &format!("{word} in {seconds:.2}s"));
        let data = json!({
            "index": index,
            "total": total,
            "statement": title,
            "status": status,
            "execution_time": seconds,
        });
        self.line(level, "LogHookEndLine", &text, &data);
    }
}
