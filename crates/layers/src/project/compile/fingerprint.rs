//! Fingerprints: whether two nodes write equal tables from equal inputs.

use sha2::{Digest as _, Sha256};

use crate::Result;
use crate::manifest::{Node, ResourceType};
use crate::microbatch;
use crate::project::{ProjectFile, hex, read_text};

/// The hash of what makes the node's rows and their layout.
pub fn fingerprint(project: &ProjectFile, node: &Node) -> Result<String> {
    let mut hash = Sha256::new();
    let mut add = |part: &str| {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    };
    add(node.config.materialized.as_str());
    add(node.compiled_code.as_deref().unwrap_or_default());
    add(node.compiled_incremental.as_deref().unwrap_or_default());
    for list in [&node.config.partition_by, &node.config.unique_key] {
        add(&list.join(","));
    }
    add(node
        .config
        .incremental_strategy
        .as_deref()
        .unwrap_or_default());
    if node.config.incremental_strategy.as_deref() == Some(microbatch::STRATEGY) {
        // What only batches show is in the template.
        add(&node.raw_code);
        for key in ["event_time", "batch_size"] {
            add(&node
                .config
                .extra
                .get(key)
                .map_or_else(String::new, ToString::to_string));
        }
    }
    if let Some(reach) = node.meta("reach") {
        add(&reach.to_string());
    }
    // Rows that were never held against a constraint are so once it is there.
    for constraint in node.enforced_constraints() {
        add(constraint.kind.as_str());
        add(constraint.expression.as_deref().unwrap_or_default());
        constraint.columns().for_each(&mut add);
    }
    if node.resource_type == ResourceType::Test {
        let config = &node.config;
        add(&format!(
            "{} {:?} {:?} {} {}",
            config.fail_calc, config.limit, config.severity, config.warn_if, config.error_if
        ));
        // Where its failing rows are kept: a test that passed is run again where they were not.
        if let Some(relation) = &node.relation {
            add(&relation.to_string());
        }
    }
    if let Some(unit) = &node.unit_test {
        let given = unit.given.iter();
        let given: Vec<_> = given.map(|one| (&one.node, &one.fixture.rows)).collect();
        add(&format!("{given:?} {:?}", unit.expect.rows));
    }
    if node.resource_type == ResourceType::Seed {
        add(&read_text(&project.root, &node.original_file_path)?);
        for (column, sql_type) in &node.config.column_types {
            add(column);
            add(sql_type);
        }
        add(&node.config.delimiter.to_string());
    }
    Ok(hex(&hash.finalize()))
}
