//! Retention: a row per cohort, a column per week since the first active one.

use super::{Frame, mark, ramp};
use crate::html::{Esc, put};
use crate::number::{count, ratio, share};
use crate::scale::step;
use crate::{Cohort, date};

const ROW: usize = 32;
const HEAD: usize = 22;

/// Draws the cohorts; each cell is the share of the cohort active in that week.
pub fn draw(out: &mut String, frame: &Frame<'_>, cohorts: &[Cohort]) {
    let weeks = cohorts
        .iter()
        .map(|c| c.active.len())
        .max()
        .unwrap_or(0)
        .max(1);
    let shares = |c: &Cohort| -> Vec<Option<f64>> {
        c.active
            .iter()
            .map(|a| a.map(|a| ratio(a, c.users)))
            .collect()
    };
    let later: Vec<f64> = cohorts
        .iter()
        .filter(|c| c.users > 0)
        .flat_map(|c| shares(c).into_iter().skip(1))
        .flatten()
        .collect();
    let high = later.iter().copied().fold(0.0, f64::max);
    let low = later.iter().copied().fold(high, f64::min);
    let cell = 100.0 / weeks as f64;

    // Below some 34 pixels a cell cannot hold its number: then the chart scrolls sideways.
    put!(
        out,
        "<div class=\"scroll\"><div style=\"min-width:{}px\">\n",
        96 + weeks * 34
    );
    let height = HEAD + cohorts.len() * ROW + 2;
    frame.open(
        out,
        &format!("class=\"chart heat wide\" width=\"100%\" height=\"{height}\""),
    );
    for week in 0..weeks {
        let label = if week == 0 {
            "week 0".to_owned()
        } else {
            week.to_string()
        };
        put!(
            out,
            "<text class=\"tick mid\" x=\"{:.3}%\" y=\"13\">{label}</text>",
            (week as f64 + 0.5) * cell
        );
    }
    for (row, cohort) in cohorts.iter().enumerate() {
        let y = HEAD + row * ROW;
        let name = date::short(&cohort.week);
        put!(
            out,
            "<text class=\"tick end\" x=\"-8\" y=\"{}\">{}</text>",
            y + 14,
            Esc(&name)
        );
        put!(
            out,
            "<text class=\"tick end faint\" x=\"-8\" y=\"{}\">{} users</text>\n",
            y + 26,
            count(cohort.users)
        );
        for (week, part) in shares(cohort).into_iter().enumerate() {
            let Some(part) = part else { continue };
            let active = cohort.active[week].unwrap_or(0);
            mark(
                out,
                "cell",
                &format!(
                    "Registered in the week of {name}, week {week}: {} of {} active, {}",
                    count(active),
                    count(cohort.users),
                    share(part)
                ),
            );
            // The first week is full by definition: the ramp is for those that follow.
            let (fill, text) = match step(part, low, high) {
                _ if week == 0 => ("whole".to_owned(), "twhole".to_owned()),
                step => (format!("h{step}"), format!("t{step}")),
            };
            put!(
                out,
                "<rect class=\"{fill}\" x=\"{:.3}%\" y=\"{y}\" width=\"{cell:.3}%\" height=\"{ROW}\"/>",
                week as f64 * cell
            );
            put!(
                out,
                "<text class=\"in {text}\" x=\"{:.3}%\" y=\"{}\">{:.0}</text></g>\n",
                (week as f64 + 0.5) * cell,
                y + ROW / 2 + 4,
                part * 100.0
            );
        }
    }
    out.push_str("</svg></div></div>\n");
    ramp(
        out,
        &share(low),
        &format!("{} of the cohort active", share(high)),
    );
}
