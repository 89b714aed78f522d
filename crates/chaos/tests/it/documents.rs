//! The page of failures knows every fault that is inflicted here.

use goldrecord_chaos::plan::Kind;

#[test]
fn every_kind_of_fault_has_a_line_in_the_page_of_failures() {
    let page = include_str!("../../../../docs/failure-modes.md");
    for kind in Kind::ALL {
        let name = format!("`{kind}`");
        let told = page
            .lines()
            .any(|line| line.starts_with("| ⚡") && line.contains(&name));
        assert!(told, "docs/failure-modes.md has no line of {name}");
    }
}
