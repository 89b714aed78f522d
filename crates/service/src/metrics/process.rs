//! What the kernel says of the process, under the names that every Prometheus client uses.

use std::fs;

use super::declaration::{Kind, Unit};
use super::family::{Counter, Gauge};
use super::registry::Registry;

/// The unit of times in `/proc/<pid>/stat` as the kernel shows it to programs: 100 a second on every
/// architecture that we build for.
const TICKS_PER_SECOND: f64 = 100.0;

pub(super) fn register(registry: &Registry) {
    let gauge = |name: &str, unit, help| {
        Gauge::<0>(registry.declare(name.to_owned(), Kind::Gauge, unit, [], help))
    };
    let memory = gauge(
        "process_resident_memory_bytes",
        Unit::Bytes,
        "Memory that the process holds.",
    );
    let open = gauge(
        "process_open_fds",
        Unit::Of("fds"),
        "Files and connections that are open.",
    );
    let most = gauge(
        "process_max_fds",
        Unit::Of("fds"),
        "Files and connections that may be open.",
    );
    let threads = gauge("process_threads", Unit::Of("threads"), "Threads that run.");
    let start = gauge(
        "process_start_time_seconds",
        Unit::Timestamp,
        "When the process began, in seconds since 1970.",
    );
    let processor = Counter::<0>(registry.declare(
        "process_cpu_seconds_total".to_owned(),
        Kind::Counter,
        Unit::Seconds,
        [],
        "Processor time, the kernel's for the process included.",
    ));
    registry.before_scrape(move || {
        // What the kernel does not show is left as it was.
        if let Some(now) = Process::look() {
            memory.set([], now.resident_bytes);
            threads.set([], now.threads);
            start.set([], now.started);
            processor.reach([], now.processor_seconds);
        }
        if let Ok(files) = fs::read_dir("/proc/self/fd") {
            open.set([], files.count() as f64);
        }
        if let Some(limit) = fs::read_to_string("/proc/self/limits")
            .ok()
            .as_deref()
            .and_then(most_open_files)
        {
            most.set([], limit);
        }
    });
}

#[derive(Debug, PartialEq)]
struct Process {
    resident_bytes: f64,
    threads: f64,
    /// Since 1970.
    started: f64,
    processor_seconds: f64,
}

impl Process {
    fn look() -> Option<Self> {
        let read = |path| fs::read_to_string(path).ok();
        Self::read(
            &read("/proc/self/stat")?,
            &read("/proc/self/status")?,
            &read("/proc/stat")?,
        )
    }

    /// From the texts of `/proc/self/stat`, `/proc/self/status` and `/proc/stat`.
    fn read(stat: &str, status: &str, system: &str) -> Option<Self> {
        // The program's name stands in parentheses and may hold anything; the third field follows it.
        let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
        let ticks = |field: usize| fields.get(field - 3)?.parse::<f64>().ok();
        let line = |text: &str, name: &str| -> Option<f64> {
            let rest = text.lines().find_map(|line| line.strip_prefix(name))?;
            rest.split_whitespace().next()?.parse().ok()
        };
        Some(Self {
            resident_bytes: line(status, "VmRSS:")? * 1024.0,
            threads: line(status, "Threads:")?,
            started: line(system, "btime ")? + ticks(22)? / TICKS_PER_SECOND,
            processor_seconds: (ticks(14)? + ticks(15)?) / TICKS_PER_SECOND,
        })
    }
}

fn most_open_files(limits: &str) -> Option<f64> {
    let rest = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"))?;
    rest.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fields_are_found_behind_any_name() {
        let stat = "7 (a) b (c)) S 1 7 7 0 -1 4194560 1 2 3 4 250 50 7 8 20 0 12 0 12345 999 88 18446744073709551615";
        let status = "Name:\ta\nVmRSS:\t   2048 kB\nThreads:\t12\n";
        let system = "cpu  1 2\nbtime 1700000000\n";
        assert_eq!(
            Process::read(stat, status, system),
            Some(Process {
                resident_bytes: 2_097_152.0,
                threads: 12.0,
                started: 1_700_000_123.45,
                processor_seconds: 3.0,
            })
        );
        assert_eq!(Process::read("7 (a", status, system), None);
    }

    #[test]
    fn the_limit_of_open_files_is_the_soft_one() {
        let limits = "Limit  Soft Limit  Hard Limit  Units\nMax open files            1024                 524288               files\n";
        assert_eq!(most_open_files(limits), Some(1024.0));
    }

    #[test]
    fn this_process_has_memory_threads_and_open_files() {
        let registry = Registry::new("test");
        let text = registry.render();
        let value = |name: &str| -> f64 {
            let line = text.lines().find_map(|line| line.strip_prefix(name));
            line.expect("it is there").trim().parse().expect("a number")
        };
        assert!(value("process_resident_memory_bytes ") > 1e6, "{text}");
        assert!(value("process_threads ") >= 1.0, "{text}");
        assert!(value("process_open_fds ") >= 3.0, "{text}");
        assert!(
            value("process_max_fds ") >= value("process_open_fds "),
            "{text}"
        );
        assert!(value("process_start_time_seconds ") > 1.6e9, "{text}");
    }
}
