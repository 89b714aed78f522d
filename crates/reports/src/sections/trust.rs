//! Whether the numbers can be believed: the balance of every topic, the tests, the ledger.

use super::{close, figure, open};
use crate::html::{Esc, empty, put};
use crate::number::{count, ratio, share, signed};
use crate::{Ledger, Report, TestSummary};

/// The verdict over all proofs, for the top of the page: whether it is good, and the words.
pub fn verdict(report: &Report) -> Option<(bool, String)> {
    let mut words = Vec::new();
    let mut good = true;
    if !report.quality.is_empty() {
        let off: Vec<&str> = report
            .quality
            .iter()
            .filter(|t| t.balance != 0)
            .map(|t| t.topic.as_str())
            .collect();
        good &= off.is_empty();
        words.push(if off.is_empty() {
            "every offset accounted for".to_owned()
        } else {
            format!("offsets not accounted for in {}", off.join(", "))
        });
    }
    if let Ledger::Compared { checks } = &report.ledger {
        let (compared, differing) = checks.iter().fold((0, 0), |(c, d), check| {
            (c + check.compared, d + check.differing)
        });
        good &= differing == 0;
        words.push(if differing == 0 {
            format!("{} values equal the ledger", count(compared))
        } else {
            format!(
                "{} of {} values differ from the ledger",
                count(differing),
                count(compared)
            )
        });
    }
    let tests = &report.tests;
    if tests.passed + tests.failed > 0 {
        good &= tests.failed == 0;
        words.push(if tests.failed == 0 {
            format!("{} data tests passed", count(tests.passed))
        } else {
            format!("{} data tests failed", count(tests.failed))
        });
    }
    (!words.is_empty()).then(|| (good, words.join(" · ")))
}

pub fn quality(out: &mut String, report: &Report) {
    let (good, bad) = report
        .quality
        .iter()
        .fold((0, 0), |(g, b), t| (g + t.good, b + t.bad));
    let lede = if report.quality.is_empty() {
        String::new()
    } else {
        format!(
            "{} good events, {} in quarantine ({}).",
            count(good),
            count(bad),
            share(ratio(bad, good + bad))
        )
    };
    open(out, "quality", "Data quality", &lede);
    figure(out, 12, "Topics", |out| topics(out, report));
    figure(out, 6, "Data tests", |out| tests(out, &report.tests));
    figure(out, 6, "The ledger of the truth", |out| {
        ledger(out, &report.ledger);
    });
    close(out);
}

fn topics(out: &mut String, report: &Report) {
    if report.quality.is_empty() {
        return empty(out, "No topic has been read yet.");
    }
    out.push_str("<table class=\"cards\"><thead><tr><th scope=\"col\">Topic</th>");
    for head in ["Good", "Bad", "Duplicates", "Gaps", "Balance"] {
        put!(out, "<th scope=\"col\" class=\"num\">{head}</th>");
    }
    out.push_str("</tr></thead><tbody>\n");
    for t in &report.quality {
        put!(
            out,
            "<tr><th scope=\"row\"><code>{}</code></th>",
            Esc(&t.topic)
        );
        for (head, n) in [
            ("Good", t.good),
            ("Bad", t.bad),
            ("Duplicates", t.duplicates),
            ("Gaps", t.gaps),
        ] {
            let class = if n == 0 { "num zero" } else { "num" };
            put!(
                out,
                "<td class=\"{class}\" data-label=\"{head}\">{}</td>",
                count(n)
            );
        }
        let (class, says) = if t.balance == 0 {
            ("ok", "✓ balanced".to_owned())
        } else {
            ("bad", format!("✕ off by {}", signed(t.balance)))
        };
        put!(
            out,
            "<td class=\"num\" data-label=\"Balance\"><span class=\"{class}\">{says}</span></td></tr>\n"
        );
    }
    out.push_str("</tbody></table>\n");
    out.push_str("<p class=\"note\">Balance: offsets read, minus good, bad and gaps. Zero means that no event was lost or doubled on the way from Kafka to bronze.</p>\n");
}

