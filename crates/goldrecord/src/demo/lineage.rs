//! What the build did, for the report: the models, what they read, and the tests' results.

use std::collections::BTreeMap;

use goldrecord_layers::manifest::{Manifest, Node, ResourceType};
use goldrecord_layers::reporter::{BuildReport, NodeResult, Status};
use goldrecord_reports::{self as reports, Failure, Lineage, Model, TestSummary};

/// Sources, seeds and models, and who reads whom.
pub fn lineage(manifest: &Manifest, build: &BuildReport) -> Lineage {
    let results = by_id(build);
    let mut lineage = Lineage::default();
    for node in manifest.nodes.values() {
        let Some(layer) = layer(node) else { continue };
        let result = results.get(node.unique_id.as_str());
        let tests = |wanted: &[Status]| {
            manifest
                .nodes
                .values()
                .filter(|test| {
                    test.test
                        .as_ref()
                        .is_some_and(|test| test.attached.as_ref() == Some(&node.unique_id))
                })
                .filter_map(|test| results.get(test.unique_id.as_str()))
                .filter(|result| wanted.contains(&result.status))
                .count() as u32
        };
        lineage.models.push(Model {
            name: node.name.clone(),
            layer,
            status: result.map_or(reports::Status::Source, |result| status(result)),
            way: result
                .and_then(|result| result.way.clone())
                .unwrap_or_default(),
            rows: result.and_then(|result| result.rows),
            seconds: result.map(|result| result.elapsed.as_secs_f64()),
            tests_passed: tests(&[Status::Pass, Status::Warn]),
            tests_failed: tests(&[Status::Fail, Status::Error]),
        });
        for read in &node.depends_on {
            if let Some(from) = manifest.nodes.get(read) {
                lineage.edges.push((from.name.clone(), node.name.clone()));
            }
        }
    }
    lineage
}

/// How the tests ended.
pub fn tests(manifest: &Manifest, build: &BuildReport) -> TestSummary {
    let mut summary = TestSummary::default();
    for result in &build.results {
        let Some(node) = manifest.nodes.get(&result.unique_id) else {
            continue;
        };
        if node.resource_type != ResourceType::Test {
            continue;
        }
        match result.status {
            Status::Pass | Status::Success => summary.passed += 1,
            Status::Skipped => summary.skipped += 1,
            Status::Warn => summary.warned += 1,
            Status::Fail | Status::Error | Status::PartialSuccess => summary.failed += 1,
        }
        if matches!(result.status, Status::Warn | Status::Fail | Status::Error) {
            summary.failures.push(Failure {
                name: node.name.clone(),
                model: tested(manifest, node),
                rows: result.failures.unwrap_or_default(),
                message: result.message.clone().unwrap_or_default(),
            });
        }
    }
    summary
}

fn by_id(build: &BuildReport) -> BTreeMap<&str, &NodeResult> {
    build
        .results
        .iter()
        .map(|result| (result.unique_id.as_str(), result))
        .collect()
}

/// The schema of what holds rows; tests, exposures and the like have none in the lineage.
fn layer(node: &Node) -> Option<String> {
    match node.resource_type {
        ResourceType::Model
        | ResourceType::Seed
        | ResourceType::Snapshot
        | ResourceType::Source => node
            .relation
            .as_ref()
            .map(|relation| relation.schema.clone()),
        ResourceType::Test
        | ResourceType::UnitTest
        | ResourceType::Exposure
        | ResourceType::Analysis => None,
    }
}

fn status(result: &NodeResult) -> reports::Status {
    match result.status {
        Status::Success | Status::Pass | Status::Warn => {
            if result.way.as_deref() == Some("unchanged") {
                reports::Status::Unchanged
            } else {
                reports::Status::Built
            }
        }
        Status::Fail | Status::Error | Status::PartialSuccess => reports::Status::Failed,
        Status::Skipped => reports::Status::Skipped,
    }
}

/// The model that a test watches; for a singular test the first that it reads.
fn tested(manifest: &Manifest, test: &Node) -> String {
    let attached = test.test.as_ref().and_then(|test| test.attached.as_ref());
    attached
        .or_else(|| test.depends_on.first())
        .and_then(|id| manifest.nodes.get(id))
        .map_or_else(String::new, |node| node.name.clone())
}
