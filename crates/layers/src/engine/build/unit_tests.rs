//! The unit tests of a build: each before its model, which waits for it.

use std::time::Instant;

use super::{Run, lock};
use crate::manifest::Node;
use crate::reporter::{NodeResult, Status};

impl Run<'_> {
    /// Run a unit test; whether its model may run.
    pub(super) async fn unit_test(&self, node: &Node) -> bool {
        let index = self.start(node);
        let started = Instant::now();
        let planned = &self.project.unit_tests[&node.unique_id];
        let known = self.passed_before.get(&node.unique_id) == Some(&planned.read);
        let ended = if known && self.build.is_some() && !self.options.full_refresh {
            (Status::Pass, Some("unchanged since it passed".to_owned()))
        } else {
            match planned.run().await {
                Ok(None) => (Status::Pass, None),
                Ok(difference) => (Status::Fail, difference),
                Err(error) => (Status::Error, Some(error.to_string())),
            }
        };
        let (status, message) = ended;
        if status == Status::Pass {
            lock(&self.passed).insert(node.unique_id.clone(), planned.read.clone());
        }
        let failures = match status {
            Status::Error => None,
            status => Some(u64::from(status == Status::Fail)),
        };
        let result = NodeResult {
            unique_id: node.unique_id.clone(),
            status,
            way: None,
            rows: None,
            failures,
            failing_rows: None,
            message,
            batches: None,
            elapsed: started.elapsed(),
        };
        self.record(index, node, result);
        status == Status::Pass
    }
}
