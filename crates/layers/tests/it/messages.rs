//! What is said of broken projects: each file of `tests/messages/` lays some files over a small shop, and ends with the
//! exit code and the words that the command answers with. `GOLDRECORD_BLESS=1` writes the ends anew.
//!
//! ```text
//! $ build --select orders
//! -- models/orders.sql --
//! selct 1
//! -- profiles.yml gone --
//! -- exit 2 --
//! Encountered an error: …
//! ```

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What every case begins with.
const SHOP: &[(&str, &str)] = &[
    (
        "dbt_project.yml",
        "name: shop\nversion: '1.0'\nprofile: shop\nvars: {currency: EUR}\nmodels: {shop: {+materialized: table}}\n",
    ),
    (
        "profiles.yml",
        "shop:\n  target: prod\n  outputs:\n    prod: {type: goldrecord, database: lake, schema: silver}\n",
    ),
    (
        "models/sources.yml",
        "sources:\n  - name: bronze\n    tables: [{name: events}]\n",
    ),
    (
        "models/orders.sql",
        "select id as order_id, customer, amount, day from {{ ref('raw_orders') }}\n",
    ),
    (
        "models/customers.sql",
        "select customer, sum(amount) as spent from {{ ref('orders') }} group by customer\n",
    ),
    (
        "models/schema.yml",
        "models:\n  - name: orders\n    columns:\n      - name: order_id\n        data_tests: [unique, not_null]\n",
    ),
    (
        "macros/money.sql",
        "{% macro money(column, digits=2) %}round({{ column }} / 100.0, {{ digits }}){% endmacro %}\n",
    ),
    (
        "seeds/raw_orders.csv",
        "id,customer,amount,day\n1,ann,250,2026-01-01\n2,bob,400,2026-01-02\n",
    ),
];

/// A command, the files under it, and what it should say.
#[derive(Debug)]
struct Case {
    path: PathBuf,
    /// All but the end.
    given: String,
    expected: String,
}

impl Case {
    fn read(path: PathBuf) -> Self {
        let text = fs::read_to_string(&path).unwrap();
        let (given, expected) = match text.find("-- exit ") {
            Some(at) => text.split_at(at),
            None => (text.as_str(), ""),
        };
        Self {
            given: given.to_owned(),
            expected: expected.to_owned(),
            path,
        }
    }

    fn lay_out(&self, root: &Path) {
        for (path, text) in SHOP {
            write(&root.join(path), text);
        }
        let lake = root.join("lake");
        fs::create_dir_all(&lake).unwrap();
        let config = format!("[lake]\nurl = \"file://{}\"\n", lake.display());
        write(&root.join("goldrecord.toml"), &config);
        let mut path: Option<&str> = None;
        let mut text = String::new();
        let put = |path: Option<&str>, text: &str| {
            if let Some(path) = path {
                write(&root.join(path), text);
            }
        };
        for line in self.given.lines().skip(1) {
            let name = line
                .strip_prefix("-- ")
                .and_then(|line| line.strip_suffix(" --"));
            let Some(name) = name else {
                text.push_str(line);
                text.push('\n');
                continue;
            };
            put(path.take(), &std::mem::take(&mut text));
            match name.strip_suffix(" gone") {
                Some(gone) => fs::remove_file(root.join(gone)).unwrap(),
                None => path = Some(name),
            }
        }
        put(path, &text);
    }

    /// What the command says: `-- exit 2 --`, and what is wrong without times and folders.
    fn said(&self) -> String {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        self.lay_out(root);
        let command = self.given.lines().next().unwrap_or_default();
        let arguments = command.strip_prefix("$ ").expect("a case begins with `$ `");
        let output = Command::new(env!("CARGO_BIN_EXE_goldrecord-layers"))
            .args(arguments.split(' ').map(|word| word.replace('~', " ")))
            .args([
                "--project-dir",
                ".",
                "--profiles-dir",
                ".",
                "--config",
                "goldrecord.toml",
            ])
            .current_dir(root)
            .env("HOME", root)
            .env("NO_COLOR", "1")
            .output()
            .unwrap();
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8(said).unwrap();
        let said = said.replace(&root.display().to_string(), "SHOP");
        let mut told = format!("-- exit {} --\n", output.status.code().unwrap());
        for line in wrong(&said) {
            writeln!(told, "{}", line.trim_end()).unwrap();
        }
        told
    }
}

/// The lines about what is wrong: warnings, and all from the error, or from the list of failed nodes, on.
fn wrong(said: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut ends = false;
    for line in said.lines().map(without_time) {
        if line.starts_with("Build 1") || line.starts_with("Done.") {
            continue;
        }
        ends |= line.starts_with("Encountered an error") || line.starts_with("Completed with");
        if ends || line.contains("[WARNING]") || line.starts_with("error:") {
            ends |= line.starts_with("error:");
            found.push(line);
        }
    }
    while found.last().is_some_and(|line| line.trim().is_empty()) {
        found.pop();
    }
    found
}

/// A line without `12:59:59  ` before it.
fn without_time(line: &str) -> &str {
    match line.split_once("  ") {
        Some((time, rest)) if time.len() == 8 && time.matches(':').count() == 2 => rest,
        _ => line,
    }
}

fn write(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

#[test]
fn what_is_wrong_with_a_project_is_told_in_these_words() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/messages");
    let files = fs::read_dir(folder).unwrap();
    let cases: Vec<Case> = files.map(|file| Case::read(file.unwrap().path())).collect();
    assert!(!cases.is_empty());
    let bless = std::env::var_os("GOLDRECORD_BLESS").is_some();
    let next = AtomicUsize::new(0);
    let wrong = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let said = case.said();
                    if said == case.expected {
                        continue;
                    }
                    if bless {
                        fs::write(&case.path, format!("{}{said}", case.given)).unwrap();
                    } else {
                        let name = case.path.file_stem().unwrap().display();
                        let difference =
                            format!("{name}: expected\n{}\nand it says\n{said}", case.expected);
                        wrong.lock().unwrap().push(difference);
                    }
                }
            });
        }
    });
    let wrong = wrong.into_inner().unwrap();
    assert!(
        wrong.is_empty(),
        "{}\n\n(GOLDRECORD_BLESS=1 writes the files anew)",
        wrong.join("\n\n")
    );
}
