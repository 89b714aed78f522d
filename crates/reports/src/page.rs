//! The page around the sections: head, masthead, headline figures, table of contents, foot.

use crate::charts::sparkline;
use crate::html::{Esc, put};
use crate::number::{count, figure};
use crate::sections::{self, CONTENTS, trust};
use crate::{Facts, Kpi, Report, date};

const STYLE: &str = include_str!("../assets/style.css");
const SCRIPT: &str = include_str!("../assets/script.js");

/// The report as one HTML page. It loads nothing: its style, script and charts are in it, and its
/// content security policy forbids everything else.
pub fn render(report: &Report) -> String {
    let mut page = String::with_capacity(256 * 1024);
    let out = &mut page;
    let title = if report.title.is_empty() {
        "Listening report"
    } else {
        &report.title
    };
    put!(
        out,
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:\">\n\
         <title>{} · goldrecord</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n",
        Esc(title)
    );
    masthead(out, report, title);
    out.push_str("<main>\n");
    kpis(out, &report.kpis);
    contents(out);
    sections::draw(out, report);
    out.push_str("</main>\n");
    foot(out, &report.facts);
    put!(
        out,
        "<div id=\"tip\" role=\"status\" hidden></div>\n<script>\n{SCRIPT}</script>\n</body>\n</html>\n"
    );
    page
}

fn masthead(out: &mut String, report: &Report, title: &str) {
    out.push_str("<header>\n<div class=\"mast\"><p class=\"brand\">");
    out.push_str("<svg width=\"22\" height=\"22\" viewBox=\"-11 -11 22 22\" aria-hidden=\"true\"><circle class=\"b1\" r=\"10.5\"/><circle class=\"b2\" r=\"8\"/><circle class=\"b2\" r=\"6\"/><circle class=\"b3\" r=\"3.6\"/><circle class=\"b4\" r=\"1\"/></svg>");
    out.push_str("goldrecord</p><button id=\"theme\" type=\"button\" hidden>Dark</button></div>\n");
    put!(out, "<h1>{}</h1>\n", Esc(title));
    let facts = &report.facts;
    let mut words = Vec::new();
    if let (Some(first), Some(last)) = (report.days.first(), report.days.last()) {
        words.push(date::span(&first.date, &last.date));
    }
    if facts.events > 0 {
        words.push(format!("{} events", count(facts.events)));
    }
    if !facts.source.is_empty() {
        words.push(facts.source.clone());
    }
    if !words.is_empty() {
        put!(out, "<p class=\"facts\">{}</p>\n", Esc(&words.join(" · ")));
    }
    if let Some((good, words)) = trust::verdict(report) {
        let (class, sign, start) = if good {
            ("good", "✓", "Verified: ")
        } else {
            ("wrong", "✕", "Not verified: ")
        };
        put!(
            out,
            "<p class=\"verdict {class}\"><span aria-hidden=\"true\">{sign}</span><span>{start}{}</span></p>\n",
            Esc(&words)
        );
    }
    out.push_str("</header>\n");
}

fn kpis(out: &mut String, kpis: &[Kpi]) {
    if kpis.is_empty() {
        return;
    }
    out.push_str("<dl class=\"kpis\" aria-label=\"Headline figures\">\n");
    for kpi in kpis {
        put!(
            out,
            "<div><dt>{}</dt><dd><b>{}</b>",
            Esc(&kpi.label),
            figure(kpi.value, kpi.unit)
        );
        if !kpi.note.is_empty() {
            put!(out, "<span>{}</span>", Esc(&kpi.note));
        }
        sparkline::draw(out, &kpi.trend);
        out.push_str("</dd></div>\n");
    }
    out.push_str("</dl>\n");
}

fn contents(out: &mut String) {
    out.push_str("<nav aria-label=\"Contents\">");
    for (id, name) in CONTENTS {
        put!(out, "<a href=\"#{id}\">{name}</a>");
    }
    out.push_str("</nav>\n");
}

fn foot(out: &mut String, facts: &Facts) {
    out.push_str("<footer><dl>");
    let build = facts.build.map(|n| n.to_string()).unwrap_or_default();
    let release = facts.release.clone().unwrap_or_default();
    for (name, value) in [
        ("Made", &facts.generated_at),
        ("Lake", &facts.lake),
        ("Build", &build),
        ("ClickHouse release", &release),
        ("Program", &facts.program),
        ("Machine", &facts.machine),
    ] {
        if !value.is_empty() {
            put!(out, "<div><dt>{name}</dt><dd>{}</dd></div>", Esc(value));
        }
    }
    out.push_str("</dl><p>Days and hours are UTC. This page is one file: it loads nothing and sends nothing.</p></footer>\n");
}
