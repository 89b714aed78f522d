//! HDFS whose NameNode has a standby: two NameNodes, the journal between them, and one DataNode.

use std::path::{Path, PathBuf};
use std::time::Instant;

use super::Kind;
use super::hdfs;
use crate::process::{GLANCE, Launch};
use crate::server::{Recipe, START_PATIENCE, Server};
use crate::{Error, Result, fetch, ports, template};

/// RPC and web of each NameNode; journal RPC and web; DataNode data, web and RPC.
const PORTS: usize = 9;

/// Two NameNodes of which one is active, the first at first. The one that is told to takes over; none does by itself.
#[derive(Debug)]
pub struct HdfsHa {
    server: Server,
    admin: Launch,
    ports: [u16; PORTS],
}

/// One of the two NameNodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameNode {
    /// `nn1`
    First,
    /// `nn2`
    Second,
}

impl NameNode {
    /// Its name in the configuration, and that of its process and folder.
    fn id(self) -> &'static str {
        match self {
            Self::First => "nn1",
            Self::Second => "nn2",
        }
    }

    /// The one that stands by while this one is active.
    #[must_use]
    pub fn other(self) -> Self {
        match self {
            Self::First => Self::Second,
            Self::Second => Self::First,
        }
    }
}

impl HdfsHa {
    /// Starts one on free ports, with data of its own, and waits until it takes writes.
    pub fn start() -> Result<Self> {
        let installation = fetch::installation(Kind::Hdfs)?;
        let (server, (admin, ports)) = Server::start(Kind::Hdfs, |dir| {
            let ports = ports::free::<PORTS>()?;
            let (recipe, admin) = recipe(&installation, dir, ports)?;
            Ok((recipe, (admin, ports)))
        })?;
        let started = Self {
            server,
            admin,
            ports,
        };
        started.make_active(NameNode::First)?;
        Ok(started)
    }

    /// The file system's root, such as `hdfs://127.0.0.1:23456,127.0.0.1:23458`.
    pub fn url(&self) -> String {
        let [first, _, second, ..] = self.ports;
        format!("hdfs://127.0.0.1:{first},127.0.0.1:{second}")
    }

    /// Ends a NameNode at once, as a power cut would.
    pub fn kill(&self, namenode: NameNode) {
        self.server.kill_process(namenode.id());
    }

    /// Ends the DataNode at once. [`Self::revive`] brings it back.
    pub fn kill_datanode(&self) {
        self.server.kill_process("datanode");
    }

    /// Starts what is down, NameNodes as standbys, and waits until all are ready.
    pub fn revive(&self) -> Result<()> {
        self.server.revive()
    }

    /// Freezes all of it: connections stay open and nothing answers.
    pub fn pause(&self) {
        self.server.pause();
    }

    /// Ends a pause.
    pub fn resume(&self) {
        self.server.resume();
    }

    /// Has both NameNodes enter or leave safe mode, in which they refuse every change.
    pub fn safe_mode(&self, on: bool) -> Result<()> {
        let installation = fetch::installation(Kind::Hdfs)?;
        hdfs::turn_safe_mode(&installation, self.dir(), on)
    }

    /// Lets a NameNode take over from one that is dead, and waits until it takes writes.
    pub fn make_active(&self, namenode: NameNode) -> Result<()> {
        self.administer(&["-transitionToActive", "--forceactive", namenode.id()])?;
        self.wait_active(namenode)
    }

    /// Has the active NameNode, which is alive, hand over to the other, and waits until that one takes writes.
    pub fn hand_over(&self, to: NameNode) -> Result<()> {
        self.administer(&["-failover", to.other().id(), to.id()])?;
        self.wait_active(to)
    }

    fn administer(&self, words: &[&str]) -> Result<()> {
        let mut admin = self.admin.clone();
        admin
            .arguments
            .extend(words.iter().map(|word| (*word).to_owned()));
        admin.run(self.server.dir())
    }

    fn wait_active(&self, namenode: NameNode) -> Result<()> {
        let web_port = self.web_port(namenode);
        let begun = Instant::now();
        loop {
            match hdfs::takes_writes(web_port) {
                Ok(()) => return Ok(()),
                Err(why) if begun.elapsed() > START_PATIENCE => {
                    return Err(Error::Refused {
                        server: Kind::Hdfs,
                        what: format!("to write with {} active", namenode.id()),
                        answer: why,
                    });
                }
                Err(_) => std::thread::sleep(GLANCE),
            }
        }
    }

