//! The docs site: one folder of plain files that a browser reads from a disk, without a network.
//!
//! `site/` is the same for every project. Everything about the project stands in `data.js`; the
//! scripts make text nodes of it and never HTML.

mod data;
mod server;

use std::path::Path;

use serde_json::Value;

pub use data::{LastRun, site_data};
pub use server::router;

use crate::Result;
use crate::artifacts::write_text;

/// The site's folder, below the target folder.
pub const FOLDER: &str = "docs";
/// The file with the project.
const DATA: &str = "data.js";

/// The files that are the same for every project.
const FILES: [(&str, &str); 10] = [
    ("index.html", include_str!("site/index.html")),
    ("style.css", include_str!("site/style.css")),
    ("dom.js", include_str!("site/dom.js")),
    ("model.js", include_str!("site/model.js")),
    ("text.js", include_str!("site/text.js")),
    ("graph.js", include_str!("site/graph.js")),
    ("viewport.js", include_str!("site/viewport.js")),
    ("lineage.js", include_str!("site/lineage.js")),
    ("pages.js", include_str!("site/pages.js")),
    ("app.js", include_str!("site/app.js")),
];

/// Write the site about `data` into a folder.
pub fn write(folder: &Path, data: &Value) -> Result<()> {
    for (name, text) in FILES {
        write_text(folder, name, text)?;
    }
    write_text(folder, DATA, &script(data))
}

/// The project as a script: a page from a disk may load scripts, and no JSON.
fn script(data: &Value) -> String {
    // No text of the project can look like the end of a script, wherever this is put.
    let json = data.to_string().replace('<', "\\u003c");
    format!("window.GOLDRECORD_DOCS = {json};\n")
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        reason = "a test ends where something is not as it should be"
    )]

    use std::process::Command;

    use serde_json::json;

    use super::*;

    fn is(name: &str, extension: &str) -> bool {
        Path::new(name)
            .extension()
            .is_some_and(|found| found == extension)
    }

    #[test]
    fn the_page_loads_the_files_that_are_written_and_nothing_else() {
        let page = FILES[0].1;
        let loaded: Vec<&str> = page
            .split(['"'])
            .filter(|text| is(text, "js") || is(text, "css"))
            .collect();
        let mut written: Vec<&str> = FILES[1..].iter().map(|(name, _)| *name).collect();
        written.insert(1, DATA);
        assert_eq!(loaded, written);
        for (name, text) in FILES {
            assert!(!text.contains("innerHTML"), "{name} makes HTML of text");
            let linked = text.replace("http://www.w3.org/2000/svg", "");
            assert!(!linked.contains("src=\"http"), "{name} reads the network");
        }
    }

    #[test]
    fn scripts_parse_where_node_is_there() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), &json!({"nodes": {}})).unwrap();
        for (name, _) in FILES.iter().filter(|(name, _)| is(name, "js")) {
            let checked = Command::new("node")
                .arg("--check")
                .arg(folder.path().join(name))
                .output();
            let Ok(checked) = checked else {
                return;
            };
            let told = String::from_utf8_lossy(&checked.stderr);
            assert!(checked.status.success(), "{name}: {told}");
        }
    }

    #[test]
    fn no_text_of_the_project_ends_a_script() {
        let data = json!({"description": "</script><script>alert(1)</script>"});
        let script = script(&data);
        assert!(!script.contains('<'));
        let json = script
            .trim_start_matches("window.GOLDRECORD_DOCS = ")
            .trim_end_matches(";\n");
        assert_eq!(serde_json::from_str::<Value>(json).unwrap(), data);
    }
}
