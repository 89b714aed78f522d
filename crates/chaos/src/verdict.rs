//! The check from outside: a program in Python that shares no code with this one.

use std::path::Path;
use std::process::Command;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::settings::Settings;
use crate::system;

/// What the check found.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Verdict {
    /// Whether everything that must hold does.
    pub holds: bool,
    /// The counts of each topic, as `exactly_once.py --json` names them.
    pub topics: Vec<serde_json::Value>,
    /// The first offenders, for people.
    #[serde(default)]
    pub offenders: String,
}

/// Refuses an interpreter that cannot run the check, before there is anything to check.
pub fn rehearse(settings: &Settings) -> Result<()> {
    let mut command = Command::new(&settings.python);
    command.args(["-c", "import deltalake, pyarrow"]);
    system::run(&mut command)
        .map(drop)
        .map_err(|error| Error::Checker {
            script: settings.checker.clone(),
            output: format!(
                "{error}; GOLDRECORD_PYTHON names an interpreter that has both packages"
            ),
        })
}

/// Compares the ledger with the tables under `webhdfs`.
pub fn verdict(settings: &Settings, ledger: &Path, webhdfs: &str) -> Result<Verdict> {
    let failed = |output: String| Error::Checker {
        script: settings.checker.clone(),
        output,
    };
    let output = Command::new(&settings.python)
        .arg(&settings.checker)
        .arg("--ledger")
        .arg(ledger)
        .args(["--webhdfs", webhdfs, "--json"])
        .output()
        .map_err(|error| failed(format!("{}: {error}", settings.python.display())))?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    match serde_json::from_slice::<Verdict>(&output.stdout) {
        Ok(verdict) if verdict.holds == output.status.success() => Ok(Verdict {
            offenders: said,
            ..verdict
        }),
        _ => Err(failed(format!("{}: {said}", output.status))),
    }
}
