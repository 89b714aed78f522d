//! What a plan has read from data files.

use datafusion::physical_plan::ExecutionPlan;

/// Rows and bytes that the scans of a plan have read, once it has run.
pub fn of(plan: &dyn ExecutionPlan) -> (usize, usize) {
    let children = plan.children();
    if children.is_empty() {
        let metrics = plan.metrics().unwrap_or_default();
        let bytes = metrics.sum_by_name("bytes_scanned");
        return (
            metrics.output_rows().unwrap_or(0),
            bytes.map_or(0, |bytes| bytes.as_usize()),
        );
    }
    children
        .into_iter()
        .map(|child| of(child.as_ref()))
        .fold((0, 0), |(rows, bytes), (more, others)| {
            (rows + more, bytes + others)
        })
}