    /// A NameNode's web pages, JMX and WebHDFS, such as `http://127.0.0.1:23457`.
    pub fn web_url(&self, namenode: NameNode) -> String {
        format!("http://127.0.0.1:{}", self.web_port(namenode))
    }

    fn web_port(&self, namenode: NameNode) -> u16 {
        match namenode {
            NameNode::First => self.ports[1],
            NameNode::Second => self.ports[3],
        }
    }

    /// Where the DataNode keeps its blocks.
    pub fn data_dir(&self) -> PathBuf {
        self.dir().join("datanode")
    }

    /// The folder with its configuration, data and logs; removed with the server.
    pub fn dir(&self) -> &Path {
        self.server.dir()
    }
}

/// How to run it, and the command that administers the pair, whose words are added.
fn recipe(installation: &Path, dir: &Path, free: [u16; PORTS]) -> Result<(Recipe, Launch)> {
    let [
        port1,
        web_port1,
        port2,
        web_port2,
        journal_port,
        journal_web_port,
        data_port,
        data_web_port,
        data_ipc_port,
    ] = free;
    let site = template::fill(
        include_str!("../templates/hdfs-ha-site.xml"),
        &[
            ("port1", port1.to_string()),
            ("web_port1", web_port1.to_string()),
            ("port2", port2.to_string()),
            ("web_port2", web_port2.to_string()),
            ("journal_port", journal_port.to_string()),
            ("journal_web_port", journal_web_port.to_string()),
            ("data_port", data_port.to_string()),
            ("data_web_port", data_web_port.to_string()),
            ("data_ipc_port", data_ipc_port.to_string()),
            ("dir", dir.display().to_string()),
        ],
    );
    let run = |name, class: &str, arguments: &[&str]| {
        let class = format!("hdfs.{class}");
        hdfs::program(installation, dir, name, &class, arguments)
    };
    let namenode = |name, which: NameNode, arguments: &[&str]| {
        let launch = run(name, "server.namenode.NameNode", arguments);
        launch.map(|mut launch| {
            let property = format!("-Dtestkit.namenode={}", which.id());
            launch.arguments.insert(0, property);
            launch
        })
    };
    let journal = run("journal", "qjournal.server.JournalNode", &[])?;
    let format = ["-format", "-nonInteractive"];
    let format = namenode("format", NameNode::First, &format)?;
    let script = template::fill(
        include_str!("../templates/hdfs-ha-format.sh"),
        &[("journal", shell(&journal)), ("format", shell(&format))],
    );
    let admin = run("admin", "tools.DFSHAAdmin", &[])?;
    let recipe = Recipe {
        kind: Kind::Hdfs,
        files: vec![
            ("conf/hdfs-site.xml", site),
            ("conf/hosts", hdfs::hosts()?),
            (
                "conf/log4j.properties",
                include_str!("../templates/hdfs-log4j.properties").to_owned(),
            ),
            ("format.sh", script),
        ],
        prepare: Some((
            Launch {
                name: "format",
                program: "/bin/sh".into(),
                arguments: vec!["format.sh".to_owned()],
            },
            "nn2/current/VERSION",
        )),
        processes: vec![
            journal,
            namenode("nn1", NameNode::First, &[])?,
            namenode("nn2", NameNode::Second, &[])?,
            run("datanode", "server.datanode.DataNode", &[])?,
        ],
        check: Box::new(move || {
            // A standby follows the journal and the DataNode, so it says the same of itself.
            let mut nodes = [web_port1, web_port2].into_iter();
            nodes.try_for_each(hdfs::takes_writes)
        }),
    };
    Ok((recipe, admin))
}

/// A command as a shell reads it.
fn shell(launch: &Launch) -> String {
    let program = launch.program.display().to_string();
    std::iter::once(&program)
        .chain(&launch.arguments)
        .map(|word| format!("'{}'", word.replace('\'', r"'\''")))
        .collect::<Vec<_>>()
        .join(" ")
}
