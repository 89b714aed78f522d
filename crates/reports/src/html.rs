//! Writing HTML into a `String`: escaping, and the small pieces that every section uses.

use std::fmt;

/// Text that may stand between tags and in quoted attributes.
///
/// Control characters, which HTML forbids even as references, become U+FFFD.
pub struct Esc<'a>(pub &'a str);

impl fmt::Display for Esc<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.0.chars() {
            match c {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                '\n' | '\t' => f.write_str(" ")?,
                c if c.is_control() => f.write_str("\u{FFFD}")?,
                c => fmt::Write::write_char(f, c)?,
            }
        }
        Ok(())
    }
}

/// `put!(out, "…", …)`: append formatted text to a `String`.
macro_rules! put {
    ($out:expr, $($arg:tt)*) => {
        std::fmt::Write::write_fmt($out, format_args!($($arg)*)).expect("a String takes every write")
    };
}
pub(crate) use put;

/// What stands where a chart has nothing to show.
pub fn empty(out: &mut String, why: &str) {
    put!(out, "<p class=\"empty\">{}</p>\n", Esc(why));
}

/// A table of the numbers behind a chart, folded away.
pub fn numbers(out: &mut String, head: &[&str], rows: impl Iterator<Item = Vec<String>>) {
    out.push_str("<details class=\"numbers\"><summary>The numbers</summary><div class=\"scroll\"><table><thead><tr>");
    for (i, cell) in head.iter().enumerate() {
        put!(
            out,
            "<th scope=\"col\"{}>{}</th>",
            if i == 0 { "" } else { " class=\"num\"" },
            Esc(cell)
        );
    }
    out.push_str("</tr></thead><tbody>\n");
    for row in rows {
        out.push_str("<tr>");
        for (i, cell) in row.iter().enumerate() {
            put!(
                out,
                "<td{}>{}</td>",
                if i == 0 { "" } else { " class=\"num\"" },
                Esc(cell)
            );
        }
        out.push_str("</tr>\n");
    }
    out.push_str("</tbody></table></div></details>\n");
}

/// At most `max` characters, the last an ellipsis where some were cut.
pub fn shorten(text: &str, max: usize) -> String {
    if text.chars().count() <= max {
        return text.to_owned();
    }
    let mut short: String = text.chars().take(max.saturating_sub(1)).collect();
    short.truncate(short.trim_end().len());
    short.push('…');
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_in_data_stays_text() {
        assert_eq!(
            Esc("<b a='1'>&\"\u{0}").to_string(),
            "&lt;b a=&#39;1&#39;&gt;&amp;&quot;\u{FFFD}"
        );
    }

    #[test]
    fn long_names_end_in_an_ellipsis() {
        assert_eq!(shorten("Ünïcode names", 40), "Ünïcode names");
        assert_eq!(shorten("Ünïcode names", 9), "Ünïcode…");
    }
}
