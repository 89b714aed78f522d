//! The machinery itself: how fast each stage was, and which model reads which.

use super::{close, figure, open};
use crate::charts::{Frame, lineage as chart};
use crate::html::{Esc, empty, put};
use crate::number::{bytes, compact, count, seconds};
use crate::{Report, Stage, Status};

pub fn pipeline(out: &mut String, report: &Report) {
    let total: f64 = report.stages.iter().map(|s| s.seconds).sum();
    let lede = if total > 0.0 && report.facts.events > 0 {
        format!(
            "{} events in {}: {} events per second from end to end.",
            count(report.facts.events),
            seconds(total),
            compact(report.facts.events as f64 / total)
        )
    } else {
        String::new()
    };
    open(out, "pipeline", "Pipeline", &lede);
    figure(out, 12, "Stages", |out| {
        if report.stages.is_empty() {
            return empty(
                out,
                "This page was made from a lake that is there already: no stage ran.",
            );
        }
        stages(out, &report.stages, total);
    });
    close(out);
}

fn stages(out: &mut String, stages: &[Stage], total: f64) {
    out.push_str("<table class=\"cards\"><thead><tr><th scope=\"col\">Stage</th>");
    for head in ["Events", "Time", "Rate", "Bytes"] {
        put!(out, "<th scope=\"col\" class=\"num\">{head}</th>");
    }
    out.push_str("<th scope=\"col\" class=\"span\">Share of the time</th></tr></thead><tbody>\n");
    let mut start = 0.0;
    for stage in stages {
        let rate = if stage.seconds > 0.0 {
            format!("{}/s", compact(stage.events as f64 / stage.seconds))
        } else {
            "–".to_owned()
        };
        let written = if stage.bytes > 0 {
            bytes(stage.bytes as f64)
        } else {
            "–".to_owned()
        };
        put!(out, "<tr><th scope=\"row\">{}</th>", Esc(&stage.name));
        for (head, text) in [
            ("Events", count(stage.events)),
            ("Time", seconds(stage.seconds)),
            ("Rate", rate),
            ("Bytes", written),
        ] {
            put!(out, "<td class=\"num\" data-label=\"{head}\">{text}</td>");
        }
        let width = if total > 0.0 {
            stage.seconds / total * 100.0
        } else {
            0.0
        };
        put!(
            out,
            "<td class=\"span\"><svg class=\"bar\" width=\"100%\" height=\"12\" aria-hidden=\"true\"><rect class=\"rail\" width=\"100%\" height=\"12\" rx=\"2\"/><rect class=\"fill\" x=\"{start:.2}%\" width=\"{width:.2}%\" height=\"12\" rx=\"2\"/></svg></td></tr>\n"
        );
        start += width;
    }
    out.push_str("</tbody></table>\n");
}

pub fn lineage(out: &mut String, report: &Report) {
    let models = &report.lineage.models;
    let of = |status: Status| models.iter().filter(|m| m.status == status).count() as u64;
    let mut lede = String::new();
    if !models.is_empty() {
        let words: Vec<String> = [
            (Status::Source, "sources"),
            (Status::Built, "built"),
            (Status::Unchanged, "unchanged"),
            (Status::Skipped, "skipped"),
            (Status::Failed, "failed"),
        ]
        .into_iter()
        .filter(|(status, _)| of(*status) > 0)
        .map(|(status, word)| format!("{} {word}", count(of(status))))
        .collect();
        lede = format!(
            "{} tables: {}. Point at one to see what feeds it and what it feeds.",
            count(models.len() as u64),
            words.join(", ")
        );
    }
    open(out, "lineage", "Lineage", &lede);
    figure(out, 12, "From events to answers", |out| {
        if models.is_empty() {
            return empty(out, "The project has no models yet.");
        }
        let frame = Frame {
            id: "dag",
            title: "Lineage of the models",
            desc: &lede,
        };
        chart::draw(out, &frame, &report.lineage);
        out.push_str("<details class=\"numbers\"><summary>The numbers</summary><table class=\"cards\"><thead><tr><th scope=\"col\">Table</th><th scope=\"col\">Status</th><th scope=\"col\" class=\"num\">Rows</th><th scope=\"col\" class=\"num\">Time</th><th scope=\"col\" class=\"num\">Tests</th></tr></thead><tbody>\n");
        for m in models {
            let way = if m.way.is_empty() {
                String::new()
            } else {
                format!(" · {}", m.way)
            };
            put!(
                out,
                "<tr><th scope=\"row\"><code>{}.{}</code></th><td data-label=\"Status\">{}{}</td><td class=\"num\" data-label=\"Rows\">{}</td><td class=\"num\" data-label=\"Time\">{}</td><td class=\"num\" data-label=\"Tests\">{}{}</td></tr>\n",
                Esc(&m.layer),
                Esc(&m.name),
                chart::word(m.status),
                Esc(&way),
                m.rows.map_or_else(|| "–".to_owned(), count),
                m.seconds.map_or_else(|| "–".to_owned(), seconds),
                if m.tests_failed > 0 {
                    format!("{} failed of ", m.tests_failed)
                } else {
                    String::new()
                },
                m.tests_passed + m.tests_failed
            );
        }
        out.push_str("</tbody></table></details>\n");
    });
    close(out);
}
