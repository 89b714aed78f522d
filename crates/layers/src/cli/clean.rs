//! `clean`: the folders of `clean-targets` go.

use std::path::{Component, Path};

use super::Exit;
use crate::diagnostics::Diagnostic;
use crate::output::Printer;
use crate::project::{Options, ProjectFile};
use crate::{Error, Result};

/// Remove what commands left in the project's folder.
pub(super) fn clean(printer: &Printer, root: &Path, options: &Options) -> Result<Exit> {
    let project = ProjectFile::read(root, options)?;
    let sources = [
        &project.model_paths,
        &project.seed_paths,
        &project.test_paths,
        &project.macro_paths,
        &project.analysis_paths,
        &project.snapshot_paths,
    ];
    for target in &project.clean_targets {
        // All are checked before the first goes.
        if let Some(why) = refused(target, sources.into_iter().flatten().map(String::as_str)) {
            let message = format!("clean does not remove `{target}`: {why}");
            let diagnostic = Diagnostic::new(message).help("take it out of `clean-targets`");
            return Err(project
                .file
                .at_key(diagnostic, "clean-targets", None)
                .into());
        }
    }
    for target in &project.clean_targets {
        printer.info(&format!("Checking {target}/*"));
        let path = project.root.join(target);
        match std::fs::remove_dir_all(&path) {
            Ok(()) => printer.info(&format!("Cleaned {target}/*")),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(Error::file(path, error)),
        }
    }
    printer.info("Finished cleaning all paths.");
    Ok(Exit::Done)
}

/// Why a folder stays: it is not in the project, or it is what somebody wrote.
fn refused<'a>(target: &str, mut sources: impl Iterator<Item = &'a str>) -> Option<String> {
    let path = Path::new(target);
    let inside = path
        .components()
        .all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
    let named = path
        .components()
        .any(|part| matches!(part, Component::Normal(_)));
    if !inside || !named {
        return Some("it is not a folder in the project".to_owned());
    }
    let source =
        sources.find(|source| Path::new(source).starts_with(path) || path.starts_with(source));
    source.map(|source| format!("the project's files lie in {source}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_somebody_wrote_and_what_lies_elsewhere_stays() {
        let refused = |target: &str| refused(target, ["models", "seeds/data"].into_iter());
        for target in [
            "models",
            "models/silver",
            "seeds",
            "..",
            "a/../..",
            "/tmp",
            ".",
            "",
        ] {
            assert!(refused(target).is_some(), "{target}");
        }
        for target in ["target", "dbt_packages", "./logs", "seeds-old"] {
            assert_eq!(refused(target), None, "{target}");
        }
    }
}
