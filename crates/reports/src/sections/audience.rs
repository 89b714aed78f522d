//! Who comes back, and who pays.

use super::{close, figure, open};
use crate::charts::{Frame, funnel, lines, retention as chart};
use crate::html::{empty, numbers};
use crate::number::{count, ratio, share};
use crate::{Cohort, Report, date};

pub fn retention(out: &mut String, report: &Report) {
    let cohorts = &report.cohorts;
    let lede = kept(cohorts, 1)
        .map(|part| {
            format!(
                "One week after their first, {} of the listeners are back.",
                share(part)
            )
        })
        .unwrap_or_default();
    open(out, "retention", "Retention", &lede);
    figure(
        out,
        12,
        "Share of each weekly cohort active, by week since the first active one (%)",
        |out| {
            if cohorts.iter().all(|c| c.users == 0) {
                return empty(
                    out,
                    "No user registered in this period, so there are no cohorts.",
                );
            }
            let frame = Frame {
                id: "cohorts",
                title: "Retention by cohort",
                desc: &lede,
            };
            chart::draw(out, &frame, cohorts);
        },
    );
    close(out);
}

/// The share of all cohorts' users that were active `week` weeks on, where that is known.
fn kept(cohorts: &[Cohort], week: usize) -> Option<f64> {
    let known = cohorts.iter().filter_map(|c| {
        c.active
            .get(week)
            .copied()
            .flatten()
            .map(|active| (active, c.users))
    });
    let (active, users) = known.fold((0, 0), |(a, u), (active, users)| (a + active, u + users));
    (users > 0).then(|| ratio(active, users))
}

pub fn conversion(out: &mut String, report: &Report) {
    let lede = match (report.funnel.first(), report.funnel.last()) {
        (Some(first), Some(last)) if report.funnel.len() > 1 && first.users > 0 => {
            format!(
                "Of {} at the first step, {} ({}) reached the last.",
                count(first.users),
                count(last.users),
                share(ratio(last.users, first.users))
            )
        }
        _ => String::new(),
    };
    open(out, "conversion", "Conversion", &lede);
    figure(out, 5, "From listener to subscriber", |out| {
        if report.funnel.iter().all(|s| s.users == 0) {
            return empty(out, "Nobody has entered the funnel yet.");
        }
        funnel::draw(out, &report.funnel);
    });
    figure(out, 7, "Registrations and subscriptions by day", |out| {
        let days = &report.subscriptions;
        let all = [
            (
                "Registrations",
                "c1",
                days.iter().map(|d| d.registrations).collect::<Vec<_>>(),
            ),
            ("Upgrades", "c2", days.iter().map(|d| d.upgrades).collect()),
            (
                "Downgrades",
                "c3",
                days.iter().map(|d| d.downgrades).collect(),
            ),
            (
                "Cancellations",
                "c4",
                days.iter().map(|d| d.cancellations).collect(),
            ),
        ];
        let (some, none): (Vec<_>, Vec<_>) = all
            .iter()
            .partition(|(_, _, values)| values.iter().any(|v| *v > 0));
        if some.is_empty() {
            return empty(
                out,
                "Nobody registered, upgraded, downgraded or cancelled in this period.",
            );
        }
        let series: Vec<lines::Series<'_>> = some
            .iter()
            .map(|(name, class, values)| lines::Series {
                name,
                class,
                values: values.iter().map(|v| *v as f64).collect(),
            })
            .collect();
        let dates: Vec<&str> = days.iter().map(|d| d.date.as_str()).collect();
        let frame = Frame {
            id: "subscriptions",
            title: "Registrations and subscriptions by day",
            desc: "New accounts, and changes between free and paid.",
        };
        lines::draw(out, &frame, &dates, &series, 200);
        if !none.is_empty() {
            let names: Vec<String> = none.iter().map(|(name, ..)| name.to_lowercase()).collect();
            empty(
                out,
                &format!("There were no {} in this period.", names.join(" and no ")),
            );
        }
        let rows = days.iter().map(|d| {
            vec![
                date::long(&d.date),
                count(d.registrations),
                count(d.upgrades),
                count(d.downgrades),
                count(d.cancellations),
            ]
        });
        numbers(
            out,
            &[
                "Day",
                "Registrations",
                "Upgrades",
                "Downgrades",
                "Cancellations",
            ],
            rows,
        );
    });
    close(out);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cohorts_too_young_for_a_week_do_not_count_in_it() {
        let cohort = |users, active: &[Option<u64>]| Cohort {
            week: "2026-10-05".to_owned(),
            users,
            active: active.to_vec(),
        };
        let cohorts = [
            cohort(100, &[Some(100), Some(50)]),
            cohort(900, &[Some(900), None]),
            cohort(10, &[Some(10)]),
        ];
        assert_eq!(kept(&cohorts, 1), Some(0.5));
        assert_eq!(kept(&cohorts, 2), None);
    }
}
