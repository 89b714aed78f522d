//! TLS for a server of a test: an authority of its own, and whom it vouches for.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::process::{make_folder, write};
use crate::program::{INSTALL, find, run};
use crate::{Error, Result};

/// PEM files in a folder.
#[derive(Clone, Debug)]
pub(crate) struct Certificates {
    dir: PathBuf,
}

impl Certificates {
    /// Those that were made in `dir`.
    pub fn of(dir: &Path) -> Self {
        Self {
            dir: dir.join("tls"),
        }
    }

    /// Makes the authority, and under it a server at 127.0.0.1 and a client.
    pub fn make(dir: &Path) -> Result<Self> {
        let made = Self::of(dir);
        make_folder(&made.dir)?;
        let mut authority = openssl("req")?;
        authority.args(["-x509", "-subj", "/CN=goldrecord testkit"]);
        authority.args(["-addext", "basicConstraints=critical,CA:TRUE"]);
        made.with_new_key(authority, "ca", "pem")?;
        made.vouch_for("server", "127.0.0.1")?;
        made.vouch_for("client", "goldrecord")?;
        Ok(made)
    }

    /// What clients check the server against.
    pub fn authority(&self) -> PathBuf {
        self.file("ca", "pem")
    }

    /// The certificate of `server` or `client`.
    pub fn certificate(&self, name: &str) -> PathBuf {
        self.file(name, "pem")
    }

    /// The private key of `server` or `client`.
    pub fn key(&self, name: &str) -> PathBuf {
        self.file(name, "key")
    }

    /// Key and certificate in one file, as Java's servers read them.
    pub fn key_and_certificate(&self, name: &str) -> Result<PathBuf> {
        let read =
            |path: PathBuf| fs::read_to_string(&path).map_err(Error::io("cannot read", path));
        let both = self.file(name, "both");
        write(
            &both,
            &(read(self.key(name))? + &read(self.certificate(name))?),
        )?;
        Ok(both)
    }

    fn vouch_for(&self, name: &str, common_name: &str) -> Result<()> {
        let mut request = openssl("req")?;
        request.args(["-subj", &format!("/CN={common_name}")]);
        self.with_new_key(request, name, "request")?;
        let extensions = self.file(name, "extensions");
        write(&extensions, "subjectAltName=IP:127.0.0.1,DNS:localhost\n")?;
        let mut sign = openssl("x509")?;
        sign.args(["-req", "-CAcreateserial", "-days", DAYS]);
        sign.arg("-in").arg(self.file(name, "request"));
        sign.arg("-CA").arg(self.authority());
        sign.arg("-CAkey").arg(self.key("ca"));
        sign.arg("-extfile").arg(extensions);
        sign.arg("-out").arg(self.certificate(name));
        run(sign, &format!("signing the certificate of {name}"))
    }

    fn with_new_key(&self, mut command: Command, name: &str, made: &str) -> Result<()> {
        command.args(["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]);
        command.args(["-nodes", "-days", DAYS]);
        command.arg("-keyout").arg(self.key(name));
        command.arg("-out").arg(self.file(name, made));
        run(command, &format!("making the key of {name}"))
    }

    fn file(&self, name: &str, ending: &str) -> PathBuf {
        self.dir.join(format!("{name}.{ending}"))
    }
}

const DAYS: &str = "30";

fn openssl(command: &str) -> Result<Command> {
    let mut openssl = Command::new(find("openssl", "to make certificates for TLS", INSTALL)?);
    openssl.arg(command);
    Ok(openssl)
}
