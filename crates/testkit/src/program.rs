//! Programs of this machine that the testkit runs.

use std::path::PathBuf;
use std::process::Command;

use crate::{Error, Result};

/// How a developer gets what is missing.
pub(crate) const INSTALL: &str = "`./dev test` and `./dev stack up` install it";

/// The Java that runs the servers.
pub(crate) fn java() -> Result<PathBuf> {
    if let Some(home) = std::env::var_os("JAVA_HOME") {
        let java = PathBuf::from(home).join("bin/java");
        if java.is_file() {
            return Ok(java);
        }
    }
    find(
        "java",
        "to run Kafka, HDFS and the schema registry",
        INSTALL,
    )
}

/// A program on the PATH; `purpose` and `mend` are what the error says where there is none.
pub(crate) fn find(name: &str, purpose: &str, mend: &'static str) -> Result<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path)
        .map(|folder| folder.join(name))
        .find(|file| file.is_file());
    found.ok_or_else(|| Error::Missing {
        program: name.to_owned(),
        purpose: purpose.to_owned(),
        mend,
    })
}

/// Runs a program to its end; what it wrote is told where it fails.
pub(crate) fn run(mut command: Command, what: &str) -> Result<()> {
    let program = PathBuf::from(command.get_program());
    let output = command
        .output()
        .map_err(Error::io("cannot start", program))?;
    if output.status.success() {
        return Ok(());
    }
    let mut said = String::from_utf8_lossy(&output.stdout).into_owned();
    said.push_str(&String::from_utf8_lossy(&output.stderr));
    Err(Error::Failed {
        what: what.to_owned(),
        status: output.status.to_string(),
        output: said,
    })
}
