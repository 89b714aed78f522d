//! Prometheus scrapes what it is told, and judges by rules.

use std::process::Command;

use goldrecord_testkit::{Prometheus, fetch, require};

use crate::ask;

const RULES: &str = r#"
groups:
  - name: presence
    rules:
      - alert: Here
        expr: up{job="itself"} == 1
"#;

#[test]
fn prometheus_scrapes_a_job_and_fires_its_alert() {
    let Some(prometheus) = require(Prometheus::start()) else {
        return;
    };
    let itself = prometheus.url().replace("http://", "");
    prometheus.scrape("itself", &[&itself]).expect("a job");
    prometheus.load_rules("presence", RULES).expect("rules");
    ask::eventually("the alert fires", || {
        let firing = prometheus.query(r#"ALERTS{alertname="Here", alertstate="firing"}"#);
        firing.is_ok_and(|alerts| alerts.len() == 1)
    });
    let up = prometheus.query(r#"up{job="itself"}"#).expect("an answer");
    assert_eq!(up[0].labels["instance"], itself);
}

#[test]
fn rules_that_cannot_be_read_are_refused_with_the_reason() {
    let Some(prometheus) = require(Prometheus::start()) else {
        return;
    };
    let refused = prometheus
        .load_rules(
            "broken",
            "groups: [{name: a, rules: [{alert: A, expr: '1 +'}]}]",
        )
        .expect_err("no expression")
        .to_string();
    assert!(refused.contains("broken"), "{refused}");
}

#[test]
fn promtool_checks_rules() {
    let Some(promtool) = require(fetch::promtool()) else {
        return;
    };
    let dir = tempfile::tempdir().expect("a folder");
    let file = dir.path().join("rules.yml");
    std::fs::write(&file, RULES).expect("written");
    let checked = Command::new(promtool)
        .args(["check", "rules"])
        .arg(&file)
        .output()
        .expect("it runs");
    let said = String::from_utf8_lossy(&checked.stdout);
    assert!(
        checked.status.success() && said.contains("1 rules found"),
        "{said}"
    );
}
