//! The pages about metrics and failures say what is so.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use goldrecord_ingestor::Metrics;
use goldrecord_service::metrics::{Declaration, Registry, reference};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

pub(crate) fn page(name: &str) -> String {
    std::fs::read_to_string(root().join("docs").join(name)).expect("the page is there")
}

/// The declarations of a registry that has the ingestor's metrics.
fn declarations() -> Vec<Declaration> {
    let registry = Registry::new("ingestor");
    let _metrics = Metrics::register(&registry);
    registry.declarations()
}

/// The rules file on the page about metrics.
pub(crate) fn alerts() -> String {
    let page = page("metrics.md");
    let (_, rest) = page.split_once("```yaml\n").expect("the rules begin");
    let (rules, _) = rest.split_once("```").expect("the rules end");
    rules.to_owned()
}

#[test]
fn the_page_about_metrics_lists_what_is_declared_and_nothing_else() {
    let (ours, everybodys): (Vec<_>, Vec<_>) = declarations()
        .into_iter()
        .filter(|declaration| !declaration.name.ends_with("_build_info"))
        .partition(|declaration| declaration.name.starts_with("goldrecord_"));
    let old = page("metrics.md");
    let mut new = old.clone();
    for (block, declarations) in [("process", everybodys), ("ingestor", ours)] {
        let begin = format!("<!-- {block}: written by a test -->\n");
        let start = new.find(&begin).expect("the block begins") + begin.len();
        let end = start + new[start..].find("<!-- end -->").expect("the block ends");
        new.replace_range(start..end, &reference(&declarations));
    }
    if std::env::var_os("GOLDRECORD_BLESS").is_some() {
        std::fs::write(root().join("docs/metrics.md"), &new).expect("written");
        return;
    }
    for (there, wanted) in old.lines().zip(new.lines()) {
        assert_eq!(
            there, wanted,
            "docs/metrics.md differs from the declarations; GOLDRECORD_BLESS=1 writes them there"
        );
    }
    assert_eq!(old, new, "docs/metrics.md ends too early");
}

#[test]
fn alerts_and_queries_use_metrics_that_exist() {
    let names: BTreeSet<String> = declarations()
        .into_iter()
        .map(|declaration| declaration.name)
        .collect();
    let texts = [page("metrics.md"), page("failure-modes.md")];
    let words = texts.iter().flat_map(|text| {
        text.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_')
    });
    let mut seen = 0;
    for word in words {
        if !word.starts_with("goldrecord_ingestor_") {
            continue;
        }
        let series = ["_bucket", "_sum", "_count"]
            .iter()
            .find_map(|part| word.strip_suffix(part));
        assert!(
            names.contains(series.unwrap_or(word)),
            "`{word}` is no metric of the ingestor"
        );
        seen += 1;
    }
    assert!(seen > names.len(), "the pages were read");
}

#[test]
fn every_test_that_the_page_about_failures_names_is_there() {
    let page = page("failure-modes.md");
    // `crate::…::test`: the only words in code quotes with a double colon.
    let named: BTreeSet<&str> = page
        .split('`')
        .skip(1)
        .step_by(2)
        .filter(|code| code.contains("::"))
        .collect();
    assert!(named.len() > 10, "the page was read: {named:?}");
    for test in named {
        let parts: Vec<&str> = test.split("::").collect();
        let (first, function) = (parts[0], parts[parts.len() - 1]);
        let sources = sources(&root().join("crates").join(first));
        let wanted = format!("fn {function}(");
        let found = sources.iter().any(|(path, text)| {
            parts[1..parts.len() - 1]
                .iter()
                .all(|part| path.components().any(|own| stem(own.as_ref()) == *part))
                && text.contains(&wanted)
        });
        assert!(
            found,
            "docs/failure-modes.md names `{test}`, which is not there"
        );
    }
}

fn stem(part: &Path) -> &str {
    part.file_stem()
        .and_then(|stem| stem.to_str())
        .unwrap_or_default()
}

/// All Rust files under a folder, with their texts.
fn sources(folder: &Path) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a crate of this name") {
        let path = entry.expect("a file").path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(&path).expect("text");
            found.push((path, text));
        }
    }
    found
}
