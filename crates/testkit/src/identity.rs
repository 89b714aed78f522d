//! Which process a number means: numbers are used again, a process's start is not.

use std::fs;

use serde::{Deserialize, Serialize};

/// A process as it can be told from every other one, also after its number is used again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Identity {
    pub pid: u32,
    /// When it started, in the kernel's ticks since boot.
    start: u64,
    /// The boot that the ticks count from.
    boot: String,
}

impl Identity {
    /// The process that has the number now.
    pub fn of(pid: u32) -> Option<Self> {
        let stat = Stat::read(pid)?;
        let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
        Some(Self {
            pid,
            start: stat.start,
            boot: boot.trim().to_owned(),
        })
    }

    /// Whether this very process runs. One that has ended and was not yet waited for does not.
    pub fn is_running(&self) -> bool {
        Self::of(self.pid).as_ref() == Some(self)
            && Stat::read(self.pid).is_some_and(|stat| !stat.is_dead)
    }

    /// How much memory it holds, in bytes.
    pub fn memory(&self) -> Option<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid)).ok()?;
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))?;
        let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
        Some(kibibytes * 1024)
    }
}

struct Stat {
    start: u64,
    is_dead: bool,
}

impl Stat {
    fn read(pid: u32) -> Option<Self> {
        Self::parse(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
    }

    /// The second field is the program's name in brackets and may hold anything, so counting
    /// starts behind the last bracket: the state is field 3, the number of threads field 20 and the
    /// start field 22. A process whose first thread has ended lives on in the others, and listens.
    fn parse(stat: &str) -> Option<Self> {
        let (_, fields) = stat.rsplit_once(')')?;
        let fields: Vec<&str> = fields.split_whitespace().collect();
        Some(Self {
            start: fields.get(22 - 3)?.parse().ok()?,
            is_dead: matches!(*fields.first()?, "Z" | "X")
                && matches!(*fields.get(20 - 3)?, "0" | "1"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_itself_and_not_one_with_another_start() {
        let me = Identity::of(std::process::id()).expect("running");
        assert!(me.is_running());
        assert!(me.memory().is_some_and(|bytes| bytes > 0));
        let earlier = Identity {
            start: me.start - 1,
            ..me
        };
        assert!(!earlier.is_running());
    }

    #[test]
    fn a_name_with_brackets_does_not_shift_the_fields() {
        let stat = "7 (a) b) S 1 7 7 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 4242 1 1";
        let stat = Stat::parse(stat).expect("a stat line");
        assert_eq!((stat.start, stat.is_dead), (4242, false));
    }

    #[test]
    fn a_process_is_dead_when_its_last_thread_is() {
        let stat = |state: &str, threads: u32| {
            let line = format!(
                "7 (a) {state} 1 7 7 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 {threads} 0 4242 1 1"
            );
            Stat::parse(&line).expect("a stat line")
        };
        assert!(stat("Z", 1).is_dead);
        assert!(!stat("Z", 5).is_dead);
        assert!(!stat("S", 1).is_dead);
    }
}