fn tests(out: &mut String, tests: &TestSummary) {
    let total = tests.passed + tests.warned + tests.failed + tests.skipped;
    if total == 0 {
        return empty(out, "The build ran no tests.");
    }
    let parts = [
        ("passed", tests.passed, "f-ok"),
        ("warned", tests.warned, "f-warn"),
        ("failed", tests.failed, "f-bad"),
        ("skipped", tests.skipped, "f-skip"),
    ];
    let words: Vec<String> = parts
        .iter()
        .filter(|(_, n, _)| *n > 0)
        .map(|(name, n, _)| format!("{} {name}", count(*n)))
        .collect();
    put!(out, "<p class=\"big\">{}</p>\n", words.join(", "));
    out.push_str("<svg class=\"stack\" width=\"100%\" height=\"10\" aria-hidden=\"true\">");
    let mut x = 0.0;
    for (_, n, class) in parts {
        let width = ratio(n, total) * 100.0;
        put!(
            out,
            "<rect class=\"{class}\" x=\"{x:.2}%\" width=\"{width:.2}%\" height=\"10\"/>"
        );
        x += width;
    }
    out.push_str("</svg>\n");
    if tests.failures.is_empty() {
        return;
    }
    out.push_str("<ul class=\"failures\">\n");
    for f in &tests.failures {
        put!(
            out,
            "<li><b>{}</b> on <code>{}</code>: {} rows",
            Esc(&f.name),
            Esc(&f.model),
            count(f.rows)
        );
        if !f.message.is_empty() {
            put!(out, "<br><span class=\"faint\">{}</span>", Esc(&f.message));
        }
        out.push_str("</li>\n");
    }
    out.push_str("</ul>\n");
}

fn ledger(out: &mut String, ledger: &Ledger) {
    let Ledger::Compared { checks } = ledger else {
        return empty(
            out,
            "The source came without a ledger, so there was nothing to compare with.",
        );
    };
    if checks.is_empty() {
        return empty(out, "The ledger names no metric.");
    }
    out.push_str("<table><thead><tr><th scope=\"col\">Metric</th><th scope=\"col\" class=\"num\">Compared</th><th scope=\"col\" class=\"num\">Result</th></tr></thead><tbody>\n");
    for check in checks {
        put!(out, "<tr><th scope=\"row\">{}", Esc(&check.metric));
        if let Some(first) = &check.first {
            put!(out, "<br><span class=\"faint\">{}</span>", Esc(first));
        }
        put!(out, "</th><td class=\"num\">{}</td>", count(check.compared));
        if check.differing == 0 {
            out.push_str("<td class=\"num\"><span class=\"ok\">✓ equal</span></td></tr>\n");
        } else {
            put!(
                out,
                "<td class=\"num\"><span class=\"bad\">✕ {} differ</span></td></tr>\n",
                count(check.differing)
            );
        }
    }
    out.push_str("</tbody></table>\n");
}

#[cfg(test)]
mod tests_of_the_verdict {
    use super::*;
    use crate::{Check, TopicQuality};

    #[test]
    fn one_lost_event_spoils_the_verdict() {
        let mut report = Report {
            quality: vec![TopicQuality {
                topic: "t".to_owned(),
                good: 1,
                ..TopicQuality::default()
            }],
            ..Report::default()
        };
        assert_eq!(
            verdict(&report),
            Some((true, "every offset accounted for".to_owned()))
        );
        report.quality[0].balance = 1;
        assert_eq!(
            verdict(&report),
            Some((false, "offsets not accounted for in t".to_owned()))
        );
    }

    #[test]
    fn without_proof_there_is_no_verdict() {
        assert_eq!(verdict(&Report::default()), None);
        let ledger = Ledger::Compared {
            checks: vec![Check {
                compared: 720,
                differing: 2,
                ..Check::default()
            }],
        };
        let report = Report {
            ledger,
            ..Report::default()
        };
        assert_eq!(
            verdict(&report),
            Some((false, "2 of 720 values differ from the ledger".to_owned()))
        );
    }
}
