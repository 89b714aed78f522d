//! Lines over days: one or several series on one axis from zero.

use super::{Frame, mark};
use crate::date;
use crate::html::{Esc, put};
use crate::number::compact;
use crate::scale::{every, ticks};

/// One line.
pub struct Series<'a> {
    /// Its name in the legend and the tooltips.
    pub name: &'a str,
    /// The colour class: `c1` … `c4`; each has its own dashes too.
    pub class: &'a str,
    /// A value per day.
    pub values: Vec<f64>,
}

const TOP: f64 = 10.0;

/// Draws `series` over `days` (ISO dates, as many as values). One series is filled below.
pub fn draw(
    out: &mut String,
    frame: &Frame<'_>,
    days: &[&str],
    series: &[Series<'_>],
    height: u32,
) {
    if series.len() > 1 {
        legend(out, series);
    }
    let max = series
        .iter()
        .flat_map(|s| &s.values)
        .copied()
        .fold(0.0, f64::max);
    let ticks = ticks(max, 5);
    let top = ticks.last().copied().unwrap_or(1.0);
    let plot = f64::from(height);
    let y = |value: f64| TOP + plot * (1.0 - value / top);
    let n = days.len();
    let x = |i: usize| {
        if n > 1 {
            i as f64 / (n - 1) as f64 * 100.0
        } else {
            50.0
        }
    };

    frame.open(
        out,
        &format!(
            "class=\"chart lines\" width=\"100%\" height=\"{}\"",
            height + 36
        ),
    );
    for tick in &ticks {
        let at = y(*tick);
        let class = if *tick == 0.0 { "axis" } else { "grid" };
        put!(
            out,
            "<line class=\"{class}\" x1=\"0\" x2=\"100%\" y1=\"{at:.1}\" y2=\"{at:.1}\"/>"
        );
        put!(
            out,
            "<text class=\"tick end\" x=\"-8\" y=\"{:.1}\">{}</text>\n",
            at + 4.0,
            compact(*tick)
        );
    }
    let step = every(n, 6);
    for (i, day) in days.iter().enumerate().step_by(step) {
        // A label at the right edge would be cut off.
        let class = if n > 1 && x(i) > 94.0 { "end" } else { "mid" };
        put!(
            out,
            "<text class=\"tick {class}\" x=\"{:.2}%\" y=\"{:.1}\">{}</text>\n",
            x(i),
            TOP + plot + 20.0,
            Esc(&date::short(day))
        );
    }
    paths(out, series, plot, top);
    let half = if n > 1 { 50.0 / (n - 1) as f64 } else { 50.0 };
    for (i, day) in days.iter().enumerate() {
        let values: Vec<String> = series
            .iter()
            .map(|s| {
                format!(
                    "{} {}",
                    crate::number::count(s.values[i].max(0.0) as u64),
                    s.name.to_lowercase()
                )
            })
            .collect();
        mark(
            out,
            "day",
            &format!("{}: {}", date::long(day), values.join(", ")),
        );
        let (left, right) = ((x(i) - half).max(0.0), (x(i) + half).min(100.0));
        put!(
            out,
            "<rect class=\"hit\" x=\"{left:.3}%\" y=\"0\" width=\"{:.3}%\" height=\"{:.1}\"/>",
            right - left,
            plot + TOP
        );
        put!(
            out,
            "<line class=\"cursor\" x1=\"{0:.3}%\" x2=\"{0:.3}%\" y1=\"{TOP}\" y2=\"{1:.1}\"/>",
            x(i),
            TOP + plot
        );
        for s in series {
            let class = if n == 1 { "only" } else { "dot" };
            put!(
                out,
                "<circle class=\"{class} {}\" cx=\"{:.3}%\" cy=\"{:.1}\" r=\"4\"/>",
                s.class,
                x(i),
                y(s.values[i])
            );
        }
        out.push_str("</g>\n");
    }
    out.push_str("</svg>\n");
}

/// The lines themselves lie in an SVG of their own that is stretched to the width.
fn paths(out: &mut String, series: &[Series<'_>], plot: f64, top: f64) {
    put!(
        out,
        "<svg y=\"{TOP}\" width=\"100%\" height=\"{plot}\" viewBox=\"0 0 1000 {plot}\" preserveAspectRatio=\"none\" aria-hidden=\"true\">"
    );
    for s in series {
        let last = s.values.len().saturating_sub(1);
        if last == 0 {
            continue;
        }
        let mut line = String::new();
        for (i, value) in s.values.iter().enumerate() {
            let letter = if i == 0 { 'M' } else { 'L' };
            put!(
                &mut line,
                "{letter}{:.1} {:.1}",
                i as f64 / last as f64 * 1000.0,
                plot * (1.0 - value / top)
            );
        }
        if series.len() == 1 {
            put!(
                out,
                "<path class=\"area {}\" d=\"{line}V{plot}H0Z\"/>",
                s.class
            );
        }
        put!(out, "<path class=\"line {}\" d=\"{line}\"/>", s.class);
    }
    out.push_str("</svg>\n");
}

fn legend(out: &mut String, series: &[Series<'_>]) {
    out.push_str("<p class=\"legend\" aria-hidden=\"true\">");
    for s in series {
        put!(
            out,
            "<span><svg width=\"26\" height=\"10\"><line class=\"line {}\" x1=\"1\" y1=\"5\" x2=\"25\" y2=\"5\"/></svg>{}</span>",
            s.class,
            Esc(s.name)
        );
    }
    out.push_str("</p>\n");
}
