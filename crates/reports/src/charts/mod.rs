//! The charts, one file per kind. Plain SVG and HTML.
//!
//! Horizontal positions are percentages of the chart's width and vertical ones pixels, so that a
//! chart fits any width while its text keeps its size. A *mark* is what has a value of its own: a
//! `<g class="m">` whose `<title>` says it; the page's script lets arrow keys move among them.

pub mod bars;
pub mod dots;
pub mod funnel;
pub mod hours;
pub mod lineage;
pub mod lines;
pub mod record;
pub mod retention;
pub mod sparkline;

use crate::html::{Esc, put};

/// What every chart says of itself, first of all to those who cannot see it.
pub struct Frame<'a> {
    /// Unique on the page.
    pub id: &'a str,
    /// What it shows.
    pub title: &'a str,
    /// What is to be seen in it, in a sentence.
    pub desc: &'a str,
}

impl Frame<'_> {
    /// Opens the `<svg>`; `attributes` are its size and class.
    pub fn open(&self, out: &mut String, attributes: &str) {
        let Frame { id, title, desc } = self;
        put!(
            out,
            "<svg {attributes} role=\"group\" aria-labelledby=\"{id}-t {id}-d\"><title id=\"{id}-t\">{}</title><desc id=\"{id}-d\">{}</desc>\n",
            Esc(title),
            Esc(desc)
        );
    }
}

/// Opens a mark; the caller draws it and closes the `</g>`.
pub fn mark(out: &mut String, class: &str, says: &str) {
    put!(
        out,
        "<g class=\"m {class}\" tabindex=\"-1\" role=\"img\"><title>{}</title>",
        Esc(says)
    );
}

/// The legend of a heat map: the ramp from `low` to `high`.
pub fn ramp(out: &mut String, low: &str, high: &str) {
    put!(
        out,
        "<p class=\"ramp\" aria-hidden=\"true\"><span>{}</span>",
        Esc(low)
    );
    out.push_str("<svg width=\"126\" height=\"10\">");
    for step in 0..crate::scale::STEPS {
        put!(
            out,
            "<rect class=\"h{step}\" x=\"{}\" width=\"13\" height=\"10\"/>",
            step * 14
        );
    }
    put!(out, "</svg><span>{}</span></p>\n", Esc(high));
}
