//! Lines as they are printed.

use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::manifest::tests::{manifest, node};

#[derive(Clone, Default)]
struct Page(Arc<Mutex<Vec<u8>>>);

impl Write for Page {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("whole").write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn printed(format: Format, act: impl Fn(&Printer)) -> String {
    let page = Page::default();
    act(&Printer::new(format, false, Box::new(page.clone())));
    let bytes = page.0.lock().expect("whole").clone();
    String::from_utf8(bytes).expect("text")
}

fn result(unique_id: &str, status: Status) -> NodeResult {
    NodeResult {
        unique_id: unique_id.to_owned(),
        status,
        way: Some("append".to_owned()),
        rows: Some(7),
        failures: None,
        failing_rows: None,
        message: None,
        batches: None,
        elapsed: Duration::from_millis(50),
    }
}

#[test]
fn a_finished_model_is_a_line_as_dbt_writes_it() {
    let model = node("model.p.a", &[]);
    let text = printed(Format::Text, |printer| {
        let result = result("model.p.a", Status::Success);
        printer.event(&Event::NodeFinished {
            index: 1,
            total: 2,
            node: &model,
            result: &result,
        });
    });
    assert!(
        text.contains("1 of 2 OK created sql view model silver.a ....."),
        "{text}"
    );
    assert!(text.ends_with("[APPEND 7 in 0.05s]\n"), "{text}");
}

#[test]
fn the_summary_counts_and_shows_failing_rows() {
    let manifest = manifest([node("test.p.t", &[])]);
    let failed = NodeResult {
        failures: Some(2),
        failing_rows: Some("| id |\n| 1  |".to_owned()),
        ..result("test.p.t", Status::Fail)
    };
    let report = BuildReport {
        build: None,
        published: false,
        results: vec![failed],
        elapsed: Duration::from_secs(61),
    };
    let text = printed(Format::Text, |printer| printer.summary(&manifest, &report));
    for part in [
        "0 hours 1 minutes and 1.00 seconds (61.00s).",
        "Completed with 1 error and 0 warnings:",
        "Failure in test t (models/t.sql)\n  Got 2 results, configured to fail if != 0\n| id |",
        "Done. PASS=0 WARN=0 ERROR=1 SKIP=0 NO-OP=0 REUSED=0 TOTAL=1",
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }
}

#[test]
fn a_json_line_is_an_event_as_dbt_logs_it() {
    let line = |act: &dyn Fn(&Printer)| -> Value {
        serde_json::from_str(printed(Format::Json, act).trim()).expect("JSON")
    };
    let warning = line(&|printer| printer.warning("look"));
    assert_eq!(warning["info"]["level"], "warn");
    let model = node("model.p.a", &[]);
    let finished = line(&|printer| {
        printer.event(&Event::NodeFinished {
            index: 1,
            total: 2,
            node: &model,
            result: &result("model.p.a", Status::Success),
        });
    });
    assert_eq!(finished["info"]["name"], "LogModelResult");
    assert_eq!(finished["info"]["code"], "Q012");
    assert_eq!(finished["data"]["node_info"]["unique_id"], "model.p.a");
    assert_eq!(finished["data"]["node_info"]["node_status"], "success");
}
