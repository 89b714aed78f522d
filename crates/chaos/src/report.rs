//! What a run did and found, for people and as JSON.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use serde::Serialize;

use crate::plan::Kind;
use crate::verdict::Verdict;

/// A fault that was carried out, and what came after.
#[derive(Clone, Debug, Serialize)]
pub struct Done {
    /// Its kind.
    pub kind: Kind,
    /// What exactly.
    pub fault: String,
    /// Seconds since the first event until it began.
    pub at: f64,
    /// Seconds from its end until the tables had all that had been acknowledged by then.
    pub recovery: f64,
}

/// What a run did and found.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Repeats the run's faults.
    pub seed: u64,
    /// Seconds from the first event to the last commit.
    pub seconds: f64,
    /// The faults, in their order.
    pub faults: Vec<Done>,
    /// Records that the broker acknowledged.
    pub acked: u64,
    /// Records of which it is not known whether they arrived.
    pub maybe: u64,
    /// Commits in the tables.
    pub commits: i64,
    /// Commits that a table refused because another ingestor had been faster, as far as the logs tell.
    pub refused: u64,
    /// How often an ingestor was started.
    pub starts: u64,
    /// How often a named member was fenced by its own second life, and went on with a new consumer.
    pub fenced: u64,
    /// Whether maintenance ran beside the ingestors.
    pub maintenance: bool,
    /// What the check from outside found.
    pub verdict: Verdict,
}

impl Report {
    /// As a table.
    pub fn table(&self) -> String {
        let mut kinds: BTreeMap<Kind, Vec<f64>> = BTreeMap::new();
        for done in &self.faults {
            kinds.entry(done.kind).or_default().push(done.recovery);
        }
        let mut text = format!(
            "{:<20} {:>6} {:>16} {:>16}\n",
            "fault", "times", "median recovery", "longest recovery"
        );
        let count = kinds.len();
        for (kind, mut recoveries) in kinds {
            recoveries.sort_by(f64::total_cmp);
            let (median, longest) = (
                recoveries[recoveries.len() / 2],
                recoveries[recoveries.len() - 1],
            );
            line(
                &mut text,
                format_args!(
                    "{:<20} {:>6} {median:>14.1} s {longest:>14.1} s",
                    kind.name(),
                    recoveries.len()
                ),
            );
        }
        let faults = self.faults.len();
        line(
            &mut text,
            format_args!(
                "{faults} faults of {count} kinds in {}; {} events acknowledged, {} of unknown fate",
                clock(Duration::from_secs_f64(self.seconds)),
                self.acked,
                self.maybe
            ),
        );
        line(
            &mut text,
            format_args!(
                "{} commits, {} refused to late owners, {} starts of ingestors, {} members fenced by themselves{}",
                self.commits,
                self.refused,
                self.starts,
                self.fenced,
                if self.maintenance {
                    ", maintenance beside them"
                } else {
                    ""
                }
            ),
        );
        for topic in &self.verdict.topics {
            let fields = topic.as_object().into_iter().flatten();
            let words: Vec<String> = fields
                .filter(|(key, _)| *key != "offences")
                .map(|(key, value)| match value.as_str() {
                    Some(name) => format!("{key} {name}"),
                    None => format!("{key} {value}"),
                })
                .collect();
            line(&mut text, format_args!("{}", words.join(", ")));
        }
        text.push_str(if self.verdict.holds {
            "every acknowledged event is there exactly once\n"
        } else {
            "NOT every acknowledged event is there exactly once\n"
        });
        text.push_str(&self.verdict.offenders);
        text
    }
}

fn line(text: &mut String, line: std::fmt::Arguments<'_>) {
    writeln!(text, "{line}").expect("a string takes every line");
}

/// Minutes and seconds.
pub fn clock(time: Duration) -> String {
    format!("{}:{:02}", time.as_secs() / 60, time.as_secs() % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_tells_kinds_counts_and_the_verdict() {
        let done = |kind, recovery| Done {
            kind,
            fault: String::new(),
            at: 0.0,
            recovery,
        };
        let report = Report {
            seed: 1,
            seconds: 65.0,
            faults: vec![
                done(Kind::SafeMode, 3.0),
                done(Kind::BrokerKill, 1.0),
                done(Kind::SafeMode, 9.0),
            ],
            acked: 10,
            maybe: 0,
            commits: 4,
            refused: 2,
            starts: 3,
            fenced: 0,
            maintenance: false,
            verdict: Verdict {
                holds: false,
                topics: vec![serde_json::json!({"topic": "t", "good": 9})],
                offenders: "t: 1 acknowledged events lost, such as\n  e7\n".into(),
            },
        };
        let table = report.table();
        assert!(
            table.contains("safe-mode                 2            9.0 s            9.0 s"),
            "{table}"
        );
        assert!(
            table.contains("3 faults of 2 kinds in 1:05; 10 events acknowledged"),
            "{table}"
        );
        assert!(table.contains("good 9, topic t"), "{table}");
        assert!(table.ends_with("such as\n  e7\n"), "{table}");
    }
}
