//! A machine of our own: network, mounts and processes that end with this program, however it ends, and that touch
//! nothing else on this machine.
//!
//! The program starts itself again under `unshare`. Inside, 127.0.0.1 is another one, so ports never clash; what is
//! mounted is seen by nobody else; and when the first process goes, the kernel ends all others.

use std::convert::Infallible;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::error::{Error, Result};
use crate::system;

/// Tells the program that it runs inside, and in which folder.
const INSIDE: &str = "GOLDRECORD_CHAOS_INSIDE";

/// The folder of the run, where this process is inside already.
pub fn inside() -> Option<PathBuf> {
    std::env::var_os(INSIDE).map(PathBuf::from)
}

fn unshare() -> Command {
    let mut command = Command::new("unshare");
    if !rustix::process::geteuid().is_root() {
        command.args(["--user", "--map-root-user"]);
    }
    command.args(["--net", "--mount", "--pid", "--fork", "--kill-child"]);
    command.args(["--mount-proc", "--"]);
    command
}

/// Becomes the program inside, which works in `dir`. Returns only with the reason why not.
pub fn enter(dir: &Path) -> Result<Infallible> {
    let mut probe = unshare();
    if let Err(Error::Command { command, output }) = system::run(probe.arg("true")) {
        return Err(Error::NoNamespaces { command, output });
    }
    let program = std::env::current_exe().map_err(Error::io("cannot find", "/proc/self/exe"))?;
    let mut command = unshare();
    command
        .arg(program)
        .args(std::env::args_os().skip(1))
        .env(INSIDE, dir)
        // The servers' folders lie in the run's.
        .env("TMPDIR", dir.join("servers"));
    Err(Error::io("cannot run", "unshare")(command.exec()))
}

/// What a new network lacks.
pub fn settle() -> Result<()> {
    system::run_line("ip link set lo up").map(drop)
}
