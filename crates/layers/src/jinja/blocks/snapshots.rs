//! `{% snapshot %}` blocks.

use super::{Kind, Rewriter, Tag, at, leading_space, tags, word};
use crate::diagnostics::Diagnostic;

/// A `{% snapshot name %}` block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotBlock {
    /// Its name.
    pub name: String,
    /// The file's text with all before the block's content blank, so that places stay the same.
    pub text: String,
}

/// The snapshots that a file defines.
pub fn snapshots(file: &str, source: &str) -> Result<Vec<SnapshotBlock>, Diagnostic> {
    let mut found = Vec::new();
    let mut open: Option<(Tag, &str)> = None;
    for tag in tags(source)
        .into_iter()
        .filter(|tag| tag.kind == Kind::Statement)
    {
        let (word, word_at) = word(source, tag.inner.0);
        match (open, word) {
            (None, "snapshot") => {
                let name_from = word_at + word.len();
                let name_at = name_from + leading_space(&source[name_from..tag.inner.1]);
                let (name, _) = super::word(source, name_at);
                if name.is_empty() {
                    return Err(at(
                        file,
                        source,
                        name_at,
                        "a snapshot block without a name".to_owned(),
                    ));
                }
                open = Some((tag, name));
            }
            (Some((start, name)), "endsnapshot") => {
                let mut rewriter = Rewriter::new(&source[..tag.start]);
                rewriter.blank(start.end);
                found.push(SnapshotBlock {
                    name: name.to_owned(),
                    text: rewriter.finish().text,
                });
                open = None;
            }
            _ => {}
        }
    }
    match open {
        None => Ok(found),
        Some((tag, _)) => Err(at(
            file,
            source,
            tag.start,
            "this snapshot block has no `{% endsnapshot %}`".to_owned(),
        )),
    }
}
