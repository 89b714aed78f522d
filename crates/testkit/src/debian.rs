//! Programs out of Debian's packages, unpacked into a folder and not installed.
//!
//! A state of apt's own is kept in that folder, so that the machine's packages and sources stay as they are and
//! nobody has to be root.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::process::{make_folder, write};
use crate::program::{find, run};
use crate::{Error, Result};

/// Where Debian's own machines say which mirror they use.
const SOURCES: &str = "/etc/apt/sources.list.d/debian.sources";
const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";
/// The suite whose versions are the ones that production runs.
const SUITE: &str = "sid";

/// Fetches `packages` and unpacks them into `into`, which is then laid out like a machine's root.
pub(crate) fn unpack(packages: &[&str], into: &Path) -> Result<()> {
    let purpose = format!("to fetch {}", packages.join(" and "));
    let (apt, dpkg) = (
        find("apt-get", &purpose, ELSEWHERE)?,
        find("dpkg", &purpose, ELSEWHERE)?,
    );
    // Without the file there is no mirror, and the error says so.
    let sources = fs::read_to_string(SOURCES).unwrap_or_default();
    let mirror = mirror(&sources).ok_or_else(|| Error::Missing {
        program: format!("a Debian mirror (`URIs:` in {SOURCES})"),
        purpose: purpose.clone(),
        mend: ELSEWHERE,
    })?;
    let state = into.join("apt");
    for folder in ["lists/partial", "cache/archives/partial"] {
        make_folder(&state.join(folder))?;
    }
    let list = state.join("sources.list");
    write(
        &list,
        &format!("deb [signed-by={KEYRING}] {mirror} {SUITE} main\n"),
    )?;
    let apt = || {
        let mut command = Command::new(&apt);
        for setting in [
            format!("Dir::Etc::sourcelist={}", list.display()),
            "Dir::Etc::sourceparts=-".to_owned(),
            "Dir::Etc::preferencesparts=-".to_owned(),
            format!("Dir::State::lists={}/lists", state.display()),
            format!("Dir::Cache={}/cache", state.display()),
            // The user whom root's apt would become cannot read a folder of root's home.
            "APT::Sandbox::User=root".to_owned(),
        ] {
            command.args(["-o", &setting]);
        }
        command.arg("-qq").current_dir(&state);
        command
    };
    let named = packages.join(", ");
    let mut update = apt();
    update.arg("update");
    run(
        update,
        &format!("reading the list of Debian's packages for {named}"),
    )?;
    let mut download = apt();
    download.arg("download").args(packages);
    run(download, &format!("fetching {named} from Debian"))?;
    for package in fs::read_dir(&state).map_err(Error::io("cannot read", &state))? {
        let package = package.map_err(Error::io("cannot read", &state))?.path();
        if package.extension().is_some_and(|ending| ending == "deb") {
            let mut extract = Command::new(&dpkg);
            extract.arg("-x").arg(&package).arg(into);
            run(extract, &format!("unpacking {}", package.display()))?;
        }
    }
    fs::remove_dir_all(&state).map_err(Error::io("cannot remove", state))
}

const ELSEWHERE: &str = "it comes from Debian's packages, so run this on Debian";

/// The first mirror that a file of apt's sources names.
fn mirror(sources: &str) -> Option<&str> {
    let named = sources.lines().find_map(|line| line.strip_prefix("URIs:"));
    named?.split_whitespace().next()
}

#[cfg(test)]
mod tests {
    use super::mirror;

    #[test]
    fn the_mirror_is_the_first_that_the_machine_uses() {
        let sources = "Types: deb\n# URIs: http://old/\nURIs: http://mirror/debian http://second/\nSuites: stable\n";
        assert_eq!(mirror(sources), Some("http://mirror/debian"));
        assert_eq!(mirror("deb http://mirror/debian stable main\n"), None);
    }
}
