//! The conversion funnel: a bar per step, and what share came on from the step before.

use crate::FunnelStep;
use crate::html::{Esc, put};
use crate::number::{count, ratio, share};

/// Draws the steps as they come.
pub fn draw(out: &mut String, steps: &[FunnelStep]) {
    let widest = steps.iter().map(|s| s.users).max().unwrap_or(0).max(1);
    let first = steps.first().map_or(0, |s| s.users);
    out.push_str("<ol class=\"funnel\" aria-label=\"Conversion funnel\">\n");
    let mut before: Option<u64> = None;
    for step in steps {
        if let Some(before) = before {
            put!(
                out,
                "<li class=\"drop\"><span>↓ {} came on</span></li>\n",
                share(ratio(step.users, before))
            );
        }
        put!(
            out,
            "<li><span class=\"who\"><b>{}</b></span><span class=\"value\">{} <i>{}</i></span><svg class=\"bar\" width=\"100%\" height=\"22\" aria-hidden=\"true\"><rect class=\"rail\" width=\"100%\" height=\"22\" rx=\"3\"/><rect class=\"fill\" width=\"{:.2}%\" height=\"22\" rx=\"3\"/></svg></li>\n",
            Esc(&step.name),
            count(step.users),
            share(ratio(step.users, first)),
            ratio(step.users, widest) * 100.0
        );
        before = Some(step.users);
    }
    out.push_str("</ol>\n");
}
