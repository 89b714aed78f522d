//! A network for one program, which reaches the servers over a cable that can be cut.
//!
//! The servers listen on 127.0.0.1 and tell their clients so. In this network that address is not the program's own:
//! it is routed over a pair of virtual interfaces to where the servers are.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use crate::error::{Error, Result};
use crate::system;

/// What a program cannot reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// Anything. Packets vanish, and nobody is told.
    Everything,
    /// Everything but Kafka. Each attempt fails at once.
    AllButKafka,
    /// Kafka. Each attempt fails at once.
    Kafka,
}

/// A network of its own. It goes with this value.
#[derive(Debug)]
pub struct Network {
    /// Holds the network open: reads its input, which ends with us.
    holder: Child,
    number: usize,
    kafka_port: u16,
}

impl Network {
    /// The network of program `number`.
    pub fn new(number: usize, kafka_port: u16) -> Result<Self> {
        let mut command = Command::new("unshare");
        // The word comes once the network is there.
        command.args(["--net", "sh", "-c", "echo there; exec cat"]);
        let mut holder = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(Error::io("cannot run", "unshare"))?;
        let mut said = String::new();
        if let Some(output) = holder.stdout.take() {
            // An end of the output without the word shows in the next command.
            let _ = BufReader::new(output).read_line(&mut said);
        }
        let network = Self {
            holder,
            number,
            kafka_port,
        };
        network.lay_cable()?;
        Ok(network)
    }

    fn lay_cable(&self) -> Result<()> {
        let (number, pid) = (self.number, self.holder.id());
        let (outer, inner) = (self.outer(), "servers");
        let allow = |name: &str| {
            format!(
                "for k in all {name}; do echo 0 >/proc/sys/net/ipv4/conf/$k/rp_filter; done
                 echo 1 >/proc/sys/net/ipv4/conf/{name}/route_localnet"
            )
        };
        system::run_line(&format!(
            "ip link add {outer} type veth peer name {inner} netns {pid}"
        ))?;
        system::run_line(&format!("ip addr add 10.77.{number}.1/30 dev {outer}"))?;
        system::run_line(&format!("ip link set {outer} up"))?;
        system::run(Command::new("sh").args(["-ec", &allow(&outer)]))?;
        self.run_line(&format!("ip addr add 10.77.{number}.2/30 dev {inner}"))?;
        self.run_line(&format!("ip link set {inner} up"))?;
        system::run(self.command("sh").args(["-ec", &allow(inner)]))?;
        let gateway = format!("10.77.{number}.1");
        self.run_line(&format!(
            "ip route add 127.0.0.1/32 via {gateway} dev {inner}"
        ))
    }

    fn outer(&self) -> String {
        format!("cable{}", self.number)
    }

    /// How programs get in, for as long as the network is there.
    pub fn enter(&self) -> Enter {
        Enter(format!("--net=/proc/{}/ns/net", self.holder.id()))
    }

    fn command(&self, program: &str) -> Command {
        self.enter().command(program)
    }

    fn run_line(&self, line: &str) -> Result<()> {
        let mut words = line.split_whitespace();
        let program = words.next().expect("a command line has a program");
        system::run(self.command(program).args(words)).map(drop)
    }

    /// Takes away what `cut` says.
    pub fn cut(&self, cut: Cut) -> Result<()> {
        let port = self.kafka_port;
        match cut {
            Cut::Everything => {
                system::run_line(&format!("ip link set {} down", self.outer())).map(drop)
            }
            Cut::AllButKafka => {
                self.run_line(&format!(
                    "ip rule add pref 10 ipproto tcp dport {port} lookup main"
                ))?;
                self.run_line("ip rule add pref 11 unreachable")
            }
            Cut::Kafka => self.run_line(&format!(
                "ip rule add pref 10 ipproto tcp dport {port} unreachable"
            )),
        }
    }

    /// Gives it back.
    pub fn mend(&self, cut: Cut) -> Result<()> {
        match cut {
            Cut::Everything => {
                system::run_line(&format!("ip link set {} up", self.outer())).map(drop)
            }
            Cut::AllButKafka => {
                self.run_line("ip rule del pref 11")?;
                self.run_line("ip rule del pref 10")
            }
            Cut::Kafka => self.run_line("ip rule del pref 10"),
        }
    }
}

/// The way into a network.
#[derive(Clone, Debug)]
pub struct Enter(String);

impl Enter {
    /// A command that will run there.
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new("nsenter");
        command.args([self.0.as_str(), "--", program]);
        command
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        drop(self.holder.stdin.take());
        // Its input has ended, so it does.
        let _ = self.holder.wait();
    }
}
