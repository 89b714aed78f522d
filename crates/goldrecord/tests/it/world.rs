//! What the tests stand on: the binary, folders, and a demo that is done once and copied.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

/// The settings of a small demo.
pub const SMALL: [&str; 6] = ["--events", "5000", "--users", "300", "--days", "3"];
/// One that is long enough to be interrupted.
pub const LONG: [&str; 6] = ["--events", "200000", "--users", "2000", "--days", "3"];
/// Nothing that is awaited takes longer, on however busy a machine.
const PATIENCE: Duration = Duration::from_mins(2);

/// How a command ended and what it said.
#[derive(Debug)]
pub struct Ran {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Ran {
    /// The command's standard output, if it succeeded.
    #[track_caller]
    pub fn ok(self) -> String {
        assert_eq!(self.code, Some(0), "{}\n{}", self.out, self.err);
        self.out
    }

    /// The command was refused, and its one message says all of `parts`.
    #[track_caller]
    pub fn refused(&self, parts: &[&str]) {
        assert!(matches!(self.code, Some(1 | 2)), "{self:?}");
        for part in parts {
            assert!(self.err.contains(part), "no `{part}` in:\n{}", self.err);
        }
        assert!(!self.err.contains("panicked"), "{}", self.err);
        assert_eq!(self.err.matches("goldrecord: ").count(), 1, "{}", self.err);
    }
}

/// The project that the repository ships.
pub fn warehouse() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../warehouse")
        .canonicalize()
        .unwrap()
}

pub fn command(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_goldrecord"));
    command.args(args).stdin(Stdio::null());
    command
}

pub fn goldrecord(args: &[&str]) -> Ran {
    ended(
        command(args)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap(),
    )
}

/// Wait for a process, and hold what it said.
pub fn ended(child: Child) -> Ran {
    let output = child.wait_with_output().unwrap();
    Ran {
        code: output.status.code(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

/// `goldrecord demo` in `dir` on the repository's project.
pub fn demo(dir: &Path, more: &[&str]) -> Ran {
    demo_of(dir, &warehouse(), more)
}

/// `goldrecord demo` in `dir` on the project in `project`.
pub fn demo_of(dir: &Path, project: &Path, more: &[&str]) -> Ran {
    ended(start_demo_of(dir, project, more))
}

pub fn start_demo(dir: &Path, more: &[&str]) -> Child {
    start_demo_of(dir, &warehouse(), more)
}

fn start_demo_of(dir: &Path, project: &Path, more: &[&str]) -> Child {
    command(&["demo", "--dir", text(dir), "--project-dir", text(project)])
        .args(more)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

pub fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// The rows of a query, as JSON.
pub fn rows(dir: &Path, query: &str) -> Vec<Value> {
    let out = goldrecord(&["sql", "--dir", text(dir), "--output", "json", query]).ok();
    serde_json::from_str(&out).unwrap()
}

/// Table and version of everything that `status --json` names.
pub fn versions(dir: &Path) -> Vec<(String, i64)> {
    let out = goldrecord(&["status", "--dir", text(dir), "--json"]).ok();
    let status: Value = serde_json::from_str(&out).unwrap();
    let tables = status["tables"].as_array().unwrap();
    tables
        .iter()
        .map(|table| {
            let name = table["table"].as_str().unwrap().to_owned();
            (name, table["version"].as_i64().unwrap())
        })
        .collect()
}

/// A small demo that ended well, for looking at.
pub fn done() -> &'static Path {
    static DONE: OnceLock<TempDir> = OnceLock::new();
    let dir = DONE.get_or_init(|| {
        let dir = TempDir::new().unwrap();
        demo(dir.path(), &SMALL).ok();
        dir
    });
    dir.path()
}

/// A copy of [`done`], for doing harm to.
pub fn copy_of_done() -> TempDir {
    let dir = TempDir::new().unwrap();
    copy(done(), dir.path());
    let file = dir.path().join("goldrecord.toml");
    let config = fs::read_to_string(&file).unwrap();
    fs::write(&file, config.replace(text(done()), text(dir.path()))).unwrap();
    dir
}

pub fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// Add a commit of these actions to a table's log, as another program could.
pub fn commit(dir: &Path, table: &str, actions: &[Value]) {
    let log = dir.join("lake").join(table).join("_delta_log");
    let version = fs::read_dir(&log)
        .unwrap()
        .filter(|entry| {
            let name = entry.as_ref().unwrap().file_name();
            Path::new(&name)
                .extension()
                .is_some_and(|end| end == "json")
        })
        .count();
    let lines: Vec<String> = actions.iter().map(Value::to_string).collect();
    fs::write(
        log.join(format!("{version:020}.json")),
        lines.join("\n") + "\n",
    )
    .unwrap();
}

/// The first file of events that a table's log adds.
pub fn a_file(dir: &Path, table: &str) -> Value {
    let log = dir.join("lake").join(table).join("_delta_log");
    let mut commits: Vec<PathBuf> = fs::read_dir(log)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|end| end == "json"))
        .collect();
    commits.sort();
    commits
        .iter()
        .flat_map(|path| {
            let text = fs::read_to_string(path).unwrap();
            text.lines()
                .map(|line| serde_json::from_str::<Value>(line).unwrap())
                .collect::<Vec<_>>()
        })
        .map(|action| action["add"].clone())
        .find(|add| add["partitionValues"]["event_date"].is_string())
        .unwrap()
}

/// Wait until `holds`; the process that is to bring it about must be running until then.
#[track_caller]
pub fn until(child: &mut Child, holds: impl Fn() -> bool) {
    let patience = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < patience, "what was awaited did not come");
        let early = child.try_wait().unwrap();
        assert!(
            early.is_none() || holds(),
            "the process ended too early: {early:?}"
        );
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Whether a table of the lake in `dir` has this version.
pub fn has_version(dir: &Path, table: &str, version: usize) -> bool {
    dir.join("lake")
        .join(table)
        .join(format!("_delta_log/{version:020}.json"))
        .exists()
}

/// Send a signal by name, such as `INT`.
pub fn signal(child: &Child, name: &str) {
    let status = Command::new("kill")
        .args([&format!("-{name}"), &child.id().to_string()])
        .status();
    assert!(status.unwrap().success());
}
