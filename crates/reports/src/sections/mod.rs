//! The parts of the page, top to bottom. Each says in a sentence what its charts show.

mod audience;
mod listening;
mod machine;
pub mod trust;

use crate::Report;
use crate::html::{Esc, put};

/// The sections' ids and names, in the order of the page, for its table of contents.
pub const CONTENTS: [(&str, &str); 8] = [
    ("listening", "Listening"),
    ("music", "Music"),
    ("places", "Places"),
    ("retention", "Retention"),
    ("conversion", "Conversion"),
    ("quality", "Data quality"),
    ("pipeline", "Pipeline"),
    ("lineage", "Lineage"),
];

/// Every section.
pub fn draw(out: &mut String, report: &Report) {
    listening::listening(out, report);
    listening::music(out, report);
    listening::places(out, report);
    audience::retention(out, report);
    audience::conversion(out, report);
    trust::quality(out, report);
    machine::pipeline(out, report);
    machine::lineage(out, report);
}

/// Opens a section with its heading and the sentence below it.
fn open(out: &mut String, id: &str, name: &str, lede: &str) {
    put!(
        out,
        "<section id=\"{id}\" aria-labelledby=\"{id}-h\"><div class=\"top\"><h2 id=\"{id}-h\">{}</h2>",
        Esc(name)
    );
    if !lede.is_empty() {
        put!(out, "<p class=\"lede\">{}</p>", Esc(lede));
    }
    out.push_str("</div>\n<div class=\"grid\">\n");
}

fn close(out: &mut String) {
    out.push_str("</div></section>\n");
}

/// A figure of `columns` of the grid's twelve.
fn figure(out: &mut String, columns: u8, caption: &str, body: impl FnOnce(&mut String)) {
    put!(
        out,
        "<figure class=\"w{columns}\"><figcaption>{}</figcaption>\n",
        Esc(caption)
    );
    body(out);
    out.push_str("</figure>\n");
}

/// The index of the greatest value; the first of equals.
fn peak<T>(rows: &[T], value: impl Fn(&T) -> u64) -> Option<&T> {
    rows.iter()
        .reduce(|best, row| if value(row) > value(best) { row } else { best })
}
