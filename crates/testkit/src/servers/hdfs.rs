//! HDFS: a NameNode and one DataNode.

use std::fs;
use std::path::{Path, PathBuf};

use super::{Kind, java_flags, server_of_a_test, strings};
use crate::process::Launch;
use crate::program::java;
use crate::server::{Recipe, Server};
use crate::{Error, Result, fetch, http, template};

/// NameNode RPC and web, DataNode data, web and RPC.
pub(super) const PORTS: usize = 5;

/// A NameNode with one DataNode. The user who runs the tests is HDFS's superuser.
#[derive(Debug)]
pub struct Hdfs {
    server: Server,
    ports: [u16; PORTS],
}

server_of_a_test!(Hdfs, Kind::Hdfs);

impl Hdfs {
    /// The file system's root, such as `hdfs://127.0.0.1:23456`.
    pub fn url(&self) -> String {
        url(self.ports[0])
    }

    /// The NameNode's web pages, JMX and WebHDFS, such as `http://127.0.0.1:23457`.
    pub fn web_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.ports[1])
    }

    /// Where the DataNode keeps its blocks.
    pub fn data_dir(&self) -> PathBuf {
        self.dir().join("datanode")
    }

    /// Ends the NameNode alone, at once. [`Self::revive`] brings it back.
    pub fn kill_namenode(&self) {
        self.server.kill_process("namenode");
    }

    /// Ends the DataNode alone, at once. [`Self::revive`] brings it back.
    pub fn kill_datanode(&self) {
        self.server.kill_process("datanode");
    }

    /// Starts what is down, on the same ports and data, ready when this returns.
    pub fn revive(&self) -> Result<()> {
        self.server.revive()
    }

    /// Has the NameNode enter or leave safe mode, in which it refuses every change.
    pub fn safe_mode(&self, on: bool) -> Result<()> {
        let installation = fetch::installation(Kind::Hdfs)?;
        turn_safe_mode(&installation, self.dir(), on)
    }

    fn recipe_in(installation: &Path, dir: &Path, ports: [u16; PORTS]) -> Result<Recipe> {
        recipe(installation, dir, ports)
    }
}

/// Has every NameNode of the configuration in `dir` enter or leave safe mode.
pub(super) fn turn_safe_mode(installation: &Path, dir: &Path, on: bool) -> Result<()> {
    let turn = if on { "enter" } else { "leave" };
    let words = ["-safemode", turn];
    program(installation, dir, "dfsadmin", "hdfs.tools.DFSAdmin", &words)?.run(dir)
}

pub(super) fn url(port: u16) -> String {
    format!("hdfs://127.0.0.1:{port}")
}

pub(super) fn recipe(installation: &Path, dir: &Path, ports: [u16; PORTS]) -> Result<Recipe> {
    let [port, web_port, data_port, data_web_port, data_ipc_port] = ports;
    let folder = dir.display().to_string();
    let core_site = template::fill(
        include_str!("../templates/core-site.xml"),
        &[("port", port.to_string()), ("dir", folder.clone())],
    );
    let hdfs_site = template::fill(
        include_str!("../templates/hdfs-site.xml"),
        &[
            ("port", port.to_string()),
            ("web_port", web_port.to_string()),
            ("data_port", data_port.to_string()),
            ("data_web_port", data_web_port.to_string()),
            ("data_ipc_port", data_ipc_port.to_string()),
            ("dir", folder.clone()),
        ],
    );
    let run = |name, class: &str, arguments: &[&str]| {
        let class = format!("hdfs.server.{class}");
        program(installation, dir, name, &class, arguments)
    };
    Ok(Recipe {
        kind: Kind::Hdfs,
        files: vec![
            ("conf/core-site.xml", core_site),
            ("conf/hdfs-site.xml", hdfs_site),
            ("conf/hosts", hosts()?),
            (
                "conf/log4j.properties",
                include_str!("../templates/hdfs-log4j.properties").to_owned(),
            ),
        ],
        prepare: Some((
            run(
                "format",
                "namenode.NameNode",
                &["-format", "-nonInteractive"],
            )?,
            "namenode/current/VERSION",
        )),
        processes: vec![
            run("namenode", "namenode.NameNode", &[])?,
            run("datanode", "datanode.DataNode", &[])?,
        ],
        check: Box::new(move || takes_writes(web_port)),
    })
}

/// One of Hadoop's programs, `class` below `org.apache.hadoop`, on the configuration in `dir`.
pub(super) fn program(
    installation: &Path,
    dir: &Path,
    name: &'static str,
    class: &str,
    arguments: &[&str],
) -> Result<Launch> {
    let folder = dir.display();
    let own = [
        // Hadoop asks for the address of this machine's name, which not every machine can tell.
        format!("-Djdk.net.hosts.file={folder}/conf/hosts"),
        format!("-Dhadoop.home.dir={folder}"),
        "-cp".to_owned(),
        format!("conf:{}/lib/*", installation.display()),
        format!("org.apache.hadoop.{class}"),
    ];
    Ok(Launch {
        name,
        program: java()?,
        arguments: java_flags(256)
            .into_iter()
            .chain(strings([
                "--add-opens=java.base/java.lang=ALL-UNNAMED",
                "--add-opens=java.base/java.io=ALL-UNNAMED",
            ]))
            .chain(own)
            .chain(arguments.iter().map(|word| (*word).to_owned()))
            .collect(),
    })
}

/// The only names that the servers know. They talk to 127.0.0.1 alone, so that is what this machine's name is here.
pub(super) fn hosts() -> Result<String> {
    let file = Path::new("/proc/sys/kernel/hostname");
    let name = fs::read_to_string(file).map_err(Error::io("cannot read", file))?;
    Ok(format!("127.0.0.1 localhost {}\n", name.trim()))
}

/// Out of safe mode, and with a DataNode to write to.
pub(super) fn takes_writes(web_port: u16) -> Result<(), String> {
    let beans = http::get(
        web_port,
        "/jmx?qry=Hadoop:service=NameNode,name=FSNamesystemState",
    )?;
    let beans: serde_json::Value =
        serde_json::from_str(&beans).map_err(|e| format!("the NameNode's JMX: {e}"))?;
    let state = &beans["beans"][0];
    let (mode, live) = (&state["FSState"], &state["NumLiveDataNodes"]);
    if mode == "Operational" && live == 1 {
        Ok(())
    } else {
        Err(format!("the NameNode is {mode} with {live} live DataNodes"))
    }
}
